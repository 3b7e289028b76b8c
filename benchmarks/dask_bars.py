"""Fits on dask clusters of one and two workers, in memory, and Spark's.

    python -m benchmarks.dask_bars [--rows 2000000] [--features 50] [--classes 10]
        [--chunks 8] [--repeats 3] [--only memory one two spark]

The same rows for all, made chunk by chunk where they are used:

- memory: NumPy and two threads, in a process of its own;
- one, two: a LocalCluster of so many workers with one thread each; the rows are
  persisted on the workers before the clock starts;
- spark: Spark MLlib's multinomial LogisticRegression in `local[2]`, if pyspark and
  Java are there, on a cached DataFrame, to its default tolerance, after a small fit.

Printed: the best of the fits alone in seconds, passes over the data, the objective,
and, with coordinates and all, CPU time and bytes from the workers a pass.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

from benchmarks.records import save_ratio


def chunk(i, n, d, n_classes):
    """Features and labels of the i-th n rows of a noisy task, on raw scales."""
    coef = np.random.default_rng(0).normal(size=(d, n_classes)) / np.sqrt(d)
    rng = np.random.default_rng(i + 1)
    Z = rng.normal(size=(n, d))
    y = (Z @ coef + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    return Z * np.geomspace(0.01, 100, d) + 3, y


def objective(coef, intercept, args):
    """Mean cross-entropy plus the penalty at C = 1, from the formula."""
    n = args.rows // args.chunks
    total = 0.0
    for i in range(args.chunks):
        X, y = chunk(i, n, args.features, args.classes)
        logits = X @ coef.T + intercept
        logits -= logits.max(axis=1, keepdims=True)
        said = logits[np.arange(n), y] - np.log(np.exp(logits).sum(axis=1))
        total -= said.sum()
    return (total + 0.5 * np.sum(coef**2)) / (n * args.chunks)


def best_of(fit, repeats):
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = fit()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def report(name, seconds, model, args, note=""):
    value = objective(model.coef_, model.intercept_, args)
    print(
        f"{name}: {seconds:.2f} s, {model.n_iter_[0]} passes, "
        f"objective {value:.10f}{note}",
        flush=True,
    )
    return seconds


def memory(args):
    """In memory."""
    from sk_softmax import SoftmaxClassifier

    n = args.rows // args.chunks
    parts = [chunk(i, n, args.features, args.classes) for i in range(args.chunks)]
    X, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    del parts
    SoftmaxClassifier(max_iter=1000).fit(X[:1000], y[:1000])
    before = time.process_time()
    seconds, model = best_of(lambda: SoftmaxClassifier().fit(X, y), args.repeats)
    cpu = (time.process_time() - before) / args.repeats / model.n_iter_[0]
    note = f", a pass {1e3 * cpu:.0f} ms of all CPUs"
    return report("memory, 2 threads", seconds, model, args, note)


def cluster(args, n_workers):
    """On dask."""
    import dask.array as da
    from dask import delayed
    from distributed import Client, LocalCluster, wait

    from sk_softmax import SoftmaxClassifier

    n = args.rows // args.chunks
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
        ) as workers,
        Client(workers) as client,
    ):
        client.wait_for_workers(n_workers)
        addresses = list(client.run(os.getpid))
        shape = n, args.features
        futures = [
            client.submit(
                chunk, i, *shape, args.classes, workers=addresses[i % n_workers]
            )
            for i in range(args.chunks)
        ]
        parts = [delayed(future, nout=2) for future in futures]
        X = da.concatenate([da.from_delayed(part[0], shape, float) for part in parts])
        y = da.concatenate([da.from_delayed(part[1], (n,), int) for part in parts])
        X, y = client.persist([X, y])
        wait([X, y])
        SoftmaxClassifier().fit(X[:1000], y[:1000])
        before = totals(client)
        seconds, model = best_of(lambda: SoftmaxClassifier().fit(X, y), args.repeats)
        passes = args.repeats * model.n_iter_[0]
        cpu, sent = (totals(client) - before) / passes
        note = f", a pass {1e3 * cpu:.0f} ms of all CPUs, {sent / 1e3:.1f} kB sent"
        name = f"dask, {n_workers} worker{'s' * (n_workers > 1)}"
        return report(name, seconds, model, args, note)


def totals(client):
    """CPU seconds so far, the scheduler's and ours too, and bytes from the workers."""

    def of_worker(dask_worker):
        return time.process_time(), dask_worker.transfer_outgoing_bytes_total

    workers = np.sum(list(client.run(of_worker).values()), axis=0)
    return workers + np.array([time.process_time(), 0])


def spark(args):
    """Spark MLlib, local[2]."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "12g")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    n, shape = args.rows // args.chunks, (args.features, args.classes)

    def rows(i):
        X, y = chunk(i, n, *shape)
        for x, label in zip(X.tolist(), y.tolist(), strict=True):
            yield label, x

    numbers = session.sparkContext.parallelize(range(args.chunks), args.chunks)
    table = numbers.flatMap(rows).toDF("label int, x array<double>")
    table = table.select("label", array_to_vector("x").alias("features")).cache()
    table.count()
    C = 1 / (n * args.chunks)
    estimator = LogisticRegression(family="multinomial", regParam=C)
    estimator.setStandardization(False)
    estimator.fit(table.limit(1000))

    def fit():
        model = estimator.fit(table)
        model.n_iter_ = [model.summary.totalIterations]
        model.coef_ = model.coefficientMatrix.toArray()
        model.intercept_ = model.interceptVector.toArray()
        return model

    seconds, model = best_of(fit, args.repeats)
    session.stop()
    return report("Spark MLlib", seconds, model, args)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--only", nargs="+", default=["memory", "one", "two", "spark"], metavar="WHAT"
    )
    parser.add_argument("--what", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what:  # in a process of its own, for each leaves another machine behind
        run = {
            "memory": memory,
            "one": lambda args: cluster(args, 1),
            "two": lambda args: cluster(args, 2),
            "spark": spark,
        }
        seconds = run[args.what](args)
        print(json.dumps(seconds))
        return
    times = {}
    for what in args.only:
        threads = {"OMP_NUM_THREADS": "2"} if what == "memory" else {}
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.dask_bars",
                *sys.argv[1:],
                "--what",
                what,
            ],
            env=os.environ | threads,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        if done.returncode:
            print(f"{what}: did not run")
            continue
        print(*lines[:-1], sep="\n", flush=True)
        times[what] = json.loads(lines[-1])
    names = {"memory": "in memory, two threads", "spark": "Spark MLlib"}
    names |= {"one": "dask, one worker", "two": "dask, two workers"}
    for first, second, goal, at_least in (
        ("one", "two", 1.7, True),
        ("two", "memory", 1.6, False),
        ("spark", "two", 5, True),
    ):
        if first in times and second in times:
            what = f"{names[first]} / {names[second]}"
            ratio, modules = times[first] / times[second], ("sk_softmax", "dask")
            save_ratio(what, ratio, goal, *modules, at_least=at_least)


if __name__ == "__main__":
    main()
