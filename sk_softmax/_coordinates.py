r"""The change of variables in which the Hessian is near the identity.

L-BFGS takes hundreds of evaluations on raw features because the Hessian's
eigenvalues spread over ten orders of magnitude. It takes tens when it moves v
instead of theta, with theta = theta_0 + T v and T^T H T near the identity.
Only the variables change: objective and optimum stay what they were.

The Hessian is the mean of :math:`(diag(p) - p p^T) \otimes x x^T` plus the
penalty. Four ways to T, from dear to cheap:

=========== ============================================ ======================
kind        what of the Hessian is seen                  flops to build
=========== ============================================ ======================
hessian     all of it: its Cholesky factor               n N^2 + N^3 / 3,
                                                         N = K (d + 1)
blocks      its blocks of one class, and that steps sum  K n d^2 + K d^3
            to zero over the classes
kronecker   its nearest Kronecker product, and the exact 3 n d^2 + 10 d^3
            diagonal in that product's eigenbasis
diagonal    its diagonal, features centred               a pass over X
=========== ============================================ ======================

Every kind works on features that are centred, which the intercept absorbs, and
scaled, so that neither a year's 2013 nor a column of 1e200 costs digits.
"""

from functools import lru_cache

import numpy as np
from scipy.linalg import LinAlgError, cholesky
from scipy.linalg.lapack import dtrtri

from ._array_api import (
    asum,
    full,
    is_foreign,
    like,
    namespace,
    reshape,
    zeros,
)
from ._penalty import Penalty

# No coordinates above this: at 8 bytes an entry of N^2 or d^2, past N = 5792 one
# application costs more than the passes over the data that it could save.
MAX_BYTES = 2**28
# What a chunk of rows of p x z takes: about a core's caches.
CHUNK_BYTES = 2**22
# A row counts in the Kronecker product's Gram matrix by its curvature plus this
# part of the mean curvature: where the classes are nearly separated few rows
# have curvature now, and others will have it a few steps on.
PLAIN_PART = 0.1
# A row that is certain of its class counts by this in that class's block: where all
# are certain, gradients of rounding would be taken far.
CERTAIN = 1e-6
# Passes that it takes to the optimum from where coordinates are fresh, from the data
# sets in benchmarks/.
EXPECTED_PASSES = {"hessian": 5, "blocks": 15, "kronecker": 40, "diagonal": 150}
# Fits of a path that share their coordinates.
ON_PATH = 4
# Coordinates serve penalties of up to this times the strength, or one part of it:
# the Hessian's eigenvalues are in between 1 and that in them.
MOST_DRIFT = 2.0
# What a pass costs however small the data: Python's and scipy's own 50 us. And how
# many times that it costs to build.
CALL_FLOPS, BUILD_CALLS = 1e6, 5


class Frame:
    """Centre and scale of the features.

    Attributes
    ----------
    centre, scale : float64 ndarrays of shape (d,)
        ``(x - centre) * scale`` is at most 1 in size.
    constant : bool ndarray of shape (d,)
        Features that, up to rounding, say no more than the intercept.
    """

    def __init__(self, problem):
        rows = problem.rows
        least, most = rows.range()
        with np.errstate(over="ignore", divide="ignore"):
            if problem.fit_intercept:
                (total,) = problem.sum(_weighted_total, (), problem.pass_flops)
                # clipped, so that a constant column becomes exactly zero
                self.centre = np.clip(total / problem.total_weight, least, most)
                size = np.maximum(most - self.centre, self.centre - least)
            else:
                self.centre = np.zeros(rows.shape[1])
                size = np.maximum(most, -least)
            # A constant column has no size. Above 1e120 a ridge in these units
            # would overflow; a feature that small has no other curvature.
            self.scale = np.clip(1 / np.where(size > 0, size, 1), 1e-305, 1e120)
        rounding = 4 * np.finfo(rows.dtype).eps * np.maximum(most, -least)
        self.constant = problem.fit_intercept & (most - least <= rounding)
        if rows.is_sparse:  # which may hold an entry in parts, but nothing as nothing
            self.constant &= (least == 0) & (most == 0)

    def hold_constants(self):
        """Let coefficients of constant features stay where they are.

        They have no gradient but for rounding, which for features far from zero
        is enough to move them.
        """
        self.scale[self.constant] = 1e-305  # whose square is no curvature

    def __call__(self, X, features=slice(None)):
        """A block's features (those in X's columns) in the frame, dense (m, d)."""
        Z = X.toarray() if hasattr(X, "toarray") else X
        Z = Z - like(self.centre, Z)[features]
        Z *= like(self.scale, Z)[features]
        return Z


