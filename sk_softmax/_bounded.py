"""Bounds on many coefficients: L-BFGS-B, and Newton's step on the face it finds.

Working sets need the Hessian of all coefficients that are not at a bound, round
after round. Where that costs as much as many passes, scipy's L-BFGS-B, in units in
which the Hessian's diagonal is one, finds the active face: which coefficients are at a
bound. Conjugate gradients on the true Hessian then measure what is left on the face.
"""

from dataclasses import replace

import numpy as np

from ._conjugate_gradients import ConjugateGradients
from ._coordinates import build_axes
from ._cost import passes_to_build
from ._lbfgs import StageOver, lbfgs
from ._newton import judged
from ._optimum import Fit
from ._proximal_newton import proximal_newton

# Hessians that a fit by working sets takes, about: L-BFGS-B gets what these would cost.
N_HESSIANS = 8
# Passes up to which a Hessian is cheap, and working sets do it all: then features are
# few, and units from the Hessian's diagonal alone help L-BFGS-B little.
CHEAP = 25
# Passes after which L-BFGS-B's units are taken anew; twice as many each next time.
STAGE = 50
# Pairs that L-BFGS-B remembers.
MEMORY = 20
# L-BFGS-B comes to FIRST times the goal before Newton's step is tried; after each that
# did not end the fit, it has to come to LESS times what it came to before.
FIRST, LESS = 3.0, 0.1
# What Newton's step takes, in passes, about: where a Hessian costs less, working sets
# end the fit instead.
NEWTON_PASSES = 150
# Conjugate gradient steps for one Newton step.
MAX_CG = 300
# They are cut short where the step already gains this many times the goal.
FAR = 30


def applies(problem):
    """Whether there are only bounds, and the Hessian is dear."""
    dear = passes_to_build(problem)["hessian"] > CHEAP
    return dear and not problem.penalty.has_l1


