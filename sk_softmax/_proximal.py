r"""The step of proximal Newton on a working set: a quadratic plus the penalty.

With an l1 term or bounds the coordinates must not be rotated, but most
coefficients are zero or at a bound. On the working set of the others, N of them
and the intercepts, the Hessian H is small enough to have whole, and the model

.. math:: m(d) = g^T d + \tfrac{1}{2} d^T H d + penalty(u + d)

is minimised without touching the data: proximal gradient steps find the face of
the penalty (which variables are zero, which at a bound), Newton steps on that
face do the rest. Both costs N^2 to N^3 flops; H costs n N^2.
"""

import warnings
from copy import copy

import numpy as np
from scipy.linalg import (
    LinAlgError,
    cho_factor,
    cho_solve,
    cholesky,
    solve_triangular,
)
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

from ._array_api import add_at, full, namespace

# Steps on one model. Faces settle after about ten; what a hundred do not settle,
# the next model will.
MAX_MODEL_STEPS = 100
# A face found by guessing takes up to six guesses, or they go in circles.
MAX_FACES = 10
# Rows of X in a product for the Hessian.
CHUNK_ROWS = 512
# After so many from the last fit of a path the face is not near, and coordinate
# descent finds it sooner.
FEW_MODEL_STEPS = 6


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
        Classes and features.
    scale : (N,)
        Coefficients are `scale` times the variables.
    """

    def __init__(self, problem, frame, chosen):
        self.chosen = chosen
        self.index = self.classes, self.features = np.nonzero(chosen)
        self.scale = frame.scale[self.features]
        # centred sparse features would be dense; the elimination of the intercepts
        # does the same to the model
        self.centre = np.zeros_like(frame.centre)
        if not problem.rows.is_sparse:
            self.centre = frame.centre
        self.problem, self.frame = problem, frame

    def gradient(self, G):
        """Of the variables (N,) and the intercepts (K,), from a gradient (K, d + 1)."""
        g = G[self.index] - G[self.classes, -1] * self.centre[self.features]
        return g * self.scale, G[:, -1]

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
        problem = self.problem
        used, position = np.unique(self.features, return_inverse=True)
        K, N = problem.shape[0], len(self.classes)
        # the intercepts are the coefficients of one more feature, which is 1
        position = np.append(position, np.full(K, len(used)))
        classes = np.append(self.classes, np.arange(K))
        args = self.frame, used, position, classes
        flops, size = problem.rows.shape[0] * (N + K) ** 2, 8 * (N + K) ** 2
        (H,) = problem.curvature_sum(theta, _hessian, args, flops, size)
        H[np.arange(N), np.arange(N)] += self.ridge()
        return H

    def ridge(self):
        """The penalty's part of the Hessian's diagonal, (N,)."""
        penalty = self.problem.penalty
        ridge = np.broadcast_to(penalty.curvature(), penalty.l1.shape)
        return ridge[self.index] * self.scale**2

    def with_penalty(self, problem, H):
        """The same set under another penalty, and its Hessian from this one's."""
        other = copy(self)
        other.problem = problem
        H, N = H.copy(), len(self.classes)
        H[np.arange(N), np.arange(N)] += other.ridge() - self.ridge()
        return other, H

    def step(self, H, W, G, damping=0.0, near=False):
        """The model's minimiser.

        Parameters
        ----------
        H : (N + K, N + K)
        W : (K, d) coefficients
        G : (K, d + 1) gradient of the smooth part
        damping : float
            Curvature that H gets more in every variable, where the model promised
            too much. In the frame's units curvatures are at most about 1.

        near : bool
            Whether the minimiser's face is near.

        Returns
        -------
        direction : (K, d + 1)
        landing : (K, d)
            The coefficients after it, on zero and on the bounds to the last bit,
            which W plus the direction need not be.
        gain : float
            What it takes off the model, at least 0.
        rest : float
            About what it leaves: the model's minimiser may have given up.
        """
        N, penalty = len(self.scale), self.problem.penalty
        if damping:
            H = H + damping * np.eye(len(H))
        kinked = self._has_kink()
        noise = 1e3 * np.finfo(self.problem.rows.dtype).eps
        reduced = Reduced(H, np.concatenate(self.gradient(G)), kinked, noise)
        kinked = kinked[:N]
        index, scale = tuple(i[kinked] for i in self.index), self.scale[kinked]
        part = penalty.part(index, scale)
        prior = np.broadcast_to(penalty.prior, W.shape)[index]
        u = (W[index] - prior) / scale
        new = minimise_model(reduced.H, reduced.q, u, part, near)
        gain = reduced.gain - _model(reduced.H, reduced.q, u, part, new)
        rest = _left(reduced.H, reduced.q, u, part, new)
        d = reduced.direction(new - u)
        direction = self.direction(d[:N], d[N:])
        values = prior + new * scale
        for edge, bound in ((part.lower, penalty.lower), (part.upper, penalty.upper)):
            values = np.where(new == edge, bound[index], values)
        landing = W + direction[:, :-1]
        landing[index] = values
        return direction, landing, max(gain, 0.0), rest

    def _has_kink(self):
        """Whether each variable and intercept has an l1 term or bounds, (N + K,).

        With bounds alone all do: there would be too many without.
        """
        penalty = self.problem.penalty
        l1, lower, upper = penalty.l1, penalty.lower, penalty.upper
        kink = (l1 > 0) | np.isfinite(lower) | np.isfinite(upper) | (not penalty.has_l1)
        return np.append(kink[self.index], np.zeros(len(l1), dtype=bool))


