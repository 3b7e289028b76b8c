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

from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError

from ._cost import build_flops
from ._curvature import (
    class_curvature,
    class_directions,
    class_moments,
    feature_moments,
    loss_blocks,
    loss_hessian,
    rotated_diagonal,
)
from ._inverse_roots import inverse_factor, inverse_root, rounding, whitening

# A row counts in the Kronecker product's Gram matrix by its curvature plus this
# part of the mean curvature: where the classes are nearly separated few rows
# have curvature now, and others will have it a few steps on.
PLAIN_PART = 0.1
# Coordinates serve on under a penalty that is stronger or weaker by up to this factor:
# the Hessian's eigenvalues in them are off by no more than that.
MOST_DRIFT = 2.0


class Kronecker:
    """T = Q x U with a scale for each pair of directions.

    Parameters
    ----------
    Q : (K, q) directions among the classes
    U : (d, d) directions among the features, or None for the features themselves
    scale : (q, d + 1) the intercept's last
    centre : (q, d) or (1, d) what the intercept absorbs
    ridge_part : (q, d + 1) part of the curvature that is the penalty's, or 0
    strength : float
        Of the penalty.
    """

    def __init__(self, Q, U, scale, centre, ridge_part=0.0, strength=0.0):
        self.Q, self.U, self.scale, self.centre = Q, U, scale, centre
        self.ridge_part, self.strength = ridge_part, strength
        self.size = scale.size
        self._centres = np.broadcast_to(centre, (scale.shape[0], centre.shape[1]))

    def with_penalty(self, problem):
        """The same curvature of the loss with this problem's penalty."""
        strength = problem.penalty.strength
        if not (self.strength > 0 and strength > 0):
            return self
        ratio = strength / self.strength
        change = 1 + self.ridge_part * (ratio - 1)
        return Kronecker(
            self.Q,
            self.U,
            self.scale / np.sqrt(change),
            self.centre,
            self.ridge_part * ratio / change,
            strength,
        )

    def step(self, v):
        """T v as a direction (K, d + 1)."""
        theta = v.reshape(self.scale.shape) * self.scale
        if self.U is not None:
            theta[:, :-1] = theta[:, :-1] @ self.U.T
        # einsum makes no product array: of many features that takes longest
        theta[:, -1] -= np.einsum("kj,kj->k", theta[:, :-1], self._centres)
        return self.Q @ theta

    def gradient(self, G):
        """T^T G for a gradient (K, d + 1), flat."""
        G = self.Q.T @ G
        G[:, :-1] -= G[:, -1:] * self.centre
        if self.U is not None:
            G[:, :-1] = G[:, :-1] @ self.U
        G *= self.scale
        return G.ravel()


class _FromLoss:
    """T from the loss's part of the Hessian, to which the penalty's is added.

    Parameters
    ----------
    loss : ndarray
        That part, in the frame's features.
    frame : Frame
    problem : Problem
        Whose penalty is the other part.
    """

    def __init__(self, loss, frame, problem):
        self.loss, self.frame = loss, frame
        self.strength = problem.penalty.strength

    def with_penalty(self, problem):
        """The same curvature of the loss with this problem's penalty.

        Itself, where that is about the same.
        """
        least, most = sorted([self.strength, problem.penalty.strength])
        if most <= MOST_DRIFT * least:
            return self
        return type(self)(self.loss, self.frame, problem)

    def follow(self, problem, theta):
        """Move directions without known curvature too, where the gradient says so.

        It takes a pass, if there are any.
        """
        some = [i for i, root in enumerate(self.roots) if root.unknown is not None]
        if some:
            value, g = problem.value_gradient(theta)
            g = self._in_frame(g)
            eps = np.finfo(problem.rows.dtype).eps
            rounding = np.append(self.frame.rounding, eps)
            for i in some:
                times = g.shape[1] // len(rounding)
                self.roots[i].follow(g[i], np.tile(rounding, times), value)


