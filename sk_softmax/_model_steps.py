"""Newton's step on a face of the penalty, for a quadratic model.

A face is which variables are zero, and which at a bound. The model is q^T (v - u)
+ (v - u)^T H (v - u) / 2 + penalty(v).
"""

import numpy as np
from scipy.linalg import lapack


def curvatures(H):
    """H's diagonal, with what is zero or nearly so raised, to be divided by."""
    diagonal = H.diagonal()
    return np.maximum(diagonal, 1e-12 * max(diagonal.max(initial=0), 1e-300))


def last_digits(H, q, u, part, v):
    """v after Newton's step on its face, if that is better, and its KKT violation.

    It is the violation that tells: the model's value tells points apart to half the
    digits only, and a fit that rests on it would depend on the order of the rows.
    """
    gradient = q + H @ (v - u)
    before = part.violation(v, gradient)
    trial = v + newton_direction(H, part, v, gradient)
    after = part.violation(trial, q + H @ (trial - u))
    stays = (part.onto_face(v, trial) == trial).all()
    return (trial, after) if stays and after.max() < before.max() else (v, before)


def newton_direction(H, part, v, gradient):
    """Newton's step from v on the penalty's face; zero if H is singular there."""
    free = np.flatnonzero(part.free(v))
    direction = np.zeros(len(v))
    if len(free):
        curvature = submatrix(H, free)
        part.add_hessian(curvature, v, free)
        slope = (gradient + part.gradient(v))[free]
        newton = solve(curvature, slope)
        if newton is not None:
            direction[free] = -newton
    return direction


def submatrix(A, index):
    """A copy of A's rows and columns at the integers in index.

    NumPy's own A[np.ix_(index, index)] takes twice to five times as long.
    """
    return A.take(index, axis=0).take(index, axis=1)


def solve(A, b):
    """The solution of A x = b, or None where A is not positive definite.

    A is overwritten. It calls LAPACK itself: SciPy's wrapper takes longer than the
    solution of a small model.
    """
    _, x, info = lapack.dposv(A.T, b, overwrite_a=True)
    return x if info == 0 else None


def solve_singular(A, b):
    """The solution of A x = b with the least ridge on A that makes it definite.

    Where A is singular x is long. Zero, where A is far from positive semidefinite.
    """
    size, level = np.diag(A.diagonal()), 0.0
    while (x := solve(A + level * size, b)) is None and level < 1:
        level = 10 * level or 1e-12
    return np.zeros_like(b) if x is None else x
