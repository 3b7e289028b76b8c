"""The way to the optimum: stages of L-BFGS in good coordinates; when to stop.

A fit is a sequence of stages: L-BFGS in coordinates that were built at the current
point, then in fresh ones, since the Hessian changes as the probabilities do. In
coordinates that make the Hessian the identity, half the squared norm of the gradient
is the distance F - F* that is left. Away from the point where they were built they
make it look too small, so before a fit calls itself converged the distance is measured
with conjugate gradients on the true Hessian. These also give a Newton step, which is
taken and reaches the last digits.

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
from ._lbfgs import stage
from ._newton import NEAR, hides, newton
from ._optimum import Fit, Leftover, null_point
from ._proximal_model import MOST_WORKING_SET
from ._proximal_newton import proximal_newton
from ._row_space import row_space
from ._sample import draw
from ._screening import fit_those_in_use

# Evaluations in the first stage, at least, and the factor for each next one.
FIRST_STAGE, GROWTH = 5, 1.25
# Passes from one optimum of a path to the next in coordinates that are up to date. What
# a fit takes beyond these is its coordinates' debt.
FRESH_PASSES = {"hessian": 2, "blocks": 4, "kronecker": 8, "diagonal": 20}
# Coordinates are kept for another stage where the Newton step in them was better, and
# the distance that it measured is less than this times their own estimate.
FLATTERED = 4
# Stages from Hessians of their own after which L-BFGS has met walls: rows whose large
# features turn their probabilities from certain to wrong within a step. Damped Newton's
# steps follow such walls.
MANY_HESSIANS = 5
# Least `tol` for a sample: its optimum is further than this from that of all rows.
SAMPLE_TOL = 1e-3
# A fit in other coordinates goes on in the Hessian's once it has taken so many times
# the passes that a whole fit in these is expected to cost: by then it has cost about as
# much again as if they had been chosen at once.
OVERDUE = 2
# A gradient greater than this, in the frame, is not rounding.
BLIND = 1e-6
# Least eigenvalue that is handed down a path to bound F - F*. With a smaller one L-BFGS
# would have to come so much nearer that conjugate gradients, anew at the end of each
# fit, take fewer passes.
SOFT = 0.03


def solve(problem, start=None, *, leftover=None, kinds=None, **options):
    """Minimise a problem, by `descend`, `proximal_newton` or `descend_in_bounds`.

    Where the penalty permits it and it pays, `descend` runs in the span of the rows, or
    on a sample of them first. Parameters and the result are those of `descend`.
    """
    if not problem.penalty.is_smooth:
        if leftover is None and applies(problem):
            return descend_in_bounds(problem, start, **options)
        fit = Fit(problem, start, leftover=leftover, **options)
        if leftover is None and problem.penalty.has_l1 and problem.rows.is_sparse:
            fit_those_in_use(fit)
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
    """Minimise a smooth problem from a start that has already cost `spent` passes."""
    left = {"max_iter": max(options["max_iter"] - spent, 1)}
    result = descend(problem, start, **options | left, **more)
    return replace(result, n_iter=result.n_iter + spent)


def _sample_optimum(problem, kinds, options):
    """A start, and coordinates there, from a sample of the rows, if one pays.

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
    if not (problem.has_offset or problem.penalty.has_prior):
        # known without a pass; a start that is better needs no more of it
        nulls = [null_point(problem, problem.class_mass())]
    leftover = Leftover(frame, nulls=nulls, coordinates=coordinates, kind=kind)
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
    return _Stages(fit, kinds or preference(problem)).run()


