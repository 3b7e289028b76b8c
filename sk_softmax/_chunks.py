"""Dask collections as chunks of rows: checked, aligned, and predicted lazily.

A chunk is a `Delayed`, which becomes a NumPy array, a SciPy sparse matrix or a pandas
object when a worker computes it.
"""

import numbers
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ._arguments import check_total, is_soft, sample_weights
from ._labels import refuse_missing
from ._numeric import numbers_only, refuse_masked

UNKNOWN = (
    "Take both from the same DataFrame, with the same partitions, or compute the "
    "lengths of the chunks: X = X.compute_chunk_sizes() for an array, "
    "X = df.to_dask_array(lengths=True) for a DataFrame."
)


def is_dask(X):
    """Whether X is a dask array, DataFrame or Series, or a Delayed."""
    package = type(X).__module__.split(".")[0]
    return package in ("dask", "dask_expr") and hasattr(X, "__dask_graph__")


def refuse_dask(**arguments):
    """Raise where one of the arguments is dask's; X is in memory."""
    for name, argument in arguments.items():
        if is_dask(argument):
            raise ValueError(
                f"{name} is a dask collection, but X is not: pass {name}.compute(), or "
                "X as a dask array or DataFrame too."
            )


def validate(estimator, X, reset=True):
    """Check the shape and feature names of X, without computing its entries."""
    _check_collection("X", X)
    is_frame = hasattr(X, "columns")
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D dask array instead: X has a row for "
            "each sample and a column for each feature."
        )
    n_features = X.shape[1]
    if not isinstance(n_features, numbers.Integral):
        raise ValueError(
            "X has an unknown number of columns: compute it with "
            "X = X.compute_chunk_sizes()."
        )
    meta = X._meta if is_frame else np.empty((1, n_features), dtype_of(X))
    validate_data(estimator, meta, reset=reset, skip_check_array=True)
    if n_features == 0:
        raise ValueError("X has no features: 0 feature(s) while at least 1 is needed.")


def dtype_of(X):
    """float32 where all of X is, otherwise float64."""
    dtypes = set(X.dtypes) if hasattr(X, "columns") else {X.dtype}
    return np.dtype(np.float32 if dtypes == {np.dtype(np.float32)} else np.float64)


def _chunks_of(X):
    """The chunks of rows of a dask array or DataFrame, a list of Delayed."""
    if not hasattr(X, "columns") and X.ndim == 2 and X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return np.ravel(X.to_delayed()).tolist()


def _lengths_of(X):
    """The number of rows in each chunk; NaN where that is unknown."""
    return X.chunks[0] if hasattr(X, "chunks") else (np.nan,) * X.npartitions


def aligned(X, name, argument):
    """One of fit's arguments in parts, each for the rows of one chunk of X.

    Parameters
    ----------
    X : dask array or DataFrame
    name : str
        The argument's, for error messages.
    argument : dask array, DataFrame or Series, array-like, number or None

    Returns
    -------
    parts : list of Delayed, arrays, numbers or None
    """
    lengths = _lengths_of(X)
    if sparse.issparse(argument):
        raise TypeError(f"{name} is sparse: pass a dense array, {name}.toarray().")
    if argument is None or (not is_dask(argument) and np.ndim(argument) == 0):
        return [argument] * len(lengths)
    known = not np.isnan(lengths).any()
    if not is_dask(argument):
        if not known:
            raise ValueError(
                f"{name} is in memory, but the lengths of X's chunks are unknown. "
                + UNKNOWN
            )
        refuse_masked(argument, name)
        if name == "y":  # before NumPy makes the string "nan" of NaN
            refuse_missing(argument, name)
        argument = argument if hasattr(argument, "iloc") else np.asarray(argument)
        _check_length(name, len(argument), sum(lengths))
        rows = getattr(argument, "iloc", argument)
        ends = np.cumsum((0, *lengths))
        return [rows[start:end] for start, end in pairwise(ends)]
    _check_collection(name, argument)
    theirs = _lengths_of(argument)
    if known and not np.isnan(theirs).any():
        _check_length(name, sum(theirs), sum(lengths))
        if theirs != lengths:
            argument = argument.rechunk({0: lengths})
    elif len(theirs) != len(lengths):
        raise ValueError(
            f"X has {len(lengths)} chunks of rows and {name} has {len(theirs)}, of "
            f"unknown lengths. {UNKNOWN}"
        )
    return _chunks_of(argument)


