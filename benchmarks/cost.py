"""What a fit costs, in units that say how much could still be gained.

    python -m benchmarks.cost passes --data FOLDER
    python -m benchmarks.cost options --data FOLDER
    python -m benchmarks.cost memory | growth | threads | crossval

========  ====================================================================
passes    evaluations of the data to 1e-6, and time in bare passes, for each data
          set. A bare pass is ``X W^T`` and ``R X`` by BLAS (or SciPy's CSR) alone.
options   each option at its neutral value, and bounds with the l2 penalty, in times
          of the fit without them, in turns
memory    peak memory above X of a dense fit, n = 1e6, d = 50, K = 10
growth    time against n, d, K and nnz: slopes on a log-log scale
threads   time on 1 and 2 threads where n d K >= 1e8, and of bare passes over blocks
crossval  cross_val_score and GridSearchCV, n_jobs 1 and 2, LogisticRegression too
========  ====================================================================

Each writes `results/COMMAND.csv`. Made data are raw too: the scales of their
features spread over three decades.
"""

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks import datasets
from benchmarks.objective import null_objective, objective
from benchmarks.records import RESULTS, replace_row, save_run
from sk_softmax import SoftmaxClassifier

REPEATS = 5


def seconds_of(function, *arguments, repeats=REPEATS):
    """Median time of a call, and the result of the last one."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*arguments)
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


# Passes


class Clock:
    """Wraps a function, to know how long each call took."""

    def __init__(self, function):
        self.function, self.calls = function, []

    def __get__(self, instance, owner):  # so that it can stand in for a method
        return self if instance is None else lambda *a: self(instance, *a)

    def __call__(self, *arguments, **options):
        start = time.perf_counter()
        result = self.function(*arguments, **options)
        self.calls.append((arguments[0], time.perf_counter() - start))
        return result


def timed_inside(X, y, C):
    """A fit, with the time of one evaluation and of all coordinates.

    This looks into the engine, at four of its names: the evaluation of value and
    gradient, the making of coordinates and of working sets' Hessians, and passes that
    make the Hessian too, of which what they take longer than an evaluation is for that.
    """
    from sk_softmax import _direct, _solver
    from sk_softmax._problem import Problem
    from sk_softmax._proximal import WorkingSet

    build = Clock(_solver.build)
    evaluation = Clock(Problem.value_gradient)
    direct = Clock(_direct._Model.at)
    hessian = Clock(WorkingSet.hessian)
    with (
        mock.patch.object(WorkingSet, "hessian", hessian),
        mock.patch.object(_solver, "build", build),
        mock.patch.object(Problem, "value_gradient", evaluation),
        mock.patch.object(_direct._Model, "at", direct),
    ):
        estimator = SoftmaxClassifier(C=C).fit(X, y)
    seconds = statistics.median(  # a sample's evaluations are shorter
        s for problem, s in evaluation.calls if problem.rows.shape[0] == X.shape[0]
    )
    hessians = sum(max(s - seconds, 0) for _, s in direct.calls)
    hessians += sum(s for _, s in build.calls + hessian.calls)
    return estimator, seconds, hessians


def bare_pass(X, K):
    """A function that does X W^T and R X, and nothing else, on BLAS's threads."""
    rng = np.random.default_rng(0)
    rows = K if K > 2 else 1
    W = rng.standard_normal((rows, X.shape[1]))
    R = rng.standard_normal((rows, X.shape[0]))
    if sparse.issparse(X):
        transposed = X.T
        return lambda: (X @ W.T, transposed @ R.T)
    return lambda: (W @ X.T, R @ X)


def read_bandwidth(n_threads):
    """Bytes a second that dot products read of an array that no cache holds."""
    parts = np.array_split(np.ones(2**26), 8 * n_threads)
    with threadpool_limits(limits=1), ThreadPoolExecutor(n_threads) as pool:
        seconds, _ = seconds_of(lambda: list(pool.map(lambda v: v @ v, parts)))
    return sum(part.nbytes for part in parts) / seconds


