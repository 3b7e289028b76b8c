"""From what the user gives to the arrays of the problem, with clear errors.

Each function takes one argument of `fit`, or of the estimator, checks it
and returns it in the problem's layout; every error names the argument.
"""

import numbers

import numpy as np
from sklearn.utils import check_consistent_length, compute_class_weight

from ._array_api import (
    class_masses,
    columns,
    dtype_for,
    is_foreign,
    like,
    namespace,
    numpy_dtype,
    ones,
    to_numpy,
)
from ._labels import label_set, labels_of, lookup, refuse_single
from ._numeric import numeric


def check_length(X, y):
    """Raise where y has not a label, or a row of soft labels, for each row of X."""
    try:
        check_consistent_length(X, y)
    except (TypeError, ValueError) as error:
        n = X.shape[0]
        raise ValueError(
            f"{error}: y has shape {np.shape(y)}, and {n} rows of X need labels of "
            f"shape ({n},) or soft labels of shape ({n}, n_classes)."
        ) from error


def require_y(y, estimator):
    """Raise where there is no y."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )


def solver_options(classifier):
    """The keyword arguments of `solve` that parameters of the classifier set."""
    kinds = None if classifier.solver == "auto" else [classifier.solver]
    # Python's own types: a float16 or an int8 would pass its dtype on to results
    tol, max_iter = float(classifier.tol), int(classifier.max_iter)
    return {"tol": tol, "max_iter": max_iter, "kinds": kinds}


def refuse_absent(classes, where="y"):
    """Raise if there are classes without rows, where nothing is penalised."""
    if len(classes):
        raise ValueError(
            f"classes {classes.tolist()} are absent from {where}, or have no weight "
            "there, and C=inf: without a penalty their coefficients are infinite. Use "
            "a finite C."
        )


def targets(y, classes, dtype):
    """Classes and targets of the rows.

    Parameters
    ----------
    y : array-like of shape (n,) of labels, or (n, K) of distributions or counts
    classes : array-like of shape (K,) or None
        The full label set.
    dtype : dtype of X

    Returns
    -------
    classes : ndarray of shape (K,)
    target : ndarray of shape (n,) of codes, or (n, K) of distributions
    mass : ndarray of shape (n,) or None
        Sums of the rows of counts, which act as weights.
    """
    if is_soft(y):
        return _soft_targets(y, classes, dtype)
    found, codes = labels_of(y)
    if classes is None:
        refuse_single(found)
        return found, codes, None
    classes = label_set(classes)
    if (found.dtype.kind == "U") != (classes.dtype.kind == "U"):
        raise ValueError(
            f"y holds labels that are not in classes: {found.tolist()}. One holds text "
            f"and the other numbers: classes={classes.tolist()}."
        )
    if not np.isin(found, classes).all():
        missing = found[~np.isin(found, classes)].tolist()
        raise ValueError(
            f"y holds labels that are not in classes: {missing}. Add them to classes, "
            "or leave their rows out."
        )
    return classes, lookup(np.searchsorted(classes, found), codes), None


def is_soft(y):
    """Whether y has a column for each class."""
    y = y if is_foreign(y) else np.asarray(y)
    return y.ndim == 2 and y.shape[1] > 1


def check_columns(labels, classes):
    """Raise unless the columns of soft labels, sorted, are the classes of a fit."""
    if not np.array_equal(labels, classes):
        raise ValueError(
            f"y has columns {labels.tolist()}, but the classes of the fit are "
            f"{classes.tolist()}: pass a column for each of them."
        )


def in_class_order(Y, classes):
    """Soft labels (n, K), an ndarray whose columns are in the order of `classes_`.

    As they come, a frame's columns are named, and others in the order of `classes`.
    """
    names = getattr(Y, "columns", classes)
    Y = np.asarray(Y)
    return Y if names is None else Y[:, np.argsort(np.asarray(names), kind="stable")]


def _soft_targets(Y, classes, dtype):
    names = getattr(Y, "columns", None)
    dtype = dtype_for(Y, dtype)
    Y = numeric(Y, "y", dtype, copy=True, ensure_all_finite=False)
    xp = namespace(Y)
    bad = to_numpy(xp.nonzero(~xp.all(xp.isfinite(Y), axis=1))[0])
    if len(bad):
        what = "NaN" if np.isnan(to_numpy(Y[bad[0], :])).any() else "infinity"
        raise ValueError(
            f"y contains {what} in row {bad[0]}: leave that row out, or correct it."
        )
    bad = to_numpy(xp.nonzero(xp.any(Y < 0, axis=1))[0])
    if len(bad):
        raise ValueError(
            f"y has a negative entry in row {bad[0]}: soft labels are probabilities or "
            "counts."
        )
    mass = xp.sum(Y, axis=1)
    bad = to_numpy(xp.nonzero(mass == 0)[0])
    if len(bad):
        raise ValueError(
            f"y has no positive entry in row {bad[0]}: leave that row out. (A row has "
            "one class, or a distribution; for several at once use "
            "MultiOutputClassifier.)"
        )
    Y /= mass[:, None]
    labels, order = _class_columns(Y.shape[1], names, classes)
    return labels, columns(Y, order), mass


def _class_columns(n_columns, names, classes):
    """The classes of soft labels, sorted, and the column of each."""
    of_columns = np.arange(n_columns)
    if names is not None:
        label_set(names, "y.columns")
        of_columns = np.asarray(names)
    classes = of_columns if classes is None else to_numpy(classes)
    labels = label_set(classes)
    if len(labels) != n_columns:
        raise ValueError(
            f"classes has {len(labels)} labels, but y has {n_columns} columns: soft "
            "labels need one column for each class."
        )
    if names is not None:  # a frame says itself which column is which class
        if set(labels.tolist()) != set(of_columns.tolist()):
            raise ValueError(
                f"classes {labels.tolist()} are not the columns of y, "
                f"{of_columns.tolist()}: rename the columns, or pass an array."
            )
        classes = of_columns
    return labels, np.argsort(np.asarray(classes), kind="stable")


def row_weights(sample_weight, class_weight, classes, target, mass, dtype):
    """Weights of the rows in X's dtype, or None where they are one each."""
    weight = part_weights(sample_weight, class_weight, classes, target, mass, dtype)
    if weight is not None:
        check_total(bool(namespace(weight).any(weight)))
    return weight


