r"""Second moments of sparse rows, from the pairs of entries that a row has.

A row of e entries adds to e^2 of a Gram matrix's d^2 numbers. Lay these out as a row of
a sparse matrix of d^2 columns, and its product with an (n, q) array of weights is the
Gram matrices under all q weights: for one-hot features, thousands of times fewer
operations than dense products.
"""

import numpy as np
from scipy import sparse

# Pairs at a time. One takes about 40 bytes, indices and temporaries included.
MAX_PAIRS = 2**18


def pair_sums(problem, X, weights, frame):
    """A block's half sums of w z z^T, (q, (d + 1)^2), for weights (q, m).

    Here z are the features in the frame's scale, not centred, and a one for the
    intercept. Half sums: a matrix plus its transpose are the moments, see `pairs`.
    `second_moments` makes these of the sum over the blocks.
    """
    Z = _with_ones(problem, X, frame)
    count = np.diff(Z.indptr).astype(np.int64)
    bounds = np.cumsum(count * (count + 1) // 2)
    n_parts = -(-bounds[-1] // MAX_PAIRS)
    cuts = np.searchsorted(bounds, np.arange(1, n_parts) * MAX_PAIRS)
    sums = np.zeros((problem.shape[1] ** 2, len(weights)))
    for part in np.split(np.arange(len(count)), cuts):
        if len(part):
            part = slice(part[0], part[-1] + 1)
            sums += pairs(Z[part]).T @ weights[:, part].T.astype(np.float64, order="C")
    return (sums.T,)


def second_moments(sums, frame):
    """The moments (q, d + 1, d + 1) of centred features from their half sums."""
    d1 = len(frame.scale) + 1
    moments = sums.reshape(len(sums), d1, d1)
    moments = moments + moments.transpose(0, 2, 1)
    centre = frame.centre * frame.scale
    moments[:, :-1] -= centre[:, None] * moments[:, -1:]
    moments[:, :, :-1] -= centre * moments[:, :, -1:]
    return moments


def _with_ones(problem, X, frame):
    """A block's scaled features and a column for the intercept, float64 CSR."""
    Z = X.astype(np.float64)
    Z.data *= frame.scale[Z.indices]
    ones = np.full((X.shape[0], 1), float(problem.fit_intercept))
    return sparse.csr_matrix(sparse.hstack([Z, ones], format="csr"))


def pairs(Z):
    """Products of any two entries of a row of Z, once each, as a row of d^2 columns.

    Squares are halved, so that as a (d, d) matrix they sum to the second moments with
    their transpose, also where a row holds an entry in several parts.
    """
    count = np.diff(Z.indptr)
    first = np.arange(Z.nnz)
    n_pairs = np.repeat(Z.indptr[1:], count) - first  # with itself and those after it
    start = np.append(0, np.cumsum(n_pairs))
    second = np.arange(start[-1]) - np.repeat(start[:-1] - first, n_pairs)
    first = np.repeat(first, n_pairs)
    data = Z.data[first] * Z.data[second]
    data[start[:-1]] /= 2
    column = Z.indices[first] * np.int64(Z.shape[1]) + Z.indices[second]
    shape = Z.shape[0], Z.shape[1] ** 2
    return sparse.csr_matrix((data, column, start[Z.indptr]), shape=shape)
