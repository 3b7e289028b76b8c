r"""The step of proximal Newton on a working set, and its Hessian.

With an l1 term or bounds the coordinates must not be rotated, but most
coefficients are zero or at a bound. For a working set of N others and the K
intercepts the whole Hessian H is affordable, and the model

.. math:: m(d) = g^T d + \tfrac{1}{2} d^T H d + penalty(u + d)

is minimised without a pass over the data, in N^2 to N^3 flops; H costs n N^2.
"""

from copy import copy

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot

from ._array_api import namespace, put_at
from ._curvature import loss_hessian
from ._frame import framed
from ._model_steps import submatrix
from ._quadratic_model import Reduced, minimise_model, taken_and_left

# Rows of X in one product for the Hessian.
CHUNK_ROWS = 512
# The model's ridge, in eps of X's dtype: about what rounding takes off the curvature of
# collinear features.
RIDGE = 64


class WorkingSet:
    """Coefficients that may move, in the frame's units, and the intercepts.

    Parameters
    ----------
    problem : Problem
    frame : Frame
    chosen : bool array (K, d)

    Attributes
    ----------
    index : pair of int arrays (N,)
        Classes and features. Those with a kink, or bounds, come first: the others are
        eliminated from the model.
    n_kinked : int
        How many have one.
    scale : (N,)
        Coefficients are `scale` times the variables.
    """

    def __init__(self, problem, frame, chosen):
        self.chosen = chosen
        kinked = problem.penalty.kinked
        first, rest = np.nonzero(chosen & kinked), np.nonzero(chosen & ~kinked)
        self.index = tuple(map(np.append, first, rest))
        self.classes, self.features = self.index
        self.n_kinked = len(first[0])
        n = self.n_kinked
        self._kinked = self.classes[:n], self.features[:n]
        self._choose_units(problem.penalty, frame)
        # what the rounding of gradients is relative to
        far = np.abs(frame.mean[self.features]) * self.scale
        self._far = np.append(np.maximum(far, 1.0), np.ones(len(chosen)))
        # centred sparse features would be dense; to eliminate the intercepts centres
        # them in the model
        self.centre = np.zeros_like(frame.centre)
        if not problem.rows.is_sparse:
            self.centre = frame.centre
        self.frame = frame
        self._adopt(problem)

    def _choose_units(self, penalty, frame):
        """The frame's units over sqrt(1 + ridge): the ridge's curvature is at most 1.

        Steps on the model ignore curvature that is tiny beside the greatest one, which
        a large ridge would be.
        """
        scale = frame.scale[self.features]
        self._unit, self.scale = np.ones(len(scale)), scale
        if penalty.has_ridge:
            ridge = np.broadcast_to(penalty.ridge, self.chosen.shape)[self.index]
            self._unit = 1 / np.sqrt(1 + ridge * scale**2)
            self.scale = scale * self._unit

    def _adopt(self, problem):
        """Keep what depends on the problem's penalty, which `with_penalty` changes."""
        self.problem, penalty = problem, problem.penalty
        self._part = penalty.part(self._kinked, self.scale[: self.n_kinked])
        self._prior = penalty.prior[self._kinked]

    def gradient(self, G):
        """Of the variables (N,) and the intercepts (K,), from a gradient (K, d + 1)."""
        intercepts = G[:, -1]
        g = G[self.index] - intercepts[self.classes] * self.centre[self.features]
        return g * self.scale, intercepts

    def direction(self, d, intercept):
        """A direction (K, d + 1) from variables and intercepts."""
        theta = np.zeros(self.problem.shape)
        theta[self.index] = d * self.scale
        theta[:, -1] = intercept
        if self.problem.fit_intercept:
            theta[:, -1] -= theta[:, :-1] @ self.centre
        return theta

    def hessian(self, theta):
        """Of the variables and the intercepts, (N + K, N + K): a pass over the data."""
        whole = self.chosen.all() and not self.problem.rows.is_sparse
        H = self._whole_hessian(theta) if whole else self._loss_hessian(theta)
        N = len(self.classes)
        H[:N] *= self._unit[:, None]
        H[:, :N] *= self._unit
        H[np.arange(N), np.arange(N)] += self.ridge()
        return H

    def _loss_hessian(self, theta):
        """The loss's part of the Hessian, in the frame's units."""
        problem = self.problem
        used = np.flatnonzero(self.chosen.any(axis=0))
        position = np.searchsorted(used, self.features)
        K, N = problem.shape[0], len(self.classes)
        # intercepts are coefficients of one more feature, which is 1
        position = np.append(position, np.full(K, len(used)))
        classes = np.append(self.classes, np.arange(K))
        args = self.frame, used, position, classes
        flops, size = problem.rows.shape[0] * (N + K) ** 2, 8 * (N + K) ** 2
        (H,) = problem.curvature_sum(theta, _hessian, args, flops, size)
        return H

    def _whole_hessian(self, theta):
        """The same, where all are chosen: products that need no selection."""
        K, d1 = self.problem.shape
        H = loss_hessian(self.problem, theta, self.frame)
        intercepts = np.arange(1, K + 1) * d1 - 1
        order = np.append(self.classes * d1 + self.features, intercepts)
        return submatrix(H, order)

    def ridge(self):
        """The penalty's part of the Hessian's diagonal, (N,)."""
        penalty = self.problem.penalty
        if not penalty.has_ridge:
            return 0.0
        ridge = np.broadcast_to(penalty.ridge, penalty.l1.shape)
        return ridge[self.index] * self.scale**2

    def with_penalty(self, problem, H):
        """The same set under another penalty, and its Hessian from this one's."""
        other = copy(self)
        other._adopt(problem)
        H, N = H.copy(), len(self.classes)
        H[np.arange(N), np.arange(N)] += other.ridge() - self.ridge()
        return other, H

    def learn(self, H, before, after):
        """Put the curvature met between two points into H: a BFGS update, in place."""
        step = after.theta - before.theta
        step[:, -1] += step[:, :-1] @ self.centre
        s = np.append(step[self.index] / self.scale, step[:, -1])
        y = np.append(*self.gradient(after.gradient - before.gradient))
        Hs = H @ s
        met, expected = s @ y, s @ Hs
        if met > 1e-8 * expected > 0:  # otherwise it is rounding
            H += np.multiply.outer(y / met, y)
            H -= np.multiply.outer(Hs / expected, Hs)

    def step(self, H, W, G, damping=0.0):
        """The model's minimiser.

        Parameters
        ----------
        H : (N + K, N + K)
        W : (K, d) coefficients
        G : (K, d + 1) gradient of the smooth part
        damping : float
            Curvature to be added in every variable, where models promised too much.

        Returns
        -------
        direction : (K, d + 1)
        landing : (K, d)
            The coefficients after it; what ends at zero or at a bound is exactly there,
            which rounding may keep W plus the direction from.
        gain : float
            What it takes off the model, at least 0.
        rest : float
            About what it leaves: the model's minimiser may have given up.
        """
        N, n, penalty = len(self.scale), self.n_kinked, self.problem.penalty
        if damping:
            H = H + damping * np.eye(len(H))
        eps = np.finfo(self.problem.rows.dtype).eps
        slope = np.append(*self.gradient(G))
        reduced = Reduced(H, slope, n, 1e3 * eps, self._far[n:])
        index, scale = self._kinked, self.scale[:n]
        part, prior = self._part, self._prior
        u = (W[index] - prior) / scale
        model = reduced.H, reduced.q, u, part
        new = minimise_model(*model, RIDGE * eps, reduced.diagonal)
        taken, rest = taken_and_left(*model, new)
        d = reduced.direction(new - u)
        direction = self.direction(d[:N], d[N:])
        landing = W + direction[:, :-1]
        landing[index] = penalty.coefs(index, scale, part, new)
        return direction, landing, max(reduced.gain + taken, 0.0), rest