class Reduced:
    """A quadratic model without the variables that go where the others send them.

    Those have no kink: the intercepts and what is not penalised. Their block of H is
    singular for K >= 3, where constant vectors do not count.

    Attributes
    ----------
    H, q : (N, N), (N,)
        Of the variables that are `kept`.
    gain : float
        What the others take off the model while these stay.
    """

    def __init__(self, H, slope, kept, noise):
        self._kept, self._others = kept, ~kept
        block = H[~kept][:, ~kept]
        # p (1 - p) is known to eps, not to eps times itself
        size = np.diag(block).max(initial=0.0)
        rcond = min(0.01 * noise / size, 1.0) if 0 < size < 0.01 else noise
        self._inverse = np.linalg.pinv(block, rcond=rcond, hermitian=True)
        self._cross, self._slope = H[~kept][:, kept], slope[~kept]
        back = self._cross.T @ self._inverse
        self.H = H[kept][:, kept] - back @ self._cross
        self.q = slope[kept] - back @ self._slope
        self.gain = 0.5 * self._slope @ self._inverse @ self._slope

    def direction(self, d):
        """All variables, from those that are kept."""
        whole = np.empty(len(self._kept))
        whole[self._kept] = d
        whole[self._others] = -self._inverse @ (self._slope + self._cross @ d)
        return whole


def _hessian(problem, X, P, weight, frame, used, position, classes):
    """A block's part; its columns are the features `used` and a one, by `position`."""
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
    loss, one = problem.loss, float(problem.fit_intercept)
    X = namespace(P).take(X, used, axis=1)
    Z = full((used.shape[0] + 1, X.shape[0]), one, X)
    Z[:-1, :] = frame(X, used).T
    return (_dense_hessian(loss, Z, position, P, weight, classes),)


