"""Where the optimum is at infinity the fit says so, and nowhere else."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, softmax_path
from sk_softmax.inference import infer, marginal_effects

INF = np.inf


@pytest.fixture
def iris(load):
    return load("iris")


def says(fit, *, classes, step):
    """That `fit` warns once, at its caller, of these classes, with this next step."""
    with pytest.warns(ConvergenceWarning) as caught:
        fit()
    (warning,) = caught
    assert f"X separates classes {classes} from all others" in str(warning.message)
    assert step in str(warning.message)
    assert warning.filename == __file__


TARGETS = {
    "labels": lambda y: y,
    "soft": lambda y: np.eye(3)[y],
    "counts": lambda y: 4.0 * np.eye(3)[y],
    # of two classes in part, but not of the separated one
    "partly": lambda y: np.eye(3)[y] @ [[1, 0, 0], [0, 0.9, 0.1], [0, 0.1, 0.9]],
}


@pytest.mark.parametrize("target", TARGETS)
def test_without_a_penalty(iris, target):
    X, y = iris
    Y = TARGETS[target](y)
    says(lambda: SoftmaxClassifier(C=INF).fit(X, Y), classes=[0], step="finite C")


def test_two_soft_classes(iris):
    X, Y = iris[0][:100], np.eye(3)[iris[1]][:100, :2]
    says(lambda: SoftmaxClassifier(C=INF).fit(X, Y), classes=[0, 1], step="finite C")
    says(lambda: SoftmaxClassifier(C=1e307).fit(X, Y), classes=[0, 1], step="with C=1e")
    SoftmaxClassifier(C=INF).fit(X, 0.98 * Y + 0.01)  # whose optimum is finite


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("factor", [0.0, [1.0, 1.0, 0.0, 0.0]], ids=str)
def test_unpenalised_features(iris, factor, l1_ratio):
    X, y = iris
    X = np.add(X, [2000, 3000, 0, 0])  # what the penalised ones are is no matter
    model = SoftmaxClassifier(l1_ratio=l1_ratio, penalty_factor=factor)
    says(lambda: model.fit(X, y), classes=[0], step="a positive penalty_factor")


def test_penalised_or_bounded_features_that_separate(iris):
    X, y = iris
    few = np.flatnonzero(np.arange(150) % 50 < 40)
    # the second feature does not, alone
    SoftmaxClassifier(C=1e4, penalty_factor=[1, 0, 1, 1]).fit(X[few], y[few])
    SoftmaxClassifier(C=INF, bounds=(-9, 9)).fit(X, y)
    SoftmaxClassifier(C=INF, penalty_factor=[INF, 0, INF, INF]).fit(X, y)


def test_offsets_are_not_features(iris):
    X, y = iris[0][:100, 1:2], iris[1][:100]  # which does not separate them
    offset = np.where(y == 1, 8.0, -8.0)
    SoftmaxClassifier(C=INF).fit(X, y)
    SoftmaxClassifier(C=INF).fit(X, y, offset=offset)


def test_absent_classes_are_not_separated(iris):
    X, y = iris
    model = SoftmaxClassifier(classes=[0, 1, 2, 3], penalty_factor=[1, 0, 1, 1])
    model.fit(X[50:], y[50:])


def rows_of(seed, n_classes, n, size):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    Z = X @ rng.normal(size=(2, n_classes)) * size + rng.normal(size=n_classes)
    return X, (Z + rng.gumbel(size=Z.shape)).argmax(axis=1)


@pytest.mark.parametrize("tol", [1e-4, 1e-12])
def test_a_class_surrounded_by_several_borders_has_a_finite_optimum(tol):
    """All its rows are on the right side, and the others overlap."""
    X, y = rows_of(83, 3, 40, 4)
    model = SoftmaxClassifier(C=INF, tol=tol).fit(X, y)
    own = model.predict_proba(X)[np.arange(40), y]
    assert (1 - own[y == 1]).sum() < 0.25
    assert np.abs(model.coef_).max() < 15
    assert 1 < infer(model, X, y).coef_table()["se"].max() < 10
    assert marginal_effects(model, X)["se"].max() < 1
    assert SoftmaxClassifierCV([1.0, INF], cv="approximate-loo").fit(X, y).C_ > 0


@pytest.mark.parametrize("tol", [1e-4, 1e-9])
def test_a_surrounded_class_beside_a_separated_one(tol):
    """The one that is certain by now does not keep the other from being asked."""
    X, y = rows_of(83, 3, 40, 4)
    X, y = np.vstack([X, [[10, 0], [10.1, 0], [10, 0.1]]]), np.append(y, [3, 3, 3])
    says(lambda: SoftmaxClassifier(C=INF, tol=tol).fit(X, y), classes=[3], step="C")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("seed", "light", "apart"), [(23, 0, None), (15, 1, [0, 1, 2]), (27, 0, [0, 1, 2])]
)
def test_weights_are_no_matter(seed, light, apart, dtype):
    """Neither takes F a class for separated nor for overlapping that it hardly sees."""
    X, y = rows_of(seed, 3, 40, 4)
    X, weights = X.astype(dtype), np.where(y == light, 1e-7, 1.0)
    for target in (y, np.eye(3, dtype=dtype)[y]):
        model = SoftmaxClassifier(C=INF)
        if apart is None:
            model.fit(X, target, weights)
        else:
            says(
                lambda m=model, t=target: m.fit(X, t, weights), classes=apart, step="C"
            )


@pytest.mark.parametrize(("own", "other"), [(0, 2), (2, 1), (1, 0)])
def test_the_least_share_of_another_class_overlaps(own, other):
    """Of soft labels, too, it is no matter how much: that class's rows surround."""
    X, y = rows_of(40, 3, 40, 4)
    Y = np.eye(3)[y]
    says(lambda: SoftmaxClassifier(C=INF).fit(X, Y), classes=[0, 1, 2], step="finite C")
    some = (y == own) & (np.arange(40) % 3 == 0)
    Y[some, own], Y[some, other] = 1 - 1e-8, 1e-8
    SoftmaxClassifier(C=INF).fit(X, Y)


