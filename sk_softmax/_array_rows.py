"""Rows of foreign arrays, and the choice of the kind of rows for an X."""

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
from ._rows import MappedRows, Rows, is_checked_late, memory_map

# Bytes in a block of a foreign array. On the CPU the library's threads wait for each
# other after each operation, and on a device each call takes a while to start: blocks
# are large, so that there are few operations.
PROCESSOR_BLOCK_BYTES, DEVICE_BLOCK_BYTES = 2**25, 2**28


class ArrayRows(Rows):
    """Row blocks of a foreign array, summed where it is.

    A sum moves its arguments to X's device and brings its result back, all in one
    array, since a transfer waits for everything that the device was asked to do
    before. The parallelism is that of X's library.

    Parameters
    ----------
    X : foreign array of shape (n, d), float32 or float64
    n_outputs : int
    """

    is_sparse = False

    def __init__(self, X, n_outputs):
        # so that PyTorch does not record the fit for differentiation
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
        """Within it NumPy's BLAS has one thread; X's library is left alone."""
        with single_threaded_blas:
            yield self

    def like(self, X):
        """Rows of a NumPy array, moved to X's device."""
        return ArrayRows(like(X, self.X), self.n_outputs)

    def take(self, index):
        """The rows at `index`, on X's device."""
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
        """A one for each row, (n,), on X's device."""
        return ones(self.shape[0], self.X.dtype, self.X)

    def range(self):
        """Least and greatest entry of each feature, two float64 arrays (d,)."""
        xp = namespace(self.X)
        both = xp.stack([xp.min(self.X, axis=0), xp.max(self.X, axis=0)])
        return tuple(to_numpy(both).astype(np.float64))


def rows_of(X, n_outputs, estimator_name):
    """The rows of a validated X."""
    if is_dispatched(X):
        return ArrayRows(X, n_outputs)
    if memory_map(X) is not None:
        return MappedRows(X, n_outputs, estimator_name)
    rows = Rows(X, n_outputs)
    if is_checked_late(X):
        with rows.threads():
            rows.check_finite(estimator_name)
    return rows
