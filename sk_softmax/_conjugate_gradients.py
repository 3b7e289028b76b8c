"""Conjugate gradients, and what they see of the matrix on their way."""

import numpy as np
from scipy.linalg.lapack import dsterf


class ConjugateGradients:
    """Steps to the solution of H v = r.

    Parameters
    ----------
    product : callable
        Of H with a vector.
    residual : ndarray of shape (N,)
        r, where v is zero.

    Attributes
    ----------
    v, residual : ndarrays of shape (N,)
    rr, first_rr : float
        The squared residual, and the first one.
    gain : float
        What v takes off the quadratic function whose gradient at zero is -r.
    lengths, ratios : lists of float
        Of the steps, and of the squared residuals after and before each.
    """

    def __init__(self, product, residual):
        self.product = product
        self.residual = self._direction = residual
        self.v = np.zeros_like(residual)
        self.rr = self.first_rr = residual @ residual
        self.gain, self.lengths, self.ratios = 0.0, [], []

    def step(self):
        """One step; whether there was curvature in its direction."""
        product = self.product(self._direction)
        curvature = self._direction @ product
        if curvature <= 0:  # rounding; H has no such direction
            return False
        length = self.rr / curvature
        self.v = self.v + length * self._direction
        self.residual = self.residual - length * product
        self.gain += 0.5 * length * self.rr
        ratio = (self.residual @ self.residual) / self.rr
        self.rr *= ratio
        self._direction = self.residual + ratio * self._direction
        self.lengths.append(length)
        self.ratios.append(ratio)
        return True

    def least_ritz_value(self):
        """The least eigenvalue that was seen: of the matrix of Lanczos' method."""
        inverse, beta = 1 / np.array(self.lengths), np.array(self.ratios)[:-1]
        diagonal = inverse.copy()
        diagonal[1:] += beta * inverse[:-1]
        # LAPACK's own routine, which wants one entry at least beside the diagonal
        beside = np.append(np.sqrt(beta) * inverse[:-1], 0.0)[: max(len(beta), 1)]
        return dsterf(diagonal, beside)[0][0]
