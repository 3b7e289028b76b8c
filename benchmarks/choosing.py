"""What choosing C costs, beside LogisticRegressionCV, GridSearchCV and cv.glmnet.

    python -m benchmarks.choosing --data FOLDER

Every peer gets the same folds and penalties, is run on one and on two threads in turn
and keeps its better time, and is stopped after `CAP` seconds, which is then its time
("at least"). Who is stopped is no further from being beaten than that. The greatest
relative suboptimality over folds and penalties is by an objective written without
sk_softmax; F* is the least that anybody found. Writes `results/choosing.csv`.
"""

import argparse
import multiprocessing
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from benchmarks import datasets
from benchmarks.objective import null_objective, objective
from benchmarks.records import RESULTS, replace_row, save_run
from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, softmax_path

NAMES = ["satellite", "digits", "income", "dna", "spam"]
CS = np.logspace(-4, 4, 10)
CAP = 60
THREADS = (1, 2)


def folds(X, y):
    return list(StratifiedKFold(5).split(X, y))


def ours(X, y, Cs, l1_ratio=0.0, tol=1e-6):
    cv = SoftmaxClassifierCV(Cs, l1_ratios=[l1_ratio], cv=folds(X, y), tol=tol)
    return cv.fit(X, y).coefs_paths_[:, 0]


def logistic_cv(X, y, solver):
    # tol: at scikit-learn's own 1e-4 its last fits are 1e-5 off
    cv = LogisticRegressionCV(
        Cs=CS,
        cv=folds(X, y),
        solver=solver,
        tol=1e-6,
        max_iter=100_000,
        scoring="neg_log_loss",
    )
    paths = cv.fit(X, y).coefs_paths_
    if isinstance(paths, dict):  # by class, before scikit-learn 1.9's attributes
        paths = np.stack(list(paths.values()), axis=-2)
    return np.asarray(paths).reshape(5, len(CS), -1, X.shape[1] + 1)


def grid_search(X, y):
    model = make_pipeline(LogisticRegression(max_iter=100_000, tol=1e-6))
    grid = {"logisticregression__C": CS}
    GridSearchCV(model, grid, cv=folds(X, y), scoring="neg_log_loss").fit(X, y)


def _work(pipe, function, arguments, n_threads):
    warnings.simplefilter("ignore")
    with threadpool_limits(n_threads):
        start = time.perf_counter()
        result = function(*arguments)
        pipe.send((time.perf_counter() - start, result))


def best_time(function, *arguments, cap=CAP):
    """Seconds at the better number of threads, what it returned, and whether capped."""
    best, result = cap, None
    for n_threads in THREADS:
        here, there = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_work, args=(there, function, arguments, n_threads)
        )
        process.start()
        there.close()
        try:
            if here.poll(best + 10):  # what starting Python and loading data takes
                seconds, result_here = here.recv()
                if seconds < best:
                    best, result = seconds, result_here
        except EOFError as error:  # it has said why
            raise RuntimeError(f"{function.__name__} failed") from error
        process.terminate()
        process.join()
    return best, result, result is None


def suboptimality(paths, X, y, Cs, l1_ratio=0.0):
    """Greatest over folds and Cs, for each path, relative to F0 - F*."""
    worst = np.zeros(len(paths))
    for i, (train, _) in enumerate(folds(X, y)):
        null = null_objective(y[train])
        for c, C in enumerate(Cs):
            data = X[train], y[train], C, l1_ratio
            F = [objective(p[i, c, :, :-1], p[i, c, :, -1], *data) for p in paths]
            gain = null - min(F)
            if gain > 1e-9:
                worst = np.maximum(worst, (np.array(F) - min(F)) / gain)
    return worst


def against_logistic_cv(options):
    for name in options.only:
        X, y = datasets.load(name, options.data)
        seconds, path, _ = best_time(ours, X, y, CS)
        exact = ours(X, y, CS, 0.0, 1e-10)
        peer, found, at_least, peer_solver = CAP, None, True, "all"
        for solver in ("newton-cholesky", "lbfgs", "newton-cg"):
            t, paths, capped = best_time(logistic_cv, X, y, solver, cap=peer)
            if not capped and t < peer:
                peer, found, at_least, peer_solver = t, paths, False, solver
        paths = [exact, path] + ([] if found is None else [found])
        worst = suboptimality(paths, X, y, CS)
        yield row(
            "LogisticRegressionCV", name, peer_solver, seconds, peer, at_least
        ) | {
            "suboptimality": worst[1],
            "suboptimality_peer": worst[2] if found is not None else np.nan,
        }


def against_grid_search(options):
    for name in options.only:
        if name not in ("satellite", "digits", "spam"):
            continue
        X, y = datasets.load(name, options.data)
        seconds, _, _ = best_time(ours, X, y, CS)
        peer, _, _ = best_time(_grid_search_done, X, y, cap=30)
        yield row("GridSearchCV", name, "lbfgs", seconds, peer, peer >= 30)


