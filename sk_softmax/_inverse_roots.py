"""Inverse roots of curvature: T with T^T H T = I, as far as rounding lets H be known.

What has no known curvature does not move: its column of T is zero.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrsv
from scipy.linalg.lapack import dpotrf, dtrtri


@dataclass
class CholeskyRoot:
    """T = diag(jacobi) L^-T, kept as L.

    The inverse of L costs twice what the factor does, and products with it are no
    faster than triangular solves.
    """

    jacobi: np.ndarray
    L: np.ndarray
    unknown = None

    def __call__(self, v):
        """T v."""
        return self.jacobi * dtrsv(self.L, v, lower=True, trans=True)

    def transposed(self, g):
        """T^T g."""
        return dtrsv(self.L, self.jacobi * g, lower=True)

    def matrix(self):
        """T, a new array."""
        inverse, _ = dtrtri(self.L, lower=True)
        return self.jacobi[:, None] * inverse.T


@dataclass
class SpectralRoot:
    """T from eigenvalues and eigenvectors.

    Attributes
    ----------
    T : (N, N)
    unknown : (N, N) or None
        The columns of T that are zero, for want of known curvature, as they would be
        with the most that rounding may hide. The other columns are zero here.
    """

    T: np.ndarray
    unknown: np.ndarray | None = None

    def __call__(self, v):
        """T v."""
        return self.T @ v

    def transposed(self, g):
        """T^T g."""
        return g @ self.T

    def matrix(self):
        """T, a new array."""
        return self.T.copy()

    def follow(self, g, rounding, value):
        """Move unknown directions too where a gradient, a row of g, is not rounding.

        Exactly collinear columns have no gradient where they differ, and their
        difference stays; nearly collinear ones may have much to gain there.

        Parameters
        ----------
        g : (N,) or (q, N)
        rounding : (N,)
            That of each entry of a gradient of size one.
        value : float
            The objective there: at least the mean of 1 - p over the rows, whose
            rounding adds up in g.
        """
        along = np.abs(np.atleast_2d(g) @ self.unknown).max(axis=0)
        noise = 1e3 * max(np.linalg.norm(g), min(value, 1.0))
        used = along > noise * (rounding @ np.abs(self.unknown))
        self.T = np.where(used, self.unknown, self.T)


def inverse_factor(H, problem):
    """T with T^T H T the identity, as far as H is known in floating point."""
    jacobi = inverse_root(np.diag(H))
    noise = rounding(problem, len(H))
    L, failed = dpotrf(_unit_diagonal(H, jacobi), lower=True, overwrite_a=True)
    if not failed and np.square(L.diagonal()).min() > 1e4 * noise:
        return CholeskyRoot(jacobi, L)
    # Collinear features: rounding would make up the last pivots, and with them the
    # whole factor. Eigenvectors keep the other directions exact.
    return _spectral_root(_unit_diagonal(H, jacobi), jacobi, problem)


def _unit_diagonal(H, jacobi):
    """H scaled to a unit diagonal, also where jacobi is 0, in LAPACK's order."""
    H = np.multiply(H, jacobi[:, None], order="F")
    H *= jacobi
    np.fill_diagonal(H, 1)
    return H


def whitening(gram, problem):
    """T with T^T gram T the identity on what moves, whose columns are orthogonal."""
    jacobi = inverse_root(np.diag(gram))
    moves = np.ix_(jacobi > 0, jacobi > 0)  # what does not move must not mix with them
    jacobi = jacobi[jacobi > 0]
    root = _spectral_root(gram[moves] * jacobi[:, None] * jacobi, jacobi, problem)
    for name in ("T", "unknown"):
        if (some := getattr(root, name)) is not None:
            setattr(root, name, whole := np.zeros_like(gram))
            whole[moves] = some
    return root


def _spectral_root(H, jacobi, problem):
    """T for H of unit diagonal, times jacobi.

    Where all is penalised what is below the rounding has curvature, and counts as much.
    Else it may have none at all and does not move: the gradient has to say whether it
    is to (`SpectralRoot.follow`).
    """
    noise = rounding(problem, len(H))
    eigenvalues, V = np.linalg.eigh(H)
    V *= jacobi[:, None]
    V *= 1 / np.sqrt(np.maximum(eigenvalues, noise))
    known = eigenvalues > noise
    penalty = problem.penalty
    penalised = penalty.ridge.all() if penalty.is_smooth else penalty.strength > 0
    if penalised or known.all():
        return SpectralRoot(V)
    return SpectralRoot(V * known, V * ~known)


def inverse_root(curvature):
    """1 / sqrt, and 0 where there is no curvature: that direction does not move."""
    moves = curvature > 1e-280  # rounding may leave it below zero
    return np.where(moves, 1 / np.sqrt(np.where(moves, curvature, 1.0)), 0.0)


def rounding(problem, size):
    """Relative error of a curvature matrix of unit diagonal and this size."""
    return 16 * np.finfo(problem.rows.dtype).eps * np.sqrt(size)
