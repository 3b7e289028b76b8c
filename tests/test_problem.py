"""The objective by an independent formula, its derivatives by finite differences."""

import numpy as np
import pytest
from conftest import make_problem, objective
from scipy import sparse

from sk_softmax import _rows
from sk_softmax._intercepts import with_intercepts
from sk_softmax._penalty import Penalty

N, D, C = 60, 5, 0.7


@pytest.fixture(params=[2, 3, 6], ids=["sigmoid", "softmax3", "softmax6"])
def n_classes(request):
    return request.param


@pytest.fixture(params=["hard", "soft"])
def target(request, n_classes):
    rng = np.random.default_rng(1)
    if request.param == "soft":
        return rng.dirichlet(np.ones(n_classes), N)
    return rng.permutation(np.arange(N) % n_classes)


@pytest.fixture(params=["weighted", "unweighted"])
def weight(request):
    if request.param == "unweighted":
        return None
    weight = np.random.default_rng(2).uniform(0, 3, N)
    weight[:5] = 0
    return weight


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, D)) + 1


def make(X, target, weight, fit_intercept=True):
    return make_problem(X, target, C=C, weight=weight, fit_intercept=fit_intercept)


def point(problem, seed=3):
    return np.random.default_rng(seed).normal(size=problem.shape)


def test_value(X, target, weight, n_classes):
    problem = make(X, target, weight)
    theta = point(problem)
    expected = objective(X, target, theta[:, :-1], theta[:, -1], C, weight)
    assert problem.value_gradient(theta)[0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient(X, target, weight, n_classes, fit_intercept):
    problem = make(X, target, weight, fit_intercept)
    theta, step = point(problem), 1e-5
    numeric = np.zeros(problem.shape)
    for index in np.ndindex(problem.shape):
        h = np.zeros(problem.shape)
        h[index] = step
        rise = problem.value_gradient(theta + h)[0]
        rise -= problem.value_gradient(theta - h)[0]
        numeric[index] = rise / (2 * step)
    if not fit_intercept:
        numeric[:, -1] = 0  # it is not a variable
    gradient = problem.value_gradient(theta)[1]
    np.testing.assert_allclose(gradient, numeric, atol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_hessian_product(X, target, weight, n_classes, fit_intercept):
    problem = make(X, target, weight, fit_intercept)
    theta, direction, step = point(problem), point(problem, 4), 1e-5
    if not fit_intercept:
        direction[:, -1] = 0
    numeric = problem.value_gradient(theta + step * direction)[1]
    numeric -= problem.value_gradient(theta - step * direction)[1]
    product = problem.hessian(theta)(direction)
    np.testing.assert_allclose(product, numeric / (2 * step), atol=1e-9)


def test_offset(X, target, weight, n_classes):
    offset = np.random.default_rng(5).normal(
        size=(N, 1 if n_classes == 2 else n_classes)
    )
    problem = make_problem(X, target, C=C, weight=weight, offset=offset)
    theta, direction, step = point(problem), point(problem, 4), 1e-5
    value, gradient = problem.value_gradient(theta)
    coef, intercept = theta[:, :-1], theta[:, -1]
    expected = objective(X, target, coef, intercept, C, weight, offset)
    assert value == pytest.approx(expected, rel=1e-13)
    up = problem.value_gradient(theta + step * direction)
    down = problem.value_gradient(theta - step * direction)
    slope = (up[0] - down[0]) / (2 * step)
    assert np.vdot(gradient, direction) == pytest.approx(slope, abs=1e-8)
    product = problem.hessian(theta)(direction)
    np.testing.assert_allclose(product, (up[1] - down[1]) / (2 * step), atol=1e-8)


def test_hessian_is_symmetric_and_not_negative(X, target, weight, n_classes):
    problem = make(X, target, weight)
    theta = point(problem)
    size = theta.size
    product = problem.hessian(theta)
    H = np.array([product(u.reshape(problem.shape)).ravel() for u in np.eye(size)])
    np.testing.assert_allclose(H, H.T, atol=1e-14)
    assert np.linalg.eigvalsh(H).min() > -1e-14


def test_curvature_sum_gives_each_block_its_probabilities(
    X, target, weight, n_classes, monkeypatch
):
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 512)
    problem = make(X, target, weight)
    assert len(problem.rows.blocks) > 3
    theta = point(problem)
    weight = np.ones(N) if weight is None else weight
    P = problem.loss.proba(problem.linear(X, theta))
    (total,) = problem.curvature_sum(theta, lambda _, X, P, w: ((P * w) @ X,), (), 0)
    np.testing.assert_allclose(total, (P * weight / weight.sum()) @ X, atol=1e-14)


@pytest.mark.parametrize("container", [np.asfortranarray, sparse.csr_array])
def test_blocks_and_containers_do_not_change_the_objective(
    X, target, weight, n_classes, container, monkeypatch
):
    whole = make(X, target, weight)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 512)
    blocks = make(container(X), target, weight)
    assert len(whole.rows.blocks) == 1 < len(blocks.rows.blocks)
    theta, direction = point(whole), point(whole, 4)
    for a, b in zip(
        whole.value_gradient(theta), blocks.value_gradient(theta), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        whole.hessian(theta)(direction),
        blocks.hessian(theta)(direction),
        atol=1e-14,
    )


