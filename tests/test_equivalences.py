"""What must come to the same does."""

import warnings

import numpy as np
import pytest
from conftest import SHIPPED
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from sk_softmax import SoftmaxClassifier, _rows, softmax_path
from sk_softmax._encode import problem_for
from sk_softmax._problem import Problem
from sk_softmax._row_space import row_space
from sk_softmax._solver import descend

SPARSE_FORMATS = [
    f"{name}_{kind}-{index}"
    for name in ("csr", "csc", "coo")
    for kind in ("matrix", "array")
    for index in ("int32", "int64")
]


def to_sparse(X, name):
    """X in a format like "coo_array-int64", whatever scipy would choose."""
    container, index = name.split("-")
    made = getattr(sparse, container)(X)
    attributes = (
        ("row", "col") if container.startswith("coo") else ("indices", "indptr")
    )
    arrays = [getattr(made, attribute).astype(index) for attribute in attributes]
    if hasattr(made, "coords"):
        made.coords = tuple(arrays)
    else:
        for attribute, array in zip(attributes, arrays, strict=True):
            setattr(made, attribute, array)
    assert getattr(made, attributes[0]).dtype == index
    return made


def fit(X, y, weight=None, **parameters):
    """The optimum to the last digit of the objective, which is half of them in W."""
    return SoftmaxClassifier(tol=0, **parameters).fit(X, y, weight)


def assert_same(one, other, rtol=1e-6):
    """Coefficients and intercepts within rtol of the greatest of them."""
    for name in ("coef_", "intercept_"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max())


@pytest.fixture(params=[2, 3], ids=["sigmoid", "softmax"])
def task(request, make_rows):
    return make_rows(200, 5, request.param)


# Weights


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 0.5}])
def test_weights_are_repeated_rows(task, class_weight):
    X, y, _ = task
    repeats = np.random.default_rng(0).integers(0, 4, len(y))
    if isinstance(class_weight, dict):
        class_weight = {**class_weight, **dict.fromkeys(set(y) - {0, 1}, 1.0)}
    weighted = fit(X, y, repeats, class_weight=class_weight)
    rows = np.repeat(np.arange(len(y)), repeats)
    repeated = fit(X[rows], y[rows], class_weight=class_weight)
    assert_same(weighted, repeated)


def test_rows_without_weight_are_not_there(task):
    X, y, weight = task
    X = np.vstack([X, 1e6 * np.ones((20, X.shape[1]))])
    y = np.append(y, np.arange(20) % 2)
    weight = np.append(weight, np.zeros(20))
    assert_same(fit(X, y, weight), fit(X[:-20], y[:-20], weight[:-20]))


def test_equal_weights_and_none_differ_by_C_alone(task):
    X, y, _ = task
    assert_same(fit(X, y, np.full(len(y), 3.0), C=2.0), fit(X, y, C=6.0))


def test_class_weights_are_weights_of_the_rows(task):
    X, y, weight = task
    by_class = {k: 1.0 + k for k in set(y)}
    assert_same(fit(X, y, weight, class_weight=by_class), fit(X, y, weight * (1 + y)))


def test_order_of_the_rows_does_not_matter(task):
    X, y, weight = task
    order = np.random.default_rng(0).permutation(len(y))
    assert_same(fit(X, y, weight), fit(X[order], y[order], weight[order]))


def test_order_of_the_features_does_not_matter(task):
    X, y, _ = task
    order = np.random.default_rng(0).permutation(X.shape[1])
    one, other = fit(X, y), fit(X[:, order], y)
    np.testing.assert_allclose(one.coef_[:, order], other.coef_, atol=1e-6)


def test_order_of_the_classes_does_not_matter(task):
    X, y, _ = task
    one, other = fit(X, y), fit(X, -y)
    np.testing.assert_allclose(
        one.predict_log_proba(X), other.predict_log_proba(X)[:, ::-1], atol=1e-6
    )


