"""Minimum of a quadratic plus the penalty, without a pass over the data."""

import numpy as np
from scipy.linalg import LinAlgError, lapack

from ._grouped_model import minimise_grouped
from ._kinks import Grouped
from ._model_steps import curvatures
from ._separable_model import minimise_separable

# KKT violation at which a model is solved, relative to that where it starts.
MODEL_TOL = 1e-6
# The same above which what it leaves is unknown: the minimiser has given up.
UNSOLVED = 1e-2
# Part of the gradient that is rounding.
NOISE = 1e-11
EPS = np.finfo(np.float64).eps
# Ridges that are tried, each a hundred times the last one.
MAX_RIDGES = 8


class Reduced:
    """A quadratic model from which the variables without a kink are eliminated.

    These are the intercepts and, beside an l1 term, the coefficients that have none and
    no bounds. Their minimum for given others is explicit. Their block of H is singular
    for K >= 3, where the loss does not see a step common to all classes.

    Parameters
    ----------
    H, slope : (N + M, N + M), (N + M,)
        Of all variables; the last M are eliminated.
    N : int
    noise : float
        Curvature up to this part of the greatest is rounding.
    far : (M,)
        How far from zero the eliminated variables' features are, in their units: what
        the rounding of their slopes is relative to.

    Attributes
    ----------
    H, q : (N, N), (N,)
        Of the variables that are kept.
    diagonal : (N,)
        Of their H before the elimination, which its rounding is relative to.
    gain : float
        What the eliminated ones take off the model while the others stay.
    """

    def __init__(self, H, slope, N, noise, far):
        values, vectors, _ = lapack.dsyevd(H[N:, N:])
        # p (1 - p) has an absolute error of eps, however small it is
        known = noise * max(values[-1], 0.01)
        # Where features are nearly collinear the slope is known, and of the curvature
        # only that there is little. A step that it makes too long is shortened.
        sloping = np.abs(slope[N:] @ vectors) > noise * (far @ np.abs(vectors))
        moves = (values > known) | sloping
        vectors, values = vectors[:, moves], np.maximum(values[moves], 1e-4 * known)
        self._inverse = vectors / values @ vectors.T
        self._cross, self._slope = H[N:, :N], slope[N:]
        back = self._cross.T @ self._inverse
        self.H, self.diagonal = H[:N, :N] - back @ self._cross, H.diagonal()[:N]
        self.q = slope[:N] - back @ self._slope
        self.gain = 0.5 * self._slope @ self._inverse @ self._slope

    def direction(self, d):
        """All variables, from those that are kept."""
        return np.append(d, -self._inverse @ (self._slope + self._cross @ d))


def taken_and_left(H, q, u, part, v):
    """What v takes off the model, and about what it leaves; inf where unknown."""
    d, size = v - u, curvatures(H)
    Hd, root = H @ d, 1 / np.sqrt(size)
    taken = part.value(u) - part.value(v) - (q + 0.5 * Hd) @ d
    left = part.violation(v, q + Hd)
    first = np.maximum(part.violation(u, q), NOISE * np.abs(q)) * root
    unsolved = left * root > UNSOLVED * first.max(initial=0)
    unsolved &= left > 4 * EPS * (np.abs(H) @ np.abs(v))  # beyond v's rounding
    if unsolved.any():
        # The curvature of single variables no longer tells. But what the penalty pulls
        # to zero goes no further than there.
        pulled = part.gradient(v) != 0
        return taken, left @ np.abs(v) if pulled[unsolved].all() else np.inf
    with np.errstate(over="ignore"):  # without any curvature it is unknown
        return taken, 0.5 * np.sum(left * (left / size))


def minimise_model(H, q, u, part, ridge, diagonal):
    """argmin over v of q^T (v - u) + (v - u)^T H (v - u) / 2 + penalty(v).

    Parameters
    ----------
    H : (N, N) positive semidefinite
    q, u : (N,)
    part : Separable or Grouped
    ridge : float
        What is added to the diagonal, relative to it: collinear features leave H
        singular, or with negative eigenvalues by rounding. A greater ridge would hide
        small curvature, and steps would be short; so it is a hundred times greater
        only where H still turns out to have negative curvature.
    diagonal : (N,) or float
        What H's rounding is relative to, where that is more than its own diagonal.

    Returns
    -------
    v : (N,)
        Where H is far from semidefinite: u with groups, else anything.
    """
    if len(u) == 0:
        return u
    size = curvatures(H)
    first = (part.violation(u, q) / np.sqrt(size)).max()
    if not first > 0:  # there is nothing to gain, or the model is not finite
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
