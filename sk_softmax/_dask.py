"""Problems whose rows are chunks of a dask collection, each a problem of its own.

Each chunk of rows becomes a `Problem` where dask put the chunk: on a worker of the
current `distributed.Client`, or without a client in this process. A sum over all rows
is then the sum over the chunks.
"""

import uuid
import warnings
from contextlib import nullcontext

import numpy as np
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from . import _arguments as arguments
from ._chunks import checked_chunk, chunks_with, dtype_of, in_chunk
from ._cluster import Cluster, Scratch, groups_of, worker
from ._labels import labels_of, refuse_single
from ._loss import loss_of
from ._problem import Problem
from ._rows import Rows


class DaskRows:
    """What is known of the rows without reading them: the sum of chunks' summaries.

    Attributes
    ----------
    shape, dtype, entries, is_sparse, stored
        As of `Rows`.
    """

    X = None

    def __init__(self, summaries, dtype, d):
        self.shape = sum(s["n"] for s in summaries), d
        self.dtype = dtype
        self.entries = sum(s["entries"] for s in summaries)
        self.is_sparse = summaries[0]["is_sparse"]
        self.stored = np.sum([s["stored"] for s in summaries], axis=0)
        self._least = np.min([s["least"] for s in summaries], axis=0)
        self._most = np.max([s["most"] for s in summaries], axis=0)

    def range(self):
        """Least and greatest entry of each feature, two float64 arrays (d,)."""
        return self._least, self._most

    def threads(self):
        """Nothing: the workers have threads of their own."""
        return nullcontext(self)


class DaskProblem(Problem):
    """Loss over all chunks plus penalty.

    Parameters
    ----------
    cluster : Cluster
    chunks : list of Problem, or futures of them
    summaries : list of dict
        For each chunk, what `_Chunk.summary` and `_outline` return.
    rows : DaskRows
    fit_intercept : bool
    """

    def __init__(self, cluster, chunks, summaries, rows, fit_intercept):
        self.cluster = cluster
        self.chunks = chunks
        self.summaries = summaries
        self.rows = rows
        self.loss = loss_of(len(summaries[0]["classes"]))
        self.has_labels = summaries[0]["has_labels"]
        self.total_weight = float(sum(s["weight"] for s in summaries))
        self.penalty = None
        self.fit_intercept = fit_intercept
        self.has_offset = summaries[0]["has_offset"]
        self.n_evaluations = 0
        self.groups = groups_of([s["worker"] for s in summaries])
        self._measure()

    def sum(self, block, args, flops, result_bytes=0):
        """Sum over the row blocks of ``block(problem, rows, X, *args)``."""
        return self.cluster.sum(self.chunks, self.groups, block, args, result_bytes)

    def scratch(self):
        """A stand-in for an empty dict that each chunk keeps where it is."""
        return Scratch(uuid.uuid4())

    def sample(self, index):
        """The problem of some of the rows, in this process, with the same penalty."""
        from dask import delayed

        ends = np.cumsum([s["n"] for s in self.summaries])
        by_chunk = np.split(index, np.searchsorted(index, ends[:-1]))
        draw = delayed(Problem.sample, pure=False)
        parts = zip(self.chunks, by_chunk, [0, *ends[:-1]], strict=True)
        drawn = [draw(chunk, i - start) for chunk, i, start in parts if len(i)]
        return _joined(self.cluster.results(drawn), self.penalty)

    def folds(self, n_folds):
        """Contiguous folds of whole chunks, with about the same number of rows each.

        Returns
        -------
        folds : list of (train, test), indices of chunks for `take`
        """
        n_chunks = len(self.chunks)
        if n_chunks < n_folds:
            raise ValueError(
                f"cv={n_folds} folds need at least {n_folds} chunks of rows, but X has "
                f"{n_chunks} that are not empty: rechunk it, e.g. "
                "X.rechunk({0: X.shape[0] // 20}), or df.repartition(npartitions=20)."
            )
        # a chunk belongs to the fold that its middle lies in
        ends = np.cumsum([s["n"] for s in self.summaries])
        middles = ends - np.array([s["n"] for s in self.summaries]) / 2
        bounds = np.searchsorted(middles, ends[-1] * np.arange(1, n_folds) / n_folds)
        # and each fold has at least one
        least = np.arange(1, n_folds)
        bounds = np.maximum.accumulate(np.maximum(bounds, least) - least) + least
        bounds = np.minimum(bounds, n_chunks - n_folds + least)
        chunks = np.arange(n_chunks)
        tests = np.split(chunks, bounds)
        return [(np.setdiff1d(chunks, test), test) for test in tests]

    def take(self, index):
        """The problem of some of the chunks."""
        return self._of(_pick(index, self.chunks), _pick(index, self.summaries))

    def _of(self, chunks, summaries):
        """The problem of other chunks, with the same penalty."""
        rows = DaskRows(summaries, self.rows.dtype, self.rows.shape[1])
        other = DaskProblem(self.cluster, chunks, summaries, rows, self.fit_intercept)
        other.penalty = self.penalty
        return other

    def even(self, class_weight):
        """See `Problem.even`."""
        from dask import delayed

        even = delayed(_ChunkProblem.even, pure=False)
        chunks = self.cluster.place([even(one, class_weight) for one in self.chunks])
        try:
            return self._of(chunks, _outlined(self.cluster, chunks, self.summaries))
        except BaseException:
            self.cluster.release(chunks)
            raise

    @property
    def observes_rows_once(self):
        """Whether each row counts as one observation: a label, with weight one."""
        return all(s["once"] for s in self.summaries)

    def class_mass(self):
        """Weight of the rows in each class, (n_classes,)."""
        return np.sum([s["mass"] for s in self.summaries], axis=0)

    def feature_sum(self):
        """Weighted sum of the features, (d,)."""
        return np.sum([s["features"] for s in self.summaries], axis=0)

    def close(self):
        """Release the chunks."""
        self.cluster.release(self.chunks)


