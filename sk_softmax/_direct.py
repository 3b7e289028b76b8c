"""Newton's method with a new Hessian at each step, where the data are small.

A pass over a few hundred rows is mostly Python's and scipy's own time. F, its gradient
and its Hessian at once then cost little more than F alone, and in ten such passes the
fit is over: with the Hessian comes the distance to the optimum.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from ._cost import CALL_FLOPS, build_flops
from ._frame import framed
from ._inverse_roots import rounding
from ._newton import trusted_distance
from ._optimum import Point
from ._problem import Problem

# What a Hessian may cost, in passes: L-BFGS takes some twelve passes more and six
# Hessians less.
WORTHWHILE_PASSES = 2
# A step has to take off F this part of what it promises.
LEAST_PART = 0.25
# A step is taken for the last where so much of the goal is expected to be left.
EXPECTED = 0.1


def applies(problem):
    """Whether it is expected to be faster than L-BFGS.

    The problem has to be all in its rows, dense and in one block.
    """
    rows, K = problem.rows, problem.shape[0]
    if type(problem) is not Problem or not isinstance(rows.X, np.ndarray):
        return False
    # Newton's last step says more of F than float32 can hold; steps sum to zero
    if rows.dtype != np.float64 or not (K == 1 or problem.penalty.is_symmetric):
        return False
    a_pass = problem.pass_flops + CALL_FLOPS
    small = build_flops(problem)["hessian"] <= WORTHWHILE_PASSES * a_pass
    return small and len(rows.blocks) == 1


def descend_directly(fit):
    """Newton's steps from the fit's point until it is converged or one disappoints."""
    with np.errstate(all="ignore"):  # what is not finite disappoints
        model = _Model(fit)
        here = model.at(np.zeros(model.shape))
        before = here.gain
        while here.gain >= 0 and fit.passes_left() > 2:
            # what a step leaves is as the square of what the one before has left
            near = EXPECTED * fit.goal(here.value) * max(before, here.gain) ** 2
            if here.gain**3 <= near:
                model.end(fit, here)
                if fit.converged:
                    return
            trial, before = model.at(here.D - here.step), here.gain
            fall, flat = here.value - trial.value, 16 * fit.eps * abs(here.value)
            stuck = fall <= flat and not trial.gain < 0.5 * before
            if stuck or not fall >= LEAST_PART * before - flat:
                break
            here = trial
            if fit.progress is not None:
                fit.point = Point(here.theta, here.value, None)
                fit.distance = here.gain
                fit.report()
        fit.move(fit.evaluate(here.theta), here.gain, False)


@lru_cache
def _first_classes(K):
    """Steps of one class each, but the last, that sum to zero over the classes.

    The loss does not see that sum: its Hessian in them is that of the first classes.

    Returns
    -------
    Q : ndarray of shape (K, q)
    identity : ndarray of shape (q, q, 1)
    product : ndarray of shape (q, q)
        Q^T Q.
    """
    Q = np.eye(K)[:, : max(K - 1, 1)]
    Q = Q - Q.mean(axis=0) if K > 1 else Q
    return Q, np.eye(Q.shape[1])[:, :, None], Q.T @ Q


@dataclass
class _Iterate:
    """What a pass tells after steps D in the frame, (K, d + 1).

    The next step is to take `gain` off F. Where the Hessian's Cholesky factor is None,
    that is NaN.
    """

    D: np.ndarray
    theta: np.ndarray
    value: float
    factor: np.ndarray | None
    step: np.ndarray | None = None
    gain: float = np.nan


class _Model:
    """F as a function of steps from a fit's point, (K, d + 1), in the frame."""

    def __init__(self, fit):
        problem, frame = fit.problem, fit.frame
        self.problem, self.start, self.shape = problem, fit.point.theta, problem.shape
        ((rows, X),) = problem.rows.read()
        self.Z = framed(problem, X, frame)
        self.logits = problem.logits(rows, X, self.start)
        self.weight = problem.weights(rows)
        self.share = self.weight / problem.total_weight
        self.from_frame = np.diag(np.append(frame.scale, 1.0))
        self.from_frame[:-1, -1] = -frame.scale * frame.centre
        self.Q, self.identity, product = _first_classes(self.shape[0])
        # what stays still has a one on the diagonal, for want of a curvature
        ridge = np.append(frame.constant, not problem.fit_intercept).astype(np.float64)
        ridge[:-1] += problem.penalty.ridge[0] * frame.scale**2
        penalty = product[:, None, :, None] * np.diag(ridge)[:, None]
        self.penalty = penalty.reshape(len(product) * len(ridge), -1)
        self.noise = 1e4 * rounding(problem, len(self.penalty))

    def at(self, D):
        """What a pass tells of F, its gradient and its Hessian."""
        problem, Z, S = self.problem, self.Z, self.problem.total_weight
        problem.n_evaluations += 1
        theta = self.start + D @ self.from_frame
        logits = self.logits + D @ Z
        p = problem.loss.proba(logits.copy())[: len(self.identity)]
        value, R = problem.loss.residual(logits, problem.target, self.weight)
        penalty, gradient = problem.penalty.value_gradient(theta[:, :-1])
        gradient = gradient @ self.from_frame[:, :-1].T + (R @ Z.T) / S
        here = _Iterate(D, theta, float(value) / S + float(penalty), None)
        C = (self.identity - p) * p[:, None] * self.share
        H = ((C[:, :, None, :] * Z) @ Z.T).transpose(0, 2, 1, 3)
        H = H.reshape(self.penalty.shape) + self.penalty
        L, failed = dpotrf(H, lower=True)
        if not failed and (L.diagonal() ** 2 > self.noise * H.diagonal()).all():
            here.factor = L
            here.step, here.gain = self._step(L, gradient)
        return here

    def _step(self, factor, gradient):
        """Newton's step, with the gradient's sign, and what it is to take off F."""
        gradient = (self.Q.T @ gradient).ravel()
        v = dpotrs(factor, gradient, lower=True)[0]
        return self.Q @ v.reshape(len(self.identity), -1), 0.5 * (gradient @ v)

    def end(self, fit, here):
        """Take the fit a step further, and measure how far it is then."""
        end = fit.evaluate(self.start + (here.D - here.step) @ self.from_frame)
        error = fit.error(here.gain, end, here)
        _, left = self._step(here.factor, end.gradient @ self.from_frame.T)
        goal = fit.goal(end.value)
        # fourfold, for the Hessian there may be less than the one that is known
        distance, trusted = trusted_distance(4 * left, error, here.gain, goal)
        fit.move(end, distance, trusted and distance <= goal)