def _weighted_total(problem, rows, X):
    return (problem.weights(rows) @ X,)


class Kronecker:
    """T = Q x U with a scale for each pair of directions.

    Parameters
    ----------
    Q : (K, q) directions among the classes
    U : (d, r) directions among the features, or None for the features themselves
    scale : (q, r + 1) the intercept's last
    centre : (q, d) or (1, d) what the intercept absorbs
    ridge : (q, r + 1) part of the curvature that is the penalty's, or 0
    strength : float
        Of the penalty.
    """

    def __init__(self, Q, U, scale, centre, ridge=0.0, strength=0.0):
        self.Q, self.U, self.scale, self.centre = Q, U, scale, centre
        self.ridge, self.strength = ridge, strength
        self.size = scale.size

    def with_penalty(self, problem):
        """The same curvature of the loss with this problem's penalty."""
        strength = problem.penalty.strength
        if not (self.strength > 0 and strength > 0):
            return self
        ratio = strength / self.strength
        change = 1 + self.ridge * (ratio - 1)
        return Kronecker(
            self.Q,
            self.U,
            self.scale / np.sqrt(change),
            self.centre,
            self.ridge * ratio / change,
            strength,
        )

    def step(self, v):
        """T v as a direction (K, d + 1)."""
        V = v.reshape(self.scale.shape) * self.scale
        W = V[:, :-1] if self.U is None else V[:, :-1] @ self.U.T
        intercept = V[:, -1] - (W * self.centre).sum(axis=1)
        return self.Q @ np.column_stack([W, intercept])

    def gradient(self, G):
        """T^T G for a gradient (K, d + 1), flat."""
        G = self.Q.T @ G
        W = G[:, :-1] - G[:, -1:] * self.centre
        W = W if self.U is None else W @ self.U
        return (np.column_stack([W, G[:, -1]]) * self.scale).ravel()


class Hessian:
    """T from the whole Hessian.

    Parameters
    ----------
    Q : (K, q) directions among the classes
    loss : (q, d + 1, q, d + 1) the loss's part of the Hessian, in the frame's features
    frame : Frame
    problem : Problem
        Whose penalty is the other part.
    """

    def __init__(self, Q, loss, frame, problem):
        self.Q, self.loss, self.frame = Q, loss, frame
        self.scale, self.centre = frame.scale, frame.centre
        self.strength = problem.penalty.strength
        H = loss.copy()
        feature = np.arange(len(frame.scale))
        penalty = np.broadcast_to(problem.penalty.curvature(), (len(Q), len(feature)))
        H[:, feature, :, feature] += np.einsum(
            "ka,kj,kb->jab", Q, penalty * frame.scale**2, Q
        )
        self.size = Q.shape[1] * H.shape[1]
        self.T = _inverse_factor(H.reshape(self.size, -1), problem)

    def with_penalty(self, problem):
        """The same curvature of the loss with this problem's penalty.

        Itself, where that is about the same.
        """
        least, most = sorted([self.strength, problem.penalty.strength])
        if most <= MOST_DRIFT * least:
            return self
        return Hessian(self.Q, self.loss, self.frame, problem)

    def step(self, v):
        """T v as a direction (K, d + 1)."""
        theta = self.Q @ (self.T @ v).reshape(self.Q.shape[1], -1)
        theta[:, :-1] *= self.scale
        theta[:, -1] -= theta[:, :-1] @ self.centre
        return theta

    def gradient(self, G):
        """T^T G for a gradient (K, d + 1), flat."""
        W = G[:, :-1] - np.multiply.outer(G[:, -1], self.centre)
        W *= self.scale
        return (self.Q.T @ np.column_stack([W, G[:, -1]])).ravel() @ self.T


