"""Every option of the penalty and the targets, alone and together."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV

INF = np.inf


@parametrize_with_checks(
    [
        SoftmaxClassifier(l1_ratio=1.0),
        SoftmaxClassifier(l1_ratio=1.0, penalty_group="class"),
        SoftmaxClassifier(l1_ratio=0.5, penalty_factor=2.0),
        SoftmaxClassifier(bounds=(-10.0, 10.0)),
        SoftmaxClassifier(l1_ratio=0.5, penalty_group="class", bounds=(-9.0, 9.0)),
    ]
)
def test_check_estimator(estimator, check):
    check(estimator)


# Data and a check of the optimum that shares nothing with the package


@pytest.fixture(params=["iris", "wine", "breast_cancer", "digits"])
def task(request, load):
    X, y = load(request.param)
    if request.param == "digits":
        X, y = X[::6], y[::6]
    return X, y


def loss_gradient(classifier, X, Y, offset):
    """Gradient of the mean loss in coefficients and intercepts, (K, d) and (K,)."""
    X = X.toarray() if sparse.issparse(X) else X
    logits = X @ classifier.coef_.T + classifier.intercept_
    if offset is not None:
        logits += offset.reshape(len(logits), -1)
    total = Y.sum(axis=1)
    if logits.shape[1] == 1:
        logits = np.column_stack([np.zeros(len(logits)), logits])
    residual = total[:, None] * softmax(logits, axis=1) - Y
    residual = residual[:, 1:] if len(classifier.coef_) == 1 else residual
    return residual.T @ X / total.sum(), residual.sum(axis=0) / total.sum()


def kkt_violation(W, G, *, l1, prior, lower, upper, grouped):
    """How steeply the objective falls along a feasible direction, by coefficient.

    G is the gradient of the smooth part, and l1 the weight of the l1 term.
    """
    found = np.zeros_like(W)
    for k, j in np.ndindex(W.shape):
        w, g, m = W[k, j], G[k, j], prior[k, j]
        if grouped:
            away = np.linalg.norm(W[:, j] - prior[:, j])
            slope = [g + l1[k, j] * (w - m) / away if away else g] * 2
        else:
            slope = [
                g + l1[k, j] * (-1 if w <= m else 1),
                g + l1[k, j] * (1 if w >= m else -1),
            ]
        fall = max(slope[0], 0) if w > lower[k, j] else 0
        found[k, j] = fall + (max(-slope[1], 0) if w < upper[k, j] else 0)
    if grouped:
        for j in np.flatnonzero((W == prior).all(axis=0)):
            norm = np.linalg.norm(found[:, j])
            found[:, j] *= max(1 - l1[0, j] / norm, 0) if norm else 0
    return found


def assert_optimal(classifier, X, Y, offset=None, tolerance=1e-5):
    """Every KKT condition, in units in which a feature's greatest entry is 1.

    Coefficients that are a rounding error away from a bound or the prior count as
    there; test_zeros_are_exact is about these.
    """
    get = classifier.get_params()
    W = classifier.coef_.astype(float)

    def full(value):
        return np.broadcast_to(np.asarray(value, dtype=float), W.shape)

    dense = X.toarray() if sparse.issparse(X) else X
    size = np.abs(dense).max(axis=0)
    size = np.where(size > 0, size, 1)
    factor = full(1.0 if get["penalty_factor"] is None else get["penalty_factor"])
    prior = full(0.0 if get["coef_prior"] is None else get["coef_prior"])
    lower, upper = map(full, get["bounds"] or (-INF, INF))
    assert (W >= lower).all() and (W <= upper).all()
    for place in (prior, lower, upper):
        W = np.where(np.abs(W - place) * size < 1e-12, place, W)
    strength = 1 / (get["C"] * Y.sum())
    G, G_intercept = loss_gradient(classifier, X, Y, offset)
    G += strength * (1 - get["l1_ratio"]) * factor * (W - prior)
    l1 = strength * get["l1_ratio"] * factor
    grouped = get["penalty_group"] == "class"
    violation = kkt_violation(
        W, G, l1=l1, prior=prior, lower=lower, upper=upper, grouped=grouped
    )
    assert (violation / size).max() < tolerance
    if get["fit_intercept"]:
        assert np.abs(G_intercept).max() < tolerance


def one_hot(y):
    return np.eye(y.max() + 1)[y]


def random_options(X, y, names, seed=0):
    """Parameters, soft labels and an offset, drawn for the options in `names`."""
    rng = np.random.default_rng(seed)
    Y, offset = one_hot(y), None
    n, K = Y.shape
    shape = (1 if K == 2 else K, X.shape[1])
    deviation = X.std(axis=0)
    size = np.where(deviation > 0, deviation, 1)
    grouped = "grouped" in names
    parameters = {"penalty_group": "class"} if grouped else {}
    if "factors" in names:
        factor = rng.uniform(0.5, 2, shape[1:] if grouped else shape)
        if "free" in names:
            factor[..., ::6] = 0
        parameters["penalty_factor"] = factor
    if "positive" in names:
        parameters["bounds"] = (0.0, INF)
    if "bounds" in names:
        lower = -rng.uniform(0, 0.5, shape) / size
        upper = rng.uniform(0, 0.5, shape) / size
        lower[:, 1] = upper[:, 1]
        parameters["bounds"] = (lower, upper)
    if "prior" in names:
        prior = rng.normal(size=shape) * 0.2 / size
        parameters["coef_prior"] = prior
    if "offset" in names:
        offset = rng.normal(size=n if K == 2 else (n, K))
    if "soft" in names:
        Y = 0.8 * Y + 0.2 * rng.dirichlet(np.ones(K), n)
        Y *= rng.uniform(0.5, 2, (n, 1))
    return parameters, Y, offset


COMBINATIONS = [
    (1.0, ""),
    (0.5, ""),
    (1.0, "grouped"),
    (0.5, "grouped"),
    (1.0, "factors"),
    (1.0, "grouped factors"),
    (0.0, "factors prior"),
    (0.0, "positive"),
    (0.0, "bounds"),
    (1.0, "positive"),
    (0.5, "bounds"),
    (1.0, "grouped positive"),
    (0.5, "grouped bounds"),
    (0.5, "prior"),
    (1.0, "grouped prior"),
    (0.0, "soft offset"),
    (1.0, "soft offset"),
    (0.5, "soft factors free"),
    (0.5, "grouped soft factors free"),
    (0.0, "soft factors free bounds prior offset"),
    (0.5, "soft factors free bounds prior offset"),
    (0.5, "grouped soft factors free bounds prior offset"),
]


@pytest.mark.parametrize("l1_ratio, names", COMBINATIONS)
@pytest.mark.parametrize(
    "C, container", [(0.05, np.asarray), (0.5, sparse.csr_array), (5.0, np.asarray)]
)
def test_kkt_conditions(task, l1_ratio, names, C, container):
    X, y = task
    parameters, Y, offset = random_options(X, y, names)
    classifier = SoftmaxClassifier(C, l1_ratio=l1_ratio, tol=1e-12, **parameters)
    target = Y if "soft" in names else y
    classifier.fit(container(X), target, offset=offset)
    assert classifier.converged_
    assert_optimal(classifier, X, Y, offset)


# Where more than 15 are taken, by which options
MOST_PASSES = {
    "prior": 25,
    "soft offset": 20,
    "grouped": 20,
    "grouped prior": 50,
    # digits: their free features separate the classes
    "soft factors free": 80,
    "grouped soft factors free": 40,
    "soft factors free bounds prior offset": 25,
    "grouped soft factors free bounds prior offset": 25,
}


@pytest.mark.parametrize("l1_ratio, names", COMBINATIONS)
def test_few_passes(task, l1_ratio, names):
    X, y = task
    parameters, Y, offset = random_options(X, y, names)
    classifier = SoftmaxClassifier(0.1, l1_ratio=l1_ratio, **parameters)
    classifier.fit(X, Y if "soft" in names else y, offset=offset)
    most = MOST_PASSES.get(names, 15)
    if not l1_ratio and (classifier.bounds is None or X.shape[1] == 64):
        most = 100  # L-BFGS makes more and shorter ones
    if l1_ratio and X.shape[1] == 64:
        most = max(most, 300)  # so does the search from face to face
    assert classifier.n_iter_[0] <= most


@pytest.mark.parametrize("l1_ratio, names", COMBINATIONS)
def test_without_intercept(load, l1_ratio, names):
    X, y = load("wine")
    parameters, Y, offset = random_options(X, y, names)
    classifier = SoftmaxClassifier(
        l1_ratio=l1_ratio, tol=1e-12, fit_intercept=False, **parameters
    )
    classifier.fit(X, Y if "soft" in names else y, offset=offset)
    assert not classifier.intercept_.any()
    assert_optimal(classifier, X, Y, offset)


@pytest.mark.parametrize("l1_ratio, names", COMBINATIONS)
def test_float32_is_float64(load, l1_ratio, names):
    X, y = load("wine")
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    parameters, Y, offset = random_options(X, y, names)
    target = Y if "soft" in names else y
    fits = [
        SoftmaxClassifier(0.1, l1_ratio=l1_ratio, **parameters).fit(
            X.astype(dtype), target, offset=offset
        )
        for dtype in (np.float32, np.float64)
    ]
    single, double = fits
    assert single.coef_.dtype == np.float32
    # an unpenalised feature's coefficients have an arbitrary mean over the classes
    coefs = [c.coef_ - c.coef_.mean(axis=0) * ("free" in names) for c in fits]
    # the objective's 1e-6 is the square of what is left in the coefficients
    np.testing.assert_allclose(*coefs, rtol=0, atol=5e-3 * np.abs(double.coef_).max())
    proba = [c.predict_proba(X.astype(c.coef_.dtype), offset) for c in fits]
    np.testing.assert_allclose(*proba, rtol=0, atol=3e-3)


def test_optimality_is_honest(task):
    """The reported distance is at least near the true one, to the best of fits."""
    X, y = task
    for parameters in ({"l1_ratio": 1.0}, {"bounds": (0.0, INF)}):
        best = SoftmaxClassifier(tol=0, **parameters).fit(X, y)
        null = np.bincount(y) / len(y)
        gain = -(null * np.log(null)).sum() - objective(best, X, y)
        for tol in (1e-2, 1e-4, 1e-6):
            some = SoftmaxClassifier(tol=tol, **parameters).fit(X, y)
            left = (objective(some, X, y) - objective(best, X, y)) / gain
            assert left <= max(tol, 1e-12)
            assert left <= 3 * some.optimality_ + 1e-12


def objective(classifier, X, y):
    """Of lasso or ridge."""
    W, rho = classifier.coef_, classifier.l1_ratio
    said = log_softmax(logits(classifier, X), axis=1)[np.arange(len(y)), y]
    penalty = rho * np.abs(W).sum() + (1 - rho) / 2 * (W**2).sum()
    return (-said.sum() + penalty / classifier.C) / len(y)


def logits(classifier, X):
    Z = X @ classifier.coef_.T + classifier.intercept_
    return Z if Z.shape[1] > 1 else np.column_stack([np.zeros(len(Z)), Z])


# What is exact


def test_zeros_are_exact(load):
    """Zero and the bounds are hit to the last bit, or missed by far."""
    X, y = load("digits")
    X, y = X[:600], y[:600]
    for parameters in (
        {"l1_ratio": 1.0},
        {"l1_ratio": 0.5, "C": 0.1},
        {"l1_ratio": 1.0, "penalty_group": "class", "C": 0.1},
        {"bounds": (0.0, INF)},
        {"bounds": (-0.1, 0.1)},
        {"l1_ratio": 1.0, "bounds": (-0.03, 0.07)},
    ):
        W = SoftmaxClassifier(**parameters).fit(X, y).coef_
        places = [0.0] if "l1_ratio" in parameters else []
        for place in [*places, *parameters.get("bounds", ())]:
            away = np.abs(W - place)
            assert ((away == 0) | (away > 1e-12)).all()


def test_groups_are_in_or_out(load):
    X, y = load("digits")
    classifier = SoftmaxClassifier(0.05, l1_ratio=1.0, penalty_group="class").fit(X, y)
    rounded = np.round(classifier.coef_, 12)
    used = (rounded != 0).any(axis=0)
    assert 0 < used.sum() < X.shape[1]
    assert (rounded[:, used] != 0).all()


def test_two_classes_have_groups_of_one(load):
    X, y = load("breast_cancer")
    lasso = SoftmaxClassifier(l1_ratio=1.0, tol=0).fit(X, y)
    grouped = SoftmaxClassifier(l1_ratio=1.0, penalty_group="class", tol=0).fit(X, y)
    np.testing.assert_allclose(grouped.coef_, lasso.coef_, atol=1e-8)


# Identities


def fit(X, y, offset=None, **parameters):
    return SoftmaxClassifier(tol=0, **parameters).fit(X, y, offset=offset)


def assert_same(one, other, rtol=1e-6):
    for name in ("coef_", "intercept_"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max())


PENALTIES = [
    {"l1_ratio": 0.0},
    {"l1_ratio": 1.0},
    {"l1_ratio": 0.5},
    {"l1_ratio": 0.5, "penalty_group": "class"},
    {"bounds": (-0.3, 0.2)},
]


@pytest.fixture(params=[2, 3], ids=["sigmoid", "softmax"])
def noisy(request, make_rows):
    X, y, _ = make_rows(200, 6, request.param)
    return X, y


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_counts_are_repeated_rows(noisy, penalty):
    X, y = noisy
    K = y.max() + 1
    counts = np.random.default_rng(0).integers(0, 3, (len(y), K))
    counts[:, 0] += counts.sum(axis=1) == 0
    rows, codes = np.nonzero(counts)
    repeats = counts[rows, codes]
    repeated = fit(X[np.repeat(rows, repeats)], np.repeat(codes, repeats), **penalty)
    assert_same(fit(X, counts, **penalty), repeated)


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_soft_labels_that_are_certain_are_labels(noisy, penalty):
    X, y = noisy
    assert_same(fit(X, one_hot(y), **penalty), fit(X, y, **penalty))


@pytest.mark.parametrize("penalty", PENALTIES[:4], ids=str)
def test_offset_of_a_model_is_a_prior_mean(noisy, penalty):
    """With o = X W0^T + b0, the coefficients are those with the prior W0, less W0."""
    X, y = noisy
    known = fit(X[:50], y[:50], C=0.5)
    offset = known.decision_function(X)
    shifted = fit(X, y, offset=offset, **penalty)
    prior = fit(X, y, coef_prior=known, **penalty)
    np.testing.assert_allclose(
        shifted.coef_ + known.coef_, prior.coef_, atol=1e-6 * np.abs(prior.coef_).max()
    )
    np.testing.assert_allclose(
        shifted.predict_log_proba(X, offset), prior.predict_log_proba(X), atol=1e-5
    )


@pytest.mark.parametrize("penalty", PENALTIES[:4], ids=str)
def test_neutral_values_change_nothing(noisy, penalty):
    X, y = noisy
    expected = fit(X, y, **penalty)
    zero = np.zeros(expected.coef_.shape)
    for neutral in (
        {"bounds": (-INF, INF)},
        {"bounds": (-np.full(6, INF), INF + zero)},
        {"penalty_factor": 1.0},
        {"penalty_factor": np.ones(6)},
        {"penalty_factor": 1 + zero},
        {"coef_prior": zero},
        {"classes": np.unique(y)},
    ):
        found = fit(X, y, **penalty, **neutral)
        assert_same(found, expected)
        assert found.n_iter_ == expected.n_iter_  # and cost no pass
    n, K = len(y), y.max() + 1
    offset = np.zeros(n if K == 2 else (n, K))
    assert_same(fit(X, y, offset=offset, **penalty), expected)


@pytest.mark.parametrize("penalty", PENALTIES[:4], ids=str)
def test_factor_of_all_scales_C(noisy, penalty):
    X, y = noisy
    assert_same(
        fit(X, y, C=2.0, penalty_factor=4.0, **penalty), fit(X, y, C=0.5, **penalty)
    )


@pytest.mark.parametrize("penalty", PENALTIES[:2], ids=str)
def test_factor_of_a_feature_is_its_unit(noisy, penalty):
    """With l1 or l2 alone: a feature times c has coefficients over c."""
    X, y = noisy
    rho = penalty["l1_ratio"]
    c = np.array([1, 2, 0.5, 1, 3, 1])
    factor = 1 / c if rho else 1 / c**2
    scaled = fit(X * c, y, **penalty)
    by_factor = fit(X, y, penalty_factor=factor, **penalty)
    np.testing.assert_allclose(scaled.coef_ * c, by_factor.coef_, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"l1_ratio": 1.0}, {"bounds": (-9, 9)}])
def test_an_offset_that_rows_have_alike_is_the_intercepts(noisy, options):
    """However large: where the fit starts no probability is 0 or 1 by it."""
    X, y = noisy
    K = len(np.unique(y))
    alike = 1e4 if K == 2 else [1e4, 0, 0]
    offset = np.zeros(len(y) if K == 2 else (len(y), K)) + alike
    shifted = SoftmaxClassifier(**options).fit(X, y, offset=offset)
    plain = SoftmaxClassifier(**options).fit(X, y)
    scale = np.abs(plain.coef_).max()
    np.testing.assert_allclose(shifted.coef_, plain.coef_, atol=1e-6 * scale)
    assert shifted.optimality_ == pytest.approx(plain.optimality_, rel=1e-2, abs=1e-9)


def test_an_offset_that_tells_nothing_costs_nothing(noisy):
    X, y = noisy
    K = len(np.unique(y))
    rows = np.arange(float(len(y)))
    offset = 0 * rows if K == 2 else np.column_stack([rows] * K)
    told = SoftmaxClassifier().fit(X, y, offset=offset)
    plain = SoftmaxClassifier().fit(X, y)
    np.testing.assert_array_equal(told.coef_, plain.coef_)
    np.testing.assert_array_equal(told.n_iter_, plain.n_iter_)


def test_a_prior_mean_far_from_zero_is_left_for_the_optimum():
    """The intercept takes a prior's logits off where all rows have about the same."""
    X, y = load_iris(return_X_y=True)
    X = np.column_stack([X, np.full(len(y), 10.0)])
    prior = np.zeros((3, 5))
    prior[0, 4] = 1000
    moved = SoftmaxClassifier(coef_prior=prior, tol=1e-10).fit(X, y)
    plain = SoftmaxClassifier().fit(X, y)
    np.testing.assert_allclose(moved.coef_ - prior, plain.coef_, atol=1e-2)