def check_total(total):
    """Raise where no row has a weight."""
    if not total > 0:
        raise ValueError(
            "sample_weight is zero for every row, or class_weight makes it so: give at "
            "least one row a positive weight."
        )


def part_weights(sample_weight, class_weight, classes, target, mass, dtype):
    """`row_weights` of one chunk, where all of them may be zero."""
    (n,), xp = target.shape[:1], namespace(target)
    if sample_weight is None and class_weight is None and mass is None:
        return None
    if sample_weight is None:
        weight = ones(n, dtype, target)
    else:
        weight = sample_weights(sample_weight, n, dtype, target)
    if mass is not None:
        weight *= mass
    if class_weight is not None:
        by_class = _class_weights(class_weight, classes, target, weight)
        if target.ndim == 1:
            weight *= like(by_class, weight)[target]
        else:
            # a row's mass in each class by that class's weight
            target *= like(by_class, target)
            total = xp.sum(target, axis=1)
            target /= xp.where(total > 0, total, 1)[:, None]
            weight *= total
    _check_size(float(xp.max(weight)), np.finfo(numpy_dtype(dtype)))
    return weight


def drop_if_scalar(sample_weight):
    """The weights, or None for one number: scikit-learn's scorers take arrays only."""
    return None if np.isscalar(sample_weight) else sample_weight


