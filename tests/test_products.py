"""Products in pieces are the products."""

import numpy as np
import pytest
from scipy import sparse

from sk_softmax import _products
from sk_softmax._array_api import dot
from sk_softmax._products import PIECE, combination, linear

SIZES = [PIECE * 8, PIECE * 8 + 1, PIECE * 20 - 1, 100]


@pytest.fixture(autouse=True)
def few_coefficients(monkeypatch):
    monkeypatch.setattr(_products, "LEAST_COEF", 12)


@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("K", [1, 3, 10])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products(m, K, dtype):
    rng = np.random.default_rng(m + K)
    X = rng.normal(size=(m + 3, 12)).astype(dtype)[3:]
    W = rng.normal(size=(K, 13)).astype(dtype)[:, :-1]  # a point without intercepts
    R = rng.normal(size=(K, m)).astype(dtype)
    eps = 100 * np.finfo(dtype).eps
    for found, expected in (
        (linear(W, X), W.astype(float) @ X.T.astype(float)),
        (combination(R, X), R.astype(float) @ X.astype(float)),
    ):
        assert found.dtype == dtype and found.flags.c_contiguous
        np.testing.assert_allclose(found, expected, rtol=eps, atol=eps * m**0.5)


def test_what_does_not_lie_row_by_row_or_is_small_or_wide_is_left_to_blas(
    monkeypatch,
):
    X, wide = np.ones((1000, 12)), np.ones((1000, _products.MOST_COEF))
    assert _products._pieces(X, 3) is not None
    for apart in (X, X[:, :5]):
        assert np.shares_memory(_products._pieces(apart, 3), X)
    for other in (np.asfortranarray(X), X[:, ::2], X[:200], wide, sparse.csr_array(X)):
        assert _products._pieces(other, 3) is None
    monkeypatch.setattr(_products, "LEAST_COEF", 37)
    assert _products._pieces(X, 3) is None
    monkeypatch.setattr(_products, "LEAST_COEF", 12)
    W, R = np.ones((3, 12)), np.ones((3, 1000))
    for Z in (np.asfortranarray(X), sparse.csr_array(X)):
        np.testing.assert_array_equal(linear(W, Z), linear(W, X))
        np.testing.assert_array_equal(combination(R, Z), combination(R, X))


class Watched(np.ndarray):
    """A matrix that `@` cannot multiply."""

    def __array_ufunc__(self, ufunc, *args, **kwargs):
        raise AssertionError(f"{ufunc} keeps Python's lock where the result is small")


@pytest.mark.parametrize("shape", [(1000,), (2, 1000)])
def test_sums_of_products_are_not_made_by_the_operator(shape):
    """Which keeps Python's lock where its result is small: threads then take turns."""
    weight = np.random.default_rng(0).normal(size=shape)
    X = np.random.default_rng(1).normal(size=(1000, 3))
    expected = weight @ X
    watched = X.view(Watched)
    with pytest.raises(AssertionError, match="matmul"):
        weight @ watched
    np.testing.assert_array_equal(dot(weight, watched), expected)
    if weight.ndim == 2:
        few = watched[:100]  # not in pieces
        np.testing.assert_allclose(
            combination(weight[:, :100], few), weight[:, :100] @ X[:100]
        )
