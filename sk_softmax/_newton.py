"""Newton's steps by conjugate gradients, and what they verify.

Each measures, on the true Hessian, how far F is from its minimum: coordinates alone
may flatter.
"""

import numpy as np

from ._conjugate_gradients import ConjugateGradients

# L-BFGS comes this near, in units of the goal, before Newton's method ends the fit: its
# conjugate gradients have to be run anyway, to measure what is left. If that fails, it
# has to come nearer. They are not run to their end where they have seen a gain of FAR
# times the goal, or of NEAR times it after as many steps as new coordinates cost.
NEAR, FAR = 30, 300
# Newton's model of F is believed up to this relative error, the more the less.
BELIEVED = 0.45
# Conjugate gradient steps for the distance to the optimum.
MAX_CG = 30


def newton(fit, coordinates, least, rebuild):
    """Newton steps, while the model is good and they are cheaper than new coordinates.

    Parameters
    ----------
    least : float
        No eigenvalue of the Hessian in the coordinates is less, or 0.
    rebuild : float
        How many passes new coordinates cost.

    Returns
    -------
    moved : bool
        Whether the fit is at a better point.
    least : float
        No eigenvalue of the Hessian in the coordinates seems to be less.
    """
    moved, again = False, True
    while again and not fit.converged and fit.passes_left() > 1:
        before = fit.passes()
        better, again, least = _newton_step(fit, coordinates, least, rebuild)
        moved |= better
        again &= fit.passes() - before < rebuild
    return moved, least


def _newton_step(fit, coordinates, known, rebuild):
    """A Newton step by conjugate gradients, and the distance F - F* after it.

    The coordinates alone may flatter: what they take for curvature need not be
    there. Conjugate gradients on the true Hessian find its least eigenvalue in
    these coordinates, and with it a bound of what they leave (the Gauss-Radau
    bound of Meurant and Tichy, doi:10.1007/s11075-018-0634-8). The distance is
    trusted if the step took off F what Newton's model had promised.

    Parameters
    ----------
    known : float
        No eigenvalue of the Hessian in the coordinates is less, or 0.
    rebuild : float
        How many passes new coordinates cost.

    Returns
    -------
    better : bool
        Whether the fit has moved.
    again : bool
        Whether the model was good enough for another step.
    least : float
        No eigenvalue of the Hessian in the coordinates seems to be less.
    """
    point, goal = fit.point, fit.goal(fit.point.value)
    hessian = fit.problem.hessian(point.theta)
    cg = ConjugateGradients(
        lambda v: coordinates.gradient(hessian(coordinates.step(v))),
        -coordinates.gradient(point.gradient),
    )
    least, seen = known or 1.0, False
    at_most = known or fit.softest
    rest = 0.5 * cg.rr / least

    def measured():
        least, bound = _least_eigenvalue_and_bound(cg, at_most)
        return least, max(0.5 * cg.rr * bound, 0.0)  # rounding may leave it below

    while cg.rr > 0 and len(cg.lengths) < MAX_CG and fit.passes_left() > 1:
        if not cg.step():
            break
        # before that the least eigenvalue has not been seen; one step sees the
        # gradient's direction alone, along which saturated data may well be curved
        seen = known > 0 or (len(cg.lengths) > 1 and cg.rr <= 0.01 * cg.first_rr)
        far = FAR if len(cg.lengths) < rebuild else NEAR
        if seen:
            least, rest = measured()
        if (seen and rest <= 0.3 * goal) or cg.gain > far * goal:
            break
    if cg.lengths and not seen:
        least, rest = measured()
    gain, trial = cg.gain, fit.evaluate(point.theta + coordinates.step(cg.v))
    # in the norm of the inverse Hessian: what the steps left, and what the
    # model had missed
    missed = coordinates.gradient(trial.gradient) + cg.residual
    distance = (np.sqrt(rest) + np.sqrt(0.5 * (missed @ missed) / least)) ** 2
    error = fit.error(gain, trial)
    distance, trusted = trusted_distance(distance, error, gain, goal)
    better = _is_better(trial, point, coordinates, fit.eps)
    # a trial that is not better is no nearer to the optimum
    end = trial if better else point
    fit.move(end, distance, trusted and distance <= fit.goal(end.value))
    again = better and error <= 0.3 * gain <= 0.3 * FAR * goal
    if seen and not known:  # which is less from penalty to penalty, seen or not
        fit.softest = least
    # which the Hessian at the next point need not have if it differs much
    holds = seen and error <= 0.1 * gain
    return better, again, least if holds else 0.0


def trusted_distance(distance, error, gain, goal):
    """The distance after a step that gained more or less by the error; its trust."""
    if 10 * max(gain, distance) <= goal:
        return distance, error <= gain
    # Where classes are separated F falls like an exponential, and a step takes 1.3
    # times what the model says, for ever; what is left is twice what it says.
    trusted = error < BELIEVED * gain
    return distance / (1 - error / (BELIEVED * gain)) if trusted else distance, trusted


def _least_eigenvalue_and_bound(cg, at_most):
    """Of what conjugate gradients have seen.

    The least eigenvalue is at most the one given.

    The bound times the squared residual is at least the squared error in the
    Hessian's norm, if half the least Ritz value is below every eigenvalue.
    """
    least = 0.5 * cg.least_ritz_value()
    least = max(min(least, at_most), 1e-12)
    bound = 1 / least
    for length, ratio in zip(cg.lengths, cg.ratios, strict=True):
        bound = (bound - length) / (least * (bound - length) + ratio)
    return least, bound


def _is_better(trial, point, coordinates, eps):
    """Whether the trial point is nearer to the optimum, also where F is flat."""
    flat = 16 * eps * abs(point.value)
    if trial.value < point.value - flat:
        return True
    before = np.linalg.norm(coordinates.gradient(point.gradient))
    after = np.linalg.norm(coordinates.gradient(trial.gradient))
    return trial.value <= point.value + flat and after < 0.9 * before
