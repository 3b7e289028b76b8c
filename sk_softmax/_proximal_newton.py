"""Proximal Newton on working sets, where the penalty is not smooth.

Each round takes a working set, the coefficients that are neither zero nor at a bound
and the worst violators of their KKT conditions, and steps to the minimum of the
quadratic model plus the penalty on it. While the model describes what its steps do,
its Hessian serves the next round too.
"""

import numpy as np

from ._face_search import search_faces
from ._newton import SHORTER
from ._proximal_model import IDLE, Model, kkt_violation

# A working set may say that the fit has converged while F can still fall with hidden
# coefficients, outside of it. In so many rounds the gradient may settle that, a pass
# each, before the hidden ones are taken into the set.
PATIENT_ROUNDS = 4
# How far each intercept, of centred features, is assumed to be from its optimum: there
# is no other limit to what it can gain.
INTERCEPTS_REACH = 2
# After so many idle steps F is as low as it gets, whatever distance the model claims.
MOST_IDLE = 30
# A step that took off F more than SHORT times what the model had promised was too short
# and is extended, by up to FURTHEST times itself: BENDING times as far as a constant
# curvature says, since it falls along the step. Steps that promise less than CAREFUL
# times the goal are not: there the model is soon exact.
SHORT, FURTHEST, BENDING, CAREFUL = 1.1, 2.0, 1.3, 1000


def proximal_newton(fit, on_path=False):
    """Minimise a problem with a non-smooth penalty or bounds.

    Parameters
    ----------
    fit : Fit
        It goes on from `fit.point`.
    on_path : bool
        Whether it starts from the optimum of the last fit of a path.

    Returns
    -------
    Result
    """
    problem = fit.problem
    model, most_left, waited = Model(fit, on_path), 0.0, 0
    violation = kkt_violation(problem, fit.point, fit.frame)
    while not fit.converged and fit.passes_left() > 0 and model.idle <= MOST_IDLE:
        with np.errstate(all="ignore"):  # without curvature a step is infinite
            step = model.step(violation)
        if step is None:
            search_faces(fit, model.dear)
            violation = kkt_violation(problem, fit.point, fit.frame)
            continue
        goal = fit.goal(fit.point.value)
        near = model.trusted and step.reliable and step.distance <= goal
        hidden = model.hidden(step.distance) if near else None
        unseen = near and hidden.any()
        waited += unseen
        # the gradient will not settle it, so the hidden ones join the set
        hopeless = most_left == np.inf or waited > PATIENT_ROUNDS
        if unseen and (hopeless or step.distance <= fit.floor):
            model.widen(hidden)
            continue
        fit.move(fit.point, step.known, near and not unseen)
        if fit.converged or step.ends_turns:
            break
        if model.is_stale(step):
            model.drop()
            continue
        level = model.damping.level
        trial = _search(fit, step, level)
        if trial is not None:
            model.learn(step, trial)
            if level == 0:
                trial = _further(fit, step, trial)
            violation = kkt_violation(problem, trial, fit.frame)
            # down a path sets hold what comes in next, and their word is enough
            most_left = np.inf if on_path else _most_gain(fit, trial, violation)
            proven = most_left <= fit.goal(trial.value)
            distance = min(most_left, step.known) if proven else step.known
            fit.move(trial, distance, proven)
            fit.report()
            continue
        # no better point was found: this is the optimum, or the model is wrong
        nothing = step.distance <= max(1e3 * fit.floor, IDLE * goal)
        flat = model.fresh and step.reliable and nothing
        hidden = model.hidden(step.distance) if flat else None
        fit.move(fit.point, step.known, flat and not hidden.any())
        if flat and hidden.any():
            model.widen(hidden)
        elif not (fit.converged or model.recover(step)):
            break
    return fit.result(working=model.working())


def _most_gain(fit, point, violation):
    """The most by which F can fall from the point: a bound from its gradient alone."""
    penalty, W = fit.problem.penalty, point.theta[:, :-1]
    gain = penalty.most_gain(W, violation / fit.frame.scale, point.value)
    return gain + INTERCEPTS_REACH * np.abs(point.gradient[:, -1]).sum()


def _search(fit, step, damping):
    """Backtrack along the step to a sufficient decrease of F, or None.

    A damped step is not shortened: more damping is what it needs.
    """
    gain, value = step.gain, fit.point.value
    # F is not negative, so that a greater promise is false; NaN comes from no curvature
    if not 0 < gain <= value:
        return None
    lengths = (1.0,) if damping else (1.0, *SHORTER)
    for length in lengths[: fit.passes_left()]:
        theta = fit.point.theta + length * step.direction
        if length == 1.0:
            theta[:, :-1] = step.landing
        theta[:, :-1] = fit.problem.penalty.feasible(theta[:, :-1])
        trial = fit.evaluate(theta)
        if trial.value <= value - 0.01 * length * gain + 0.25 * fit.floor:
            return trial
    return None


def _further(fit, step, trial):
    """The trial, or a point beyond it on the same face of the penalty where F is less.

    Where probabilities become certain the curvature falls along a step, and the model,
    which takes it for constant, ends it too early. One pass, to about where the slope
    is zero, costs less than the round that it saves.
    """
    taken, penalty = fit.point.value - trial.value, fit.problem.penalty
    far = step.gain > CAREFUL * fit.goal(trial.value) and fit.passes_left() > 0
    if not (far and taken > SHORT * step.gain):
        return trial
    W, centre = trial.theta[:, :-1], fit.frame.centre
    gradient, way = trial.gradient.copy(), trial.theta - fit.point.theta
    gradient[:, :-1] += penalty.gradient(W)
    held = np.where(penalty.free(W), 0, way[:, :-1])
    way[:, :-1] -= held
    way[:, -1] += held @ centre  # the intercepts' part that centres what is held
    slope = np.vdot(gradient, way)
    curvature = 2 * (taken + slope)  # as if it were constant
    if not slope < 0 < curvature:
        return trial
    length = min(BENDING * -slope / curvature, FURTHEST)
    theta = trial.theta + length * way
    landing = penalty.onto_face(W, theta[:, :-1])
    theta[:, -1] += (theta[:, :-1] - landing) @ centre
    theta[:, :-1] = landing
    beyond = fit.evaluate(theta)
    return beyond if beyond.value < trial.value else trial