def passes(options):
    """A row per data set and C: evaluations, bare passes, floors."""
    names = options.only or [
        name for kind in (False, True) for name in datasets.names(options.data, kind)
    ]
    bandwidth = read_bandwidth(options.threads)
    for name in names:
        X, y = datasets.load(name, options.data)
        K = int(y.max()) + 1
        bare = seconds_of(bare_pass(X, K), repeats=11)[0]
        read = (X.data.nbytes if sparse.issparse(X) else X.nbytes) / bandwidth
        for C in options.C:
            seconds, estimator = seconds_of(SoftmaxClassifier(C=C).fit, X, y)
            inside = [timed_inside(X, y, C) for _ in range(3)]
            evaluation = statistics.median(each[1] for each in inside)
            building = statistics.median(each[2] for each in inside)
            tight = SoftmaxClassifier(C=C, tol=1e-12, max_iter=10_000).fit(X, y)
            F, least = (
                objective(each.coef_, each.intercept_, X, y, C)
                for each in (estimator, tight)
            )
            n_iter = int(estimator.n_iter_[0])
            yield {
                "dataset": name,
                "C": C,
                "n": X.shape[0],
                "d": X.shape[1],
                "K": K,
                "nnz": X.nnz if sparse.issparse(X) else "",
                "seconds": seconds,
                "suboptimality": (F - least) / (null_objective(y) - least),
                "n_iter": n_iter,
                "coordinates_in_evaluations": building / evaluation,
                "evaluations": n_iter + building / evaluation,
                "bare_pass_seconds": bare,
                "bare_passes": seconds / bare,
                "evaluation_seconds": evaluation,
                "read_seconds": read,
                # the floors: X read once, and the flops of the bare pass
                "evaluation_over_floor": evaluation / max(read, bare),
            }


# Options


def neutral(X, y):
    """Arguments of the estimator and of fit that leave the problem what it is."""
    n_classes = int(y.max()) + 1
    rows = n_classes if n_classes > 2 else 1
    zeros = np.zeros((rows, X.shape[1]))
    offset = np.zeros((len(y), n_classes) if n_classes > 2 else len(y))
    return {
        "neutral penalty_factor": ({"penalty_factor": zeros + 1.0}, {}),
        "neutral bounds": ({"bounds": (-np.inf, np.inf)}, {}),
        "neutral coef_prior": ({"coef_prior": zeros}, {}),
        "neutral classes": ({"classes": np.arange(n_classes)}, {}),
        "neutral offset": ({}, {"offset": offset}),
        "neutral sample_weight": ({}, {"sample_weight": np.ones(len(y))}),
    }


def bounded(X):
    """Three kinds of bounds: signs, signs of some, and boxes in the features' units."""
    some = np.where(np.arange(X.shape[1]) % 2, -np.inf, 0.0)
    if sparse.issparse(X):
        variance = X.multiply(X).mean(axis=0) - np.square(X.mean(axis=0))
        scale = np.sqrt(np.asarray(variance).ravel())
    else:
        scale = X.std(axis=0)
    box = 1 / np.where(scale > 0, scale, 1.0)
    return {
        "bounds: not negative": ({"bounds": (0.0, np.inf)}, {}),
        "bounds: some not negative": ({"bounds": (some, np.inf)}, {}),
        "bounds: box": ({"bounds": (-box, box)}, {}),
    }


