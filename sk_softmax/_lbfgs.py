"""scipy.optimize's L-BFGS-B, which runs until its objective stops it; a stage of it.

Its own stopping criteria are off: the objective knows F - F* and counts the passes.
"""

import math

import numpy as np
from scipy.optimize import Bounds, minimize

# Pairs that it remembers in coordinates: more than scipy's 10, for each costs but
# O(K d) a step and they save passes over the data.
MEMORY = 30


class StageOver(Exception):
    """Raised by an objective to end the run; its argument is the status."""


def lbfgs(objective, gradient, size, memory, limits=None):
    """Minimise from zero, within limits if any, until the objective raises StageOver.

    Parameters
    ----------
    objective : callable
        Of an ndarray (size,).
    gradient : callable, or True
        True where the objective returns the pair of value and gradient.
    size : int
    memory : int
        Pairs that are remembered.
    limits : pair of ndarrays (size,), or None
        Least and greatest values of the variables.

    Returns
    -------
    status : str
        What StageOver said; "stuck" where the line search found nothing better.
    """
    options = {"maxcor": memory, "maxiter": 10**6, "maxfun": 10**6}
    options |= {"ftol": 0.0, "gtol": 0.0}
    try:
        minimize(
            objective,
            np.zeros(size),
            jac=gradient,
            method="L-BFGS-B",
            bounds=None if limits is None else Bounds(*limits),
            options=options,
        )
    except StageOver as over:
        (status,) = over.args
        return status
    return "stuck"


def stage(fit, coordinates, near, shortest, if_rebuilt, least=0.0):
    """L-BFGS in the coordinates until they put F - F* below near * goal.

    Moves the fit to the best point seen, whose distance is what the coordinates say.
    After `shortest` evaluations it ends where, at the rate of late, more than
    `if_rebuilt` passes are left, which is what new coordinates would take.

    Returns
    -------
    status : {"near", "longer", "stuck"}
        It is near; the way is longer than that, or passes ran out; or the line search
        found nothing better.
    least : float
        The lower bound on eigenvalues as given, or 0 where a step met less curvature.
    """
    best = start = fit.point
    best_gradient = coordinates.gradient(start.gradient)
    distance = 0.5 * (best_gradient @ best_gradient)
    if distance <= near * fit.goal(start.value):
        fit.move(start, distance, False)
        return "near", least
    size = math.sqrt(2 * distance)
    scaled = first = best_gradient * size
    least_met = np.inf
    # log(distance / target) after each evaluation; the target is met at 0
    to_go = [_log_ratio(distance, near * fit.goal(start.value))]

    def value(u):
        # scipy's first step has length one, whatever the gradient. In units of the
        # gradient's norm that is the whole step, to the optimum of a perfect model.
        nonlocal best, best_gradient, scaled, least_met
        if not u.any():
            return start.value
        point = fit.evaluate(start.theta + coordinates.step(u * size))
        here = coordinates.gradient(point.gradient)
        scaled = here * size
        least_met = min(least_met, ((scaled - first) @ u) / (u @ u * size**2))
        if point.value < best.value:
            best, best_gradient = point, here
        distance = 0.5 * (best_gradient @ best_gradient)
        to_go.append(_log_ratio(distance, near * fit.goal(best.value)))
        if to_go[-1] <= 0:
            raise StageOver("near")
        over = len(to_go) > shortest and to_go[-1] > if_rebuilt * _rate(to_go)
        if over or fit.passes_left() <= 0:
            raise StageOver("longer")
        return point.value

    def gradient(_):
        # scipy asks for it where it has just asked for the value. Of a function that
        # returns both, it would keep copies by point, which takes half a pass's time.
        return scaled

    status = lbfgs(value, gradient, coordinates.size, MEMORY)
    fit.move(best, 0.5 * (best_gradient @ best_gradient), False)
    return status, least if least_met >= least else 0.0


def _log_ratio(a, b):
    """log(a / b), of numbers that may be zero."""
    return math.log(max(a, 1e-300)) - math.log(max(b, 1e-300))


def _rate(to_go):
    """By how much `to_go` fell per evaluation, in the mean over its later half."""
    half = len(to_go) // 2
    return (to_go[half] - to_go[-1]) / (len(to_go) - 1 - half)
