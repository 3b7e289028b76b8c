"""Products of a block of rows with few vectors of coefficients or residuals.

BLAS first packs its operands, copying them into an order of its own. Where one matrix
has few rows and the other many, that takes as long as the product. Pieces of `PIECE`
rows are not packed, or their copy stays in the nearest cache. NumPy's `matmul` takes a
stack of pieces in one call.
"""

import numpy as np
from scipy import sparse

from ._array_api import dot

# Rows in a piece, and the fewest in a block that is cut into pieces. With fewer than
# LEAST_COEF coefficients the product of a piece takes no longer than its call; with
# more than MOST_COEF a piece does not fit in that cache.
PIECE, LEAST_ROWS, LEAST_COEF, MOST_COEF = 64, 512, 150, 1024


def linear(W, X):
    """W X^T, (K, m), of coefficients (K, d)."""
    pieces = _pieces(X, W.shape[0])
    if pieces is None:
        return W @ X.T
    Z = np.empty((len(W), len(X)), X.dtype)
    even = len(pieces) * PIECE
    np.matmul(W, pieces.transpose(0, 2, 1), out=_stacked(Z[:, :even]))
    np.matmul(W, X[even:].T, out=Z[:, even:])
    return Z


def combination(R, X):
    """R X, (K, d), of weights (K, m)."""
    if sparse.issparse(X):
        return (_transposed(X) @ R.T).T
    pieces = _pieces(X, R.shape[0])
    if pieces is None:
        return dot(R, X)
    even = len(pieces) * PIECE
    total = np.matmul(_stacked(R[:, :even]), pieces).sum(axis=0)
    total += R[:, even:] @ X[even:]
    return total


def _transposed(X):
    """The transpose of a CSR block, a CSC view of its arrays.

    SciPy's own copies arrays that are parts of larger ones, each time.
    """
    view = sparse.csc_array(X.shape[::-1], dtype=X.dtype)
    view.indptr, view.indices, view.data = X.indptr, X.indices, X.data
    return view


def _pieces(X, K):
    """A view of X in c pieces, (c, PIECE, d), or None where that does not pay.

    The last rows, fewer than `PIECE`, are not in it.
    """
    # entries of a row are contiguous; rows need not be (X may be a slice of columns)
    applies = isinstance(X, np.ndarray) and X.strides[1] == X.itemsize
    m, d = X.shape
    if not (applies and m >= LEAST_ROWS and LEAST_COEF <= K * d <= MOST_COEF):
        return None
    return X[: m // PIECE * PIECE].reshape(-1, PIECE, d)


def _stacked(Z):
    """A view of (K, c * PIECE) as (c, K, PIECE)."""
    return Z.reshape(len(Z), -1, PIECE).transpose(1, 0, 2)
