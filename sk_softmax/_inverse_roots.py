"""Inverse roots of curvature, as far as it is known in floating point."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrsv
from scipy.linalg.lapack import dpotrf, dtrtri


@dataclass
class CholeskyRoot:
    """T = diag(jacobi) L^-T, of which no more than L is made.

    To solve with a triangle reads half of what a product with its inverse reads, and
    the inverse costs twice what the factor does.
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
        """T, a copy of its own."""
        inverse, _ = dtrtri(self.L, lower=True)
        return self.jacobi[:, None] * inverse.T


@dataclass
class SpectralRoot:
    """T from eigenvalues and eigenvectors.

    Attributes
    ----------
    T : (N, N)
    unknown : (N, N) or None
        What the columns of T that are zero, for want of known curvature, would be with
        as much as rounding may hide. The others are zero here.
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
        """T, a copy of its own."""
        return self.T.copy()

    def follow(self, g, eps):
        """Have the unknown directions too in which the gradient is more than rounding.

        Exactly collinear columns have none, and stay as they are to each other; columns
        that are nearly so may have much to gain where they differ.
        """
        along = np.abs(g @ self.unknown)
        noise = 1e3 * eps * max(np.linalg.norm(g), 1.0)
        used = along > noise * np.linalg.norm(self.unknown, axis=0)
        self.T = np.where(used, self.unknown, self.T)


def inverse_factor(H, problem):
    """T with T^T H T the identity, as far as H is known in floating point."""
    jacobi = inverse_root(np.diag(H))
    noise = rounding(problem, len(H))
    L, failed = dpotrf(_unit_diagonal(H, jacobi), lower=True, overwrite_a=True)
    if not failed and np.square(L.diagonal()).min() > 1e4 * noise:
        return CholeskyRoot(jacobi, L)
    # Collinear features: the Cholesky factor of what is left by rounding would be
    # rounding. Eigenvectors keep the other directions exact.
    eigenvalues, V = np.linalg.eigh(_unit_diagonal(H, jacobi))
    V *= jacobi[:, None]
    root = 1 / np.sqrt(np.maximum(eigenvalues, noise))
    known = _known_inverse_root(eigenvalues, noise, problem)
    unknown = V * np.where(known == 0, root, 0) if not known.all() else None
    return SpectralRoot(V * known, unknown)


def _unit_diagonal(H, jacobi):
    """H scaled on both sides, in LAPACK's order; 1 also where jacobi is 0."""
    H = np.multiply(H, jacobi[:, None], order="F")
    H *= jacobi
    np.fill_diagonal(H, 1)
    return H


def whitening(problem, gram):
    """U with U^T gram U the identity, as far as it is known in floating point."""
    jacobi = inverse_root(np.diag(gram))
    moves = np.ix_(jacobi > 0, jacobi > 0)  # what stays still must not mix with them
    jacobi, U = jacobi[jacobi > 0], np.zeros_like(gram)
    eigenvalues, V = np.linalg.eigh(gram[moves] * jacobi[:, None] * jacobi)
    V *= jacobi[:, None]
    V *= _known_inverse_root(eigenvalues, rounding(problem, len(gram)), problem)
    U[moves] = V
    return U


def _known_inverse_root(eigenvalues, noise, problem):
    """1 / sqrt of eigenvalues of a matrix of unit diagonal, known up to noise.

    What is below the noise is at least the ridge, if there is one. Without one it
    is taken for no curvature at all: what is to be had from moving that way the
    gradient has to say.
    """
    root = 1 / np.sqrt(np.maximum(eigenvalues, noise))
    if problem.penalty.strength == 0:
        root[eigenvalues <= noise] = 0
    return root


def inverse_root(curvature):
    """1 / sqrt, and 0 where there is no curvature: that direction stays still."""
    moves = curvature > 1e-280  # rounding may leave it below zero
    return np.where(moves, 1 / np.sqrt(np.where(moves, curvature, 1.0)), 0.0)


def rounding(problem, size):
    """Relative error of a curvature matrix of unit diagonal."""
    return 16 * np.finfo(problem.rows.dtype).eps * np.sqrt(size)
