r"""The penalty: elastic net with factors, prior mean, groups and bounds.

.. math::

    \lambda \sum_{kj} f_{kj} \left[ \rho |w_{kj} - m_{kj}|
    + \frac{1 - \rho}{2} (w_{kj} - m_{kj})^2 \right],
    \qquad \lambda = 1 / (C S), \quad lower \le W \le upper

with :math:`\rho` the l1 ratio. The grouped penalty has
:math:`f_j \lVert w_j - m_j \rVert_2` over the classes of a feature in the l1
term's place. Coefficients and everything that belongs to them are (K, d); the
intercepts are never penalised.

The quadratic part (the *ridge*) is smooth and enters the objective's gradient. The
non-smooth part, the l1 term and the bounds, is used by its value, its proximal operator
and the violation of its KKT conditions.
"""

from functools import cached_property

import numpy as np

from ._kinks import Grouped, Separable


class Penalty:
    """The penalty of a problem.

    Parameters
    ----------
    strength : float
        1 / (C * sum of weights), 0 for no penalty.
    shape : (K, d)
    l1_ratio : float in [0, 1]
    factor : float or array, broadcastable to (K, d)
        Infinity fixes the coefficient at the prior mean, by bounds.
    prior : array (K, d) or None
        What the coefficients shrink to; None is 0.
    bounds : pair of arrays broadcastable to (K, d), or None
    grouped : bool
    """

    def __init__(
        self,
        strength,
        shape,
        *,
        l1_ratio=0.0,
        factor=1.0,
        prior=None,
        bounds=None,
        grouped=False,
    ):
        self.strength, self.l1_ratio = strength, float(l1_ratio)
        factor = np.atleast_2d(np.asarray(factor, dtype=np.float64))
        excluded = np.isinf(factor)
        self.factor = np.where(excluded, 0.0, factor)
        self.has_prior = prior is not None and bool(np.any(prior))
        self.prior = np.broadcast_to(prior if self.has_prior else 0.0, shape)
        with np.errstate(over="ignore", invalid="ignore"):
            self.ridge = strength * (1 - self.l1_ratio) * self.factor
            l1 = strength * self.l1_ratio * self.factor
        if not np.isfinite(self.ridge + l1).all():
            raise ValueError(
                "C is so small, or penalty_factor so large, that the penalty "
                "overflows: use a larger C, or penalty_factor=np.inf to exclude a "
                "feature."
            )
        self.has_ridge = bool(self.ridge.any())
        self.l1 = np.broadcast_to(l1, shape)
        self.has_l1 = bool(self.l1.any())
        # the norm of a single coefficient is the l1 term
        self.grouped = grouped and self.has_l1 and shape[0] > 1
        lower, upper = (-np.inf, np.inf) if bounds is None else bounds
        if excluded.any():
            if np.any(excluded & ((lower > self.prior) | (upper < self.prior))):
                raise ValueError(
                    "penalty_factor is infinite where bounds exclude coef_prior (or "
                    "0), at which it fixes the coefficient: change one of them."
                )
            lower = np.where(excluded, self.prior, lower)
            upper = np.where(excluded, self.prior, upper)
        self.lower = np.broadcast_to(np.asarray(lower, dtype=np.float64), shape)
        self.upper = np.broadcast_to(np.asarray(upper, dtype=np.float64), shape)
        self.has_bounds = bool(np.isfinite(lower).any() or np.isfinite(upper).any())

    def only(self, features):
        """The same penalty of some features, (d,) bool."""
        factor = self.factor
        return Penalty(
            self.strength,
            (len(self.l1), features.sum()),
            l1_ratio=self.l1_ratio,
            factor=factor[:, features] if factor.shape[1] > 1 else factor,
            prior=self.prior[:, features],
            bounds=(self.lower[:, features], self.upper[:, features]),
            grouped=self.grouped,
        )

    @cached_property
    def rest(self):
        """The feasible coefficients nearest to the prior mean, broadcastable."""
        return self.feasible(self.prior) if self.has_bounds else self.prior

    @cached_property
    def kinked(self):
        """Coefficients that working sets treat as non-smooth, (K, d).

        Those with an l1 term or bounds. Without any l1 term all of them are, since most
        may be without bounds, too many to be eliminated.
        """
        return (self.l1 > 0) | self._bounded | (not self.has_l1)

    @cached_property
    def holds(self):
        """Features that have a penalty or a bound in some class, (d,) bool."""
        return ((self.ridge > 0) | (self.l1 > 0) | self._bounded).any(axis=0)

    @property
    def _bounded(self):
        return np.isfinite(self.lower) | np.isfinite(self.upper)

    @property
    def is_smooth(self):
        """Whether it is the quadratic part alone."""
        return not (self.has_l1 or self.has_bounds)

    @property
    def is_ridge(self):
        """Whether it is a multiple of the squared norm, so that W may be rotated."""
        return self.is_smooth and self.ridge.size == 1 and not self.has_prior

    @property
    def is_symmetric(self):
        """Whether it treats all classes alike: steps then sum to zero over them."""
        return self.is_smooth and len(self.ridge) == 1

    def value_gradient(self, W):
        """The quadratic part and its gradient (K, d)."""
        if not self.has_ridge:  # with 74,000 features this saves a tenth of a pass
            return 0.0, self._nothing
        U = W - self.prior if self.has_prior else W
        gradient = self.ridge * U
        # W is part of a larger array, which vdot would copy
        return 0.5 * np.einsum("kj,kj->", gradient, U), gradient

    def value(self, W):
        """The non-smooth part."""
        return self._whole.value((W - self.prior).ravel())

    def free(self, W):
        """Coefficients in which it is smooth at W, (K, d)."""
        return self._whole.free((W - self.prior).ravel()).reshape(W.shape)

    def gradient(self, W):
        """The non-smooth part's derivative in the free coefficients, (K, d)."""
        return self._whole.gradient((W - self.prior).ravel()).reshape(W.shape)

    def onto_face(self, W, trial):
        """The trial, moved back to where it crossed a kink or a bound, seen from W."""
        U, away = (W - self.prior).ravel(), (trial - self.prior).ravel()
        passed = self._whole.onto_face(U, away).reshape(W.shape) == 0
        return self.feasible(np.where(passed, self.prior, trial))

    def feasible(self, W):
        """The nearest coefficients within the bounds."""
        return np.clip(W, self.lower, self.upper)

    def balanced(self, W):
        """W at least cost, among what differs by what all classes share.

        The loss does not see that of three classes and more. An l1 term alone wants the
        median at zero.
        """
        if len(W) < 3 or self.grouped or self.has_bounds:
            return W
        alike = (self.l1 == self.l1[0]).all(axis=0) & ~self.ridge.any(axis=0)
        U = W - self.prior
        shared = alike & U.all(axis=0)
        if not shared.any():
            return W
        W = W.copy()
        W[:, shared] -= np.sort(U[:, shared], axis=0)[len(W) // 2]
        return W

    def unheld(self, W):
        """W where a coefficient may grow without end unpenalised, zero elsewhere."""
        free = self.strength * self.factor == 0
        unbounded = np.where(W > 0, self.upper == np.inf, self.lower == -np.inf)
        return np.where(free & unbounded, W, 0)

    def violation(self, W, G):
        """Distance of -G from the non-smooth part's subdifferential, (K, d).

        G is the gradient of the smooth part. W is optimal where all are zero.
        """
        U = (W - self.prior).ravel()
        return self._whole.violation(U, G.ravel()).reshape(W.shape)

    def most_gain(self, W, violation, value):
        """An upper bound on how much the coefficients can lower the objective, `value`.

        By convexity it falls nowhere faster than the violation. How far it can fall is
        limited by the quadratic part, by bounds, and by the penalty, which cannot be
        more than the objective at a better point.
        """
        falls, steep = violation > 0, violation
        if self.grouped:
            with np.errstate(over="ignore"):
                steep = np.linalg.norm(violation, axis=0) + np.zeros_like(violation)
        violation, steep, l1 = violation[falls], steep[falls], self.l1[falls]
        ridge = self.ridge.ravel()
        if len(ridge) > 1:
            ridge = np.broadcast_to(self.ridge, W.shape)[falls]
        away = np.abs((W - self.prior)[falls])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            reach = np.minimum(violation / ridge, away + np.sqrt(2 * value / ridge))
            if self.has_bounds:
                room = np.maximum(self.upper - W, W - self.lower)
                reach = np.minimum(reach, room[falls])
            each = np.sum(reach * (violation - 0.5 * ridge * reach))
            shared = violation @ away + value * np.max(steep / l1, initial=0.0)
        return np.fmin(each, shared)  # `each` is NaN where nothing limits it

    def part(self, index, scale):
        """The non-smooth part for the coefficients at `index`, in other units.

        Parameters
        ----------
        index : pair of int arrays (N,), classes and features
        scale : (N,) coefficients less the prior mean are `scale` times the variables

        Returns
        -------
        Separable or Grouped, of variables (w - m) / scale
        """
        prior = self.prior[index]
        lower = (self.lower[index] - prior) / scale
        upper = (self.upper[index] - prior) / scale
        l1 = self.l1[index]
        if self.grouped:
            return Grouped(l1, scale, index[1], lower, upper)
        return Separable(l1 * scale, lower, upper)

    def coefs(self, index, scale, part, u):
        """Coefficients of the part's variables; at a bound they are exactly that."""
        values = self.prior[index] + u * scale
        if part.bounded:
            values = np.where(u == part.lower, self.lower[index], values)
            values = np.where(u == part.upper, self.upper[index], values)
        return values

    @cached_property
    def _nothing(self):
        return np.broadcast_to(0.0, self.l1.shape)

    @cached_property
    def _whole(self):
        """The non-smooth part for all coefficients, in their own units."""
        l1, lower, upper = (
            np.ravel(a)
            for a in (self.l1, self.lower - self.prior, self.upper - self.prior)
        )
        if self.grouped:
            K, d = self.l1.shape
            return Grouped(l1, np.ones(K * d), np.tile(np.arange(d), K), lower, upper)
        return Separable(l1, lower, upper)
