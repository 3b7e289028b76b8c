r"""The objective at a point: value, gradient and Hessian product.

.. math::

    F(W, b) = \frac{1}{S} \sum_i s_i \ell(t_i, W x_i + b) + penalty(W)

Layouts, here and in everything above:

- theta, a point: (K, d + 1) float64, the coefficients W = theta[:, :-1] and the
  intercepts b = theta[:, -1]; K is 1 for two classes. Without an intercept the
  last column has a zero gradient and does not change.
- a gradient or direction has theta's shape.
- P: probabilities of a block's m rows, (K, m) in X's dtype.
"""

from copy import copy

import numpy as np

from ._array_api import (
    cast,
    class_masses,
    dot,
    is_foreign,
    like,
    namespace,
    take_rows,
    to_numpy,
    total,
    widest_float,
)
from ._products import combination, linear

# Newton steps for the intercepts, while the coefficients are fixed.
MAX_INTERCEPT_STEPS = 50


class Problem:
    """Loss over the rows plus penalty.

    Parameters
    ----------
    rows : Rows
    loss : Softmax or Sigmoid
    target : ndarray of shape (n,) of codes, or (n, K) of distributions
    weight : ndarray of shape (n,) or None
        Weights of the rows in X's dtype; None is one each.
    penalty : Penalty
    fit_intercept : bool
    offset : ndarray of shape (n, K) or None
        Added to the logits, in X's dtype.

    Attributes
    ----------
    has_labels, has_offset : bool
        Whether the target is codes, and whether there are offsets.
    n_evaluations : int
        Passes over the data so far: values, gradients and Hessian products.
    """

    def __init__(self, rows, loss, target, weight, penalty, fit_intercept, offset=None):
        self.rows = rows
        self.loss = loss
        self.target = target
        self.has_labels = target.ndim == 1
        self.weight = weight
        self.total_weight = (
            float(rows.shape[0])
            if weight is None
            else np.float64(to_numpy(total(weight)))
        )
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.offset = offset
        self.has_offset = offset is not None
        self.n_evaluations = 0
        self._measure()
        self._ones = None if weight is not None else rows.ones()
        self._class_mass = None

    def _measure(self):
        (n, d), K = self.rows.shape, self.loss.n_outputs
        self.shape = (K, d + 1)
        # Two products with X, twice as dear as their operations, since BLAS is slow at
        # thin matrices; and about fifteen operations per logit that cost four each.
        self.pass_flops = 8 * K * self.rows.entries + 60 * K * n

    def sum(self, block, args, flops, result_bytes=0):
        """Sum over the row blocks of ``block(self, rows, X, *args)``.

        Every sum over the rows is one of these. `block` is a function of a module and
        no closure, so that it and its arguments can be sent to where the rows are.
        `flops` and `result_bytes` are those of `Rows.sum`.
        """
        args = self.rows.bring(args)
        return self.rows.sum(
            lambda rows, X: block(self, rows, X, *args), flops, result_bytes
        )

    def scratch(self):
        """An empty dict in which blocks keep arrays from one sum to the next.

        It is passed as an argument of `sum`, and each time the same dict arrives.
        """
        return {}

    def close(self):
        """Release what is held elsewhere; here that is nothing."""

    def confusion(self, theta):
        """Probability of class l summed over the rows of class k, (n_classes,) * 2.

        And the same with the rows' weights, (2, n_classes, n_classes) together. By the coefficients that neither the penalty nor bounds hold back; None where
        these are none, as in most fits, which saves the pass.
        """
        free = theta.copy()
        free[:, :-1] = self.penalty.unheld(theta[:, :-1])
        if not free[:, :-1].any():
            return None
        held = (theta - free)[:, :-1]
        if self.fit_intercept and held.any():
            # the intercepts make up for the mean logit of the coefficients left out
            free[:, -1] += held @ self.feature_mean()
        (confusion,) = self.sum(_confusion, (free,), self.pass_flops / 2)
        return confusion

    def with_penalty(self, penalty):
        """The same problem with another penalty."""
        other = copy(self)
        other.penalty, other.n_evaluations = penalty, 0
        return other

    def replaced(self, **changes):
        """The same problem but for some of the constructor's arguments."""
        names = "rows", "loss", "target", "weight", "penalty", "fit_intercept", "offset"
        return Problem(**{name: getattr(self, name) for name in names} | changes)

    def sample(self, index):
        """The problem of some of the rows, in memory, with the same penalty."""
        target, weight, offset = (
            None if array is None else take_rows(array, index)
            for array in (self.target, self.weight, self.offset)
        )
        rows = self.rows.take(index)
        return self.replaced(rows=rows, target=target, weight=weight, offset=offset)

    def take(self, index):
        """The problem of a fold; index holds rows, or chunks if X is dask's."""
        return self.sample(index)

    @property
    def observes_rows_once(self):
        """Whether each row counts as one observation: a label, with weight one."""
        weight = self.weight
        once = weight is None or bool(namespace(weight).all(weight == 1))
        return self.has_labels and once

    def weights(self, rows):
        """Weights of a block's rows, (m,)."""
        return (self._ones if self.weight is None else self.weight)[rows]

    def logits(self, rows, X, theta):
        """Logits of a block, (K, m) in X's dtype."""
        Z = self.linear(X, theta)
        if self.offset is not None:
            Z += self.offset[rows, :].T
        return Z

    def linear(self, X, theta):
        """W x + b of a block's rows, (K, m) in X's dtype."""
        theta = like(theta, X)
        W = theta[:, :-1]
        if isinstance(W, np.ndarray) and not W.any():  # fits start there
            return np.repeat(theta[:, -1:], X.shape[0], axis=1)
        if self.rows.is_sparse:  # X.T would be a copy
            Z = np.ascontiguousarray((X @ W.T).T)
        else:
            Z = linear(W, X)
        Z += theta[:, -1:]
        return Z

    def _in_order(self, theta):
        """Theta in the memory order of products with X: by features if X is sparse."""
        return np.asfortranarray(theta) if self.rows.is_sparse else theta

    def value_gradient(self, theta):
        """F and its gradient: one pass over the data."""
        self.n_evaluations += 1
        args = (self._in_order(theta),)
        value, gW, gb = self.sum(_value_gradient, args, self.pass_flops)
        penalty, penalty_gradient = self.penalty.value_gradient(theta[:, :-1])
        gradient = np.zeros(self.shape)
        np.divide(gW, self.total_weight, out=gradient[:, :-1])
        gradient[:, :-1] += penalty_gradient
        if self.fit_intercept:
            np.divide(gb, self.total_weight, out=gradient[:, -1])
        return float(value) / self.total_weight + float(penalty), gradient

    def hessian(self, theta):
        """The Hessian at theta as a function of a direction: one pass per call.

        It keeps the probabilities, n K numbers of X's dtype, from its first call on:
        later calls cost two products with X and no exponential.
        """
        probabilities = self.scratch()

        def product(direction):
            self.n_evaluations += 1
            args = theta, self._in_order(direction), probabilities
            HW, Hb = self.sum(_hessian_product, args, self.pass_flops)
            H = np.zeros(self.shape)
            np.divide(HW, self.total_weight, out=H[:, :-1])
            H[:, :-1] += self.penalty.ridge * direction[:, :-1]
            if self.fit_intercept:
                np.divide(Hb, self.total_weight, out=H[:, -1])
            return H

        return product

    def curvature_sum(self, theta, function, args, flops, result_bytes=0):
        """Sum over the blocks of ``function(self, X, P, weights / S, *args)``."""
        args = self._in_order(theta), self.total_weight, function, args
        return self.sum(_curvature, args, self.pass_flops / 2 + flops, result_bytes)

    def class_mass(self):
        """Weight of the rows in each class, (n_classes,)."""
        if self._class_mass is None:
            weight = self.weight if self.has_labels else self.weights(slice(None))
            n_classes = max(self.shape[0], 2)
            self._class_mass = class_masses(self.target, weight, n_classes)
        return self._class_mass

    def absent(self):
        """Which classes have no weight, (n_classes,) bool."""
        return self.class_mass() == 0

    def centred(self, theta):
        """Theta less its mean over the classes, which is zero at the optimum.

        Where the penalty or bounds treat classes differently, only intercepts and
        features without penalty and bounds are shifted.
        """
        if self.shape[0] == 1:
            return theta
        centred = theta - theta.mean(axis=0)
        if self.penalty.has_prior:  # the optimum has the sums of the prior
            centred[:, :-1] += self.penalty.prior.mean(axis=0)
        if not self.penalty.is_symmetric:
            held = self.penalty.holds
            centred[:, :-1][:, held] = theta[:, :-1][:, held]
        return centred

    def feature_mean(self):
        """Weighted mean of the features, (d,)."""
        return self.feature_sum() / self.total_weight

    def feature_sum(self):
        """Weighted sum of the features, (d,)."""
        (features,) = self.sum(_weighted_total, (), self.pass_flops / 2)
        return features

    def null_points(self):
        """Points where a fit may start; it takes the one with the lower objective.

        The coefficients of least penalty and, if that is a prior mean, those without an
        effect on the probabilities; each with the best intercepts.
        """
        points = [self.with_intercepts(self.penalty.rest)]
        if self.penalty.has_prior:
            W = np.zeros_like(self.penalty.prior)
            if len(W) > 1 and self.penalty.is_symmetric:
                # the sums over the classes must be the prior's: no step changes them
                W += self.penalty.prior.mean(axis=0)
            points.append(self.with_intercepts(self.penalty.feasible(W)))
        return points

    def with_intercepts(self, W):
        """The coefficients W with the best intercepts for them, (K, d + 1).

        One pass over the data if W is not zero, then a few that do not read X. Without
        W and offsets the intercepts have a closed form.
        """
        theta = np.zeros(self.shape)
        theta[:, :-1] = W
        if not self.fit_intercept:
            return theta
        # The intercept of a class without weight should be minus infinity; this is
        # so low that the loss does not change any more.
        frequency = np.maximum(self.class_mass() / self.total_weight, 1e-12)
        logits = self.loss.null_logits(frequency)
        reads = bool(theta[:, :-1].any())
        if not (reads or self.has_offset):  # all rows have the same logits
            theta[:, -1] = logits
            return theta
        self.n_evaluations += reads
        kept = self.scratch()
        flops = self.pass_flops / (2 if reads else 8)
        (mean,) = self.sum(_logit_total, (self._in_order(theta), kept), flops)
        mean = mean / self.total_weight
        b = logits - (mean - mean.mean() if len(mean) > 1 else mean)

        def terms(b):
            args = self._in_order(theta), b[:, None], kept
            value, slope, H = self.sum(_intercept_terms, args, self.pass_flops / 4)
            if len(slope) > 1:  # it sums to zero but for rounding
                slope = slope - slope.mean()
            return value, slope, H

        theta[:, -1], _ = best_intercepts(terms, b, self.total_weight)
        return theta