def descend_in_bounds(problem, start=None, **options):
    """Minimise a problem with bounds and no l1 term.

    Parameters
    ----------
    problem : Problem
    start : ndarray of shape (K, d + 1) or None
    **options
        Of `Fit`.

    Returns
    -------
    Result
    """
    fit = Fit(problem, start, **options)
    a_hessian = passes_to_build(problem)["hessian"]
    start_theta = fit.point.theta
    near, stage, deadline = FIRST, STAGE, fit.passes_left()
    if a_hessian < deadline:  # leave passes for working sets to end the fit
        deadline = fit.passes() + min(N_HESSIANS * a_hessian, deadline // 2)
    while near > 1e-6 and fit.passes() < deadline and fit.passes_left() > 2:
        axes = Axes(fit)
        stop = min(fit.passes() + stage, deadline)
        _lbfgs_b(fit, axes, near, stop)
        outdated = stop <= fit.passes() < deadline
        if not outdated and a_hessian > NEWTON_PASSES and fit.passes_left() > 2:
            _step_on_face(fit, axes)
        _shift_intercepts(fit, start_theta)
        fit.report()
        if fit.converged:
            return fit.result()
        if outdated:
            stage *= 2
            continue
        if a_hessian < NEWTON_PASSES:
            break
        near *= LESS
    return proximal_newton(fit)


def _shift_intercepts(fit, start_theta):
    """Take off the intercepts what all classes moved by, which the loss does not see.

    Working sets do so too: the fit is then the same by either way.
    """
    point = fit.point
    if len(start_theta) > 1 and fit.problem.fit_intercept:
        moved = point.theta - start_theta
        shift = moved[:, -1]
        if not fit.problem.rows.is_sparse:
            shift = shift + moved[:, :-1] @ fit.frame.centre
        theta = point.theta.copy()
        theta[:, -1] -= shift.mean()
        fit.point = replace(point, theta=theta)


class Axes:
    """Units of each coefficient in which its second derivative is one at a point.

    Parameters
    ----------
    fit : Fit
    """

    def __init__(self, fit):
        self.penalty = fit.problem.penalty
        self._axes = build_axes(fit.problem, fit.point.theta, fit.frame)
        self.step, self.gradient = self._axes.step, self._axes.gradient
        self.size = self._axes.size

    def limits(self, theta):
        """Least and greatest variables of a step from theta, two (size,) arrays."""
        scale, W = self._axes.scale, theta[:, :-1]
        limits = np.stack([np.full(scale.shape, -np.inf), np.full(scale.shape, np.inf)])
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.stack([self.penalty.lower - W, self.penalty.upper - W])
            still = scale[:, :-1] == 0
            limits[:, :, :-1] = np.where(still, 0, room / scale[:, :-1])
        return limits.reshape(2, -1)

    def move(self, theta, v):
        """Theta after a step; what ends at a bound is exactly there."""
        W, theta = theta[:, :-1], theta + self.step(v)
        new = self.penalty.feasible(theta[:, :-1])
        for bound in (self.penalty.lower, self.penalty.upper):
            there = np.abs(new - bound) <= 1e-14 * (np.abs(W) + np.abs(bound))
            there &= np.isfinite(bound)
            new[there] = bound[there]
        theta[:, :-1] = new
        return theta

    def free(self, point):
        """Which variables are not held at a bound by the gradient, (size,) bool."""
        gradient = self.gradient(point.gradient).reshape(self._axes.scale.shape)
        W, free = point.theta[:, :-1], np.ones(gradient.shape, dtype=bool)
        free[:, :-1] = (W > self.penalty.lower) | (gradient[:, :-1] < 0)
        free[:, :-1] &= (W < self.penalty.upper) | (gradient[:, :-1] > 0)
        return free.ravel()

    def slope(self, point):
        """The gradient in the free variables, zero in the others."""
        return self.gradient(point.gradient) * self.free(point)


def _lbfgs_b(fit, axes, near, stop):
    """L-BFGS-B until the axes put F - F* below near * goal, or at pass `stop`."""
    best = start = fit.point

    def distance(point):
        slope = axes.slope(point)
        return 0.5 * (slope @ slope)

    def objective(v):
        nonlocal best
        if not v.any():
            return start.value, axes.gradient(start.gradient)
        point = fit.evaluate(axes.move(start.theta, v))
        if point.value < best.value:
            best = point
            if distance(best) <= near * fit.goal(best.value):
                raise StageOver("near")
        if fit.passes() >= stop or fit.passes_left() <= 2:
            raise StageOver("late")
        return point.value, axes.gradient(point.gradient)

    if distance(start) > near * fit.goal(start.value):
        lbfgs(objective, True, axes.size, MEMORY, axes.limits(start.theta))
    fit.move(best, np.inf, False)  # the distance is for Newton's step to measure


def _step_on_face(fit, axes):
    """Newton's step on the face, by conjugate gradients, and the distance after it.

    The distance is trusted if the step took off F what Newton's model had promised.
    It includes the gradient at the new point, also of what the step put on a bound.
    """
    point, goal = fit.point, fit.goal(fit.point.value)
    hessian, free = fit.problem.hessian(point.theta), axes.free(point)
    cg = ConjugateGradients(
        lambda v: axes.gradient(hessian(axes.step(v))) * free, -axes.slope(point)
    )
    least, rest = 1.0, np.inf
    while cg.rr > 0 and len(cg.lengths) < MAX_CG and fit.passes_left() > 1:
        if not cg.step():
            break
        least = max(0.5 * cg.least_ritz_value(), 1e-12)
        rest = 0.5 * cg.rr / least
        # until the residual is a tenth of the first the least eigenvalue is not seen
        seen = cg.rr <= 0.01 * cg.first_rr
        if cg.gain > FAR * goal or (seen and rest <= 0.1 * goal):
            break
    gain = cg.gain
    trial = fit.evaluate(axes.move(point.theta, cg.v))
    missed = axes.slope(trial) + cg.residual * axes.free(trial)
    distance = (np.sqrt(rest) + np.sqrt(0.5 * (missed @ missed) / least)) ** 2
    trial, distance, trusted = judged(fit, point, trial, distance, gain, goal)
    if trial.value < point.value or (trusted and fit.error(gain, point, trial) == 0):
        fit.move(trial, distance, trusted and distance <= fit.goal(trial.value))