class Hessian(_FromLoss):
    """T from the whole Hessian, (N, N) with N = q (d + 1).

    Attributes
    ----------
    Q : (K, q) directions among the classes
    """

    def __init__(self, loss, frame, problem):
        super().__init__(loss, frame, problem)
        self.Q = Q = class_directions(problem)
        self.size, (q, d1) = len(loss), (Q.shape[1], problem.shape[1])
        H = loss.copy()
        blocks, feature = H.reshape(q, d1, q, d1), np.arange(d1 - 1)
        penalty = problem.penalty.ridge * frame.scale**2
        blocks[:, feature, :, feature] += Q.T * penalty.T[:, None, :] @ Q
        self.roots = [inverse_factor(H, problem)]

    def step(self, v):
        """T v as a direction (K, d + 1)."""
        theta = self.roots[0](v).reshape(self.Q.shape[1], -1)
        theta[:, :-1] *= self.frame.scale
        theta[:, -1] -= theta[:, :-1] @ self.frame.centre
        return self.Q @ theta

    def gradient(self, G):
        """T^T G for a gradient (K, d + 1), flat."""
        return self.roots[0].transposed(self._in_frame(G)[0])

    def _in_frame(self, G):
        """A gradient (K, d + 1) as one row for each root."""
        G = self.Q.T @ G
        G[:, :-1] = self.frame.gradient(G)
        return G.reshape(1, -1)

    def matrix(self):
        """T, (q, d + 1, size), without Q."""
        T = self.roots[0].matrix()
        return _leave_frame(T.reshape(self.Q.shape[1], -1, T.shape[1]), self.frame)


def build_hessian(problem, theta, frame):
    """Coordinates from the Cholesky factor of the Hessian at theta."""
    H = loss_hessian(problem, theta, frame, class_directions(problem))
    coordinates = Hessian(H, frame, problem)
    coordinates.follow(problem, theta)
    return coordinates


class ClassBlocks(_FromLoss):
    """T from the Hessian's blocks of one class, (d + 1, d + 1) each.

    What the blocks leave out, the products of two classes' probabilities, is mostly
    that a step which is the same for all classes meets no curvature. Such steps are
    projected out, and the Hessian's eigenvalues are then near 1: a row that
    hesitates among m classes alike adds m / (m - 1) times its part of the blocks.
    """

    def __init__(self, loss, frame, problem):
        super().__init__(loss, frame, problem)
        self._centred = len(loss) > 1 and problem.penalty.is_symmetric
        blocks, feature = loss.copy(), np.arange(len(frame.scale))
        blocks[:, feature, feature] += problem.penalty.ridge * frame.scale**2
        self.roots = [inverse_factor(block, problem) for block in blocks]
        self.size = loss.shape[0] * loss.shape[1]

    @cached_property
    def T(self):
        """Of the classes, (K, d + 1, d + 1)."""
        T = np.stack([root.matrix() for root in self.roots])
        return _leave_frame(T, self.frame)

    def step(self, v):
        """T v as a direction (K, d + 1)."""
        theta = (self.T @ v.reshape(len(self.T), -1, 1))[:, :, 0]
        return theta - theta.mean(axis=0) if self._centred else theta

    def gradient(self, G):
        """T^T G for a gradient (K, d + 1), flat."""
        if self._centred:
            G = G - G.mean(axis=0)
        return (G[:, None, :] @ self.T).ravel()

    def _in_frame(self, G):
        """A gradient (K, d + 1) as one row for each root."""
        return np.column_stack([self.frame.gradient(G), G[:, -1]])


def _leave_frame(T, frame):
    """Turn T, (K, d + 1, size), for the frame into T for X's units, in place."""
    T[:, :-1] *= frame.scale[:, None]
    T[:, -1] -= frame.centre @ T[:, :-1]
    return T


def build_blocks(problem, theta, frame):
    """Coordinates from the Hessian's blocks of one class at theta."""
    blocks = loss_blocks(problem, theta, frame)
    coordinates = ClassBlocks(blocks, frame, problem)
    coordinates.follow(problem, theta)
    return coordinates