def test_equal_bounds_are_an_offset(noisy):
    X, y = noisy
    value = np.random.default_rng(0).normal(size=(1 if y.max() == 1 else 3, 1))
    lower, upper = np.full((len(value), 6), -INF), np.full((len(value), 6), INF)
    lower[:, 2:3] = upper[:, 2:3] = value
    fixed = fit(X, y, bounds=(lower, upper))
    offset = X[:, 2:3] * value.T
    offset = offset[:, 0] if len(value) == 1 else offset
    rest = fit(np.delete(X, 2, axis=1), y, offset=offset)
    np.testing.assert_array_equal(fixed.coef_[:, 2:3], value)
    np.testing.assert_allclose(np.delete(fixed.coef_, 2, 1), rest.coef_, atol=1e-6)


def test_bounds_of_zero_leave_the_feature_out(noisy):
    X, y = noisy
    upper = np.array([INF, 0, INF, INF, 0, INF])
    without = fit(X[:, upper > 0], y)
    found = fit(X, y, bounds=(-upper, upper))
    assert not found.coef_[:, upper == 0].any()
    np.testing.assert_allclose(found.coef_[:, upper > 0], without.coef_, atol=1e-6)


def test_constant_offset_is_the_intercept(noisy):
    X, y = noisy
    K = y.max() + 1
    constant = np.array([0.7]) if K == 2 else np.array([1.0, 0.0, -1.0])
    offset = np.full(len(y), 0.7) if K == 2 else np.tile(constant, (len(y), 1))
    plain, shifted = fit(X, y), fit(X, y, offset=offset)
    np.testing.assert_allclose(shifted.coef_, plain.coef_, atol=1e-6)
    np.testing.assert_allclose(
        shifted.intercept_ + constant, plain.intercept_, atol=1e-5
    )


