"""Classes that X tells from the others without an error."""

import numpy as np
from scipy.sparse.csgraph import connected_components

from ._solver import solve

# A fit that comes nearer to the optimum, so often, leaves NEARER times what the errors
# between groups of classes can still take off F, at most.
TIMES, NEARER, MAX_PASSES = 2, 0.05, 100


def separated(problem, theta):
    """Which classes X separates from the others, (n_classes,) bool.

    By the coefficients that neither the penalty nor bounds hold back; their optimum is
    then at infinity. If every row is on the right side, multiplying them lowers the
    loss without end. If only groups of classes are told apart, a group may be
    surrounded by several borders which no step moves outwards together, and the optimum
    is finite. Coming nearer to it tells: errors between groups that are separated
    vanish.
    """
    present = np.flatnonzero(~problem.absent())
    apart, n = np.zeros(len(problem.absent()), dtype=bool), len(present)
    confusion = problem.confusion(theta)
    if confusion is None:
        return apart
    between = (confusion[0] + confusion[0].T)[np.ix_(present, present)]
    np.fill_diagonal(between, 0)
    certain = between.sum(axis=1) < 0.5
    # between any two groups of the others, too, it is less than half a row
    links = (between >= 2 / n**2) & ~(certain | certain[:, None])
    n_groups, group = connected_components(links, directed=False)
    if n_groups == 1:
        return apart

    def errors(confusion):
        """Of each group, by the weight of its rows: what F sees."""
        between = confusion[1][np.ix_(present, present)] * (group[:, None] != group)
        between = (between + between.T).sum(axis=0) / problem.total_weight
        return np.bincount(group, between)

    alone = np.ones(n_groups, dtype=bool)  # which groups are separated from all others
    before = errors(confusion)
    rounding = np.sqrt(np.finfo(problem.rows.dtype).eps)
    for _ in range(TIMES if n_groups < n else 0):
        told = alone & (before > rounding)  # of the others F tells no more
        if not told.any():
            break
        # F0 - F is at most about log(K)
        tol = NEARER * before[told].min() / np.log(len(theta))
        nearer = solve(problem, theta, tol=tol, max_iter=MAX_PASSES)
        theta, after = nearer.theta, errors(problem.confusion(nearer.theta))
        alone &= ~told | (after < 0.5 * before)
        before = after
        if not nearer.converged:
            break
    if n_groups < n:  # the others are separated from all but themselves
        alone[np.bincount(group).argmax()] = False
    apart[present] = alone[group]
    return apart