class _Stages:
    """The stages of a fit, and the coordinates that it is in.

    Parameters
    ----------
    fit : Fit
    kinds : sequence of str
        Kinds of coordinates in order of preference.

    Attributes
    ----------
    coordinates : Hessian, ClassBlocks or Kronecker
    kind : str
        Theirs.
    inherited : bool
        Whether they are of another fit.
    keep : bool
        Whether the next stage is in them too.
    least : float
        Lower bound on the Hessian's eigenvalues in them, or 0 where none is known.
    debt : int
        Passes before they were built, negative, or that of earlier fits in them.
    near : float
        How near the goal a stage ends, as a multiple of it.
    built_at : Point or None
        Where the coordinates were built, unless they are inherited.
    """

    def __init__(self, fit, kinds):
        self.fit, self.kinds = fit, list(kinds)
        self.builds = passes_to_build(fit.problem)
        self.coordinates, self.kind, self.least = _inherit(fit, kinds)
        self.inherited = self.keep = self.coordinates is not None
        self.debt = fit.leftover.debt if self.inherited else 0
        # Newton's model of F is of use from a relative suboptimality of about 3e-5 on
        self.near = float(np.clip(3e-5 / max(fit.tol, 1e-9), 1, NEAR))
        self.built_at = None
        self.stage, self.n_hessians, self.was_stuck = 0, 0, False

    def run(self):
        """Go through stages until the end is verified or passes run out."""
        fit = self.fit
        while not fit.converged and fit.passes_left() > 0:
            if not self.keep:
                self._renew()
            status, self.keep = self._descend(), False
            if status == "near" and self.least > 0:
                fit.move(fit.point, fit.distance / self.least, True)
            elif status == "stuck" or (status == "near" and not self._outdated()):
                if fit.passes_left() <= 1:
                    break  # Newton takes a product and an evaluation
                if self._verify(stuck=status == "stuck"):
                    break
            elif status == "longer" and self.kind == "hessian" and not self.inherited:
                self.n_hessians += 1
                if self.n_hessians == MANY_HESSIANS:
                    _past_walls(fit)
            if self._overdue():
                self.keep = False  # the next stage is in those
                self.kinds.remove("hessian")
                self.kinds.insert(0, "hessian")
            if fit.converged and self._hides():
                fit.converged = self.keep = False
            if fit.converged and _is_blind(fit, self.coordinates):
                fit.move(fit.point, np.inf, False)
                break
            fit.report()
            self.stage, self.inherited = self.stage + 1, False
        least = min(self.least, fit.softest) if fit.converged else 0.0
        fresh = FRESH_PASSES.get(self.kinds[0], 0)
        debt = self.debt + max(fit.passes() - fresh, 0)
        return fit.result(self.coordinates, self.kind, least, debt)

    def _renew(self):
        """Build coordinates at the point."""
        fit = self.fit
        kinds = ["kronecker"] * self._kronecker_is_exact() + self.kinds
        built = build(fit.problem, fit.point.theta, fit.frame, kinds)
        self.coordinates, self.kind = built
        if self.kind != fit.leftover.kind:  # of other coordinates nothing is known yet
            fit.softest = np.inf
        self.least, self.debt, self.built_at = 0.0, -fit.passes(), fit.point

    def _kronecker_is_exact(self):
        """Whether the Kronecker product is the whole Hessian, and cheaper to build.

        At the null point all rows have the same probabilities, and the Hessian is such
        a product: those coordinates see all of it. They are the dearer ones only where
        features are few, or where the others are built from pairs of entries.
        """
        fit, wanted, builds = self.fit, self.kinds[0], self.builds
        if self.stage > 0 or fit.point is not fit.null or fit.problem.shape[0] == 1:
            return False
        if fit.null.theta[:, :-1].any() or pairs_pay(fit.problem, wanted):
            return False
        dear = wanted == "hessian" and builds["kronecker"] < builds["hessian"]
        return wanted == "blocks" or dear

    def _descend(self):
        """L-BFGS in the coordinates, as long as new ones would not be better."""
        built = 0 if self.inherited else min(self.builds.get(self.kind, 0), 100)
        # a stage is at least as long as its coordinates took to build, up to 100 passes
        shortest = max(FIRST_STAGE * GROWTH**self.stage, built)
        # F - F* is at most the coordinates' distance over their least eigenvalue; where
        # that is known, no conjugate gradients are needed to verify the end
        status, self.least = stage(
            self.fit,
            self.coordinates,
            self.least or self.near,
            shortest,
            self._passes_if_rebuilt(),
            self.least,
        )
        return status

    def _passes_if_rebuilt(self):
        """How many passes it is to the end if the wanted coordinates are built now.

        Less those that verify the end in the present ones: they are saved then.
        It is negative for the Kronecker product at the null point, whose stage
        therefore ends once it is as long as it has to be.
        """
        fit, wanted = self.fit, self.kinds[0]
        passes = passes_to_end(fit.problem).get(wanted, 0)
        passes -= passes_to_verify(self.kind)
        if fit.point is fit.null and not self.inherited:
            # the probabilities move so far from there that new ones are built anyway
            passes -= self.builds.get(wanted, 0)
        if self.kind == "diagonal":  # which costs little to build anew
            passes = min(passes, FRESH_PASSES[self.kind])
        return passes

    def _hides(self):
        """Whether rows far out may have hidden a way down since the coordinates' point.

        What they take for curvature there is gone, and conjugate gradients, which start
        with the steps that the coordinates think longest, end before they see it.
        """
        fit, before = self.fit, self.built_at
        if before is None or fit.passes_left() <= 3:
            return False
        goal = fit.goal(fit.point.value)
        if before.value - fit.point.value <= max(NEAR * goal, fit.noise(fit.point)):
            return False
        return hides(fit, before, fit.point, goal)

    def _outdated(self):
        """Whether new coordinates may cost less than to verify the end in these.

        The Kronecker product that was exact at the null point no longer is.
        """
        wanted = self.kinds[0]
        if self.stage > 0 or self.kind == wanted or self.inherited:
            return False
        rebuild = self.builds.get(wanted, 0) + passes_to_verify(wanted)
        return rebuild < passes_to_verify(self.kind)

    def _overdue(self):
        """Whether a fit in the Hessian's coordinates would long have ended."""
        expected = passes_to_end(self.fit.problem).get("hessian", math.inf)
        late = self.fit.passes() > OVERDUE * expected
        return late and "hessian" in self.kinds[1:]

    def _verify(self, stuck):
        """Newton's steps from the end of a stage; whether F is flat there."""
        fit, before = self.fit, self.fit.distance
        rebuild = self.builds.get(self.kinds[0], 0)
        better, least = newton(fit, self.coordinates, self.least, rebuild)
        self.near *= 0.1
        self.keep = better and fit.distance < FLATTERED * before
        self.least = least if fit.converged else 0.0  # the next end is another point
        stuck &= not self.inherited
        if stuck and not better and not fit.converged:
            if len(self.kinds) > 1:
                del self.kinds[0]  # these coordinates lead nowhere
            elif self.was_stuck:
                # stuck twice: F is flat to the last digit in all known directions
                fit.converged = fit.distance <= 16 * fit.floor
                return True
        self.was_stuck = stuck
        return False


