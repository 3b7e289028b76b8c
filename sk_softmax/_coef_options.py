"""Penalty factors, bounds and prior mean, from any form to arrays.

The user may give a number, an array, a pandas object or a dict by feature name;
every error names the argument.
"""

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ._arguments import rearranged
from ._array_api import dense, to_numpy
from ._numeric import numeric


def penalty_factors(penalty_factor, shape, names, classes, grouped):
    """Factors of the penalty, broadcastable to (K, d)."""
    if penalty_factor is None:
        return 1.0
    factor = _in_order(penalty_factor, "penalty_factor", names, classes)
    factor = by_feature(factor, "penalty_factor", shape, names, default=1.0)
    if not (factor >= 0).all():
        raise ValueError(
            "penalty_factor must not be negative or NaN: use 0 for no penalty, np.inf "
            "to exclude a feature."
        )
    # An axis along which all factors are the same is reduced to length 1: its shape
    # tells the penalty that it treats classes, or features, alike.
    for axis, length in enumerate(factor.shape):
        first = factor.take([0], axis)
        if length > 1 and (factor == first).all():
            factor = first
    if grouped and factor.ndim == 2 and len(factor) > 1:
        raise ValueError(
            "penalty_factor must be the same for all classes of a feature where "
            "penalty_group='class': pass shape (d,). To exclude a feature for one "
            "class, use bounds of 0."
        )
    return factor


def bounds(bounds, shape, names, classes):
    """Lower and upper bounds of the coefficients, broadcastable to (K, d)."""
    if bounds is None:
        return None
    pairs = isinstance(bounds, list) and len(bounds) > 0
    if pairs and all(isinstance(b, tuple) and len(b) == 2 for b in bounds):
        raise ValueError(
            "bounds is a list of tuples, such as scipy's of pairs by variable: here it "
            "is one pair (lower, upper), each a number or an array, or a dict of pairs "
            "by feature name."
        )
    if isinstance(bounds, dict):
        lower = {name: _pair(pair)[0] for name, pair in bounds.items()}
        upper = {name: _pair(pair)[1] for name, pair in bounds.items()}
    else:
        pair = [_in_order(bound, "bounds", names, classes) for bound in _pair(bounds)]
        lower, upper = pair
    lower = by_feature(lower, "bounds", shape, names, default=-np.inf)
    upper = by_feature(upper, "bounds", shape, names, default=np.inf)
    if np.isnan(lower).any() or np.isnan(upper).any():
        raise ValueError(
            "bounds holds NaN or None; use -np.inf and np.inf for no bound."
        )
    lower, upper = np.broadcast_arrays(np.atleast_2d(lower), np.atleast_2d(upper))
    bad = np.argwhere((lower > upper) | (lower == np.inf) | (upper == -np.inf))
    if len(bad):
        k, j = bad[0].tolist()
        raise ValueError(
            f"bounds leave nothing for feature {j if names is None else names[j]!r}: "
            f"lower {lower[k, j]} must be finite or -inf and at most upper "
            f"{upper[k, j]}, which must be finite or inf."
        )
    return lower, upper


def _pair(pair):
    if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
        raise ValueError(
            f"bounds must be a pair (lower, upper) or a dict of pairs, got {pair!r}."
        )
    return pair


def _in_order(value, name, names, classes):
    """A pandas object in the order of the features and, if it has them, classes."""
    if not hasattr(value, "iloc"):
        return value
    frame = hasattr(value, "columns")
    value = rearranged(value, value.columns if frame else value.index, names, name)
    if frame and len(value) == len(classes):
        return rearranged(value.T, value.index, classes.tolist(), name).T
    return value


def by_feature(value, name, shape, names, default):
    """An array of shape (), (d,) or (K, d) from one or from a dict by feature name."""
    if not isinstance(value, dict):
        try:
            array = np.asarray(to_numpy(value), dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{name} must be numbers, or a dict by feature name: {error}."
            ) from error
        if array.shape not in ((), shape[1:], shape):
            raise ValueError(
                f"{name} has shape {array.shape}, expected a number or an array of "
                f"shape {shape[1:]} or {shape}."
            )
        return array
    if names is None:
        raise ValueError(
            f"{name} is a dict by feature name, but X has no feature names: pass a "
            "DataFrame whose columns are named by strings, or an array in the order of "
            "the columns. Tools such as RFECV and BaggingClassifier make arrays of "
            "frames, and drop columns: there it must be a number."
        )
    unknown = set(value) - set(names)
    if unknown:
        unknown = sorted(unknown, key=str)
        raise ValueError(
            f"{name} names features that X does not have: {unknown}. Use X's names."
        )
    # shape (d,) if that suffices: then the penalty treats classes alike
    alike = all(np.ndim(entry) == 0 for entry in value.values())
    array = np.full(shape[1:] if alike else shape, default)
    for feature, entry in value.items():
        try:
            array[..., list(names).index(feature)] = entry
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{name} of feature {feature!r} must be a number, or one for each of "
                f"the {shape[0]} rows of coef_, got {entry!r}."
            ) from error
    return array


def prior_mean(coef_prior, shape, classes, names):
    """What the coefficients shrink to, (K, d), or None."""
    if coef_prior is None:
        return None
    if hasattr(coef_prior, "fit"):
        _check_prior(coef_prior)
        its_classes = to_numpy(coef_prior.classes_)
        if its_classes.tolist() != classes.tolist():
            raise ValueError(
                "coef_prior was fitted with other classes: it has "
                f"{its_classes.tolist()}, this fit {classes.tolist()}. Pass an array "
                "of shape (K, d) instead."
            )
        theirs = getattr(coef_prior, "feature_names_in_", None)
        if theirs is not None and names is not None and list(theirs) != list(names):
            raise ValueError(
                "coef_prior was fitted with other features, or in another order: pass "
                "an array of shape (K, d) in the order of X's columns instead."
            )
        coef_prior = coef_prior.coef_
    coef_prior = _in_order(dense(coef_prior), "coef_prior", names, classes)
    prior = numeric(to_numpy(coef_prior), "coef_prior", ensure_2d=False)
    if prior.shape != shape:
        raise ValueError(
            f"coef_prior has shape {prior.shape}, expected {shape}, as coef_ has."
        )
    return prior


def _check_prior(estimator):
    """Raise where it is not a fitted linear classifier."""
    name = type(estimator).__name__
    if isinstance(estimator, type):
        raise ValueError(
            f"coef_prior is the class {estimator.__name__}: pass a fitted instance."
        )
    if all(hasattr(estimator, attribute) for attribute in ("coef_", "classes_")):
        return
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise ValueError(
            f"coef_prior is a {name} that is not fitted. If it was, a search or a "
            "pipeline has cloned it, which drops the fit: pass its coef_, or a "
            "FrozenEstimator of it."
        ) from None
    raise ValueError(
        f"coef_prior is a {name}, which is no linear classifier with coef_ and "
        "classes_: pass one (of a pipeline its last step), or an array."
    )
