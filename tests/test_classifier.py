"""SoftmaxClassifier: what it takes, what it refuses, what it says."""

import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from conftest import SHIPPED, objective
from scipy import sparse
from scipy.special import log_softmax
from sklearn import config_context
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, _encode, _loss, _rows
from sk_softmax._coordinates import BUILDERS

FOLDER_DATA = [
    "satellite",
    "shuttle",
    "segment",
    "leaf",
    "income",
    "dna",
    "tissue",
    "spam",
]


@pytest.fixture
def iris(load):
    return load("iris")


# Raw data, default settings


@pytest.mark.parametrize("name", [*SHIPPED, *FOLDER_DATA])
def test_default_settings_converge_on_raw_data(load, name):
    X, y = load(name)
    classifier = SoftmaxClassifier().fit(X, y)  # a warning would be an error
    assert classifier.converged_
    assert classifier.optimality_ <= 1e-6


@pytest.mark.parametrize(
    "factors",
    [
        [1e200, 1, 1, 1],
        [1, 1e-200, 1, 1],
        [1e200, 1e-200, 1e100, 1],
        [1e300, 1, 1, 1],
        [1, 1, 1, 1e-300],
    ],
    ids=str,
)
@pytest.mark.parametrize("container", [np.array, sparse.csr_array])
def test_features_of_any_size(iris, factors, container):
    X, y = iris
    classifier = SoftmaxClassifier().fit(container(X * factors), y)
    assert classifier.converged_
    assert np.isfinite(classifier.coef_).all()
    assert np.isfinite(classifier.intercept_).all()
    assert classifier.score(container(X * factors), y) > 0.9


@pytest.mark.parametrize("size", [1e155, 1e200, 1e300, 1e-155])
@pytest.mark.parametrize(
    "option",
    [
        {"l1_ratio": 1.0},
        {"l1_ratio": 0.5, "penalty_group": "class"},
        {"C": np.inf, "bounds": (0, np.inf)},
    ],
    ids=["l1", "group", "bounds"],
)
def test_all_features_of_any_size(iris, option, size):
    """A warning of an overflow would be an error."""
    X, y = iris
    y = np.where(np.arange(150) % 5, y, (y + 1) % 3)  # so that they overlap
    classifier = SoftmaxClassifier(**option).fit(X * size, y)
    assert classifier.converged_
    assert np.isfinite(classifier.coef_).all()
    assert classifier.score(X * size, y) > (0.7 if size > 1 else 0.3)


@pytest.mark.parametrize("option", [{}, {"l1_ratio": 1.0}, {"bounds": (0, np.inf)}])
@pytest.mark.parametrize(
    "factor, dtype, way_out",
    [(1e37, np.float32, "as float64"), (5e306, np.float64, "a constant.")],
)
def test_features_whose_sum_overflows(iris, factor, dtype, way_out, option):
    X, y = iris
    X = X * [1, 1, factor, 1]
    classifier = SoftmaxClassifier(**option)
    with pytest.raises(ValueError, match=f"X's feature 2 .* overflows .* {way_out}"):
        classifier.fit(X.astype(dtype), y)
    assert not hasattr(classifier, "coef_")


