"""What `infer` returns: coefficients with a covariance, and what follows from them."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from ._information import INTERCEPT
from ._tables import Summary, normal_table


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

    __test__ = False  # pytest collects classes that are called Test

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, eq=False, repr=False)
class InferenceResult:
    """Coefficients of a fitted classifier with their covariance.

    Parameters of a model with K classes and p columns (the intercept, if there is
    one, and the features) are (K - 1) p free numbers, for adding the same to every
    class changes nothing. They are stored for each class against the first; what is
    shown depends on the gauge, the convention that picks one of the many equal sets:
    by default that of ``coef_``, in which they sum to zero over the classes (for two
    classes: the second against the first), or contrasts against a `reference` class.
    Rows are class by class, in a class the intercept and then the features.

    Attributes
    ----------
    classes : ndarray of shape (K,)
    feature_names : list of str
        "(intercept)", if there is one, and the features' names.
    free_coef : ndarray of shape (K - 1, p)
        Coefficients of the classes after the first against the first.
    free_covariance : ndarray of shape ((K - 1) p, (K - 1) p)
        Their covariance.
    cov_type : {"model", "robust", "cluster"}
    weight_type : {"frequency", "sampling"} or None
    C : float
        Inverse strength of the l2 penalty of the fit; inf is none.
    n_obs : float
        Number of rows; the sum of frequency weights.
    df : float
        Degrees of freedom of the model: trace(H^-1 I), which without a penalty is
        the number of free parameters.
    loglik, loglik_null : float
        Log-likelihood of the model, and of the best one without features (with an
        intercept only if the model has one, and with the offset).
    is_pseudo : bool
        Whether sampling or class weights make these pseudo-likelihoods.

    See Also
    --------
    infer : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.inference import infer
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X = X[["mean texture", "mean area"]]
    >>> result = infer(SoftmaxClassifier(C=np.inf).fit(X, y), X, y)
    >>> result.covariance.shape
    (3, 3)
    >>> round(result.pseudo_r2, 4), round(result.aic, 2)
    (0.6154, 294.98)
    """

    classes: np.ndarray
    feature_names: list
    free_coef: np.ndarray
    free_covariance: np.ndarray
    cov_type: str
    weight_type: str | None
    C: float
    n_obs: float
    df: float
    loglik: float
    loglik_null: float
    is_pseudo: bool

    @property
    def is_penalised(self):
        """Whether the fit had an l2 penalty."""
        return np.isfinite(self.C)

    @property
    def gauge(self):
        """What `coef` and `covariance` are relative to, in words."""
        if len(self.classes) == 2:
            return f"class {self.classes[1]} against {self.classes[0]}"
        return "sum to zero over the classes"

    @property
    def cov_label(self):
        """What kind of covariance it is, in words."""
        penalty = f", penalised (l2, C={self.C:g})" if self.is_penalised else ""
        return self.cov_type + penalty

    @property
    def coef(self):
        """Coefficients in the gauge of ``coef_``, (K, p); (1, p) for two classes."""
        return self._gauge(None)[1] @ self.free_coef

    @property
    def covariance(self):
        """Covariance of ``coef.ravel()``, (K p, K p); (p, p) for two classes.

        With K >= 3 its rank is that of the (K - 1) p free parameters: it is zero
        along what the gauge fixes.
        """
        return self.covariance_against(None)

    def covariance_against(self, reference):
        """Covariance of the contrasts against a class, or of the gauge for None.

        Parameters
        ----------
        reference : label of a class, or None

        Returns
        -------
        covariance : ndarray of shape ((K - 1) p, (K - 1) p)
            Of the contrasts of the other classes, class by class; for None that of
            `covariance`.
        """
        _, A = self._gauge(reference)
        p = len(self.feature_names)
        free = self.free_covariance.reshape(A.shape[1], p, A.shape[1], p)
        full = np.einsum("ak,kplq,bl->apbq", A, free, A, optimize=True)
        return full.reshape(len(A) * p, len(A) * p)

    def coef_table(self, level=0.95, reference=None, exponentiate=False):
        """Estimates, standard errors, tests and confidence limits.

        Parameters
        ----------
        level : float, default=0.95
            Of the confidence intervals, which are Wald's.
        reference : label of a class, default=None
            Class to contrast the others with; None is the gauge of ``coef_``.
        exponentiate : bool, default=False
            Whether to give odds ratios, with standard errors by the delta method
            and the limits transformed; z and p stay those of the coefficients.
            Without a reference they are odds against the geometric mean of the
            classes' probabilities.

        Returns
        -------
        table : pandas.DataFrame
            With columns class, feature, coef (or odds_ratio), se, z, p, lower,
            upper.
        """
        codes, A = self._gauge(reference)
        p = len(self.feature_names)
        free = self.free_covariance.reshape(A.shape[1], p, A.shape[1], p)
        variance = np.einsum("ak,kplp,al->ap", A, free, A, optimize=True)
        table = normal_table(
            self.classes[codes],
            self.feature_names,
            A @ self.free_coef,
            np.sqrt(np.maximum(variance, 0)),
            level,
            "coef",
        )
        if exponentiate:
            for name in ("coef", "lower", "upper"):
                table[name] = np.exp(table[name])
            table["se"] *= table["coef"]
            table = table.rename(columns={"coef": "odds_ratio"})
        return table

    def conf_int(self, level=0.95, reference=None):
        """Confidence limits.

        Parameters
        ----------
        level : float, default=0.95
            Of the intervals, which are Wald's.
        reference : label of a class, default=None
            Class to contrast the others with; None is the gauge of ``coef_``.

        Returns
        -------
        limits : pandas.DataFrame
            Columns class, feature, lower and upper of `coef_table`.
        """
        return self.coef_table(level, reference)[["class", "feature", "lower", "upper"]]

    def wald_test(self, restrictions, value=0.0, *, reference=None):
        """Wald's test of linear restrictions on the coefficients.

        Parameters
        ----------
        restrictions : str, list of str or array-like of shape (q, n_coef)
            Names of features, to test that their coefficients are the same in
            every class (no effect); or a matrix R, to test that R times the
            flattened coefficients of `coef_table` (with the same `reference`)
            equals `value`. Rows that follow from others do not count.
        value : float or array-like of shape (q,), default=0.0
        reference : label of a class, default=None
            Gauge of the coefficients that a matrix is about.

        Returns
        -------
        test : TestResult

        Raises
        ------
        ValueError
            A name or the shape of a matrix is none of the model's, the restrictions
            hold for any coefficients, or there are too few groups of rows for them.
        TypeError
            The restrictions are neither names nor numbers.
        """
        R = self._restriction_matrix(restrictions, reference)
        value = np.asarray(value, dtype=np.float64)
        if value.shape not in ((), (len(R),)):
            raise ValueError(
                f"value has shape {value.shape}, expected a number or ({len(R)},): one "
                "for each restriction."
            )
        distance = R @ self.free_coef.ravel() - value
        V = R @ self.free_covariance @ R.T
        rank = np.linalg.matrix_rank(R)
        if rank == 0:
            raise ValueError("restrictions hold for any coefficients: nothing to test.")
        size = 1 / np.sqrt(np.maximum(np.diag(V), np.finfo(float).tiny))
        V = V * size[:, None] * size
        distance = distance * size
        if np.linalg.matrix_rank(V, tol=1e-10, hermitian=True) < rank:
            raise ValueError(
                f"{rank} restrictions, but their covariance has a smaller rank: there "
                "are too few groups for so many restrictions."
            )
        statistic = float(
            distance @ np.linalg.pinv(V, 1e-10, hermitian=True) @ distance
        )
        return _chi2_test(statistic, rank)

    def likelihood_ratio_test(self, other=None):
        """Test of the smaller of two nested models, fitted by maximum likelihood.

        That one model is nested in the other, each of its fits being one of the
        other's too, cannot be told for certain without the data. Checked is that the
        classes, the number of rows and the log-likelihood without features are the
        same, and that the model with more parameters fits better. A column that only
        the smaller model has may follow from the larger one's columns, as a sum of
        them does: a warning asks for it.

        Parameters
        ----------
        other : InferenceResult, default=None
            Of the same rows; either may be the smaller. None is the model without
            features.

        Returns
        -------
        test : TestResult
            By the model's own variance, whatever `cov_type` is.

        Raises
        ------
        ValueError
            A fit is penalised or weighted by sampling or class weights, or the two
            are not of the same rows, or not nested.

        Warns
        -----
        UserWarning
            The smaller model has a column that the larger one lacks.
        """
        for result in (self, other or self):
            if result.is_penalised or result.is_pseudo:
                raise ValueError(
                    "the likelihood ratio has a known distribution for fits with "
                    "C=np.inf and without sampling or class weights only: use "
                    "wald_test, or fit with C=np.inf."
                )
        if other is None:
            n_intercepts = len(self.free_coef) * (self.feature_names[:1] == [INTERCEPT])
            smaller, larger = (self.loglik_null, n_intercepts), (self.loglik, self.df)
        else:
            smaller, larger = _nested(self, other)
            smaller, larger = (smaller.loglik, smaller.df), (larger.loglik, larger.df)
        statistic = 2 * (larger[0] - smaller[0])
        return _chi2_test(max(statistic, 0.0), round(larger[1] - smaller[1]))

    @property
    def aic(self):
        """Akaike's criterion, -2 loglik + 2 df; NaN for a pseudo-likelihood."""
        return np.nan if self.is_pseudo else 2 * self.df - 2 * self.loglik

    @property
    def bic(self):
        """Schwarz's criterion, -2 loglik + log(n_obs) df; NaN as `aic`."""
        if self.is_pseudo:
            return np.nan
        return np.log(self.n_obs) * self.df - 2 * self.loglik

    @property
    def pseudo_r2(self):
        """McFadden's: 1 - loglik / loglik_null."""
        return 1 - self.loglik / self.loglik_null

    def summary(self, level=0.95, reference=None, exponentiate=False):
        """The table with what it is about, for print and for a notebook.

        Parameters
        ----------
        level, reference, exponentiate
            As in `coef_table`.

        Returns
        -------
        summary : Summary
        """
        versus = self.gauge if reference is None else f"against class {reference}"
        pseudo = "pseudo-" if self.is_pseudo else ""
        facts = {
            "Coefficients": versus,
            "Covariance": self.cov_label,
            "Weights": self.weight_type or "none",
            "Rows": f"{self.n_obs:.12g}",
            "Degrees of freedom": f"{self.df:.5g}",
            f"Log-{pseudo}likelihood": f"{self.loglik:.6g}",
            "Without features": f"{self.loglik_null:.6g}",
            "Pseudo R2 (McFadden)": f"{self.pseudo_r2:.4f}",
            "AIC": f"{self.aic:.6g}",
            "BIC": f"{self.bic:.6g}",
        }
        return Summary(facts, self.coef_table(level, reference, exponentiate), level)

    def __repr__(self):
        return (
            f"InferenceResult({len(self.classes)} classes, "
            f"{len(self.feature_names)} columns, covariance: {self.cov_label}, "
            f"loglik={self.loglik:.6g}, df={self.df:.5g})"
        )

    def _repr_html_(self):
        return self.summary()._repr_html_()

    def _gauge(self, reference):
        """Codes of the classes that are shown, and A with coef = A @ free_coef."""
        K = len(self.classes)
        against_first = np.eye(K)[:, 1:]
        if reference is None:
            if K == 2:
                return np.array([1]), against_first[1:]
            return np.arange(K), against_first - 1 / K
        (code,) = np.nonzero(self.classes == reference)
        if len(code) != 1:
            raise ValueError(
                f"reference={reference!r} is none of the classes "
                f"{self.classes.tolist()}."
            )
        others = np.delete(np.arange(K), code)
        return others, against_first[others] - against_first[code]

    def _restriction_matrix(self, restrictions, reference):
        """Rows on the flattened `free_coef`."""
        p, K1 = len(self.feature_names), len(self.free_coef)
        if isinstance(restrictions, str):
            restrictions = [restrictions]
        if np.ndim(restrictions) == 0:
            raise TypeError(
                "restrictions must be names of features, or a matrix of which each row "
                f"times the coefficients is to equal value, got {restrictions!r}."
            )
        if all(isinstance(name, str) for name in restrictions):
            unknown = set(restrictions) - set(self.feature_names)
            if unknown:
                raise ValueError(f"no features are called {sorted(unknown)}.")
            names = list(self.feature_names)
            twice = [name for name in restrictions if names.count(name) > 1]
            if twice:
                raise ValueError(f"restrictions names {twice}, which are two columns.")
            columns = [names.index(name) for name in restrictions]
            return np.eye(K1 * p).reshape(K1, p, -1)[:, columns].reshape(-1, K1 * p)
        _, A = self._gauge(reference)
        R = np.atleast_2d(np.asarray(restrictions, dtype=float))
        if R.shape[1] != len(A) * p:
            raise ValueError(
                f"restrictions has {R.shape[1]} columns, but there are {len(A) * p} "
                "coefficients."
            )
        free = np.einsum("qap,ak->qkp", R.reshape(-1, len(A), p), A)
        free = free.reshape(len(R), -1)
        # what cancels in the gauge is no restriction
        free[np.abs(free) < 1e-14 * np.abs(R).max(axis=1, keepdims=True)] = 0
        return free


def _nested(first, second):
    """The smaller and the larger of two models of the same rows."""
    if not np.array_equal(first.classes, second.classes):
        raise ValueError(
            f"the two models have other classes: {first.classes.tolist()} and "
            f"{second.classes.tolist()}."
        )
    if first.n_obs != second.n_obs:
        raise ValueError(
            f"the two models are not of the same rows: one has {first.n_obs:.12g}, the "
            f"other {second.n_obs:.12g}."
        )
    smaller, larger = sorted((first, second), key=lambda result: result.df)
    lacking = [c for c in smaller.feature_names if c not in larger.feature_names]
    have_intercepts = [INTERCEPT in r.feature_names for r in (first, second)]
    nulls = first.loglik_null, second.loglik_null
    if len(set(have_intercepts)) == 1 and not np.isclose(*nulls, rtol=1e-6, atol=0):
        raise ValueError(
            "the two models are not of the same rows: without features their "
            f"log-likelihoods are {nulls[0]:.9g} and {nulls[1]:.9g}, so that labels, "
            "weights or offsets differ."
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


def _chi2_test(statistic, df):
    return TestResult(statistic, int(df), float(chdtrc(df, statistic)))
