"""Marginal effects: what a feature does to the probability of each class."""

import warnings
from collections.abc import Mapping

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning

from . import _arguments as arguments
from ._array_api import dense
from ._fitted import (
    beta_of,
    column_names,
    feature_names,
    fitted_problem,
    likelihood_of,
    penalty_curvature,
    position,
    validated,
)
from ._information import Likelihood
from ._numeric import numeric
from ._singular import checked_inverse, separation
from ._tables import normal_table

# A matrix product of fewer rows leaves BLAS half idle.
PRODUCT_ROWS = 32


def marginal_effects(
    clf,
    X,
    *,
    at="overall",
    kind="dydx",
    discrete=(),
    features=None,
    level=0.95,
    result=None,
    sample_weight=None,
    offset=None,
):
    r"""What a feature does to the probability of each class.

    A coefficient moves a logit; what that does to a probability depends on where
    all the probabilities are. The effect of feature j on class k is

    - "dydx", the derivative :math:`p_k (w_{kj} - \sum_l p_l w_{lj})`;
    - "eyex", the elasticity :math:`x_j (w_{kj} - \sum_l p_l w_{lj})`: per cent of
      probability for one per cent of feature;
    - "contrast", the difference that one unit more of the feature makes.

    Each sums to zero over the classes (an elasticity times its probability does),
    and none depends on which class the others are compared with. Standard errors
    are the delta method's.

    Parameters
    ----------
    clf : SoftmaxClassifier or SoftmaxClassifierCV
        Fitted.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to take the effects at. Without `result` these must be the rows of the
        fit.
    at : {"overall", "mean"} or mapping, default="overall"
        "overall" is the mean over the rows of the effect in each; "mean" the effect
        at the mean row; a mapping from names (or positions) of features to values
        is the effect at the mean row with these values instead.
    kind : {"dydx", "eyex", "contrast"}, default="dydx"
    discrete : list of str or int, default=()
        Features of two values, such as dummies: their effect is the difference
        between the greater and the smaller value, whatever the kind ("eyex" has no
        such effect).
    features : list of str or int, default=None
        Features to report; None is all.
    level : float, default=0.95
        Of the confidence intervals.
    result : InferenceResult, default=None
        Of `infer`, whose covariance to use: robust, clustered, of weights or counts,
        or from other rows than X. None is the model's covariance, for a fit in which
        each row of X was observed once. It is computed without the labels, so that a
        class which only some values of a feature tell from the others is not found;
        `infer` names it.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the means; with `result` only, for what they mean to
        the covariance has to be said to `infer`.
    offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
        Added to the logits, as in `infer`.

    Returns
    -------
    effects : pandas.DataFrame
        With columns class, feature, effect, se, z, p, lower, upper.

    Raises
    ------
    ValueError
        As `infer`; a discrete feature does not have two values; `result` is of another
        fit; or there is none, and the fit had weights, counts or other rows than X.

    Warns
    -----
    ConvergenceWarning
        There is no `result`, and the classifier did not converge.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.inference import marginal_effects
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X, y = X[["sex", "bmi"]], np.digitize(y, [100, 200])
    >>> classifier = SoftmaxClassifier(C=np.inf).fit(X, y)
    >>> effects = marginal_effects(classifier, X, discrete=["sex"])
    >>> effects.round(3)
       class feature  effect     se       z      p  lower  upper
    0      0     sex  -0.013  0.041  -0.328  0.743 -0.094  0.067
    1      0     bmi  -0.047  0.005 -10.238  0.000 -0.056 -0.038
    2      1     sex  -0.004  0.046  -0.093  0.926 -0.094  0.086
    3      1     bmi   0.002  0.005   0.311  0.756 -0.008  0.011
    4      2     sex   0.018  0.037   0.477  0.633 -0.055  0.091
    5      2     bmi   0.045  0.003  14.401  0.000  0.039  0.052
    """
    if kind not in ("dydx", "eyex", "contrast"):
        raise ValueError(f"kind={kind!r} must be 'dydx', 'eyex' or 'contrast'.")
    clf, X, sample_weight, offset = validated(clf, X, sample_weight, offset)
    names = feature_names(clf)
    rows = _rows(clf, X, sample_weight, offset)
    beta = rows.to_shifted(beta_of(clf))
    if result is None:
        covariance = _model_covariance(clf, X, sample_weight, offset)
    else:
        _check_same_fit(clf, result)
        covariance = rows.covariance_to_shifted(result.free_covariance)
    columns = range(len(names)) if features is None else _positions(names, features)
    values = {j: _two_values(rows, j, names) for j in _positions(names, discrete)}
    if values and kind == "eyex":
        raise ValueError(
            "an elasticity needs derivatives, which discrete features do not have: "
            "leave out discrete, or use another kind than 'eyex'."
        )
    if not (isinstance(at, str) and at == "overall"):
        rows = _mean_row(rows, at, names)
    estimate, se = np.empty((2, len(beta), len(columns)))
    with rows.rows.threads():
        for i, j in enumerate(columns):
            estimate[:, i], J = _mean_effect(rows, beta, j, kind, values.get(j))
            se[:, i] = np.sqrt(((J @ covariance) * J).sum(axis=1))
    return normal_table(
        clf.classes_, [names[j] for j in columns], estimate, se, level, "effect"
    )


