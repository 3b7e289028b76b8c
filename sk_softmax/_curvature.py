"""The Hessian of the loss, whole or in part: sums over the rows."""

from functools import lru_cache

import numpy as np

from ._array_api import (
    amax,
    asum,
    cast,
    dot,
    entries,
    exp,
    like,
    namespace,
    place,
    positive_part,
    subtract_at,
    zeros,
)
from ._cost import build_flops, pairs_pay
from ._frame import framed, moments
from ._pairs import pair_sums, second_moments

# Memory of a chunk of rows of p x z: about a core's caches.
CHUNK_BYTES = 2**22
# Rows in a chunk where Gram matrices are small, and cheap to add up.
GRAM_ROWS = 512
# A row that is certain of its class has this curvature at least in that class's block:
# where all rows are certain, steps would take the gradient's rounding far.
CERTAIN = 1e-6
# Moves of a logit, from one that matters to one after which a row is certain.
MOVES = np.geomspace(1, 50, 12)


def class_directions(problem):
    """Orthonormal directions among the classes, (K, q).

    A penalty that treats the classes alike keeps the optimum in the plane where
    the coefficients sum to zero over the classes; there K - 1 directions do.
    """
    basis = _orthonormal_basis(problem.shape[0])
    return basis[:, 1:] if problem.penalty.is_symmetric and len(basis) > 1 else basis


@lru_cache(maxsize=1)  # K x K numbers, asked for at every step of a fit
def _orthonormal_basis(K):
    """Of R^K, its first vector constant."""
    return np.linalg.qr(np.column_stack([np.ones(K), np.eye(K)[:, 1:]]))[0]


def loss_hessian(problem, theta, frame, Q=None):
    """The Hessian of the loss at theta, (q (d + 1), q (d + 1)), in the frame.

    Q (K, q) are directions among the classes; None stands for the classes themselves.
    """
    K, d1 = problem.shape
    flops, size = build_flops(problem)["hessian"], 8 * (K * d1) ** 2
    if pairs_pay(problem, "hessian"):
        a, b = np.triu_indices(K, k=min(K - 1, 1))
        args = _class_pairs, (frame, a, b), flops, size // 2
        (sums,) = problem.curvature_sum(theta, *args)
        H = np.zeros((K, d1, K, d1))
        H[a, :, b] = H[b, :, a] = second_moments(sums, frame)
    else:
        (H,) = problem.curvature_sum(theta, _hessian, (frame,), flops, size)
    if K > 1:
        H = H.reshape(K, d1, K, d1)
        from_pairs(H)
    if Q is None or K == 1:
        return H.reshape(K * d1, K * d1)
    q = Q.shape[1]
    H = Q.T @ (Q.T @ H.reshape(K, -1)).reshape(q * d1, K, d1)
    H = H.reshape(q * d1, q * d1)
    if q == K:  # the loss does not see the first direction, but rounding would
        H[:d1] = H[:, :d1] = 0
    return H


def from_pairs(moments):
    """Make the Hessian of the second moments of p x z, (K, p, K, p), in place.

    Probabilities sum to one, so that p_k (1 - p_k) is the sum of p_k p_l over the other
    classes l. That loses no digits where p_k is nearly one; the moments of single
    classes are not read.
    """
    classes = np.arange(len(moments))
    moments[classes, :, classes] = 0
    np.negative(moments, out=moments)
    moments[classes, :, classes] = -moments.sum(axis=2)


def _hessian(problem, X, P, weight, frame):
    """A block's second moments, (K (d + 1))^2, of p x z for its features z."""
    xp, (K, d1) = namespace(P), problem.shape
    size = K * d1
    if K == 1:
        P = xp.sqrt(problem.loss.curvature(P, None))
    root = xp.sqrt(weight)
    H = zeros((size, size), P)
    for part in product_chunks(weight.shape[0], size):
        Z = framed(problem, X[part, :], frame)
        A = (P[:, part] * root[part])[:, None, :] * Z
        A = xp.reshape(A, (size, -1))
        H += dot(A, A.T)
    return (H,)


def _class_pairs(problem, X, P, weight, frame, a, b):
    """`_hessian` for sparse rows: half sums for the pairs of classes a[i], b[i]."""
    P = P[a] * P[b] if len(P) > 1 else problem.loss.curvature(P, None)
    return pair_sums(problem, X, P * weight, frame)