def best_intercepts(terms, b, weight):
    """The best intercepts by Newton's method, and whether it converged.

    Parameters
    ----------
    terms : callable
        From intercepts (q,) to their loss, its gradient (q,) and its Hessian (q, q).
    b : ndarray of shape (q,)
        Where to start.
    weight : float
        Of all rows; the terms are sums and are not divided by it.
    """
    best, least, reach = b, np.inf, 2.0  # reach: the longest step, a trust region
    # where probabilities are saturated there is no curvature, and H is singular
    damping = 1e-10 * weight * np.eye(len(b))
    for _ in range(MAX_INTERCEPT_STEPS):
        value, slope, H = terms(b)
        if value < least:
            best, least, reach = b, value, 2 * reach
            step = np.linalg.solve(H + damping, slope)
            if slope @ step <= 1e-10 * value:
                return b - step, True
        else:
            reach /= 8
        b = best - step * min(1.0, reach / np.abs(step).max())
    return best, False


def _confusion(problem, rows, X, theta):
    """See `Problem.confusion`; a row that is partly of a class is one of its rows."""
    Z = problem.linear(X, theta)
    xp, target = namespace(Z), problem.target[rows, ...]
    weight = problem.weights(rows)
    if Z.shape[0] == 1:
        Z = xp.concat([-Z, Z]) if is_foreign(Z) else np.concatenate([-Z, Z])
    P = problem.loss.proba(Z)
    if target.ndim == 1:
        classes = like(np.arange(P.shape[0]), X)
        member = cast(target, X.dtype) == classes[:, None]
    else:
        member = target.T > 0
    member, weight = cast(member, widest_float(P)), cast(weight, widest_float(P))
    P = cast(P, widest_float(P))
    counted = cast(weight > 0, P.dtype)
    return (xp.stack([dot(member * counted, P.T), dot(member * weight, P.T)]),)


