"""A fit on a mapped file against the same fit in memory.

    python -m benchmarks.memory_map [--gigabytes 1] [--folder .] [--features 50]
        [--under COMMAND]

Each fit runs in a process of its own with the file in the page cache. The mapped
one may hold, beside what it has after the imports, half the file's size of data
(RLIMIT_DATA, which on Linux counts what a process allocates and not the pages of
a read-only map). Printed: seconds, passes, the greatest resident memory above the
interpreter's, and its bar of 500 MB + 8 n K bytes. The file is removed at the end.

That limit leaves the system's page cache as large as it likes to be. With a cgroup
around the mapped fit even the cache is smaller than the file, which then comes from
the disk in every pass, and the first one finds no cache at all:

    python -m benchmarks.memory_map --gigabytes 6 --under \
        "systemd-run --scope -p MemoryMax=3G -p MemorySwapMax=0"
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.records import save_ratio

N_CLASSES = 10


def write(path, n, d):
    """Features and labels of a noisy task, written in parts."""
    X = np.lib.format.open_memmap(path, "w+", np.float64, (n, d))
    y = np.empty(n, dtype=np.int8)
    rng = np.random.default_rng(0)
    coef = rng.normal(size=(d, N_CLASSES)) / np.sqrt(d)
    for start in range(0, n, 100_000):
        part = slice(start, min(start + 100_000, n))
        Z = rng.normal(size=(part.stop - start, d))
        logits = Z @ coef + rng.gumbel(size=(len(Z), N_CLASSES))
        y[part] = logits.argmax(axis=1)
        X[part] = Z
    X.flush()
    np.save(path.with_suffix(".y.npy"), y)


def forget(path):
    """Take the file out of the page cache, where its pages count for who read them."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(field):
    """Resident memory in bytes: VmRSS now, VmHWM the most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])


def fit(path, kind):
    """What a process of its own does; prints one line of JSON."""
    from sk_softmax import SoftmaxClassifier

    y = np.load(path.with_suffix(".y.npy"))
    small = np.random.default_rng(0).normal(size=(1000, 5))
    SoftmaxClassifier(tol=1e-1).fit(small, y[:1000])  # what the first call imports
    before = resident("VmRSS")
    if kind == "map":
        X = np.load(path, mmap_mode="r")
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        data = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (data + X.nbytes // 2, -1))
    else:
        X = np.load(path)
    start, cpu_start = time.perf_counter(), time.process_time()
    classifier = SoftmaxClassifier().fit(X, y)
    seconds = time.perf_counter() - start
    cpu = time.process_time() - cpu_start
    peak = resident("VmHWM") - before
    print(
        json.dumps(
            [seconds, cpu, int(classifier.n_iter_[0]), peak, classifier.converged_]
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("."))
    parser.add_argument("--under", default="")
    parser.add_argument("--fit", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fit:
        return fit(Path(args.fit[0]), args.fit[1])
    n = int(args.gigabytes * 1e9 / 8 / args.features)
    if shutil.disk_usage(args.folder).free < 1.5e9 * args.gigabytes:
        sys.exit(f"{args.folder} has no room for {args.gigabytes} GB")
    path = args.folder / f"memory_map_{os.getpid()}.npy"
    bar = 500e6 + 8 * n * N_CLASSES
    print(f"n={n} d={args.features} K={N_CLASSES}, bar {bar / 1e6:.0f} MB")
    try:
        write(path, n, args.features)
        times = {}
        for kind in ("memory", "map"):
            command = [sys.executable, "-m", "benchmarks.memory_map"]
            command += ["--fit", str(path), kind]
            if kind == "map" and args.under:
                forget(path)
                command = shlex.split(args.under) + command
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, cpu, passes, peak, converged = json.loads(done.stdout)
            times[kind] = seconds
            print(
                f"{kind:6} {seconds:7.1f} s  {cpu:7.1f} s CPU  {passes:3d} passes  "
                f"{peak / 1e6:6.0f} MB  converged: {converged}"
            )
        ratio = times["map"] / times["memory"]
        save_ratio("memory map / in memory", ratio, 1.5, "sk_softmax")
    finally:
        path.unlink(missing_ok=True)
        path.with_suffix(".y.npy").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
