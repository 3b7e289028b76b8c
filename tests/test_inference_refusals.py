"""What inference refuses, with the name of what is wrong and the next step."""

import warnings

import numpy as np
import pytest
from inference_cases import assert_close, ml, pd, task
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from sk_softmax import SoftmaxClassifier, _information
from sk_softmax.inference import infer, marginal_effects


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"twice": lambda X: X[:, 0] + 2 * X[:, 1]}, "is a linear combination of"),
        ({"same": lambda X: 0 * X[:, 0] + 3.7}, "'same' is constant"),
        ({"four": lambda X: 0 * X[:, 0] + 4}, "'four' is constant"),
        ({"none": lambda X: 0 * X[:, 0]}, "'none' is zero in every row"),
    ],
)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_collinear_columns_are_named(columns, said, container):
    X, y = task()
    X = X - X.mean(axis=0)
    ((name, make),) = columns.items()
    names = ["a", "b", "c", name]
    X = np.column_stack([X, make(X)])
    classifier = SoftmaxClassifier(C=np.inf).fit(X, y)
    classifier.feature_names_in_ = np.array(names, dtype=object)
    with warnings.catch_warnings(), pytest.raises(ValueError, match=said) as error:
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        infer(classifier, container(X), y)
    with warnings.catch_warnings(), pytest.raises(ValueError, match=said):
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        marginal_effects(classifier, container(X))
    assert repr(name) in str(error.value)
    assert "'c'" not in str(error.value)
    if name == "twice":
        assert "'a'" in str(error.value) and "'b'" in str(error.value)
    infer(SoftmaxClassifier(C=1.0, tol=1e-10).fit(X, y), X, y)  # a penalty mends it


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_collinear_columns_are_named_past_rounding(make_rows, seed):
    X, y, _ = make_rows(200, 4, 3, seed=seed)
    X[:, 3] = X[:, :3] @ np.random.default_rng(seed).normal(size=3)
    with pytest.raises(ValueError, match="is a linear combination of"):
        infer(SoftmaxClassifier(C=np.inf).fit(X, y), X, y)
    X[:, 3] += 1e-4 * np.random.default_rng(9).normal(size=200)
    infer(SoftmaxClassifier(C=np.inf).fit(X, y), X, y)  # nearly is not


