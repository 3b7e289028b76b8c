"""The inverse Hessian as L-BFGS knows it, in its compact form.

From R. H. Byrd, J. Nocedal and R. B. Schnabel, "Representations of quasi-Newton
matrices and their use in limited memory methods", Mathematical Programming 63 (1994),
129-156, doi:10.1007/BF01582063, equation 3.1: a few products with matrices in place
of two loops over the pairs. SciPy's L-BFGS-B has its own line search, which would
read X at every trial.
"""

import numpy as np
from scipy.linalg.lapack import dtrtrs


class LimitedMemory:
    """Inverse Hessian from pairs of steps and changes of the gradient.

    Where no pair says more it is the identity, for coordinates are made for that, or
    more where the last pair has met less curvature.

    Parameters
    ----------
    most : int
        Pairs that are remembered.
    """

    def __init__(self, size, most):
        self._most, self._n = most, 0
        self._steps, self._changes = np.empty((2, most, size))
        # s_i y_j for i <= j, and y_i y_j
        self._upper, self._gram = np.zeros((2, most, most))

    def add(self, step, change):
        """Remember a pair; the oldest is forgotten where there are too many."""
        if not step @ change > 0:  # rounding
            return
        if self._n == self._most:
            for matrix in (self._steps, self._changes):
                matrix[:-1] = matrix[1:]
            for matrix in (self._upper, self._gram):
                matrix[:-1, :-1] = matrix[1:, 1:]
            self._n -= 1
        n, self._n = self._n, self._n + 1
        self._steps[n], self._changes[n] = step, change
        self._upper[: n + 1, n] = self._steps[: n + 1] @ change
        self._gram[: n + 1, n] = self._gram[n, : n + 1] = (
            self._changes[: n + 1] @ change
        )

    def __matmul__(self, gradient):
        """The inverse Hessian times a gradient."""
        n = self._n
        if n == 0:
            return gradient
        S, Y, R = self._steps[:n], self._changes[:n], self._upper[:n, :n]
        p, _ = dtrtrs(R, S @ gradient)
        # the curvature along the last step, where it is less than the identity's
        g = max(R[-1, -1] / self._gram[n - 1, n - 1], 1.0)
        rest = g * (self._gram[:n, :n] @ p) + np.diag(R) * p - g * (Y @ gradient)
        q, _ = dtrtrs(R, rest, trans=1)
        return g * gradient + q @ S - g * (p @ Y)