def build_kronecker(problem, theta, frame):
    """Coordinates from the Hessian's nearest Kronecker product at theta."""
    d = problem.shape[1] - 1
    (C,) = problem.curvature_sum(theta, class_curvature, (), 0)
    Q, curvature = _eigenbasis(problem, C)
    flops = build_flops(problem)["kronecker"] / 3
    args = feature_moments, (frame, Q, PLAIN_PART * curvature.sum())
    total, first, gram = problem.curvature_sum(theta, *args, flops, 8 * d * d)
    mean = np.zeros(d)
    if problem.fit_intercept:
        mean = first / total
        gram -= np.multiply.outer(mean, first)
    gram /= total
    penalty = problem.penalty.ridge * frame.scale**2
    plus_ridge = gram * curvature.mean()
    plus_ridge[np.diag_indices(d)] += penalty.mean(axis=0)
    root = whitening(plus_ridge, problem)
    centre = frame.centre + mean / frame.scale
    if root.unknown is not None:
        value, gradient = problem.value_gradient(theta)
        G = Q.T @ gradient
        g = (G[:, :-1] - G[:, -1:] * centre) * frame.scale
        root.follow(g, frame.rounding, value)
    U = root.T
    # at the null point all rows have the same probabilities; but the Gram matrix knows
    # no curvature of what follows the gradient
    if theta[:, :-1].any() or problem.has_offset or root.unknown is not None:
        args = frame, Q, mean, U
        H, intercept = problem.curvature_sum(theta, rotated_diagonal, args, 2 * flops)
    else:
        H = np.multiply.outer(curvature, (U * (gram @ U)).sum(axis=0))
        intercept = curvature
    ridge = (Q * Q).T @ np.broadcast_to(penalty, (len(Q), d)) @ (U * U)
    H += ridge
    scale = np.column_stack([inverse_root(H), inverse_root(intercept)])
    U *= frame.scale[:, None]
    strength = problem.penalty.strength
    return Kronecker(Q, U, scale, centre[None], _ridge_part(ridge, H), strength)


def build_diagonal(problem, theta, frame):
    """Coordinates from the Hessian's diagonal at theta, features centred."""
    (C,) = problem.curvature_sum(theta, class_curvature, (), 0)
    Q = np.eye(len(C))  # bounds tell the classes apart
    if problem.penalty.is_smooth:
        Q, _ = _eigenbasis(problem, C)
    args = class_moments, (frame, Q), problem.pass_flops
    total, first, H = problem.curvature_sum(theta, *args)
    taken_off = np.zeros_like(frame.centre) if problem.rows.is_sparse else frame.centre
    mean = np.zeros_like(first)
    if problem.fit_intercept:
        mean = first / np.maximum(total, 1e-300)[:, None]
        H = np.maximum(H - mean * first, 0)
    # what cancellation leaves of the frame's features is not curvature
    H[H < rounding(problem, 1) * np.abs(mean * first)] = 0
    ridge = (Q * Q).T @ np.broadcast_to(
        problem.penalty.ridge * frame.scale**2, (len(Q), H.shape[1])
    )
    H += ridge
    scale = np.column_stack([inverse_root(H) * frame.scale, inverse_root(total)])
    centre = taken_off + mean / frame.scale
    strength = problem.penalty.strength
    return Kronecker(Q, None, scale, centre, _ridge_part(ridge, H), strength)


def build_axes(problem, theta, frame):
    """Those of the Hessian's diagonal, where constant features stay as they are."""
    with np.errstate(all="ignore"):  # units are finite whatever the moments are
        axes = build_diagonal(problem, theta, frame)
    axes.scale[:, :-1][:, frame.constant] = 0
    return axes


def _eigenbasis(problem, C):
    """Directions (K, q) that diagonalise the mean curvature C, and its diagonal."""
    directions = class_directions(problem)
    curvature, V = np.linalg.eigh(directions.T @ C @ directions)
    return directions @ V, np.maximum(curvature, 0)


def _ridge_part(ridge, curvature):
    """The part of the curvature that is the ridge's, (q, d + 1); 0 for intercepts."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(curvature > 1e-280, ridge / curvature, 0.0)
    return np.column_stack([part, np.zeros(len(part))])


BUILDERS = {
    "hessian": build_hessian,
    "blocks": build_blocks,
    "kronecker": build_kronecker,
    "diagonal": build_diagonal,
}


def build(problem, theta, frame, kinds):
    """Coordinates at theta of the first of the kinds that can be built.

    A kind is a name, or a function like those in `BUILDERS`.

    Returns
    -------
    coordinates : Hessian, ClassBlocks or Kronecker
    kind : str or callable
        The one that was built; "none" if none could be, and the coordinates are just
        the frame.
    """
    for kind in kinds:
        builder = BUILDERS.get(kind, kind)
        try:
            with np.errstate(all="ignore"):  # what is not finite is caught below
                coordinates = builder(problem, theta, frame)
                probe = coordinates.step(np.ones(coordinates.size))
            if np.isfinite(probe).all():
                return coordinates, kind
        except LinAlgError:
            pass  # not positive definite, or no convergence: the next is simpler
    # the frame alone, which is finite whatever the data are
    K = problem.shape[0]
    scale = np.append(frame.scale, float(problem.fit_intercept))
    return Kronecker(
        np.eye(K), None, np.tile(scale, (K, 1)), frame.centre[None]
    ), "none"
