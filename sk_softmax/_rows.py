"""Sums over blocks of rows, for any kind of X; other modules ask here what X is.

The objective, its gradient and every matrix made from them are sums over rows.
`Rows.sum` takes a function of one block and adds what it returns:

- the blocks are small enough that a part of X and its logits stay in a core's
  cache, so that X is read from memory once per evaluation;
- threads take whole blocks while BLAS runs on one thread, which also
  parallelises the exponentials and cannot oversubscribe the machine;
- blocks and the order in which they are added depend on the shapes alone, so
  a fit gives the same bits on 1 thread and on 64.

Logits are class-major, (K, m) for a block of m rows: reductions over the
classes then run along the slow axis, several times faster than the other way.
"""

import math
import mmap
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite

from ._array_api import cast, is_foreign, like, take_rows, widest_float
from ._blas import single_threaded_blas

# A block's X, logits and residuals take about a core's L2 cache. Where that would be
# more than MANY_BLOCKS, blocks are up to GROWTH times as large: threads queue for
# Python's lock after each NumPy operation, which on small blocks costs more than the
# cache misses do.
BLOCK_BYTES, MANY_BLOCKS, GROWTH = 2**21, 8, 4
# The greatest number of strands, runs of blocks that one thread adds up: it limits the
# memory of their partial sums, and the number of threads that can be used.
MAX_STRANDS = 64
# Memory for the partial sums of one call of `Rows.sum`.
PARTIAL_BYTES = 2**28
# Threads pay where a block takes at least so many floating point operations, about
# half a millisecond: with less, handing over Python's lock takes longer.
THREADING_FLOPS = 1.5e7
# A single block is cut into PARTS for long work, such as a Hessian of many
# coefficients, if each has PART_ROWS rows; each part needs a partial sum of its own.
PARTS, PART_ROWS = 2, 512
# Reading an entry from memory takes as long as so many floating point operations.
READING_FLOPS = 20
# Row length from which on NumPy's min and max over rows are at full speed.
COMPARED_ENTRIES = 1024
# Memory for the columns that `Rows.centred` yields at a time.
COLUMNS_BYTES = 2**24
# How much of a memory map is read before its pages are given back: little compared to
# the memory, but enough that giving back costs next to nothing.
MAPPED_BYTES = 2**25


