"""L-BFGS in good coordinates; when to stop; what to report.

A fit alternates L-BFGS in coordinates taken at the current point with fresh
coordinates, since the Hessian changes as the probabilities do. In coordinates
that make the Hessian the identity, half the squared norm of the gradient is the
distance F - F* that is left. Away from the point where they were taken they
flatter, so before a fit calls itself converged the distance is measured with
conjugate gradients on the true Hessian. The Newton step that this gives for
nothing is taken too, and is what reaches the last digits.

Where the data are small `_direct` comes first, and mostly ends the fit.
"""

import math
from dataclasses import replace

import numpy as np

from ._bounded import applies, descend_in_bounds
from ._coordinates import build
from ._cost import (
    pairs_pay,
    passes_to_build,
    passes_to_end,
    passes_to_verify,
    preference,
)
from ._direct import applies as applies_directly
from ._direct import descend_directly
from ._lbfgs import StageOver, lbfgs
from ._newton import NEAR, newton
from ._optimum import Fit, Leftover, null_point
from ._proximal_newton import proximal_newton
from ._row_space import row_space
from ._sample import draw

# Pairs that L-BFGS remembers: more than scipy's 10, for they cost K d and save
# passes over the data.
MEMORY = 30
# Evaluations at least in the first coordinates, and how much more in each next ones.
FIRST_STAGE, GROWTH = 5, 1.25
# Passes to the next optimum of a path in coordinates that are up to date.
FRESH_PASSES = {"hessian": 2, "blocks": 4, "kronecker": 8, "diagonal": 20}
# Coordinates are kept for another stage where they helped, and the distance is at most
# this times what they had made of it.
FLATTERED = 4
# Relative suboptimality of a sample's optimum: it is no better one of all rows.
SAMPLE_TOL = 1e-3
# A gradient in the frame that is more than rounding.
BLIND = 1e-6
# Where eigenvalues as small as this were seen, the end of each of a path's fits is
# verified anew: conjugate gradients take fewer passes than to go so much further.
SOFT = 0.03


def solve(problem, start=None, *, leftover=None, kinds=None, **options):
    """Minimise a problem, by `descend`, `proximal_newton` or `descend_in_bounds`.

    Where the penalty permits and it pays, on fewer features or at first on fewer
    rows. Parameters and the result are those of `descend`.
    """
    if not problem.penalty.is_smooth:
        if leftover is None and applies(problem):
            return descend_in_bounds(problem, start, **options)
        fit = Fit(problem, start, leftover=leftover, **options)
        return proximal_newton(fit, on_path=leftover is not None)
    if start is not None or leftover is not None:
        return descend(problem, start, kinds=kinds, leftover=leftover, **options)
    space = row_space(problem)
    if space is not None:
        inner = options | space.progress(options)
        result = descend(space.problem, kinds=kinds, **inner)
        lifted = space.lift_result(result, problem, options["tol"])
        if lifted is not None:
            return lifted
        start, spent = space.lift(result.theta), result.n_iter + 1
        return _go_on(problem, start, spent, options, kinds=kinds)
    start, leftover, spent = _sample_optimum(problem, kinds, options)
    return _go_on(problem, start, spent, options, kinds=kinds, leftover=leftover)


def _go_on(problem, start, spent, options, **more):
    """Minimise a smooth problem from a start that has cost so many passes."""
    left = {"max_iter": max(options["max_iter"] - spent, 1)}
    result = descend(problem, start, **options | left, **more)
    return replace(result, n_iter=result.n_iter + spent)


def _sample_optimum(problem, kinds, options):
    """What a sample of the rows tells.

    Returns
    -------
    start : ndarray of shape (K, d + 1) or None
    leftover : Leftover or None
    spent : int
        How many passes over all rows it cost.
    """
    sample, frame = draw(problem)
    leftover = None if frame is None else Leftover(frame)
    if sample is None:
        return None, leftover, 0
    part = sample.rows.shape[0] / problem.rows.shape[0]
    limits = {"tol": max(options["tol"], SAMPLE_TOL), "max_iter": options["max_iter"]}
    with sample.rows.threads():
        start = descend(sample, kinds=kinds, leftover=leftover, **limits).theta
        kinds = kinds or preference(problem, part)
        coordinates, kind = build(sample, start, frame, kinds)
    nulls = None
    if not (problem.has_offset or problem.penalty.has_prior):  # it takes no pass
        nulls = [null_point(problem, problem.class_mass())]
    leftover = Leftover(
        frame,
        nulls=nulls,
        coordinates=coordinates,
        kind=kind,
        strength=problem.penalty.strength,
    )
    return start, leftover, int(np.ceil(part * sample.n_evaluations))