def _hessian(problem, X, P, weight, frame, used, position, classes):
    """A block's part of the loss's Hessian.

    Variable i is the coefficient of class `classes[i]` and feature `used[position[i]]`,
    or an intercept where `position[i]` is past them.
    """
    if problem.rows.is_sparse:
        K = len(P)
        X = X[:, used[position[:-K]]]
        X.data *= frame.scale[used[position[:-K]]].astype(X.dtype)[X.indices]
        X = X.tocsc()
        X.resize(X.shape[0], len(classes))
        H = _sparse_hessian(problem.loss, X, P, weight, classes[:-K])
        if not problem.fit_intercept:
            H[-K:] = H[:, -K:] = 0
        return (H,)
    X = namespace(P).take(X, used, axis=1)
    Z = framed(problem, X, frame, used)
    return (_dense_hessian(problem.loss, Z, position, P, weight, classes),)


def _dense_hessian(loss, Z, position, P, weight, classes):
    """Of variables that are coefficients of the rows `position` of Z.

    It is the sum of -p_k x_i p_l x_j, where k and l are the classes of two variables,
    with p_k (1 - p_k) x_i x_j instead where they are the same.
    """
    xp, K = namespace(P), P.shape[0]
    (m,) = weight.shape
    if K == 1:
        curvature = loss.curvature(P, None)[0, :]
        A = xp.take(Z, position, axis=0) * xp.sqrt(curvature * weight)
        return A @ A.T
    root = xp.sqrt(weight)
    # (N + K, m) products p_k x_j, in chunks: their arrays stay near a block's size, and
    # to add up N^2 numbers is little work beside each product
    edges = np.linspace(0, m, -(-m // CHUNK_ROWS) + 1).astype(int)
    H = None
    for part in map(slice, edges[:-1], edges[1:]):
        A = xp.take(P[:, part] * root[part], classes, axis=0)
        A *= xp.take(Z[:, part], position, axis=0)
        product = A @ A.T
        if H is None:
            H = product
        else:
            H += product
    H *= -1
    share = xp.sqrt(P * loss.others(P) * weight)
    for k in range(K):
        chosen = xp.nonzero(classes == k)[0]
        A = xp.take(Z, xp.take(position, chosen), axis=0) * share[k, :]
        H = put_at(H, chosen, A @ A.T)
    return H


def _sparse_hessian(loss, X, P, weight, classes):
    """The same for CSC X, (m, N + K), with a column for each coefficient.

    The last K, those of the intercepts, are empty, for they would be full: their
    part is products with P.
    """
    (N,), K, (m,) = classes.shape, len(P), weight.shape
    root = np.sqrt(weight)
    if K == 1:
        share = root * np.sqrt(loss.curvature(P, None))
        A = _scaled(X, share[0, X.indices])
        H = safe_sparse_dot(A.T, A, dense_output=True)
        H[:N, N:] = (A.T @ share.T)[:N]
    else:
        share, own = P * root, P * loss.others(P) * weight
        owner = np.repeat(classes, np.diff(X.indptr[: N + 1]))
        A = _scaled(X, share[owner, X.indices])
        own = own[owner, X.indices]
        B = _scaled(X, np.sqrt(own))
        H = -safe_sparse_dot(A.T, A, dense_output=True)
        H[:N, :N][classes[:, None] == classes] = 0
        # rows of each class apart: no product of two classes
        indices = X.indices + m * owner.astype(X.indices.dtype)
        B = type(X)((B.data, indices, X.indptr), (K * m, N + K))
        H += safe_sparse_dot(B.T, B, dense_output=True)
        H[:N, N:] = -(A.T @ share.T)[:N]
        moments = _scaled(X, own).T @ np.ones(m)
        H[np.arange(N), N + classes] = moments[:N]
    H[N:, :N] = H[:N, N:].T
    H[N:, N:] = loss.mean_curvature(P, weight)
    return H


def _scaled(X, factor):
    """Sparse X with its entries multiplied."""
    return type(X)((X.data * factor, X.indices, X.indptr), X.shape)
