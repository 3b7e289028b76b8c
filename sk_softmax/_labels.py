"""Labels of classes: checked, sorted, and the code of each row."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ._array_api import is_foreign, namespace, to_numpy
from ._numeric import numeric


def refuse_single(labels):
    """Raise where all rows are of one class."""
    if len(labels) < 2:
        raise ValueError(
            f"y holds one class only, {labels[0]}: a classifier needs at least two."
        )


def labels_of(y):
    """The labels that y holds, sorted, and the code of each row."""
    refuse_missing(y, "y")
    plain = type(y) is np.ndarray and y.size and y.dtype.kind in "biu"
    if not plain:  # whose check takes as long as a pass over small data
        y = numeric(y, "y", None, ensure_2d=False)
    if y.ndim != 1:
        y = column_or_1d(y, warn=True)
    found, codes = _sorted(y, "y")
    if found.dtype.kind not in "biuU":  # this check takes as long as a small fit
        check_classification_targets(y)
    return found, codes


def refuse_missing(labels, name):
    """Raise where labels are None, NaN or pandas' own missing value."""
    if is_foreign(labels):
        return
    if hasattr(labels, "isna"):
        missing = np.any(labels.isna())
    else:
        # a list of strings and NaN would become one of strings
        dtype = None if hasattr(labels, "dtype") else object
        labels = np.asarray(labels, dtype=dtype)
        missing = labels.dtype == object and any(map(_is_missing, labels.ravel()))
    if missing:
        raise ValueError(f"{name} contains NaN or missing values: leave them out.")


def _is_missing(label):
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas' own is neither equal to itself nor not
        return True
    except ValueError:  # a sparse matrix, which is for check_array to refuse
        return False


def _sorted(labels, name):
    """`unique` of labels, or an error where they have no order."""
    try:
        return unique(labels)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels.ravel()})
        raise ValueError(
            f"{name} holds labels of types {kinds}, which have no order among them: "
            f"make them one type, e.g. {name}.astype(str)."
        ) from error


def label_set(classes, name="classes"):
    """The labels that are said to be all, sorted."""
    refuse_missing(classes, name)
    said, classes = classes, np.asarray(to_numpy(classes))
    if classes.dtype.kind == "U" and not hasattr(said, "dtype"):
        # numbers in a list with strings have become strings
        _sorted(np.asarray(said, dtype=object), name)
    labels = []
    if classes.ndim == 1:
        labels, _ = _sorted(classes, name)
    if len(labels) != classes.size or len(labels) < 2:
        raise ValueError(
            f"{name} must be a list of at least two labels, each once, "
            f"got {classes.tolist()}."
        )
    return labels


def unique(y):
    """The labels that y (n,) holds, sorted, in NumPy, and the code of each row."""
    if not is_foreign(y):
        if y.dtype.kind in "iu" and y.size and int(y.max()) - int(y.min()) < y.size:
            return _counted(y)
        return np.unique(y, return_inverse=True)
    found, codes = namespace(y).unique_inverse(y)
    return to_numpy(found), codes


def _counted(y):
    """`unique` of integers near each other, which need no sorting."""
    least = y.min()
    # what overflows here comes back below
    shifted = y.astype(np.intp) - least.astype(np.intp)
    there = np.bincount(shifted) > 0
    found = np.flatnonzero(there).astype(y.dtype) + least
    return found, (np.cumsum(there) - 1)[shifted]
