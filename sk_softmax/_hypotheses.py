"""Tests of hypotheses about coefficients: restrictions, and nested models."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from ._information import INTERCEPT


@dataclass(frozen=True)
class TestResult:
    """A chi-squared test.

    Attributes
    ----------
    statistic : float
    df : int
        Degrees of freedom.
    p_value : float

    Examples
    --------
    >>> from sk_softmax.inference import TestResult
    >>> test = TestResult(statistic=5.2, df=2, p_value=0.074)
    >>> test.p_value
    0.074
    """

    __test__ = False  # or pytest collects the class, by its name

    statistic: float
    df: int
    p_value: float


def restriction_matrix(restrictions, names, A):
    """Restrictions on the coefficients ``A @ free``, as a matrix for flattened `free`.

    Parameters
    ----------
    restrictions : str, list of str or array-like
        As `InferenceResult.wald_test` takes them.
    names : list of str
        Of the p columns.
    A : (n_shown, K - 1)
        Makes the coefficients in a gauge from `free`, (K - 1, p).

    Returns
    -------
    R : (q, (K - 1) p)
    """
    p, K1 = len(names), A.shape[1]
    if isinstance(restrictions, str):
        restrictions = [restrictions]
    if not np.iterable(restrictions):
        raise TypeError(
            "restrictions must be names of features, or a matrix whose rows, times the "
            f"coefficients, are to equal value; got {restrictions!r}."
        )
    if all(isinstance(name, str) for name in restrictions):
        unknown = set(restrictions) - set(names)
        if unknown:
            raise ValueError(
                f"restrictions: no features are called {sorted(unknown)}. See "
                "feature_names of the result."
            )
        twice = [name for name in restrictions if names.count(name) > 1]
        if twice:
            raise ValueError(
                f"restrictions names {twice}, which several columns are called: pass a "
                "matrix."
            )
        columns = [names.index(name) for name in restrictions]
        return np.eye(K1 * p).reshape(K1, p, -1)[:, columns].reshape(-1, K1 * p)
    try:
        R = np.atleast_2d(np.asarray(restrictions, dtype=float))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"restrictions must be names of features, or a matrix of numbers: {error}."
        ) from error
    if not np.isfinite(R).all():
        raise ValueError("restrictions are not finite: remove NaN and infinity.")
    if R.shape[1] != len(A) * p:
        raise ValueError(
            f"restrictions has {R.shape[1]} columns, but there are {len(A) * p} "
            "coefficients: pass a column for each row of coef_table."
        )
    free = np.einsum("qap,ak->qkp", R.reshape(-1, len(A), p), A)
    free = free.reshape(len(R), -1)
    # entries that cancel but for rounding are zero: they do not restrict `free`
    free[np.abs(free) < 1e-14 * np.abs(R).max(axis=1, keepdims=True)] = 0
    return free


def wald_test(R, value, result):
    """Test that R times the free coefficients of `result` equals value.

    Coefficients are in units of their standard errors, and rows of R have norm one:
    tolerances then do not depend on the units of features or restrictions.
    """
    size = np.sqrt(np.diag(result.free_covariance))
    size[size == 0] = 1
    correlation = result.free_covariance / size[:, None] / size
    R, value = R * size, np.broadcast_to(value, len(R))
    if not (R.any() or value.any()):
        raise ValueError(
            "restrictions hold for any coefficients: there is nothing to test. "
            "Restrict contrasts between classes."
        )
    length = np.linalg.norm(R, axis=1)
    length[length == 0] = 1
    left, singular, right = np.linalg.svd(R / length[:, None], full_matrices=False)
    rank = np.sum(singular > max(R.shape) * np.finfo(float).eps * singular[0])
    left, singular, right = left[:, :rank], singular[:rank], right[:rank]
    value = value / length
    along = value @ left  # by it the values of all rows are determined, or contradict
    if np.linalg.norm(value - left @ along) > 1e-8 * np.linalg.norm(value):
        raise ValueError(
            "restrictions contradict each other: no coefficients have these values. "
            "Change value, or leave rows out."
        )
    distance = right @ (result.free_coef.ravel() / size) - along / singular
    V = right @ correlation @ right.T
    # "model" has full rank, others may lack it: tell that from rounding
    least = 0 if result.cov_type == "model" else 1e-10
    if not np.linalg.eigvalsh(V)[0] > least:
        raise ValueError(
            f"{rank} restrictions, but their covariance has a smaller rank: there "
            "are too few groups for so many restrictions, or the features are nearly "
            "collinear. Test fewer at a time."
        )
    statistic = float(distance @ np.linalg.solve(V, distance))
    return chi2_test(statistic, rank)


def nested(first, second):
    """The smaller and the larger of two nested models; raises where they are not."""
    if not np.array_equal(first.classes, second.classes):
        raise ValueError(
            f"the two models have different classes: {first.classes.tolist()} and "
            f"{second.classes.tolist()}. Fit both to the same y."
        )
    if first.n_obs != second.n_obs:
        raise ValueError(
            f"the two models are not of the same rows: one has {first.n_obs:.12g}, the "
            f"other {second.n_obs:.12g}. Fit both to the same rows."
        )
    smaller, larger = sorted((first, second), key=lambda result: result.df)
    lacking = [c for c in smaller.feature_names if c not in larger.feature_names]
    have_intercepts = [INTERCEPT in r.feature_names for r in (first, second)]
    nulls = first.loglik_null, second.loglik_null
    if len(set(have_intercepts)) == 1 and not np.isclose(*nulls, rtol=1e-6, atol=0):
        raise ValueError(
            "the two models are not of the same rows: without features their "
            f"log-likelihoods are {nulls[0]:.9g} and {nulls[1]:.9g}, so that labels, "
            "weights or offsets differ. Use the same ones for both."
        )
    if smaller.df == larger.df:
        raise ValueError(
            "the models are not nested: they have equally many parameters. Compare "
            "their aic or bic."
        )
    if larger.loglik - smaller.loglik < -1e-6 * abs(smaller.loglik):
        raise ValueError(
            "the models are not nested: the larger has the lower likelihood "
            f"({larger.loglik:.9g} against {smaller.loglik:.9g}). Compare their aic or "
            "bic; or, if they are nested, fit with a smaller tol."
        )
    if lacking:
        warnings.warn(
            f"the smaller model has the columns {lacking}, which the larger one lacks: "
            "the test holds only if they are combinations of its columns. If not, "
            "compare their aic or bic.",
            stacklevel=3,
        )
    return smaller, larger


def chi2_test(statistic, df):
    """The test of a statistic that is chi-squared with df degrees of freedom."""
    return TestResult(statistic, int(df), float(chdtrc(df, statistic)))