@pytest.mark.parametrize("soft", [False, True])
def test_rows_without_weight_are_not_asked(iris, soft):
    X, y = iris
    X, y = np.vstack([X, X[50:60]]), np.append(y, np.zeros(10, dtype=int))
    Y, weights = np.eye(3)[y] if soft else y, np.append(np.ones(150), np.zeros(10))
    says(lambda: SoftmaxClassifier(C=INF).fit(X, Y, weights), classes=[0], step="C")


@pytest.mark.parametrize("weight", [1.0, 1e-5, 1e-9])
def test_a_separated_class_of_little_weight(weight):
    """F hardly sees it, so its errors are not those per row."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(60, 2)), 0.3 * rng.normal(size=(20, 2)) + [0, 6]])
    y = np.append(X[:60, 0] + rng.normal(size=60) > 0, np.full(20, 2))
    model, weights = SoftmaxClassifier(C=INF), np.where(y == 2, weight, 1.0)
    says(lambda: model.fit(X, y, weights), classes=[2], step="finite C")


@pytest.mark.parametrize("tol", [1e-4, 1e-8, 1e-10])
@pytest.mark.parametrize(("seed", "apart"), [(10, [1, 2]), (1, [2, 3])])
def test_groups_of_classes_that_overlap_among_themselves(seed, apart, tol):
    X, y = rows_of(seed, 4, 40, 4)
    model = SoftmaxClassifier(C=INF, tol=tol)
    says(lambda: model.fit(X, y), classes=apart, step="finite C")
    np.testing.assert_array_equal(np.isin(model.predict(X), apart), np.isin(y, apart))
    names = ", ".join(map(str, apart))
    for ask in (lambda: infer(model, X, y), lambda: marginal_effects(model, X)):
        with pytest.raises(
            ValueError, match=f"separated: .* rows of class {names} from"
        ):
            ask()


@pytest.mark.parametrize("tol", [1e-2, 1e-6])
def test_many_classes_at_any_tolerance(tol):
    """Where all rows are on the right side that is enough, however far they are."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(20, 3))
    centres *= 10 / np.linalg.norm(centres, axis=1)[:, None]
    y = np.arange(60) % 20
    X = centres[y] + 0.05 * rng.normal(size=(60, 3))
    model = SoftmaxClassifier(C=INF, tol=tol)
    says(lambda: model.fit(X, y), classes=list(range(20)), step="finite C")


def test_path(iris):
    X, y = iris
    says(lambda: softmax_path(X, y, Cs=[1.0, INF]), classes=[0], step="finite C")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        softmax_path(X, y, Cs=[1.0, 2.0])
    assert not caught


@pytest.mark.parametrize("options", [{}, {"refit": False}])
def test_chosen_by_cross_validation(iris, options):
    X, y = iris[0][:100], iris[1][:100]
    model = SoftmaxClassifierCV([1e-3, INF], **options)
    says(lambda: model.fit(X, y), classes=[0, 1], step="finite C")


@pytest.mark.parametrize(
    "options", [{"Cs": [1.0, INF]}, {"Cs": [1.0], "penalty_factor": [0, 0, 0, 1]}]
)
def test_leaving_out_rows_of_separated_classes_is_refused(iris, options):
    """No row seems to be missed there, and C=inf would always be chosen."""
    X, y = iris[0][:100], iris[1][:100]
    with pytest.raises(ValueError, match=r"cannot judge C=.* separates .* \[0, 1\]"):
        SoftmaxClassifierCV(cv="approximate-loo", **options).fit(X, y)


def test_no_pass_where_all_is_penalised(iris, monkeypatch):
    """The question costs nothing where it cannot arise."""
    from sk_softmax import _problem

    monkeypatch.setattr(_problem, "_confusion", None)
    SoftmaxClassifier().fit(*iris)
    SoftmaxClassifier(l1_ratio=0.5, penalty_factor=[1, 2, INF, 1]).fit(*iris)