def test_parameters_by_name_are_parameters_by_place(load):
    pandas = pytest.importorskip("pandas")
    X, y = load("iris")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    by_name = fit(
        frame, y, l1_ratio=0.5, penalty_factor={"b": 0.5}, bounds={"d": (-1, 0.5)}
    )
    by_place = fit(
        X,
        y,
        l1_ratio=0.5,
        penalty_factor=[1, 0.5, 1, 1],
        bounds=([-INF, -INF, -INF, -1], [INF, INF, INF, 0.5]),
    )
    assert_same(by_name, by_place)


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_strong_prior_is_what_comes_out(noisy, penalty):
    X, y = noisy
    known = fit(X[:100], y[:100], bounds=penalty.get("bounds"))
    found = fit(X, y, C=1e-6, coef_prior=known, **penalty)
    np.testing.assert_allclose(found.coef_, known.coef_, atol=1e-3)
    if penalty.get("l1_ratio") == 1:
        np.testing.assert_array_equal(found.coef_, known.coef_)


# The corners


def test_all_zero_at_once(task):
    """C so small that nothing is in: the intercepts are the log frequencies."""
    X, y = task
    for group in (None, "class"):
        classifier = SoftmaxClassifier(1e-9, l1_ratio=1.0, penalty_group=group)
        classifier.fit(X, y)
        assert not classifier.coef_.any()
        assert classifier.n_iter_[0] <= 3
        np.testing.assert_allclose(
            classifier.predict_proba(X[:1])[0], np.bincount(y) / len(y), atol=1e-6
        )


