"""The runner: time to a relative suboptimality of 1e-6, ours and the peers'.

    python -m benchmarks.run dense --data FOLDER
    python -m benchmarks.run sparse --data FOLDER --only austen

For each problem (a data set with a penalty):

1. Reference: F* is the least objective that anything in this run has come to; to
   begin with, that of our tightest fit and of newton-cholesky's. F0 is the best
   model without features; (F - F*) / (F0 - F*) is the relative suboptimality.
2. Search, on one thread: each solver goes up its grid of settings until it is at
   1e-6, then down between the last two, and takes one of the next four tolerances
   if that is quicker. It gives up when a fit takes longer than the time cap or
   stands still; what it reached is recorded. The cap of a peer falls as others get
   there: only the best peer counts, and who is far behind it is not run for longer.
3. Timing: all that reached it, but peers only up to three times the time of the
   quickest of them, on 1 and 2 threads, in turns (A B C A B C ...) in this one run;
   the median is recorded.

Solvers that cannot share a process do not: each family has its own, which loads the
data itself and is killed where a fit does not end. `results/NAME.csv` has a row per
solver, threads and setting, `results/NAME.runs.csv` the machine and the versions. A
problem that is run again replaces its rows; the file is written after each problem.
"""

import argparse
import logging
import multiprocessing
import os
import signal
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks import datasets
from benchmarks.objective import alpha_max, null_objective, objective
from benchmarks.records import RESULTS, save_run
from benchmarks.solvers import SOLVERS, Task, version

TARGET = 1e-6
# What makes two rows the same problem.
PROBLEM = ["dataset", "C", "l1_ratio", "group", "fraction"]
# A peer is given this many times our time, and this many times that of the best peer
# so far, before it counts as not having reached the goal: it is not the best peer
# then. But at least so many seconds.
PATIENCE, PATIENCE_WITH_PEERS, LEAST_CAP = 20, 3, 0.3
# Seconds that a fit may take past its cap before its process is killed: R starts
# anew each time, and the data are loaded.
GRACE = 10
# Seconds of repeated fits per solver, and how many at least and at most.
TIMING_SECONDS, LEAST_REPEATS, MOST_REPEATS = 1.0, 3, 15
# Idle threads of BLAS and OpenMP spin for some milliseconds before they sleep.
PAUSE = 0.05


def tasks(mode, dataset, folder, Cs, fractions):
    """The problems of a data set."""
    if mode in ("dense", "sparse"):
        return [Task(dataset, folder, C) for C in Cs]
    X, y = datasets.load(dataset, folder)
    group = mode == "grouped"
    found = []
    for l1_ratio in [1.0] if group else [1.0, 0.5]:
        largest = alpha_max(X, y, l1_ratio, group)
        for fraction in fractions:
            C = 1 / (len(y) * fraction * largest)
            found.append(Task(dataset, folder, C, l1_ratio, group, fraction))
    return found


# Worker processes


def serve(connection):
    """What a worker does: fit, and send back the coefficients and the seconds."""
    os.setsid()  # a group of its own, R included, that can be killed as one
    warnings.simplefilter("ignore")
    logging.disable()
    while True:
        name, task, setting, n_threads = connection.recv()
        X, y = datasets.load(task.dataset, task.folder)
        fit = SOLVERS[name].fit
        try:
            if setting == "warm up":  # imports, and whatever else is done once
                loosest = SOLVERS[name].grid[0]
                tiny = task._replace(dataset="iris", C=0.01)
                fit(*datasets.load("iris"), tiny, loosest, n_threads)
                connection.send(None)
                continue
            answer = fit(X, y, task, setting, n_threads)
            if answer[2] < 0.1:  # with warm caches, as in the middle of a session
                answer = fit(X, y, task, setting, n_threads)
            connection.send(answer)
        except Exception as error:
            connection.send(f"{type(error).__name__}: {error}"[:200])


