"""Newton's method with a new Hessian at each step, where the data are small.

A pass over a few hundred rows is mostly the time of Python and scipy themselves. F, its
gradient and its Hessian at once then cost little more than F alone, and ten such passes
end the fit. No conjugate gradients verify the end: the Hessian gives the distance.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from ._cost import CALL_FLOPS, build_flops
from ._frame import framed
from ._inverse_roots import rounding
from ._newton import judged
from ._optimum import Point
from ._problem import Problem

# What a Hessian may cost, in passes: Newton's method takes about six Hessians more than
# L-BFGS, and twelve passes fewer.
WORTHWHILE_PASSES = 2
# Part of its promised gain that a step has to take off F; else L-BFGS goes on.
LEAST_PART = 0.25
# A step is the last one where it is expected to leave at most this part of the goal.
EXPECTED = 0.1


def applies(problem):
    """Whether it is expected to be faster than L-BFGS.

    The problem has to be all in its rows, dense and in one block.
    """
    rows, K = problem.rows, problem.shape[0]
    if type(problem) is not Problem or not isinstance(rows.X, np.ndarray):
        return False
    # the last step's gain is below what float32 can tell of F; `_first_classes` is for
    # steps that sum to zero over the classes
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
            # convergence is quadratic: after gains b and g the next one is g^3 / b^2
            near = EXPECTED * fit.goal(here.value) * max(before, here.gain) ** 2
            D = here.D - here.step
            if here.gain**3 <= near:
                model.end(fit, here)
                if fit.converged or fit.passes_left() <= 1:
                    return
                D = model.steps_to(fit.point.theta)
            trial, before = model.at(D), here.gain
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
    """A basis of steps that sum to zero over the classes: e_k less its mean, k < K - 1.

    The loss does not see the mean. In this basis its Hessian is therefore that of all
    classes but the last, as it is.

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
    """What a pass tells after steps that add up to D, (K, d + 1), in the frame.

    The next one leads to D - step and promises to take `gain` off F: NaN where the
    Hessian has no Cholesky factor.
    """

    D: np.ndarray
    theta: np.ndarray
    value: float
    factor: np.ndarray | None = None
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
        # constant features, and no intercept, have no curvature: a one holds them still
        ridge = np.append(frame.constant, not problem.fit_intercept).astype(np.float64)
        ridge[:-1] += problem.penalty.ridge[0] * frame.scale**2
        penalty = product[:, None, :, None] * np.diag(ridge)[:, None]
        self.penalty = penalty.reshape(len(product) * len(ridge), -1)
        # a pivot below this is rounding, as in `inverse_factor`
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
        here = _Iterate(D, theta, float(value) / S + float(penalty))
        C = (self.identity - p) * p[:, None] * self.share
        H = ((C[:, :, None, :] * Z) @ Z.T).transpose(0, 2, 1, 3)
        H = H.reshape(self.penalty.shape) + self.penalty
        L, failed = dpotrf(H, lower=True)
        if not failed and (L.diagonal() ** 2 > self.noise * H.diagonal()).all():
            here.factor = L
            here.step, here.gain = self._step(L, gradient)
        return here

    def _step(self, factor, gradient):
        """Newton's step, to be subtracted, and the gain that it promises."""
        gradient = (self.Q.T @ gradient).ravel()
        v = dpotrs(factor, gradient, lower=True)[0]
        return self.Q @ v.reshape(len(self.identity), -1), 0.5 * (gradient @ v)

    def end(self, fit, here):
        """Take the fit the last step further, and measure the distance there."""
        end = fit.evaluate(self.start + (here.D - here.step) @ self.from_frame)
        _, left = self._step(here.factor, end.gradient @ self.from_frame.T)
        goal = fit.goal(end.value)
        # fourfold, for the Hessian there may be less than the one before the step
        end, distance, trusted = judged(fit, here, end, 4 * left, here.gain, goal)
        fit.move(end, distance, trusted and distance <= goal)

    def steps_to(self, theta):
        """The steps that add up to where theta is, in the frame."""
        return np.linalg.solve(self.from_frame.T, (theta - self.start).T).T
