"""The Cs of a path: those given, or a grid over the useful strengths of the penalty."""

import numbers

import numpy as np
from sklearn.utils import check_scalar

from ._coordinates import build
from ._frame import Frame
from ._intercepts import with_intercepts
from ._numeric import number_list
from ._penalty import Penalty
from ._solver import solve


def at(problem, C, l1_ratio):
    """The base problem at another C and l1 ratio."""
    base = problem.penalty
    penalty = Penalty(
        1 / (float(C) * float(problem.total_weight)),  # NumPy's would warn of overflow
        base.l1.shape,
        l1_ratio=l1_ratio,
        factor=base.factor,
        prior=base.prior if base.has_prior else None,
        bounds=(base.lower, base.upper) if base.has_bounds else None,
        grouped=base.grouped,
    )
    return problem.with_penalty(penalty)


def check_Cs(Cs, eps, problem, l1_ratios):
    """The Cs given, sorted and without duplicates, or a grid of that many."""
    check_scalar(
        eps, "eps", numbers.Real, min_val=0, max_val=1, include_boundaries="neither"
    )
    if eps != eps:
        raise ValueError("eps is NaN: it must be between 0 and 1.")
    what = "an int, how many to take, or a list of positive numbers"
    if isinstance(Cs, numbers.Integral):
        check_scalar(Cs, "Cs", numbers.Integral, min_val=1)
        return grid(problem, l1_ratios, Cs, eps)
    return np.unique(number_list(Cs, "Cs", what, lambda array: array > 0))


def grid(problem, l1_ratios, n_Cs, eps):
    """Cs from the strongest useful penalty to the weakest, over all l1 ratios."""
    strengths = []
    curvature = _feature_curvature(problem)
    for l1_ratio in l1_ratios:
        if at(problem, 1.0, l1_ratio).penalty.has_l1:
            strongest = _zeroing_strength(problem, l1_ratio)
            # the smaller a feature's units, the weaker the penalty at which it enters
            scale = np.sqrt(np.median(curvature) / curvature.max())
            strengths += [strongest, eps * scale * strongest]
        else:
            strengths += [10 * curvature.max(), 0.1 * eps * np.median(curvature)]
    Cs = 1 / (problem.total_weight * np.array(strengths))
    return np.geomspace(Cs.min(), Cs.max(), n_Cs)


def _zeroing_strength(problem, l1_ratio):
    """The least strength at which all coefficients with an l1 term are zero.

    With a prior mean they are there instead, or at the bound nearest to it.
    """
    limit = at(problem, 1.0, l1_ratio).penalty
    weight = limit.l1 / limit.strength
    penalised = weight > 0
    theta = with_intercepts(problem, problem.penalty.rest)
    exact = penalised.all() and not problem.has_offset and not theta[:, :-1].any()
    if not exact:
        # Other coefficients and the intercepts have to be fitted first: under a penalty
        # so strong that no gradient of the loss moves a penalised coefficient.
        size = np.abs(problem.rows.range()).max(axis=0)
        bound = 2 * np.max(
            np.where(penalised, size / np.where(penalised, weight, 1), 0)
        )
        strong = at(problem, 1 / (bound * problem.total_weight), l1_ratio)
        theta = solve(strong, theta, tol=1e-12, max_iter=1000).theta
    _, gradient = at(problem, np.inf, 0.0).value_gradient(theta)
    W, G = theta[:, :-1], gradient[:, :-1]
    G = np.where(Frame(problem).constant, 0, G)  # of constant features: rounding
    blocked = ((W <= limit.lower) & (G > 0)) | ((W >= limit.upper) & (G < 0))
    G = np.where(blocked | ~penalised, 0, G)
    G = np.linalg.norm(G, axis=0) if limit.grouped else np.abs(G)
    weight = weight[0] if limit.grouped else weight
    strength = np.max(G / np.where(weight > 0, weight, 1))
    # a margin for the error of the gradient, from the dtype or from the fit
    strength *= 1 + max(np.sqrt(np.finfo(problem.rows.dtype).eps), 0 if exact else 1e-3)
    return strength if strength > 0 else 1 / problem.total_weight


def _feature_curvature(problem):
    """Each penalised feature's curvature over its penalty factor, a mean over classes.

    At the null point. Features without curvature are left out.
    """
    plain = at(problem, np.inf, 0.0)
    coordinates, _ = build(
        plain, with_intercepts(plain, 0.0), Frame(problem), ["diagonal"]
    )
    scale = coordinates.scale[:, :-1]
    has_curvature = (scale > 0).all(axis=0)
    curvature = np.mean(1 / scale[:, has_curvature] ** 2, axis=0)
    factor = np.broadcast_to(plain.penalty.factor, plain.penalty.l1.shape)
    factor = factor.mean(axis=0)[has_curvature]
    curvature = curvature[factor > 0] / factor[factor > 0]
    return curvature if len(curvature) else np.ones(1)