def descend(problem, start=None, *, kinds=None, **options):
    """Minimise a smooth problem.

    Parameters
    ----------
    problem : Problem
    start : ndarray of shape (K, d + 1) or None
    kinds : sequence of str or None
        Kinds of coordinates in order of preference.
    **options
        Of `Fit`.

    Returns
    -------
    Result
    """
    fit = Fit(problem, start, **options)
    fresh = kinds is None and fit.leftover.coordinates is None
    if fresh and fit.passes_left() > 3 and applies_directly(problem):
        descend_directly(fit)
        if fit.converged:
            fit.report()
            return fit.result()
    kinds = kinds or preference(problem)
    builds = passes_to_build(problem)
    coordinates, kind, least = _inherit(fit, kinds)
    debt = 0 if coordinates is None else fit.leftover.debt
    # far from the optimum Newton's model of F is none
    near = float(np.clip(3e-5 / max(fit.tol, 1e-9), 1, NEAR))
    stage, was_stuck, keep = 0, False, False
    while not fit.converged and fit.passes_left() > 0:
        inherited = stage == 0 and coordinates is not None
        if not (inherited or keep):
            coordinates, kind = _fresh_coordinates(fit, kinds, stage, builds)
            if kind != fit.leftover.kind:
                fit.softest = np.inf
            least, debt = 0.0, -fit.passes()
        rebuild = builds.get(kinds[0], 0)
        built = 0 if inherited else min(builds.get(kind, 0), 100)
        # long enough to be worth the building
        shortest = max(FIRST_STAGE * GROWTH**stage, built)
        if_rebuilt = _passes_if_rebuilt(fit, kind, kinds[0], builds, inherited)
        # where the least eigenvalue is known F - F* is at most the distance over it
        target = least or near
        status, least = _stage(fit, coordinates, target, shortest, if_rebuilt, least)
        # what was exact at the start is no more, and the end is to be verified
        outdated = stage == 0 and kind != kinds[0] and not inherited
        outdated &= rebuild + passes_to_verify(kinds[0]) < passes_to_verify(kind)
        stage, keep = stage + 1, False
        if status == "near" and least > 0:
            fit.move(fit.point, fit.distance / least, True)
        elif status == "stuck" or (status == "near" and not outdated):
            if fit.passes_left() <= 1:
                break  # Newton takes a product and an evaluation
            before = fit.distance
            better, least = newton(fit, coordinates, least, rebuild)
            near *= 0.1
            keep = better and fit.distance < FLATTERED * before
            least = least if fit.converged else 0.0  # it was another point's
            stuck = status == "stuck" and not better and not fit.converged
            if stuck and not inherited:
                if len(kinds) > 1:
                    kinds = kinds[1:]  # these coordinates lead nowhere
                elif was_stuck:
                    # F is flat to the last digit, in every direction that we know
                    fit.converged = fit.distance <= 16 * fit.floor
                    break
            was_stuck = status == "stuck" and not inherited
        if fit.converged and _is_blind(fit, coordinates):
            fit.move(fit.point, np.inf, False)
            break
        fit.report()
    least = min(least, fit.softest) if fit.converged else 0.0
    debt += max(fit.passes() - FRESH_PASSES.get(kinds[0], 0), 0)
    return fit.result(coordinates, kind, least, debt)


def _passes_if_rebuilt(fit, kind, wanted, builds, inherited):
    """How many passes the end is away in new coordinates, instead of this kind."""
    if_rebuilt = passes_to_end(fit.problem).get(wanted, 0) - passes_to_verify(kind)
    if fit.point is fit.null and not inherited:
        # the probabilities move so far that it is paid anyway
        if_rebuilt -= builds.get(wanted, 0)
    if kind == "diagonal":  # which costs little to take anew
        if_rebuilt = min(if_rebuilt, FRESH_PASSES[kind])
    return if_rebuilt


