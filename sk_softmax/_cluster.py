"""Sums over the chunks of a fit, computed where dask keeps the chunks.

The function and its arguments, of the size of the coefficients, go to the chunks: one
task for each thread of a worker that has chunks. The results, of the size of a gradient
or a Hessian, are added up in a tree whose order depends on the number of chunks alone.
Chunks of a worker that was lost are computed again by dask.
"""

import ctypes
import os
import sys
import threading
import time
import uuid
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import numpy as np

from ._blas import single_threaded_blas
from ._rows import add

# How many terms are added up by one task.
FAN_IN = 8
# If the results of all chunks take more than this, each chunk is a task of its own:
# chunks of a task that are not neighbours in the tree cannot be added up there.
MOST_BYTES = 2**26
# Options of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Arguments up to this size are sent with each task. Larger ones are sent once, as a
# task whose result workers pass on to each other: one more step, but less traffic.
SMALL_BYTES = 2**16
# dask.config is global to the process, and fits may run in threads.
_config_lock = threading.Lock()
# Seconds that a fit waits for a cluster in which nothing happens.
TIMEOUT = 60


class Cluster:
    """Where the chunks are kept and summed: at dask's workers, or in this process.

    Attributes
    ----------
    client : distributed.Client or None
        The current client, if dask would use it; None is this process.
    """

    def __init__(self):
        from dask.base import get_scheduler

        self.client = getattr(get_scheduler(), "__self__", None)
        if self.client is not None and self.client.asynchronous:
            raise ValueError(
                "The current distributed.Client is asynchronous: create one with "
                "asynchronous=False for the fit."
            )

    def place(self, tasks):
        """Compute the tasks; return futures or, without a client, the results."""
        import dask

        if self.client is None:
            return list(dask.compute(*tasks))
        return self.client.compute(list(tasks))

    def results(self, tasks):
        """The tasks' results, in this process."""
        import dask

        if self.client is None:
            return dask.compute(*tasks, scheduler="threads")
        from distributed import CancelledError

        # dask warns of large arguments, but those of size d x d are intended
        large = {"distributed.admin.large-graph-warning-threshold": "1TB"}
        futures = []
        try:
            with _config_lock, dask.config.set(large):
                futures = self.client.compute(list(tasks))
            return self._wait(futures)
        except BaseException as error:
            for future in futures:
                with suppress(Exception):  # the client may be closed
                    future.cancel()
            closed = self.client.status in ("closing", "closed")
            if isinstance(error, CancelledError) or (
                closed and isinstance(error, Exception)
            ):
                raise RuntimeError(
                    "The dask cluster was closed, or lost the data of the fit: start "
                    "a new one and fit again. If a worker died, load X from files or "
                    "functions: dask cannot compute scattered data again."
                ) from error
            raise

    def sum(self, chunks, groups, block, args, result_bytes):
        """Sum over the chunks of ``chunk.sum(block, args, 0, result_bytes)``.

        Parameters
        ----------
        chunks : list of Problem, or futures of them, from `place`
        groups : list of lists of int
            Indices of the chunks that one task sums over, from `groups_of`.
        block, args, result_bytes
            Of `Problem.sum`.
        """
        from dask import delayed
        from dask.sizeof import sizeof

        part, add = delayed(_part, pure=False), delayed(_added, pure=False)
        small, args = sizeof(args) <= SMALL_BYTES, _Arguments(args)
        if not small:  # once to a worker
            args = delayed(args, pure=False, traverse=False)
        n_chunks = len(chunks)
        if result_bytes * n_chunks > MOST_BYTES:
            groups = [[c] for c in range(n_chunks)]
        terms = [
            part(
                n_chunks, group, block, args, result_bytes, *(chunks[c] for c in group)
            )
            for group in groups
        ]
        while len(terms) > FAN_IN:
            starts = range(0, len(terms), FAN_IN)
            terms = [add(n_chunks, *terms[i : i + FAN_IN]) for i in starts]
        (total,) = _added(n_chunks, *self.results(terms)).values()
        return total

    def release(self, placed):
        """Let dask forget what was placed."""
        if self.client is not None:
            for future in placed:
                future.release()

    def _wait(self, futures):
        """The futures' results, or a TimeoutError where no worker makes progress."""
        from dask import config
        from dask.utils import parse_timedelta
        from distributed import wait

        limit = parse_timedelta(config.get("sk_softmax.timeout", TIMEOUT))
        last = time.monotonic()
        while not all(future.done() for future in futures):
            try:
                wait(futures, timeout=min(1, limit))
            except TimeoutError:
                running, busy = self._state()
                if busy:
                    last = time.monotonic()
                elif time.monotonic() > last + limit:
                    raise TimeoutError(
                        f"For {limit:g} s nothing happened in the dask cluster, which "
                        f"has {running} running workers, while the fit waited for a "
                        "sum over the chunks of X. Add workers, look at the dashboard "
                        "for what they wait for, or give them longer: "
                        "dask.config.set({'sk_softmax.timeout': '10 minutes'})."
                    ) from None
        return self.client.gather(futures)

    def _state(self):
        """The number of running workers, and whether any of them has work."""
        scheduler, ask = self.client.scheduler, self.client.sync
        try:
            workers = ask(scheduler.identity, callback_timeout=5)["workers"]
            tasks = ask(scheduler.processing, workers=None, callback_timeout=5)
        except (OSError, RuntimeError):  # no scheduler; TimeoutError is an OSError
            return 0, False
        running = {name for name, w in workers.items() if w["status"] == "running"}
        return len(running), any(tasks.get(name) for name in running)