def build_hessian(problem, theta, frame):
    """Coordinates from the Cholesky factor of the Hessian at theta."""
    Q = class_directions(problem)
    return from_hessian(problem, loss_hessian(problem, theta, frame, Q), frame, Q)


def loss_hessian(problem, theta, frame, Q):
    """The Hessian of the loss at theta, (q (d + 1), q (d + 1)), in the frame."""
    (K, d1), q = problem.shape, Q.shape[1]
    flops, size = build_flops(problem)["hessian"], 8 * (K * d1) ** 2
    (H,) = problem.curvature_sum(theta, _hessian, (frame,), flops, size)
    if K > 1:
        # The probabilities sum to one, so that a class's moment is what its products
        # with all classes sum to: those of p x z tell diag(p) too.
        H = H.reshape(K, d1, K, d1)
        moments = H.sum(axis=2)
        np.negative(H, out=H)
        H[np.arange(K), :, np.arange(K)] += moments
        H = Q.T @ (Q.T @ H.reshape(K, -1)).reshape(q * d1, K, d1)
        H = H.reshape(q * d1, q * d1)
        if q == K:  # the first direction is all classes' in common
            H[:d1] = H[:, :d1] = 0  # which the loss does not see; rounding would
    return H.reshape(q * d1, q * d1)


def from_hessian(problem, H, frame, Q):
    """Coordinates from the Hessian of the loss, to which the penalty's is added."""
    d1, q = problem.shape[1], Q.shape[1]
    return Hessian(Q, H.reshape(q, d1, q, d1), frame, problem)


