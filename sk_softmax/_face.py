"""Newton's step on a face of the penalty, by conjugate gradients.

A new Hessian of many coefficients is dear. In coordinates from an old one the true
Hessian is near the identity, and conjugate gradients take a few products with it, a
pass each.
"""

import numpy as np

from ._conjugate_gradients import ConjugateGradients
from ._inverse_roots import CholeskyRoot, inverse_factor
from ._model_steps import submatrix

# Conjugate gradient steps to the minimum on a face. Old coordinates in which they do
# not suffice are no good.
MAX_CG = 12
# What they may leave, as a part of the goal or of what they gained.
OF_GOAL, OF_GAIN = 0.1, 0.03
# Faces that one step may try, each smaller than the last.
MAX_FACES = 4


class _Face:
    """Coordinates of the variables that are free on a face, from an old Hessian.

    Parameters
    ----------
    working : WorkingSet
    H : (N + K, N + K)
        A Hessian of the set.
    free : bool array (K, d)

    Attributes
    ----------
    root : CholeskyRoot or SpectralRoot
    """

    def __init__(self, working, H, free):
        K = len(free)
        # of three and more intercepts one stays: the loss does not see their mean
        moves = np.arange(K) < max(K - 1, 1)
        self._free = np.append(free[working.index], moves)
        face = submatrix(H, np.flatnonzero(self._free))
        self.root = inverse_factor(face, working.problem)
        self._working, self._n_coef = working, len(working.classes)

    def step(self, v):
        """A direction (K, d + 1)."""
        d = np.zeros(len(self._free))
        d[self._free] = self.root(v)
        return self._working.direction(d[: self._n_coef], d[self._n_coef :])

    def gradient(self, G):
        """Of the coordinates, from a gradient (K, d + 1)."""
        g = np.append(*self._working.gradient(G))
        return self.root.transposed(g[self._free])


def newton_on_face(fit, working, H, landing, expected):
    """Newton's step to the face on which the landing lies.

    Parameters
    ----------
    fit : Fit
        Its penalty is not of groups.
    working : WorkingSet
    H : (N + K, N + K)
        A Hessian of the set, of another point.
    landing : (K, d)
        Where a step on the model with this Hessian ends.
    expected : float
        What that step promises to take off F.

    Returns
    -------
    direction, landing, gain, rest
        As of `WorkingSet.step`, but that `rest` is of the face alone. None where the
        Hessian is too old or nearly singular, passes run out, step after step leaves
        its face, or the last face has less than half of what was expected: then it is
        the wrong one.
    """
    penalty, hessian = fit.problem.penalty, fit.problem.hessian(fit.point.theta)
    for _ in range(MAX_FACES):
        step = _to_least(fit, working, H, landing, hessian)
        if step is None:
            return None
        onto = penalty.onto_face(landing, step[1])
        if np.array_equal(onto, step[1]):
            return step if step[2] >= 0.5 * expected else None
        landing = onto
    return None


def _to_least(fit, working, H, landing, hessian):
    """The step to the least point of the landing's face, as if that had no end."""
    point, penalty = fit.point, fit.problem.penalty
    W, free = point.theta[:, :-1], penalty.free(landing)
    # what reaches a kink or a bound moves there
    base = np.zeros_like(point.theta)
    base[:, :-1] = np.where(free, 0, landing - W)
    base[:, -1] -= base[:, :-1] @ working.centre
    bent = hessian(base) if base.any() else np.zeros_like(base)
    pull = np.where(free, penalty.gradient(landing), 0)
    slope = point.gradient + bent
    slope[:, :-1] += pull
    face = _Face(working, H, free)
    if not isinstance(face.root, CholeskyRoot):
        return None  # a few steps would not see its least curvature
    cg = ConjugateGradients(
        lambda v: face.gradient(hessian(face.step(v))), -face.gradient(slope)
    )
    rest, goal = np.inf, fit.goal(point.value)
    while cg.rr > 0 and rest > max(OF_GOAL * goal, OF_GAIN * cg.gain):
        if len(cg.lengths) == MAX_CG or fit.passes_left() <= 1 or not cg.step():
            return None
        rest = cg.rr / max(cg.least_ritz_value(), 1e-12)
    on_face = face.step(cg.v)
    direction = base + on_face
    landing = np.where(free, W + direction[:, :-1], landing)
    gain = penalty.value(W) - penalty.value(landing)
    gain -= np.vdot(point.gradient + 0.5 * bent, base)
    gain += cg.gain + np.vdot(pull, on_face[:, :-1])
    return direction, landing, gain, rest if cg.rr > 0 else 0.0
