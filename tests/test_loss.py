"""Cross-entropy of a block of logits, by its definition and finite differences."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from sk_softmax._loss import Sigmoid, Softmax

LOSSES = [Softmax(3), Softmax(7), Sigmoid()]
N = 11


def full(Z):
    """Logits of every class: the sigmoid's one is that of the second class."""
    return np.vstack([np.zeros_like(Z), Z]) if len(Z) == 1 else Z


@pytest.fixture(params=LOSSES, ids=["softmax3", "softmax7", "sigmoid"])
def loss(request):
    return request.param


@pytest.fixture(params=["hard", "soft"])
def block(request, loss):
    """Logits (K, N), target, weights and the target as distributions (classes, N)."""
    rng = np.random.default_rng(0)
    K = loss.n_outputs
    n_classes = max(K, 2)
    Z = 3 * rng.normal(size=(K, N))
    weight = rng.uniform(0, 2, N)
    if request.param == "hard":
        target = rng.integers(n_classes, size=N)
        return Z, target, weight, np.eye(n_classes)[:, target]
    target = rng.dirichlet(np.ones(n_classes), N)
    return Z, target, weight, target.T


def test_loss_is_the_weighted_cross_entropy(loss, block):
    Z, target, weight, T = block
    value, _ = loss.residual(Z.copy(), target, weight)
    expected = -(weight * T * log_softmax(full(Z), axis=0)).sum()
    assert value == pytest.approx(expected, rel=1e-13)


def test_residual_is_said_minus_true(loss, block):
    Z, target, weight, T = block
    _, R = loss.residual(Z.copy(), target, weight)
    expected = weight * (softmax(full(Z), axis=0) - T)
    np.testing.assert_allclose(R, expected[-len(Z) :], atol=1e-14)


def test_residual_is_the_gradient_of_the_loss(loss, block):
    Z, target, weight, _ = block
    _, R = loss.residual(Z.copy(), target, weight)
    numeric = np.empty_like(Z)
    step = 1e-5
    for index in np.ndindex(Z.shape):
        up, down = Z.copy(), Z.copy()
        up[index] += step
        down[index] -= step
        rise = loss.residual(up, target, weight)[0]
        rise -= loss.residual(down, target, weight)[0]
        numeric[index] = rise / (2 * step)
    np.testing.assert_allclose(R, numeric, atol=1e-8)


def test_residual_is_written_where_the_logits_were(loss, block):
    Z, target, weight, _ = block
    Z = Z.copy()
    assert loss.residual(Z, target, weight)[1] is Z


def test_proba(loss, block):
    Z = block[0]
    expected = softmax(full(Z), axis=0)[-len(Z) :]
    np.testing.assert_allclose(loss.proba(Z.copy()), expected, rtol=1e-13)


def test_curvature_product_is_the_derivative_of_the_residual(loss, block):
    Z, target, _, _ = block
    direction = np.random.default_rng(1).normal(size=Z.shape)
    ones, step = np.ones(N), 1e-5
    numeric = loss.residual(Z + step * direction, target, ones)[1]
    numeric -= loss.residual(Z - step * direction, target, ones)[1]
    product = loss.curvature_product(loss.proba(Z.copy()), direction)
    np.testing.assert_allclose(product, numeric / (2 * step), atol=1e-8)


def test_curvature_is_the_quadratic_form_of_the_curvature_product(loss, block):
    Z = block[0]
    K = len(Z)
    # the sigmoid has one direction only, [[1]]
    Q = np.random.default_rng(2).normal(size=(K, 4)) if K > 1 else np.ones((1, 1))
    P = loss.proba(Z.copy())
    expected = [
        (q[:, None] * loss.curvature_product(P, np.tile(q[:, None], N))).sum(axis=0)
        for q in Q.T
    ]
    np.testing.assert_allclose(loss.curvature(P, Q), expected, atol=1e-14)


def test_curvature_is_never_negative(loss):
    Z = np.zeros((loss.n_outputs, 4))
    Z[0] = [-800, -50, 50, 800]
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(loss.n_outputs,) * 2))[0]
    assert loss.curvature(loss.proba(Z), Q).min() >= 0


def test_mean_curvature_is_the_sum_of_the_curvature_products(loss, block):
    Z, _, weight, _ = block
    P = loss.proba(Z.copy())
    expected = np.column_stack(
        [
            (weight * loss.curvature_product(P, np.tile(unit[:, None], N))).sum(axis=1)
            for unit in np.eye(len(Z))
        ]
    )
    C = loss.mean_curvature(P, weight)
    assert C.dtype == np.float64
    np.testing.assert_allclose(C, expected, atol=1e-14)


def test_null_logits_say_the_frequencies(loss):
    frequency = np.random.default_rng(0).dirichlet(np.ones(max(loss.n_outputs, 2)))
    logits = loss.null_logits(frequency)
    said = softmax(full(logits[:, None]), axis=0)[:, 0]
    np.testing.assert_allclose(said, frequency, rtol=1e-13)
    if loss.n_outputs > 1:
        assert logits.sum() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_huge_logits(loss, dtype):
    """Losses are linear in logits far out, probabilities 0 and 1, all finite."""
    Z = np.zeros((loss.n_outputs, 2), dtype)
    Z[-1] = [1e4, -1e4]
    target = np.array([0, loss.n_outputs - 1 or 1])
    value, R = loss.residual(Z.copy(), target, np.ones(2, dtype))
    # exp(-1e4) is 0: what is left are the two gaps and log(number of the others)
    others = max(loss.n_outputs - 1, 1)
    assert value == pytest.approx(2e4 + np.log(others), rel=1e-6)
    assert R.dtype == dtype
    np.testing.assert_allclose(R[-1], [1, -1])
    assert np.isfinite(loss.proba(Z)).all()


def test_float32_stays_float32(loss, block):
    Z, target, weight, _ = block
    exact = loss.residual(Z.copy(), target, weight)
    target = target.astype(np.float32) if target.ndim == 2 else target
    Z, weight = Z.astype(np.float32), weight.astype(np.float32)
    value, R = loss.residual(Z.copy(), target, weight)
    P = loss.proba(Z.copy())
    assert R.dtype == P.dtype == loss.curvature_product(P, Z).dtype == np.float32
    assert value == pytest.approx(exact[0], rel=1e-5)
    np.testing.assert_allclose(R, exact[1], atol=1e-5)


def test_sigmoid_is_softmax_of_two_logits():
    """Softmax at K = 2 sees only the difference of the logits."""
    rng = np.random.default_rng(3)
    Z, weight = rng.normal(size=(2, N)), rng.uniform(0, 2, N)
    target = rng.integers(2, size=N)
    two = Softmax(2).residual(Z.copy(), target, weight)
    one = Sigmoid().residual(Z[1:] - Z[:1], target, weight)
    assert one[0] == pytest.approx(two[0], rel=1e-13)
    np.testing.assert_allclose(one[1][0], two[1][1], atol=1e-14)