def dask_problem(classifier, X, y, sample_weight, offset):
    """The problem that fit's arguments pose, without a penalty, and its classes.

    Parameters
    ----------
    classifier : SoftmaxClassifier
    X : dask array or DataFrame, whose shape `validate` has seen
    y, sample_weight, offset
        As `fit` takes them.

    Returns
    -------
    problem : DaskProblem
    classes : ndarray of shape (K,)
    """
    from dask import delayed

    if hasattr(type(y), "ndim") and y.ndim == 2 and y.shape[1] == 1:
        warnings.warn(
            "y is a column, of shape (n, 1): pass it as (n,) labels.",
            DataConversionWarning,
            stacklevel=6,
        )
        y = y[y.columns[0]] if hasattr(y, "columns") else y[:, 0]
    classes, class_weight = classifier.classes, classifier.class_weight
    fit_intercept = bool(classifier.fit_intercept)
    name = type(classifier).__name__
    cluster = Cluster()
    dtype = dtype_of(X)
    parts = chunks_with(X, y=y, sample_weight=sample_weight, offset=offset)
    task = delayed(_Chunk, pure=False)
    chunks = cluster.place(
        [task(i, *part, dtype, X.shape[1], name) for i, part in enumerate(parts)]
    )
    problems = []
    try:
        summaries = _gather(cluster, chunks, _Chunk.summary)
        kept = [i for i, summary in enumerate(summaries) if summary["n"]]
        summaries = [summaries[i] for i in kept]
        _check_summaries(summaries, name)
        if classes is None and summaries[0]["labels"] is not None:
            classes = _labels(summaries)
        encode = delayed(_Chunk.problem, pure=False)

        def encoded(class_weight):
            args = classes, class_weight, fit_intercept
            return cluster.place([encode(chunks[i], *args) for i in kept])

        if isinstance(class_weight, str) and class_weight == "balanced":
            outlines = _gather(cluster, encoded(None), _outline)
            by_class = arguments.balanced(np.sum([o["mass"] for o in outlines], axis=0))
            labels = outlines[0]["classes"].tolist()
            class_weight = dict(zip(labels, by_class, strict=True))
        problems = encoded(class_weight)
        summaries = _outlined(cluster, problems, summaries)
        arguments.check_total(sum(summary["weight"] for summary in summaries))
    except BaseException:
        cluster.release(problems)
        raise
    finally:
        cluster.release(chunks)
    rows = DaskRows(summaries, dtype, X.shape[1])
    problem = DaskProblem(cluster, problems, summaries, rows, fit_intercept)
    return problem, summaries[0]["classes"]


def _gather(cluster, placed, function):
    """The function's result for each of what was placed, in this process."""
    from dask import delayed

    call = delayed(function, pure=False)
    return cluster.results([call(one) for one in placed])


