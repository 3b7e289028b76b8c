"""What the design page says of coordinates and of layouts, measured again.

    python -m benchmarks.coordinates --data FOLDER

Two tables: the passes over the data to a relative suboptimality of 1e-6, at C = 1 on
raw features, in each kind of coordinates and in none (the coefficients themselves,
stopped at that point by someone who knows F*); and the nanoseconds an element that a
softmax in NumPy takes, classes along the slow axis and along the fast one.
"""

import argparse
import statistics
import time
import warnings

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from benchmarks import datasets
from benchmarks.objective import null_objective, objective
from sk_softmax import SoftmaxClassifier

KINDS = ("hessian", "blocks", "kronecker", "diagonal")
NAMES = (*datasets.SHIPPED, "satellite", "segment", "dna", "spam")
GOAL, C, MOST = 1e-6, 1.0, 20_000


def passes_in_coefficients(X, y, target):
    """Evaluations of SciPy's L-BFGS in the coefficients until F is at the target."""
    n, d = X.shape
    K = y.max() + 1
    rows = K if K > 2 else 1
    hot = (y[:, None] == np.arange(K)).astype(float)
    passes = 0

    class Reached(Exception):
        pass

    def value_gradient(flat):
        nonlocal passes
        theta = flat.reshape(rows, d + 1)
        coef, intercept = theta[:, :-1], theta[:, -1]
        value = objective(coef, intercept, X, y, C)
        passes += 1
        if value <= target or passes == MOST:
            raise Reached
        logits = X @ coef.T + intercept
        if rows == 1:
            logits = np.column_stack([np.zeros(n), logits])
        residual = (softmax(logits, axis=1) - hot)[:, -rows:] / n
        gradient = np.column_stack([residual.T @ X + coef / (C * n), residual.sum(0)])
        return value, gradient.ravel()

    options = {"maxcor": 30, "maxiter": MOST, "maxfun": MOST, "ftol": 0, "gtol": 0}
    try:
        start = np.zeros(rows * (d + 1))
        minimize(value_gradient, start, jac=True, method="L-BFGS-B", options=options)
    except Reached:
        return passes if passes < MOST else f">{MOST}"
    return "stuck"


def layout(K, slow):
    """Nanoseconds an element of a softmax over the slow axis, or over the fast one."""
    m = 2**16 // K
    Z = np.random.default_rng(0).standard_normal((K, m) if slow else (m, K))
    axis = 0 if slow else 1
    times = []
    for _ in range(50):
        start = time.perf_counter()
        P = np.exp(Z - Z.max(axis=axis, keepdims=True))
        P /= P.sum(axis=axis, keepdims=True)
        times.append(time.perf_counter() - start)
    return 1e9 * statistics.median(times) / Z.size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of .npz files")
    folder = parser.parse_args().data
    known = datasets.names(folder)
    print("data            n x d, K           coefficients", *KINDS, "auto", sep="  ")
    for name in (name for name in NAMES if name in known):
        X, y = datasets.load(name, folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            best = SoftmaxClassifier(C, tol=0).fit(X, y)
        least = objective(best.coef_, best.intercept_, X, y, C)
        target = least + GOAL * (null_objective(y) - least)
        fits = [
            SoftmaxClassifier(C, solver=kind).fit(X, y) for kind in (*KINDS, "auto")
        ]
        shape = f"{X.shape[0]} x {X.shape[1]}, {y.max() + 1}"
        counts = [passes_in_coefficients(X, y, target), *(f.n_iter_[0] for f in fits)]
        print(f"{name:15} {shape:18}", *(f"{count!s:>10}" for count in counts))
    print("\nns an element of a softmax   K   slow axis   fast axis")
    for K in (3, 10, 50):
        print(f"{K:32}   {layout(K, True):9.1f}   {layout(K, False):9.1f}")


if __name__ == "__main__":
    main()