def groups_of(workers):
    """Indices of the chunks for each task: a worker has a task for each thread.

    Parameters
    ----------
    workers : list
        What `worker` returned where each chunk is.
    """
    by_worker = {}
    for c, worker in enumerate(workers):
        by_worker.setdefault(worker or (c, 1), []).append(c)
    return [
        part.tolist()
        for (_, n_threads), group in by_worker.items()
        for part in np.array_split(group, min(n_threads, len(group)))
    ]


def worker():
    """Address and number of threads of the worker that this runs on, or None."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        this = get_worker()
    except ValueError:
        return None
    return this.address, this.state.nthreads


class _Arguments:
    """A wrapper that hides arguments from dask, which takes some tuples for tasks."""

    def __init__(self, args):
        self.args = args


@dataclass
class Scratch:
    """An argument that stands for a dict that each chunk keeps between sums.

    A chunk keeps the dict that was used last, under its name. The dict cannot be a
    result of dask, since dask assumes that results do not change.
    """

    name: uuid.UUID

    def of(self, problem):
        """The dict of this chunk, empty at first."""
        name, scratch = _scratches.get(problem, (None, None))
        if name != self.name:
            scratch = {}
            _scratches[problem] = self.name, scratch
        return scratch


# From each chunk in this process to the name and dict of its last `Scratch`.
_scratches = weakref.WeakKeyDictionary()


def _part(n_chunks, group, block, arguments, result_bytes, *problems):
    """Sums over the chunks of a group: nodes of the tree, as `_added` returns them."""
    _keep_heap()
    terms = {}
    with single_threaded_blas:
        for c, problem in zip(group, problems, strict=True):
            args = [
                arg.of(problem) if isinstance(arg, Scratch) else arg
                for arg in arguments.args
            ]
            terms[0, c] = problem.sum(block, args, 0, result_bytes)
    return _added(n_chunks, terms)


@cache
def _keep_heap():
    """Let glibc keep the memory of temporary arrays in a worker, up to 64 MB.

    Dask's nannies set MALLOC_TRIM_THRESHOLD_, with which glibc returns that memory to
    the system at once and asks for it again: that costs half the time of a fit. These
    are the limits that glibc would come to by itself.
    """
    if "MALLOC_TRIM_THRESHOLD_" in os.environ:
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (OSError, AttributeError, TypeError):
            return  # another C library
        mallopt(M_MMAP_THRESHOLD, 2**25)
        mallopt(M_TRIM_THRESHOLD, 2**26)


def _added(n_chunks, *parts):
    """Nodes of a tree of sums, where all terms of a node are there added up.

    A node is the sum of up to `FAN_IN` neighbours in the level below, so that the order
    of the additions does not depend on where the chunks are.

    Parameters
    ----------
    n_chunks : int
        Of the whole problem.
    *parts : dicts
        Nodes: from (level, index) to a tuple of arrays. Level 0 are the chunks.
    """
    nodes, n_below, level = {}, n_chunks, 0
    for part in parts:
        nodes |= part
    while n_below > 1:
        for i in range(0, n_below, FAN_IN):
            below = [(level, j) for j in range(i, min(i + FAN_IN, n_below))]
            if all(node in nodes for node in below):
                terms = [nodes.pop(node) for node in below]
                # `add` writes into its first term, which dask may still hold
                terms[0] = [array.copy() for array in terms[0]]
                nodes[level + 1, i // FAN_IN] = add(iter(terms))
        n_below, level = -(-n_below // FAN_IN), level + 1
    return nodes
