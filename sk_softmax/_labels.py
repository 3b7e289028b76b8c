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
    """The labels found in y, sorted, and the code of each row."""
    refuse_missing(y, "y")
    y = plain_labels(y)
    plain = type(y) is np.ndarray and y.size and y.dtype.kind in "biu"
    if not plain:  # the check takes as long as a pass over small data
        y = numeric(y, "y", None, ensure_2d=False)
    if y.ndim != 1:
        y = column_or_1d(y, warn=True)
    found, codes = _sorted(y, "y")
    if found.dtype.kind not in "biuU":  # this check takes as long as a small fit
        check_classification_targets(y)
    return found, codes


def plain_labels(labels):
    """Pandas' nullable integers and bools as NumPy's: others would make them floats."""
    one_column = hasattr(labels, "iloc") and labels.ndim == 2 and labels.shape[1] == 1
    column = labels.iloc[:, 0] if one_column else labels
    dtype = getattr(getattr(column, "dtype", None), "numpy_dtype", None)
    if dtype is None or dtype.kind not in "biu":
        return labels
    refuse_missing(labels, "y")
    return np.asarray(labels, dtype=dtype)


def refuse_missing(labels, name):
    """Raise where labels are None, NaN or pandas' own missing value."""
    if is_foreign(labels):
        return
    if hasattr(labels, "isna"):
        missing = np.any(labels.isna())
    else:
        # NumPy would make the string "nan" of NaN in a list of strings
        dtype = None if hasattr(labels, "dtype") else object
        labels = np.asarray(labels, dtype=dtype)
        if labels.dtype == object:
            missing = any(map(_is_missing, labels.ravel()))
        else:  # NaN and NaT differ from themselves
            missing = labels.dtype.kind in "fmM" and np.any(labels != labels)
    if missing:
        raise ValueError(
            f"{name} contains NaN or missing values: drop or fill these entries."
        )


def _is_missing(label):
    try:
        return label is None or bool(label != label)
    except TypeError:  # pd.NA != pd.NA is pd.NA, which has no truth value
        return True
    except ValueError:  # a sparse matrix: check_array refuses it later
        return False


def _sorted(labels, name):
    """`unique` of labels, or an error where they have no order."""
    try:
        return unique(labels)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels.ravel()})
        raise ValueError(
            f"{name} holds labels of types {kinds}, which cannot be sorted together: "
            f"make them one type, e.g. {name}.astype(str)."
        ) from error


def label_set(classes, name="classes"):
    """The full set of labels that the user gave, sorted."""
    refuse_missing(classes, name)
    given, classes = classes, np.asarray(to_numpy(plain_labels(classes)))
    if classes.dtype.kind == "U" and not hasattr(given, "dtype"):
        # NumPy has made strings of numbers beside strings: refuse such a list
        _sorted(np.asarray(given, dtype=object), name)
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
    """Like `np.unique`: labels as a NumPy array, codes in y's own library."""
    if not is_foreign(y):
        if y.dtype.kind in "iu" and y.size and int(y.max()) - int(y.min()) < y.size:
            return _counted(y)
        return np.unique(y, return_inverse=True)
    found, codes = namespace(y).unique_inverse(y)
    return to_numpy(found), codes


def _counted(y):
    """`unique` for integers in a short range: counted, which is faster than sorted."""
    least = y.min()
    # may exceed y's dtype: below, the cast and the sum wrap around to the right label
    shifted = y.astype(np.intp) - least.astype(np.intp)
    present = np.bincount(shifted) > 0
    found = np.flatnonzero(present).astype(y.dtype) + least
    return found, (np.cumsum(present) - 1)[shifted]


def lookup(table, codes):
    """A NumPy table's entries at the codes, in the codes' library."""
    if not is_foreign(codes):
        return table[codes]
    return namespace(codes).asarray(table, device=codes.device)[codes]