def _past_walls(fit):
    """Damped Newton's steps, of as many coefficients as a working set can have."""
    if fit.point.theta.size <= MOST_WORKING_SET:
        proximal_newton(fit)
        if fit.passes_left() > 2:  # conjugate gradients verify its end
            fit.converged = False


def _is_blind(fit, coordinates):
    """Whether some coefficient has a gradient, but the coordinates cannot move it.

    They hold what has no curvature. Where all probabilities are saturated and not
    everything is penalised, there is a slope and no curvature to say how far to go.
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
    status, _ = stage(fit, coordinates, 1, np.inf, 0)
    fit.converged = status == "near"
    return fit.result(coordinates)


def _inherit(fit, kinds):
    """Coordinates from a fit under another penalty, their kind, their least eigenvalue.

    The eigenvalue is a lower bound, or 0 where none is known: it falls no faster than
    the penalty does.
    """
    left = fit.leftover
    outdated = left.debt > passes_to_build(fit.problem).get(kinds[0], 0)
    if left.coordinates is None or outdated:
        return None, None, 0.0
    strength = fit.problem.penalty.strength
    with np.errstate(all="ignore"):  # what is not finite is caught below
        coordinates = left.coordinates.with_penalty(fit.problem)
        if coordinates is not left.coordinates and hasattr(coordinates, "follow"):
            coordinates.follow(fit.problem, fit.point.theta)
        probe = coordinates.step(np.ones(coordinates.size))
    if not np.isfinite(probe).all():
        return None, None, 0.0
    least = left.least if left.softest > SOFT else 0.0
    if strength < left.strength:
        least *= strength / left.strength
    return coordinates, left.kind, least