class Rows:
    """Row blocks of a matrix of features.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d), float32 or float64
        Read, never written to and never copied.
    n_outputs : int
        Number of rows of the coefficients; with d, it sets the size of a partial sum.

    Attributes
    ----------
    blocks : list of (slice, matrix)
        The rows of each block and that part of X, a view.
    n_strands : int
        Number of runs of blocks. Each is added up by one thread, in the order of its
        blocks, and then the runs are added in order.
    entries : float
        Number of X's entries: the stored ones, if X is sparse.
    """

    def __init__(self, X, n_outputs):
        self.X = X
        self.n_outputs = n_outputs
        self.shape = n, d = X.shape
        self.dtype = working_dtype(X)  # of the blocks that `read` yields
        self.is_sparse = sparse.issparse(X)
        entries = X.nnz / n if self.is_sparse else d
        self.entries = entries * n
        row_bytes = self.dtype.itemsize * (entries + 2 * n_outputs)
        n_blocks = math.ceil(n * row_bytes / BLOCK_BYTES)
        if self.is_sparse:
            # Each block adds a dense gradient (K, d), which costs as much as two
            # entries a feature. With 16 in a block this is an eighth. More blocks for
            # more threads would not pay, since SciPy's products keep Python's lock.
            n_blocks = min(n_blocks, int(self.entries // (16 * d)))
        elif n_blocks > MANY_BLOCKS:
            n_blocks = max(MANY_BLOCKS, math.ceil(n_blocks / GROWTH))
        if n_blocks > 2:  # a multiple of 4: two or four threads end together
            n_blocks = (n_blocks + 1) // 4 * 4
        self._x_bytes = self.entries * self.dtype.itemsize
        self._cut(max(1, min(n_blocks, n)))
        self._pool = None
        self._n_threads = 1
        self._range = None

    def _cut(self, n_blocks):
        """Set the blocks and the number of strands."""
        X, (n, d) = self.X, self.shape
        bounds = np.linspace(0, n, n_blocks + 1).astype(int).tolist()
        self.blocks = [(slice(a, b), _row_view(X, a, b)) for a, b in pairwise(bounds)]
        affordable = int(self._x_bytes / 50 / (8 * self.n_outputs * (d + 1)))
        self.n_strands = min(n_blocks, max(8, min(affordable, MAX_STRANDS)))

    @contextmanager
    def threads(self):
        """Within it BLAS has one thread, and `sum` has as many as BLAS had."""
        with single_threaded_blas as n_threads:
            most = max(self.n_strands, PARTS if self._has_parts else 1)
            self._n_threads = min(n_threads, most)
            if self._n_threads == 1:
                yield self
                return
            with ThreadPoolExecutor(self._n_threads - 1, "sk_softmax") as self._pool:
                try:
                    yield self
                finally:
                    self._pool = None

    def like(self, X):
        """Rows of another matrix X, in the same pool of threads."""
        rows = Rows(X, self.n_outputs)
        rows._pool, rows._n_threads = self._pool, self._n_threads
        return rows

    def take(self, index):
        """The rows at `index`, in memory."""
        return Rows(take_rows(self.X, index), self.n_outputs)

    def read(self, start=0, stop=None):
        """The blocks from start to stop, (rows, X_block), one after the other."""
        return iter(self.blocks[start:stop])

    def sum(self, function, flops, result_bytes=0):
        """Sum of ``function(rows, X_block)``, tuples of float64, over the blocks.

        `flops` is the work of the whole sum beyond reading X: below `THREADING_FLOPS`
        a block the calling thread does it alone, with the same result. Where
        `result_bytes` is large compared to X, there are fewer partial sums.
        """
        if len(self.blocks) == 1:
            if self._has_parts and flops > PARTS * THREADING_FLOPS:
                parts = copy(self)
                parts._cut(PARTS)
                return parts.sum(function, flops, result_bytes)
            return add(function(*block) for block in self.read())
        n_strands = self.n_strands
        if result_bytes:
            most = np.clip(self._x_bytes // 16 // result_bytes, 4, n_strands)
            n_strands = int(np.clip(PARTIAL_BYTES // result_bytes, 1, most))
        bounds = np.linspace(0, len(self.blocks), n_strands + 1).astype(int)
        partial = [None] * n_strands
        # `pop` takes the longest first, so that threads end together
        todo = sorted(range(n_strands)[::-1], key=lambda i: bounds[i + 1] - bounds[i])

        def work():
            while todo:
                try:
                    strand = todo.pop()
                except IndexError:  # another thread was faster
                    return
                strand_blocks = self.read(bounds[strand], bounds[strand + 1])
                partial[strand] = add(function(*block) for block in strand_blocks)

        helpers = []
        if self._pool is not None and self._pays(flops):
            helpers = [self._pool.submit(work) for _ in range(self._n_threads - 1)]
        try:
            work()
        finally:
            todo.clear()  # after an error or an interrupt the others stop too
            for helper in helpers:
                helper.result()
        return add(iter(partial))

    @property
    def _has_parts(self):
        """Whether there is a single block that may be cut in parts."""
        single = len(self.blocks) == 1 and not self.is_sparse
        return single and self.shape[0] >= PARTS * PART_ROWS

    def _pays(self, flops):
        """Whether threads pay for so much work."""
        if self.is_sparse:  # there each block is a few long operations of SciPy's
            return flops > THREADING_FLOPS
        work = flops + READING_FLOPS * self.entries
        return work > THREADING_FLOPS * len(self.blocks)

    def bring(self, args):
        """The arguments of a block's function, as the blocks can use them."""
        return args

    def ones(self):
        """A one for each row, (n,), in the blocks' dtype."""
        return np.ones(self.shape[0], self.dtype)

    def centred(self, centre):
        """Yield (columns, Z) with Z = X[:, columns] - centre[columns] in float64."""
        n, d = self.shape
        step = max(COLUMNS_BYTES // (8 * n), 1)
        for start in range(0, d, step):
            part = slice(start, min(start + step, d))
            X = self.X[:, part]
            X = cast(X, widest_float(X))
            yield part, X - like(centre[part], X)

    def check_finite(self, estimator_name):
        """Raise where an entry is NaN or infinite: the range, kept for later, tells."""
        with np.errstate(invalid="ignore"):
            self._range = self.range()
        if not np.isfinite(self._range).all():
            for _, block in self.read():
                assert_all_finite(block, input_name="X", estimator_name=estimator_name)

    @cached_property
    def stored(self):
        """How many entries of each feature are stored, (d,): of sparse rows, few."""
        n, d = self.shape
        return (
            np.bincount(self.X.indices, minlength=d)
            if self.is_sparse
            else np.full(d, n)
        )

    def range(self):
        """Least and greatest entry of each feature, two float64 arrays (d,)."""
        return self._find_range() if self._range is None else self._range

    def _find_range(self):
        n, d = self.shape
        least, most = np.full(d, np.inf), np.full(d, -np.inf)
        if self.is_sparse:  # SciPy's own min and max copy X
            n_stored = np.zeros(d)
            for _, X in self.blocks:
                np.minimum.at(least, X.indices, X.data)
                np.maximum.at(most, X.indices, X.data)
                n_stored += np.bincount(X.indices, minlength=d)
            has_zeros = n_stored < n
            least[has_zeros] = np.minimum(least[has_zeros], 0)
            most[has_zeros] = np.maximum(most[has_zeros], 0)
            return least, most
        found = {}

        def look(rows, X):
            found[rows.start] = _extremes(X)
            return ()

        self.sum(look, READING_FLOPS * self.entries)
        for block_least, block_most in found.values():
            np.minimum(least, block_least, out=least)
            np.maximum(most, block_most, out=most)
        return least, most


class MappedRows(Rows):
    """Row blocks of a dense memory map, which is never loaded as a whole.

    A block of integers, float16 or another byte order becomes float64 when it is
    read. Pages that were read are given back, so that they do not count against the
    process's memory limit; the system still caches them while it has room. The
    constructor checks that X is finite.

    Parameters
    ----------
    X : ndarray of shape (n, d), of numbers
    n_outputs : int
    estimator_name : str
        For the error message.
    """

    def __init__(self, X, n_outputs, estimator_name):
        super().__init__(X, n_outputs)
        self._file = memory_map(X)
        self.check_finite(estimator_name)

    def read(self, start=0, stop=None):
        """The blocks from start to stop, (rows, X_block), one after the other."""
        unreleased = 0
        for part, X in self.blocks[start:stop]:
            yield part, X.astype(self.dtype, copy=False)
            unreleased += X.nbytes
            if unreleased >= MAPPED_BYTES:
                give_back(self._file)
                unreleased = 0
        give_back(self._file)

    def take(self, index):
        """The rows at `index`, in memory."""
        X = np.empty((len(index), self.shape[1]), self.dtype)
        # count a page for each row: each may lie on another
        step = MAPPED_BYTES // mmap.PAGESIZE
        for start in range(0, len(index), step):
            X[start : start + step] = self.X[index[start : start + step]]
            give_back(self._file)
        return Rows(X, self.n_outputs)


def is_checked_late(X):
    """Whether X is so large that `Rows.check_finite`, on all threads, is faster."""
    plain = isinstance(X, np.ndarray) and X.dtype in (np.float32, np.float64)
    return plain and READING_FLOPS * X.size > MANY_BLOCKS * THREADING_FLOPS


def working_dtype(X):
    """The dtype of the computations with X's entries: float32 or float64."""
    if is_foreign(X):
        return X.dtype
    return X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(np.float64)


def memory_map(X):
    """The np.memmap that the array X is a view of, or None."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap) and isinstance(X.base, mmap.mmap):
            return X
        X = X.base
    return None


def give_back(file):
    """Drop a memory map's pages from memory; their contents stay in the file."""
    # not of a copy-on-write map, which would lose what was written to it
    if hasattr(mmap, "MADV_DONTNEED") and file.mode in ("r", "r+", "w+"):
        file.base.madvise(mmap.MADV_DONTNEED)


def _extremes(X):
    """Least and greatest entry of each column of a dense X, (d,) each."""
    m, d = X.shape
    # short rows are slow to compare one by one: view several as one long row
    together = COMPARED_ENTRIES // d if d and X.flags.c_contiguous else 1
    if together > 1 and m > together:
        even = m - m % together
        wide, rest = X[:even].reshape(-1, together * d), X[even:]
        ends = [
            np.concatenate([end.reshape(together, d), rest])
            for end in (wide.min(axis=0), wide.max(axis=0))
        ]
    else:
        ends = X, X
    return ends[0].min(axis=0), ends[1].max(axis=0)


def add(terms):
    """Sum of tuples of arrays, in their order; it may overwrite the first tuple."""
    total = [np.asarray(array, dtype=np.float64) for array in next(terms)]
    for term in terms:
        for array, more in zip(total, term, strict=True):
            np.add(array, more, out=array)
    return tuple(total)


def _row_view(X, start, stop):
    """Rows start to stop of X without a copy of its entries."""
    if not sparse.issparse(X):
        return X[start:stop]
    # Slicing a CSR matrix copies, and its constructor may; setting the three arrays
    # does not.
    view = type(X)((stop - start, X.shape[1]), dtype=X.dtype)
    entries = slice(X.indptr[start], X.indptr[stop])
    view.indptr = X.indptr[start : stop + 1] - X.indptr[start]
    view.indices, view.data = X.indices[entries], X.data[entries]
    return view