def _dense_hessian(loss, Z, position, P, weight, classes):
    """Of variables that are coefficients of the rows `position` of Z, (d, m)."""
    xp, K = namespace(P), P.shape[0]
    (m,) = weight.shape
    if K == 1:
        curvature = loss.curvature(P, None)[0, :]
        A = xp.take(Z, position, axis=0) * xp.sqrt(curvature * weight)
        return A @ A.T
    root = xp.sqrt(weight)
    # (N + K, m) products p_k x_j, in chunks that stay near a block's size and for
    # which N^2 sums are little work beside the product
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
    for k in range(K):
        chosen = xp.nonzero(classes == k)[0]
        A = xp.take(Z, xp.take(position, chosen), axis=0) * xp.sqrt(P[k, :] * weight)
        H = add_at(H, chosen, A @ A.T)
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
        H = (A.T @ A).toarray()
        H[:N, N:] = (A.T @ share.T)[:N]
    else:
        share = P * root
        owner = np.repeat(classes, np.diff(X.indptr[: N + 1]))
        A = _scaled(X, share[owner, X.indices])
        B = _scaled(X, np.sqrt(share[owner, X.indices] * root[X.indices]))
        # rows of each class apart: no product of two classes
        indices = X.indices + m * owner.astype(X.indices.dtype)
        B = type(X)((B.data, indices, X.indptr), (K * m, N + K))
        H = (B.T @ B).toarray()
        H -= (A.T @ A).toarray()
        H[:N, N:] = -(A.T @ share.T)[:N]
        H[np.arange(N), N + classes] += (A.T @ root)[:N]
    H[N:, :N] = H[:N, N:].T
    H[N:, N:] = loss.mean_curvature(P, weight)
    return H


def _scaled(X, factor):
    """Sparse X with its entries multiplied."""
    return type(X)((X.data * factor, X.indices, X.indptr), X.shape)


def _model(H, q, u, part, v):
    d = v - u
    return q @ d + 0.5 * d @ (H @ d) + part.value(v) - part.value(u)


def _left(H, q, u, part, v):
    """About what is still to be taken off the model at v."""
    left = part.violation(v, q + H @ (v - u))
    curvature = np.diag(H)
    curvature = np.maximum(curvature, 1e-12 * curvature.max(initial=0))
    return 0.5 * np.sum(left[left > 0] ** 2 / curvature[left > 0])


def minimise_model(H, q, u, part, near=False, tol=1e-6):
    """argmin over v of q^T (v - u) + (v - u)^T H (v - u) / 2 + penalty(v).

    Parameters
    ----------
    H : (N, N) positive semidefinite
    q, u : (N,)
    part : Separable or Grouped
    near : bool
        Whether the face of the minimiser is near, and coordinate descent can wait.
    tol : float
        KKT violation at which to stop, relative to that at u.

    Returns
    -------
    v : (N,)
    """
    if len(u) == 0:
        return u
    diagonal = np.diag(H)
    size = np.maximum(diagonal, 1e-12 * max(diagonal.max(), 1e-300))
    H = H + np.diag(1e-11 * size)  # collinear features leave H singular
    root = 1 / np.sqrt(size)
    first = np.abs(part.violation(u, q) * root).max()
    if part.is_lasso:
        # in the end, and mostly before, the face is the last one's
        v = _last_digits(H, q, u, part, u)
        if np.abs(part.violation(v, q + H @ (v - u)) * root).max() <= tol * first:
            return v
    elif not hasattr(part, "group"):
        v = semismooth_newton(H, q, u, part, size)
        if v is not None:
            return v
    step = None
    v, value = u, 0.0
    few = FEW_MODEL_STEPS if near else 0
    for i in range(MAX_MODEL_STEPS):
        gradient = q + H @ (v - u)
        if np.abs(part.violation(v, gradient) * root).max() <= tol * first:
            break
        if part.is_lasso and i == few:
            trial = _coordinate_descent(H, q, u, part.weight)
            trial_value = _model(H, q, u, part, trial)
            if trial_value < value:
                v, value = trial, trial_value
                continue
        before = value
        step = _steps(H, size, part) if step is None else step
        trial = part.prox(v - step * gradient, step)
        trial_value = _model(H, q, u, part, trial)
        if trial_value <= value:
            v, value = trial, trial_value
        trial, trial_value = _face_step(H, q, u, part, v, value)
        if trial_value < value:
            v, value = trial, trial_value
        stuck = before - value <= 1e-15 * abs(value)
        if stuck and (i >= few or not part.is_lasso):
            break
    return _last_digits(H, q, u, part, v)


