r"""Rows that are gone, as a term of the objective: their loss to second order.

.. math::

    c + g^T \delta + \tfrac12 \delta^T H \delta, \qquad \delta = \theta - \theta_0,

a sum over the rows, not divided by their weight. H is the Hessian of their loss at
:math:`\theta_0`, (q (d + 1))^2 numbers with q = K - 1 directions among the classes,
or its nearest Kronecker product, of q^2 + (d + 1)^2. Both are in a frame of centred
and scaled features.
"""

from dataclasses import dataclass

import numpy as np

from ._coordinates import Hessian, Kronecker
from ._curvature import class_curvature, class_directions, feature_moments, loss_hessian
from ._inverse_roots import inverse_root, whitening
from ._optimum import Point
from ._problem import Problem


def loss_alone(problem, theta):
    """A Point of the problem without its penalty."""
    value, gradient = problem.value_gradient(theta)
    penalty, penalty_gradient = problem.penalty.value_gradient(theta[:, :-1])
    gradient[:, :-1] -= penalty_gradient
    return Point(theta, value - float(penalty), gradient)


@dataclass(frozen=True, eq=False)
class Expansion:
    """The loss of rows to second order at theta, not divided by their weight."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    curvature: "HessianCurvature | KroneckerCurvature"

    @classmethod
    def at(cls, problem, theta, curvature):
        """The expansion of all rows that the problem stands for, its past included."""
        point, S = loss_alone(problem, theta), problem.total_weight
        return cls(theta, S * point.value, S * point.gradient, curvature)

    def value_gradient(self, theta):
        """Value and gradient (K, d + 1) at another point."""
        delta = theta - self.theta
        product = self.curvature.product(delta)
        value = self.value + np.vdot(self.gradient + 0.5 * product, delta)
        return float(value), self.gradient + product


class Continued(Problem):
    """The problem of some rows plus the expansion of the rows before them."""

    def __init__(self, problem, past, total_weight):
        self.__dict__.update(problem.__dict__)
        self.past = past
        self.total_weight = total_weight

    def value_gradient(self, theta):
        """F and its gradient: one pass over the data."""
        value, gradient = super().value_gradient(theta)
        past, past_gradient = self.past.value_gradient(theta)
        return (
            value + past / self.total_weight,
            gradient + past_gradient / self.total_weight,
        )

    def hessian(self, theta):
        """The Hessian at theta, a function of a direction: one pass over the data."""
        product = super().hessian(theta)
        past = self.past.curvature.product
        return lambda delta: product(delta) + past(delta) / self.total_weight


def build_continued(problem, theta, frame):
    """Coordinates of a Continued problem, from curvature of the kind of its past."""
    past = problem.past.curvature
    return (past + past.of(problem, theta, frame)).coordinates(problem)


class _Curvature:
    """A Hessian of the summed loss in a frame; `_product` is its product there."""

    def product(self, delta):
        """Hessian product of a direction (K, d + 1)."""
        scale, centre = self.frame.scale, self.frame.centre
        V = self.Q.T @ delta
        V[:, -1] += V[:, :-1] @ centre
        V[:, :-1] /= scale
        V = self._product(V)
        V[:, :-1] /= scale
        V[:, :-1] += np.multiply.outer(V[:, -1], centre)
        return self.Q @ V


class HessianCurvature(_Curvature):
    """The whole Hessian, (q (d + 1), q (d + 1))."""

    def __init__(self, Q, frame, matrix):
        self.Q, self.frame, self.matrix = Q, frame, matrix

    @classmethod
    def of(cls, problem, theta, frame):
        """That of a problem's rows at theta."""
        Q = class_directions(problem)
        H = loss_hessian(problem, theta, frame, Q)
        H *= problem.total_weight
        return cls(Q, frame, H)

    def __add__(self, other):
        return type(self)(self.Q, self.frame, self.matrix + other.matrix)

    def _product(self, V):
        return (self.matrix @ V.ravel()).reshape(V.shape)

    def coordinates(self, problem):
        """Coordinates in which this plus the penalty is the identity."""
        matrix = self.matrix / problem.total_weight
        coordinates = Hessian(matrix, self.frame, problem)
        coordinates.loss = None  # for `with_penalty` only, which a stream never calls
        return coordinates


class KroneckerCurvature(_Curvature):
    """The Hessian's nearest Kronecker product: classes (q, q), features (d + 1, d + 1).

    Both are sums over the rows: of C = Q^T (diag p - p p^T) Q, and of trace(C) z z^T.
    So their product is divided by the trace of the first.
    """

    def __init__(self, Q, frame, classes, features):
        self.Q, self.frame = Q, frame
        self.classes, self.features = classes, features

    @classmethod
    def of(cls, problem, theta, frame):
        """That of a problem's rows at theta."""
        Q, d = class_directions(problem), problem.shape[1] - 1
        (C,) = problem.curvature_sum(theta, class_curvature, (), 0)
        flops = 2 * problem.rows.shape[0] * d * d
        args = feature_moments, (frame, Q, 0.0), flops, 8 * d * d
        total, first, gram = problem.curvature_sum(theta, *args)
        features = np.empty((d + 1, d + 1))
        features[:-1, :-1] = gram
        features[:-1, -1] = features[-1, :-1] = first
        features[-1, -1] = total
        if not problem.fit_intercept:
            features[-1] = features[:, -1] = 0
        S = problem.total_weight
        return cls(Q, frame, S * (Q.T @ C @ Q), S * features)

    def __add__(self, other):
        classes, features = self.classes + other.classes, self.features + other.features
        return type(self)(self.Q, self.frame, classes, features)

    def _product(self, V):
        return self.classes @ V @ self.features / max(np.trace(self.classes), 1e-300)

    def coordinates(self, problem):
        """Coordinates in which this plus the penalty is near the identity."""
        frame, S = self.frame, problem.total_weight
        curvature, V = np.linalg.eigh(self.classes / S)
        curvature, Q = np.maximum(curvature, 0), self.Q @ V
        features = self.features / max(np.trace(self.classes), 1e-300)
        first, total = features[:-1, -1], features[-1, -1]
        mean = first / total if total > 0 else np.zeros(len(first))
        gram = features[:-1, :-1] - np.multiply.outer(mean, first)
        penalty = problem.penalty.ridge * frame.scale**2
        plus_ridge = gram * curvature.mean() + np.diag(penalty.mean(axis=0))
        U = whitening(plus_ridge, problem).T
        H = np.multiply.outer(curvature, np.maximum((gram @ U * U).sum(axis=0), 0))
        penalty = np.broadcast_to(penalty, (len(Q), len(U)))
        H += (Q * Q).T @ penalty @ (U * U)
        scale = np.column_stack([inverse_root(H), inverse_root(curvature * total)])
        centre = frame.centre + mean / frame.scale
        return Kronecker(Q, U * frame.scale[:, None], scale, centre[None])