def _grid_search_done(X, y):
    grid_search(X, y)
    return True


def against_glmnet(options):
    for name in options.only:
        X, y = datasets.load(name, options.data)
        y = np.unique(y, return_inverse=True)[1]
        for alpha in (1.0, 0.5):
            # glmnet's own grid, down to a thousandth of the greatest lambda
            first = softmax_path(X, y, Cs=1, l1_ratio=alpha).Cs[0]
            Cs = np.geomspace(first, 1e3 * first, 100)
            seconds, path, _ = best_time(ours, X, y, Cs, alpha)
            paths = [ours(X, y, Cs, alpha, 1e-9), path]
            _, ours_worst = suboptimality(paths, X, y, Cs, alpha)
            exact = softmax_path(X, y, Cs=Cs, l1_ratio=alpha, tol=1e-9)
            for thresh in (1e-7, 1e-9, 1e-11):
                peer, worst = glmnet(X, y, alpha, thresh, Cs, exact)
                if worst <= 1e-6 or peer >= CAP:
                    break
            yield row(
                "cv.glmnet", f"{name} alpha={alpha}", thresh, seconds, peer, peer >= CAP
            ) | {"suboptimality": ours_worst, "suboptimality_peer": worst}


def glmnet(X, y, alpha, thresh, Cs, exact):
    """Seconds of cv.glmnet, and how far its path on all rows is from the optimum."""
    fold = np.empty(len(y), dtype=int)
    for i, (_, test) in enumerate(folds(X, y)):
        fold[test] = i + 1
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        pd.DataFrame(np.asarray(X)).to_csv(folder / "X.csv", index=False)
        pd.DataFrame({"y": y, "fold": fold}).to_csv(folder / "y.csv", index=False)
        lambdas = 1 / (Cs * len(y))
        pd.DataFrame({"lambda": lambdas}).to_csv(folder / "lambda.csv", index=False)
        script = Path(__file__).parent / "cv_glmnet.R"
        command = ["Rscript", script, folder, str(alpha), str(thresh)]
        try:
            run = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=CAP
            )
        except subprocess.TimeoutExpired:
            return CAP, np.inf
        table = pd.read_csv(folder / "coef.csv").to_numpy()
    K = exact.coefs.shape[1]
    worst = 0.0
    for c, column in enumerate(table.T):  # each class: intercept, then coefficients
        theta = column.reshape(K, -1)
        F = objective(theta[:, 1:], theta[:, 0], X, y, Cs[c], alpha)
        best = objective(exact.coefs[c], exact.intercepts[c], X, y, Cs[c], alpha)
        gain = null_objective(y) - best
        if gain > 1e-9:
            worst = max(worst, (F - best) / gain)
    return float(run.stdout.split()[-1]), worst


def path_against_fit(options):
    for name in options.only:
        X, y = datasets.load(name, options.data)
        C = softmax_path(X, y).Cs[-1]
        _, one, _ = best_time(_fit, X, y, C)
        path, _, _ = best_time(_path, X, y)
        yield {"bar": "path of 100 / one fit", "dataset": name} | {
            "seconds": path,
            "seconds_peer": one,
            "ratio": path / one,
        }


def _fit(X, y, C):
    """Seconds of a fit, the first one's imports left out."""
    SoftmaxClassifier(C).fit(X, y)
    start = time.perf_counter()
    for _ in range(5):
        SoftmaxClassifier(C).fit(X, y)
    return (time.perf_counter() - start) / 5


def _path(X, y):
    softmax_path(X, y)
    return True


def row(bar, name, setting, seconds, peer, at_least):
    return {
        "bar": bar,
        "dataset": name,
        "setting": setting,
        "seconds": seconds,
        "seconds_peer": peer,
        "ratio": peer / seconds,
        "at_least": at_least,
    }


BARS = {
    "logistic": against_logistic_cv,
    "grid": against_grid_search,
    "glmnet": against_glmnet,
    "path": path_against_fit,
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of .npz files")
    parser.add_argument("--only", nargs="+", default=NAMES, help="data sets")
    parser.add_argument("--bars", nargs="+", choices=BARS, default=list(BARS))
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    path = RESULTS / "choosing.csv"
    run = save_run(path, "sk_softmax", "sklearn", "Rscript")
    for bar in options.bars:
        for line in BARS[bar](options):
            text = {
                k: f"{v:.4g}" if isinstance(v, float) else v for k, v in line.items()
            }
            print("  ".join(f"{k}={v}" for k, v in text.items()), flush=True)
            # each is kept at once: a run takes half an hour
            replace_row(path, text | {"run": run}, ["bar", "dataset"])


if __name__ == "__main__":
    main()
