"""A fitted classifier and its data, checked and in the form that inference needs."""

import operator
from copy import copy

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._array_api import dense, is_foreign, refuse, to_numpy
from ._chunks import is_dask
from ._classifier import SoftmaxClassifier
from ._cross_validation import SoftmaxClassifierCV
from ._encode import problem_for
from ._information import INTERCEPT, Likelihood
from ._predictor import checked
from ._singular import listed


def validated(clf, X, *others):
    """The classifier from `plain`, X checked, and the others, loaded into memory.

    Dask collections are computed: inference and displays need all rows at once.
    """
    if not isinstance(clf, SoftmaxClassifier):
        raise TypeError(
            f"{type(clf).__name__} is not a SoftmaxClassifier. Of a pipeline pass "
            "pipe[-1], and pipe[:-1].transform(X) for X, of a search its "
            "best_estimator_, of a FrozenEstimator its estimator."
        )
    clf = plain(clf)
    refuse(X, "this function", "pass X and y as NumPy arrays, whatever the fit had")
    X, *others = (a.compute() if is_dask(a) else a for a in (X, *others))
    return clf, checked(clf, X, reset=False), *others


def plain(clf):
    """A fitted SoftmaxClassifier in NumPy, with C and l1_ratio that a CV chose."""
    check_is_fitted(clf)
    if not hasattr(clf, "coef_"):  # a pipeline or a search, which holds the classifier
        raise TypeError(
            f"{type(clf).__name__} has no coef_. Of a pipeline pass pipe[-1], of a "
            "search its best_estimator_."
        )
    if is_foreign(clf.coef_):
        clf = copy(clf)
        for name, value in vars(clf).items():
            setattr(clf, name, to_numpy(value))
    if not isinstance(clf, SoftmaxClassifierCV):
        return clf
    chosen = clf._inner().set_params(C=clf.C_, l1_ratio=clf.l1_ratio_)
    for name in (
        "classes_",
        "coef_",
        "intercept_",
        "optimality_",
        "converged_",
        "_total_weight",
        "_rows_observed_once",
        "_apart",
        "n_features_in_",
    ):
        setattr(chosen, name, getattr(clf, name))
    chosen.n_iter_ = np.array([clf.n_iter_.sum()], dtype=np.int32)
    if hasattr(clf, "feature_names_in_"):
        chosen.feature_names_in_ = clf.feature_names_in_
    return chosen


def fitted_problem(clf, X, y, sample_weight, offset):
    """The problem that the fit solved; raises where no normal theory holds for it."""
    problem, classes = problem_for(clf, X, y, sample_weight, offset)
    if not np.array_equal(classes, clf.classes_):
        raise ValueError(
            f"y has classes {classes.tolist()}, but the fit had "
            f"{clf.classes_.tolist()}: pass the y of the fit."
        )
    penalty = problem.penalty
    if penalty.has_l1:
        raise ValueError(
            f"l1_ratio={clf.l1_ratio}: estimates under an l1 penalty are not normal "
            "(some are exactly zero), so they have no covariance to report. Use the "
            "bootstrap, or fit with l1_ratio=0."
        )
    _refuse_bounds(clf, penalty)
    absent = classes[problem.absent()] if clf.fit_intercept else []
    if len(absent):
        raise ValueError(
            f"classes {absent.tolist()} have no rows with weight: their intercepts are "
            "minus infinity, without a covariance. Fit with the other classes only."
        )
    return problem


def _refuse_bounds(clf, penalty):
    coef = dense(clf.coef_)
    lower, upper = (b.astype(coef.dtype) for b in (penalty.lower, penalty.upper))
    held = (coef <= lower) | (coef >= upper)
    fixed = (lower == upper) & held
    in_some = fixed & ~fixed.all(axis=0)
    if in_some.any():
        raise ValueError(
            f"coefficients of {_features(clf, in_some)} are fixed in some classes, by "
            "equal bounds or penalty_factor=inf. Fit without these: of a reference "
            "class coef_table(reference=...) shows the contrasts."
        )
    if fixed.any():
        raise ValueError(
            f"coefficients of {_features(clf, fixed)} are excluded from the fit "
            "or fixed, by penalty_factor=inf or equal bounds. Leave these columns out "
            "of X, or put them into the offset, and fit again."
        )
    if held.any():
        raise ValueError(
            f"a coefficient of {_features(clf, held)} is at its bound: neither its "
            "estimate nor those of the others are normal. Use the bootstrap, or fit "
            "without that bound."
        )


def _features(clf, which):
    """Names of the features with a coefficient where `which`, (K, d), is true."""
    return listed(feature_names(clf)[j] for j in np.flatnonzero(which.any(axis=0)))


def likelihood_of(problem):
    """The likelihood of a problem's rows."""
    return Likelihood(
        problem.rows.X,
        problem.target,
        max(problem.shape[0], 2),
        problem.weight,
        problem.offset,
        problem.fit_intercept,
    )


def penalty_curvature(problem):
    """Hessian of the penalty in the free coefficients, (N, N).

    The penalty is on the coefficients of each class. Their common part, on which the
    probabilities do not depend, is eliminated: it minimises the penalty.
    """
    K, d = problem.shape[0], problem.shape[1] - 1
    ridge = np.broadcast_to(problem.total_weight * problem.penalty.ridge, (K, d)).T
    curvature = ridge[:, :, None] * np.eye(K)
    if K > 1:
        total = ridge.sum(axis=1)[:, None, None]
        common = ridge[:, :, None] * ridge[:, None, :]
        curvature -= np.divide(common, total, out=0 * common, where=total > 0)
        curvature = curvature[:, 1:, 1:]
    n_free, p = curvature.shape[1], d + problem.fit_intercept
    full = np.zeros((n_free, p, n_free, p))
    column = np.arange(problem.fit_intercept, p)
    full[:, column, :, column] = curvature
    return full.reshape(n_free * p, -1)


def penalty_gradient(clf, problem):
    """Gradient of the penalty in the free coefficients, (N,)."""
    gradient = problem.penalty.value_gradient(dense(clf.coef_).astype(float))[1]
    gradient = gradient[-(len(clf.classes_) - 1) :] * problem.total_weight
    intercepts = np.zeros((len(gradient), int(problem.fit_intercept)))
    return np.column_stack([intercepts, gradient]).ravel()


def beta_of(clf):
    """Coefficients of the classes against the first, (K, p)."""
    beta = dense(clf.coef_).astype(float)
    if clf.fit_intercept:
        beta = np.column_stack([clf.intercept_.astype(float), beta])
    return np.vstack([0 * beta, beta]) if len(beta) == 1 else beta - beta[0]


def position(names, feature):
    """The position of a feature that is given by its name or position."""
    if isinstance(feature, str):
        if feature not in names:
            raise ValueError(
                f"no feature is called {feature!r}: use one of {listed(names)}."
            )
        return names.index(feature)
    try:
        j = operator.index(feature)
    except TypeError as error:
        raise TypeError(
            f"{feature!r} is no name or position of a feature: pass a str or an int."
        ) from error
    if not 0 <= j < len(names):
        raise ValueError(
            f"feature {j} is not a position from 0 to {len(names) - 1}: there are "
            f"{len(names)} features."
        )
    return j


def feature_names(clf):
    """Names of the features; x0, x1, ... if X had none."""
    default = [f"x{j}" for j in range(clf.n_features_in_)]
    return [str(name) for name in getattr(clf, "feature_names_in_", default)]


def column_names(clf):
    """Names of beta's columns."""
    return [INTERCEPT] * bool(clf.fit_intercept) + feature_names(clf)
