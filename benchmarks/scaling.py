"""What the scaling page says of a fit's cost, measured again.

    python -m benchmarks.scaling
    python -m benchmarks.scaling dask

The first prints, for made data on one thread: passes, CPU seconds of the fit, the same
in passes, and gigabytes of X that a pass reads a second. The second prints what a sum
over nearly empty chunks takes on two dask workers: dask's own work (the figures on the
page are for a machine that does nothing else).
"""

import argparse
import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import datasets
from sk_softmax import SoftmaxClassifier
from sk_softmax._encode import problem_for
from sk_softmax._intercepts import with_intercepts

SIZES = [
    (10_000, 50, 10),
    (100_000, 50, 10),
    (1_000_000, 50, 10),
    (1_000_000, 10, 3),
    (100_000, 200, 10),
]
N_CHUNKS = (2, 10, 50)


def cpu_seconds(function, *arguments, repeats=3):
    """Median CPU time of a call, and the result of the last one."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function(*arguments)
        times.append(time.process_time() - start)
    return statistics.median(times), result


def costs():
    """A line for each size."""
    print("        n    d   K  passes  CPU s  in passes  GB/s a pass")
    for n, d, K in SIZES:
        X, y = datasets.load(f"synthetic:n={n},d={d},K={K},density=1")
        with threadpool_limits(1):
            seconds, classifier = cpu_seconds(SoftmaxClassifier().fit, X, y)
            problem, _ = problem_for(classifier, X, y, None, None)
            theta = np.column_stack([classifier.coef_, classifier.intercept_])
            with problem.rows.threads():
                one, _ = cpu_seconds(problem.value_gradient, theta)
        print(
            f"{n:9,} {d:4} {K:3} {classifier.n_iter_[0]:7} {seconds:6.2f} "
            f"{seconds / one:10.0f} {X.nbytes / one / 1e9:12.1f}"
        )


def dask_sums():
    """A line for each number of chunks: the wall time of a pass over them."""
    import dask.array as da
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster):
        for n_chunks in N_CHUNKS:
            X = np.random.default_rng(0).normal(size=(20 * n_chunks, 10))
            y = (X[:, 0] > 0).astype(int)
            classifier = SoftmaxClassifier()
            problem, _ = problem_for(
                classifier, da.from_array(X, chunks=(20, 10)), y, None, None
            )
            theta = with_intercepts(problem, 0.0)
            times = []
            for _ in range(10):
                start = time.perf_counter()
                problem.value_gradient(theta)
                times.append(time.perf_counter() - start)
            problem.close()
            print(f"{n_chunks:3} chunks: {1e3 * statistics.median(times):.0f} ms a sum")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["costs", "dask"], default="costs")
    {"costs": costs, "dask": dask_sums}[parser.parse_args().what]()
