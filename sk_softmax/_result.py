"""What `infer` returns: coefficients with a covariance, and what follows from them."""

from dataclasses import dataclass

import numpy as np

from ._hypotheses import chi2_test, nested, restriction_matrix, wald_test
from ._information import INTERCEPT
from ._tables import Summary, normal_table


@dataclass(frozen=True, eq=False, repr=False)
class InferenceResult:
    """Coefficients of a fitted classifier with their covariance.

    Parameters of a model with K classes and p columns (the intercept, if there is
    one, and the features) are (K - 1) p free numbers, for adding the same to every
    class changes nothing. They are stored for each class against the first; what is
    shown depends on the gauge, the convention that picks one of the many equal sets:
    by default they sum to zero over the classes (for two classes: the second against
    the first), as ``coef_`` does unless it has a prior mean or the classes penalties of
    their own; or they are contrasts against a `reference` class.
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
        intercept only if the model has one, and with the offset). Of counts it is that
        of the repeated rows, without the multinomial coefficients that R's
        ``glm(cbind(...))`` has in its `logLik`, `AIC` and `BIC`.
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
        """The gauge of `coef` and `covariance`, in words."""
        if len(self.classes) == 2:
            return f"class {self.classes[1]} against {self.classes[0]}"
        return "sum to zero over the classes"

    @property
    def cov_label(self):
        """The kind of covariance, in words."""
        penalty = f", penalised (l2, C={self.C:g})" if self.is_penalised else ""
        return self.cov_type + penalty

    @property
    def coef(self):
        """Coefficients that sum to zero, (K, p); (1, p) for two classes."""
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
            Class to contrast the others with; None lets them sum to zero.
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
            Class to contrast the others with; None lets them sum to zero.

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
            hold for any coefficients or for none, or there are too few groups of rows
            for them.
        TypeError
            The restrictions are neither names nor numbers.
        """
        _, A = self._gauge(reference)
        R = restriction_matrix(restrictions, self.feature_names, A)
        value = np.asarray(value, dtype=np.float64)
        if value.shape not in ((), (len(R),)):
            raise ValueError(
                f"value has shape {value.shape}, expected a number or ({len(R)},): one "
                "for each restriction."
            )
        if not np.isfinite(value).all():
            raise ValueError("value is not finite: remove NaN and infinity.")
        return wald_test(R, value, self)

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
        TypeError
            `other` is no result of `infer`.

        Warns
        -----
        UserWarning
            The smaller model has a column that the larger one lacks.
        """
        if not isinstance(other, (InferenceResult, type(None))):
            raise TypeError(
                f"other must be what infer returns, not a {type(other).__name__}."
            )
        for result in (self, other or self):
            if result.is_penalised or result.is_pseudo:
                raise ValueError(
                    "the likelihood ratio has a known distribution only for fits with "
                    "C=np.inf and without sampling or class weights: fit so, or use "
                    "wald_test."
                )
        if other is None:
            n_intercepts = len(self.free_coef) * (self.feature_names[:1] == [INTERCEPT])
            smaller, larger = (self.loglik_null, n_intercepts), (self.loglik, self.df)
        else:
            smaller, larger = nested(self, other)
            smaller, larger = (smaller.loglik, smaller.df), (larger.loglik, larger.df)
        statistic = 2 * (larger[0] - smaller[0])
        return chi2_test(max(statistic, 0.0), round(larger[1] - smaller[1]))

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
        """Codes of the classes shown in a gauge, and A with coef = A @ free_coef."""
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
                f"{self.classes.tolist()}: pass one of them, or None."
            )
        others = np.delete(np.arange(K), code)
        return others, against_first[others] - against_first[code]
