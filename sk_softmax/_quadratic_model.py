"""Minimum of a quadratic plus the penalty, without a look at the data."""

import numpy as np
from scipy.linalg import LinAlgError, lapack

from ._grouped_model import minimise_grouped
from ._model_steps import curvatures
from ._penalty import Grouped
from ._separable_model import minimise_separable

# KKT violation at which a model is solved, relative to that where it starts.
MODEL_TOL = 1e-6
# The same, at which it is not, and the part of the gradient that is rounding.
UNSOLVED, NOISE = 1e-2, 1e-11
EPS = np.finfo(np.float64).eps
# Ridges, each a hundred times the last one.
MAX_RIDGES = 8


class Reduced:
    """A quadratic model without the variables that go where the others send them.

    Those have no kink: the intercepts and what is not penalised. Their block of H is
    singular for K >= 3, where constant vectors do not count.

    Attributes
    ----------
    H, q : (N, N), (N,)
        Of the variables that are kept, the first N.
    diagonal : (N,)
        Of H before the others went, which its rounding is relative to.
    gain : float
        What the others take off the model while these stay.
    """

    def __init__(self, H, slope, N, noise):
        values, vectors, _ = lapack.dsyevd(H[N:, N:])
        # p (1 - p) is known to eps, not to eps times itself
        known = values > noise * max(values[-1], 0.01)
        vectors = vectors[:, known]
        self._inverse = vectors / values[known] @ vectors.T
        self._cross, self._slope = H[N:, :N], slope[N:]
        back = self._cross.T @ self._inverse
        self.H, self.diagonal = H[:N, :N] - back @ self._cross, H.diagonal()[:N]
        self.q = slope[:N] - back @ self._slope
        self.gain = 0.5 * self._slope @ self._inverse @ self._slope

    def direction(self, d):
        """All variables, from those that are kept."""
        return np.append(d, -self._inverse @ (self._slope + self._cross @ d))


def taken_and_left(H, q, u, part, v):
    """What v takes off the model, and about what it leaves (inf: nobody knows)."""
    d, size = v - u, curvatures(H)
    Hd, root = H @ d, 1 / np.sqrt(size)
    taken = part.value(u) - part.value(v) - (q + 0.5 * Hd) @ d
    left = part.violation(v, q + Hd)
    first = np.maximum(part.violation(u, q), NOISE * np.abs(q)) * root
    unsolved = left * root > UNSOLVED * first.max(initial=0)
    unsolved &= left > 4 * EPS * (np.abs(H) @ np.abs(v))  # v - u has no more digits
    if unsolved.any():
        # no single variable's curvature tells; what is pulled to zero ends there
        pulled = part.gradient(v) != 0
        return taken, left @ np.abs(v) if pulled[unsolved].all() else np.inf
    with np.errstate(over="ignore"):  # without any curvature nobody knows
        return taken, 0.5 * np.sum(left * (left / size))


def minimise_model(H, q, u, part, ridge=1e-14, diagonal=0.0):
    """argmin over v of q^T (v - u) + (v - u)^T H (v - u) / 2 + penalty(v).

    Parameters
    ----------
    H : (N, N) positive semidefinite
    q, u : (N,)
    part : Separable or Grouped
    ridge : float
        What is added to the diagonal, relative to it: collinear features leave H
        singular, and rounding what is less than zero. More than that would take the
        place of the curvature that there is, and steps would be short; where H turns
        out to have negative curvature all the same, it is a hundred times as much.
    diagonal : (N,) or float
        What H's rounding is relative to, where that is more than its own diagonal.

    Returns
    -------
    v : (N,)
        Where H is nothing like semidefinite: u with groups, else anything.
    """
    if len(u) == 0:
        return u
    size = curvatures(H)
    first = (part.violation(u, q) / np.sqrt(size)).max()
    if not first > 0:  # there is nothing to gain, or nobody knows
        return u
    minimise = minimise_grouped if isinstance(part, Grouped) else minimise_separable
    diagonal = np.maximum(size, diagonal)
    for more in 100.0 ** np.arange(MAX_RIDGES):
        H = H.copy()
        H.flat[:: len(H) + 1] = size + more * ridge * diagonal
        try:
            return minimise(H, q, u, part, size, MODEL_TOL * first)
        except LinAlgError:
            pass
    return u