def option_costs(options):
    """A row per data set, C and option; each fit in turn with the one without it."""
    for name in options.only or datasets.names(options.data):
        X, y = datasets.load(name, options.data)
        for C in options.C:
            for what, (settings, arguments) in (neutral(X, y) | bounded(X)).items():
                times = {"plain": [], "option": []}
                turns = 12 * REPEATS  # more of what is short, and noisier
                while turns > 0:
                    for who, estimator, more in (
                        ("plain", SoftmaxClassifier(C=C), {}),
                        ("option", SoftmaxClassifier(C=C, **settings), arguments),
                    ):
                        start = time.perf_counter()
                        estimator.fit(X, y, **more)
                        times[who].append(time.perf_counter() - start)
                    last = times["option"][-1]
                    turns -= 1 if last < 0.01 else 4 if last < 0.1 else 16
                plain, option = map(statistics.median, times.values())
                yield {
                    "dataset": name,
                    "C": C,
                    "option": what,
                    "seconds_plain": plain,
                    "seconds": option,
                    "ratio": option / plain,
                    "n_iter": int(estimator.n_iter_[0]),
                    "converged": bool(estimator.converged_),
                }


# Memory


def memory(options):
    """One row: the fit's peak above what was there before, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.cost", "memory-of", options.shape]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, peak, x_bytes, n, K = map(int, done.stdout.split())
    yield {
        "dataset": options.shape,
        "x_bytes": x_bytes,
        "peak_above_x_bytes": peak - before,
        "bar_bytes": int(0.05 * x_bytes + 8 * n * K),
        "of_bar": (peak - before) / (0.05 * x_bytes + 8 * n * K),
    }


def memory_of(shape):
    """Fit in this process; print its memory before, its peak, and X's bytes."""
    # a first fit, so that imports and BLAS's own buffers are there already
    SoftmaxClassifier().fit(*datasets.load("iris"))
    X, y = datasets.load(shape)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    SoftmaxClassifier().fit(X, y)
    print(before, resident("VmHWM"), X.nbytes, len(y), int(y.max()) + 1)