class Worker:
    """A process for one family of solvers."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = set()

    def fit(self, name, task, setting, n_threads, limit):
        """Coefficients, intercept and seconds, or a string that says why not."""
        try:
            if (name, task.dataset) not in self.ready:
                self.connection.send((name, task, "warm up", n_threads))
                self.connection.recv()
                self.ready.add((name, task.dataset))
            self.connection.send((name, task, setting, n_threads))
            if self.connection.poll(limit):
                return self.connection.recv()
        except EOFError:
            self.stop()
            return "the process died"
        self.stop()
        return f"killed after {limit:.0f} s"

    def stop(self):
        """End the process and what it has started."""
        if self.process.is_alive():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()

    @property
    def alive(self):
        return self.process.is_alive()


# One problem


class Bench:
    """Everything that is measured on one problem."""

    def __init__(self, task, workers, cap, log=print):
        self.task, self.workers, self.cap, self.log = task, workers, cap, log
        self.X, self.y = datasets.load(task.dataset, task.folder)
        self.null = null_objective(self.y)
        self.best = np.inf
        self.rows = []

    def fit(self, name, setting, n_threads, purpose, limit):
        """One fit, killed after `limit` seconds: a row, recorded and returned."""
        family = SOLVERS[name].worker
        if family not in self.workers or not self.workers[family].alive:
            self.workers[family] = Worker()
        time.sleep(PAUSE)
        worker = self.workers[family]
        answer = worker.fit(name, self.task, setting, n_threads, limit)
        row = {
            "solver": name,
            "threads": n_threads,
            "setting": setting,
            "purpose": purpose,
            "seconds": np.inf,
            "objective": np.inf,
            "note": "",
        }
        if isinstance(answer, str):
            row["note"] = answer
        else:
            coef, intercept, row["seconds"] = answer
            row["objective"] = objective(
                coef,
                intercept,
                self.X,
                self.y,
                self.task.C,
                self.task.l1_ratio,
                group=self.task.group,
            )
        self.best = min(self.best, row["objective"])
        if purpose != "timed":
            self.rows.append(row)
        return row

    def suboptimality(self, value):
        return (value - self.best) / (self.null - self.best)

    def reached(self, row):
        return self.suboptimality(row["objective"]) <= TARGET

    def references(self, names):
        """Tight fits for F*, before anyone is judged."""
        tight = {"sk_softmax": 1e-12, "newton-cholesky": 200, "glmnet": 1e-16}
        if self.task.l1_ratio == 0:
            del tight["glmnet"]
        for name, setting in tight.items():
            if name in names:
                row = self.fit(name, setting, 1, "reference", limit=30)
                self.log(f"  {name:27s} reference F = {row['objective']:.15g}")

    def search(self, name, cap):
        """The loosest setting that reaches 1e-6, or a tighter one that is quicker.

        Returns
        -------
        index : int or None
            Into the solver's grid; None where none reaches it.
        row : dict
            That fit, or the best one where none reaches it.
        """
        grid, stride = SOLVERS[name].grid, SOLVERS[name].stride
        low, high, best = -1, stride - 1, None
        while True:
            row = self.fit(name, grid[high], 1, "search", 2 * cap + GRACE)
            if self.reached(row):
                break
            stands_still = best is not None and row["objective"] == best["objective"]
            if stands_still and isinstance(grid[high], int):
                row["note"] = "stands still"
            if best is None or row["objective"] <= best["objective"]:
                best = row
            if row["seconds"] > cap or row["note"] or high == len(grid) - 1:
                return None, best
            low, high = high, min(high + stride, len(grid) - 1)
        while high - low > 1:
            middle = (low + high) // 2
            trial = self.fit(name, grid[middle], 1, "search", 2 * cap + GRACE)
            if self.reached(trial):
                high, row = middle, trial
            else:
                low = middle
        # a tighter tolerance may be quicker, where a fit takes another way
        others = 0 if isinstance(grid[high], int) else 4
        for tighter in range(high + 1, min(high + 1 + others, len(grid))):
            trial = self.fit(name, grid[tighter], 1, "search", 2 * cap + GRACE)
            if self.reached(trial) and trial["seconds"] < row["seconds"]:
                high, row = tighter, trial
        return high, row

    def time(self, settings, thread_counts):
        """Repeated fits in turns. `settings` has an index into each solver's grid."""
        entries = {}
        for name, index in settings.items():
            counts = thread_counts if SOLVERS[name].threaded else thread_counts[:1]
            entries |= {(name, n_threads): index for n_threads in counts}
        rows = {entry: [] for entry in entries}
        wanted = dict.fromkeys(entries, 1)
        quickest = np.inf
        limit = dict.fromkeys(settings, self.cap + GRACE)
        for turn in range(MOST_REPEATS):
            for (name, n_threads), index in entries.items():
                if turn >= wanted[name, n_threads]:
                    continue
                grid = SOLVERS[name].grid
                row = self.fit(name, grid[index], n_threads, "timed", limit[name])
                if turn == 0:
                    # rounding: what just reached it on one thread may need a bit more
                    for tighter in grid[index + 1 : index + 4]:
                        if self.reached(row) or row["note"]:
                            break
                        entries[name, n_threads] += 1
                        row = self.fit(name, tighter, n_threads, "timed", limit[name])
                    quickest = min(quickest, row["seconds"])
                    if n_threads == thread_counts[0] and not row["note"]:
                        # threads that slow it down beyond this are not its better
                        longest = 5 * row["seconds"] + GRACE
                        limit[name] = min(limit[name], longest)
                    wanted[name, n_threads] = _repeats(row["seconds"], quickest)
                rows[name, n_threads].append(row)
        for repeats in rows.values():
            seconds = [row["seconds"] for row in repeats]
            self.rows.append(
                repeats[-1]
                | {
                    "seconds": statistics.median(seconds),
                    "seconds_min": min(seconds),
                    "repeats": len(seconds),
                }
            )

    def run(self, names, thread_counts):
        """All three steps; a list of rows."""
        n_classes = int(self.y.max()) + 1
        names = [n for n in names if SOLVERS[n].supports(self.X, n_classes, self.task)]
        self.references(names)
        settings, seconds, cap = {}, {}, self.cap
        for name in names:
            if len(SOLVERS[name].grid) == 1:  # the default: nothing to look for
                settings[name] = 0
                continue
            settings[name], row = self.search(name, cap)
            self.log(
                f"  {name:27s} {self.suboptimality(row['objective']):8.1e} in "
                f"{row['seconds']:9.4f} s at {row['setting']:.4g} {row['note']}"
            )
            if settings[name] is not None:
                seconds[name] = row["seconds"]
                patience = PATIENCE if name == "sk_softmax" else PATIENCE_WITH_PEERS
                cap = min(cap, max(patience * row["seconds"], LEAST_CAP))
        quickest = min([s for n, s in seconds.items() if n != "sk_softmax"], default=0)
        far = {n for n, s in seconds.items() if s > PATIENCE_WITH_PEERS * quickest}
        far.discard("sk_softmax")
        reached = {n: i for n, i in settings.items() if i is not None and n not in far}
        self.time(reached, thread_counts)
        K = n_classes
        nnz = self.X.nnz if sparse.issparse(self.X) else ""
        for row in self.rows:
            suboptimality = self.suboptimality(row["objective"])
            row |= {key: getattr(self.task, key) for key in PROBLEM}
            row |= {"n": len(self.y), "d": self.X.shape[1], "K": K, "nnz": nnz}
            row |= {"null_objective": self.null, "cap": cap}
            row |= {"suboptimality": suboptimality, "reached": suboptimality <= TARGET}
            if row["purpose"] == "timed":
                self.log(
                    f"  {row['solver']:27s} {row['threads']} threads "
                    f"{row['seconds']:9.4f} s {suboptimality:8.1e} x{row['repeats']}"
                )
        return self.rows


