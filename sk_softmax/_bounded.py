"""Bounds on many coefficients: L-BFGS-B, and Newton's step on the face it finds.

Working sets need the Hessian of all coefficients that are not at a bound, round
after round. Where that costs more than many passes, scipy's L-BFGS-B in units in
which the Hessian's diagonal is one finds the face, and conjugate gradients on the
true Hessian measure what is left there.
"""

from dataclasses import replace

import numpy as np

from ._conjugate_gradients import ConjugateGradients
from ._coordinates import build_diagonal
from ._cost import passes_to_build
from ._lbfgs import StageOver, lbfgs
from ._newton import trusted_distance
from ._optimum import Fit
from ._proximal_newton import proximal_newton

# Working sets need about so many Hessians. They are left alone where the Hessian is
# cheap: where it is, there are few features, and the diagonal tells little.
N_HESSIANS, CHEAP = 8, 25
# Passes after which L-BFGS-B's units are taken anew, the first time; then twice as
# many each time.
STAGE = 50
# Pairs that L-BFGS-B remembers.
MEMORY = 20
# How much of its goal the first stage leaves to Newton's step, and each next one.
FIRST, LESS = 3.0, 0.1
# What Newton's step takes, in passes: where the Hessian is cheaper, working sets end
# the fit.
NEWTON_PASSES = 150
# Conjugate gradient steps for the distance to the optimum.
MAX_CG = 300
# Where they see that it is so many times the goal they are not run to their end.
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
            _newton_step(fit, axes)
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
    """Take out what the classes have moved in common, which the loss does not see.

    So do working sets, and the fit is the same whichever way it is found.
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
        with np.errstate(all="ignore"):  # units are finite whatever the moments are
            self._axes = build_diagonal(fit.problem, fit.point.theta, fit.frame)
        self._axes.scale[:, :-1][:, fit.frame.constant] = 0
        self.step, self.gradient = self._axes.step, self._axes.gradient
        self.size = self._axes.size

    def limits(self, theta):
        """Of the variables of a step from theta, two (size,) arrays."""
        scale, W = self._axes.scale, theta[:, :-1]
        limits = np.stack([np.full(scale.shape, -np.inf), np.full(scale.shape, np.inf)])
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.stack([self.penalty.lower - W, self.penalty.upper - W])
            still = scale[:, :-1] == 0
            limits[:, :, :-1] = np.where(still, 0, room / scale[:, :-1])
        return limits.reshape(2, -1)

    def move(self, theta, v):
        """Theta after a step, on the bounds to the last bit."""
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
    fit.move(best, np.inf, False)  # the axes alone may flatter: Newton's step measures


def _newton_step(fit, axes):
    """Newton's step on the face, by conjugate gradients, and the distance after it.

    It is believed where it took off F what Newton's model had promised, and the
    gradient after it, also of what is then at a bound, is part of the distance.
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
        # before that the least eigenvalue has not been seen
        seen = cg.rr <= 0.01 * cg.first_rr
        if cg.gain > FAR * goal or (seen and rest <= 0.1 * goal):
            break
    gain = cg.gain
    trial = fit.evaluate(axes.move(point.theta, cg.v))
    missed = axes.slope(trial) + cg.residual * axes.free(trial)
    distance = (np.sqrt(rest) + np.sqrt(0.5 * (missed @ missed) / least)) ** 2
    error = fit.error(gain, trial)
    distance, trusted = trusted_distance(distance, error, gain, goal)
    if trial.value < point.value or (trusted and error == 0):
        fit.move(trial, distance, trusted and distance <= fit.goal(trial.value))
