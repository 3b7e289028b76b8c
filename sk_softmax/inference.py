"""Standard errors and tests of a fitted classifier, and its marginal effects.

`infer` returns an `InferenceResult`, which keeps no reference to the rows. It goes
over them once, twice more where there is no penalty, to look for separated classes, and
once more for clusters. `marginal_effects` says what the coefficients do to the
probabilities.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from . import _arguments as arguments
from ._array_api import dense
from ._effects import marginal_effects
from ._fitted import (
    beta_of,
    column_names,
    fitted_problem,
    likelihood_of,
    penalty_curvature,
    penalty_gradient,
    validated,
)
from ._hypotheses import TestResult
from ._information import null_log_likelihood
from ._labels import refuse_missing
from ._result import InferenceResult
from ._singular import check_separation, checked_inverse
from ._tables import Summary

__all__ = ["InferenceResult", "Summary", "TestResult", "infer", "marginal_effects"]


def infer(
    clf,
    X,
    y,
    *,
    sample_weight=None,
    offset=None,
    cov_type="model",
    groups=None,
    weight_type=None,
):
    r"""Covariance of a fitted classifier's coefficients, and what follows from it.

    With the information :math:`I = \sum_i s_i (diag(p_i) - p_i p_i^T) \otimes x_i
    x_i^T`, the penalty's curvature :math:`\Lambda` (1 / C for every coefficient)
    and :math:`H = I + \Lambda`, the covariance is :math:`H^{-1}` ("model") or the
    sandwich :math:`H^{-1} M H^{-1}`, where M is the sum over the rows ("robust"
    [1]_) or over the groups ("cluster") of the outer product of their scores.

    With ``C=np.inf`` this is the theory of maximum likelihood. With an l2 penalty
    :math:`H^{-1}` is the penalised covariance: that of the posterior under the
    normal prior which the penalty is. It does not contain the bias of shrinkage.

    Parameters
    ----------
    clf : SoftmaxClassifier or SoftmaxClassifierCV
        Fitted on these data. Of a pipeline pass ``pipe[-1]``, and
        ``pipe[:-1].transform(X)`` for X. The C that cross-validation chose is taken
        as given: the covariance does not contain the choice.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The features of the fit. What dask has of it, y and the others is loaded.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        The labels of the fit, or its soft labels: of counts the covariance "model"
        is that of the repeated rows, and "robust" takes a row as one observation.
        Distributions are one observation each, and need "robust" or "cluster".
    sample_weight : array-like of shape (n_samples,), default=None
        The weights of the fit; `weight_type` must say what they mean.
    offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
        What was added to the logits; (n_samples,) for two classes.
    cov_type : {"model", "robust", "cluster"}, default="model"
        "model" trusts the model's own variance; "robust" does not (no small-sample
        correction, HC0); "cluster" also lets rows of the same group depend on each
        other (times G / (G - 1) for G groups).
    groups : array-like of shape (n_samples,), default=None
        The rows' groups, for "cluster".
    weight_type : {"frequency", "sampling"}, default=None
        A frequency of 2 is the row twice; its y is a label or counts. A sampling
        weight of 2 is one row that stands for two: it needs "robust" or "cluster",
        and its likelihood is a pseudo-likelihood, without AIC, BIC or likelihood
        ratio test. So are those of a fit with `class_weight`, and of soft labels
        that are no counts.

    Returns
    -------
    result : InferenceResult

    Raises
    ------
    ValueError
        There is an l1 penalty or a coefficient at a bound, for which no normal
        theory holds; the information is singular, with the names of the columns
        that are collinear or of the class that is separated; or an argument does
        not fit.
    TypeError
        clf is none of this package's classifiers.

    Warns
    -----
    ConvergenceWarning
        The coefficients are more than a tenth of a standard error away from the
        optimum for these data.

    References
    ----------
    .. [1] H. White, "Maximum likelihood estimation of misspecified models",
       Econometrica 50 (1982), 1-25. :doi:`10.2307/1912526`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.inference import infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X, y = X[["age", "bmi"]], np.digitize(y, [100, 200])
    >>> classifier = SoftmaxClassifier(C=np.inf, tol=1e-8).fit(X, y)
    >>> result = infer(classifier, X, y)
    >>> result.coef_table(reference=0).round(3)
       class      feature    coef     se      z      p   lower  upper
    0      1  (intercept)  -4.860  0.933 -5.211  0.000  -6.688 -3.032
    1      1          age   0.010  0.009  1.080  0.280  -0.008  0.028
    2      1          bmi   0.182  0.037  4.922  0.000   0.110  0.254
    3      2  (intercept) -11.946  1.263 -9.455  0.000 -14.422 -9.469
    4      2          age   0.017  0.011  1.516  0.129  -0.005  0.040
    5      2          bmi   0.413  0.044  9.407  0.000   0.327  0.499
    >>> round(result.wald_test("age").p_value, 3)
    0.298
    """
    clf, X, y, sample_weight, offset, groups = validated(
        clf, X, y, sample_weight, offset, groups
    )
    _check_choice("cov_type", cov_type, ("model", "robust", "cluster"))
    counts = _counts(X.shape[0], sample_weight, weight_type)
    groups = _group_codes(groups, cov_type, counts)
    problem = fitted_problem(clf, X, y, sample_weight, offset)
    is_pseudo = weight_type == "sampling" or clf.class_weight is not None
    has_shares = arguments.is_soft(y) and bool(np.any(np.asarray(y, float) % 1))
    if has_shares and weight_type == "frequency":
        # that many rows of one and the same distribution would have no spread
        raise ValueError(
            "weight_type='frequency' needs a y of labels or counts, but this one has "
            "fractions: if the weights are totals and y shares of them, multiply y by "
            "the weights, round to counts and pass no sample_weight. If a row is one "
            "observation, use weight_type='sampling'."
        )
    is_pseudo |= has_shares
    if is_pseudo and cov_type == "model":
        raise ValueError(
            "with sampling or class weights, or soft labels that are no counts, "
            "cov_type='model' does not hold: use cov_type='robust' or 'cluster'."
        )
    likelihood = likelihood_of(problem)
    with likelihood.rows.threads():
        covariance, df, loglik = _covariance(
            clf, problem, likelihood, cov_type, counts, groups
        )
        loglik_null = null_log_likelihood(likelihood)
    strength = problem.penalty.strength * problem.total_weight
    return InferenceResult(
        classes=clf.classes_,
        feature_names=column_names(clf),
        free_coef=beta_of(clf)[1:],
        free_covariance=covariance,
        cov_type=cov_type,
        weight_type=weight_type,
        C=float(1 / strength) if problem.penalty.ridge.any() else np.inf,
        n_obs=float(counts.sum() if is_pseudo else problem.total_weight),
        df=df,
        loglik=loglik,
        loglik_null=loglik_null,
        is_pseudo=is_pseudo,
    )


def _covariance(clf, problem, likelihood, cov_type, counts, groups):
    """Covariance of the free coefficients, degrees of freedom, log-likelihood."""
    beta = likelihood.to_shifted(beta_of(clf))
    meat_weight = None
    if cov_type == "robust":
        meat_weight = np.divide(1, counts, out=np.zeros(len(counts)), where=counts > 0)
    value, score, information, meat = likelihood.sums(beta, meat_weight)
    curvature = penalty_curvature(problem)
    bread = checked_inverse(
        likelihood, information, curvature, column_names(clf), clf.classes_
    )
    step = -bread @ (score + penalty_gradient(clf, problem))
    if not problem.penalty.ridge.all():
        theta = np.column_stack([dense(clf.coef_), clf.intercept_])
        check_separation(problem, theta, likelihood, step, clf.classes_)
    _check_optimum(step, bread)
    df = float(np.vdot(bread, information)) if curvature.any() else float(len(bread))
    if cov_type == "cluster":
        n_groups = groups.max() + 1
        meat = likelihood.cluster_meat(beta, groups) * (n_groups / (n_groups - 1))
    covariance = bread if meat is None else bread @ meat @ bread
    return likelihood.covariance_from_shifted(covariance), df, -value


def _counts(n, sample_weight, weight_type):
    """How often each row was observed, (n,)."""
    if weight_type is not None or sample_weight is not None:
        if weight_type is None:
            raise ValueError(
                "sample_weight needs weight_type: 'frequency' where a weight of 2 is "
                "two equal rows, 'sampling' where it is one row that stands for two."
            )
        _check_choice("weight_type", weight_type, ("frequency", "sampling"))
    if sample_weight is None:
        if weight_type is not None:
            raise ValueError(
                f"weight_type={weight_type!r} says what weights mean, but there is no "
                "sample_weight, which is None: pass both or neither."
            )
        return np.ones(n)
    counts = arguments.sample_weights(sample_weight, n, np.float64, None)
    return (counts > 0).astype(float) if weight_type == "sampling" else counts


def _group_codes(groups, cov_type, counts):
    """The rows' groups as codes from 0 on, or None.

    Rows without weight get code 0: they add nothing to any group.
    """
    if (groups is None) == (cov_type == "cluster"):
        raise ValueError(
            "groups and cov_type='cluster' need each other: pass both or neither."
        )
    if groups is None:
        return None
    refuse_missing(groups, "groups")  # pandas' own before NumPy makes NaN of them
    groups = np.asarray(groups)
    if groups.shape != (len(counts),):
        raise ValueError(
            f"groups has shape {groups.shape}, but X has {len(counts)} rows: expected "
            f"({len(counts)},)."
        )
    present, codes = np.unique(groups[counts > 0], return_inverse=True)
    if len(present) < 2:
        raise ValueError(
            "groups holds one group only, but cov_type='cluster' needs at least two."
        )
    of_rows = np.zeros(len(groups), dtype=int)
    of_rows[counts > 0] = codes
    return of_rows


def _check_optimum(step, bread):
    """Warn where Newton's step is long beside the standard errors."""
    distance = np.max(np.abs(step) / np.sqrt(np.diag(bread)), initial=0)
    if distance > 0.1:
        warnings.warn(
            f"the coefficients are {distance:.1g} standard errors away from the "
            "optimum for these data: pass the same X, y, weights and offset as to fit "
            "(a TargetEncoder's transform(X) is not: fit the classifier to it again), "
            "leave the parameters as they were there, or fit with a smaller tol, and a "
            "SoftmaxClassifierCV with refit=True.",
            ConvergenceWarning,
            stacklevel=4,
        )


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {list(choices)}.")