def _hessian(problem, X, P, weight, frame):
    """A block's second moments, (K (d + 1))^2, of p x z for its features z."""
    xp, (K, d1) = namespace(P), problem.shape
    Z = _framed(problem, X, frame)
    if problem.loss.n_outputs == 1:
        A = Z * xp.sqrt(problem.loss.curvature(P, None)[0, :] * weight)
        return (A @ A.T,)
    # as many rows at a time as make up for adding (K d1)^2 numbers
    (m,) = weight.shape
    root = xp.sqrt(weight)
    H = zeros((K * d1, K * d1), P)
    chunk = int(np.clip(CHUNK_BYTES // (8 * K * d1), 256, 1024))
    for start in range(0, m, chunk):
        part = slice(start, min(start + chunk, m))
        A = (P[:, part] * root[part])[:, None, :] * Z[:, part]
        A = reshape(A, (K * d1, -1))
        H += A @ A.T
    return (H,)


def _framed(problem, X, frame):
    """A block's features in the frame and a one for the intercept, (d + 1, m)."""
    # without an intercept its row is zero and it stays still
    Z = full((problem.shape[1], X.shape[0]), problem.fit_intercept, X)
    Z[:-1, :] = frame(X).T
    return Z


def _grams(Z, weights):
    """Gram matrices of Z, (d, m), with the weights of each row of (K, m)."""
    root = namespace(weights).sqrt(weights)
    grams = zeros((root.shape[0], Z.shape[0], Z.shape[0]), Z)
    for k in range(root.shape[0]):
        A = Z * root[k, :]
        grams[k, ...] = A @ A.T
    return grams


class ClassBlocks:
    """T from the Hessian's blocks of one class, (d + 1, d + 1) each.

    What the blocks leave out, the products of two classes' probabilities, is mostly
    that a step which is the same for all classes meets no curvature. Such steps are
    projected out, and the Hessian's eigenvalues are then near 1: a row that
    hesitates among m classes alike adds m / (m - 1) times its part of the blocks.

    Parameters
    ----------
    loss : (K, d + 1, d + 1) the loss's part of the blocks, in the frame's features
    frame : Frame
    problem : Problem
        Whose penalty is the other part.
    """

    def __init__(self, loss, frame, problem):
        self.loss, self.frame = loss, frame
        self.scale, self.centre = frame.scale, frame.centre
        self.strength = problem.penalty.strength
        self._centred = len(loss) > 1 and problem.penalty.is_symmetric
        blocks, feature = loss.copy(), np.arange(len(frame.scale))
        blocks[:, feature, feature] += problem.penalty.curvature() * frame.scale**2
        self.T = np.stack([_inverse_factor(block, problem) for block in blocks])
        self.size = loss.shape[0] * loss.shape[1]

    def with_penalty(self, problem):
        """The same curvature of the loss with this problem's penalty.

        Itself, where that is about the same.
        """
        least, most = sorted([self.strength, problem.penalty.strength])
        if most <= MOST_DRIFT * least:
            return self
        return ClassBlocks(self.loss, self.frame, problem)

    def step(self, v):
        """T v as a direction (K, d + 1)."""
        theta = (self.T @ v.reshape(len(self.T), -1, 1))[:, :, 0]
        if self._centred:
            theta -= theta.mean(axis=0)
        theta[:, :-1] *= self.scale
        theta[:, -1] -= theta[:, :-1] @ self.centre
        return theta

    def gradient(self, G):
        """T^T G for a gradient (K, d + 1), flat."""
        if self._centred:
            G = G - G.mean(axis=0)
        W = G[:, :-1] - np.multiply.outer(G[:, -1], self.centre)
        W *= self.scale
        G = np.column_stack([W, G[:, -1]])
        return (G[:, None, :] @ self.T).ravel()


def build_blocks(problem, theta, frame):
    """Coordinates from the Hessian's blocks of one class at theta."""
    K, d1 = problem.shape
    flops = build_flops(problem)["blocks"]
    (loss,) = problem.curvature_sum(theta, _blocks, (frame,), flops, 8 * K * d1 * d1)
    return ClassBlocks(loss, frame, problem)


def _blocks(problem, X, P, weight, frame):
    """A block of rows' part, (K, d + 1, d + 1), of the Hessian's blocks."""
    Z = _framed(problem, X, frame)
    return (_grams(Z, P * (1 + CERTAIN - P) * weight),)


def build_kronecker(problem, theta, frame):
    """Coordinates from the Hessian's nearest Kronecker product at theta."""
    d = problem.shape[1] - 1
    (C,) = problem.curvature_sum(theta, _class_curvature, (), 0)
    Q, curvature = _eigenbasis(problem, C)
    flops = build_flops(problem)["kronecker"] / 3
    args = frame, Q, PLAIN_PART * curvature.sum()
    total, first, gram = problem.curvature_sum(theta, _gram, args, flops, 8 * d * d)
    mean = np.zeros(d)
    if problem.fit_intercept:
        mean = first / total
        gram -= np.multiply.outer(mean, first)
    gram *= curvature.sum() / len(curvature) / total
    penalty = problem.penalty.curvature() * frame.scale**2
    gram[np.diag_indices(d)] += penalty.mean(axis=0)
    U = whitening(problem, gram)
    args = frame, Q, mean, U
    H, intercept = problem.curvature_sum(theta, _rotated_diagonal, args, 2 * flops)
    ridge = (Q * Q).T @ np.broadcast_to(penalty, (len(Q), d)) @ (U * U)
    H += ridge
    scale = np.column_stack([_inverse_root(H), _inverse_root(intercept)])
    U *= frame.scale[:, None]
    centre = frame.centre + mean / frame.scale
    strength = problem.penalty.strength
    return Kronecker(Q, U, scale, centre[None], _part(ridge, H), strength)


def whitening(problem, gram):
    """U with U^T gram U the identity, as far as it is known in floating point."""
    jacobi = _inverse_root(np.diag(gram))
    moves = np.ix_(jacobi > 0, jacobi > 0)  # what stays still must not mix with them
    jacobi, U = jacobi[jacobi > 0], np.zeros_like(gram)
    eigenvalues, V = np.linalg.eigh(gram[moves] * jacobi[:, None] * jacobi)
    V *= jacobi[:, None]
    V *= _known_inverse_root(eigenvalues, _noise(problem, len(gram)), problem)
    U[moves] = V
    return U


def _class_curvature(problem, X, P, weight):
    """A block's part, (K, K), of the mean of diag(p) - p p^T."""
    return (problem.loss.mean_curvature(P, weight),)


def _gram(problem, X, P, weight, frame, Q, plain):
    """A block's sum, first and second moments, weighted by curvature plus plain."""
    w = asum(problem.loss.curvature(P, like(Q, X)), axis=0)
    w += plain
    w *= weight
    Z = frame(X)
    A = Z * namespace(w).sqrt(w)[:, None]
    return asum(w), w @ Z, A.T @ A


def _rotated_diagonal(problem, X, P, weight, frame, Q, mean, U):
    """A block's part of the Hessian's diagonal in the directions Q and U."""
    c = problem.loss.curvature(P, like(Q, X)) * weight
    Y = frame(X)
    Y -= like(mean, Y)
    Y = Y @ like(U, Y)
    Y *= Y
    return c @ Y, asum(c, axis=1)


def build_diagonal(problem, theta, frame):
    """Coordinates from the Hessian's diagonal at theta, features centred."""
    (C,) = problem.curvature_sum(theta, _class_curvature, (), 0)
    Q, _ = _eigenbasis(problem, C)
    args = frame, Q
    total, first, H = problem.curvature_sum(theta, _moments, args, problem.pass_flops)
    offset = np.zeros_like(frame.centre) if problem.rows.is_sparse else frame.centre
    mean = np.zeros_like(first)
    if problem.fit_intercept:
        mean = first / np.maximum(total, 1e-300)[:, None]
        H = np.maximum(H - mean * first, 0)
    # what the frame's features lose in the subtraction is not curvature
    H[H < _noise(problem, 1) * np.abs(mean * first)] = 0
    ridge = (Q * Q).T @ np.broadcast_to(
        problem.penalty.curvature() * frame.scale**2, (len(Q), H.shape[1])
    )
    H += ridge
    scale = np.column_stack([_inverse_root(H) * frame.scale, _inverse_root(total)])
    centre = offset + mean / frame.scale
    strength = problem.penalty.strength
    return Kronecker(Q, None, scale, centre, _part(ridge, H), strength)


def _moments(problem, X, P, weight, frame, Q):
    """A block's weights, first and second moments for each of the directions Q."""
    c = problem.loss.curvature(P, like(Q, X)) * weight
    if problem.rows.is_sparse:
        Z = X.copy()
        Z.data = Z.data * frame.scale[Z.indices].astype(Z.dtype)
        square = Z.copy()
        square.data = Z.data**2
    else:
        Z = frame(X)
        square = Z**2
    return asum(c, axis=1), c @ Z, c @ square


BUILDERS = {
    "hessian": build_hessian,
    "blocks": build_blocks,
    "kronecker": build_kronecker,
    "diagonal": build_diagonal,
}


def build_flops(problem):
    """What it costs to build each kind of coordinates."""
    K, d1 = problem.shape
    q = max(K - 1, 1)
    n = problem.rows.shape[0]
    return {
        # Fat products run at twice the speed of the skinny ones that set the unit;
        # elementwise work on (n, K d) arrays is what small ones pay for.
        "hessian": 0.4 * n * (K * d1) ** 2 + 36 * n * K * d1 + 1.3 * (q * d1) ** 3,
        "blocks": K * n * d1 * (d1 + 30) + 2 * K * d1**3 + problem.pass_flops,
        "kronecker": 1.5 * n * d1**2 + 10 * d1**3 + 150 * n * d1 + problem.pass_flops,
        "diagonal": 2 * problem.pass_flops,
    }


def passes_to_build(problem):
    """How many passes over the data cost as much as building each kind."""
    a_pass = problem.pass_flops + CALL_FLOPS
    return {
        kind: (flops + BUILD_CALLS * CALL_FLOPS) / a_pass
        for kind, flops in build_flops(problem).items()
    }


def passes_to_end(problem, on_path=False):
    """How many passes over the data cost as much as a fit in new coordinates.

    It pays for building them and, for every pass that is left, for the pass and for
    the change of variables. The better the coordinates, the fewer the passes. Kinds
    past `MAX_BYTES` are left out, and blocks where they would be the Hessian or steps
    do not sum to zero. On a path most fits take over the coordinates of the one before.
    """
    K, d1 = problem.shape
    # products of a matrix and a vector wait for memory: 8 flops' time an entry
    change = {"hessian": 16 * (K * d1) ** 2, "kronecker": 4 * K * d1 * (K + d1)}
    change["blocks"] = 16 * K * d1**2
    size = {"hessian": (K * d1) ** 2, "kronecker": d1**2, "diagonal": K * d1}
    if K > 1 and problem.penalty.is_symmetric:
        size["blocks"] = K * d1**2
    a_pass, builds = problem.pass_flops + CALL_FLOPS, passes_to_build(problem)
    return {
        kind: builds[kind] / (ON_PATH if on_path else 1)
        + EXPECTED_PASSES[kind] * (1 + change.get(kind, 0) / a_pass)
        for kind in size
        if kind == "diagonal" or 8 * size[kind] <= MAX_BYTES
    }


def preference(problem, on_path=False):
    """The kinds of coordinates, from the cheapest fit to the dearest."""
    cost = passes_to_end(problem, on_path)
    return sorted(cost, key=cost.get)


def build(problem, theta, frame, kinds):
    """Coordinates at theta of the first of the kinds that can be built.

    A kind is a name, or a function like those in `BUILDERS`.

    Returns
    -------
    coordinates : Hessian or Kronecker
    kind : str
    """
    for kind in kinds:
        builder = BUILDERS.get(kind, kind)
        try:
            with np.errstate(all="ignore"):  # what is not finite is caught below
                coordinates = builder(problem, theta, frame)
                probe = coordinates.step(np.ones(coordinates.size))
            if np.isfinite(probe).all():
                return coordinates, kind
        except (LinAlgError, np.linalg.LinAlgError):
            pass  # not positive definite, or no convergence: the next is simpler
    # the features' own sizes; they are finite whatever the data are
    K = problem.shape[0]
    scale = np.append(frame.scale, float(problem.fit_intercept))
    return Kronecker(
        np.eye(K), None, np.tile(scale, (K, 1)), frame.centre[None]
    ), "none"


def row_space(problem):
    """The problem with n features instead of d, where n < d.

    With the l2 penalty alone the optimal coefficients lie in the span of the
    rows of X. In an orthonormal basis of it, from the eigenvectors of X X^T, the
    problem is the same and has n features.

    Returns
    -------
    reduced : Problem, or None where it does not apply
    lift : callable
        From theta of the reduced problem to theta of this one.
    """
    rows = problem.rows
    n, d = rows.shape
    applies = problem.penalty.is_ridge and problem.penalty.strength > 0
    in_place = is_foreign(rows.X) or (
        isinstance(rows.X, np.ndarray) and rows.X.dtype == rows.dtype
    )
    if not in_place or n >= d or 8 * n * n > MAX_BYTES or not applies:
        return None, None
    if preference(problem)[0] == "hessian":  # d is no trouble
        return None, None
    gram = rows.gram()
    if not np.isfinite(gram).all():
        return None, None
    eigenvalues, E = np.linalg.eigh(gram)
    used = eigenvalues > _noise(problem, n) * eigenvalues[-1]
    E, root = E[:, used], np.sqrt(eigenvalues[used])
    features = np.ascontiguousarray(E * root).astype(rows.dtype, copy=False)

    def lift(theta):
        W = rows.combine(theta[:, :-1] / root @ E.T)
        return np.column_stack([W, theta[:, -1]])

    shape = problem.shape[0], features.shape[1]
    penalty = Penalty(problem.penalty.strength, shape)
    return problem.with_rows(rows.like(features), penalty), lift


def class_directions(problem):
    """Orthonormal directions among the classes, (K, q).

    A penalty that treats the classes alike keeps the optimum in the plane where
    the coefficients sum to zero over the classes; there K - 1 directions do.
    """
    basis = _orthonormal_basis(problem.shape[0])
    return basis[:, 1:] if problem.penalty.is_symmetric and len(basis) > 1 else basis


@lru_cache
def _orthonormal_basis(K):
    """Of R^K, its first vector constant."""
    return np.linalg.qr(np.column_stack([np.ones(K), np.eye(K)[:, 1:]]))[0]


def _eigenbasis(problem, C):
    """Directions (K, q) that diagonalise the mean curvature C, and its diagonal."""
    directions = class_directions(problem)
    curvature, V = np.linalg.eigh(directions.T @ C @ directions)
    return directions @ V, np.maximum(curvature, 0)


def _inverse_factor(H, problem):
    """T with T^T H T the identity, as far as H is known in floating point."""
    jacobi = _inverse_root(np.diag(H))
    H = H * jacobi[:, None] * jacobi
    # unit diagonal, also where nothing moves (jacobi is 0 there)
    H[np.diag_indices(len(H))] = 1
    noise = _noise(problem, len(H))
    try:
        L = cholesky(H, lower=True, check_finite=False)
        if np.square(np.diag(L)).min() > 1e4 * noise:
            inverse, _ = dtrtri(L, lower=True, overwrite_c=True)
            return jacobi[:, None] * inverse.T
    except LinAlgError:
        pass
    # Collinear features: the Cholesky factor of what is left by rounding would be
    # rounding. Eigenvectors keep the other directions exact.
    eigenvalues, V = np.linalg.eigh(H)
    return jacobi[:, None] * V * _known_inverse_root(eigenvalues, noise, problem)


def _known_inverse_root(eigenvalues, noise, problem):
    """1 / sqrt of eigenvalues of a matrix of unit diagonal, known up to noise.

    What is below the noise is at least the ridge, if there is one. Without one it
    is no curvature at all, and nothing is to be had from moving that way.
    """
    root = 1 / np.sqrt(np.maximum(eigenvalues, noise))
    if problem.penalty.strength == 0:
        root[eigenvalues <= noise] = 0
    return root


def _part(ridge, curvature):
    """Of the curvature that is the ridge's, (q, r + 1); none of the intercept's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(curvature > 1e-280, ridge / curvature, 0.0)
    return np.column_stack([part, np.zeros(len(part))])


def _inverse_root(curvature):
    """1 / sqrt, and 0 where there is no curvature: that direction stays still."""
    moves = curvature > 1e-280  # rounding may leave it below zero
    return np.where(moves, 1 / np.sqrt(np.where(moves, curvature, 1.0)), 0.0)


def _noise(problem, size):
    """Relative error of a curvature matrix of unit diagonal."""
    return 16 * np.finfo(problem.rows.dtype).eps * np.sqrt(size)
