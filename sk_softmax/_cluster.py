"""Where dask computes the parts of a fit, and sums of what they come to.

A sum over the rows sends the function and its arguments, of the size of the
coefficients, to the chunks, a task for each thread that has some; what they return, of
the size of the gradient or of what coordinates are built from, is added up in a tree
whose order depends on the number of chunks alone. Chunks whose worker was lost are
computed again by dask.
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

# How many terms are added at once.
FAN_IN = 8
# Terms that may come here together, where chunks that are added up are not neighbours.
MOST_BYTES = 2**26
# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Arguments up to this size go with each task that takes them. As a result of their own
# they would first be computed by a worker, and the others would have them from it.
SMALL_BYTES = 2**16
# Configuration of dask's belongs to the process.
_config_lock = threading.Lock()
# Seconds that a fit waits for a cluster in which nothing happens.
TIMEOUT = 60


class Cluster:
    """Where the chunks are and what is done with them.

    Attributes
    ----------
    client : distributed.Client or None
        The current one, where dask would use it; None is this process.
    """

    def __init__(self):
        from dask.base import get_scheduler

        self.client = getattr(get_scheduler(), "__self__", None)
        if self.client is not None and self.client.asynchronous:
            raise ValueError(
                "The current distributed.Client is asynchronous: a fit needs one "
                "with asynchronous=False."
            )

    def place(self, tasks):
        """The tasks' results where they are computed: futures, or here themselves."""
        import dask

        if self.client is None:
            return list(dask.compute(*tasks))
        return self.client.compute(list(tasks))

    def results(self, tasks):
        """The tasks' results, here."""
        import dask

        if self.client is None:
            return dask.compute(*tasks, scheduler="threads")
        from distributed import CancelledError

        # coordinates' d x d arguments are no mistake
        large = {"distributed.admin.large-graph-warning-threshold": "1TB"}
        futures = []
        try:
            with _config_lock, dask.config.set(large):
                futures = self.client.compute(list(tasks))
            return self._wait(futures)
        except BaseException as error:
            for future in futures:
                with suppress(Exception):  # of a client that was closed
                    future.cancel()
            closed = self.client.status in ("closing", "closed")
            if isinstance(error, CancelledError) or (
                closed and isinstance(error, Exception)
            ):
                raise RuntimeError(
                    "The dask cluster was closed, or lost the data of the fit. Where a "
                    "worker died, X has to be computed again, which it can be from "
                    "files or functions, and not if it was scattered to the workers."
                ) from error
            raise

    def sum(self, chunks, groups, block, args, result_bytes):
        """Sum over the chunks of ``chunk.sum(block, args, 0, result_bytes)``.

        Parameters
        ----------
        chunks : list of what was placed, problems
        groups : list of lists of int
            Numbers of the chunks that are together, as `groups_of` says.
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
        """Let go of what was placed."""
        if self.client is not None:
            for future in placed:
                future.release()

    def _wait(self, futures):
        """The futures' results; not without end where nothing happens."""
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
        """How many workers are running, and whether any of them has work."""
        scheduler, ask = self.client.scheduler, self.client.sync
        try:
            workers = ask(scheduler.identity, callback_timeout=5)["workers"]
            tasks = ask(scheduler.processing, workers=None, callback_timeout=5)
        except (OSError, RuntimeError):  # no scheduler either; a timeout is an OSError
            return 0, False
        running = {name for name, w in workers.items() if w["status"] == "running"}
        return len(running), any(tasks.get(name) for name in running)


def groups_of(workers):
    """Numbers of the chunks that one thread of a worker sums over: a task's.

    Parameters
    ----------
    workers : list of what `worker` says of each chunk
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
    """Arguments that dask looks not into: in a tuple a frame would be a task's call."""

    def __init__(self, args):
        self.args = args


@dataclass
class Scratch:
    """An argument that is another dict for each chunk, the last one that was asked for.

    It must not be a result of dask's, which are taken never to change.
    """

    name: uuid.UUID

    def of(self, problem):
        """The dict of this chunk."""
        name, scratch = _scratches.get(problem, (None, None))
        if name != self.name:
            scratch = {}
            _scratches[problem] = self.name, scratch
        return scratch


# Of each chunk that is here its last scratch, by the name.
_scratches = weakref.WeakKeyDictionary()


def _part(n_chunks, group, block, arguments, result_bytes, *problems):
    """The sums over the chunks of a group, as `_added` says."""
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

    Dask's nannies set a threshold that makes it give all of it back at once and ask
    for it again, which costs a fit half its time. These are the limits up to which
    glibc goes by itself where nothing is set.
    """
    if "MALLOC_TRIM_THRESHOLD_" in os.environ:
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (OSError, AttributeError, TypeError):
            return  # another C library
        mallopt(M_MMAP_THRESHOLD, 2**25)
        mallopt(M_TRIM_THRESHOLD, 2**26)


def _added(n_chunks, *parts):
    """Sums over chunks, added up as far as they are there.

    They are nodes of a tree, each the sum of up to `FAN_IN` neighbours of the level
    below it, so that the order does not depend on where the chunks are.

    Parameters
    ----------
    n_chunks : int
        Of the whole problem.
    *parts : dicts
        From (level, number) to tuples of arrays.
    """
    nodes, n_below, level = {}, n_chunks, 0
    for part in parts:
        nodes |= part
    while n_below > 1:
        for i in range(0, n_below, FAN_IN):
            below = [(level, j) for j in range(i, min(i + FAN_IN, n_below))]
            if all(node in nodes for node in below):
                terms = [nodes.pop(node) for node in below]
                # dask keeps the terms, so none may change
                terms[0] = [array.copy() for array in terms[0]]
                nodes[level + 1, i // FAN_IN] = add(iter(terms))
        n_below, level = -(-n_below // FAN_IN), level + 1
    return nodes
