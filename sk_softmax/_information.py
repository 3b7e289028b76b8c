r"""Score and information at a fitted point, summed over row blocks.

Adding the same to the coefficients of every class changes no probability. Inference
removes that freedom: beta, of shape (K, p), holds each class's coefficients less those
of the first, whose row is zero. Columns are the intercept, if there is one, then the
features; two classes are no special case. The N = (K - 1) p *free* coefficients are
beta[1:], flattened class by class. With residuals
:math:`r_i = p_i - t_i` of the classes after the first,

.. math::

    score = \sum_i s_i \, r_i \otimes x_i, \qquad
    information = \sum_i s_i \, (diag(p_i) - p_i p_i^T) \otimes x_i x_i^T, \qquad
    meat = \sum_i m_i \, r_i r_i^T \otimes x_i x_i^T.

Sums are float64 whatever X is. Dense features are first shifted by about their mean,
which the intercept absorbs: features far from zero, such as years, then lose no digits.
"""

from functools import partial

import numpy as np
from scipy import sparse

from ._array_api import class_masses, dense
from ._curvature import from_pairs, product_chunks
from ._intercepts import best_intercepts
from ._loss import Softmax
from ._pairs import pairs
from ._rows import Rows

# Most free coefficients N: an information matrix takes 8 N^2 bytes, here 3.2 GB.
MAX_FREE = 20_000
# If no sparse row has more entries than THIN_ROW, and there are at least THIN_PAIRS
# pairs of classes, the products of a row's entries are formed once for all pairs.
THIN_ROW, THIN_PAIRS = 16, 6
# From so many columns on a Gram matrix for each pair of classes is the faster way; with
# fewer these are many and small, and one product of v x z is.
WIDE = 64
INTERCEPT = "(intercept)"