def _mean_effect(likelihood, beta, j, kind, values):
    """Mean effect of feature j, (K,), and its derivative in the free beta, (K, N)."""
    K, p = beta.shape
    column = j + p - likelihood.rows.shape[1]
    total = likelihood.weight.sum()

    def block(rows, X):
        design = likelihood.design(X)
        x = dense(design[:, [column]])[:, 0] + likelihood.shift[j]
        Z, share = (
            likelihood.logits(rows, design, beta),
            likelihood.weight[rows] / total,
        )
        w = beta[:, column]
        if kind == "contrast" or values:
            start, stop = values or (x, x + 1)
            terms = _difference(likelihood.loss, Z, w, start - x, stop - x)
        else:
            P = likelihood.loss.proba(np.ascontiguousarray(Z))
            terms = _derivative(P, w, x if kind == "eyex" else 1)
        effect, by_logit, by_coef = terms
        J = _sum_of(by_logit, share, design)
        J[:, :, column] += _sum_of(by_coef, share, np.ones((len(x), 1)))[:, :, 0]
        return effect @ share, J

    flops = 2 * K * K * likelihood.rows.entries
    effect, J = likelihood.rows.sum(block, flops)
    return effect, J[:, 1:].reshape(K, -1)


# The next two functions return, for a block of m rows with logits z = W x + b: the
# effect (K, m), its derivative in z (K, K, m), and its derivative in w_j for fixed z
# (K, K, m). The derivative in the coefficients is the second times x plus, for those
# of feature j, the third. A derivative is a diagonal D (K, m) and pairs of U and V
# (K, m): its entry k, l is that of the diagonal less the sum of u_k v_l.


def _derivative(P, w, x):
    """dp_k / dx_j (x = 1), or x_j dlog(p_k) / dx_j."""
    slope = w[:, None] - w @ P  # of log(p_k)
    change, one = P * slope, np.ones_like(P)
    if np.ndim(x) == 0:
        return change, (change, (change, P), (P, change)), (P, (P, P))
    return x * slope, (0 * P, (one, x * change)), (x * one, (x * one, P))


def _difference(loss, Z, w, before, after):
    """p_k at x_j + after minus p_k at x_j + before."""
    P, Q = (
        loss.proba(Z + np.multiply.outer(w, np.broadcast_to(s, Z.shape[1])))
        for s in (after, before)
    )
    by_coef = after * P - before * Q, (after * P, P), (-before * Q, Q)
    return P - Q, (P - Q, (P, P), (-Q, Q)), by_coef