def test_two_classes_as_softmax_have_half_the_sigmoids_difference(make_rows):
    """With w = w_1 - w_0, |w_0|^2 + |w_1|^2 is |w|^2 / 2: half the penalty."""
    X, y, _ = make_rows(300, 4, 2)
    sigmoid = fit(X, y, C=1.0)
    # a third class without a row's weight makes the same rows a softmax problem
    three = fit(
        np.vstack([X, X[:1]]),
        np.append(y, 2),
        np.append(np.ones(len(y)), 0.0),
        C=0.5,
    )
    difference = three.coef_[1] - three.coef_[0]
    np.testing.assert_allclose(difference, sigmoid.coef_[0], rtol=1e-4)


# Containers


@pytest.mark.parametrize("name", SPARSE_FORMATS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_is_dense(task, name, dtype):
    X, y, weight = task
    X = np.where(np.abs(X) > 1, X, 0).astype(dtype)
    container = to_sparse(X, name)
    found = fit(container, y, weight)
    assert found.coef_.dtype == dtype
    assert_same(found, fit(X, y, weight), 1e-6 if dtype == np.float64 else 1e-3)
    np.testing.assert_allclose(
        found.predict_log_proba(container), found.predict_log_proba(X), atol=1e-4
    )


@pytest.mark.parametrize("solver", ["hessian", "blocks", "kronecker", "diagonal"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_is_dense_in_all_coordinates(task, solver, fit_intercept):
    X, y, _ = task
    X = np.where(np.abs(X) > 1, X, 0)
    parameters = {"solver": solver, "fit_intercept": fit_intercept}
    assert_same(
        fit(sparse.csr_array(X), y, **parameters),
        fit(X, y, fit_intercept=fit_intercept),
    )


def test_sparse_with_entries_twice_and_explicit_zeros(task):
    X, y, _ = task
    X = np.where(np.abs(X) > 1, X, 0)
    row, col = np.nonzero(X)
    halves = np.tile(X[row, col] / 2, 2)
    zeros = np.zeros(len(y))
    twice = sparse.coo_matrix(
        (
            np.concatenate([halves, zeros]),
            (
                np.concatenate([row, row, np.arange(len(y))]),
                np.concatenate([col, col, np.zeros(len(y), int)]),
            ),
        ),
        X.shape,
    )
    assert_same(fit(twice, y), fit(X, y))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_memory_order_does_not_matter(task, dtype):
    X, y, weight = task
    X = X.astype(dtype)
    tolerance = 1e-6 if dtype == np.float64 else 1e-3
    one = fit(np.ascontiguousarray(X), y, weight)
    assert_same(one, fit(np.asfortranarray(X), y, weight), tolerance)


@pytest.mark.parametrize("name", SHIPPED)
def test_float32_is_float64_to_three_digits(load, name):
    X, y = load(name)
    # the objective's 1e-8 is the square of what is left in the coefficients
    single = SoftmaxClassifier(tol=1e-8).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert_same(single, SoftmaxClassifier(tol=1e-8).fit(X, y), 1e-3)


@pytest.mark.parametrize("solver", ["hessian", "blocks", "kronecker", "diagonal"])
def test_coordinates_do_not_change_the_optimum(task, solver):
    X, y, weight = task
    assert_same(fit(X, y, weight, solver=solver), fit(X, y, weight))


# More features than rows, which are fitted in the span of the rows


def wide(place, spread, dtype=np.float64):
    """Features of one size but for the first; labels that depend on all the others."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 400))
    y = (X @ rng.normal(size=(400, 3)) / 20 + rng.gumbel(size=(50, 3))).argmax(axis=1)
    X[:, 0] = place + spread * X[:, 0]
    return X.astype(dtype), y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("place", "spread"), [(0, 1), (1.6e9, 1e6), (0, 1e9)], ids=["none", "time", "id"]
)
def test_a_large_feature_hides_no_others(place, spread, dtype, fit_intercept):
    X, y = wide(place, spread, dtype)
    options = {"fit_intercept": fit_intercept, "tol": 1e-9}
    found = SoftmaxClassifier(**options).fit(X, y)
    # the same problem in units of the feature's own, with a penalty that knows of them
    X, unit = X.astype(np.float64), np.ones(400)
    X[:, 0] -= fit_intercept * place
    unit[0] = spread if fit_intercept else place + spread
    expected = SoftmaxClassifier(penalty_factor=unit**-2, **options).fit(X / unit, y)
    tolerance = 1e-4 if dtype == np.float64 else 1e-2
    assert found.converged_ and np.abs(expected.coef_[:, 1:]).max() > 0.05
    np.testing.assert_allclose(found.coef_ * unit, expected.coef_, atol=tolerance)
    if dtype == np.float64:
        found.intercept_ += found.coef_[:, 0] * fit_intercept * place
        found.coef_ *= unit
        F, least = (
            log_loss(y, model.predict_proba(X / unit))
            + np.sum((model.coef_ / unit) ** 2) / (2 * len(y))
            for model in (found, expected)
        )
        assert F - least < 3e-9


def test_a_path_goes_on_with_all_features_where_some_are_hidden():
    X, y = wide(0, 1e9)
    path = softmax_path(X, y, Cs=[0.01, 1.0], tol=1e-9)
    for C, coef in zip(path.Cs, path.coefs, strict=True):
        alone = SoftmaxClassifier(C=C, tol=1e-9).fit(X, y)
        np.testing.assert_allclose(coef, alone.coef_, atol=1e-4)


def test_passes_in_the_span_of_the_rows_count(monkeypatch):
    calls, count = [], Problem.sum

    def counted(problem, block, *args):
        if block.__name__ in ("_value_gradient", "_hessian_product"):
            calls.append(problem.shape)
        return count(problem, block, *args)

    monkeypatch.setattr(Problem, "sum", counted)
    model = SoftmaxClassifier().fit(*wide(0, 1e9))
    assert len(set(calls)) == 2  # of fewer features, and of all
    assert len(calls) <= model.n_iter_[0] <= len(calls) + 5
    with pytest.warns(ConvergenceWarning):
        model = SoftmaxClassifier(max_iter=9).fit(*wide(0, 1e9))
    assert model.n_iter_[0] <= 10
    calls.clear()  # less the centre a time hides nothing
    SoftmaxClassifier().fit(*wide(1.6e9, 1e6))
    assert calls.count((3, 401)) == 1 < len(calls)


def test_another_value_is_not_lifted():
    problem, _ = problem_for(SoftmaxClassifier(), *wide(0, 1), None, None)
    space = row_space(problem)
    result = descend(space.problem, tol=1e-6, max_iter=100)
    assert space.lift_result(result, problem, 1e-6).value == result.value
    result.value *= 1 + 1e-3
    assert space.lift_result(result, problem, 1e-6) is None


# Threads


@pytest.mark.parametrize("container", ["C", "F", "csr"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["hessian", "blocks", "kronecker", "diagonal"])
def test_threads_do_not_change_a_bit(make_rows, container, dtype, solver, monkeypatch):
    X, y, weight = make_rows(3000, 30, 4, dtype=dtype)
    if container == "csr":
        X = sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0))
    else:
        X = np.asarray(X, order=container)
    # many blocks, and work for all threads in each pass
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2**13 if container == "csr" else 2**11)
    assert len(_rows.Rows(X, 4).blocks) > 30
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 1e4)
    fits = []
    for n_threads in (1, 2, 8):
        with threadpool_limits(n_threads, user_api="blas"):
            fits.append(SoftmaxClassifier(solver=solver).fit(X, y, weight))
    for other in fits[1:]:
        assert other.n_iter_ == fits[0].n_iter_
        np.testing.assert_array_equal(other.coef_, fits[0].coef_)
        np.testing.assert_array_equal(other.intercept_, fits[0].intercept_)


@pytest.mark.parametrize("options", [{"solver": "hessian"}, {"l1_ratio": 1.0}])
def test_threads_in_a_single_block_do_not_change_a_bit(make_rows, options, monkeypatch):
    X, y, _ = make_rows(2000, 10, 4)
    assert len(_rows.Rows(X, 4).blocks) == 1
    # work for both threads in each Hessian, but not in passes
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 5e5)
    fits, cut = [], []
    whole = _rows.Rows._cut
    monkeypatch.setattr(_rows.Rows, "_cut", lambda r, n: cut.append(n) or whole(r, n))
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            fits.append(SoftmaxClassifier(**options).fit(X, y))
    assert 2 in cut and 1 in cut
    np.testing.assert_array_equal(fits[1].coef_, fits[0].coef_)
    np.testing.assert_array_equal(fits[1].intercept_, fits[0].intercept_)


def test_the_same_fit_twice_is_the_same_to_the_bit(load):
    X, y = load("digits")
    one, other = SoftmaxClassifier().fit(X, y), SoftmaxClassifier().fit(X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)


# scikit-learn's optimum


def theirs(X, y, weight=None, **parameters):
    """LogisticRegression at its most exact."""
    classifier = LogisticRegression(
        solver="newton-cholesky", tol=1e-12, max_iter=1000, **parameters
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        # its line search may end at the last digit, and does say so
        warnings.simplefilter("ignore")
        return classifier.fit(X, y, weight)


@pytest.fixture(params=SHIPPED)
def shipped(request, load):
    """Raw features, labels and random weights."""
    X, y = load(request.param)
    return X, y, np.random.default_rng(0).uniform(0.5, 2, len(y))


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
def test_optimum_is_that_of_logistic_regression(shipped, C):
    X, y, _ = shipped
    assert_same(fit(X, y, C=C), theirs(X, y, C=C))


def test_optimum_with_weights(shipped):
    assert_same(fit(*shipped), theirs(*shipped))


def test_optimum_without_intercept(shipped):
    X, y, _ = shipped
    parameters = {"fit_intercept": False}
    assert_same(fit(X, y, **parameters), theirs(X, y, **parameters))


@pytest.mark.parametrize("class_weight", ["balanced", "by label"])
def test_optimum_with_class_weights(shipped, class_weight):
    X, y, _ = shipped
    if class_weight == "by label":
        class_weight = {k: 0.5 + k for k in np.unique(y)}
    ours = fit(X, y, class_weight=class_weight)
    assert_same(ours, theirs(X, y, class_weight=class_weight))


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_optimum_without_a_penalty(shipped, fit_intercept):
    """A third of the labels are drawn anew, so that there is an optimum."""
    X, y, weight = shipped
    # a column that few rows have can separate a class
    X = X[:, np.mean(X != np.median(X, axis=0), axis=0) > 0.3][:, :12]
    rng = np.random.default_rng(0)
    y = np.where(rng.random(len(y)) < 1 / 3, rng.permutation(y), y)
    parameters = {"C": np.inf, "fit_intercept": fit_intercept}
    assert_same(fit(X, y, weight, **parameters), theirs(X, y, weight, **parameters))


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
@pytest.mark.parametrize("format_name", SPARSE_FORMATS)
def test_optimum_on_sparse_features(load, name, format_name):
    X, y = load(name)
    assert_same(fit(to_sparse(X, format_name), y), theirs(X, y))


@pytest.mark.parametrize("name", SHIPPED)
def test_predictions_are_those_of_logistic_regression(load, name):
    X, y = load(name)
    ours, other = fit(X, y), theirs(X, y)
    for method in ("decision_function", "predict_proba"):
        a, b = getattr(ours, method)(X), getattr(other, method)(X)
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())
    np.testing.assert_array_equal(ours.predict(X), other.predict(X))
