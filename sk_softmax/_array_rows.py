"""Rows of foreign arrays, and which kind of rows an X has."""

import math
import operator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from ._array_api import (
    cast,
    is_dispatched,
    like,
    namespace,
    numpy_dtype,
    ones,
    take_rows,
    to_numpy,
    widest_float,
)
from ._blas import single_threaded_blas
from ._rows import (
    MappedRows,
    Rows,
    is_checked_late,
    memory_map,
)

# A block of a foreign array. On a processor each operation is shared among its
# library's threads, which wait for each other after it; on a device the calls have
# to be few beside what they start.
PROCESSOR_BLOCK_BYTES, DEVICE_BLOCK_BYTES = 2**25, 2**28


class ArrayRows(Rows):
    """Row blocks of a foreign array, summed where it is.

    In a sum as many numbers as the arguments have go there, and as many as the
    result has come back, at once; on a device each waits for all that was asked
    of it before. Parallel is what X's library does.

    Parameters
    ----------
    X : foreign array of shape (n, d), float32 or float64
    n_outputs : int
    """

    is_sparse = False

    def __init__(self, X, n_outputs):
        # no gradients of gradients
        self.X = X = X.detach() if hasattr(X, "detach") else X
        self.n_outputs = n_outputs
        self.shape = n, d = X.shape
        self.dtype = numpy_dtype(X.dtype)
        self.entries = n * d
        on_processor = X.__dlpack_device__()[0] == 1
        most = PROCESSOR_BLOCK_BYTES if on_processor else DEVICE_BLOCK_BYTES
        row_bytes = self.dtype.itemsize * (d + 2 * n_outputs)
        n_blocks = int(np.clip(np.ceil(n * row_bytes / most), 1, n))
        bounds = np.linspace(0, n, n_blocks + 1).astype(int).tolist()
        self.blocks = [(slice(a, b), X[a:b, :]) for a, b in pairwise(bounds)]

    @contextmanager
    def threads(self):
        """NumPy's BLAS on one thread, as for NumPy's arrays."""
        with single_threaded_blas:
            yield self

    def like(self, X):
        """Rows of another matrix, a NumPy array, in the same place."""
        return ArrayRows(like(X, self.X), self.n_outputs)

    def take(self, index):
        """Some of the rows, in the same place."""
        return ArrayRows(take_rows(self.X, index), self.n_outputs)

    def bring(self, args):
        """The arguments of a block's function, as the blocks can use them."""
        return tuple(self._bring(arg) for arg in args)

    def _bring(self, arg):
        if isinstance(arg, tuple):
            return self.bring(arg)
        if isinstance(arg, np.floating):
            return float(arg)
        if not isinstance(arg, np.ndarray):
            return arg
        if arg.dtype.kind == "f":
            return like(arg, self.X)
        return namespace(self.X).asarray(arg, device=self.X.device)

    def sum(self, function, flops, result_bytes=0):
        """Sum of ``function(rows, X_block)``, as float64 NumPy arrays."""
        xp, dtype = namespace(self.X), widest_float(self.X)
        total = None
        for block in self.read():
            terms = [cast(term, dtype) for term in function(*block)]
            total = terms if total is None else list(map(operator.add, total, terms))
        shapes = [term.shape for term in total]
        packed = to_numpy(xp.concat([xp.reshape(term, (-1,)) for term in total]))
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = np.split(packed.astype(np.float64, copy=False), ends)
        return tuple(part.reshape(s) for part, s in zip(parts, shapes, strict=True))

    def ones(self):
        """A one for each row, (n,), where X is."""
        return ones(self.shape[0], self.X.dtype, self.X)

    def range(self):
        """Least and greatest entry of each feature, two float64 arrays (d,)."""
        xp = namespace(self.X)
        both = xp.stack([xp.min(self.X, axis=0), xp.max(self.X, axis=0)])
        return tuple(to_numpy(both).astype(np.float64))


def rows_of(X, n_outputs, estimator_name):
    """The rows of what `validate_data` let through."""
    if is_dispatched(X):
        return ArrayRows(X, n_outputs)
    if memory_map(X) is not None:
        return MappedRows(X, n_outputs, estimator_name)
    rows = Rows(X, n_outputs)
    if is_checked_late(X):
        with rows.threads():
            rows.check_finite(estimator_name)
    return rows