def sample_weights(sample_weight, n, dtype, target):
    """The user's weights, a number for all rows or one each, as a new array (n,).

    A single number becomes an array like the target, foreign if that is.
    """
    if isinstance(sample_weight, numbers.Real):
        sample_weight = float(sample_weight) * ones(n, dtype, target)
    dtype = dtype_for(sample_weight, dtype)
    weight = numeric(sample_weight, "sample_weight", dtype, ensure_2d=False, copy=True)
    xp = namespace(weight)
    if weight.shape != (n,):
        raise ValueError(
            f"sample_weight has shape {tuple(weight.shape)}, but X has {n} rows: "
            f"expected ({n},)."
        )
    if xp.min(weight) < 0:
        raise ValueError(
            f"sample_weight is {to_numpy(xp.min(weight))} in row "
            f"{int(xp.argmin(weight))}: weights must not be negative."
        )
    return weight


def _check_size(greatest, finfo):
    """Raise where sums over the rows could overflow, or products underflow."""
    least, most = finfo.tiny / finfo.eps, np.sqrt(finfo.max)
    if greatest > most or 0 < greatest < least:
        raise ValueError(
            "the largest sample_weight (times class_weight and y's counts) is "
            f"{greatest:.1e}, and in {finfo.dtype} it must be within [{least:.0e}, "
            f"{most:.0e}]: divide it by a constant, and multiply C by the same."
        )


def _class_weights(class_weight, classes, target, weight):
    if not (isinstance(class_weight, str) and class_weight == "balanced"):
        present = classes
        if target.ndim == 1:
            present = classes[class_masses(target, None, len(classes)) > 0]
        try:
            by_class = compute_class_weight(class_weight, classes=classes, y=present)
        except (TypeError, ValueError) as error:
            raise ValueError(f"class_weight={class_weight!r}: {error}") from error
        if not np.isfinite(by_class).all() or (by_class < 0).any():
            raise ValueError(
                f"class_weight must be finite and not negative, got {class_weight}."
            )
        return by_class
    return balanced(class_masses(target, weight, len(classes)))


def balanced(mass):
    """Class weights under which all classes weigh the same in total.

    `mass` is each class's sum of sample weights, as in scikit-learn from 1.7 on.
    """
    return mass.sum() / len(mass) / np.where(mass > 0, mass, np.inf)


def offsets(offset, n, classes, dtype):
    """Offsets of the logits, (n, K), (n, 1) for two classes, or None."""
    if offset is None:
        return None
    n_classes = classes.shape[0]  # arrays of the standard need not have a len
    if n_classes > 2 and hasattr(offset, "columns"):
        wanted = to_numpy(classes).tolist()
        offset = rearranged(offset, offset.columns, wanted, "offset")
    dtype = dtype_for(offset, dtype)
    offset = numeric(offset, "offset", dtype, ensure_2d=False)
    expected = (n,) if n_classes == 2 else (n, n_classes)
    if offset.shape != expected and not (n_classes == 2 and offset.shape == (n, 1)):
        raise ValueError(
            f"offset has shape {tuple(offset.shape)}, expected {expected}: for each "
            "row one number with two classes, otherwise one number per class."
        )
    largest = float(namespace(offset).max(abs(offset))) if n else 0.0
    if 8 * n * largest > float(np.finfo(numpy_dtype(offset.dtype)).max):
        raise ValueError(
            f"offset holds numbers of size {largest:.0e}, whose sum overflows. Offsets "
            "are logits, where 40 already means certainty: clip or rescale them."
        )
    return namespace(offset).reshape(offset, (n, -1))


def drop_if_common(offset):
    """The offsets, or None where they are the same for all classes in each row.

    Those change no probability.
    """
    if offset is None:
        return None
    other = offset[:, :1] if offset.shape[1] > 1 else 0
    return offset if namespace(offset).any(offset != other) else None


def rearranged(value, labels, wanted, name):
    """A frame's columns, or a series' entries, in the wanted order.

    Labels 0, 1, ... are pandas' default for no names: these are in order already.
    """
    labels = list(labels)
    if labels == list(range(len(labels))):
        return value
    wanted = [] if wanted is None else list(wanted)
    if len(labels) != len(wanted) or set(labels) != set(wanted):
        here = f"the fit has {wanted}" if wanted else "X has no names"
        raise ValueError(
            f"{name} has entries for {labels}, but {here}: use the same names, or pass "
            "an array in the order of the fit."
        )
    return value[wanted]