@pytest.mark.parametrize("n_classes", [2, 3])
def test_collinear_columns_that_are_penalised_are_not_named(make_rows, n_classes):
    X, y, _ = make_rows(200, 4, n_classes)
    X[:, 1], X[:, 3] = 2 * X[:, 0], 2 * X[:, 2]
    classifier = SoftmaxClassifier(penalty_factor=[0, 0, 1, 1], tol=1e-10).fit(X, y)
    with pytest.raises(ValueError, match=r"combination of 'x[01]'\. Leave .* penalise"):
        infer(classifier, X, y)
    infer(classifier.set_params(penalty_factor=[0, 1, 1, 0]).fit(X, y), X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_nearly_collinear_columns_are_not_taken_for_separated_classes(n_classes):
    """Not so near that their Gram matrix is singular, but the information."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (X[:, :1] * np.arange(n_classes) + rng.gumbel(size=(300, n_classes))).argmax(1)
    X[:, 1] = X[:, 0] + 4.5e-7 * X[:, 1]
    with pytest.raises(ValueError, match="columns 'x0', 'x1' are nearly collinear"):
        infer(ml(X, y, tol=1e-12), X, y)


@pytest.mark.parametrize("tol", [1e-6, 1e-10, 1e-13])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_separated_classes_are_named(tol):
    X, y = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    classifier = SoftmaxClassifier(C=np.inf, tol=tol).fit(X, labels)
    for call in (
        lambda: infer(classifier, X, labels),
        lambda: marginal_effects(classifier, X),
    ):
        with pytest.raises(ValueError, match="rows of class setosa from the others"):
            call()
    # of two that are separated from each other, both
    classifier = SoftmaxClassifier(C=np.inf, tol=tol).fit(X[:100], labels[:100])
    for call in (
        lambda: infer(classifier, X[:100], labels[:100]),
        lambda: marginal_effects(classifier, X[:100]),
    ):
        with pytest.raises(ValueError, match="of class setosa, versicolor from"):
            call()
    # versicolor and virginica overlap
    X, labels = X[50:], labels[50:]
    classifier = SoftmaxClassifier(C=np.inf, tol=tol).fit(X, labels)
    result = infer(classifier, X, labels)
    assert result.loglik == pytest.approx(-5.9493, abs=2e-3)
    assert (marginal_effects(classifier, X)["se"] > 0).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_dummy_that_lacks_a_class_separates_it():
    X, y = task()
    dummy = np.zeros((len(y), 1))
    dummy[np.flatnonzero(y == 1)[:5]] = 1
    X1 = np.hstack([X, dummy])
    with pytest.raises(ValueError, match="rows of class 1 from"):
        infer(SoftmaxClassifier(C=np.inf).fit(X1, y), X1, y)
    weight = np.ones(len(y))
    for k in (0, 2):
        row = np.flatnonzero(y == k)[0]
        dummy[row], weight[row] = 1, 0
    X1 = np.hstack([X, dummy])
    classifier = SoftmaxClassifier(C=np.inf).fit(X1, y, weight)
    with pytest.raises(ValueError, match="rows of class 1 from"):
        infer(classifier, X1, y, sample_weight=weight, weight_type="frequency")
    infer(SoftmaxClassifier(C=np.inf).fit(X1, y), X1, y)  # now every class has it


def test_l1_and_bounds_are_refused():
    X, y = task()
    X = StandardScaler().fit_transform(X)
    lasso = SoftmaxClassifier(C=0.1, l1_ratio=0.5).fit(X, y)
    for call in (lambda: infer(lasso, X, y), lambda: marginal_effects(lasso, X)):
        with pytest.raises(ValueError, match=r"l1_ratio=0\.5: .* bootstrap"):
            call()
    held = SoftmaxClassifier(bounds=(-0.1, 0.1)).fit(X, y)
    at_bound = (np.abs(held.coef_) >= 0.1).any(axis=0)
    names = ", ".join(f"'x{j}'" for j in np.flatnonzero(at_bound))
    with pytest.raises(ValueError, match=rf"of {names} is at its bound: .* bootstrap"):
        infer(held, X, y)
    X32 = X.astype(np.float32)  # in which the bound is not 0.1
    held = SoftmaxClassifier(bounds=(0.1, np.inf)).fit(X32, y)
    with pytest.raises(ValueError, match="at its bound"):
        infer(held, X32, y)
    free = SoftmaxClassifier(tol=1e-10).fit(X, y)
    wide = SoftmaxClassifier(tol=1e-10, bounds=(-100, 100)).fit(X, y)
    assert_close(infer(wide, X, y).covariance, infer(free, X, y).covariance, rtol=1e-4)


@pytest.mark.parametrize(
    "excluding",
    [{"penalty_factor": [1, np.inf, 1]}, {"bounds": ([-9, 0, -9], [9, 0, 9])}],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_excluded_features_are_named(excluding, n_classes):
    X, y = task()
    X, y = StandardScaler().fit_transform(X), np.minimum(y, n_classes - 1)
    classifier = SoftmaxClassifier(**excluding).fit(X, y)
    for call in (
        lambda: infer(classifier, X, y),
        lambda: marginal_effects(classifier, X),
    ):
        with pytest.raises(ValueError, match=r"of 'x1' are excluded .* columns out"):
            call()


def test_a_reference_class_is_no_matter_of_bounds():
    X, y = task()
    X = StandardScaler().fit_transform(X)
    lower, upper = np.full((3, 3), -np.inf), np.full((3, 3), np.inf)
    lower[0] = upper[0] = 0
    bounded = ml(X, y, bounds=(lower, upper))
    with pytest.raises(ValueError, match=r"in some classes, .*\(reference=\.\.\.\)"):
        infer(bounded, X, y)
    table = infer(ml(X, y), X, y).coef_table(reference=0)
    coef = table["coef"].to_numpy().reshape(2, 4)
    assert_close(coef[:, 1:], bounded.coef_[1:], rtol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_class_without_rows_has_no_intercept(n_classes):
    X, y = task()
    y = np.minimum(y, n_classes - 1)
    classes = np.arange(n_classes + 1)
    classifier = SoftmaxClassifier(classes=classes, tol=1e-10).fit(X, y)
    with pytest.raises(ValueError, match=rf"classes \[{n_classes}\] have no rows"):
        infer(classifier, X, y)
    # which by their features alone are as likely as their penalty lets them be
    X = X - X.mean(axis=0)
    classifier.set_params(fit_intercept=False).fit(X, y)
    assert (np.diag(infer(classifier, X, y).free_covariance) > 0).all()


def test_weights_must_say_what_they_mean():
    X, y = task()
    weight = np.ones(len(y))
    classifier = ml(X, y)
    with pytest.raises(ValueError, match="needs weight_type: 'frequency' where"):
        infer(classifier, X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="sample_weight, which is None"):
        infer(classifier, X, y, weight_type="frequency")
    with pytest.raises(ValueError, match="weight_type='precision' must be one of"):
        infer(classifier, X, y, weight_type="precision")
    with pytest.raises(ValueError, match="cov_type='robust'"):
        infer(classifier, X, y, sample_weight=weight, weight_type="sampling")
    result = infer(
        classifier,
        X,
        y,
        sample_weight=weight,
        weight_type="sampling",
        cov_type="robust",
    )
    assert np.isnan(result.aic)
    assert "pseudo" in repr(result.summary())
    with pytest.raises(ValueError, match="sampling or class weights"):
        result.likelihood_ratio_test()
    balanced = ml(X, y, class_weight="balanced")
    with pytest.raises(ValueError, match="cov_type='robust'"):
        infer(balanced, X, y)
    with pytest.raises(ValueError, match="cov_type='robust'"):
        marginal_effects(balanced, X)


@pytest.mark.parametrize("cov_type", ["model", "robust", "cluster"])
def test_shares_with_totals_as_frequencies_are_to_be_counts(cov_type):
    X = np.arange(6.0)[:, None]
    counts = np.array(
        [[30, 5, 5], [20, 9, 4], [9, 9, 9], [8, 2, 7], [3, 9, 9], [1, 7, 8]]
    )
    total = counts.sum(axis=1)
    shares = counts / total[:, None]
    classifier = ml(X, shares, total)
    options = {"cov_type": cov_type}
    if cov_type == "cluster":
        options["groups"] = np.arange(6)
    with pytest.raises(ValueError, match="multiply y by the weights"):
        infer(
            classifier,
            X,
            shares,
            sample_weight=total,
            weight_type="frequency",
            **options,
        )
    expected = infer(ml(X, counts), X, counts, **options)
    y = np.rint(shares * total[:, None])  # what the message asks for, without a new fit
    assert_close(infer(classifier, X, y, **options).covariance, expected.covariance)


def test_bad_arguments():
    X, y = task()
    classifier = ml(X, y)
    bad = [
        ("cov_type='HC3' must be one of", {"cov_type": "HC3"}),
        ("groups and cov_type", {"cov_type": "cluster"}),
        ("groups and cov_type", {"groups": y}),
        ("one group only", {"cov_type": "cluster", "groups": 0 * y}),
        ("groups has shape", {"cov_type": "cluster", "groups": y[1:]}),
        ("groups has shape", {"cov_type": "cluster", "groups": np.c_[y, y]}),
        *(
            ("groups contains NaN", {"cov_type": "cluster", "groups": groups})
            for groups in (
                [None, *y[1:]],
                np.array([np.nan, *y[1:]]),
                np.array(["NaT", *y[1:]], dtype="datetime64[D]"),
                pd.array([None, *y[1:]], dtype="Int64"),
                pd.Series([None, *y[1:]], dtype="Float64"),
            )
        ),
        ("offset has shape", {"offset": np.zeros(len(y))}),
        (
            "sample_weight has shape",
            {"sample_weight": np.ones(3), "weight_type": "frequency"},
        ),
        (
            "sample_weight: could not convert",
            {"sample_weight": "three", "weight_type": "frequency"},
        ),
    ]
    for message, arguments in bad:
        with pytest.raises(ValueError, match=message):
            infer(classifier, X, y, **arguments)
    with pytest.raises(ValueError, match=r"y has classes \[0, 1\]"):
        infer(classifier, X, np.minimum(y, 1))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        infer(classifier, X, y[1:])
    with pytest.raises(ValueError, match="features"):
        infer(classifier, X[:, :2], y)
    with pytest.raises(NotFittedError):
        infer(SoftmaxClassifier(), X, y)
    with pytest.raises(TypeError, match=r"pipe\[-1\]"):
        infer(make_pipeline(StandardScaler(), classifier), X, y)
    with pytest.raises(TypeError, match=r"GridSearchCV is not .* best_estimator_"):
        infer(GridSearchCV(classifier, {"C": [1.0]}).fit(X, y), X, y)
    with pytest.raises(TypeError, match=r"FrozenEstimator is not .* its estimator"):
        infer(FrozenEstimator(classifier), X, y)
    with pytest.raises(TypeError, match="LogisticRegression is not"):
        infer(LogisticRegression(), X, y)
    result = infer(classifier, X, y)
    with pytest.raises(ValueError, match=r"none of the classes \[0, 1, 2\]"):
        result.coef_table(reference=7)
    for level in (95, 0.05, 1.0, "0.95"):
        for table in (result.coef_table, result.conf_int, result.summary):
            with pytest.raises(
                ValueError, match=f"level={level!r} .* level=0.95 where"
            ):
                table(level)
    with pytest.raises(ValueError, match=r"level=0\.05"):
        marginal_effects(classifier, X, level=0.05)


def test_a_fit_that_is_not_at_the_optimum_warns():
    X, y = task()
    classifier = ml(X, y)
    infer(classifier, X, y)
    with pytest.warns(ConvergenceWarning, match="standard errors away"):
        infer(classifier, X, np.roll(y, 1))
    classifier.coef_ = classifier.coef_ * 0.9
    with pytest.warns(ConvergenceWarning, match="standard errors away"):
        infer(classifier, X, y)


def test_an_encoder_that_transforms_otherwise_than_in_fit_is_named():
    X, y = task()
    town = np.arange(len(y))[:, None] // 3
    pipe = make_pipeline(TargetEncoder(), ml(X, y)).fit(town, y)
    encoded = pipe[:-1].transform(town)
    with pytest.warns(ConvergenceWarning, match="TargetEncoder"):
        infer(pipe[-1], encoded, y)
    infer(pipe[-1].fit(encoded, y), encoded, y)


def test_too_many_coefficients(monkeypatch):
    X, y = task()
    classifier = ml(X, y)
    monkeypatch.setattr(_information, "MAX_FREE", 7)
    with pytest.raises(ValueError, match="8 free coefficients"):
        infer(classifier, X, y)