def test_the_strength_at_which_the_first_coefficient_enters(task):
    """The greatest gradient at zero: above it nothing is in, below it something."""
    X, y = task
    Y = one_hot(y)
    residual = (Y - Y.mean(axis=0))[:, 1 if Y.shape[1] == 2 else 0 :]
    gradient = residual.T @ X
    for group in (None, "class"):
        norms = np.linalg.norm(gradient, axis=0) if group else np.abs(gradient)
        for times, enters in ((0.99, False), (1.02, True)):
            classifier = SoftmaxClassifier(
                times / norms.max(), l1_ratio=1.0, penalty_group=group, tol=1e-10
            )
            assert classifier.fit(X, y).coef_.any() == enters


def test_all_at_a_bound(task):
    X, y = task
    classifier = SoftmaxClassifier(bounds=(-0.0, 0.0)).fit(X, y)
    assert not classifier.coef_.any()
    np.testing.assert_allclose(
        classifier.predict_proba(X[:1])[0], np.bincount(y) / len(y), atol=1e-6
    )
    tight = 1e-9 / np.abs(X).max(axis=0).clip(1)
    classifier = SoftmaxClassifier(bounds=(-tight, tight)).fit(X, y)
    at = np.isclose(np.abs(classifier.coef_), tight, rtol=1e-9)
    varies = np.ptp(X, axis=0) > 0
    assert at[:, varies].mean() > 0.95