def loss_blocks(problem, theta, frame):
    """The Hessian's blocks of one class, (K, d + 1, d + 1), of the loss at theta.

    Plus curvature for the rows that theta misjudges, see `_misjudged`.
    """
    K, d1 = problem.shape
    flops = problem.pass_flops / 2 + build_flops(problem)["blocks"]
    pairs = pairs_pay(problem, "blocks")
    args = theta, problem.total_weight, frame, pairs
    (loss,) = problem.sum(_blocks, args, flops, 8 * K * d1 * d1)
    return second_moments(loss, frame) if pairs else loss


def _blocks(problem, rows, X, theta, total_weight, frame, pairs):
    """A row block's part of the Hessian's class blocks, or of their half sums."""
    P = problem.loss.proba(problem.logits(rows, X, theta))
    curvature = P * (1 + CERTAIN - P)
    if problem.has_labels and P.shape[0] > 1:
        own = place(problem.target[rows])
        curvature = subtract_at(curvature, own, -_misjudged(entries(P, own)))
    curvature *= problem.weights(rows) / total_weight
    if pairs:
        return pair_sums(problem, X, curvature, frame)
    root = namespace(P).sqrt(curvature)
    grams = zeros((P.shape[0], problem.shape[1], problem.shape[1]), P)
    for part in _chunks(X.shape[0], GRAM_ROWS):
        Z = framed(problem, X[part, :], frame)
        for k in range(P.shape[0]):
            A = Z * root[k, part]
            grams[k, ...] += dot(A, A.T)
    return (grams,)


def _misjudged(p):
    """Curvature that rows of probability p in their own class get more in its block.

    A row of a small p pulls with all its weight, but has next to no curvature: steps
    would go far beyond where its p is large. This brings its curvature to about that
    of the loss's quadratic bound, 1 / (2 - 2 log p) (Jaakkola and Jordan,
    doi:10.1023/A:1008932416310). Where the model is right such rows are rare, as their
    p says, and a class's block grows by a tenth at most.
    """
    return (1 - p) * positive_part(0.5 / (1 - namespace(p).log(p + 1e-37)) - p)


def product_chunks(m, size):
    """Slices of m rows, for a sum of the outer products of `size` numbers a row.

    A chunk has rows enough to make up for adding size^2 numbers to the sum: few, while
    these stay in the cache. Larger ones are slower, since their arrays come from the
    system afresh each time.
    """
    most = GRAM_ROWS if 32 * size**2 <= CHUNK_BYTES else 1024
    return _chunks(m, min(max(CHUNK_BYTES // (8 * max(size, 1)), 256), most))


def _chunks(m, size):
    """Slices of m rows, about `size` each."""
    step = -(-m // max(round(m / size), 1))
    return [slice(start, min(start + step, m)) for start in range(0, m, step)]


def class_curvature(problem, X, P, weight):
    """A block's part, (K, K), of the mean of diag(p) - p p^T."""
    return (problem.loss.mean_curvature(P, weight),)


def feature_moments(problem, X, P, weight, frame, Q, plain):
    """A block's weights and first and second moments; weights are curvature + plain."""
    w = asum(problem.loss.curvature(P, like(Q, X)), axis=0)
    w += plain
    w *= weight
    Z = frame(X)
    A = Z * namespace(w).sqrt(w)[:, None]
    return asum(w), dot(w, Z), dot(A.T, A)


def rotated_diagonal(problem, X, P, weight, frame, Q, mean, U):
    """A block's part of the Hessian's diagonal in the directions Q and U."""
    c = problem.loss.curvature(P, like(Q, X)) * weight
    Y = frame(X)
    Y -= like(mean, Y)
    Y = Y @ like(U, Y)
    Y *= Y
    return dot(c, Y), asum(c, axis=1)


def far_rows(problem, X, P, weight, step):
    """A block's part of what rows far out could hide, and of their logits' mean move.

    Rows are far out of which a step moves a logit by more than each of MOVES. What they
    could hide is twice the gain of a step along which they had as little curvature as
    they may have at its end. In the mean a move is the greatest of MOVES at most: that
    of a single row could be more than all others'.
    """
    U = problem.linear(X, step)
    R = problem.loss.curvature_product(P, U) * weight
    if P.shape[0] > 1:
        U = U - asum(P * U, axis=0)
    xp, far = namespace(U), like(MOVES, U)
    move = xp.clip(xp.abs(U), None, float(MOVES[-1]))
    most = amax(move, axis=0)
    hidden = asum(R * U * exp(move), axis=0)  # exp overwrites
    return cast(most >= far[:, None], most.dtype) @ hidden, dot(most, weight)


def class_moments(problem, X, P, weight, frame, Q):
    """A block's weights, first and second moments for each of the directions Q."""
    c = problem.loss.curvature(P, like(Q, X)) * weight
    return asum(c, axis=1), *moments(problem, X, frame, c)