def columns(X):
    """X with constant, all-zero, duplicate and collinear columns beside it."""
    ones = np.ones((len(X), 1))
    return np.hstack([X, 3 * ones, 0 * ones, X[:, :1], X @ np.ones((4, 1)), 1e9 * ones])


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3, np.inf])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_degenerate_columns(iris, C, n_classes):
    X, _ = iris
    y = np.arange(len(X)) % n_classes  # labels of chance: not separable
    classifier = SoftmaxClassifier(C).fit(columns(X), y)
    assert classifier.converged_
    assert np.isfinite(classifier.coef_).all()
    # with the intercept there, constant columns say nothing
    np.testing.assert_allclose(classifier.coef_[:, [4, 5]], 0, atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "hessian"},
        {"solver": "kronecker"},
        {"solver": "diagonal"},
        {"l1_ratio": 0.5},
        {"l1_ratio": 1.0, "penalty_group": "class"},
        {"bounds": (-1, 1)},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [1e-200, 1e9, 1e13, -1e16])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_constant_column_of_any_size_says_nothing(iris, size, n_classes, options):
    """Also where it is constant up to rounding only."""
    X, _ = iris
    y = np.arange(len(X)) % n_classes
    expected = SoftmaxClassifier(**options).fit(X, y).predict_proba(X)
    exact = np.full(len(X), size)
    for column in (exact, np.where(X[:, 0] > 6, exact, np.nextafter(exact, 0))):
        constant = np.column_stack([X, column])
        found = SoftmaxClassifier(**options).fit(constant, y)
        assert not found.coef_[:, 4].any()
        proba = found.predict_proba(constant)
        np.testing.assert_allclose(proba, expected, atol=1e-6)


@pytest.mark.parametrize("solver", BUILDERS)
def test_constant_columns_take_no_passes(make_rows, solver):
    """They stay out of the other features' directions."""
    X, y, _ = make_rows(900, 4, 4)
    wide = np.insert(X, 2, 0.0, axis=1)
    found = SoftmaxClassifier(solver=solver).fit(wide, y)
    expected = SoftmaxClassifier(solver=solver).fit(X, y)
    assert found.n_iter_ == expected.n_iter_
    SoftmaxClassifier(solver=solver).fit(0 * X, y)  # where nothing else is left


def test_sparse_entries_in_parts_are_not_constant(make_rows):
    """Each stored number is 1, but some rows hold two of them in one place."""
    _, y, _ = make_rows(60, 1, 2)
    parts = 1 + (y ^ (np.arange(60) % 7 == 0))
    starts = np.append(0, np.cumsum(parts))
    columns = np.zeros(starts[-1], dtype=int)
    X = sparse.csr_matrix((np.ones(starts[-1]), columns, starts), shape=(60, 1))
    found, expected = SoftmaxClassifier().fit(X, y), SoftmaxClassifier()
    expected.fit(parts[:, None].astype(float), y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-3)