def _repeats(seconds, quickest):
    """How often to time a fit: the slow and hopeless ones once."""
    if seconds > max(0.5, 5 * quickest):
        return 1
    return int(np.clip(np.ceil(TIMING_SECONDS / seconds), LEAST_REPEATS, MOST_REPEATS))


# The files

COLUMNS = [
    *("dataset", "n", "d", "K", "nnz", "C", "l1_ratio", "group", "fraction"),
    *("solver", "threads", "purpose", "setting", "seconds", "seconds_min", "repeats"),
    *("suboptimality", "reached", "objective", "null_objective", "cap", "note", "run"),
]


def save(path, rows, run):
    """Put a problem's rows into the CSV in place of those it had."""
    new = pd.DataFrame(rows).assign(run=run).reindex(columns=COLUMNS)
    new["C"] = new["C"].map("{:.6g}".format)
    for column in ("seconds", "seconds_min", "suboptimality", "cap", "setting"):
        new[column] = [_short(value) for value in new[column]]
    new = new.astype(object).where(new.notna(), "").astype(str)
    if path.exists():
        old = pd.read_csv(path, dtype=str, keep_default_na=False)
        keys = set(map(tuple, new[[*PROBLEM, "solver"]].to_numpy()))
        same = [tuple(key) in keys for key in old[[*PROBLEM, "solver"]].to_numpy()]
        new = pd.concat([old[~np.array(same, dtype=bool)], new])
    new = new.sort_values(PROBLEM, kind="stable")
    path.parent.mkdir(exist_ok=True)
    new.to_csv(path, index=False, lineterminator="\n")


def _short(value):
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.4g}"
    return value


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=["dense", "sparse", "lasso", "grouped"])
    parser.add_argument("--data", help="folder of .npz files")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="data sets, also openml:NAME"
    )
    parser.add_argument("--C", nargs="+", type=float, default=[1.0, 100.0])
    parser.add_argument("--fractions", nargs="+", type=float, default=[0.1, 0.01])
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--cap", type=float, default=20.0, help="seconds a fit")
    parser.add_argument("--output", type=Path, help="CSV, default: results/MODE.csv")
    options = parser.parse_args(arguments)
    output = options.output or RESULTS / f"{options.mode}.csv"

    # ours comes first: the others' time cap hangs on it
    found = {name: version(SOLVERS[name].module) for name in options.solvers}
    names = sorted(
        (name for name in found if found[name]), key=lambda n: n != "sk_softmax"
    )
    for name in found.keys() - set(names):
        print(f"{name} is left out: {SOLVERS[name].module} is not installed")
    if os.getloadavg()[0] > 0.5:
        print(f"the machine is not quiet: its load is {os.getloadavg()[0]:.1f}")
    run = save_run(output, *dict.fromkeys(SOLVERS[name].module for name in names))

    sparse_too = {"sparse": [True], "lasso": [False, True]}.get(options.mode, [False])
    all_names = [n for s in sparse_too for n in datasets.names(options.data, s)]
    workers = {}
    try:
        for dataset in options.only or all_names:
            for task in tasks(
                options.mode, dataset, options.data, options.C, options.fractions
            ):
                print(f"{dataset} C={task.C:.4g} l1_ratio={task.l1_ratio}", flush=True)
                start = time.perf_counter()
                bench = Bench(task, workers, options.cap)
                save(output, bench.run(names, options.threads), run)
                print(f"  took {time.perf_counter() - start:.0f} s", flush=True)
    finally:
        for worker in workers.values():
            worker.stop()


if __name__ == "__main__":
    main()
