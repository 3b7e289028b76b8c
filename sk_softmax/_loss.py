r"""Cross-entropy of one block of logits.

For logits :math:`z \in R^K`, probabilities :math:`p = softmax(z)` and a target
distribution t, the loss is :math:`\ell = \log \sum_k e^{z_k} - \sum_k t_k z_k`,
its gradient :math:`p - t` and its Hessian :math:`diag(p) - p p^T`. With two
classes one logit is enough: :math:`p = 1 / (1 + e^{-z})`, gradient
:math:`p - t`, Hessian :math:`p (1 - p)`.

Shapes, for a block of m rows: logits, probabilities and residuals are
class-major, (K, m), or (1, m) for the sigmoid. Targets are integer codes (m,),
so that hard labels need no one-hot matrix, or distributions (m, K). Weights are
(m,). The arrays keep the dtype of the logits, sums are float64. The functions work
on NumPy's arrays and on foreign ones, where the logits are.
"""

import numpy as np
from scipy.special import log_expit

from ._array_api import (
    add_to_diagonal,
    amax,
    asum,
    cast,
    dot,
    entries,
    exp,
    expit,
    inner,
    is_foreign,
    namespace,
    place,
    positive_part,
    subtract_at,
    total,
    widest_float,
)


@np.errstate(under="ignore")
def proba(logits):
    """Probabilities, (m, K), of logits (m, K) or (m,) for two; may overwrite these."""
    if logits.ndim == 1:
        return namespace(logits).stack([expit(-logits), expit(logits)], axis=1)
    return Softmax(logits.shape[1]).proba(logits.T).T


@np.errstate(under="ignore")
def log_proba(logits):
    """Logarithms of the probabilities, (m, K), of logits (m, K) or (m,) for two."""
    if logits.ndim == 1:
        xp = namespace(logits)
        pair = [_log_expit(-logits), _log_expit(logits)]
        return xp.stack(pair, axis=1)
    xp = namespace(logits)
    logits = logits - amax(logits, axis=1)[:, None]
    return logits - xp.log(asum(xp.exp(logits), axis=1))[:, None]


def _log_expit(z):
    if not is_foreign(z):
        return log_expit(z)
    xp = namespace(z)
    return -positive_part(-z) - xp.log1p(xp.exp(-xp.abs(z)))


def loss_of(n_classes):
    """The sigmoid for two classes, else the softmax."""
    return Sigmoid() if n_classes == 2 else Softmax(n_classes)


def null_value(mass, fit_intercept):
    """Mean loss at the best logits that are the same for all rows.

    Parameters
    ----------
    mass : ndarray of shape (n_classes,)
        Weight of the rows in each class.
    fit_intercept : bool
        Without one the logits are zero.
    """
    if not fit_intercept:
        return float(np.log(len(mass)))
    frequency = mass[mass > 0] / mass.sum()
    return float(-(frequency @ np.log(frequency)))


class Softmax:
    """K >= 3 classes, K logits a row."""

    def __init__(self, n_classes):
        self.n_outputs = n_classes

    def residual(self, Z, target, weight):
        """Loss of the block and weight * (p - t), which overwrites Z."""
        Z -= amax(Z, axis=0)
        at = place(target) if target.ndim == 1 else None
        own = inner(Z, target) if at is None else entries(Z, at)  # t^T z
        Z = exp(Z)
        mass = asum(Z, axis=0)
        Z *= weight / mass
        if at is None:
            Z -= weight * target.T
        else:
            Z = subtract_at(Z, at, weight)
        return dot(weight, namespace(Z).log(mass) - own), Z

    def proba(self, Z):
        """Probabilities, which overwrite Z."""
        Z -= amax(Z, axis=0)
        Z = exp(Z)
        Z /= asum(Z, axis=0)
        return Z

    def curvature_product(self, P, Z):
        """(diag(p) - p p^T) z of every row, (K, m)."""
        product = P * Z
        product -= P * asum(product, axis=0)
        return product

    def others(self, P):
        """1 - p, (K, m), without cancellation: where p > 1/2, the sum of the others."""
        xp = namespace(P)
        most = P > 0.5  # of one class at most
        others = asum(xp.where(most, 0 * P, P), axis=0)
        return xp.where(most, others, 1 - P)

    def curvature(self, P, directions):
        """q^T (diag(p) - p p^T) q of every row for q in the columns of (K, q)."""
        spread = (directions * directions).T @ P
        spread -= namespace(P).square(directions.T @ P)
        return positive_part(spread)  # rounding may leave -1e-17

    def mean_curvature(self, P, weight):
        """Weighted sum of diag(p) - p p^T over the rows, (K, K) float64."""
        weighted = P * weight
        curvature = -cast(dot(weighted, P.T), widest_float(P))
        return add_to_diagonal(curvature, total(weighted, axis=1))

    def null_logits(self, frequency):
        """Intercepts of the best constant prediction; they sum to zero."""
        logits = np.log(frequency)
        return logits - logits.mean()


class Sigmoid:
    """Two classes, one logit a row: that of the second class."""

    n_outputs = 1

    def residual(self, Z, target, weight):
        """Loss of the block and weight * (p - t), which overwrites Z."""
        xp, z = namespace(Z), Z[0, :]
        t = target if target.ndim == 1 else target[:, 1]
        if is_foreign(t):
            t = cast(t, Z.dtype)  # the standard does not mix integers and floats
        # log(1 + e^z) - t z, without overflow and exact for large |z|
        small = xp.exp(-xp.abs(z))
        losses = xp.log1p(small)
        losses += positive_part(z)
        losses -= t * z
        Z = expit(Z, small)
        Z -= t
        Z *= weight
        return dot(weight, losses), Z

    def proba(self, Z):
        """Probability of the second class, which overwrites Z."""
        return expit(Z)

    def curvature_product(self, P, Z):
        """p (1 - p) z of every row, (1, m)."""
        return P * (1 - P) * Z

    def curvature(self, P, directions):
        """p (1 - p) of every row, (1, m); the only direction is [[1]]."""
        return P * (1 - P)

    def mean_curvature(self, P, weight):
        """Weighted sum of p (1 - p) over the rows, (1, 1) float64."""
        return total(P * (1 - P) * weight)[None, None]

    def null_logits(self, frequency):
        """Intercept of the best constant prediction."""
        return np.log(frequency[1:] / frequency[0])