def _weighted_total(problem, rows, X):
    return (dot(problem.weights(rows), X),)


def _kept_logits(problem, rows, X, theta, kept):
    key = rows.start, rows.stop
    if key not in kept:
        kept[key] = problem.logits(rows, X, theta)
    return kept[key]


def _logit_total(problem, rows, X, theta, kept):
    Z = _kept_logits(problem, rows, X, theta, kept)
    return (dot(Z, problem.weights(rows)),)


def _intercept_terms(problem, rows, X, theta, b, kept):
    Z = _kept_logits(problem, rows, X, theta, kept) + like(b, X)
    weight = problem.weights(rows)
    H = problem.loss.mean_curvature(problem.loss.proba(Z + 0), weight)
    value, R = problem.loss.residual(Z, problem.target[rows, ...], weight)
    return value, total(R, axis=1), H


def _value_gradient(problem, rows, X, theta):
    Z = problem.logits(rows, X, theta)
    target, weight = problem.target[rows, ...], problem.weights(rows)
    value, R = problem.loss.residual(Z, target, weight)
    return value, combination(R, X), total(R, axis=1)


def _hessian_product(problem, rows, X, theta, direction, probabilities):
    key = rows.start, rows.stop
    if key not in probabilities:
        probabilities[key] = problem.loss.proba(problem.logits(rows, X, theta))
    P = probabilities[key]
    R = problem.loss.curvature_product(P, problem.linear(X, direction))
    R *= problem.weights(rows)
    return combination(R, X), total(R, axis=1)


def _curvature(problem, rows, X, theta, total_weight, function, args):
    P = problem.loss.proba(problem.logits(rows, X, theta))
    return function(problem, X, P, problem.weights(rows) / total_weight, *args)
