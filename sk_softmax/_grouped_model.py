"""Minimum of a quadratic plus the norms of groups of variables, within bounds.

The semismooth Newton method ends it in a few steps from almost everywhere. Where it
gets stuck, mostly among collinear features, steps with smoothed norms, smoothed less
and less, find a point from which it does not.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError

from ._kinks import Separable
from ._model_steps import newton_direction, solve_singular
from ._separable_model import semismooth_newton, walk

# Semismooth steps.
MAX_STEPS = 15
# Steps with smoothed norms, and how many of them until a semismooth step is tried.
MAX_SMOOTH_STEPS, TRIED = 60, 3
# Smoothing: what is added to norms, in units in which H is about one. At first, where
# all are zero; at first at least, where some are not; and in the end.
FIRST_NORM, FEW_NORM, LEAST_NORM = 1.0, 1e-2, 1e-12
# Norms up to this times what is added to them are on their way to zero.
GONE = 10.0
# A step of the norms' gradients y goes at most this part of the way to where |y| = c.
INSIDE = 0.99
# After each step the smoothing is multiplied by a factor from FASTEST to SLOWEST: the
# violation that is left of the smoothed model, in units of SMALL times a norm's pull.
SLOWEST, FASTEST, SMALL = 0.9, 0.1, 0.3
# Curvature below minus this part of its terms is negative, and not rounding.
NEGATIVE = 1e-10
# Relative KKT violation at which the minimum in a box is found.
BOX_TOL = 1e-9
# Parts of a step that are tried where it is too long.
SHORTER = 0.5, 0.25, 0.1
EPS = np.finfo(np.float64).eps


def minimise_grouped(H, q, u, part, size, goal):
    """The same as `minimise_separable`, for a part that is Grouped.

    Raises a LinAlgError if H has negative curvature.
    """
    return _Model(H, q, u, part, size).minimum(goal).v


class _Point(NamedTuple):
    """Variables, the quadratic's gradient, and the model's value beside that at u."""

    v: np.ndarray
    gradient: np.ndarray
    value: float


class _Model:
    """The model; parameters are those of `minimise_grouped`."""

    def __init__(self, H, q, u, part, size):
        self.H, self.q, self.u, self.part = H, q, u, part
        self._root, self._at_u = 1 / np.sqrt(size), part.value(u)
        self._same = part.group[:, None] == part.group
        # row sums of absolute values bound the greatest eigenvalue of a group's block
        most = np.zeros(len(part.weight))
        np.maximum.at(most, part.group, np.abs(H * self._same).sum(axis=1))
        self._step = 1 / most[part.group]
        # a group's unit, in which its H is about one, and the pull of its norm there
        self._unit = np.sqrt(np.bincount(part.group) / self._sum(size))
        steep = part.weight * self._unit
        self._steep = np.where(steep > 0, steep, np.inf)

    def at(self, v):
        """The point v; a LinAlgError if H has negative curvature on the way from u."""
        d = v - self.u
        Hd = self.H @ d
        if d @ Hd < -NEGATIVE * (np.abs(d) @ np.abs(Hd)):
            raise LinAlgError("The model is not convex.")
        change = self.part.value(v) - self._at_u
        return _Point(v, self.q + Hd, (self.q + 0.5 * Hd) @ d + change)

    def violation(self, point):
        """The greatest KKT violation, in units of sqrt(size)."""
        return (self.part.violation(point.v, point.gradient) * self._root).max()

    def _is_better(self, trial, point):
        """Whether the model is less or, if rounding hides that, the violation half."""
        flat = 4 * EPS * self._at_u
        return trial.value < point.value or (
            trial.value <= point.value + flat
            and self.violation(trial) < 0.5 * self.violation(point)
        )

    def _sum(self, x):
        """Over each group."""
        return np.bincount(self.part.group, x, minlength=len(self.part.weight))

    def minimum(self, goal):
        """A point whose violation is at most the goal, or the best that was seen."""
        point = self.at(self.u)
        for _ in range(MAX_STEPS):
            if self.violation(point) <= goal:
                return point
            end = self.at(self._semismooth_step(point))
            ways = self._ways(point.v, end)
            better = next((way for way in ways if self._is_better(way, point)), None)
            if better is None:
                break
            point = better
        return self._smoothed_steps(point, goal)

    def _semismooth_step(self, point):
        """Where a semismooth Newton step for v = prox(v - step * gradient) leads.

        It is Newton's step from the end of a proximal step, on the face and with the
        norms there (Zhang, Zhang, Sun and Toh, doi:10.1007/s10107-018-1329-6).
        """
        step = self._step
        landing = self.at(self.part.prox(point.v - step * point.gradient, step))
        d = newton_direction(self.H, self.part, landing.v, landing.gradient)
        return self.part.onto_face(landing.v, landing.v + d)

    def _ways(self, v, end):
        """The end, and points on the way there."""
        yield end
        for length in SHORTER:
            yield self.at(v + length * (end.v - v))

    def _smoothed_steps(self, point, goal):
        """Near the minimiser, by norms that are smoothed less from step to step."""
        norms = self.part.norms(point.gradient)
        weight = self.part.weight
        y = np.minimum(1, INSIDE * weight / np.maximum(norms, 1e-300))
        y = -point.gradient * y[self.part.group]
        largest = (self.part.norms(point.v) / self._unit).max()
        level = max(largest, FEW_NORM if largest else FIRST_NORM)
        best = point
        for i in range(1, MAX_SMOOTH_STEPS + 1):
            point, y, left = self._smoothed_step(point, y, level * self._unit)
            level *= np.clip(left / SMALL, FASTEST, SLOWEST)
            if i % TRIED and level >= LEAST_NORM:
                continue
            gone = self.part.norms(point.v) <= GONE * level * self._unit
            v = np.where(gone[self.part.group], 0.0, point.v)
            start = self.at(v.clip(self.part.lower, self.part.upper))
            trial = self.at(self._semismooth_step(start))
            if self.violation(trial) <= goal:
                return trial
            best = min(best, start, trial, point, key=lambda point: point.value)
            if level < LEAST_NORM:
                break
        return best

    def _smoothed_step(self, point, y, floor):
        """Newton's step, with sqrt(|v_g|^2 + floor_g^2) instead of |v_g|.

        The norms' gradients y = c v / |v| are variables too, for y |v| = c v is nearer
        to linear than the quotient (Chan, Golub and Mulet,
        doi:10.1137/S1064827596299767). They stay below c in size.

        Returns
        -------
        point : _Point
        y : (N,)
        left : float
            The smoothed model's violation there, relative to the pull of each norm.
        """
        part, group, (v, slope, _) = self.part, self.part.group, point
        box = Separable(np.zeros_like(v), part.lower, part.upper)
        norms = np.hypot(part.norms(v), floor)
        curvature = (part.weight / norms)[group]
        turn = np.multiply.outer(y / (norms**2)[group], v)
        A = self.H - 0.5 * self._same * (turn + turn.T)
        A.flat[:: len(v) + 1] += curvature
        new = self.at(_minimise_in_box(A, slope + curvature * v, v, box))
        along = (self._sum(v * (new.v - v)) / norms**2)[group]
        y = self._step_inside(y, curvature * new.v - y - along * y)
        curvature = (part.weight / np.hypot(part.norms(new.v), floor))[group]
        violation = box.violation(new.v, new.gradient + curvature * new.v)
        return new, y, (violation * self._root / self._steep[group]).max()

    def _step_inside(self, y, dy):
        """y + dy, or as far that way as each group's norm stays below its weight."""
        a, b = self._sum(dy * dy), self._sum(y * dy)
        room = np.maximum(self.part.weight**2 - self._sum(y * y), 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(a > 0, (np.sqrt(b * b + a * room) - b) / a, np.inf)
        return y + np.minimum(1, INSIDE * reach)[self.part.group] * dy


def _minimise_in_box(A, slope, v, box):
    """argmin of slope^T (w - v) + (w - v)^T A (w - v) / 2 over w in the box."""
    if not box.bounded:
        return v - solve_singular(A, slope)
    size = A.diagonal()
    w, settled = semismooth_newton(A, slope, v, box, size)
    if settled:
        return w
    first = (box.violation(v, slope) / np.sqrt(size)).max()
    return walk(A, slope, v, box, w, BOX_TOL * first)
