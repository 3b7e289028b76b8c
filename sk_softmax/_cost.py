"""What coordinates cost, in floating point operations and in passes over the data."""

import numpy as np

from ._problem import ENTRY_FLOPS, Problem
from ._rows import BLOCK_BYTES

# Memory above which coordinates are not considered: N^2 or d^2 entries of 8 bytes. Past
# N = 5792 to apply them costs more than the passes over the data that they could save.
MAX_BYTES = 2**28
# Passes to the optimum with fresh coordinates of each kind, as on the data sets in
# benchmarks/.
EXPECTED_PASSES = {"hessian": 5, "blocks": 15, "kronecker": 40, "diagonal": 150}
# The part of these that verify the end.
VERIFYING = 0.5
# The part of a path's fits that build new coordinates.
ON_PATH = 1 / 4
# What a pass costs however small the data are, in flops: 50 us, for Python and scipy
# themselves. A build makes BUILD_CALLS such calls.
CALL_FLOPS, BUILD_CALLS = 1e6, 5
# What a step does with each coefficient between passes, in flops: it waits for memory.
STEP_FLOPS = 500
# Features of sparse rows are left out where that saves more than this part of a step.
WORTH_LEAVING = 0.4


def build_flops(problem):
    """What it costs to build each kind of coordinates."""
    K, d1 = problem.shape
    q = max(K - 1, 1)
    n = problem.rows.shape[0]
    moments = {
        kind: min(_moment_flops(problem, kind)) for kind in ("hessian", "blocks")
    }
    return {
        "hessian": moments["hessian"] + 1.3 * (q * d1) ** 3,
        "blocks": moments["blocks"] + 2 * K * d1**3 + problem.pass_flops,
        "kronecker": 1.5 * n * d1**2 + 10 * d1**3 + 150 * n * d1 + problem.pass_flops,
        "diagonal": 2 * problem.pass_flops,
    }


def _moment_flops(problem, kind):
    """What the second moments cost for a kind, from dense rows and by `_pairs`."""
    K, d1 = problem.shape
    n = problem.rows.shape[0]
    if kind == "hessian":
        # The unit is a flop of the skinny products in a pass: large ones run at twice
        # that speed. Where these are small, elementwise work on (n, K d) costs most.
        dense = 0.4 * n * (K * d1) ** 2 + 36 * n * K * d1
        n_weights = max(K * (K - 1) // 2, 1)
    else:
        dense, n_weights = K * n * d1 * (d1 + 30), K
    if not problem.rows.is_sparse:
        return dense, np.inf
    row = problem.rows.entries / n + 1
    # making a pair costs as much as summing it under 45 weights; then come the sums of
    # the blocks' results
    pairs, blocks = n * row * (row + 1) / 2, 8 * n * (row + 2 * K) / BLOCK_BYTES
    return dense, pairs * (180 + 4 * n_weights) + 30 * blocks * d1**2 * n_weights


def pairs_pay(problem, kind):
    """Whether pairs of a sparse row's entries are cheaper than dense products."""
    dense, pairs = _moment_flops(problem, kind)
    return pairs < dense


def passes_to_build(problem):
    """How many passes over the data cost as much as building each kind."""
    a_pass = problem.pass_flops + CALL_FLOPS
    return {
        kind: (flops + BUILD_CALLS * CALL_FLOPS) / a_pass
        for kind, flops in build_flops(problem).items()
    }


def passes_to_build_part(problem, chosen):
    """How many passes cost as much as a Hessian of some coefficients, (K, d) bool."""
    flops = _part_flops(problem, chosen) + CALL_FLOPS
    return flops / (problem.pass_flops + CALL_FLOPS)


def _part_flops(problem, chosen):
    n, size = problem.rows.shape[0], np.count_nonzero(chosen)
    if not problem.rows.is_sparse:
        return n * size * (0.4 * size + 36)
    # a row has products of its entries only, which are added to a matrix out of cache;
    # measured on text and one-hot rows, where a flop of a pass takes 0.1 ns
    row = np.count_nonzero(chosen, axis=0) @ problem.rows.stored / n
    return n * row * (18 * row + 300) + 200 * size**2


def passes_to_minimise_part(problem, chosen):
    """How many passes cost as much as that Hessian and the minimum of its model.

    They are passes of a fit whose steps move all coefficients.
    """
    size = np.count_nonzero(chosen)
    # as many Cholesky factors; groups take more, and conjugate gradients there fewer
    solves = (100 if problem.penalty.grouped else 4) * 0.4 * size**3 / 3
    return (_part_flops(problem, chosen) + solves) / _step_flops(problem)


def _step_flops(problem):
    """A pass, and a step of all coefficients without an l1 term's sets."""
    K, d1 = problem.shape
    return problem.pass_flops + STEP_FLOPS * K * d1 + CALL_FLOPS


def pays_without_others(problem, features):
    """Whether to go on with these features, (d,) bool, of sparse rows alone."""
    K, kept = problem.shape[0], features.sum()
    if not (kept and type(problem) is Problem and problem.rows.is_sparse):
        return False
    entries = problem.rows.stored[~features].sum()
    saved = K * (ENTRY_FLOPS * entries + STEP_FLOPS * (len(features) - kept))
    return saved > WORTH_LEAVING * _step_flops(problem)


def passes_to_end(problem, share=1):
    """How many passes over the data cost as much as a fit in new coordinates.

    That is to build them and, for each of `EXPECTED_PASSES`, the pass and the change of
    variables. Left out are kinds past `MAX_BYTES`, and blocks where they would be the
    Hessian or steps do not sum to zero. Only the `share` of the build counts: on a path
    most fits take over coordinates from the one before, and a sample has fewer rows.
    """
    K, d1 = problem.shape
    # matrix-vector products wait for memory: an entry takes the time of 8 flops
    change = {"hessian": 16 * (K * d1) ** 2, "kronecker": 4 * K * d1 * (K + d1)}
    change["blocks"] = 16 * K * d1**2
    size = {"hessian": (K * d1) ** 2, "kronecker": d1**2, "diagonal": K * d1}
    if K > 1 and problem.penalty.is_symmetric:
        size["blocks"] = K * d1**2
    a_pass, builds = problem.pass_flops + CALL_FLOPS, passes_to_build(problem)
    return {
        kind: builds[kind] * share
        + EXPECTED_PASSES[kind] * (1 + change.get(kind, 0) / a_pass)
        for kind in size
        if kind == "diagonal" or 8 * size[kind] <= MAX_BYTES
    }


def passes_to_verify(kind):
    """How many passes it is expected to take to verify the end in this kind."""
    return VERIFYING * EXPECTED_PASSES.get(kind, 0)


def preference(problem, share=1):
    """The kinds of coordinates, from the cheapest fit to the dearest."""
    cost = passes_to_end(problem, share)
    return sorted(cost, key=cost.get)
