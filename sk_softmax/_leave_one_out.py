r"""Leave-one-out logits of an l2-penalised fit, without a refit for most rows.

One Newton step from the fit to the fit without row i. With the Hessian H at the
optimum, the row's K x K leverage :math:`A_i = (I \otimes x_i)^T H^{-1}
(I \otimes x_i)`, its weight :math:`s_i / S` and :math:`V_i = diag(p) - p p^T`,

.. math:: z_{-i} = z_i + \tfrac{s_i}{S}
   A_i \left( I - \tfrac{s_i}{S} V_i A_i \right)^{-1} (p_i - t_i)

For a row that moves its own logits far, one step is not enough, since the curvature
changes on the way. The few such rows are left out in fact, by a fit that starts at the
optimum and uses its coordinates.

(Rad and Maleki, "A scalable estimate of the out-of-sample prediction error via
approximate leave-one-out cross-validation", :doi:`10.1111/rssb.12374`).
"""

import math
import warnings

import numpy as np

from ._array_api import dense
from ._coordinates import build_hessian
from ._cost import MAX_BYTES
from ._expansion import loss_alone
from ._frame import Frame
from ._loss import log_proba
from ._optimum import Leftover
from ._separation import separated
from ._solver import descend

# Rows whose logits move by more than MOST_MOVE are left out in fact: of these at most
# MOST_REFITS, that move the most.
MOST_MOVE, MOST_REFITS = 0.5, 100
# Memory for the arrays of the rows that are worked on together.
CHUNK_BYTES = 2**24


def check_left_out(problem, Cs, classes):
    """Raise or warn where leaving one row out is impossible, or removes a class."""
    if problem.penalty.has_bounds:  # not the user's: `check_choices` refuses those
        raise ValueError(
            "penalty_factor is infinite, and cv='approximate-loo' takes no "
            "coefficients that are held fixed: leave out these columns, or use folds."
        )
    size = math.prod(problem.shape)
    if 8 * size**2 > MAX_BYTES:
        raise ValueError(
            f"cv='approximate-loo' needs the Hessian of all {size} coefficients, which "
            "is too large: use folds, such as cv=5."
        )
    if not problem.has_labels:
        return
    rows = problem.target[problem.weights(slice(None)) > 0]
    alone = classes[np.bincount(rows, minlength=len(classes)) == 1].tolist()
    if not alone:
        return
    if np.isinf(Cs).any():
        raise ValueError(
            f"Classes {alone} have one row: without it, C=inf makes their coefficients "
            "infinite. In Cs use a finite C, or leave out these classes."
        )
    warnings.warn(
        f"Classes {alone} have one row: it is scored by a fit that has seen no row of "
        "its class. Leave out classes of so few rows.",
        stacklevel=6,
    )


def refuse_separated(problem, theta, C, classes):
    """Raise where classes are separated: without curvature no row would be missed."""
    apart = separated(problem, theta)
    if apart.any():
        raise ValueError(
            f"cv='approximate-loo' cannot judge C={C:g}: X separates the classes "
            f"{classes[apart].tolist()}, and nothing penalises the coefficients "
            "that do. Use finite Cs and no penalty_factor of 0, or folds."
        )


def leave_one_out_loss(problem, theta, target):
    """Cross-entropy of each row under the fit without it.

    Parameters
    ----------
    problem : Problem
        With a quadratic penalty.
    theta : ndarray of shape (K, d + 1)
        Its optimum.
    target : ndarray of shape (n,) of codes or (n, n_classes)
        By which the rows are judged.

    Returns
    -------
    losses : ndarray of shape (n,)
    """
    d1 = problem.shape[1]
    frame = Frame(problem)
    coordinates = build_hessian(problem, theta, frame)
    Q = coordinates.Q
    root = coordinates.matrix()
    losses, moves = np.empty((2, problem.rows.shape[0]))
    chunk = max(1, CHUNK_BYTES // (8 * root.size // d1))
    for rows, X in problem.rows.read():
        for start in range(rows.start, rows.stop, chunk):
            part = slice(start, min(start + chunk, rows.stop))
            piece = X[part.start - rows.start : part.stop - rows.start]
            Z = problem.logits(part, piece, theta).astype(np.float64)
            features = np.ones((piece.shape[0], d1))
            features[:, -1] = problem.fit_intercept
            features[:, :-1] = dense(piece)
            # (m, q, N): A_i = Q root_i root_i^T Q^T
            row_root = np.tensordot(features, root, axes=(1, 1))
            leverage = Q @ (row_root @ row_root.transpose(0, 2, 1)) @ Q.T
            weight = problem.weights(part) / problem.total_weight
            left_out = _left_out_logits(problem, Z, leverage, part, weight)
            losses[part] = _losses(left_out, target[part])
            move = left_out - Z
            moves[part] = abs(move[0]) if len(Z) == 1 else np.ptp(move, axis=0)
    for i in np.argsort(-moves, kind="stable")[:MOST_REFITS]:
        if moves[i] > MOST_MOVE:
            row = slice(i, i + 1)
            refitted = _refit(problem, theta, coordinates, frame, i)
            X = problem.rows.take([i]).X
            Z = problem.logits(row, X, refitted).astype(np.float64)
            losses[i] = _losses(Z, target[row])[0]
    return losses


def _refit(problem, theta, coordinates, frame, i):
    """The optimum without row i, starting from that of all rows, theta."""
    weight = problem.weights(slice(None)).copy()
    weight[i] = 0
    rest = problem.replaced(weight=weight)
    rest.total_weight = problem.total_weight  # the penalty's strength contains it
    leftover = Leftover(
        frame, point=loss_alone(rest, theta), coordinates=coordinates, kind="hessian"
    )
    # tol is relative to all of F, of which this row is about 1 / n
    tol = 1e-6 / problem.rows.shape[0]
    return descend(rest, tol=tol, max_iter=100, leftover=leftover).theta


def _left_out_logits(problem, Z, leverage, part, weight):
    """Logits (K, m) of rows, each under the fit without it."""
    target, K = problem.target[part], len(Z)
    _, R = problem.loss.residual(Z.copy(), target, np.asarray(weight, np.float64))
    P = problem.loss.proba(Z.copy())
    if K == 1:
        V = (P * (1 - P)).T[:, :, None]
    else:
        V = -np.einsum("km,lm->mkl", P, P)
        V[:, np.arange(K), np.arange(K)] += P.T
    system = np.eye(K) - weight[:, None, None] * (V @ leverage)
    step = np.linalg.solve(system, R.T[:, :, None])
    return Z + (leverage @ step)[:, :, 0].T


def _losses(Z, target):
    """Cross-entropy of each row, (m,)."""
    logp = log_proba(Z.T if len(Z) > 1 else Z[0])
    if target.ndim == 1:
        return -logp[np.arange(len(target)), target]
    return -np.einsum("mk,mk->m", logp, target)