def _outlined(cluster, problems, summaries):
    """The summaries and what `_outline` tells of the chunks' problems."""
    outlines = _gather(cluster, problems, _outline)
    return [s | o for s, o in zip(summaries, outlines, strict=True)]


def _check_summaries(summaries, name):
    if not summaries:
        raise ValueError(
            f"Found array with 0 sample(s) while a minimum of 1 is required by {name}: "
            "all chunks of X are empty."
        )
    if len({s["is_sparse"] for s in summaries}) > 1:
        raise ValueError(
            "X has dense and sparse chunks: make them one kind with X.map_blocks."
        )
    if len({s["labels"] is None for s in summaries}) > 1:
        raise ValueError(
            "y has chunks of labels and chunks of soft labels: make them one kind."
        )


def _labels(summaries):
    labels = np.unique(np.concatenate([s["labels"] for s in summaries]))
    refuse_single(labels)
    return labels


class _Chunk:
    """One chunk of the data, checked; labels are not encoded yet."""

    def __init__(self, i, X, y, sample_weight, offset, dtype, n_features, name):
        self.i, self.name = i, name
        with in_chunk(i):
            self.X = checked_chunk(X, dtype, ensure_all_finite=False, estimator=name)
            n, d = self.X.shape
            if d != n_features:
                raise ValueError(
                    f"X has {d} features here, but {n_features} by its metadata: give "
                    "all chunks the same columns."
                )
            for argument, value in (("y", y), ("sample_weight", sample_weight)):
                if np.ndim(value) and len(value) != n:
                    raise ValueError(
                        f"{argument} has {len(value)} rows, but X has {n}: give both "
                        "the same chunks of rows."
                    )
        self.y, self.sample_weight, self.offset = y, sample_weight, offset

    def summary(self):
        """What a DaskProblem needs to know of this chunk's X and labels."""
        n = self.X.shape[0]
        if n == 0:
            return {"n": 0}
        rows = Rows(self.X, 1)
        with in_chunk(self.i):
            rows.check_finite(self.name)
            soft = arguments.is_soft(self.y)
            labels = None if soft else labels_of(self.y)[0]
        least, most = rows.range()
        return {
            "n": n,
            "entries": rows.entries,
            "is_sparse": rows.is_sparse,
            "stored": rows.stored,
            "least": least,
            "most": most,
            "labels": labels,
        }

    def problem(self, classes, class_weight, fit_intercept):
        """The problem of this chunk alone, without a penalty."""
        dtype = self.X.dtype
        with in_chunk(self.i):
            classes, target, mass = arguments.targets(self.y, classes, dtype)
            weight = arguments.part_weights(
                self.sample_weight, class_weight, classes, target, mass, dtype
            )
            offset = arguments.offsets(self.offset, len(target), classes, dtype)
        loss = loss_of(len(classes))
        rows = Rows(self.X, loss.n_outputs)
        problem = _ChunkProblem(rows, loss, target, weight, None, fit_intercept, offset)
        problem.classes = classes
        return problem

    def __sizeof__(self):
        return _nbytes(self.X)


class _ChunkProblem(Problem):
    """A chunk's problem that tells dask its size.

    Dask takes other objects for small, and would send them to any idle worker.
    """

    def even(self, class_weight):
        even = super().even(class_weight)
        even.classes = self.classes
        return even

    def __sizeof__(self):
        return _nbytes(self.rows.X)


def _nbytes(X):
    return X.data.nbytes + X.indices.nbytes if hasattr(X, "indices") else X.nbytes


def _outline(problem):
    """What a DaskProblem needs to know of a chunk's target and weights."""
    return {
        "classes": problem.classes,
        "has_labels": problem.has_labels,
        "has_offset": problem.has_offset,
        "once": problem.observes_rows_once,
        "weight": problem.total_weight,
        "mass": problem.class_mass(),
        "features": problem.feature_sum(),
        "worker": worker(),
    }


def _joined(problems, penalty):
    """One problem in memory of the rows of several."""
    first = problems[0]
    stack = sparse.vstack if first.rows.is_sparse else np.concatenate
    X = stack([problem.rows.X for problem in problems])
    joined = {"rows": Rows(X, first.rows.n_outputs), "penalty": penalty}
    for name in ("target", "weight", "offset"):
        arrays = [getattr(problem, name) for problem in problems]
        joined[name] = None if arrays[0] is None else np.concatenate(arrays)
    return first.replaced(**joined)


def _pick(index, things):
    return [things[i] for i in index]
