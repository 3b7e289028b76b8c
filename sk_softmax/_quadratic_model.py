"""Minimum of a quadratic plus the penalty, without a look at the data.

Coordinate descent, or guesses, find the face of the penalty (which variables are
zero, which at a bound), Newton's step on that face does the rest.
"""

import warnings

import numpy as np
from scipy.linalg import lapack
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

# Steps on one model. Faces settle after about ten; what a hundred do not settle,
# the next model will.
MAX_MODEL_STEPS = 100
# Guesses at a face that may leave as many variables to change as the best before.
PATIENCE = 3
# Steps of N^2 flops that take the violation to a thousandth where faces are many: it is
# the next model's then.
MAX_SPLIT_STEPS = 500


class Reduced:
    """A quadratic model without the variables that go where the others send them.

    Those have no kink: the intercepts and what is not penalised. Their block of H is
    singular for K >= 3, where constant vectors do not count.

    Attributes
    ----------
    H, q : (N, N), (N,)
        Of the variables that are kept, the first N.
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
        self.H = H[:N, :N] - back @ self._cross
        self.q = slope[:N] - back @ self._slope
        self.gain = 0.5 * self._slope @ self._inverse @ self._slope

    def direction(self, d):
        """All variables, from those that are kept."""
        return np.append(d, -self._inverse @ (self._slope + self._cross @ d))


def model_change(H, q, u, part, v):
    d = v - u
    return (q + 0.5 * (H @ d)) @ d + part.value(v) - part.value(u)


def what_is_left(H, q, u, part, v):
    """About what is still to be taken off the model at v."""
    left = part.violation(v, q + H @ (v - u))
    with np.errstate(over="ignore"):  # without any curvature nobody knows
        return 0.5 * np.sum(left * (left / _curvatures(H)))


def _curvatures(H):
    """Of each variable, not zero."""
    diagonal = H.diagonal()
    return np.maximum(diagonal, 1e-12 * max(diagonal.max(initial=0), 1e-300))


def minimise_model(H, q, u, part, tol=1e-6):
    """argmin over v of q^T (v - u) + (v - u)^T H (v - u) / 2 + penalty(v).

    Parameters
    ----------
    H : (N, N) positive semidefinite
    q, u : (N,)
    part : Separable or Grouped
    tol : float
        KKT violation at which to stop, relative to that at u.

    Returns
    -------
    v : (N,)
    """
    if len(u) == 0:
        return u
    size = _curvatures(H)
    H = H.copy()
    H.flat[:: len(H) + 1] += 1e-11 * size  # collinear features leave H singular
    root = 1 / np.sqrt(size)
    violation = part.violation(u, q)
    first = (violation * root).max()
    if first == 0:
        return u
    start = u
    if part.is_lasso:
        if not violation[~part.free(u)].any():
            # in the end the face is the last one's
            start, violation = _last_digits(H, q, u, part, u)
            if (violation * root).max() <= tol * first:
                return start
        start = _coordinate_descent(H, q, u, part.weight)
        start, violation = _last_digits(H, q, u, part, start)
        if (violation * root).max() <= tol * first:
            return start
    elif not hasattr(part, "group"):
        v = semismooth_newton(H, q, u, part, size)
        if v is not None:
            return v
        start = split(H, q, u, part, size, tol * first)
    step, value = None, model_change(H, q, u, part, start)
    v, value = (start, value) if value < 0 else (u, 0.0)
    for _ in range(MAX_MODEL_STEPS):
        gradient = q + H @ (v - u)
        if (part.violation(v, gradient) * root).max() <= tol * first:
            break
        before = value
        step = _steps(H, size, part) if step is None else step
        trial = part.prox(v - step * gradient, step)
        trial_value = model_change(H, q, u, part, trial)
        if trial_value <= value:
            v, value = trial, trial_value
        trial, trial_value = _face_step(H, q, u, part, v, value)
        if trial_value < value:
            v, value = trial, trial_value
        if before - value <= 1e-15 * abs(value):
            break
    return _last_digits(H, q, u, part, v)[0]


def semismooth_newton(H, q, u, part, size):
    """The minimiser by its face, where that settles; else None.

    What a gradient step, as long as each variable's own curvature permits, would put
    on zero or a bound is held there, Newton's step takes the others, and so on until
    no variable changes: the primal-dual active set method (Hintermueller, Ito and
    Kunisch, doi:10.1137/S1052623401383558). Where it goes in circles, one variable
    changes at a time, which ends with bounds (Judice and Pires,
    doi:10.1016/0305-0548(94)90106-6), but not with an l1 term too.
    """
    v, face, fewest, patience = u, None, np.inf, PATIENCE
    for _ in range(MAX_MODEL_STEPS):
        trial = part.prox(v - (q + H @ (v - u)) / size, 1 / size)
        free = part.free(trial)
        new = np.stack([free, np.where(free, part.gradient(trial), trial)])
        changed = np.ones(len(u), dtype=bool)
        if face is not None:
            changed = (new != face).any(axis=0)
            n = changed.sum()
            if n == 0:
                return v
            if n < fewest:
                fewest, patience = n, PATIENCE
            elif patience > 0:
                patience -= 1
            elif part.weight.any():
                return None
            else:
                changed[: np.flatnonzero(changed)[-1]] = False
        face = new if face is None else np.where(changed, new, face)
        free = face[0] > 0
        v = np.where(free, v, face[1])
        if free.any():
            slope = (q + H @ (v - u) + face[1])[free]
            newton = _solve(H[np.ix_(free, free)], slope)
            if newton is None:
                return None
            v[free] -= newton
    return None


def split(H, q, u, part, size, goal):
    """Near the minimiser, by the alternating direction method of multipliers.

    An inverse serves a hundred steps of N^2 flops, and the face of the last one is
    Newton's: with bounds and an l1 term, faces that are guessed go in circles, and
    steps on them change a variable or two each. In units in which H has a unit
    diagonal; Boyd et al. (doi:10.1561/2200000016), sections 3.4.1 and 3.4.3.
    """
    target, rho = H @ u - q, 0.1
    v, dual, inverse = u, np.zeros_like(u), None
    for i in range(1, MAX_SPLIT_STEPS + 1):
        if inverse is None:
            step = 1 / (rho * size)
            inverse = _inverse(H + np.diag(rho * size))
            if inverse is None:
                break
        smooth = inverse @ (target + (v - dual) / step)
        before, relaxed = v, 1.6 * smooth - 0.6 * v
        v = part.prox(relaxed + dual, step)
        dual = dual + relaxed - v
        if i % 10:
            continue
        end, violation = _last_digits(H, q, u, part, v)
        if (violation / np.sqrt(size)).max() <= goal:
            return end
        apart = np.sum((smooth - v) ** 2 * size)
        moved = rho**2 * np.sum((v - before) ** 2 * size)
        factor = np.clip(np.sqrt(np.sqrt(apart / max(moved, 1e-300))), 0.1, 10)
        if not 0.5 <= factor <= 2:
            rho, dual, inverse = rho * factor, dual / factor, None
    return v


def _last_digits(H, q, u, part, v):
    """Newton's step on v's face, judged by the KKT violation, which is returned too.

    The model's value tells points apart to half the digits only; a fit that rests
    on it would depend on the order of the rows.
    """
    gradient = q + H @ (v - u)
    before = part.violation(v, gradient)
    trial = v + _newton_direction(H, part, v, gradient)
    after = part.violation(trial, q + H @ (trial - u))
    stays = (part.onto_face(v, trial) == trial).all()
    return (trial, after) if stays and after.max() < before.max() else (v, before)


def _newton_direction(H, part, v, gradient):
    """Newton's step from v on the penalty's face, zero where that is singular."""
    free = np.flatnonzero(part.free(v))
    direction = np.zeros(len(v))
    if len(free):
        curvature = H[free[:, None], free]
        part.add_hessian(curvature, v, free)
        slope = (gradient + part.gradient(v))[free]
        newton = _solve(curvature, slope)
        if newton is not None:
            direction[free] = -newton
    return direction


def _solve(A, b):
    """The solution of A x = b, or None where A is not positive definite.

    LAPACK's own routine: what SciPy does around it takes longer on small models.
    """
    _, x, info = lapack.dposv(A.T, b, overwrite_a=True)
    return x if info == 0 else None


def _inverse(A):
    """The inverse of A, which is overwritten, or None where it is not positive."""
    A, info = lapack.dpotrf(A.T, overwrite_a=True)
    if info == 0:
        A, info = lapack.dpotri(A, overwrite_c=True)
    return np.triu(A) + np.triu(A, 1).T if info == 0 else None


def _coordinate_descent(H, q, u, weight):
    """The lasso's model to a few digits, by scikit-learn's coordinate descent.

    It wants one weight for all and a design matrix: the Cholesky factor is one.
    """
    unit = weight.max()
    scale = unit / weight
    H = H * scale[:, None] * scale
    target = scale * (H @ (u / scale) / scale - q)
    R, info = lapack.dpotrf(H)
    if info != 0:
        return u
    y, _ = lapack.dtrtrs(R, target, trans=1)
    # to check the parameters takes longer than to solve a small model
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, coefs, _ = enet_path(
            R,
            y,
            l1_ratio=1.0,
            alphas=[unit / len(u)],
            precompute=H,
            Xy=target,
            coef_init=u / scale,
            tol=1e-8,
            max_iter=1000,
            check_input=False,
        )
    return coefs[:, 0] * scale


def _steps(H, size, part):
    """Step lengths of the proximal gradient, the same within a group."""
    if hasattr(part, "group"):
        largest = np.zeros(len(part.weight))
        np.maximum.at(largest, part.group, size)
        size = largest[part.group]
    root = 1 / np.sqrt(size)
    # the rows' absolute sums bound the greatest eigenvalue
    greatest = np.abs(H * root[:, None] * root).sum(axis=1).max()
    return 1 / (greatest * size)


def _face_step(H, q, u, part, v, value):
    """Newton's step from v on the penalty's face, shortened until it gains."""
    d = _newton_direction(H, part, v, q + H @ (v - u))
    free = d != 0
    if not free.any():
        return v, value
    # All the way, ending at zero or a bound for what would cross it; else to the
    # first that does, where the model is quadratic and falls all the way.
    for length in (1.0, part.reach(v, free, d[free]) * (1 + 1e-12), 0.25, 0.01):
        trial = part.onto_face(v, v + length * d)
        trial_value = model_change(H, q, u, part, trial)
        if trial_value < value:
            return trial, trial_value
    return v, value
