"""Arrays of numbers, checked; errors name the argument."""

import re
from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_array


def numeric(value, name, dtype=np.float64, **options):
    """An array of numbers, checked as `check_array` does; errors name the argument.

    With ``copy=True`` it is writable; what pandas gives may be read-only.
    """
    if is_plain(value, [dtype]) and value.ndim in (1, 2):
        return value.copy() if options.get("copy") else value
    refuse_masked(value, name)
    try:
        array = check_array(value, dtype=dtype, input_name=name, **options)
    except (TypeError, ValueError, OverflowError) as error:
        if re.search(rf"\b{name}\b", str(error)):
            raise
        raise ValueError(f"{name}: {error}") from error
    if options.get("copy") and isinstance(array, np.ndarray):
        return np.require(array, requirements="W")
    return array


def number_list(value, name, what, is_valid):
    """A list of valid numbers as an array (n,); `what` describes it in the error."""
    array = np.asarray(value, dtype=object)
    if array.ndim == 1 and array.size:
        array = numeric(value, name, ensure_2d=False, ensure_all_finite=False)
        if is_valid(array).all():
            return array
    raise ValueError(f"{name} must be {what}, got {value!r}.")


def is_plain(value, dtypes):
    """Whether it is an array of finite numbers in one of the dtypes.

    Then scikit-learn's check, which takes as long as three passes over small data,
    can be skipped.
    """
    if type(value) is not np.ndarray or value.dtype not in dtypes or not value.size:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(value.sum()))  # False also if finite ones overflow


def refuse_masked(value, name):
    """Raise where entries are masked: NumPy and scikit-learn drop the mask."""
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries: fill them or drop those rows.")


@contextmanager
def numbers_only(X):
    """Around scikit-learn's check of X: what it lets pass, and the column to blame."""
    refuse_masked(X, "X")
    _refuse_dates(X)
    try:
        yield
    except (TypeError, ValueError) as error:
        _check_columns(X)
        if not re.search(r"to float:|float\(\)", str(error)):
            raise
        raise type(error)(
            f"X holds what is no number: {error}. Encode text by OneHotEncoder or a "
            "vectorizer, dicts by DictVectorizer."
        ) from error


def _check_columns(X):
    """Raise where a column of a frame holds dates or text instead of numbers."""
    for name, dtype in _columns(X):
        if _is_number(dtype):
            continue
        try:
            if _is_date(dtype):
                raise TypeError("a date is no number")
            column = X[name]
            column = column if hasattr(column, "astype") else np.asarray(column)
            column.astype(float)
        except (TypeError, ValueError) as error:
            step = "Encode it, for example by OneHotEncoder"
            if _is_date(dtype):
                step = "Make numbers of it, such as days since a date"
            raise ValueError(
                f"X's column {name!r} is of {dtype}: only numbers can be used. {step}, "
                "or leave it out."
            ) from error


def _refuse_dates(X):
    """Raise for dates, times and structured dtypes: NumPy makes numbers of them."""
    if any(_is_date(dtype) for _, dtype in _columns(X)):
        _check_columns(X)
    if _is_date(getattr(X, "dtype", None)):
        raise ValueError(
            f"X is of {X.dtype}: only numbers can be used. Make numbers of it, such "
            "as days since a date, or columns of its fields."
        )


def _columns(X):
    """Names and dtypes of the columns of a frame of pandas or polars."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        return zip(X.columns, X.dtypes, strict=True)
    return ()


def _is_number(dtype):
    if getattr(dtype, "kind", None) in tuple("biufc"):
        return True
    return hasattr(dtype, "is_numeric") and dtype.is_numeric()  # polars


def _is_date(dtype):
    if getattr(dtype, "kind", None) in ("m", "M") or getattr(dtype, "names", None):
        return True
    return hasattr(dtype, "is_temporal") and dtype.is_temporal()  # polars