def _check_collection(name, collection):
    if not hasattr(type(collection), "to_delayed"):
        raise TypeError(
            f"{name} must be a dask array or a dask DataFrame, got "
            f"{type(collection).__name__}."
        )


def _check_length(name, theirs, ours):
    if theirs != ours:
        raise ValueError(
            f"{name} has {theirs} rows, but X has {ours}: both need the same rows."
        )


@contextmanager
def in_chunk(i):
    """Let errors about the values in a chunk say which chunk it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"In chunk {i} of the rows: {error}") from error


def lazily(method):
    """A predict method that returns a lazy dask array for a dask X."""

    @wraps(method)
    def lazy(self, X, offset=None):
        if not is_dask(X):
            refuse_dask(offset=offset)
            return method(self, X, offset)
        check_is_fitted(self)
        validate(self, X, reset=False)
        return _predictions(_bare(self), method.__name__, X, offset)

    return lazy


def chunks_with(X, **arguments):
    """X's chunks, each with its part of each of the other arguments."""
    parts = [aligned(X, name, argument) for name, argument in arguments.items()]
    return zip(_chunks_of(X), *parts, strict=True)


def mean_score(estimator, X, y, sample_weight, offset):
    """``estimator.score``, a mean over the rows, for a dask X."""
    from dask import delayed

    check_is_fitted(estimator)
    validate(estimator, X, reset=False)
    parts = chunks_with(X, y=y, sample_weight=sample_weight, offset=offset)
    model = delayed(_bare(estimator), pure=True, traverse=False)
    score = delayed(_score, pure=False)
    scores = [score(i, model, *part, dtype_of(X)) for i, part in enumerate(parts)]
    scores, weights = zip(*delayed(list)(scores).compute(), strict=True)
    check_total(sum(weights))
    return float(np.average(scores, weights=weights))


def _bare(estimator):
    """A small copy with what predictions need, to send to the workers.

    Without feature names, which have been checked: chunks have none.
    """
    bare = clone(estimator)
    for name in ("coef_", "intercept_", "classes_", "n_features_in_"):
        setattr(bare, name, getattr(estimator, name))
    if hasattr(estimator, "_stream"):  # by it `score` orders soft labels' columns
        bare.classes = estimator._stream.class_order
    return bare


def _predictions(estimator, method, X, offset):
    """A predict method's results for all chunks, as one lazy dask array."""
    import dask.array as da
    from dask import delayed

    dtype = dtype_of(X)
    n_classes = len(estimator.classes_)
    shape = (1,) if n_classes == 2 else (1, n_classes)
    meta = getattr(estimator, method)(
        np.zeros((1, X.shape[1]), dtype), None if offset is None else np.zeros(shape)
    )[:0]
    parts = zip(chunks_with(X, offset=offset), _lengths_of(X), strict=True)
    model = delayed(estimator, pure=True, traverse=False)
    predict = delayed(_predict, pure=True)
    chunks = [
        da.from_delayed(
            predict(i, model, method, part, offset, dtype, meta),
            shape=(n_rows, *meta.shape[1:]),
            meta=meta,
        )
        for i, ((part, offset), n_rows) in enumerate(parts)
    ]
    return da.concatenate(chunks, allow_unknown_chunksizes=True)


def _score(i, estimator, X, y, sample_weight, offset, dtype):
    """The score of a chunk and its weight."""
    with in_chunk(i):
        X = checked_chunk(X, dtype)
        n = X.shape[0]
        weight = np.ones(n)
        if sample_weight is not None:
            weight = sample_weights(sample_weight, n, np.float64, weight)
        mass = np.asarray(y).sum(axis=1) if is_soft(y) else np.ones(n)
        if not weight.any():
            return 0.0, 0.0
        return estimator.score(X, y, sample_weight, offset), weight @ mass


def checked_chunk(X, dtype, **options):
    """A chunk of X as an array or CSR matrix of this dtype, checked."""
    options |= {"accept_sparse": "csr", "ensure_min_samples": 0, "input_name": "X"}
    with numbers_only(X):
        return check_array(X, dtype=dtype, **options)


def _predict(i, estimator, method, X, offset, dtype, meta):
    """A predict method's result for chunk i."""
    with in_chunk(i):
        X = checked_chunk(X, dtype)
        return getattr(estimator, method)(X, offset) if X.shape[0] else meta