def test_bounds_that_exclude_zero(noisy):
    X, y = noisy
    for l1_ratio in (0.0, 1.0):
        classifier = fit(X, y, l1_ratio=l1_ratio, bounds=(0.5, 1.5))
        assert_optimal(classifier, X, one_hot(y))


@pytest.mark.parametrize("C", [1.0, INF])
def test_bounds_without_a_penalty(noisy, C):
    X, y = noisy
    classifier = fit(X, y, C=C, bounds=(-0.5, 0.5))
    assert classifier.converged_
    assert_optimal(classifier, X, one_hot(y))
    assert (np.abs(classifier.coef_) == 0.5).any()


@pytest.mark.parametrize("group", [None, "class"])
def test_more_features_than_rows(make_rows, group):
    X, y, _ = make_rows(40, 500, 3)
    classifier = SoftmaxClassifier(l1_ratio=1.0, penalty_group=group, tol=1e-10)
    classifier.fit(X, y)
    assert classifier.converged_
    assert_optimal(classifier, X, one_hot(y))
    assert (classifier.coef_ == 0).mean() > 0.8


@pytest.mark.parametrize("group", [None, "class"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_duplicated_columns(load, group, container):
    """Not unique: a minimiser all the same, with the objective of the originals."""
    X, y = load("iris")
    twice = np.hstack([X, X])
    parameters = {"l1_ratio": 1.0, "penalty_group": group, "tol": 1e-12}
    classifier = SoftmaxClassifier(**parameters).fit(container(twice), y)
    assert classifier.converged_
    assert_optimal(classifier, twice, one_hot(y))
    single = SoftmaxClassifier(**parameters).fit(X, y)
    np.testing.assert_allclose(
        classifier.predict_log_proba(twice), single.predict_log_proba(X), atol=1e-4
    )


def test_constant_and_empty_columns(load):
    X, y = load("iris")
    X = np.column_stack([X, np.full(150, 3.0), np.zeros(150)])
    for penalty in PENALTIES[1:4]:
        classifier = fit(X, y, **penalty)
        assert not classifier.coef_[:, 4:].any()
        assert_optimal(classifier, X, one_hot(y))


def test_unpenalised_features_that_separate_the_classes(load):
    """The objective's infimum is not attained, but is approached to `tol`."""
    X, y = load("digits")
    X, y = X[:600], y[:600]
    factor = np.ones(64)
    factor[::3] = 0
    classifier = SoftmaxClassifier(l1_ratio=1.0, penalty_factor=factor)
    with pytest.warns(ConvergenceWarning, match="X separates.*penalty_factor=0"):
        classifier.fit(X, y)
    assert classifier.converged_
    assert classifier.score(X, y) == 1


@pytest.mark.parametrize(("seed", "n_classes"), [(205, 4), (209, 2), (244, 3), (62, 4)])
def test_nearly_separated_rows_in_raw_units(seed, n_classes):
    """A model that fails without damping needs less of it than at first, not none."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 8))
    logits = X @ rng.normal(size=(8, n_classes)) * 3 / np.sqrt(8)
    y = (logits + rng.gumbel(size=(30, n_classes))).argmax(axis=1)
    y[:n_classes] = range(n_classes)
    scale = 10.0 ** rng.uniform(-4, 4, 8)
    X = (X + 10.0 ** rng.uniform(0, 4, 8)) * scale
    prior = rng.normal(size=(n_classes, 8)) / scale * rng.choice([0.1, 1, 5])
    prior = prior[1:] if n_classes == 2 else prior
    model = SoftmaxClassifier(C=1e4, l1_ratio=1.0, coef_prior=prior).fit(X, y)
    assert model.converged_ and model.n_iter_[0] < 200


@pytest.mark.parametrize("C", [1.0, 2.0])
def test_groups_around_a_prior_of_some_size(load, C):
    """It ends at C = 0.5 after 56 passes, and for a prior a tenth the size after 12."""
    X, y = load("digits")
    X, y = X[::4], y[::4]
    parameters, Y, _ = random_options(X, y, "grouped prior")
    classifier = SoftmaxClassifier(C, l1_ratio=1.0, **parameters).fit(X, y)
    assert_optimal(classifier, X, Y, tolerance=1e-3)


@pytest.mark.parametrize("group", [None, "class"])
def test_unpenalised_features_sum_to_zero_over_the_classes(load, group):
    """As with the l2 penalty and as in glmnet: of all that are as good the least."""
    X, y = load("wine")
    factor = np.ones(13)
    factor[::6] = 0
    classifier = SoftmaxClassifier(
        l1_ratio=1.0, penalty_factor=factor, penalty_group=group, C=0.1
    )
    free = classifier.fit(X, y).coef_[:, ::6]
    np.testing.assert_allclose(free.sum(axis=0), 0, atol=1e-6 * np.abs(free).max())


# Absent classes


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_absent_class(load, penalty):
    X, y = load("iris")
    classifier = SoftmaxClassifier(classes=[0, 1, 2, 3], **penalty).fit(X, y)
    np.testing.assert_array_equal(classifier.classes_, [0, 1, 2, 3])
    assert classifier.coef_.shape == (4, 4)
    assert np.isfinite(classifier.coef_).all()
    assert np.isfinite(classifier.intercept_).all()
    log_proba = classifier.predict_log_proba(X)
    assert np.isfinite(log_proba).all()
    assert (log_proba[:, 3] < np.log(1e-3)).all()
    expected = SoftmaxClassifier(**penalty).fit(X, y)
    found = classifier.predict_proba(X)[:, :3]
    np.testing.assert_allclose(found, expected.predict_proba(X), atol=2e-2)


def test_absent_class_of_two(load):
    X = load("iris")[0]
    classifier = SoftmaxClassifier(classes=["a", "b"]).fit(X, np.full(150, "b"))
    log_proba = classifier.predict_log_proba(X)
    assert np.isfinite(log_proba).all()
    assert (log_proba[:, 1] > np.log(0.999)).all()
    assert set(classifier.predict(X)) == {"b"}


def test_folds_that_lack_a_class(load):
    """What `classes` is for: the columns are the same in every fold."""
    X, y = load("iris")
    proba = cross_val_predict(
        SoftmaxClassifier(classes=[0, 1, 2]), X, y, cv=KFold(3), method="predict_proba"
    )
    assert proba.shape == (150, 3)
    assert np.isfinite(proba).all()


# Soft labels


@pytest.fixture
def crowd(load):
    """Votes of five for each iris."""
    X, y = load("iris")
    rng = np.random.default_rng(0)
    right = one_hot(y) * 0.7 + 0.1
    return X, np.array([rng.multinomial(5, p) for p in right])


def test_score_of_soft_labels_is_minus_the_cross_entropy(crowd):
    X, votes = crowd
    classifier = SoftmaxClassifier().fit(X, votes)
    log_proba = classifier.predict_log_proba(X)
    expected = (votes * log_proba).sum() / votes.sum()
    assert classifier.score(X, votes) == pytest.approx(expected)
    weight = np.linspace(0, 2, 150)
    expected = (weight[:, None] * votes * log_proba).sum() / (weight @ votes.sum(1))
    assert classifier.score(X, votes, sample_weight=weight) == pytest.approx(expected)
    # and no model says it better on average than the votes themselves
    entropy = (votes / 5 * np.log(np.maximum(votes / 5, 1e-300))).sum(axis=1).mean()
    assert classifier.score(X, votes) < entropy


@pytest.mark.parametrize("kind", [SoftmaxClassifier, SoftmaxClassifierCV])
def test_columns_of_soft_labels_are_in_the_order_of_classes(load, kind):
    """When they are scored, too."""
    X, y = load("iris")
    order = [2, 0, 1]
    Y = np.eye(3)[y]
    sorted_, other = kind().fit(X, Y), kind(classes=order).fit(X, Y[:, order])
    np.testing.assert_allclose(other.coef_, sorted_.coef_, atol=1e-8)
    assert other.score(X, Y[:, order]) == pytest.approx(sorted_.score(X, Y))


def test_frames_of_soft_labels(crowd):
    pandas = pytest.importorskip("pandas")
    X, votes = crowd
    names = ["setosa", "versicolor", "virginica"]
    frame = pandas.DataFrame(votes, columns=names)
    classifier = SoftmaxClassifier(tol=0).fit(X, frame)
    np.testing.assert_array_equal(classifier.classes_, names)
    turned = frame[names[::-1]]
    again = SoftmaxClassifier(tol=0).fit(X, turned)
    np.testing.assert_array_equal(again.classes_, names)
    assert_same(again, classifier)
    assert classifier.score(X, turned) == pytest.approx(classifier.score(X, frame))
    # an array's columns are in the order of classes_
    for model in (classifier, again):
        assert model.score(X, votes) == pytest.approx(model.score(X, frame))
    assert set(classifier.predict(X)) <= set(names)
    with pytest.raises(ValueError, match="y has columns"):
        classifier.score(X, frame.rename(columns={"setosa": "rose"}))


def test_soft_labels_in_cross_validation(crowd):
    X, votes = crowd
    scores = cross_val_score(
        SoftmaxClassifier(), X, votes, cv=KFold(5, shuffle=True, random_state=0)
    )
    assert (scores < 0).all()
    search = GridSearchCV(SoftmaxClassifier(), {"C": [1e-6, 1.0]}, cv=KFold(5)).fit(
        X, votes
    )
    assert search.best_params_ == {"C": 1.0}


@pytest.mark.parametrize(
    "splitter",
    [
        5,
        RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
        ShuffleSplit(3, random_state=0),
        TimeSeriesSplit(3),
    ],
    ids=str,
)
def test_splitters_that_take_soft_labels(crowd, splitter):
    X, votes = crowd
    order = np.random.default_rng(0).permutation(150)
    scores = cross_val_score(SoftmaxClassifier(), X[order], votes[order], cv=splitter)
    assert (scores < 0).all()


def test_weights_of_soft_labels_multiply_their_masses(crowd):
    X, votes = crowd
    weight = np.random.default_rng(0).uniform(0, 2, 150)
    one = SoftmaxClassifier(tol=0).fit(X, votes, weight)
    other = SoftmaxClassifier(tol=0).fit(X, votes * weight[:, None] + 1e-300)
    assert_same(one, other)


# Offsets


def test_offset_is_routed(load):
    X, y = load("iris")
    offset = np.random.default_rng(0).normal(size=(150, 3))
    X = StandardScaler().fit_transform(X)
    expected = SoftmaxClassifier().fit(X, y, offset=offset)
    with config_context(enable_metadata_routing=True):
        classifier = SoftmaxClassifier().set_fit_request(offset=True)
        classifier.set_predict_request(offset=True)
        classifier.set_predict_proba_request(offset=True)
        classifier.set_score_request(offset=True)
        pipeline = make_pipeline(StandardScaler(), classifier)
        pipeline.fit(X, y, offset=offset)
        np.testing.assert_allclose(pipeline[-1].coef_, expected.coef_, rtol=1e-6)
        np.testing.assert_array_equal(
            pipeline.predict(X, offset=offset), expected.predict(X, offset)
        )
        np.testing.assert_allclose(
            pipeline.predict_proba(X, offset=offset),
            expected.predict_proba(X, offset),
            rtol=1e-5,
        )
        found = pipeline.score(X, y, offset=offset)
        assert found == pytest.approx(expected.score(X, y, offset=offset))
        scores = cross_val_score(pipeline, X, y, params={"offset": offset})
        assert np.isfinite(scores).all()
        with pytest.raises(ValueError, match="offset"):
            make_pipeline(SoftmaxClassifier()).fit(X, y, offset=offset)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_offset_is_added_to_the_logits(load, n_classes):
    X, y = load("iris")
    y = np.minimum(y, n_classes - 1)
    shape = 150 if n_classes == 2 else (150, 3)
    offset = np.random.default_rng(0).normal(size=shape)
    classifier = SoftmaxClassifier().fit(X, y, offset=offset)
    np.testing.assert_allclose(
        classifier.decision_function(X, offset),
        classifier.decision_function(X) + offset,
    )
    if n_classes == 2:  # a column serves too
        column = SoftmaxClassifier().fit(X, y, offset=offset[:, None])
        np.testing.assert_array_equal(column.coef_, classifier.coef_)


# The tools


EACH = {
    "l1_ratio": [0.0, 0.5, 1.0],
    "penalty_factor": [None, 2.0, [1.0, 0.0, 1.0, 2.0], {"a": 0.5}],
    "penalty_group": [None, "class"],
    "bounds": [None, (-1.0, 1.0), {"b": (0, 2)}],
    "coef_prior": [None, np.ones((3, 4))],
    "classes": [None, [0, 1, 2], [0, 1, 2, 3]],
}


@pytest.fixture
def frame(load):
    pandas = pytest.importorskip("pandas")
    X, y = load("iris")
    return pandas.DataFrame(X, columns=list("abcd")), y


# scikit-learn 1.6 makes an array of the values
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")
@pytest.mark.parametrize("name", EACH)
def test_grid_search_over_each_option(frame, name):
    X, y = frame
    search = GridSearchCV(
        SoftmaxClassifier(l1_ratio=0.5), {name: EACH[name]}, error_score="raise"
    )
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(X, y) > 0.9


@pytest.mark.parametrize("name", EACH)
def test_clone_and_pickle_of_each_option(frame, name):
    X, y = frame
    for value in EACH[name]:
        classifier = SoftmaxClassifier(l1_ratio=0.5).set_params(**{name: value})
        fitted = clone(classifier).fit(X, y)
        assert type(fitted.get_params()[name]) is type(value)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
        np.testing.assert_array_equal(again.fit(X, y).coef_, fitted.coef_)


def test_frozen_estimator_as_prior(frame):
    """clone, and so GridSearchCV, forgets the fit of a parameter unless frozen."""
    X, y = frame
    known = SoftmaxClassifier().fit(X, y)
    for prior in (FrozenEstimator(known), known.coef_):
        search = GridSearchCV(
            SoftmaxClassifier(coef_prior=prior), {"C": [1e-3, 1.0]}, error_score="raise"
        )
        assert search.fit(X, y).score(X, y) > 0.9
    frozen = SoftmaxClassifier(coef_prior=FrozenEstimator(known)).fit(X, y)
    expected = SoftmaxClassifier(coef_prior=known).fit(X, y)
    np.testing.assert_array_equal(frozen.coef_, expected.coef_)


@pytest.mark.parametrize("names", [names for _, names in COMBINATIONS])
def test_arguments_are_not_written_to(load, names):
    X, y = load("wine")
    parameters, Y, offset = random_options(X, y, names)
    arrays = [X, Y, *([] if offset is None else [offset])]
    for value in parameters.values():
        values = value if isinstance(value, tuple) else (value,)
        arrays += [v for v in values if isinstance(v, np.ndarray)]
    for array in arrays:
        array.flags.writeable = False
    SoftmaxClassifier(l1_ratio=0.5, **parameters).fit(X, Y, offset=offset)


@pytest.mark.parametrize("penalty", PENALTIES[1:], ids=str)
def test_warm_start_saves_passes(load, penalty):
    X, y = load("digits")
    X, y = X[::4], y[::4]
    classifier = SoftmaxClassifier(warm_start=True, **penalty).fit(X, y)
    first = classifier.n_iter_[0]
    assert classifier.fit(X, y).n_iter_[0] < first
    cold = SoftmaxClassifier(0.5, tol=1e-10, **penalty).fit(X, y)
    warm = classifier.set_params(C=0.5, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=1e-4)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_an_offset_are_named_after_the_classes(load, library):
    X, y = load("iris")
    y, names = np.array(["a", "b", "c"])[y], ["a", "b", "c"]
    offset = np.random.default_rng(0).normal(size=(150, 3))
    frame = pytest.importorskip(library).DataFrame
    turned = frame({name: offset[:, names.index(name)] for name in "bca"})
    expected = SoftmaxClassifier().fit(X, y, offset=offset)
    classifier = SoftmaxClassifier().fit(X, y, offset=turned)
    np.testing.assert_allclose(classifier.coef_, expected.coef_, rtol=1e-10)
    np.testing.assert_array_equal(
        expected.predict_proba(X, turned), expected.predict_proba(X, offset)
    )
    other = frame({name: offset[:, 0] for name in "abd"})
    with pytest.raises(ValueError, match=r"offset has entries for \['a', 'b', 'd'\]"):
        classifier.fit(X, y, offset=other)


def test_columns_of_an_offset_without_names_are_in_order(load):
    X, y = load("iris")
    offset = np.random.default_rng(0).normal(size=(150, 3))
    frame = pytest.importorskip("pandas").DataFrame(offset)
    expected = SoftmaxClassifier().fit(X, y + 1, offset=offset)
    classifier = SoftmaxClassifier().fit(X, y + 1, offset=frame)
    np.testing.assert_allclose(classifier.coef_, expected.coef_, rtol=1e-10)


@pytest.fixture
def saturated(load):
    """Offsets that make every probability zero or one, half of them wrongly."""
    X, y = load("iris")
    offset = np.zeros((150, 3))
    offset[::2, 0], offset[1::2, 0] = 2000, -2000
    return X, y, offset


def test_saturated_probabilities_have_no_curvature_but_a_slope(saturated):
    X, y, offset = saturated
    logits = [
        SoftmaxClassifier(solver=solver, max_iter=2000)
        .fit(X, y, offset=offset)
        .decision_function(X)
        for solver in ("hessian", "kronecker", "diagonal")
    ]
    for other in logits[1:]:
        np.testing.assert_allclose(
            other, logits[0], atol=1e-3 * np.abs(logits[0]).max()
        )


@pytest.mark.parametrize("limit", [100.0, 1e4])
def test_saturated_probabilities_are_not_called_an_optimum(saturated, limit):
    """Within bounds that no coefficient of the optimum reaches."""
    X, y, offset = saturated
    free = SoftmaxClassifier(tol=1e-10, max_iter=5000).fit(X, y, offset=offset)
    bounded = SoftmaxClassifier(tol=1e-10, bounds=(-limit, limit))
    bounded.fit(X, y, offset=offset)
    assert np.abs(free.coef_).max() < 100
    np.testing.assert_allclose(bounded.coef_, free.coef_, atol=1e-2)
    with pytest.warns(ConvergenceWarning, match="stopped after"):
        bounded.set_params(max_iter=10).fit(X, y, offset=offset)
    assert not bounded.converged_


@pytest.mark.parametrize(
    "options",
    [
        {"penalty_factor": [1, 0, 2, INF]},
        {"penalty_factor": [0, 0, 0, INF]},
        {"penalty_factor": [1, 0, 2, 1], "l1_ratio": 1.0},
        {"bounds": ([-INF, -INF, 0, 0], INF), "penalty_factor": [1, 0, 1, 0]},
    ],
    ids=str,
)
def test_what_nothing_holds_sums_to_zero_over_the_classes(make_rows, options):
    X, y, _ = make_rows(300, 4, 3)
    model = SoftmaxClassifier(**options).fit(X, y)
    assert abs(model.intercept_.sum()) < 1e-12
    assert abs(model.coef_[:, 1].sum()) < 1e-12
    prior = np.arange(12.0).reshape(3, 4)
    model = SoftmaxClassifier(coef_prior=prior, **options).fit(X, y)
    assert model.coef_[:, 1].sum() == pytest.approx(prior[:, 1].sum())
