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
    asum,
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

# What a pass does with each entry of X and each logit: two products, twice as dear as
# their operations, since BLAS is slow at thin matrices.
ENTRY_FLOPS = 8


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
        # about fifteen operations per logit that cost four each come on top
        self.pass_flops = ENTRY_FLOPS * K * self.rows.entries + 60 * K * n

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
        """Probability of class l summed over the rows of class k.

        (n_classes, n_classes), by the coefficients that neither the penalty nor bounds
        hold back; None where these are none, as in most fits, which saves the pass.
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
        return type(self)(**{name: getattr(self, name) for name in names} | changes)

    def only(self, features):
        """The problem of some features, (d,) bool: the other coefficients are zero."""
        rows = self.rows.like(self.rows.X[:, features])
        return self.replaced(rows=rows, penalty=self.penalty.only(features))

    def even(self, class_weight):
        """The same rows, weighed by class alone; each is of all its classes alike.

        F has a minimum in both or in neither.
        """
        weight, target = self.weights(slice(None)), self.target
        counted = cast(weight > 0, weight.dtype)
        by_class = like(class_weight, weight)
        if self.has_labels:
            return self.replaced(weight=counted * by_class[target])
        member = cast(target > 0, target.dtype)
        target = member / asum(member, axis=1)[:, None]
        return self.replaced(target=target, weight=counted * (target @ by_class))

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

    def in_order(self, theta):
        """Theta in the memory order of products with X: by features if X is sparse."""
        return np.asfortranarray(theta) if self.rows.is_sparse else theta

    def value_gradient(self, theta):
        """F and its gradient: one pass over the data."""
        self.n_evaluations += 1
        args = (self.in_order(theta),)
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
            args = theta, self.in_order(direction), probabilities
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
        args = self.in_order(theta), self.total_weight, function, args
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
    dtype = widest_float(P)
    counted = cast(member, dtype) * cast(weight > 0, dtype)
    return (dot(counted, cast(P, dtype).T),)


def _weighted_total(problem, rows, X):
    return (dot(problem.weights(rows), X),)


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
