"""The span of the rows of X, where there are fewer of them than features.

With the l2 penalty alone the optimal coefficients lie in it; with an intercept, in the
span of the rows less their mean, since the residuals then sum to zero. In an
orthonormal basis of it the problem is the same and has at most n features.
"""

from dataclasses import replace

import numpy as np

from ._array_api import is_foreign, like, to_numpy
from ._cost import MAX_BYTES, preference
from ._penalty import Penalty

# An eigenvector of X X^T is rounding where its eigenvalue, relative to the greatest, is
# below this times sqrt(n).
ROUNDING = 16 * np.finfo(np.float64).eps
# Relative difference between the two problems' objectives that is rounding, in eps.
NOISE = 64


def row_space(problem):
    """The `RowSpace` of a problem, or None where it does not pay or apply."""
    rows = problem.rows
    n, d = rows.shape
    applies = problem.penalty.is_ridge and problem.penalty.strength > 0
    in_place = is_foreign(rows.X) or (
        isinstance(rows.X, np.ndarray) and rows.X.dtype == rows.dtype
    )
    if not in_place or n >= d or 8 * n * n > MAX_BYTES or not applies:
        return None
    if preference(problem)[0] == "hessian":  # d is small enough as it is
        return None
    # without it, a feature far from zero would have its spread lost in rounding
    centre = problem.feature_mean() if problem.fit_intercept else np.zeros(d)
    gram = sum(to_numpy(Z @ Z.T) for _, Z in rows.centred(centre))
    usable = np.isfinite(gram).all() and gram.any()
    return RowSpace(problem, centre, gram) if usable else None


class RowSpace:
    """A problem in an orthonormal basis of the rows, the eigenvectors of X X^T.

    Parameters
    ----------
    whole : Problem
    centre : (d,)
        What is taken off the rows.
    gram : (n, n)
        Of the rows less the centre.

    Attributes
    ----------
    problem : Problem
        Of at most n features.
    """

    def __init__(self, whole, centre, gram):
        self._rows, self._centre = whole.rows, centre
        self._size = np.abs(whole.rows.range()).max(axis=0)
        values, E = np.linalg.eigh(gram)
        used = values > ROUNDING * np.sqrt(len(gram)) * values[-1]
        self._E, self._sigma = E[:, used], np.sqrt(values[used])
        penalty = Penalty(whole.penalty.strength, (whole.shape[0], used.sum()))
        rows = self._rows.like(self._E * self._sigma)
        self.problem = whole.replaced(rows=rows, penalty=penalty)

    def lift(self, theta):
        """Theta of the whole problem, from this one's."""
        W = self._from_basis(theta[:, :-1])
        return np.column_stack([W, theta[:, -1] - W @ self._centre])

    def _from_basis(self, V):
        """Coefficients (K, d) from V (K, r), those of the basis."""
        weight, rows = V / self._sigma @ self._E.T, self._rows.centred(self._centre)
        return np.hstack([to_numpy(like(weight, Z) @ Z) for _, Z in rows])

    def _orthogonal_part(self, W):
        """The part of coefficients W (K, d) that is orthogonal to the basis."""
        rows = self._rows.centred(self._centre)
        products = sum(to_numpy(like(W[:, part], Z) @ Z.T) for part, Z in rows)
        return W - self._from_basis(products @ self._E / self._sigma)

    def lift_result(self, result, whole, tol):
        """This problem's result as one of the whole problem, checked by one pass.

        None, where it is no optimum of that: features that are small beside others may
        be lost in the rounding of X X^T.
        """
        theta = self.lift(result.theta)
        value, gradient = whole.value_gradient(theta)
        unit = np.finfo(self._rows.dtype).eps * abs(value)
        gain = min(null.value for null in result.leftover.nulls) - value
        wrong = abs(value - result.value) > max(tol * gain, NOISE * unit)
        unseen = self._unseen(gradient, whole.penalty.strength)
        if wrong or not unseen <= max(tol * gain, 4 * unit):
            return None
        return replace(
            result,
            theta=theta,
            n_iter=result.n_iter + 1,
            gradient_norm=float(np.abs(gradient).max()),
        )

    def _unseen(self, gradient, strength):
        """How much lower F is outside the span of the basis, at most.

        It is the squared norm of the gradient's part that is orthogonal to the basis,
        over twice the penalty's curvature; less the rounding of the pass.
        """
        G = gradient[:, :-1] - gradient[:, -1:] * self._centre
        noise = 4 * np.finfo(self._rows.dtype).eps * self._size
        unseen = np.maximum(np.abs(self._orthogonal_part(G)) - noise, 0)
        return np.sum(unseen**2) / (2 * strength)

    def progress(self, options):
        """The options' callback, if any, wrapped to be told of the whole problem."""
        progress = options.get("progress")
        if progress is None:
            return {}

        def tell(n_iter, point, optimality):
            point = replace(point, theta=self.lift(point.theta), gradient=None)
            return progress(n_iter, point, optimality)

        return {"progress": tell}
