"""Minimum of a quadratic plus a penalty that is a sum over its variables.

An l1 term, bounds, or both. Coordinate descent, an active set method, or a walk from
face to face find the penalty's face (which variables are zero, which at a bound); then
Newton's step on it is exact.
"""

import threading
import warnings
from contextlib import contextmanager

import numpy as np
from scipy.linalg import lapack
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

from ._model_steps import curvatures, last_digits, solve, solve_singular, submatrix

# Steps on one model. Faces settle after about ten; what a hundred do not settle,
# the next model will.
MAX_MODEL_STEPS = 100
# Guesses at a face, or steps of a walk, that in a row may be no better than the best.
PATIENCE = 3
# Warning filters belong to the process: fits in threads that each set and restored them
# would leave the wrong ones behind.
FILTERS_LOCK = threading.Lock()


def minimise_separable(H, q, u, part, size, goal):
    """argmin over v of q^T (v - u) + (v - u)^T H (v - u) / 2 + penalty(v).

    Parameters
    ----------
    H : (N, N) positive semidefinite plus a ridge
    q, u : (N,)
    part : Separable
    size : (N,)
        H's diagonal, nowhere zero.
    goal : float
        KKT violation, in units of sqrt(size), at which the model is solved.

    Returns
    -------
    v : (N,)
    """
    if part.is_smooth:
        return last_digits(H, q, u, part, u - solve_singular(H, q))[0]
    if not part.is_lasso:
        v, settled = semismooth_newton(H, q, u, part, size)
        return v if settled else walk(H, q, u, part, v, goal)
    root = 1 / np.sqrt(size)
    if not part.violation(u, q)[~part.free(u)].any():
        # no held variable violates: near the end of a fit the face is u's
        v, violation = last_digits(H, q, u, part, u)
        if (violation * root).max() <= goal:
            return v
    v = _coordinate_descent(H, q, u, part.weight)
    v, violation = last_digits(H, q, u, part, v)
    return v if (violation * root).max() <= goal else walk(H, q, u, part, v, goal)


def _coordinate_descent(H, q, u, weight):
    """The lasso's model to a few digits, by scikit-learn's coordinate descent.

    It wants one weight for all, hence the scale, and a design matrix: the Cholesky
    factor of H is one.
    """
    unit = weight.max()
    scale = unit / weight
    H = H * scale[:, None] * scale
    target = scale * (H @ (u / scale) / scale - q)
    R, info = lapack.dpotrf(H)
    if info != 0:
        return u
    y, _ = lapack.dtrtrs(R, target, trans=1)
    # checking the parameters takes longer than solving a small model
    with FILTERS_LOCK, quiet(), config_context(skip_parameter_validation=True):
        _, coefs, _ = enet_path(
            R,
            y,
            l1_ratio=1.0,
            alphas=[unit / len(u)],
            precompute=H,
            Xy=target,
            coef_init=u / scale,
            tol=1e-8,
            max_iter=100,
            check_input=False,
        )
    return coefs[:, 0] * scale