class Likelihood:
    """The rows' log-likelihood as a function of beta.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    target : ndarray of shape (n,) of codes, or (n, K) of distributions
    n_classes : int
    weight : ndarray of shape (n,) or None
        None is one each.
    offset : ndarray of shape (n, K), for two classes also (n, 1), or None
        Added to the logits.
    fit_intercept : bool
    shift : ndarray of shape (d,) or None
        Subtracted from the features; None is about the mean of dense ones, if there is
        an intercept. `to_shifted` converts beta.

    Attributes
    ----------
    mass : ndarray of shape (K,)
        Weight of each class.
    """

    def __init__(
        self, X, target, n_classes, weight, offset, fit_intercept, *, shift=None
    ):
        self.rows = Rows(X, n_classes)
        self.target = target
        self.loss = Softmax(n_classes)
        self.weight = np.ones(len(target)) if weight is None else weight.astype(float)
        self.mass = class_masses(target, self.weight, n_classes)
        if offset is not None and offset.shape[1] == 1:  # the sigmoid's one logit
            offset = np.column_stack([0 * offset, offset])
        self.offset = offset
        self.fit_intercept = bool(fit_intercept)
        self.n_columns = X.shape[1] + fit_intercept
        self.size = (n_classes - 1) * self.n_columns
        if self.size > MAX_FREE:
            raise ValueError(
                f"X has {self.size} free coefficients, whose covariance matrix takes "
                f"{8e-9 * self.size**2:.0f} GB: leave out features, or use the "
                "bootstrap for a few coefficients."
            )
        # see THIN_ROW
        self.is_thin = (
            self.rows.is_sparse
            and n_classes * (n_classes - 1) // 2 >= THIN_PAIRS
            and np.diff(X.indptr).max(initial=0) <= THIN_ROW
        )
        self.by_pairs = self.rows.is_sparse or self.n_columns >= WIDE
        self.shift = np.zeros(X.shape[1]) if shift is None else shift
        if shift is None and fit_intercept and not self.rows.is_sparse:
            self.shift = self.rows.blocks[0][1].mean(axis=0, dtype=float)

    def design(self, X):
        """A block's columns, (m, p) float64: the intercept's ones and X - shift."""
        if self.rows.is_sparse:
            X = X.astype(float)
            ones = np.ones((X.shape[0], 1))
            return sparse.hstack([ones, X], "csr") if self.fit_intercept else X
        design = np.ones((X.shape[0], self.n_columns))
        np.subtract(X, self.shift, out=design[:, int(self.fit_intercept) :])
        return design

    def logits(self, rows, design, beta):
        """Logits of a block, (K, m)."""
        Z = np.ascontiguousarray(beta @ design.T)
        if self.offset is not None:
            Z += self.offset[rows].T
        return Z

    def to_shifted(self, beta):
        """Beta for the features as they are -> beta for the shifted features."""
        if not self.shift.any():
            return beta
        return np.column_stack([beta[:, 0] + beta[:, 1:] @ self.shift, beta[:, 1:]])

    def covariance_from_shifted(self, covariance):
        """Covariance for the shifted features -> for the features as they are."""
        return self._shifted(covariance, -self.shift)

    def covariance_to_shifted(self, covariance):
        """Covariance for the features as they are -> for the shifted features."""
        return self._shifted(covariance, self.shift)

    def _shifted(self, covariance, shift):
        if not shift.any():
            return covariance
        p = self.n_columns
        cov = covariance.reshape(-1, p, len(covariance) // p, p).copy()
        cov[:, 0] += np.einsum("kqlr,q->klr", cov[:, 1:], shift)
        cov[..., 0] += cov[..., 1:] @ shift
        return cov.reshape(covariance.shape)

    def sums(self, beta, meat_weight=None):
        """Minus the log-likelihood and its derivatives: one pass over the rows.

        Parameters
        ----------
        beta : ndarray of shape (K, p)
        meat_weight : ndarray of shape (n,) or None
            m_i / s_i^2, since R contains s_i; None leaves out the meat.

        Returns
        -------
        value : float
        score : ndarray of shape (N,)
        information : ndarray of shape (N, N)
        meat : ndarray of shape (N, N) or None
        """
        q = len(beta) if len(beta) > 2 else 1
        k = int(q > 1)  # of the information only pairs of two classes are needed

        def block(rows, X):
            design = self.design(X)
            Z = self.logits(rows, design, beta)
            weight = self.weight[rows]
            value, R = self.loss.residual(Z.copy(), self.target[rows], weight)
            moments, P = self._moments(design), self.loss.proba(Z)
            V = np.sqrt(P[:1] * P[1:]) if len(P) == 2 else P
            terms = value, R[1:] @ design, moments(V, weight, k)
            if meat_weight is None:
                return terms
            return (*terms, moments(R[1:], meat_weight[rows]))

        flops = len(beta) ** 2 * self.rows.entries * self.n_columns
        size = 8 * (q * self.n_columns) ** 2 * (1 if meat_weight is None else 2)
        value, score, products, *meat = self.rows.sum(block, flops, size)
        H = self._whole(products, q, k)
        if q > 1:
            from_pairs(H)
            H = H[1:, :, 1:]
        information = H.reshape(self.size, self.size)
        meat = [
            self._whole(moments, len(beta) - 1).reshape(self.size, self.size)
            for moments in meat
        ]
        return float(value), score.ravel(), information, meat[0] if meat else None

    def _moments(self, design):
        """The sum of (v x z) (v x z)^T over a block's rows z, for V (q, m) and weights.

        As a function of these; or by pairs of classes from diagonal k on: `_whole`.
        """
        if not self.by_pairs:
            return lambda V, weight, k=0: _outer_products(design, V, weight)
        grams = _pair_grams(design) if self.is_thin else partial(_grams, design)

        def moments(V, weight, k=0):
            first, second = np.triu_indices(len(V), k)
            return grams(V[first] * V[second] * weight)

        return moments

    def _whole(self, moments, q, k=0):
        """What `_moments` summed, (q, p, q, p); pairs are those from diagonal k on."""
        p = self.n_columns
        if not self.by_pairs:
            return moments.reshape(q, p, q, p)
        if self.is_thin:  # halves
            moments = moments + moments.transpose(0, 2, 1)
        full, (first, second) = np.zeros((q, p, q, p)), np.triu_indices(q, k)
        full[first, :, second] = full[second, :, first] = moments
        return full

    def cluster_meat(self, beta, groups):
        """Sum over the groups of the outer product of a group's score, (N, N).

        One pass in a single thread, since a group's rows may be in any block.
        `groups` are codes from 0 on, (n,).
        """
        scores = np.zeros((groups.max() + 1, len(beta) - 1, self.n_columns))
        for rows, X in self.rows.blocks:
            design = self.design(X)
            Z = self.logits(rows, design, beta)
            _, R = self.loss.residual(Z, self.target[rows], self.weight[rows])
            present, local = np.unique(groups[rows], return_inverse=True)
            for k, residual in enumerate(R[1:]):
                member = sparse.csr_matrix((residual, (local, np.arange(len(local)))))
                scores[present, k] += dense(member @ design)
        scores = scores.reshape(len(scores), -1)
        return scores.T @ scores

    def gram(self):
        """Sum of x x^T over the rows whose weight is not zero, (p, p)."""

        def block(rows, X):
            present = (self.weight[rows] > 0).astype(float)
            return (self._moments(self.design(X))(np.ones((1, len(present))), present),)

        (moments,) = self.rows.sum(block, 2 * self.rows.entries * self.n_columns)
        return self._whole(moments, 1)[0, :, 0]

    def margins(self, direction):
        """How far a step along `direction` moves rows of each class off the others.

        Returns
        -------
        least, most : ndarrays of shape (K, K)
            Extremes over the rows of class k of their logit of k minus that of l.
        """
        K = len(direction)
        least, most = np.full((K, K), np.inf), np.full((K, K), -np.inf)
        for rows, X in self.rows.blocks:
            Z, target = direction @ self.design(X).T, self.target[rows]
            for k in range(K):
                own = target == k if target.ndim == 1 else target[:, k] > 0
                own &= self.weight[rows] > 0
                if own.any():
                    ahead = Z[k, own] - Z[:, own]
                    np.minimum(least[k], ahead.min(axis=1), out=least[k])
                    np.maximum(most[k], ahead.max(axis=1), out=most[k])
        return least, most


def null_log_likelihood(likelihood):
    """Log-likelihood of the best model without features, by Newton's method."""
    K, fit_intercept = len(likelihood.mass), likelihood.fit_intercept
    null = Likelihood(
        np.empty((len(likelihood.target), 0)),
        likelihood.target,
        K,
        likelihood.weight,
        likelihood.offset,
        fit_intercept,
    )
    beta = np.zeros((K, int(fit_intercept)))
    if not fit_intercept:
        return -null.sums(beta)[0]
    beta[:, 0] = np.log(likelihood.mass)
    if likelihood.offset is not None:
        beta[:, 0] -= likelihood.weight @ likelihood.offset / likelihood.weight.sum()
    beta -= beta[0]

    def terms(b):
        beta[1:, 0] = b
        return null.sums(beta)[:3]

    b, settled = best_intercepts(terms, beta[1:, 0].copy(), null.weight.sum())
    if not settled:
        raise ValueError(
            "the model without features did not converge: check offset for very large "
            "entries."
        )
    return -terms(b)[0]


def _outer_products(design, V, weight):
    """Sum of (v x z) (v x z)^T over the rows z of the design, (q p, q p)."""
    size = len(V) * design.shape[1]
    total, V = np.zeros((size, size)), (V * np.sqrt(weight)).T.copy()
    for part in product_chunks(len(design), size):
        A = V[part, :, None] * design[part, None, :]
        A = A.reshape(len(A), size)
        total += A.T @ A
    return total


def _grams(design, weights):
    """design^T diag(w) design for every row w of weights, (len(weights), p, p)."""
    grams = np.empty((len(weights), design.shape[1], design.shape[1]))
    for gram, weight in zip(grams, weights, strict=True):
        if sparse.issparse(design):
            gram[...] = (design.T @ design.multiply(weight[:, None])).toarray()
        else:
            np.matmul(design.T, weight[:, None] * design, out=gram)
    return grams


def _pair_grams(design):
    """`_grams` for rows with few entries, as a function of the weights.

    It returns halves: a half plus its transpose is the Gram matrix.
    """
    products, p = pairs(design).T, design.shape[1]
    return lambda weights: np.reshape((products @ weights.T.copy()).T, (-1, p, p))
