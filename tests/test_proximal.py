"""The step of proximal Newton: its Hessian and the minimum of its model."""

import contextlib
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import model_minimum
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split

from sk_softmax import (
    SoftmaxClassifier,
    SoftmaxClassifierCV,
    _proximal_model,
    _proximal_newton,
    _rows,
    _separable_model,
)
from sk_softmax._encode import problem_for
from sk_softmax._frame import Frame
from sk_softmax._kinks import Grouped, Separable
from sk_softmax._loss import Sigmoid, Softmax
from sk_softmax._optimum import Fit, Point
from sk_softmax._penalty import Penalty
from sk_softmax._problem import Problem
from sk_softmax._proximal import WorkingSet
from sk_softmax._proximal_model import Damping, Model, kkt_violation
from sk_softmax._proximal_newton import proximal_newton
from sk_softmax._quadratic_model import taken_and_left
from sk_softmax._rows import Rows
from sk_softmax._separable_model import semismooth_newton, walk
from sk_softmax._solver import solve

INF = np.inf


def problem_of(X, y, n_classes, *, weight=None, fit_intercept=True, **penalty):
    """A problem with a penalty that need not be smooth."""
    loss = Sigmoid() if n_classes == 2 else Softmax(n_classes)
    shape = (loss.n_outputs, X.shape[1])
    rows = Rows(X, loss.n_outputs)
    return Problem(
        rows, loss, y, weight, Penalty(0.02, shape, **penalty), fit_intercept
    )


@pytest.fixture(params=["dense", "sparse", "float32"])
def container(request):
    return {
        "dense": np.asarray,
        "sparse": sparse.csr_array,
        "float32": lambda X: X.astype(np.float32),
    }[request.param]


# The Hessian of a working set


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_hessian_is_that_of_the_problem(
    make_rows, container, n_classes, fit_intercept, whole, monkeypatch
):
    """Column by column against Hessian products, over several blocks of rows."""
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2**12)
    X, y, weight = make_rows(300, 6, n_classes)
    X = np.where(np.abs(X) > 0.7, X, 0) * [1, 10, 0.1, 1, 1, 5]
    X = container(X)
    problem = problem_of(
        X,
        y,
        n_classes,
        weight=weight.astype(X.dtype),
        fit_intercept=fit_intercept,
        l1_ratio=0.5,
        factor=np.arange(6.0),
    )
    assert len(problem.rows.blocks) > 1
    rng = np.random.default_rng(1)
    theta = rng.normal(size=problem.shape) * 0.3
    if not fit_intercept:
        theta[:, -1] = 0
    chosen = np.ones((problem.shape[0], 6), dtype=bool)
    if not whole:
        chosen = rng.random(chosen.shape) < 0.4
        chosen[:, 2] = False
        chosen[0, 0] = True
    working = WorkingSet(problem, Frame(problem), chosen)
    H = working.hessian(theta)
    N, K = chosen.sum(), problem.shape[0]
    assert H.shape == (N + K, N + K)
    product = problem.hessian(theta)
    columns = N + K if fit_intercept else N
    expected = np.zeros_like(H)
    for i in range(columns):
        unit = np.zeros(N + K)
        unit[i] = 1
        direction = working.direction(unit[:N], unit[N:])
        expected[:, i] = np.concatenate(working.gradient(product(direction)))
    rtol = 1e-4 if X.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(H, expected, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["dense", "all of it", "sparse"])
def test_curvature_where_probabilities_are_near_one(make_rows, kind):
    """What is left of one is known to its own digits, not to those of one."""
    X, _, _ = make_rows(60, 4, 3)
    theta = np.zeros((3, 5))
    theta[:, :-1] = np.random.default_rng(0).normal(size=(3, 4))
    logits = X @ theta[:, :-1].T
    rest, best = np.sort(logits)[:, 1:].T
    keep = best - rest > 0.5
    X, y = X[keep], logits[keep].argmax(axis=1)
    theta *= 30 / (best - rest)[keep].min()
    problem = problem_of(
        sparse.csr_array(X) if kind == "sparse" else X, y, 3, l1_ratio=1.0
    )
    chosen = np.ones((3, 4), dtype=bool)
    chosen[0, 1] = kind == "all of it"
    working = WorkingSet(problem, Frame(problem), chosen)
    H, N = working.hessian(theta), chosen.sum()
    P = softmax(X @ theta[:, :-1].T, axis=1)
    assert 0 < 1 - P.max(axis=1).min() < 1e-12
    for seed in range(5):
        d = np.append(np.random.default_rng(seed).normal(size=N), np.zeros(3))
        way = working.direction(d[:N], d[N:])
        change = X @ way[:, :-1].T + way[:, -1]
        spread = change - (P * change).sum(axis=1)[:, None]
        expected = (P * spread**2).sum() / len(X)
        assert d @ H @ d == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_and_direction_are_adjoint(make_rows, container, fit_intercept):
    """The slope along a direction is the same in both units."""
    X, y, _ = make_rows(50, 4, 3)
    problem = problem_of(container(X + 3), y, 3, fit_intercept=fit_intercept)
    rng = np.random.default_rng(0)
    chosen = rng.random((3, 4)) < 0.6
    working = WorkingSet(problem, Frame(problem), chosen)
    d, intercept = rng.normal(size=chosen.sum()), rng.normal(size=3) * fit_intercept
    G = rng.normal(size=(3, 5))
    G[:, -1] *= fit_intercept
    direction = working.direction(d, intercept)
    assert not direction[:, :-1][~chosen].any()
    g, g_intercept = working.gradient(G)
    assert np.vdot(G, direction) == pytest.approx(g @ d + g_intercept @ intercept)


