r"""The judge: the objective of every benchmark, written without sk_softmax.

For rows x_i with weights s_i that sum to S, and K classes,

.. math::

    F(W, b) = \frac{1}{S} \sum_i s_i \left[\log \sum_k e^{z_{ik}} - z_{i y_i}\right]
    + \frac{1}{C S} \sum_j \left[\rho\, \lVert w_j \rVert
    + \frac{1 - \rho}{2} \lVert w_j \rVert_2^2\right],
    \qquad z_i = W x_i + b,

with rho the ``l1_ratio`` and, for feature j's coefficients w_j in R^K, the l1 norm,
or the l2 norm where the penalty is grouped. Two classes are the sigmoid: W has one
row, the logit of the first class is 0. Plain NumPy and SciPy, nothing clever.
"""

import numpy as np
from scipy import sparse
from scipy.special import logsumexp, xlogy


def objective(
    coef, intercept, X, y, C, l1_ratio=0.0, weights=None, group=False
) -> float:
    """F at a point.

    Parameters
    ----------
    coef : array of shape (K, d), or (1, d) for two classes
    intercept : array of shape (K,), or (1,) for two classes
    X : ndarray or sparse matrix of shape (n, d)
    y : int array of shape (n,)
        Codes 0 to K - 1.
    C : float
    l1_ratio : float
    weights : array of shape (n,) or None
    group : bool
        Whether the l1 term is the sum of the features' l2 norms.

    Returns
    -------
    float
        Infinity where the point is not finite.
    """
    coef, intercept = np.atleast_2d(coef), np.ravel(intercept)
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return np.inf
    weights = np.ones(len(y)) if weights is None else weights
    logits = np.asarray(X @ coef.T) + intercept
    if len(coef) == 1:
        loss = np.logaddexp(0, np.where(y == 1, -1, 1) * logits[:, 0])
    else:
        loss = logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]
    sizes = np.linalg.norm(coef, axis=0) if group else np.abs(coef)
    penalty = l1_ratio * sizes.sum() + (1 - l1_ratio) / 2 * np.sum(coef**2)
    total = np.sum(weights)
    return float(weights @ loss / total + penalty / (C * total))


def null_objective(y, weights=None) -> float:
    """F0: the best model without features, the entropy of the class frequencies."""
    mass = np.bincount(y, weights)
    frequencies = mass / mass.sum()
    return float(-np.sum(xlogy(frequencies, frequencies)))


def alpha_max(X, y, l1_ratio, group=False) -> float:
    """The least 1 / (C S) at which every coefficient is zero, at unit weights.

    There the gradient of the loss at the best model without features is in no
    entry (in no feature's K entries, by their l2 norm, where the penalty is
    grouped) greater than ``l1_ratio`` times this.
    """
    n, K = len(y), int(y.max()) + 1
    one_hot = sparse.csr_matrix((np.ones(n), (np.arange(n), y)), shape=(n, K))
    sums = one_hot.T @ X
    sums = sums.toarray() if sparse.issparse(sums) else np.asarray(sums)
    frequencies = np.bincount(y) / n
    gradient = (np.outer(frequencies, sums.sum(axis=0)) - sums) / n
    if K == 2:
        gradient = gradient[1:]
    sizes = np.linalg.norm(gradient, axis=0) if group else np.abs(gradient)
    return float(sizes.max() / l1_ratio)
