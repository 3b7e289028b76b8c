"""Conjugate gradients, and the least eigenvalue that they see on their way."""

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
    flat : float
        Curvature that counts as none, per squared length of a direction.

    Attributes
    ----------
    v, residual : ndarrays of shape (N,)
    rr, first_rr : float
        The residual's squared norm, now and before the first step.
    gain : float
        What v takes off the quadratic function whose gradient at zero is -r.
    lengths, ratios : lists of float
        The length of each step, and by what factor it changed `rr`.
    """

    def __init__(self, product, residual, flat=0.0):
        self.product, self.flat = product, flat
        self.residual = self._direction = residual
        self.v = np.zeros_like(residual)
        self.rr = self.first_rr = residual @ residual
        self.gain, self.lengths, self.ratios = 0.0, [], []

    def step(self):
        """Take one step, if there is curvature along it; whether there was."""
        product = self.product(self._direction)
        curvature = self._direction @ product
        # but for rounding H is positive semidefinite
        if curvature <= self.flat * (self._direction @ self._direction):
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
        """The least eigenvalue seen: that of Lanczos' tridiagonal matrix."""
        inverse, beta = 1 / np.array(self.lengths), np.array(self.ratios)[:-1]
        diagonal = inverse.copy()
        diagonal[1:] += beta * inverse[:-1]
        # LAPACK's routine itself, which wants one off-diagonal entry at least
        beside = np.append(np.sqrt(beta) * inverse[:-1], 0.0)[: max(len(beta), 1)]
        return dsterf(diagonal, beside)[0][0]
