"""Classes that X tells from the others without an error."""

import numpy as np
from scipy.sparse.csgraph import connected_components

from ._solver import solve

# A fit that comes nearer to the optimum leaves NEARER times what the errors between
# groups of classes can still take off F.
NEARER, MAX_PASSES = 0.05, 100


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
    told = before > np.sqrt(np.finfo(problem.rows.dtype).eps)  # F tells of no smaller
    if n_groups < n and told.any():
        # F0 - F is about one
        tol = NEARER * before[told].min()
        theta = solve(problem, theta, tol=tol, max_iter=MAX_PASSES).theta
        alone = ~told | (errors(problem.confusion(theta)) < 0.5 * before)
    if n_groups < n:  # the others are separated from all but themselves
        alone[np.bincount(group).argmax()] = False
    apart[present] = alone[group]
    return apart
