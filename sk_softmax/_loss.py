r"""Cross-entropy of one block of logits.

For logits :math:`z \in R^K`, probabilities :math:`p = softmax(z)` and a target
distribution t, the loss is :math:`\ell = \log \sum_k e^{z_k} - \sum_k t_k z_k`,
its gradient :math:`p - t` and its Hessian :math:`diag(p) - p p^T`. With two
classes one logit is enough: :math:`p = 1 / (1 + e^{-z})`, gradient
:math:`p - t`, Hessian :math:`p (1 - p)`.

Shapes, for a block of m rows: logits, probabilities and residuals are
class-major, (K, m), or (1, m) for the sigmoid. Targets are integer codes (m,),
so that hard labels need no one-hot matrix, or distributions (m, K). Weights are
(m,). The arrays keep the dtype of the logits, sums are float64.
"""

import numpy as np
from scipy.special import expit


class Softmax:
    """K >= 3 classes, K logits a row."""

    def __init__(self, n_classes):
        self.n_outputs = n_classes

    def residual(self, Z, target, weight):
        """Loss of the block and weight * (p - t), which overwrites Z."""
        Z -= Z.max(axis=0)
        if target.ndim == 1:
            picked = (target, np.arange(len(target)))
            said = Z[picked]
        else:
            said = np.einsum("km,mk->m", Z, target)
        np.exp(Z, out=Z)
        total = Z.sum(axis=0)
        Z *= weight / total
        if target.ndim == 1:
            Z[picked] -= weight
        else:
            Z -= weight * target.T
        return np.dot(weight, np.log(total) - said), Z

    def proba(self, Z):
        """Probabilities, which overwrite Z."""
        Z -= Z.max(axis=0)
        np.exp(Z, out=Z)
        Z /= Z.sum(axis=0)
        return Z

    def curvature_product(self, P, Z):
        """(diag(p) - p p^T) z of every row, (K, m)."""
        product = P * Z
        product -= P * product.sum(axis=0)
        return product

    def curvature(self, P, directions):
        """q^T (diag(p) - p p^T) q of every row for q in the columns of (K, q)."""
        spread = (directions * directions).T @ P
        spread -= np.square(directions.T @ P)
        return np.maximum(spread, 0, out=spread)  # rounding may leave -1e-17

    def mean_curvature(self, P, weight):
        """Weighted sum of diag(p) - p p^T over the rows, (K, K) float64."""
        weighted = P * weight
        curvature = -(weighted @ P.T).astype(np.float64)
        curvature[np.diag_indices(len(P))] += weighted.sum(axis=1, dtype=np.float64)
        return curvature

    def null_logits(self, frequency):
        """Intercepts of the best constant prediction; they sum to zero."""
        logits = np.log(frequency)
        return logits - logits.mean()


class Sigmoid:
    """Two classes, one logit a row: that of the second class."""

    n_outputs = 1

    def residual(self, Z, target, weight):
        """Loss of the block and weight * (p - t), which overwrites Z."""
        z = Z[0]
        t = target if target.ndim == 1 else target[:, 1]
        # log(1 + e^z) - t z, without overflow and exact for large |z|
        losses = np.log1p(np.exp(-np.abs(z)))
        losses += np.maximum(z, 0)
        losses -= t * z
        expit(Z, out=Z)
        Z -= t
        Z *= weight
        return np.dot(weight, losses), Z

    def proba(self, Z):
        """Probability of the second class, which overwrites Z."""
        return expit(Z, out=Z)

    def curvature_product(self, P, Z):
        """p (1 - p) z of every row, (1, m)."""
        return P * (1 - P) * Z

    def curvature(self, P, directions):
        """p (1 - p) of every row, (1, m); the only direction is [[1]]."""
        return P * (1 - P)

    def mean_curvature(self, P, weight):
        """Weighted sum of p (1 - p) over the rows, (1, 1) float64."""
        return (P * (1 - P) * weight).sum(dtype=np.float64).reshape(1, 1)

    def null_logits(self, frequency):
        """Intercept of the best constant prediction."""
        return np.log(frequency[1:] / frequency[0])
