"""Newton's steps by conjugate gradients, and the distance that they verify.

Each measures F - F* on the true Hessian: what coordinates say alone may be too little.
"""

import numpy as np

from ._conjugate_gradients import ConjugateGradients
from ._curvature import MOVES, far_rows

# L-BFGS leaves the last NEAR times the goal to Newton's method, since conjugate
# gradients have to be run anyway, to verify the end. If they fail, it comes nearer.
# They are cut short where they gain FAR times the goal, or NEAR times it after as many
# products as new coordinates cost: the fit is then not at its end.
NEAR, FAR = 30, 300
# Relative error of the promised gain at which Newton's model says nothing of the
# distance: more than the 0.3 that each step shows where classes are separated.
BELIEVED = 0.45
# Rows are far out where a step moves their logits FAR_OUT times as much as the mean
# row's. Where these may hide more than a part HIDDEN of the goal, the step's word is
# confirmed by another, which gains less; and F must not fall by more than that part
# along so many more such steps.
FAR_OUT, HIDDEN, LONGER = 5, 3e-3, (10, 2)
# Parts of a step that are tried where all of it leads to no better point.
SHORTER = 0.3, 0.09, 0.027
# Conjugate gradient steps for one Newton step.
MAX_CG = 30


def newton(fit, coordinates, least, rebuild):
    """Newton steps, while the model is good and they are cheaper than new coordinates.

    Parameters
    ----------
    least : float
        Lower bound on the Hessian's eigenvalues in the coordinates, or 0 if unknown.
    rebuild : float
        How many passes it costs to build new coordinates.

    Returns
    -------
    moved : bool
        Whether the fit is at a better point.
    least : float
        The bound at the new point, as far as it was seen; or 0.
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

    What the coordinates take for curvature need not be there. Conjugate gradients
    on the true Hessian find its least eigenvalue in these coordinates, and with it
    a bound on what they leave (the Gauss-Radau bound of Meurant and Tichy,
    doi:10.1007/s11075-018-0634-8). The distance is trusted if the step took off F
    what Newton's model had promised.

    Parameters
    ----------
    known : float
        Lower bound on the Hessian's eigenvalues in the coordinates, or 0 if unknown.
    rebuild : float
        How many passes it costs to build new coordinates.

    Returns
    -------
    better : bool
        Whether the fit has moved.
    again : bool
        Whether the model was good enough for another step.
    least : float
        The bound at the new point, as far as it was seen; or 0.
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
    while cg.rr > 0 and len(cg.lengths) < MAX_CG and fit.passes_left() > 1:
        if not cg.step():
            break
        # The least eigenvalue counts as seen once the residual is a tenth of the first,
        # after two steps at least: one step sees the gradient's direction alone, along
        # which saturated data may well be curved.
        seen = known > 0 or (len(cg.lengths) > 1 and cg.rr <= 0.01 * cg.first_rr)
        far = FAR if len(cg.lengths) < rebuild else NEAR
        if seen:
            least, rest = _least_eigenvalue_and_rest(cg, at_most)
        if (seen and rest <= 0.3 * goal) or cg.gain > far * goal:
            break
    if cg.lengths and not seen:
        least, rest = _least_eigenvalue_and_rest(cg, at_most)
    gain, step = cg.gain, coordinates.step(cg.v)
    trial = fit.evaluate(point.theta + step)
    # what the steps left of the model, and what the model itself missed: the triangle
    # inequality for the gradient, in the norm of the inverse Hessian
    missed = coordinates.gradient(trial.gradient) + cg.residual
    distance = (np.sqrt(rest) + np.sqrt(0.5 * (missed @ missed) / least)) ** 2
    error = fit.error(gain, point, trial)
    trial, distance, trusted = judged(fit, point, trial, distance, gain, goal)
    better = _is_better(trial, point, coordinates, fit.eps)
    again = better and error <= 0.3 * gain <= 0.3 * FAR * goal
    if not (better or trusted):
        trial = _shorter(fit, step)
        better = trial is not None
    # a trial that is not better is no nearer to the optimum
    end = trial if better else point
    fit.move(end, distance, trusted and distance <= fit.goal(end.value))
    if seen and not known:  # a known bound falls with the penalty, unseen
        fit.softest = least
    # the Hessian at the new point has another least eigenvalue if it differs much
    holds = seen and error <= 0.1 * gain
    return better, again, least if holds else 0.0


def _shorter(fit, step):
    """A better point on the way to one that is not, or None.

    Where probabilities are saturated the model promises too much: the step leads down,
    but a part of it only, and it has been paid for with many passes.
    """
    for length in SHORTER[: fit.passes_left()]:
        trial = fit.evaluate(fit.point.theta + length * step)
        if trial.value < fit.point.value - 16 * fit.eps * abs(fit.point.value):
            return trial
    return None


def judged(fit, before, trial, distance, gain, goal):
    """What a step's end says of the distance, and whether that is trusted.

    Parameters
    ----------
    before, trial : Point
        The step's ends.
    distance : float
        F - F* at the trial by Newton's model.
    gain : float
        What the step had promised to take off F.
    goal : float

    Returns
    -------
    end : Point
        The trial, or a better one beyond.
    distance : float
        Greater than given, for the model's error.
    trusted : bool
    """
    error = fit.error(gain, before, trial)
    # Where classes are separated F falls like an exponential: each step takes 1.3 times
    # what the model says and leaves twice as much, for ever. A tenth of the goal has
    # room for that.
    if 10 * max(gain, distance) <= goal:
        trusted = error <= gain
    elif trusted := error < BELIEVED * gain:
        distance = distance / (1 - error / (BELIEVED * gain))
    if trusted and distance <= goal and hides(fit, before, trial, goal):
        # a wall that keeps steps short, and is gone a few more steps on
        trusted, fit.unconfirmed = gain < fit.unconfirmed, gain
        for length in LONGER[: fit.passes_left()]:
            theta = trial.theta + length * (trial.theta - before.theta)
            beyond = fit.evaluate(fit.feasible(theta))
            if trial.value - beyond.value > max(HIDDEN * goal, fit.floor):
                fit.unconfirmed = 0.0
                return beyond, distance, False
    else:
        fit.unconfirmed = 0.0
    return trial, distance, trusted


def hides(fit, before, trial, goal):
    """Whether rows far out may hide how F falls along a step; half a pass tells.

    A row that is nearly certain can have all the curvature there is along a step, if
    its features are large, and none a few logits further.
    """
    step, frame = trial.theta - before.theta, fit.frame
    # no feature is more than one from its centre in the frame
    by_features = np.abs(step[:, :-1] / frame.scale).sum(axis=1)
    if 2 * np.max(by_features + np.abs(step[:, -1] + step[:, :-1] @ frame.centre)) <= 1:
        return False
    args = far_rows, (step,), fit.problem.pass_flops / 2
    hidden, move = fit.problem.curvature_sum(before.theta, *args)
    further = hidden[FAR_OUT * move <= MOVES]
    return len(further) > 0 and 0.5 * further[0] > HIDDEN * goal


def _least_eigenvalue_and_rest(cg, at_most):
    """From what conjugate gradients have seen.

    The least eigenvalue is taken for half the least Ritz value, and for `at_most` at
    most. If no eigenvalue is less, they have left `rest` of the quadratic at most: half
    the squared error in the Hessian's norm, by a bound times the squared residual.
    """
    least = 0.5 * cg.least_ritz_value()
    least = max(min(least, at_most), 1e-12)
    bound = 1 / least
    for length, ratio in zip(cg.lengths, cg.ratios, strict=True):
        bound = (bound - length) / (least * (bound - length) + ratio)
    return least, max(0.5 * cg.rr * bound, 0.0)  # rounding may leave it below


def _is_better(trial, point, coordinates, eps):
    """Whether the trial point is nearer to the optimum, also where F is flat."""
    flat = 16 * eps * abs(point.value)
    if trial.value < point.value - flat:
        return True
    before = np.linalg.norm(coordinates.gradient(point.gradient))
    after = np.linalg.norm(coordinates.gradient(trial.gradient))
    return trial.value <= point.value + flat and after < 0.9 * before
