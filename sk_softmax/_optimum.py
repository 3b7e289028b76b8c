"""Points, how far they are from the optimum, what a fit leaves and reports."""

from dataclasses import dataclass, replace

import numpy as np

from ._frame import Frame
from ._intercepts import null_points
from ._loss import null_value

# F0 - F counts up to this in the goal. Offsets or a prior mean can put the null point
# further off, but F is a mean over the rows: a distance that is large beside one row's
# loss is not known from the curvature at a point.
MOST_GAIN = 10.0


@dataclass
class Point:
    """A point, and F and its gradient there: one pass over the data.

    The gradient is None where it is not known, as of the null point from class weights.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray | None

    def only(self, features):
        """The same point where there are only some features, (d,) bool."""
        kept = np.append(features, True)
        return Point(self.theta[:, kept], self.value, self.gradient[:, kept])


@dataclass
class Leftover:
    """What a fit leaves to the next one: under another penalty, or of more rows.

    Attributes
    ----------
    frame : Frame
    nulls : list of Point, or None
        `null_points`, with value and gradient of the loss alone.
    point : Point or None
        The solution, with value and gradient of the loss alone.
    coordinates : Hessian, ClassBlocks or Kronecker, or None
    kind : str or None
        Of the coordinates.
    least : float
        Verified lower bound on the Hessian's eigenvalues in the coordinates, or 0.
    softest : float
        The least eigenvalue that was seen in coordinates of this kind.
    strength : float
        Of the penalty.
    debt : int
        Passes that up-to-date coordinates would have saved since these were built.
    working : pair of WorkingSet and its Hessian, or None
        Proximal Newton's, which has no coordinates.
    """

    frame: Frame
    nulls: list | None = None
    point: Point | None = None
    coordinates: object = None
    kind: str | None = None
    least: float = 0.0
    softest: float = np.inf
    strength: float = 0.0
    debt: int = 0
    working: tuple | None = None


@dataclass
class Result:
    """The outcome of a fit.

    Attributes
    ----------
    theta : ndarray of shape (K, d + 1)
    value : float
        The objective.
    n_iter : int
        Passes over the data: evaluations and Hessian products.
    optimality : float
        Estimate of (F - F*) / (F0 - F*), F0 being the objective at the null point.
    gradient_norm : float
        Largest absolute entry of the gradient, or of the KKT violation where the
        penalty is not smooth.
    converged : bool
    leftover : Leftover
    """

    theta: np.ndarray
    value: float
    n_iter: int
    optimality: float
    gradient_norm: float
    converged: bool
    leftover: Leftover


def null_point(problem, mass):
    """The null point, from the classes' weights alone, where all rows are alike there.

    It costs no pass, and its gradient is not known.
    """
    (theta,) = null_points(problem)
    return Point(theta, null_value(mass, problem.fit_intercept), None)


class Fit:
    """A fit under way.

    Parameters
    ----------
    problem : Problem
    start : ndarray of shape (K, d + 1) or None
        Where to start; None is the null point.
    tol : float
        Relative suboptimality at which to stop.
    max_iter : int
        Passes over the data at which to stop.
    progress : callable or None
        Called after each stage with (n_iter, point, optimality); the fit ends where
        it returns true.
    leftover : Leftover or None
        Of an earlier fit: this one uses its frame and null points, and starts at its
        point, or at `start` if that is better.

    Attributes
    ----------
    null, point : Point
        The best of `null_points`, and the best so far.
    distance : float
        Estimate of F - F* at `point`.
    converged : bool
    floor : float
        What rounding leaves unknown of F.
    softest : float
        That of `Leftover`.
    unconfirmed : float
        The gain of the last step whose word awaits another's, or 0.
    last_gain : float
        What the last move took off F.
    """

    def __init__(self, problem, start, *, tol, max_iter, progress=None, leftover=None):
        self.problem, self.tol, self.progress = problem, tol, progress
        self.first_pass = problem.n_evaluations
        self.last_pass = self.first_pass + max_iter
        if leftover is None:  # first of all: the frame refuses what overflows
            leftover = Leftover(Frame(problem))
            if problem.penalty.is_smooth:  # otherwise working sets leave them out
                leftover.frame.hold_constants()
        self.frame, self.softest = leftover.frame, leftover.softest
        nulls = leftover.nulls
        if nulls is None:
            with np.errstate(over="ignore", invalid="ignore"):  # it is refused below
                thetas = map(self.feasible, null_points(problem))
                nulls = [self._with_penalty(self.evaluate(t), -1) for t in thetas]
        self.leftover = replace(leftover, nulls=nulls)
        nulls = [self._with_penalty(point) for point in nulls]
        self.null = self.point = min(nulls, key=lambda point: point.value)
        if not np.isfinite(self.null.value):
            raise ValueError(
                "The objective overflows where the fit starts: bounds, coef_prior or X "
                "are too large in size, or C is too small."
            )
        if leftover.point is not None:
            self.point = self._with_penalty(leftover.point)
        if start is not None:
            point = self.evaluate(self.feasible(start))
            if self.point.gradient is None and not point.value < self.null.value:
                self.null = self.point = self.evaluate(self.null.theta)
            if point.value < self.point.value:
                self.point = point
        self.eps = np.finfo(problem.rows.dtype).eps
        self.floor = 4 * self.eps * max(abs(self.null.value), abs(self.point.value))
        self.distance, self.converged = np.inf, False
        self.unconfirmed = self.last_gain = 0.0

    def only(self, features, progress):
        """A fit of some features, (d,) bool, from this one's point: others are zero."""
        problem = self.problem.only(features)
        leftover = Leftover(
            self.frame.only(features),
            nulls=[null.only(features) for null in self.leftover.nulls],
            point=self._with_penalty(self.point, -1).only(features),
        )
        passes = self.passes_left() * self.problem.pass_flops // problem.pass_flops
        return Fit(
            problem,
            None,
            tol=self.tol,
            max_iter=int(passes),
            progress=progress,
            leftover=leftover,
        )

    def feasible(self, theta):
        """A point within the bounds, its constant features where they cost least.

        They will stay there; the intercepts make up for what they moved.
        """
        penalty, still = self.problem.penalty, self.frame.constant
        theta = theta.copy()
        W = theta[:, :-1] = penalty.feasible(theta[:, :-1])
        if still.any():
            cheapest = penalty.feasible(penalty.prior)
            theta[:, -1] += (W - cheapest)[:, still] @ self.frame.centre[still]
            theta[:, :-1][:, still] = cheapest[:, still]
        return theta

    def _with_penalty(self, point, sign=1):
        """A point of the loss alone with the penalty added, or taken off."""
        penalty, W = self.problem.penalty, point.theta[:, :-1]
        if not (penalty.has_prior or W.any()):
            return point
        value, penalty_gradient = penalty.value_gradient(W)
        if not penalty.is_smooth:
            value += penalty.value(W)
        gradient = point.gradient.copy()
        gradient[:, :-1] += sign * penalty_gradient
        return Point(point.theta, point.value + sign * float(value), gradient)

    def evaluate(self, theta):
        """A point from one pass; its value has the penalty's non-smooth part too."""
        with np.errstate(over="ignore", invalid="ignore"):  # then it is no better
            point = Point(theta, *self.problem.value_gradient(theta))
            if not self.problem.penalty.is_smooth:
                point.value += self.problem.penalty.value(theta[:, :-1])
        return point

    def passes_left(self):
        """How many passes over the data there may still be."""
        return self.last_pass - self.problem.n_evaluations

    def passes(self):
        """How many passes over the data there have been."""
        return self.problem.n_evaluations - self.first_pass

    def goal(self, value):
        """F - F* at which a fit may end, where F has this value."""
        gain = min(self.null.value - value, MOST_GAIN)
        return max(self.tol * gain, 4 * self.eps * abs(value))

    def noise(self, point):
        """Changes of F that rounding may make, also where F itself is nearly zero."""
        return 1e3 * self.eps * max(abs(point.value), abs(self.null.value))

    def error(self, gain, before, point):
        """By how much F's fall between the points missed `gain`, beyond rounding."""
        missed = abs(before.value - point.value - gain)
        return max(missed - self.noise(before), 0.0)

    def move(self, point, distance, converged):
        """Move to a point, at this distance F - F*.

        It is not called converged where one variable alone could gain more than `goal`.
        """
        goal, at_least = self.goal(point.value), self._single_variable_gain(point)
        if point is not self.point:
            self.last_gain = self.point.value - point.value
        self.point, self.distance = point, max(distance, at_least)
        self.converged = bool(converged and at_least <= goal)
        if point.value <= goal:  # F* is not negative
            self.distance, self.converged = point.value, True

    def _single_variable_gain(self, point):
        """What a step in the best single variable takes off F, at least.

        Saturated probabilities show no curvature, and so no gain. But the loss's is at
        most 1/4 along an intercept, and along a coefficient in the frame's units: a
        slope g that nothing penalises gains 2 g^2.
        """
        penalty = self.problem.penalty
        of_intercepts = 2 * np.max(point.gradient[:, -1] ** 2)
        if not penalty.is_smooth:  # a kink or a bound may be in the way
            return of_intercepts
        with np.errstate(over="ignore"):
            curvature = 0.25 + penalty.ridge * self.frame.scale**2
            gains = 0.5 * self.frame.gradient(point.gradient) ** 2 / curvature
        return max(of_intercepts, np.max(gains, initial=0))

    def report(self):
        """Call `progress`, and end the fit if it returns true."""
        if self.progress is not None:
            gain = max(self.null.value - self.point.value, self.floor)
            if self.progress(self.passes(), self.point, self.distance / gain):
                self.last_pass = self.problem.n_evaluations

    def result(self, coordinates=None, kind=None, least=0.0, debt=0, working=None):
        """The Result at `point`, with the coordinates or working set to be left."""
        point, problem = self.point, self.problem
        violation = np.abs(point.gradient)
        if not problem.penalty.is_smooth:
            violation[:, :-1] = problem.penalty.violation(
                point.theta[:, :-1], point.gradient[:, :-1]
            )
        theta = point.theta
        if not problem.penalty.is_symmetric:  # else its steps have kept it centred
            theta = problem.centred(theta)
        return Result(
            theta=theta,
            value=point.value,
            n_iter=max(self.passes(), 1),
            optimality=self._optimality(),
            gradient_norm=float(violation.max()),
            converged=self.converged,
            leftover=replace(
                self.leftover,
                point=self._with_penalty(point, -1),
                coordinates=coordinates,
                kind=kind,
                least=least,
                softest=self.softest,
                debt=debt,
                working=working,
                strength=problem.penalty.strength,
            ),
        )

    def _optimality(self):
        """The distance relative to F0 - F*, at most 1; 1 where it is unknown.

        Where the fit has not converged it is at least `tol`, and what the last move
        took off F counts as left, for coordinates alone often say too little.
        """
        if not np.isfinite(self.distance):
            return 1.0
        distance = self.distance
        if not self.converged:
            distance = max(distance, self.last_gain)
        part = 0.0
        if distance > 0:
            gain = self.null.value - self.point.value + distance
            part = float(min(distance / max(gain, self.floor), 1.0))
        return part if self.converged else max(part, self.tol)