def _sum_of(derivative, share, design):
    """Weighted sum over the rows of a derivative times each column, (K, K, p)."""
    D, *pairs = derivative
    K, p = len(D), design.shape[1]
    J = np.empty((K, K, p))
    if p < K and not issparse(design):
        for a in range(p):
            x = design[:, a] * share
            J[:, :, a] = np.diag(D @ x) - sum((U * x) @ V.T for U, V in pairs)
    else:
        step = -(-PRODUCT_ROWS // K)
        for k in range(0, K, step):
            some = slice(k, k + step)
            part = -sum(U[some, None] * V for U, V in pairs)
            i = np.arange(len(part))
            part[i, k + i] += D[some]
            part *= share
            J[some] = (part.reshape(-1, len(share)) @ design).reshape(-1, K, p)
    return J


def _model_covariance(clf, X, sample_weight, offset):
    """The model's covariance of the free coefficients, from the rows of the fit.

    It is for shifted features; `_rows`, from the same X, shifts them by the same.
    """
    if clf.class_weight is not None:
        raise ValueError(
            "with class_weight the model's covariance does not hold: pass result, from "
            "infer with cov_type='robust'."
        )
    if sample_weight is not None:
        raise ValueError(
            "sample_weight needs result: pass that of infer(clf, X, y, sample_weight="
            "..., weight_type=...), where you say what the weights mean."
        )
    if not clf.converged_:
        warnings.warn(
            "the classifier did not converge, and without labels its distance from the "
            "optimum is not known: fit with a larger max_iter, or pass result, from "
            "infer, which measures it.",
            ConvergenceWarning,
            stacklevel=3,
        )
    n, total_weight = X.shape[0], clf._total_weight
    once = getattr(clf, "_rows_observed_once", True)  # not known after partial_fit
    if not (once and np.isclose(total_weight, n, rtol=1e-6, atol=0)):
        by = "" if once else ", by weights or soft labels"
        raise ValueError(
            f"X has {n} rows, but those of the fit weighed {total_weight:.12g}{by}: "
            "X must be the rows of the fit, each observed once. Pass result, from "
            "infer with the X, y and sample_weight of the fit."
        )
    if len(clf._apart):
        raise ValueError(separation(clf._apart))
    # the information does not depend on the labels: any do, if no class is absent
    labels = np.resize(clf.classes_, n)
    problem = fitted_problem(clf, X, labels, None, offset)
    likelihood = likelihood_of(problem)
    beta = likelihood.to_shifted(beta_of(clf))
    with likelihood.rows.threads():
        return checked_inverse(
            likelihood,
            likelihood.sums(beta)[2],
            penalty_curvature(problem),
            column_names(clf),
            clf.classes_,
        )


def _check_same_fit(clf, result):
    """Raise unless `result` has the coefficients of the classifier."""
    same = np.array_equal(result.classes, clf.classes_) and np.array_equal(
        result.free_coef, beta_of(clf)[1:]
    )
    if not same:
        raise ValueError("result is of another fit than clf: pass that of infer(clf).")


def _positions(names, features):
    """Positions of features given by name or position."""
    positions = []
    for feature in [features] if isinstance(features, str) else features:
        if isinstance(feature, (bool, np.bool_)):
            raise ValueError(
                "features must be names or positions, not a mask (also in discrete and "
                "at): use np.flatnonzero(mask)."
            )
        positions.append(position(names, feature))
    return positions


def _two_values(rows, j, names):
    """The smaller and the greater value of a feature."""
    x = rows.rows.X[:, [j]]
    x = np.asarray(dense(x))[rows.weight > 0]
    values = np.unique(x)
    if len(values) != 2:
        raise ValueError(
            f"discrete feature {names[j]!r} has {len(values)} values in X, not two: "
            "leave it out of discrete; kind='contrast' gives the effect of one unit."
        )
    return tuple(values.astype(float))


def _rows(clf, X, sample_weight, offset):
    """The rows to take the effects at, as a Likelihood with a dummy target."""
    target = np.zeros(X.shape[0], int)
    classes = clf.classes_
    weight = arguments.row_weights(sample_weight, None, classes, target, None, X.dtype)
    offset = arguments.offsets(offset, len(target), classes, X.dtype)
    return Likelihood(X, target, len(classes), weight, offset, clf.fit_intercept)


def _mean_row(rows, at, names):
    """The mean row, with the values of the mapping `at`, as a Likelihood."""
    share = rows.weight / rows.weight.sum()
    mean = np.atleast_2d(share @ rows.rows.X)
    if isinstance(at, Mapping):
        positions = _positions(names, at)
        if len(set(positions)) < len(positions):
            raise ValueError(f"at={at!r} has two values for the same feature.")
        values = list(at.values())
        if any(map(np.ndim, values)):
            raise ValueError(
                f"at={at!r} must have one value for each feature: call it for each row "
                "of values."
            )
        mean[0, positions] = numeric(
            values, "at", ensure_2d=False, ensure_min_samples=0
        )
    elif at != "mean":
        raise ValueError(
            f"at={at!r} must be 'overall', 'mean' or a mapping from features to values."
        )
    offset = None if rows.offset is None else np.atleast_2d(share @ rows.offset)
    K = rows.loss.n_outputs
    return Likelihood(
        mean, np.zeros(1, int), K, None, offset, rows.fit_intercept, shift=rows.shift
    )
