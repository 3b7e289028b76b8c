"""The best intercepts for given coefficients, and the points where a fit may start."""

import numpy as np

from ._array_api import dot, like, total

# Newton steps for the intercepts, while the coefficients are fixed.
MAX_INTERCEPT_STEPS = 50


def null_points(problem):
    """Points where a fit may start; it takes the one with the lower objective.

    The coefficients of least penalty and, if that is a prior mean, those without an
    effect on the probabilities; each with the best intercepts.
    """
    points = [with_intercepts(problem, problem.penalty.rest)]
    if problem.penalty.has_prior:
        W = np.zeros_like(problem.penalty.prior)
        if len(W) > 1 and problem.penalty.is_symmetric:
            # the sums over the classes must be the prior's: no step changes them
            W += problem.penalty.prior.mean(axis=0)
        points.append(with_intercepts(problem, problem.penalty.feasible(W)))
    return points


def with_intercepts(problem, W):
    """The coefficients W with the best intercepts for them, (K, d + 1).

    One pass over the data if W is not zero, then a few that do not read X. Without
    W and offsets the intercepts have a closed form.
    """
    theta = np.zeros(problem.shape)
    theta[:, :-1] = W
    if not problem.fit_intercept:
        return theta
    # The intercept of a class without weight should be minus infinity; this is
    # so low that the loss does not change any more.
    frequency = np.maximum(problem.class_mass() / problem.total_weight, 1e-12)
    logits = problem.loss.null_logits(frequency)
    reads = bool(theta[:, :-1].any())
    if not (reads or problem.has_offset):  # all rows have the same logits
        theta[:, -1] = logits
        return theta
    problem.n_evaluations += reads
    kept = problem.scratch()
    flops = problem.pass_flops / (2 if reads else 8)
    (mean,) = problem.sum(_logit_total, (problem.in_order(theta), kept), flops)
    mean = mean / problem.total_weight
    b = logits - (mean - mean.mean() if len(mean) > 1 else mean)

    def terms(b):
        args = problem.in_order(theta), b[:, None], kept
        value, slope, H = problem.sum(_intercept_terms, args, problem.pass_flops / 4)
        if len(slope) > 1:  # it sums to zero but for rounding
            slope = slope - slope.mean()
        return value, slope, H

    theta[:, -1], _ = best_intercepts(terms, b, problem.total_weight)
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
        elif least == np.inf:  # the loss overflows: the fit says so
            return b, False
        else:
            reach /= 8
        b = best - step * min(1.0, reach / np.abs(step).max())
    return best, False


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