def semismooth_newton(H, q, u, part, size):
    """The minimiser by its face, where that settles soon; else None.

    What a gradient step, as long as each variable's own curvature permits, would put
    on zero or a bound is held there, Newton's step takes the others, and so on until
    no variable changes: the primal-dual active set method (Hintermueller, Ito and
    Kunisch, doi:10.1137/S1052623401383558). For the lasso it mostly goes in circles.
    """
    v, face = u, np.empty(0)
    for _ in range(MAX_FACES):
        gradient = q + H @ (v - u)
        trial = part.prox(v - gradient / size, 1 / size)
        free = part.free(trial)
        # free variables by their sign, which is neither a bound nor zero
        v, last = np.where(free, v, trial), face
        face = np.append(free, np.where(free, np.sign(trial), trial))
        if np.array_equal(face, last):
            return v
        if not free.any():
            continue
        slope = (q + H @ (v - u) + part.gradient(trial))[free]
        try:
            factor = cho_factor(H[np.ix_(free, free)], check_finite=False)
        except LinAlgError:
            return None
        v[free] -= cho_solve(factor, slope, check_finite=False)
    return None


def _last_digits(H, q, u, part, v):
    """Newton's step on v's face, judged by the KKT violation.

    The model's value tells points apart to half the digits only; a fit that rests
    on it would depend on the order of the rows.
    """
    gradient = q + H @ (v - u)
    trial = v + _newton_direction(H, part, v, gradient)
    violation = part.violation(trial, q + H @ (trial - u)).max()
    stays = np.array_equal(part.onto_face(v, trial), trial)
    return trial if stays and violation < part.violation(v, gradient).max() else v


def _newton_direction(H, part, v, gradient):
    """Newton's step from v on the penalty's face, zero where that is singular."""
    free = part.free(v)
    direction = np.zeros_like(v)
    if free.any():
        curvature = H[np.ix_(free, free)]
        part.add_hessian(curvature, v, free)
        slope = (gradient + part.gradient(v))[free]
        try:
            factor = cho_factor(curvature, check_finite=False)
            direction[free] = -cho_solve(factor, slope)
        except LinAlgError:
            pass
    return direction


def _coordinate_descent(H, q, u, weight):
    """The lasso's model to a few digits, by scikit-learn's coordinate descent.

    It wants one weight for all and a design matrix: the Cholesky factor is one.
    """
    unit = np.median(weight)
    scale = unit / weight
    H = H * scale[:, None] * scale
    target = scale * (H @ (u / scale) / scale - q)
    try:
        R = cholesky(H, check_finite=False)
    except LinAlgError:
        return u
    y = solve_triangular(R, target, trans="T", check_finite=False)
    # to check the parameters takes longer than to solve a small model
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, coefs, _ = lasso_path(
            np.asfortranarray(R),
            y,
            alphas=[unit / len(u)],
            precompute=H,
            Xy=target,
            coef_init=u / scale,
            tol=1e-8,
            max_iter=1000,
            check_input=False,
        )
    return coefs[:, 0] * scale


def _steps(H, size, part):
    """Step lengths of the proximal gradient, the same within a group."""
    if hasattr(part, "group"):
        largest = np.zeros(len(part.weight))
        np.maximum.at(largest, part.group, size)
        size = largest[part.group]
    root = 1 / np.sqrt(size)
    # the rows' absolute sums bound the greatest eigenvalue
    greatest = np.abs(H * root[:, None] * root).sum(axis=1).max()
    return 1 / (greatest * size)


def _face_step(H, q, u, part, v, value):
    """Newton's step from v on the penalty's face, shortened until it gains."""
    d = _newton_direction(H, part, v, q + H @ (v - u))
    free = d != 0
    if not free.any():
        return v, value
    # All the way, ending at zero or a bound for what would cross it; else to the
    # first that does, where the model is quadratic and falls all the way.
    for length in (1.0, part.reach(v, free, d[free]) * (1 + 1e-12), 0.25, 0.01):
        trial = part.onto_face(v, v + length * d)
        trial_value = _model(H, q, u, part, trial)
        if trial_value < value:
            return trial, trial_value
    return v, value