@pytest.mark.parametrize(
    "options", [{}, {"l1_ratio": 1.0}, {"bounds": (-np.inf, 2.0)}, {"coef_prior": 1.0}]
)
def test_warm_start_where_a_feature_has_become_constant(iris, options):
    """Its coefficients go to where they cost the least."""
    X, y = iris
    if "coef_prior" in options:
        options = {"coef_prior": np.full((3, 4), options["coef_prior"])}
    model = SoftmaxClassifier(warm_start=True, tol=1e-10, **options).fit(X, y)
    assert model.coef_[:, 2].any()
    X = X.copy()
    X[:, 2] = 5.0
    expected = SoftmaxClassifier(tol=1e-10, **options).fit(X, y)
    model.fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.coef_[:, 2], expected.coef_[:, 2])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_degenerate_columns_do_not_change_what_is_said_without_a_penalty(
    iris, n_classes
):
    X, _ = iris
    y = np.arange(len(X)) % n_classes
    plain = SoftmaxClassifier(np.inf, tol=1e-12).fit(X, y)
    degenerate = SoftmaxClassifier(np.inf, tol=1e-12).fit(columns(X), y)
    np.testing.assert_allclose(
        plain.predict_proba(X), degenerate.predict_proba(columns(X)), atol=1e-6
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_without_a_penalty_stays_finite(iris, n_classes):
    X, y = iris
    X, y = X[y < n_classes] + 10 * y[y < n_classes, None], y[y < n_classes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the next test's
        classifier = SoftmaxClassifier(np.inf).fit(X, y)
    assert np.isfinite(classifier.coef_).all()
    assert classifier.score(X, y) == 1


def test_separable_without_a_penalty_warns_and_names_the_class(iris):
    X, y = iris
    names = np.array(["setosa", "other"])[(y > 0).astype(int)]
    with pytest.warns(UserWarning, match="setosa"):
        SoftmaxClassifier(np.inf).fit(X, names)


# Parameters and data that are refused


@pytest.mark.parametrize(
    "parameters",
    [
        {"C": 0},
        {"C": -1.0},
        {"C": np.nan},
        {"C": "1"},
        {"C": None},
        {"tol": -1e-3},
        {"tol": np.nan},
        {"tol": np.inf},
        {"solver": ["hessian"]},
        {"tol": "small"},
        {"max_iter": 0},
        {"max_iter": 1.5},
        {"max_iter": np.nan},
        {"l1_ratio": -0.1},
        {"l1_ratio": 1.5},
        {"l1_ratio": np.nan},
        {"solver": "lbfgs"},
        {"C": 5e-324},  # whose inverse is infinite
        {"fit_intercept": "no"},
        {"fit_intercept": 1},  # nor does LogisticRegression take it
        {"fit_intercept": None},
        {"warm_start": "yes"},
        {"verbose": "very"},
        {"class_weight": "even"},
        {"class_weight": 3},
        {"class_weight": {7: 1.0}},
        {"class_weight": {0: -1.0}},
        {"class_weight": {0: np.nan}},
        {"class_weight": {0: np.inf}},
    ],
    ids=str,
)
def test_bad_parameters_are_named(iris, parameters):
    (name,) = parameters
    with pytest.raises((ValueError, TypeError), match=name):
        SoftmaxClassifier(**parameters).fit(*iris)


def with_entry(array, value):
    changed = np.array(array, dtype=np.result_type(array, type(value)))
    changed.flat[5] = value
    return changed


# what is wrong: the argument it is in, what is done to it, what the error says
BAD = {
    "NaN": ("X", lambda X: with_entry(X, np.nan), "X contains NaN"),
    "inf": ("X", lambda X: with_entry(X, np.inf), "X contains infinity"),
    "sparse NaN": (
        "X",
        lambda X: sparse.csr_array(with_entry(X, np.nan)),
        "X contains NaN",
    ),
    "complex": ("X", lambda X: X * 1j, "[Cc]omplex"),
    "strings": ("X", lambda X: np.full(X.shape, "a"), "convert string to float"),
    "3-d": ("X", lambda X: X[None], "dim 3"),
    "1-d": ("X", lambda X: X[:, 0], "Expected 2D array"),
    "no rows": ("X", lambda X: X[:0], "0 sample"),
    "no columns": ("X", lambda X: X[:, :0], "0 feature"),
    "too few rows": ("X", lambda X: X[:-1], r"\[149, 150\]"),
    "NaN label": ("y", lambda y: with_entry(y, np.nan), "y contains NaN"),
    "inf label": ("y", lambda y: with_entry(y, np.inf), "y contains infinity"),
    "continuous": ("y", lambda y: y + np.linspace(0, 0.1, len(y)), "continuous"),
    "one class": ("y", np.zeros_like, "y holds one class"),
    "negative soft label": ("y", lambda y: np.eye(3)[y] - 0.1, "y has a negative"),
    "no label": ("y", lambda y: None, "y"),
    "complex label": ("y", lambda y: y * 1j, "[Cc]omplex"),
    "negative weight": (
        "sample_weight",
        lambda w: with_entry(w, -1.0),
        "sample_weight",
    ),
    "NaN weight": ("sample_weight", lambda w: with_entry(w, np.nan), "sample_weight"),
    "inf weight": ("sample_weight", lambda w: with_entry(w, np.inf), "sample_weight"),
    "no weight": ("sample_weight", np.zeros_like, "sample_weight"),
    "too few weights": ("sample_weight", lambda w: w[:-1], "sample_weight"),
    "2-d weights": ("sample_weight", lambda w: w[:, None], "sample_weight"),
}


def bad_arguments(iris, case):
    arguments = dict(zip(("X", "y"), iris, strict=True), sample_weight=np.ones(150))
    name, change, message = BAD[case]
    arguments[name] = change(arguments[name])
    return arguments, message


@pytest.mark.parametrize("case", BAD)
def test_bad_data(iris, case):
    arguments, message = bad_arguments(iris, case)
    with pytest.raises(ValueError, match=message):
        SoftmaxClassifier().fit(**arguments)


def test_predict_names_what_is_wrong(iris):
    X, y = iris
    with pytest.raises(NotFittedError):
        SoftmaxClassifier().predict(X)
    classifier = SoftmaxClassifier().fit(X, y)
    for method in (
        classifier.decision_function,
        classifier.predict,
        classifier.predict_proba,
        classifier.predict_log_proba,
    ):
        with pytest.raises(ValueError, match="X has 3 features"):
            method(X[:, :3])
        with pytest.raises(ValueError, match="X contains NaN"):
            method(with_entry(X, np.nan))


# A fit that fails leaves no trace


def snapshot(estimator):
    return {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in vars(estimator).items()
    }


def assert_unchanged(estimator, before):
    assert list(vars(estimator)) == list(before)
    for name, value in vars(estimator).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_failed_fit_leaves_the_estimator_as_it_was(iris, case, fitted):
    X, y = iris
    classifier = SoftmaxClassifier()
    if fitted:
        classifier.fit(X[:, :3], y > 0)
    before = snapshot(classifier)
    arguments, message = bad_arguments(iris, case)
    with pytest.raises(ValueError, match=message):
        classifier.fit(**arguments)
    assert_unchanged(classifier, before)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("moment", [1, 4, 8])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interrupted_fit_leaves_the_estimator_as_it_was(
    iris, monkeypatch, fitted, moment, error
):
    X, y = iris
    classifier = SoftmaxClassifier(warm_start=True)
    if fitted:
        classifier.fit(X[:, :3], y > 0)
    before = snapshot(classifier)
    passes = 0
    residual = _loss.Softmax.residual

    def interrupted(self, *args):
        nonlocal passes
        passes += 1
        if passes == moment:
            raise error
        return residual(self, *args)

    monkeypatch.setattr(_loss.Softmax, "residual", interrupted)
    n_threads = threading.active_count()
    with pytest.raises(error):
        classifier.fit(X, y)
    assert_unchanged(classifier, before)
    assert threading.active_count() == n_threads


def test_warning_as_error_leaves_the_estimator_as_it_was(load):
    classifier = SoftmaxClassifier(max_iter=3)
    before = snapshot(classifier)
    with pytest.raises(ConvergenceWarning):  # pytest makes errors of warnings
        classifier.fit(*load("digits"))
    assert_unchanged(classifier, before)


# What it says of the fit


def test_one_warning_says_how_far_it_is_and_what_to_do(load):
    X, y = load("digits")
    with pytest.warns(ConvergenceWarning) as caught:
        classifier = SoftmaxClassifier(max_iter=10).fit(X, y)
    (warning,) = caught
    text = str(warning.message)
    assert f"{classifier.optimality_:.1e}" in text
    assert "gradient" in text
    assert "Raise max_iter (now 10)" in text
    assert warning.filename == __file__  # it points at the caller
    assert not classifier.converged_
    assert 1e-6 < classifier.optimality_ < 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fit_intercept", [True, np.True_])
def test_bools_are_bools(load, fit_intercept):
    """Also where the fit ends at the last digit that is known of the objective."""
    X, y = load("iris")
    model = SoftmaxClassifier(fit_intercept=fit_intercept, solver="kronecker")
    for data in (X, (X + 1e4).astype(np.float32)):
        model.fit(data, y)
        assert type(model.converged_) is bool
        assert type(model.optimality_) is float


def test_n_iter_is_at_most_max_iter(load):
    with pytest.warns(ConvergenceWarning):
        classifier = SoftmaxClassifier(max_iter=10).fit(*load("digits"))
    assert classifier.n_iter_[0] <= 10


def test_more_passes_heed_the_warning(load):
    X, y = load("digits")
    with pytest.warns(ConvergenceWarning):
        SoftmaxClassifier(max_iter=20).fit(X, y)
    assert SoftmaxClassifier(max_iter=500).fit(X, y).converged_


def test_tolerance_is_what_is_reached(load):
    X, y = load("digits")
    fits = [SoftmaxClassifier(tol=tol).fit(X, y) for tol in (1e-2, 1e-4, 1e-8)]
    best = objective(X, y, fits[-1].coef_, fits[-1].intercept_, 1.0)
    frequency = np.bincount(y) / len(y)
    gap = -frequency @ np.log(frequency) - best
    for fit, tol in zip(fits, (1e-2, 1e-4, 1e-8), strict=True):
        assert objective(X, y, fit.coef_, fit.intercept_, 1.0) - best <= tol * gap
        assert fit.optimality_ <= tol


def test_less_precision_costs_fewer_passes(load):
    X, y = load("digits")
    fits = [SoftmaxClassifier(tol=tol).fit(X, y) for tol in (1e-2, 1e-8)]
    assert fits[0].n_iter_[0] < fits[1].n_iter_[0]


def test_attributes(iris):
    X, y = iris
    classifier = SoftmaxClassifier().fit(X, y)
    assert classifier.coef_.shape == (3, 4)
    assert classifier.intercept_.shape == (3,)
    assert classifier.n_iter_.shape == (1,)
    assert classifier.n_iter_.dtype == np.int32
    assert classifier.n_features_in_ == 4
    np.testing.assert_array_equal(classifier.classes_, [0, 1, 2])
    np.testing.assert_allclose(classifier.coef_.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(classifier.intercept_.sum(), 0, atol=1e-12)
    binary = SoftmaxClassifier().fit(X, y > 0)
    assert binary.coef_.shape == (1, 4)
    assert binary.intercept_.shape == (1,)


def test_intercept_is_zero_without_it(iris):
    X, y = iris
    for target in (y, y > 0):
        classifier = SoftmaxClassifier(fit_intercept=False).fit(X, target)
        assert not classifier.intercept_.any()
        assert classifier.coef_.any()


@pytest.mark.parametrize("labels", [["b", "a", "c"], [30, -1, 7], [2.0, 1.0, 3.0]])
def test_labels_of_any_kind(iris, labels):
    X, y = iris
    labels = np.array(labels)
    expected = SoftmaxClassifier().fit(X, np.argsort(np.argsort(labels))[y])
    classifier = SoftmaxClassifier().fit(X, labels[y])
    np.testing.assert_array_equal(classifier.classes_, np.sort(labels))
    np.testing.assert_array_equal(classifier.coef_, expected.coef_)
    np.testing.assert_array_equal(
        classifier.predict(X), classifier.classes_[expected.predict(X)]
    )


@pytest.mark.parametrize("dtype", ["Int64", "UInt64"])
def test_nullable_labels_that_floats_cannot_tell_apart(iris, dtype):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    labels = pandas.Series(np.array([2**53, 2**53 + 1, 2**53 + 5])[y], dtype=dtype)
    for classes in None, labels.unique():
        classifier = SoftmaxClassifier(classes=classes).fit(X, labels)
        assert classifier.classes_.tolist() == [2**53, 2**53 + 1, 2**53 + 5]
    assert classifier.score(X, labels) > 0.9
    others = labels.replace(2**53 + 1, 2**53)
    assert classifier.score(X, others) < 0.7
    frame = labels.to_frame()
    with pytest.warns(DataConversionWarning):
        classifier = SoftmaxClassifier().fit(X, frame)
    assert classifier.classes_.tolist() == [2**53, 2**53 + 1, 2**53 + 5]
    assert classifier.score(X, others.to_frame()) < 0.7
    others[3] = pandas.NA
    with pytest.raises(ValueError, match="y contains NaN or missing values"):
        classifier.score(X, others)
    others[3] = 2**53
    cv = SoftmaxClassifierCV([1.0], cv=3, scoring="accuracy").fit(X, labels)
    assert cv.score(X, labels) > 0.9
    assert cv.score(X, others) < 0.7


def test_sparse_labels_of_pandas(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    labels = pandas.Series(y).astype("Sparse[int]")
    assert SoftmaxClassifier().fit(X, labels).score(X, y) > 0.9


def test_verbose_prints_a_line_for_each_set_of_coordinates(iris, capsys):
    SoftmaxClassifier(verbose=1).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all("passes" in line and "objective" in line for line in lines)
    SoftmaxClassifier().fit(*iris)
    assert not capsys.readouterr().out


# Predictions


@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_agree(iris, n_classes):
    X, y = iris
    X, y = X[y < n_classes], y[y < n_classes]
    classifier = SoftmaxClassifier().fit(X, y)
    logits = X @ classifier.coef_.T + classifier.intercept_
    if n_classes == 2:
        np.testing.assert_array_equal(classifier.decision_function(X), logits[:, 0])
        logits = np.column_stack([np.zeros(len(X)), logits])
    else:
        np.testing.assert_array_equal(classifier.decision_function(X), logits)
    log_proba = classifier.predict_log_proba(X)
    np.testing.assert_allclose(log_proba, log_softmax(logits, axis=1), rtol=1e-12)
    proba = classifier.predict_proba(X)
    np.testing.assert_allclose(proba, np.exp(log_proba))
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(classifier.predict(X), proba.argmax(axis=1))
    assert classifier.score(X, y) == np.mean(classifier.predict(X) == y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_proba_is_finite_where_proba_is_zero(iris, n_classes):
    X, y = iris
    X, y = X[y < n_classes], y[y < n_classes]
    classifier = SoftmaxClassifier().fit(X, y)
    far = 1e6 * np.eye(4)
    assert (classifier.predict_proba(far) == 0).any()
    log_proba = classifier.predict_log_proba(far)
    assert np.isfinite(log_proba).all()
    logits = classifier.decision_function(far)
    if n_classes == 2:
        logits = np.column_stack([np.zeros(4), logits])
    expected = logits - logits.max(axis=1, keepdims=True)  # the others are exp(-1e5)
    np.testing.assert_allclose(log_proba, expected, rtol=1e-12, atol=1e-12)


def test_accuracy_has_weights(iris):
    X, y = iris
    classifier = SoftmaxClassifier().fit(X[:, :1], y)
    right = classifier.predict(X[:, :1]) == y
    weight = np.where(right, 3.0, 1.0)
    expected = weight @ right / weight.sum()
    assert classifier.score(X[:, :1], y, weight) == pytest.approx(expected)
    plain = classifier.score(X[:, :1], y)
    assert plain < expected
    # one number for all rows weighs nothing
    assert classifier.score(X[:, :1], y, 2.0) == plain


@pytest.mark.parametrize("method", ["sparsify", "densify"])
def test_there_is_nothing_to_sparsify_before_the_fit(method):
    with pytest.raises(NotFittedError):
        getattr(SoftmaxClassifier(), method)()


def test_the_penalty_has_a_name(iris):
    """By it scikit-learn's feature selection chooses its threshold."""
    for ratio, name in ((0.0, "l2"), (0.5, "elasticnet"), (1.0, "l1")):
        assert SoftmaxClassifier(l1_ratio=ratio).penalty == name
        cv = SoftmaxClassifierCV([0.1, 1.0], l1_ratios=[ratio], cv=2)
        assert cv.penalty == cv.fit(*iris).penalty == name
    cv = SoftmaxClassifierCV([0.1, 1.0], l1_ratios=[0.5, 1.0, 0.0], cv=2)
    cv.fit(*iris)
    names = {0.0: "l2", 0.5: "elasticnet", 1.0: "l1"}
    for ratio, name in names.items():  # whichever was chosen
        cv.l1_ratio_ = ratio
        assert cv.penalty == name


def test_sparsify_and_densify_change_no_prediction(iris):
    X, y = iris
    for target in (y, y > 0):
        classifier = SoftmaxClassifier().fit(X, target)
        expected, coef = classifier.predict_log_proba(X), classifier.coef_
        assert classifier.sparsify() is classifier
        assert sparse.issparse(classifier.coef_)
        for rows in (X, sparse.csr_matrix(X), sparse.csr_array(X)):
            np.testing.assert_allclose(classifier.predict_log_proba(rows), expected)
        assert classifier.densify().densify() is classifier
        np.testing.assert_array_equal(classifier.coef_, coef)


# Weights and classes


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_class_without_weight_does_not_break_the_fit(iris, class_weight):
    X, y = iris
    weight = (y != 1).astype(float)
    classifier = SoftmaxClassifier(class_weight=class_weight).fit(X, y, weight)
    np.testing.assert_array_equal(classifier.classes_, [0, 1, 2])
    assert np.isfinite(classifier.coef_).all()
    assert set(classifier.predict(X)) == {0, 2}
    assert classifier.predict_proba(X)[:, 1].max() < 1e-6


def test_balanced_without_any_weight(iris):
    X, y = iris
    with pytest.raises(ValueError, match="sample_weight"):
        SoftmaxClassifier(class_weight="balanced").fit(X, y, np.zeros(len(y)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_class_with_all_the_weight(iris, dtype):
    X, y = iris
    classifier = SoftmaxClassifier().fit(X.astype(dtype), y, (y == 1).astype(float))
    assert set(classifier.predict(X)) == {1}
    assert classifier.optimality_ <= 1e-6


@pytest.mark.parametrize("factor", [1e-100, 1e-3, 7.0, 1e100])
def test_weights_and_C_scale_against_each_other(iris, factor):
    """C counts in units of the weights: w and C have the optimum of a w and C / a."""
    X, y = iris
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    plain = SoftmaxClassifier(0.5, tol=1e-12).fit(X, y, weight)
    scaled = SoftmaxClassifier(0.5 / factor, tol=1e-12).fit(X, y, factor * weight)
    np.testing.assert_allclose(scaled.coef_, plain.coef_, rtol=1e-6, atol=1e-8)


def test_integer_weights(iris):
    X, y = iris
    weight = np.arange(len(y)) % 3
    expected = SoftmaxClassifier().fit(X, y, weight.astype(float))
    np.testing.assert_array_equal(
        SoftmaxClassifier().fit(X, y, weight).coef_, expected.coef_
    )


# Warm start


def test_warm_start_saves_passes(load):
    X, y = load("digits")
    classifier = SoftmaxClassifier(warm_start=True, tol=1e-8).fit(X, y)
    first = classifier.n_iter_[0]
    coef = classifier.coef_
    classifier.fit(X, y)
    assert classifier.n_iter_[0] <= first / 2
    np.testing.assert_allclose(classifier.coef_, coef, atol=1e-3)


def test_warm_start_after_sparsify(load):
    X, y = load("digits")
    classifier = SoftmaxClassifier(warm_start=True, tol=1e-8).fit(X, y)
    first = classifier.n_iter_[0]
    assert classifier.sparsify().fit(X, y).n_iter_[0] <= first / 2
    assert isinstance(classifier.coef_, np.ndarray)


def test_warm_start_forgets_what_does_not_fit(iris):
    X, y = iris
    expected = SoftmaxClassifier().fit(X, y)
    classifier = SoftmaxClassifier(warm_start=True)
    for other in ((X[:, :2], y), (X, y + 1), (X, y > 0)):
        classifier.fit(*other).fit(X, y)
        np.testing.assert_array_equal(classifier.coef_, expected.coef_)


def test_warm_start_without_the_old_intercept(iris):
    X, y = iris
    classifier = SoftmaxClassifier(warm_start=True).fit(X, y)
    classifier.set_params(fit_intercept=False).fit(X, y)
    assert not classifier.intercept_.any()


def test_cold_start_forgets_the_last_fit(iris):
    X, y = iris
    classifier = SoftmaxClassifier().fit(X, y)
    coef = classifier.coef_
    np.testing.assert_array_equal(classifier.fit(X, y).coef_, coef)


# X is read where it lies


def rows_in_memory(kind, dtype):
    rng = np.random.default_rng(0)
    if kind == "csr":
        X = sparse.random(
            40_000, 300, density=0.1, format="csr", dtype=dtype, random_state=0
        )
        arrays = [X.data, X.indices, X.indptr]
    else:
        X = np.asarray(rng.normal(size=(40_000, 50)), dtype, order=kind)
        arrays = [X]
    for array in arrays:
        array.flags.writeable = False
    return X, arrays


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["C", "F", "csr"])
def test_features_are_never_copied_and_never_written_to(kind, dtype, monkeypatch):
    # a few blocks are worked on at a time, here small beside X
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2**17)
    X, arrays = rows_in_memory(kind, dtype)
    before = [array.copy() for array in arrays]
    y = np.random.default_rng(1).integers(3, size=X.shape[0])
    SoftmaxClassifier().fit(X[:100], y[:100])  # import what is needed
    size = sum(array.nbytes for array in arrays)
    tracemalloc.start()
    # with coordinates that take no matrix, whose bound does not depend on X
    classifier = SoftmaxClassifier(solver="diagonal").fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert classifier.coef_.dtype == dtype
    # codes, probabilities and a few blocks, none of which grows with X's columns
    assert peak < 0.7 * size
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_targets_stay_codes(load, monkeypatch):
    """No (n, K) one-hot matrix is made of labels."""
    X, y = load("digits")
    seen = []

    class Watched(_encode.Problem):
        def __init__(self, rows, loss, target, *args):
            seen.append(target)
            super().__init__(rows, loss, target, *args)

    monkeypatch.setattr(_encode, "Problem", Watched)
    SoftmaxClassifier(tol=1e-2).fit(X, y)
    assert seen[0].shape == y.shape
    assert seen[0].dtype.kind == "i"


def test_passes_are_those_of_the_problem(load, monkeypatch):
    problems = []

    class Watched(_encode.Problem):
        def __init__(self, *args):
            super().__init__(*args)
            problems.append(self)

    monkeypatch.setattr(_encode, "Problem", Watched)
    classifier = SoftmaxClassifier().fit(*load("digits"))
    assert classifier.n_iter_[0] == problems[0].n_evaluations


def test_a_fit_that_rounding_ends_does_not_ask_for_more_passes(iris):
    X, y = iris
    with pytest.warns(ConvergenceWarning, match=r"use float64"):
        SoftmaxClassifier(tol=0).fit((X + 1e6).astype(np.float32), y)


def test_what_assume_finite_lets_through_is_named(iris):
    X, y = iris[0].copy(), iris[1]
    X[3, 2] = np.nan
    with (
        config_context(assume_finite=True),
        pytest.raises(ValueError, match="feature 2 contains NaN"),
    ):
        SoftmaxClassifier().fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_too_small_to_be_seen(load, dtype):
    """Where a penalty holds their coefficients they say nothing."""
    X, y = load("iris")
    for scale in (1e-34, 1e-40) if dtype == np.float32 else (1e-240, 1e-290):
        small = (X * scale).astype(dtype)
        model = SoftmaxClassifier().fit(small, y)
        assert model.converged_ and not model.coef_.any()
    mixed = np.column_stack([X[:, 0], X[:, 1:] * scale]).astype(dtype)
    with pytest.raises(ValueError, match=r"feature 1 is .* so small .* multiply it"):
        SoftmaxClassifier(C=np.inf).fit(mixed, y)
    mixed[:, 1:] = scale  # a constant is none of them
    SoftmaxClassifier(C=np.inf).fit(mixed, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_underflow_is_zero_whatever_numpy_is_to_raise(load, name, dtype):
    X, y = load(name)
    X = X.astype(dtype)
    with np.errstate(all="raise"):
        classifier = SoftmaxClassifier(C=100).fit(X, y)
        classifier.predict_proba(100 * X)
        classifier.predict_log_proba(100 * X)
        classifier.score(100 * X, y)
