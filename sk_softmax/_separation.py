"""Classes that X tells from the others without an error."""

from contextlib import closing

import numpy as np
from scipy.sparse.csgraph import connected_components

from ._solver import solve

# Tolerance of the first fit that asks; the second leaves NEARER times what the errors
# between groups of classes can still take off F.
TOL, NEARER, MAX_PASSES = 1e-6, 0.05, 100
# Beside rows of LIGHT times the weight F does not see a class's errors.
LIGHT = 1e-3


def separated(problem, theta):
    """Which classes X separates from the others, (n_classes,) bool.

    By the coefficients that neither the penalty nor bounds hold back; their optimum is
    then at infinity. If every row is on the right side, multiplying them lowers the
    loss without end. If only groups of classes are told apart, a group may be
    surrounded by several borders which no step moves outwards together, and the optimum
    is finite. Coming nearer to it tells: errors between groups that are separated
    vanish. The weights of rows are no matter in this, but F sees no errors of little
    weight: it is asked of the same rows where all classes weigh the same.
    """
    mass = problem.class_mass()
    apart, present = np.zeros(len(mass), dtype=bool), mass > 0
    confusion = problem.confusion(theta)
    if confusion is None:
        return apart
    n, rows = present.sum(), confusion.sum(axis=1)
    group = _told_apart(confusion, present)
    weight = mass[present] / rows[present]
    if group.max() == n - 1:
        apart[present] = True
    elif group.max() > 0 or weight.min() < LIGHT * weight.max():
        share = n * np.where(present, rows, np.inf)
        with closing(problem.even(1 / share)) as even:
            apart[present] = _alone(even, theta, share[present], present)
    return apart


def _told_apart(confusion, present):
    """The number of each present class's group, from 0."""
    between = (confusion + confusion.T)[np.ix_(present, present)]
    np.fill_diagonal(between, 0)
    certain = between.sum(axis=1) < 0.5
    # between any two groups of the others, too, it is less than half a row
    links = (between >= 2 / len(between) ** 2) & ~(certain | certain[:, None])
    return connected_components(links, directed=False)[1]


def _alone(even, theta, share, present):
    """Which of the present classes are in a group separated from all others."""

    def nearer(tol):
        return solve(even, theta, tol=tol, max_iter=MAX_PASSES).theta

    def errors():
        """Of each group's rows, as a share of all weight."""
        between = even.confusion(theta)[np.ix_(present, present)] / share[:, None]
        between *= group[:, None] != group
        return np.bincount(group, (between + between.T).sum(axis=0))

    theta = nearer(TOL)
    group = _told_apart(even.confusion(theta), present)
    alone, before = np.ones(group.max() + 1, dtype=bool), errors()
    # F tells of no smaller
    told = before > np.sqrt(np.finfo(even.rows.dtype).eps)
    if told.any():
        # F0 - F is about one
        theta = nearer(NEARER * before[told].min())
        alone = ~told | (errors() < 0.5 * before)
    if len(alone) < len(share):  # the others are separated from all but themselves
        alone[np.bincount(group).argmax()] = False
    return alone[group]
