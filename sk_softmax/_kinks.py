"""The non-smooth part of the penalty, in any units: an l1 term or norms, and bounds.

Kinks are where it is not smooth: a variable, or a group of them, that is zero.
"""

from functools import cached_property

import numpy as np


class Separable:
    """sum_i c_i |u_i| within lower <= u <= upper."""

    def __init__(self, weight, lower, upper):
        self.weight, self.lower, self.upper = weight, lower, upper
        self.bounded = bool(np.isfinite(lower).any() or np.isfinite(upper).any())

    @cached_property
    def is_smooth(self):
        """Whether there is neither an l1 term nor a bound."""
        return not (self.bounded or self.weight.any())

    @cached_property
    def is_lasso(self):
        """Whether there are no bounds, and scaling can make all weights one."""
        return not self.bounded and self.weight.min() > 1e-8 * self.weight.max()

    def value(self, u):
        """The sum, for u within the bounds."""
        return self.weight @ np.abs(u)

    def prox(self, v, step):
        """argmin_u of sum_i (u_i - v_i)^2 / (2 step_i) plus the penalty."""
        return _clip(self, np.sign(v) * np.maximum(np.abs(v) - step * self.weight, 0))

    def violation(self, u, gradient):
        """How steeply the objective falls along a feasible direction, by variable."""
        if not self.bounded:
            violation = np.maximum(np.abs(gradient) - self.weight, 0)
            (active,) = u.nonzero()  # mostly a few
            slope = np.copysign(self.weight[active], u[active])
            violation[active] = np.abs(gradient[active] + slope)
            return violation
        left = gradient + np.where(u > 0, self.weight, -self.weight)
        right = gradient + np.where(u < 0, -self.weight, self.weight)
        upwards = np.where(u < self.upper, np.maximum(-right, 0), 0)
        return np.maximum(upwards, np.where(u > self.lower, left, 0))

    def free(self, u):
        """Variables in which the penalty is smooth at u."""
        smooth = (u != 0) | (self.weight == 0)
        return smooth & (u > self.lower) & (u < self.upper) if self.bounded else smooth

    def gradient(self, u):
        """Its derivative in the free variables."""
        return self.weight * np.sign(u)

    def add_hessian(self, H, u, free):
        """Add nothing: the penalty is linear in the free variables."""

    def curvature(self, u):
        """Nothing: the penalty is linear in the free variables."""
        return 0.0, lambda v: 0.0

    def onto_face(self, u, trial):
        """The trial, moved back to where it left u's orthant or the bounds."""
        crossed = (np.sign(u) * trial < 0) & (self.weight > 0)
        return _clip(self, np.where(crossed, 0, trial))


class Grouped:
    """sum_g c_g |scale_g u_g|_2 over the variables of a feature, within bounds.

    A feature's variables share one scale.
    """

    def __init__(self, l1, scale, feature, lower, upper):
        _, first, self.group = np.unique(
            feature, return_index=True, return_inverse=True
        )
        self.weight = (l1 * scale)[first]
        self.lower, self.upper = lower, upper
        self.bounded = bool(np.isfinite(lower).any() or np.isfinite(upper).any())

    def norms(self, u):
        """The norm of each group."""
        with np.errstate(over="ignore"):  # infinite where a variable is beyond 1e154
            squares = u * u
        return np.sqrt(np.bincount(self.group, squares, minlength=len(self.weight)))

    def value(self, u):
        """The sum, for u within the bounds."""
        return self.weight @ self.norms(u)

    def prox(self, v, step):
        """argmin_u of sum_i (u_i - v_i)^2 / (2 step_i) plus the penalty.

        The variables of a group must have the same step.
        """
        threshold = np.zeros(len(self.weight))
        threshold[self.group] = step
        threshold *= self.weight
        norms = self.norms(v)
        if not self.bounded:
            with np.errstate(divide="ignore", invalid="ignore"):
                shrink = np.where(norms > threshold, 1 - threshold / norms, 0)
            return v * shrink[self.group]
        # c |u| = min_r c (|u|^2 / r + r) / 2. For a given r the best u has a closed
        # form; bisection finds the r that is the norm of its own u.
        low, high = np.zeros_like(norms), self.norms(_clip(self, v)) + norms

        def best(r):
            with np.errstate(divide="ignore", invalid="ignore"):
                shrink = np.where(r + threshold > 0, r / (r + threshold), 0)
            return _clip(self, v * shrink[self.group])

        for _ in range(60):
            middle = 0.5 * (low + high)
            larger = self.norms(best(middle)) > middle
            low, high = np.where(larger, middle, low), np.where(larger, high, middle)
        u = best(high)
        tiny = high <= 1e-15 * np.maximum(norms, 1e-300)
        return np.where(tiny[self.group] & (_clip(self, 0 * v) == 0), 0, u)

    def violation(self, u, gradient):
        """How steeply the objective falls along a feasible direction, by variable."""
        norms = self.norms(u)
        total = gradient + self._pull(norms) * u
        if self.bounded:
            low, high = u <= self.lower, u >= self.upper
            total[(low & (total > 0)) | (high & (total < 0))] = 0
        steep = self.norms(total)
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.where(steep > 0, np.maximum(1 - self.weight / steep, 0), 0)
        return np.abs(total * np.where(norms > 0, 1, excess)[self.group])

    def free(self, u):
        """Variables in which the penalty is smooth at u."""
        active = (self.norms(u) > 0) | (self.weight == 0)
        return active[self.group] & (u > self.lower) & (u < self.upper)

    def gradient(self, u):
        """Its derivative in the free variables."""
        return self._pull(self.norms(u)) * u

    def _pull(self, norms):
        """Weight over norm of each variable's group; 0 where that is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(norms > 0, self.weight / norms, 0)[self.group]

    def add_hessian(self, H, u, free):
        """Add the Hessian in the free variables to H, (F, F)."""
        norms, group = self.norms(u), self.group[free]
        curvature = self._pull(norms)[free]
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.where(norms[group] > 0, u[free] / norms[group], 0)
        H[np.diag_indices(len(H))] += curvature
        same = group[:, None] == group
        H -= same * np.multiply.outer(curvature * unit, unit)

    def curvature(self, u):
        """Diagonal of its Hessian in the free variables, and products with that."""
        norms, group = self.norms(u), self.group
        pull = self._pull(norms)
        unit = u / np.where(norms > 0, norms, 1)[group]

        def product(v):
            along = np.bincount(group, unit * v, minlength=len(norms))
            return pull * (v - unit * along[group])

        return pull * (1 - unit**2), product

    def onto_face(self, u, trial):
        """The trial, moved back to where it left u's half spaces or the bounds.

        A group that turned by more than a right angle has passed zero.
        """
        along = np.bincount(self.group, u * trial, minlength=len(self.weight))
        passed = (along < 0) & (self.weight > 0)
        return _clip(self, np.where(passed[self.group], 0, trial))


def _clip(part, u):
    """The variables u within their bounds, if there are any."""
    return u.clip(part.lower, part.upper) if part.bounded else u