def test_soft_targets_that_are_certain_are_hard_ones(X, weight, n_classes):
    codes = np.arange(N) % n_classes
    hard = make(X, codes, weight)
    soft = make(X, np.eye(n_classes)[codes], weight)
    theta = point(hard)
    a, b = hard.value_gradient(theta), soft.value_gradient(theta)
    assert a[0] == pytest.approx(b[0], rel=1e-13)
    np.testing.assert_allclose(a[1], b[1], atol=1e-14)
    np.testing.assert_allclose(
        with_intercepts(hard, 0.0), with_intercepts(soft, 0.0), atol=1e-14
    )


def test_null_point_is_the_best_without_features(X, target, weight, n_classes):
    problem = make(X, target, weight)
    theta = with_intercepts(problem, 0.0)
    assert not theta[:, :-1].any()
    gradient = problem.value_gradient(theta)[1]
    np.testing.assert_allclose(gradient[:, -1], 0, atol=1e-14)


def test_null_point_takes_off_what_the_offsets_have_alike(X, weight, n_classes):
    target = np.arange(N) % n_classes
    plain = make(X, target, weight)
    K = plain.shape[0]
    offset = np.tile(900.0 * np.arange(1, K + 1), (N, 1))
    problem = make_problem(X, target, C=C, weight=weight, offset=offset)
    theta = with_intercepts(problem, 0.0)
    assert not theta[:, :-1].any()
    assert K == 1 or theta[:, -1].sum() == pytest.approx(0, abs=1e-9)
    value, gradient = problem.value_gradient(theta)
    assert value == pytest.approx(plain.value_gradient(with_intercepts(plain, 0.0))[0])
    np.testing.assert_allclose(gradient[:, -1], 0, atol=1e-12)


def test_null_point_without_intercept_is_zero(X, target, weight, n_classes):
    assert not with_intercepts(make(X, target, weight, False), 0.0).any()


def test_null_point_where_a_class_has_no_weight(X):
    codes = np.arange(N) % 3
    problem = make(X, codes, (codes > 0).astype(float))
    theta = with_intercepts(problem, 0.0)
    assert np.isfinite(theta).all()
    value, gradient = problem.value_gradient(theta)
    assert value == pytest.approx(np.log(2))
    assert np.abs(gradient[:, -1]).max() < 1e-11


def test_centred_changes_no_probability(X, n_classes):
    problem = make(X, np.arange(N) % n_classes, None)
    theta = point(problem)
    moved = problem.centred(theta)
    if n_classes > 2:
        np.testing.assert_allclose(moved.sum(axis=0), 0, atol=1e-14)
    P = [problem.loss.proba(problem.linear(X, t)) for t in (theta, moved)]
    np.testing.assert_allclose(P[0], P[1], atol=1e-14)


def test_each_pass_over_the_data_is_counted(X):
    problem = make(X, np.arange(N) % 3, None)
    assert problem.n_evaluations == 0
    problem.value_gradient(with_intercepts(problem, 0.0))
    product = problem.hessian(with_intercepts(problem, 0.0))
    assert problem.n_evaluations == 1
    product(point(problem))
    product(point(problem))
    assert problem.n_evaluations == 3


def test_float32_logits_and_float64_sums(X):
    codes = np.arange(N) % 3
    exact = make(X, codes, None)
    single = make(X.astype(np.float32), codes, None)
    theta = point(exact)
    assert single.linear(single.rows.X, theta).dtype == np.float32
    value, gradient = single.value_gradient(theta)
    assert gradient.dtype == np.float64
    assert value == pytest.approx(exact.value_gradient(theta)[0], rel=1e-5)


def test_penalty():
    W = np.random.default_rng(0).normal(size=(3, 4))
    penalty = Penalty(0.3, W.shape)
    value, gradient = penalty.value_gradient(W)
    assert value == pytest.approx(0.15 * np.sum(W**2))
    step = 1e-6
    for index in np.ndindex(W.shape):
        h = np.zeros(W.shape)
        h[index] = step
        rise = penalty.value_gradient(W + h)[0]
        rise -= penalty.value_gradient(W - h)[0]
        assert gradient[index] == pytest.approx(rise / (2 * step), abs=1e-8)
    np.testing.assert_array_equal(np.broadcast_to(penalty.ridge, W.shape), 0.3)
    assert Penalty(0.0, W.shape).value_gradient(W)[0] == 0