def _is_blind(fit, coordinates):
    """Whether the coordinates cannot move a coefficient that has a gradient.

    Where nothing is penalised and all probabilities are saturated there is no
    curvature to tell how far to go.
    """
    if fit.problem.penalty.ridge.all():
        return False
    gradient = fit.point.gradient
    still = coordinates.step(coordinates.gradient(gradient))[:, :-1] == 0
    return bool((still & (np.abs(fit.frame.gradient(gradient)) > BLIND)).any())


def refine(problem, coordinates, **options):
    """Minimise a smooth problem in coordinates that are known to be good.

    One stage of L-BFGS, whose end is not verified.

    Parameters
    ----------
    problem : Problem
    coordinates : Hessian or Kronecker
    **options
        Of `Fit`.

    Returns
    -------
    Result
    """
    fit = Fit(problem, None, **options)
    status, _ = _stage(fit, coordinates, 1, np.inf, 0)
    fit.converged = status == "near"
    return fit.result(coordinates)


def _inherit(fit, kinds):
    """Coordinates and their kind from a fit under another penalty.

    And what their least eigenvalue is known to be, if they are the same as there:
    it falls at most as the penalty does.
    """
    left = fit.leftover
    outdated = left.debt > passes_to_build(fit.problem).get(kinds[0], 0)
    if left.kind is None or outdated:  # there are none, or proximal Newton's
        return None, None, 0.0
    strength = fit.problem.penalty.strength
    with np.errstate(all="ignore"):  # what is not finite is caught below
        coordinates = left.coordinates.with_penalty(fit.problem)
        probe = coordinates.step(np.ones(coordinates.size))
    if not np.isfinite(probe).all():
        return None, None, 0.0
    least = left.least if left.softest > SOFT else 0.0
    if strength < left.strength:
        least *= strength / left.strength
    return coordinates, left.kind, least


def _fresh_coordinates(fit, kinds, stage, builds):
    """Coordinates at the point, and their kind."""
    # without features the probabilities are the same for all rows, and the Hessian
    # is a Kronecker product; which is dearer where there are few features, or where
    # pairs make the other
    exact = stage == 0 and fit.point is fit.null and fit.problem.shape[0] > 1
    exact = exact and not fit.null.theta[:, :-1].any()
    exact = exact and not pairs_pay(fit.problem, kinds[0])
    exact = exact and (
        kinds[0] == "blocks"
        or (kinds[0] == "hessian" and builds["kronecker"] < builds["hessian"])
    )
    kinds = ["kronecker"] * exact + list(kinds)
    return build(fit.problem, fit.point.theta, fit.frame, kinds)


def _stage(fit, coordinates, near, shortest, if_rebuilt, least=0.0):
    """L-BFGS in the coordinates until they put F - F* below near * goal.

    Moves the fit to the best point seen, with F - F* as far as the coordinates can
    be trusted. After the `shortest` number of evaluations it ends where the way that
    is left seems longer than the `if_rebuilt` one in new coordinates.

    Returns
    -------
    status : {"near", "longer", "stuck"}
        Whether that is near, or the way to it is long, or nothing better was found.
    least : float
        As it was, or 0 where a step met less curvature.
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
    # how much less the distance has to become, in logarithms
    to_go = [_log_ratio(distance, near * fit.goal(start.value))]

    def value(u):
        # scipy's first step has length one, whatever the gradient; in units of
        # the gradient's size that is the step to the optimum.
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
        # scipy asks for it where it has just asked for the value; if they came as a
        # pair, it would keep them by the point, which takes as long as half a pass
        return scaled

    status = lbfgs(value, gradient, coordinates.size, MEMORY)
    fit.move(best, 0.5 * (best_gradient @ best_gradient), False)
    return status, least if least_met >= least else 0.0


def _log_ratio(a, b):
    """Of numbers that may be zero."""
    return math.log(max(a, 1e-300)) - math.log(max(b, 1e-300))


def _rate(to_go):
    """What a pass took off, in the mean over the later half."""
    half = len(to_go) // 2
    return (to_go[half] - to_go[-1]) / (len(to_go) - 1 - half)
