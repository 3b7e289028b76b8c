"""Proximal Newton on working sets, where the penalty is not smooth.

Each round has the Hessian of a working set, the coefficients that are not zero or
at a bound and the worst violators of their KKT condition, and steps to the minimum
of the quadratic model plus the penalty. While the model describes what its steps
do, its Hessian serves the next round too.
"""

import numpy as np

from ._optimum import Fit
from ._proximal import WorkingSet

# A working set has at least this many coefficients where there are as many to
# move, and at most so many that their Hessian and its factor fit in memory.
LEAST_WORKING_SET, MOST_WORKING_SET = 100, 4000
# Gradients of this times their size tell which coefficients come in soon.
SOON = 1.2
# Where probabilities are saturated the model is nearly flat and its step goes far
# beyond where it holds. So much curvature is added to it, ten times more or less
# from step to step, until it holds.
LEAST_DAMPING, FIRST_DAMPING, MOST_DAMPING = 1e-9, 1e-5, 1e3


def proximal_newton(problem, start=None, *, fit=None, **options):
    """Minimise a problem with a non-smooth penalty or bounds.

    Parameters
    ----------
    problem : Problem
    start : ndarray of shape (K, d + 1) or None
    fit : Fit or None
        Under way, to be ended.
    **options
        Of `Fit`.

    Returns
    -------
    Result
    """
    fit = Fit(problem, start, **options) if fit is None else fit
    H = working = None
    on_path = options.get("leftover") is not None
    if fit.leftover.coordinates is not None:
        working, H = fit.leftover.coordinates
        working, H = working.with_penalty(problem, H)
    fresh, trusted = False, H is not None
    previous, damping = np.inf, Damping()
    while not fit.converged and fit.passes_left() > 0:
        point = fit.point
        chosen, violating, in_turns = _choose(problem, point, fit.frame, working)
        if H is None or (chosen & ~working.chosen).any():
            if on_path:
                chosen |= _soon(problem, point, fit.frame, chosen)
            working = WorkingSet(problem, fit.frame, chosen)
            H, fresh = working.hessian(point.theta), True
        complete = not (violating & ~working.chosen).any()
        direction, landing, gain, rest = working.step(
            H, point.theta[:, :-1], point.gradient, damping.level, near=on_path
        )
        distance = gain + rest
        if not fresh:  # the model is trusted to a fifth
            distance *= 1.2
        if in_turns:  # while gains fall fast, all that follow are no more than this one
            distance *= 2
            complete &= gain <= 0.3 * previous
        reliable = complete and damping.level == 0
        near = distance <= fit.goal(point.value)
        known = distance if complete else np.inf
        fit.move(point, known, reliable and trusted and near)
        if fit.converged or (in_turns and not complete and distance <= fit.floor):
            break
        if not fresh and not (trusted and gain <= 0.3 * previous):
            H = None  # the model has gone stale
            continue
        # F is not negative: a model that promises more than there is goes too far
        lengths = [1.0, 0.3, 0.09, 0.027][: 1 if damping.level else 4]
        lengths = lengths if gain <= point.value else []
        trial = _search(fit, direction, landing, lengths, gain)
        if trial is None:
            if fresh and reliable and distance <= 1e3 * fit.floor:
                fit.converged = True
            elif not fresh:
                H = None
            elif damping.level > MOST_DAMPING:
                break
            else:
                damping.raise_()
            continue
        taken, noise = point.value - trial.value, 1e3 * fit.eps * abs(point.value)
        small = 10 * distance <= fit.goal(trial.value)
        damping.lower(taken > 0.5 * gain - noise, small)
        # Where classes are separated F falls like an exponential: each step takes
        # 1.3 times what the model says and leaves twice as much, for ever.
        trusted = abs(taken - gain) - noise <= (1.0 if small else 0.2) * gain
        fit.move(trial, known, False)
        previous, fresh = gain, False
        if not trusted:
            H = None
        fit.report()
    # of use to the next fit of a path
    left = (working, H) if fit.converged and H is not None else None
    return fit.result(left)


class Damping:
    """Curvature that is added to every variable, in the frame's units.

    Attributes
    ----------
    level : float
    """

    def __init__(self):
        self.level, self._raised = 0.0, False

    def raise_(self):
        """After a step that failed."""
        self.level, self._raised = 10 * self.level or FIRST_DAMPING, True

    def lower(self, held, end):
        """After a step: whether its model held, and whether the end is near."""
        if held and end:
            self.level = 0.0
        elif held and not self._raised:  # what held once is tried twice
            self.level = 0.1 * self.level if self.level > LEAST_DAMPING else 0.0
        self._raised = False


def _soon(problem, point, frame, chosen):
    """Coefficients that a slightly weaker penalty, or the next step, would let in.

    With them the Hessian serves longer; they are at most as many as are in.
    """
    near = (_violation(problem, point, frame, SOON) > 0) & ~chosen
    if problem.penalty.grouped:
        near |= near.any(axis=0)
        near &= ~chosen
    room = min(chosen.sum(), MOST_WORKING_SET - chosen.sum())
    return near if near.sum() <= room else np.zeros_like(near)


def _choose(problem, point, frame, working):
    """The next working set, all violators, and whether not all can be in one set.

    Where more coefficients move than a set can have they take turns, the worst first.
    """
    W = point.theta[:, :-1]
    violation = _violation(problem, point, frame)
    moving = W != problem.penalty.feasible(
        np.broadcast_to(problem.penalty.prior, W.shape)
    )
    moving &= (W > problem.penalty.lower) & (W < problem.penalty.upper)
    if problem.penalty.grouped:
        moving |= moving.any(axis=0)
        violation = np.broadcast_to(violation.max(axis=0), W.shape)
    violating = (violation > 0) & ~moving
    in_turns = moving.sum() >= MOST_WORKING_SET
    if in_turns:
        chosen = moving | violating
        chosen &= _greatest(violation, MOST_WORKING_SET // 2)
    else:
        new = violating
        if working is not None:
            # what was let in stays while it is not far from moving
            new = violating & ~working.chosen
        room = max(LEAST_WORKING_SET, 2 * moving.sum()) - moving.sum()
        room = min(room, MOST_WORKING_SET - moving.sum())
        if new.sum() > room:
            new = new & _greatest(np.where(new, violation, 0), room)
        chosen = moving | new
    if problem.penalty.grouped:
        chosen |= chosen.any(axis=0)
    return chosen, violating, in_turns


def _violation(problem, point, frame, factor=1.0):
    """Of the KKT conditions, in the frame, with the gradient times the factor."""
    W, gradient = point.theta[:, :-1], factor * point.gradient
    centred = gradient[:, :-1] - gradient[:, -1:] * frame.centre
    violation = problem.penalty.violation(W, centred) * frame.scale
    violation[:, frame.constant] = 0  # but for rounding
    return violation


def _greatest(values, n):
    """Which are the n greatest, a mask."""
    mask = np.zeros(values.size, dtype=bool)
    mask[np.argsort(-values, axis=None)[:n]] = True
    return mask.reshape(values.shape)


def _search(fit, direction, landing, lengths, gain):
    """The first point along the direction that keeps part of the model's promise."""
    for length in lengths[: fit.passes_left()]:
        theta = fit.point.theta + length * direction
        if length == 1.0:
            theta[:, :-1] = landing
        theta[:, :-1] = fit.problem.penalty.feasible(theta[:, :-1])
        trial = fit.evaluate(theta)
        if trial.value <= fit.point.value - 0.01 * length * gain + 0.25 * fit.floor:
            return trial
    return None