def resident(field):
    """VmRSS, resident memory, or VmHWM, its peak: bytes, from Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


# Growth and threads

BASE = {"n": 20_000, "d": 20, "K": 5}
GROWTH = {
    "n": [10_000, 30_000, 100_000, 300_000, 1_000_000],
    "d": [10, 30, 100, 300, 1000],
    "K": [3, 6, 12, 25, 50],
    "nnz": [3, 10, 30, 100],  # entries a row, of d = 3,000 columns
}


def growth(options):
    """A row per size; the slope is that of a line through all sizes."""
    for what in options.only or GROWTH:
        rows = []
        for size in GROWTH[what]:
            if what == "nnz":
                shape = {"n": 20_000, "d": 3000, "K": 5, "density": size / 3000}
            else:
                shape = BASE | {what: size}
            name = synthetic_name(shape)
            X, y = datasets.load(name)
            repeats = 3 if X.shape[0] * X.shape[1] * shape["K"] < 1e8 else 1
            seconds, estimator = seconds_of(
                SoftmaxClassifier().fit, X, y, repeats=repeats
            )
            rows.append(
                {
                    "dataset": name,
                    "grows": what,
                    "size": X.nnz if what == "nnz" else size,
                    "seconds": seconds,
                    "n_iter": int(estimator.n_iter_[0]),
                    "seconds_per_pass": seconds / int(estimator.n_iter_[0]),
                }
            )
        logs = np.log([[row["size"], row["seconds"]] for row in rows])
        slope = np.polyfit(*logs.T, 1)[0]
        yield from (row | {"slope": slope} for row in rows)


def synthetic_name(shape):
    return "synthetic:" + ",".join(f"{key}={value:g}" for key, value in shape.items())


def bare_passes(blocks, n_threads):
    """Bare passes over blocks of rows, shared by threads with nothing else to do."""
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in range(10):
            list(pool.map(lambda block: block(), blocks))


def threads(options):
    """A row per data set: the same fit on 1 and on 2 threads, in turns.

    Bare passes over the same rows tell what two threads can gain on this machine.
    """
    names = options.only or [
        "synthetic:n=300000,d=50,K=7",
        "synthetic:n=100000,d=100,K=10",
        "synthetic:n=20000,d=784,K=10",
    ]
    for name in names:
        X, y = datasets.load(name, options.data)
        blocks = [bare_pass(part, int(y.max()) + 1) for part in np.array_split(X, 16)]
        times, bare = {1: [], 2: []}, {1: [], 2: []}
        for _ in range(REPEATS):
            for n_threads in times:
                with threadpool_limits(limits=n_threads):
                    seconds, estimator = seconds_of(
                        SoftmaxClassifier().fit, X, y, repeats=1
                    )
                times[n_threads].append(seconds)
                with threadpool_limits(limits=1):
                    seconds, _ = seconds_of(bare_passes, blocks, n_threads, repeats=1)
                bare[n_threads].append(seconds)
        one, two = (statistics.median(times[n_threads]) for n_threads in times)
        yield {
            "dataset": name,
            "n_iter": int(estimator.n_iter_[0]),
            "seconds_1_thread": one,
            "seconds_2_threads": two,
            "speed_up": one / two,
            "bare_speed_up": statistics.median(bare[1]) / statistics.median(bare[2]),
        }


# Cross-validation


def crossval(options):
    """A row per data set, task and n_jobs: ours and LogisticRegression's default."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    def score(estimator, X, y, n_jobs):
        cross_val_score(estimator, X, y, n_jobs=n_jobs, scoring="neg_log_loss")

    def search(estimator, X, y, n_jobs):
        grid = {"C": [0.01, 1.0, 100.0]}
        GridSearchCV(estimator, grid, n_jobs=n_jobs, scoring="neg_log_loss").fit(X, y)

    for name in options.only or ["iris", "digits", "breast_cancer"]:
        X, y = datasets.load(name, options.data)
        for what in (score, search):
            for n_jobs in (1, 2):
                times = {"ours": [], "peer": []}
                for turn in range(4):
                    for who, estimator in (
                        ("ours", SoftmaxClassifier()),
                        ("peer", LogisticRegression()),
                    ):
                        seconds, _ = seconds_of(
                            what, estimator, X, y, n_jobs, repeats=1
                        )
                        if turn > 0:  # the first one starts the processes
                            times[who].append(seconds)
                ours, peer = map(statistics.median, times.values())
                yield {
                    "dataset": name,
                    "task": "cross_val_score" if what is score else "GridSearchCV",
                    "n_jobs": n_jobs,
                    "seconds": ours,
                    "seconds_LogisticRegression": peer,
                    "ratio": peer / ours,
                }


COMMANDS = {
    "passes": (passes, ["dataset", "C"]),
    "options": (option_costs, ["dataset", "C", "option"]),
    "memory": (memory, ["dataset"]),
    "growth": (growth, ["dataset", "grows"]),
    "threads": (threads, ["dataset"]),
    "crossval": (crossval, ["dataset", "task", "n_jobs"]),
}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=[*COMMANDS, "memory-of"])
    parser.add_argument("shape", nargs="?", default="synthetic:n=1e6,d=50,K=10")
    parser.add_argument("--data", help="folder of .npz files")
    parser.add_argument("--only", nargs="+", help="data sets; for growth: n d K nnz")
    parser.add_argument("--C", nargs="+", type=float, default=[1.0, 100.0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="CSV, default: results/COMMAND.csv")
    options = parser.parse_args(arguments)
    if options.command == "memory-of":
        return memory_of(options.shape)
    warnings.simplefilter("ignore")
    output = options.output or RESULTS / f"{options.command}.csv"
    run = save_run(output, "sk_softmax", "sklearn")
    function, keys = COMMANDS[options.command]
    with threadpool_limits(limits=options.threads):
        for row in function(options):
            text = {
                k: f"{v:.4g}" if isinstance(v, float) else str(v)
                for k, v in row.items()
            }
            print(
                "  ".join(f"{key}={value}" for key, value in text.items()), flush=True
            )
            replace_row(output, text | {"run": run}, keys)


if __name__ == "__main__":
    main()