@contextmanager
def quiet():
    """Without coordinate descent's warning where it stops early: the walk goes on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Objective did not", ConvergenceWarning)
        yield


def semismooth_newton(H, q, u, part, size):
    """The minimiser, or the best guess at it, and whether its face has settled.

    What a proximal gradient step, of one over each variable's own curvature, puts on
    zero or on a bound is held there, Newton's step moves the others, and so on until
    the face no longer changes: the primal-dual active set method (Hintermueller, Ito
    and Kunisch, doi:10.1137/S1052623401383558). It may go in circles.
    """
    v, best, face = u, u, None
    fewest, patience = np.inf, PATIENCE
    for _ in range(MAX_MODEL_STEPS):
        trial = part.prox(v - (q + H @ (v - u)) / size, 1 / size)
        free = part.free(trial)
        new = np.stack([free, np.where(free, part.gradient(trial), trial)])
        if face is not None:
            n = (new != face).any(axis=0).sum()
            if n == 0:
                return v, True
            if n < fewest:
                fewest, patience, best = n, PATIENCE, v
            elif patience > 0:
                patience -= 1
            else:
                break
        face = new
        v = np.where(free, v, face[1])
        if free.any():
            slope = (q + H @ (v - u) + face[1])[free]
            newton = solve(submatrix(H, np.flatnonzero(free)), slope)
            if newton is None:
                break
            v[free] -= newton
    best = part.prox(best, np.zeros_like(u))
    d = best - u
    change = (q + 0.5 * (H @ d)) @ d + part.value(best) - part.value(u)
    return best if change < 0 else u, False


def walk(H, q, u, part, v, goal):
    """The minimiser from v, by Newton's steps from face to face.

    It is for collinear features, whose H is singular: coordinate descent creeps, and a
    Newton step is so long that it reaches the next zero or bound. Each step goes to
    where the model is least along it. Once a face has next to nothing left to gain, the
    worst violators come in. It also ends where for a few steps neither the model nor
    its violation gets less: what is left is rounding.
    """
    root = 1 / np.sqrt(curvatures(H))
    least, fewest, patience = np.inf, np.inf, PATIENCE
    for _ in range(MAX_MODEL_STEPS):
        gradient = q + H @ (v - u)
        violation = part.violation(v, gradient) * root
        worst = violation.argmax()
        value = 0.5 * (q + gradient) @ (v - u) + part.value(v)
        if value < least or violation[worst] < 0.5 * fewest:
            patience = PATIENCE
        else:
            patience -= 1
        least, fewest = min(least, value), min(fewest, violation[worst])
        if violation[worst] <= goal or patience < 0:
            break
        moving, new = part.free(v), np.zeros(len(v), dtype=bool)
        if violation[moving].max(initial=0) <= max(0.1 * violation[worst], goal):
            new = ~moving & (violation >= 0.5 * violation[worst])
            moving |= new
        slope = gradient + part.weight * np.where(v, np.sign(v), -np.sign(gradient))
        d = np.zeros_like(v)
        H_moving = submatrix(H, np.flatnonzero(moving))
        d[moving] = -solve_singular(H_moving, slope[moving])
        d[new & (d * slope > 0)] = 0  # the wrong way from their zero or bound
        trial = _least_along(d, v, gradient, H, part)
        if trial is None:  # the step does not descend: move the worst violator alone
            d = np.zeros_like(v)
            d[worst] = -slope[worst]
            trial = _least_along(d, v, gradient, H, part)
        if trial is None:
            break
        v = trial
    return v


def _least_along(d, v, gradient, H, part):
    """Where the model is least from v along d, or None where it does not fall.

    Its slope grows linearly, and jumps where a variable passes zero, up to the first
    bound.
    """
    slope = gradient @ d + part.weight @ np.where(v, np.sign(v) * d, np.abs(d))
    if not slope < 0:
        return None
    curvature, at = d @ (H @ d), 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        zeros = np.where(v * d < 0, -v / d, np.inf)
        bound = np.where(d > 0, part.upper, part.lower)
        ends = np.where(d, (bound - v) / d, np.inf)
    last = ends.argmin()
    for i in zeros.argsort():
        if zeros[i] >= ends[last] or slope + curvature * (zeros[i] - at) >= 0:
            break
        slope += curvature * (zeros[i] - at) + 2 * part.weight[i] * abs(d[i])
        at = zeros[i]
        if slope >= 0:
            trial = v + at * d
            trial[i] = 0.0
            return trial
    least = at - slope / curvature if curvature > 0 else np.inf
    if least < ends[last]:
        return v + least * d
    if ends[last] == np.inf:
        return None
    trial = (v + ends[last] * d).clip(part.lower, part.upper)
    trial[last] = bound[last]
    return trial
