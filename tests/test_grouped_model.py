"""Models with groups: solved where H is singular and the penalty next to nothing."""

import numpy as np
import pytest
from conftest import model_minimum

from sk_softmax import SoftmaxClassifier, _grouped_model
from sk_softmax._kinks import Grouped
from sk_softmax._quadratic_model import taken_and_left

INF = np.inf
N, SIZE = 60, 3


def groups(rng, weight, kind):
    """The penalty of N variables in groups of SIZE."""
    feature, one = np.repeat(np.arange(N // SIZE), SIZE), np.ones(N)
    weight = np.repeat(weight * rng.uniform(0.1, 1, N // SIZE), SIZE)
    lower, upper = {
        "free": (-INF, INF),
        "box": (-20, 30),
        "not negative": (0, INF),
        "prior outside": (0.01, 30),
        "some without": (-20, 30),
    }[kind]
    if kind == "some without":
        weight *= feature % 4 > 0
    return Grouped(weight, one, feature, lower * one, upper * one)


def quadratic(rng, rank, least):
    """H and q of a loss of nearly or, below N, exactly collinear features."""
    A = rng.normal(size=(100, rank)) * np.geomspace(1, least, rank)
    A = A @ rng.normal(size=(rank, N))
    return A.T @ A / 100, A.T @ rng.normal(size=100) / 100


def left(H, q, u, part, v):
    """The KKT violation at v, relative to that at u."""
    size = np.sqrt(np.diag(H))
    before = (part.violation(u, q) / size).max()
    return (part.violation(v, q + H @ (v - u)) / size).max() / before


@pytest.mark.parametrize(
    "kind", ["free", "box", "not negative", "prior outside", "some without"]
)
@pytest.mark.parametrize("weight", [1e-6, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("rank, least", [(60, 1e-1), (30, 1e-1), (40, 1e-3)])
def test_models_of_collinear_features_are_solved(kind, weight, rank, least):
    """A model that is not looks like an optimum, for F is flat that way."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        part = groups(rng, weight, kind)
        H, q = quadratic(rng, rank, least)
        start = rng.normal(size=N) if seed % 2 else np.zeros(N)
        u = part.prox(start, np.full(N, 1e-3))
        v = model_minimum(H, q, u, part)
        assert (part.lower <= v).all() and (v <= part.upper).all()
        # MODEL_TOL, and what the model's ridge changes
        assert left(H, q, u, part, v) <= 2e-6


@pytest.mark.parametrize("kind", ["free", "box", "not negative"])
def test_smoothed_norms_alone_lead_to_the_minimum(kind, monkeypatch):
    """They are what semismooth steps fall back on; one of those ends them."""
    monkeypatch.setattr(_grouped_model, "MAX_STEPS", 0)
    rng = np.random.default_rng(0)
    part = groups(rng, 1e-2, kind)
    H, q = quadratic(rng, 40, 1e-2)
    u = part.prox(np.zeros(N), np.ones(N))
    assert left(H, q, u, part, model_minimum(H, q, u, part)) <= 1e-6


def test_few_steps_solve_a_model(monkeypatch):
    """A step is a Cholesky factor; a hundred proximal steps were not enough."""
    rng, steps = np.random.default_rng(0), []
    newton_direction = _grouped_model.newton_direction

    def counted(*args):
        steps.append(args)
        return newton_direction(*args)

    monkeypatch.setattr(_grouped_model, "newton_direction", counted)
    part = groups(rng, 1.0, "free")
    H, q = quadratic(rng, N, 1e-1)
    u = part.prox(np.zeros(N), np.ones(N))
    v = model_minimum(H, q, u, part)
    assert left(H, q, u, part, v) <= 1e-6
    assert 0 < (part.norms(v) == 0).sum() < N // SIZE
    assert len(steps) <= 8


def test_a_weak_norm_counts_where_nothing_else_does():
    """Beside a group that has far to go it is next to nothing."""
    flat = np.eye(3) - 1 / 3
    H = np.block([[np.eye(3), 0 * flat], [0 * flat, flat]])
    q, u = np.repeat([3.0, 0.0], 3), np.repeat([0.0, 0.5], 3)
    one = np.ones(6)
    part = Grouped(1e-8 * one, one, np.repeat([0, 1], 3), -INF * one, INF * one)
    v = model_minimum(H, q, u, part)
    np.testing.assert_allclose(v, np.repeat([-3.0, 0.0], 3), atol=1e-7)


def test_a_start_that_is_the_minimum_stays():
    rng = np.random.default_rng(0)
    part = groups(rng, 1e3, "free")
    H, q = quadratic(rng, N, 1e-1)
    zero = np.zeros(N)
    assert not model_minimum(H, q, zero, part).any()
    H[:] = np.nan  # and nobody knows
    assert not model_minimum(H, q, zero, groups(rng, 1e-3, "free")).any()


def test_groups_over_many_collinear_features():
    """Each round's model is solved: rounds are few, and the fits agree."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    y = (X[:, :3] + rng.gumbel(size=(200, 3))).argmax(axis=1)
    X = np.hstack([X, X @ rng.normal(size=(6, 30))])
    options = {"C": 100.0, "l1_ratio": 1.0, "penalty_group": "class"}
    loose = SoftmaxClassifier(tol=1e-4, **options).fit(X, y)
    exact = SoftmaxClassifier(tol=1e-10, **options).fit(X, y)
    assert loose.converged_ and exact.converged_
    assert exact.n_iter_ <= 25
    difference = loose.decision_function(X) - exact.decision_function(X)
    assert np.abs(difference).max() < 0.05


def test_a_model_that_is_not_convex_gets_a_ridge_until_it_is():
    """As rounding leaves it where unpenalised features were eliminated."""
    rng = np.random.default_rng(0)
    part = groups(rng, 1e-4, "free")
    H, q = quadratic(rng, 30, 1e-1)
    noise = rng.normal(size=(N, N)) * 1e-9
    H = H * np.outer(*[np.repeat([1.0, 1e-8], N // 2)] * 2) + noise + noise.T
    assert np.linalg.eigvalsh(H)[0] < 0
    u = np.zeros(N)
    v = model_minimum(H, q, u, part, diagonal=1.0)
    d = v - u
    assert v.any() and np.abs(v).max() < 1e8
    assert d @ H @ d >= -1e-6 * (d @ d)
    assert part.value(v) + q @ d + d @ H @ d / 2 < 0


def test_groups_beside_features_without_a_penalty():
    """What their elimination leaves of the others' curvature is rounding."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 12))
    y = (X[:, :4] + rng.gumbel(size=(100, 4))).argmax(axis=1)
    factor = np.repeat([0.0, 1.0], [3, 9])
    options = {"C": 1e5, "l1_ratio": 1.0, "penalty_group": "class"}
    fit = SoftmaxClassifier(penalty_factor=factor, **options).fit(X, y)
    assert fit.converged_ and fit.n_iter_ < 30
    assert (fit.coef_[:, 3:] == 0).all()


def test_a_minimum_far_from_zero_is_solved_to_its_last_digit():
    """The step to it is less than the spacing of the numbers there."""
    H, q, u = np.eye(2), np.full(2, 1e-11), np.full(2, 7e5)
    part = Grouped(np.full(2, 1e-13), np.ones(2), np.arange(2), -u * INF, u * INF)
    taken, left = taken_and_left(H, q, u, part, u.copy())
    assert taken == 0 and left < 1e-20
    assert taken_and_left(H, 1e3 * q, u, part, u.copy())[1] > 1e-3


def test_last_digits_that_no_value_tells():
    """Beside the norms at the start what is left to gain is lost in rounding."""
    rng = np.random.default_rng(0)
    part = groups(rng, 1.0, "free")
    H, q = quadratic(rng, N, 1e-1)
    model = _grouped_model._Model(H, q, rng.normal(size=N), part, np.diag(H))
    best = model.minimum(1e-12)
    near, far = (model.at(best.v * (1 + step)) for step in (1e-9, 1e-6))
    flat = _grouped_model.EPS * part.value(best.v)
    assert model.violation(near) < 0.5 * model.violation(far)
    for more, better in ((-flat, True), (0, True), (flat, True), (99 * flat, False)):
        trial = near._replace(value=far.value + more)
        assert model._is_better(trial, far) == better
    assert not model._is_better(far._replace(value=near.value), near)
    assert model._is_better(far._replace(value=near.value - flat), near)


def test_what_an_unsolved_model_leaves():
    """Unknown along what is flat; what may go to zero leaves what it pulls with."""
    H, q, u = np.diag([1.0, 1e-6]), np.array([-1.0, -1e-3]), np.zeros(2)
    free = np.full(2, INF)
    part = Grouped(np.full(2, 1e-6), np.ones(2), np.arange(2), -free, free)
    solved = model_minimum(H, q, u, part)
    taken, left = taken_and_left(H, q, u, part, solved)
    assert 0.9 < taken < 1.1 and left < 1e-9
    assert taken_and_left(H, q, u, part, np.array([1.0, 0.0]))[1] == INF
    tiny = np.array([1 - 1e-6, -1e-9])  # and a violation of a thousandth
    assert 0 < taken_and_left(H, q, u, part, tiny)[1] < 1e-8
