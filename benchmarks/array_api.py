"""A fit to a torch tensor against NumPy's, torch's L-BFGS and the memory's speed.

    python -m benchmarks.array_api [--device cuda] [--dtype float32] [--rows 1000000]
        [--features 50] [--classes 10] [--spread 100] [--repeat 3]

Features have scales from 1 to `spread`, as raw data have. Printed: for each fit to a
relative suboptimality of 1e-6 the seconds (least of `repeat`), the processor's
seconds, the evaluations and where it ended, by an objective in float64 of its own;
for one evaluation the time and that of reading X once, at the speed of a copy. The
bars: a tensor on the processor within 1.5 times NumPy's time. Needs torch and
scikit-learn 1.9. On a busy machine read the processor's seconds, with
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1.
"""

import argparse
import os
import time

os.environ["SCIPY_ARRAY_API"] = "1"  # before scipy is imported

import numpy as np
import torch
from sklearn import config_context

from benchmarks.records import save_ratio
from sk_softmax import SoftmaxClassifier
from sk_softmax._encode import problem_for

GOAL = 1e-6
MAX_EVALUATIONS = 2000


def task(n, d, K, spread, dtype):
    """Features of very different scales, labels of a noisy linear model."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    logits = X @ rng.normal(size=(d, K)) / np.sqrt(d) + rng.gumbel(size=(n, K))
    return (X * np.geomspace(1, spread, d)).astype(dtype), logits.argmax(axis=1)


def objective(X, y, W, b):
    """The mean cross-entropy and the l2 penalty at C = 1, for two classes too."""
    Z = X @ W.T + b
    if Z.shape[1] == 1:
        Z = torch.cat([torch.zeros_like(Z), Z], dim=1)
    return torch.nn.functional.cross_entropy(Z, y) + (W**2).sum() / (2 * len(y))


class Value:
    """The objective in float64 at any coefficients, by parts of the rows."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __call__(self, coef, intercept):
        W, b = (
            torch.as_tensor(a).to(self.X.device).double() for a in (coef, intercept)
        )
        n, total = len(self.y), 0.0
        for start in range(0, n, 100_000):
            X, y = (a[start : start + 100_000] for a in (self.X, self.y))
            losses = objective(X.double(), y, W, b) - (W**2).sum() / (2 * len(y))
            total += float(losses) * len(y)
        return total / n + float((W**2).sum()) / (2 * n)


def wait(device):
    if device != "cpu":
        torch.cuda.synchronize()


def timed(function, device, repeat):
    """Least seconds, least seconds of the processor, the last result."""
    seconds, busy = [], []
    for _ in range(repeat):
        wait(device)
        start, start_busy = time.perf_counter(), time.process_time()
        result = function()
        wait(device)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_busy)
    return min(seconds), min(busy), result


class _Near(Exception):
    pass


def torch_lbfgs(X, y, K, enough):
    """torch's L-BFGS in the coefficients themselves until the value is `enough`.

    It is told the optimum, for free: what it needs, not when it would stop.
    """
    K = 1 if K == 2 else K
    W = torch.zeros((K, X.shape[1]), dtype=X.dtype, device=X.device, requires_grad=True)
    b = torch.zeros(K, dtype=X.dtype, device=X.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [W, b],
        max_iter=MAX_EVALUATIONS,
        max_eval=MAX_EVALUATIONS,
        history_size=30,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    evaluations = 0

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        value = objective(X, y, W, b)
        value.backward()
        if value.item() <= enough:
            raise _Near
        return value

    try:
        optimizer.step(closure)
    except _Near:
        pass
    return W.detach(), b.detach(), evaluations


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--spread", type=float, default=100.0)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    device, repeat, K = args.device, args.repeat, args.classes
    X, y = task(args.rows, args.features, K, args.spread, args.dtype)
    X_there, y_there = torch.asarray(X, device=device), torch.asarray(y, device=device)
    name = torch.cuda.get_device_name() if device != "cpu" else "processor"
    print(
        f"{args.rows} x {args.features}, {K} classes, {args.dtype}, {name}, "
        f"{torch.get_num_threads()} threads"
    )
    value = Value(X_there, y_there)
    with config_context(array_api_dispatch=True):
        best = SoftmaxClassifier(tol=1e-10).fit(X_there, y_there)
    least = value(best.coef_, best.intercept_)
    logits = np.log(np.bincount(y))
    null = value(0 * best.coef_, logits if K > 2 else logits[1:] - logits[0])

    def report(title, seconds, busy, evaluations, coef, intercept):
        left = (value(coef, intercept) - least) / (null - least)
        print(
            f"{title:14} {seconds:8.3f} s {busy:8.3f} s busy  {evaluations:5d} "
            f"evaluations, suboptimality {left:.0e}"
        )
        return seconds, busy

    def ours(title, X, y):
        fit = lambda: SoftmaxClassifier(tol=GOAL).fit(X, y)  # noqa: E731
        seconds, busy, clf = timed(fit, device, repeat)
        return report(
            title, seconds, busy, int(clf.n_iter_[0]), clf.coef_, clf.intercept_
        )

    numpy_times = ours("NumPy", X, y)
    with config_context(array_api_dispatch=True):
        times = ours("torch", X_there, y_there)
        problem, _ = problem_for(SoftmaxClassifier(), X_there, y_there, None, None)
    ratios = [t / s for t, s in zip(times, numpy_times, strict=True)]
    print(f"torch / NumPy: {ratios[0]:.2f} in time, {ratios[1]:.2f} in busy time")
    if device == "cpu":
        save_ratio("a torch tensor / NumPy", ratios[0], 1.5, "sk_softmax", "torch")
    enough = least + GOAL * (null - least)
    seconds, busy, (W, b, evaluations) = timed(
        lambda: torch_lbfgs(X_there, y_there, K, enough), device, 1
    )
    report("torch's L-BFGS", seconds, busy, evaluations, W, b)
    theta = np.zeros(problem.shape)
    seconds, busy, _ = timed(lambda: problem.value_gradient(theta), device, 10)
    copy, _, _ = timed(X_there.clone, device, 10)
    print(
        f"an evaluation {1e3 * seconds:.2f} ms ({1e3 * busy:.2f} busy), X read once "
        f"{500 * copy:.2f} ms ({X.nbytes * 2e-9 / copy:.0f} GB/s), "
        f"{2 * seconds / copy:.1f} times that"
    )


if __name__ == "__main__":
    main()
