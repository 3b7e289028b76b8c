"""The objective along a line, from logits that are kept.

Logits are linear in the step. From those at a point and their change along a
direction follow value and slope at any step for one exponential a logit, with no
product with X. A line costs one pass over the data, however many steps are tried:
one product for the change, one for the gradient at the end. Where classes are nearly
separated, a quadratic model misjudges steps by orders of magnitude.
"""

import numpy as np

from ._array_api import total
from ._optimum import Point

# Kept are three numbers a logit, up to so many bytes. Past that each trial is a pass.
MAX_BYTES = 2**24
# A step is taken where the slope is at most this part of what it was.
FLAT = 0.9
# Steps that are tried on a line.
MAX_TRIALS = 12


class Line:
    """The objective on a line from a point, and on the next from where that ended.

    Parameters
    ----------
    fit : Fit
        Under way; what the line costs is counted in its problem.

    Attributes
    ----------
    start : Point
    direction : ndarray of shape (K, d + 1)
    slope : float
        Of the objective at the start.
    length : float
        The step that was found last.
    """

    def __init__(self, fit):
        self._fit, self._problem = fit, fit.problem
        n_bytes = 3 * self._problem.rows.dtype.itemsize * self._problem.rows.shape[0]
        keeps = n_bytes * self._problem.shape[0] <= MAX_BYTES
        self._keeps, self._kept = keeps, None
        self._step, self._point, self.length = 0.0, None, 1.0

    def turn(self, point, direction):
        """Start at the point; if the last line ended there its logits are known."""
        if self._keeps and (point is not self._point or self._kept is None):
            self._kept = self._problem.scratch()
        self.start, self.direction = point, direction
        self.slope = float(np.vdot(point.gradient, direction))
        self._turned, self._point = self._step, None
        self._has_paid = False

    def search(self, step=1.0, sure=True):
        """A point where the line is flat, in comparison with its start.

        The objective is convex: its slope says on which side the minimum is.

        Parameters
        ----------
        step : float
            That is tried first.
        sure : bool
            Whether it is expected to be good: the gradient is then computed on the
            same trip through memory.

        Returns
        -------
        step : float
        point : Point, or None where nothing better was found
        """
        low, high, low_slope, most = 0.0, np.inf, self.slope, 1.0
        for _ in range(MAX_TRIALS if self.slope < 0 else 0):
            if self._kept is None and self._fit.passes_left() <= 0:
                break
            value, slope = self._try(step, sure)
            sure = False
            better = value < self.start.value
            if better and abs(slope) <= -FLAT * self.slope:
                self.length = step
                return step, self.take(step)
            if better and slope < 0:
                if high == np.inf:  # where the secant meets zero
                    beyond = (step - low) * slope / min(low_slope - slope, 1e-3 * slope)
                    longer = np.clip(step + beyond, 1.5 * step, 4 * step)
                low, low_slope, most = step, slope, 0.95
            else:
                # far beyond the minimum the slope says nothing of where that is
                high, high_slope, most = step, slope, max(0.5 * most, 0.05)
            if high == np.inf:
                step = float(longer)
                continue
            part = most
            if high_slope > 0:
                part = np.clip(low_slope / (low_slope - high_slope), 0.05, most)
            step = low + float(part) * (high - low)
        self.length = low or 1.0
        return (low, self.take(low)) if low > 0 else (low, None)

    def _try(self, step, wants_gradient):
        """Value and slope."""
        if self._kept is None:
            self._point = self._fit.evaluate(self._theta(step))
            self._step = step
            return self._point.value, np.vdot(self._point.gradient, self.direction)
        problem, theta = self._problem, self._theta(step)
        # one product with X for the change, one for the gradient
        if self._turned is not None or (wants_gradient and self._has_paid):
            problem.n_evaluations += 1
        self._has_paid |= wants_gradient
        args = self.start.theta, self.direction, self._turned, step, wants_gradient
        flops = problem.pass_flops
        value, slope, *sums = problem.sum(_along, (*args, self._kept), flops)
        self._turned, self._step = None, step
        value, gradient = problem.complete(theta, value, *sums)
        self._point = None
        if sums:
            self._point = Point(theta, value, gradient)
            return value, np.vdot(gradient, self.direction)
        # of what is beside the rows
        slope = slope / problem.total_weight + np.vdot(gradient, self.direction)
        return value, slope

    def _theta(self, step):
        return self.start.theta + step * self.direction

    def take(self, step):
        """The point at a step."""
        if self._point is None or self._step != step:
            self._try(step, True)
        return self._point


def _along(problem, rows, X, theta, direction, turned, step, wants_gradient, kept):
    """A block's value and slope, and the gradient's sums if wanted.

    If `turned` is a number, the line is new, and starts where the last one was at
    this step.
    """
    at = kept.get(rows.start)
    if at is None or turned is not None:
        if at is None:
            Z = problem.logits(rows, X, theta)
        else:
            Z = at["logits"] + turned * at["change"]
        at = {"logits": Z, "change": problem.linear(X, direction), "step": None}
        kept[rows.start] = at
    if at["step"] != step:
        Z = at["logits"] + step * at["change"]
        target, weight = problem.target[rows, ...], problem.weights(rows)
        at["value"], at["residual"] = problem.loss.residual(Z, target, weight)
        at["step"] = step
    R = at["residual"]
    sums = (R @ X, total(R, axis=1)) if wants_gradient else ()
    return at["value"], total(R * at["change"]), *sums