# The model


def slow_minimum(H, q, u, part, n_steps=5000):
    """Accelerated proximal gradient with restarts, to many digits."""
    step = np.full(len(u), 1 / np.linalg.eigvalsh(H)[-1])
    v = before = u
    momentum = 1.0
    for _ in range(n_steps):
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = v + (momentum - 1) / faster * (v - before)
        new = part.prox(ahead - step * (q + H @ (ahead - u)), step)
        if (ahead - new) @ (new - v) > 0:
            faster = 1.0
        before, v, momentum = v, new, faster
        if np.abs(v - before).max() < 1e-13:
            break
    return v


def model_value(H, q, u, part, v):
    return q @ (v - u) + 0.5 * (v - u) @ H @ (v - u) + part.value(v)


def parts(n, rng):
    """Penalties of n variables, n a multiple of three."""
    none, weight = np.full(n, INF), rng.uniform(0.1, 1, n)
    with_zero = np.where(np.arange(n) % 5 == 0, 0.0, weight)
    low, high = -rng.uniform(0, 0.4, n), rng.uniform(0, 0.4, n)
    fixed = high.copy()
    low[::7] = fixed[::7] = 0.1
    feature, same = np.repeat(np.arange(n // 3), 3), np.repeat(weight[: n // 3], 3)
    one, zero = np.ones(n), np.zeros(n)
    return {
        "lasso": Separable(one * 0.5, -none, none),
        "factors": Separable(weight, -none, none),
        "factors with zero": Separable(with_zero, -none, none),
        "not negative": Separable(zero, zero, none),
        "bounds": Separable(zero, low, fixed),
        "lasso in bounds": Separable(weight, low, fixed),
        "groups": Grouped(same, one, feature, -none, none),
        "groups in bounds": Grouped(same, one, feature, -0.2 * one, 0.3 * one),
        "groups, not negative": Grouped(same, one, feature, zero, none),
        "groups with zero": Grouped(
            same * (feature % 4 > 0), one, feature, -none, none
        ),
    }


@pytest.mark.parametrize("name", parts(30, np.random.default_rng(0)))
@pytest.mark.parametrize("kind", ["well conditioned", "collinear", "units"])
@pytest.mark.parametrize("start", ["zero", "anywhere"])
def test_model_minimum(name, kind, start):
    rng = np.random.default_rng(3)
    n = 30
    part = parts(n, rng)[name]
    A = rng.normal(size=(60, n))
    if kind == "collinear":
        A[:, 3:6] = A[:, :3] @ rng.normal(size=(3, 3))
    if kind == "units":
        # as different as the frame leaves them, the same within a group
        A *= np.repeat(10.0 ** rng.uniform(-1, 0, n // 3), 3)
    H, q = A.T @ A / 60, rng.normal(size=n)
    u = np.zeros(n) if start == "zero" else rng.normal(size=n)
    u = part.prox(u, np.full(n, 1e-3))
    found = model_minimum(H, q, u, part)
    expected = slow_minimum(H, q, u, part)
    assert (part.lower <= found).all() and (found <= part.upper).all()
    least = model_value(H, q, u, part, expected)
    gain = model_value(H, q, u, part, u) - least
    assert gain > 0
    assert model_value(H, q, u, part, found) - least <= 1e-5 * gain
    if kind == "well conditioned":
        np.testing.assert_allclose(found, expected, atol=1e-3)
        np.testing.assert_array_equal(found == 0, expected == 0)


@pytest.mark.parametrize("name", ["not negative", "bounds", "lasso in bounds"])
def test_few_faces_lead_to_the_minimum_within_bounds(name):
    rng = np.random.default_rng(3)
    part, A = parts(30, rng)[name], rng.normal(size=(60, 30))
    H, q = A.T @ A / 60, rng.normal(size=30)
    u = part.prox(rng.normal(size=30), np.full(30, 1e-3))
    found, settled = semismooth_newton(H, q, u, part, np.diag(H))
    assert settled
    assert part.violation(found, q + H @ (found - u)).max() < 1e-13
    np.testing.assert_allclose(found, slow_minimum(H, q, u, part), atol=1e-9)


@pytest.mark.parametrize("l1", [0.0, 0.01])
def test_faces_that_go_in_circles_lead_to_the_minimum(l1):
    """A model that is ill conditioned as those of raw features are."""
    rng = np.random.default_rng(0)
    n = 100
    lower = np.where(np.arange(n) % 2, -INF, 0.0)
    part = Separable(np.full(n, l1), lower, np.full(n, INF))
    A = rng.normal(size=(n, n)) * np.geomspace(1, 1e-3, n)
    H = A @ np.linalg.qr(rng.normal(size=(n, n)))[0]
    H = H.T @ H + 1e-6 * np.eye(n)
    q, u = H @ rng.normal(size=n), np.zeros(n)
    found = model_minimum(H, q, u, part)
    size = np.sqrt(np.diag(H))
    before = (part.violation(u, q) / size).max()
    after = (part.violation(found, q + H @ (found - u)) / size).max()
    assert after <= 1e-6 * before


@pytest.mark.parametrize("curvature", [-1e-16, 0.0, np.nan])
def test_no_curvature_is_no_end_without_an_end(curvature):
    """As rounding leaves it of features that others make up for."""
    H, q = np.diag([1.0, curvature]), np.array([-1.0, 0.08])
    zero = np.zeros(2)
    part = Separable(np.full(2, 1e-3), np.full(2, -INF), np.full(2, INF))
    assert np.isfinite(model_minimum(H, q, zero, part)).all()
    if np.isfinite(curvature):
        assert np.isfinite(walk(H, q, zero, part, zero, 1e-9)).all()


@pytest.mark.parametrize(
    "name", ["factors", "lasso in bounds", "groups", "groups in bounds"]
)
def test_weak_penalties_of_collinear_variables(name):
    """H is singular: what the penalty prefers is far away, the way there flat."""
    rng = np.random.default_rng(0)
    n = 60
    part = parts(n, rng)[name]
    part.weight = 1e-4 * part.weight
    part.lower, part.upper = 100 * part.lower, 100 * part.upper
    A = rng.normal(size=(100, n // 2)) * np.geomspace(1, 0.1, n // 2)
    A = A @ rng.normal(size=(n // 2, n))
    H, q = A.T @ A / 100, A.T @ rng.normal(size=100) / 100
    u = part.prox(np.zeros(n), np.ones(n))
    found = model_minimum(H, q, u, part)
    size = np.sqrt(np.diag(H))
    before = (part.violation(u, q) / size).max()
    after = (part.violation(found, q + H @ (found - u)) / size).max()
    assert after <= 1e-6 * before


@pytest.mark.parametrize("options", [{}, {"penalty_group": "class"}])
def test_collinear_features_with_a_weak_penalty(options):
    X, y = load_wine(return_X_y=True)
    X = np.hstack([X, X @ np.random.default_rng(0).normal(size=(13, 13))])
    options = {"C": 10.0, "l1_ratio": 1.0, **options}

    def value(tol):
        fit = SoftmaxClassifier(tol=tol, **options).fit(X, y)
        assert fit.converged_ and fit.n_iter_ < 30
        loss = log_loss(y, fit.predict_proba(X))
        norms = np.abs(fit.coef_)
        if "penalty_group" in options:
            norms = np.linalg.norm(fit.coef_, axis=0)
        return loss + norms.sum() / (options["C"] * len(y))

    least = value(1e-12)
    for tol in (1e-4, 1e-6):
        assert value(tol) - least <= tol * (np.log(3) - least)


@pytest.mark.parametrize("bounds", [(0, INF), (0, 1), (-0.05, 1)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_collinear_features_within_bounds(bounds, l1_ratio):
    """Held back by next to nothing, some hide where others would go with them."""
    X, y = load_breast_cancer(return_X_y=True)
    X = np.hstack([X, X @ np.random.default_rng(0).normal(size=(30, 90))])
    C = 100.0

    def value(tol):
        fit = SoftmaxClassifier(C, tol=tol, l1_ratio=l1_ratio, bounds=bounds).fit(X, y)
        assert fit.converged_ and fit.n_iter_ < 50
        W = fit.coef_
        penalty = l1_ratio * np.abs(W) + (1 - l1_ratio) / 2 * W**2
        return log_loss(y, fit.predict_proba(X)) + penalty.sum() / (C * len(y))

    least = value(1e-11)
    null = log_loss(y, np.full(len(y), y.mean()))
    for tol in (1e-4, 1e-6):
        assert value(tol) - least <= tol * (null - least)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("apart", [1e-4, 1e-6, 3e-8])
def test_nearly_collinear_features_without_a_penalty(n_classes, apart):
    """Two columns that differ by little span what their difference spans."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    signal = X[:, 1] + X[:, 3] + rng.logistic(size=300)
    y = np.minimum(np.digitize(signal, [0, 2]), n_classes - 1)
    near = X.copy()
    near[:, 1] = 2 * X[:, 0] + apart * X[:, 1]
    classifier = SoftmaxClassifier(
        10.0, l1_ratio=0.5, penalty_factor=[0, 0, 1, 1, 1, 1], tol=1e-9
    )
    p = clone(classifier).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(
        clone(classifier).fit(near, y).predict_proba(near), p, atol=2e-3
    )


@pytest.mark.parametrize("offset", [1e7, 1e8])
def test_rounding_of_a_far_feature_is_no_slope(offset):
    """The loss does not see a step of all classes, but rounding makes up a slope."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 6))
    y = np.digitize(X[:, :4].sum(axis=1) + rng.logistic(size=300), [0, 2])
    X[:, 0] += offset
    factor = [0, 1, 1, 1, 1, 1]
    classifier = SoftmaxClassifier(l1_ratio=0.5, penalty_factor=factor).fit(X, y)
    assert classifier.converged_ and classifier.n_iter_[0] < 20


def test_groups_with_a_prior_outside_of_the_bounds():
    """The bounds do not let a group be at its prior mean, where it has its kink."""
    rng = np.random.default_rng(69)
    X = rng.normal(size=(60, 4))
    X[:, :2] = X[:, 2:]
    y = np.r_[0, 1, 2, rng.integers(3, size=57)]
    options = {"coef_prior": 0.3 * rng.normal(size=(3, 4)), "bounds": (-0.3, 0.3)}
    options |= {"l1_ratio": 1.0, "penalty_group": "class"}
    fit = SoftmaxClassifier(0.1, **options).fit(X, y)
    assert fit.converged_ and fit.n_iter_ < 20


@pytest.mark.parametrize("bounds", [None, (0, INF), (-0.1, 0.2)])
@pytest.mark.parametrize("l1_ratio, group", [(0, None), (0.5, None), (1, "class")])
@pytest.mark.parametrize("prior", [None, 0.05])
def test_most_gain_is_no_less_than_what_is_gained(bounds, l1_ratio, group, prior):
    X, y = load_iris(return_X_y=True)
    options = {"bounds": bounds, "l1_ratio": l1_ratio, "penalty_group": group}
    if prior is not None:
        options["coef_prior"] = np.full((3, 4), prior)
    classifier = SoftmaxClassifier(0.1, fit_intercept=False, **options)
    problem, _ = problem_for(classifier, X, y, None, None)
    penalty = problem.penalty
    optimum = solve(problem, tol=1e-13, max_iter=1000)
    rng = np.random.default_rng(0)
    away = rng.normal(size=optimum.theta.shape) * [1, 1, 1, 1, 0]
    for length in (0, 1e-4, 1e-2, 1):
        theta = optimum.theta + length * away
        theta[:, :-1] = penalty.feasible(theta[:, :-1])
        value, gradient = problem.value_gradient(theta)
        if not penalty.is_smooth:
            value += penalty.value(theta[:, :-1])
        violation = penalty.violation(theta[:, :-1], gradient[:, :-1])
        most = penalty.most_gain(theta[:, :-1], violation, value)
        assert np.isfinite(most)
        assert value - optimum.value <= most + 1e-14
        assert length > 0 or most < 1e-4


def test_nobody_knows_what_is_left_without_curvature():
    """As where offsets of 1e8 saturate every probability."""
    part = Separable(np.zeros(2), np.full(2, -INF), np.full(2, INF))
    zero = np.zeros(2)
    _, left = taken_and_left(np.zeros((2, 2)), np.ones(2), zero, part, zero)
    assert left == INF


def test_model_without_variables():
    none = np.zeros(0)
    part = Separable(none, none, none)
    assert len(model_minimum(np.zeros((0, 0)), none, none, part)) == 0


@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_step_is_newtons_where_nothing_is_at_a_kink(make_rows, l1_ratio, n_classes):
    """No zero: it ends where model and intercepts are flat, or at a bound."""
    X, y, _ = make_rows(200, 4, n_classes)
    problem = problem_of(X, y, n_classes, l1_ratio=l1_ratio, bounds=(-9.0, 9.0))
    theta = np.random.default_rng(0).choice([-1.0, 1.0], problem.shape)
    chosen = np.ones((problem.shape[0], 4), dtype=bool)
    working = WorkingSet(problem, Frame(problem), chosen)
    _, G = problem.value_gradient(theta)
    direction, landing, gain, rest = working.step(
        working.hessian(theta), theta[:, :-1], G
    )
    new = theta + direction
    np.testing.assert_allclose(landing, new[:, :-1], atol=1e-12)
    assert np.abs(new[:, :-1]).min() > 1e-3  # else the kink counts
    slope = G + problem.hessian(theta)(direction)
    violation = problem.penalty.violation(landing, slope[:, :-1])
    _, G0 = problem.value_gradient(theta)
    before = problem.penalty.violation(theta[:, :-1], G0[:, :-1])
    assert violation.max() < 1e-5 * before.max()
    assert np.abs(slope[:, -1]).max() < 1e-10
    promised = np.vdot(G, direction)
    promised += 0.5 * np.vdot(direction, problem.hessian(theta)(direction))
    promised += problem.penalty.value(new[:, :-1])
    promised -= problem.penalty.value(theta[:, :-1])
    assert gain == pytest.approx(-promised, rel=1e-6)
    assert rest < 1e-8 * gain


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_step_teaches_its_curvature(make_rows, container, n_classes):
    X, y, _ = make_rows(200, 4, n_classes)
    problem = problem_of(container(X), y, n_classes, l1_ratio=0.5)
    rng = np.random.default_rng(0)
    chosen = rng.random((problem.shape[0], 4)) < 0.7
    working = WorkingSet(problem, Frame(problem), chosen)
    theta = np.where(np.c_[chosen, np.ones(len(chosen))], 0.3, 0.0)
    H = working.hessian(theta)
    taken = rng.normal(size=len(H))
    N, K = chosen.sum(), problem.shape[0]
    before, after = (
        Point(point, *problem.value_gradient(point))
        for point in (theta, theta + working.direction(taken[:N], taken[N:]))
    )
    working.learn(H, before, after)
    met = np.concatenate(working.gradient(after.gradient - before.gradient))
    eps = np.finfo(problem.rows.dtype).eps
    np.testing.assert_allclose(H @ taken, met, atol=1e3 * eps)
    np.testing.assert_allclose(H, H.T, atol=1e3 * eps)
    least = -1e3 * eps if K > 1 else 1e-3  # a shift of all intercepts costs nothing
    assert np.linalg.eigvalsh(H)[0] > least
    twice = H.copy()
    working.learn(twice, before, after)
    np.testing.assert_allclose(twice, H, atol=1e4 * eps)


# The whole way, as the solver goes it


@pytest.mark.parametrize("limit", [2, 12, 60])
def test_small_working_sets_lead_to_the_same_optimum(make_rows, limit, monkeypatch):
    """Also those that never hold all that the optimum needs at once."""
    X, y, _ = make_rows(200, 40, 3)
    problem = problem_of(X, y, 3, l1_ratio=1.0)
    options = {"tol": 1e-12, "max_iter": 1000}
    whole = proximal_newton(Fit(problem, None, **options))
    monkeypatch.setattr("sk_softmax._proximal_model.LEAST_WORKING_SET", limit)
    small = proximal_newton(Fit(problem, None, **options))
    assert small.converged
    np.testing.assert_allclose(small.theta, whole.theta, atol=1e-5)


def test_start_at_the_optimum_costs_little(make_rows):
    X, y, _ = make_rows(200, 40, 3)
    problem = problem_of(X, y, 3, l1_ratio=1.0)
    first = proximal_newton(Fit(problem, None, tol=1e-6, max_iter=1000))
    again = proximal_newton(Fit(problem, first.theta, tol=1e-6, max_iter=1000))
    assert again.converged
    assert again.n_iter <= 3 < first.n_iter  # the null point, the start, one step
    assert again.value <= first.value + 1e-15


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_rare_classes_leave_no_more_than_rounding(l1_ratio):
    """Curvature p (1 - p) of 1e-7 is known to eps: what is below it is no direction.

    The data and weights are those of scikit-learn's check of class weights.
    """
    X, y = make_blobs(centers=3, random_state=0, cluster_std=20)
    X, _, y, _ = train_test_split(X, y, test_size=0.5, random_state=0)
    weights = {0: 1e3, 1: 1e-4, 2: 1e-4}
    for rows, _ in StratifiedKFold(3).split(X, y):
        model = SoftmaxClassifier(0.1, l1_ratio=l1_ratio, class_weight=weights)
        model.fit(X[rows], y[rows])
        assert model.converged_
        assert model.n_iter_ <= 50
        assert not model.coef_.any()
        frequency = np.bincount(y[rows]) * [1e3, 1e-4, 1e-4]
        expected = frequency / frequency.sum()
        np.testing.assert_allclose(model.predict_proba(X[:1])[0], expected, rtol=1e-6)


@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_optimality_is_not_flattered(load, dtype, tol):
    """Away from the optimum each model misses as much as the last one."""
    X, y = load(return_X_y=True)
    X = X.astype(dtype)
    options = {"C": 0.87 if load is load_iris else 0.0046, "l1_ratio": 1}
    fit = SoftmaxClassifier(tol=tol, **options).fit(X, y)
    best = SoftmaxClassifier(tol=1e-10, **options).fit(X.astype(np.float64), y)

    def value(model):
        loss = log_loss(y, model.predict_proba(X.astype(np.float64)))
        return loss + np.abs(model.coef_).sum() / (options["C"] * len(y))

    null = log_loss(y, np.tile(np.bincount(y) / len(y), (len(y), 1)))
    gap = (value(fit) - value(best)) / (null - value(best))
    assert fit.converged_
    # as far as coefficients in this dtype can tell
    assert gap <= 1.5 * fit.optimality_ + np.finfo(dtype).eps
    assert fit.optimality_ <= tol


def test_converges_only_with_all_violators_in_the_working_set(monkeypatch):
    rng = np.random.default_rng(39)
    n, d, K = 300, 30, 4
    X = rng.standard_normal((n, 4)) @ rng.standard_normal((4, d))
    X += 0.3 * rng.standard_normal((n, d))
    Z = 0.3 * X @ rng.standard_normal((K, d)).T
    y = np.argmax(Z + rng.gumbel(size=(n, K)), axis=1)
    last = {}
    step = WorkingSet.step

    def spy(self, H, W, G, *args, **options):
        centred = G[:, :-1] - G[:, -1:] * self.frame.centre
        violating = self.problem.penalty.violation(W, centred) > 0
        last["outside"] = (violating & ~self.chosen).sum()
        return step(self, H, W, G, *args, **options)

    monkeypatch.setattr(WorkingSet, "step", spy)
    for bounds in ((0, INF), (-0.1, 0.1)):
        fit = SoftmaxClassifier(tol=1e-4, bounds=bounds).fit(X, y)
        assert fit.converged_
        assert last["outside"] == 0


def test_more_coefficients_than_a_working_set_can_have(monkeypatch, make_rows):
    """They take turns, and the gradient says that the optimum is near."""
    X, y, _ = make_rows(300, 30, 3)
    best = SoftmaxClassifier(l1_ratio=0.5, tol=1e-12).fit(X, y)
    assert np.count_nonzero(best.coef_) > 40
    monkeypatch.setattr(_proximal_model, "LEAST_WORKING_SET", 10)
    monkeypatch.setattr(_proximal_model, "MOST_WORKING_SET", 40)
    fit = SoftmaxClassifier(l1_ratio=0.5, max_iter=1000, tol=1e-10).fit(X, y)
    assert fit.converged_ and fit.optimality_ <= 1e-10
    np.testing.assert_allclose(fit.coef_, best.coef_, atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 11])
def test_features_of_all_sizes_within_bounds(l1_ratio, seed):
    """A ridge that bends much more in one unit than another hides no curvature."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** np.linspace(-8, 8, 20)
    Z = rng.normal(size=(30, 20))
    y = (rng.random(30) < 1 / (1 + np.exp(-2 * Z[:, rng.integers(20)]))).astype(int)
    fit = {"C": 1e3, "l1_ratio": l1_ratio, "bounds": (-np.inf, 0.5)}
    loose, tight = (
        SoftmaxClassifier(tol=tol, **fit).fit(Z * scale, y) for tol in (1e-6, 1e-10)
    )

    def value(clf):
        logits = np.where(y, -1, 1) * clf.decision_function(Z * scale)
        W = np.abs(clf.coef_)
        penalty = (l1_ratio * W + (1 - l1_ratio) / 2 * W**2).sum() / (1e3 * 30)
        return np.logaddexp(0, logits).mean() + penalty

    null = -np.average(
        np.log([1 - y.mean(), y.mean()]), weights=[1 - y.mean(), y.mean()]
    )
    assert loose.n_iter_[0] < 50
    assert (value(loose) - value(tight)) / (null - value(tight)) <= 1e-6


@pytest.mark.parametrize("C", [1.0, 1e4])
def test_float32_with_free_and_excluded_features(C):
    """The sum over the classes of what is free is singular, and rounding is large."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((200, 12)).astype(np.float32)
        logits = X @ rng.standard_normal((12, 4)) * 0.5
        y = (logits + rng.gumbel(size=(200, 4))).argmax(axis=1)
        factor = np.r_[0, 0, 0, np.inf, np.ones(8)]
        clf = SoftmaxClassifier(C, penalty_factor=factor)
        exact = clone(clf).fit(X.astype(float), y).predict_proba(X)
        assert clf.fit(X, y).converged_
        np.testing.assert_allclose(clf.predict_proba(X), exact, atol=2e-3)


@pytest.mark.parametrize(("gain", "kept"), [(0.5, True), (2.0, False)])
def test_a_hessian_does_not_outlive_a_long_step(gain, kept):
    """However well it was met: rows whose logits move so far have other curvature."""
    X, y = load_wine(return_X_y=True)
    problem, _ = problem_for(SoftmaxClassifier(l1_ratio=1.0), X, y, None, None)
    fit = Fit(problem, None, tol=1e-6, max_iter=100)
    model = Model(fit, on_path=False)
    step = model.step(kkt_violation(problem, fit.point, fit.frame))
    trial = fit.evaluate(fit.point.theta + 1e-3 * step.direction)
    trial.value = fit.point.value - gain  # as promised
    model.learn(step._replace(gain=gain), trial)
    assert model.trusted
    assert (model._H is not None) == kept


def test_what_is_held_firmly_need_not_be_in_the_set():
    """A gradient moves by the root of what a step takes off F, and no further."""
    X, y = load_breast_cancer(return_X_y=True)
    problem, _ = problem_for(SoftmaxClassifier(1e-3, l1_ratio=1.0), X, y, None, None)
    start = solve(problem, tol=1e-10, max_iter=200).theta
    fit = Fit(problem, start, tol=1e-6, max_iter=100)
    model = Model(fit, on_path=False)
    model.step(kkt_violation(problem, fit.point, fit.frame))
    held = ~model._working.chosen
    assert 0 < held.sum() < held.size
    room = problem.penalty.l1 - np.abs(fit.point.gradient[:, :-1])
    least = (room * fit.frame.scale)[held].min()
    assert not model.hidden(0.99 * least**2).any()
    hidden = model.hidden(1.01 * least**2)
    assert hidden.sum() == 1
    model.widen(hidden)
    model.step(kkt_violation(problem, fit.point, fit.frame))
    assert (model._working.chosen & hidden).any()
    assert not model.hidden(1.01 * least**2).any()


def test_no_more_is_hidden_than_a_set_can_have(monkeypatch):
    """Groups come in whole."""
    X, y = load_wine(return_X_y=True)
    clf = SoftmaxClassifier(1e-3, l1_ratio=1.0, penalty_group="class")
    problem, _ = problem_for(clf, X, y, None, None)
    fit = Fit(problem, None, tol=1e-6, max_iter=100)
    model = Model(fit, on_path=False)
    model.step(kkt_violation(problem, fit.point, fit.frame))
    hidden = model.hidden(1.0)
    assert hidden.any() and (hidden == hidden.any(axis=0)).all()
    most = (hidden | model._working.chosen).sum()
    monkeypatch.setattr(_proximal_model, "MOST_WORKING_SET", most)
    assert model.hidden(1.0).any()
    monkeypatch.setattr(_proximal_model, "MOST_WORKING_SET", most - 1)
    assert not model.hidden(1.0).any()
    model.widen(hidden)  # what the set cannot have does not come in
    model.step(kkt_violation(problem, fit.point, fit.frame))
    assert model._working.chosen.sum() < most


@pytest.mark.parametrize("options", [{}, {"penalty_group": "class"}])
def test_a_step_that_was_too_short_is_made_longer(options, monkeypatch):
    """It costs a pass, and saves a Hessian now and then."""
    X, y = load_wine(return_X_y=True)
    counts, hessian = [], WorkingSet.hessian
    monkeypatch.setattr(
        WorkingSet, "hessian", lambda *a: counts.append(1) or hessian(*a)
    )
    clf = SoftmaxClassifier(0.005, l1_ratio=1.0, **options).fit(X, y)
    longer = len(counts)
    monkeypatch.setattr(_proximal_newton, "SHORT", INF)
    plain = clone(clf).fit(X, y)
    assert longer < len(counts) - longer
    np.testing.assert_array_equal(clf.coef_ == 0, plain.coef_ == 0)
    np.testing.assert_allclose(clf.coef_, plain.coef_, atol=1e-4)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_longer_step_stays_on_its_face(grouped):
    """It ends at zeros, which is the prior mean, and at bounds."""
    prior = np.full((3, 4), 0.5)
    penalty = Penalty(
        0.02, (3, 4), l1_ratio=1.0, prior=prior, bounds=(-1.0, 2.0), grouped=grouped
    )
    W = np.array([[0.5, 0.7, 2.0, 1.0], [0.5, 0.6, 0.5, 1.0], [0.5, 0.4, 0.6, 1.0]])
    trial = W + np.array([[0, -0.4, 1, 2], [0, -0.3, 0, -3], [0, 0.3, 0, 0.5]])
    there = penalty.onto_face(W, trial)
    np.testing.assert_array_equal(there[:, 0], 0.5)
    np.testing.assert_array_equal(there[:, 1], 0.5)  # past it, as a group too
    np.testing.assert_array_equal(there[:, 2], [2.0, 0.5, 0.6])
    assert there[0, 3] == 2.0 and there[2, 3] == 1.5
    free = penalty.free(W)
    assert not free[:, 0].any() and free[:, 1].all() and not free[0, 2]
    step = 1e-6 * np.where(free, [[1, -2, 3, 4]], 0)
    slope = (penalty.value(W + step) - penalty.value(W - step)) / 2
    assert np.vdot(penalty.gradient(W), step) == pytest.approx(slope, rel=1e-4)


def test_gains_that_hardly_fall_go_on():
    """What is left is their sum, and an old Hessian does not tell the next."""
    X, y = load_wine(return_X_y=True)
    problem, _ = problem_for(SoftmaxClassifier(l1_ratio=1.0), X, y, None, None)
    fit = Fit(problem, None, tol=1e-6, max_iter=100)
    model = Model(fit, on_path=False)
    violation = kkt_violation(problem, fit.point, fit.frame)
    first = model.step(violation)
    for ratio, kept in ((0.1, True), (0.8, False)):
        model._last_gain = first.gain / ratio
        again = model.step(violation)
        assert again.distance == pytest.approx(first.distance / (1 - ratio))
        trial = fit.evaluate(fit.point.theta + 1e-3 * first.direction)
        trial.value = fit.point.value - 0.5  # as promised
        model._last_gain = 0.5 / ratio
        model.learn(first._replace(gain=0.5), trial)
        assert (model._H is not None) == kept
        model.drop()


def test_a_walk_ends_where_all_that_is_left_is_rounding(monkeypatch):
    rng, steps = np.random.default_rng(0), []
    A = rng.normal(size=(20, 30)) * 10.0 ** rng.uniform(-6, 0, 30)
    H = A.T @ A / 20
    size = np.sqrt(np.diag(H))
    q, u = rng.normal(size=30) * size, np.zeros(30)
    part = Separable(u, -1 / size, 1 / size)
    solve = _separable_model.solve_singular
    monkeypatch.setattr(
        _separable_model, "solve_singular", lambda *a: steps.append(1) or solve(*a)
    )
    v = walk(H, q, u, part, u, 0.0)
    assert (part.violation(v, q + H @ v) / size).max() < 1e-12
    assert len(steps) < 60


def test_fits_in_threads_leave_the_filters_of_warnings(monkeypatch):
    """They are the process's, and coordinate descent's advice is not for users."""
    X, y = load_wine(return_X_y=True)
    before, inside = list(warnings.filters), threading.Barrier(2, timeout=0.2)

    def slowly(*args, **options):
        with contextlib.suppress(threading.BrokenBarrierError):
            inside.wait()  # both at once, if they may
        warnings.warn("Objective did not converge.", ConvergenceWarning, stacklevel=1)
        return enet_path(*args, **options)

    monkeypatch.setattr(_separable_model, "enet_path", slowly)
    fits = [SoftmaxClassifier(l1_ratio=1.0, max_iter=20) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda fit: fit.fit(X, y), fits))
    assert warnings.filters == before
    SoftmaxClassifierCV(l1_ratios=[1.0], Cs=[1.0], cv=3, n_jobs=2).fit(X, y)
    assert warnings.filters == before


def test_damping_goes_down_by_steps_where_none_of_it_has_failed():
    damping = Damping()
    damping.raise_()
    first = damping.level
    damping.lower(held=True, small=True, idle=True)
    assert damping.level == pytest.approx(0.1 * first)
    while damping.level > 0:
        damping.lower(held=True, small=False, idle=True)
    damping.lower(held=True, small=True, idle=False)  # it goes without
    damping.level = first
    damping.lower(held=True, small=True, idle=True)
    assert damping.level == 0


def test_steps_that_promise_nothing_come_to_an_end(monkeypatch):
    """Where the model cannot be solved nobody knows what is left."""
    X, y = load_wine(return_X_y=True)

    def step(working, H, W, G, damping):
        return np.zeros_like(G), W, 1e-30, np.inf

    monkeypatch.setattr(WorkingSet, "step", step)
    with pytest.warns(ConvergenceWarning):
        model = SoftmaxClassifier(l1_ratio=1.0).fit(X, y)
    assert model.n_iter_[0] < 100


def test_a_guess_at_a_face_on_which_there_is_no_minimum():
    """No Cholesky factor."""
    H = np.array([[1.0, 2.0], [2.0, 1.0]])
    part = Separable(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    u = np.zeros(2)
    v, settled = semismooth_newton(H, np.array([0.1, 0.2]), u, part, np.ones(2))
    assert not settled
    np.testing.assert_array_equal(v, u)


@pytest.mark.filterwarnings("ignore:X separates")
@pytest.mark.parametrize("seed", range(5))
def test_outside_of_a_set_that_is_at_its_end_something_may_be_hidden(seed):
    """Where no step is better the set is widened too."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((5, 20)) * 10.0 ** rng.uniform(-6, 6, 20)
    X[:, 10:] = X[:, :10]
    model = SoftmaxClassifier(
        C=1e3, l1_ratio=1.0, penalty_factor=np.arange(20) % 2.0, tol=1e-10
    )
    model.fit(X.astype(np.float32), np.arange(5))
    assert model.converged_


def test_damping_ends():
    """Features far from zero whose spread is rounding."""
    X = np.random.default_rng(0).standard_normal((5, 1))
    X = 1e-6 * np.repeat(X, 2, axis=1) + 1e6
    model = SoftmaxClassifier(C=1e8, l1_ratio=1.0, penalty_group="class")
    with pytest.warns(ConvergenceWarning):
        model.fit(X, np.arange(5))
    assert model.n_iter_[0] < 500


@pytest.mark.parametrize("max_iter", [3, 5])
def test_a_longer_step_is_no_pass_too_many(max_iter):
    """The last pass may be spent."""
    X, y = load_iris(return_X_y=True)
    model = SoftmaxClassifier(C=10, l1_ratio=1.0, max_iter=max_iter)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert model.n_iter_[0] <= max_iter
