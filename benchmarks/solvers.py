"""The solvers: ours and its peers, each with a grid of settings, loose to tight.

`fit` of each takes the data, a `Task`, a setting of its grid and a number of
threads, and returns ``coef, intercept, seconds``, where the seconds are those of
the fit alone: not of imports, of other people's file formats or of the objective.

Solvers that count iterations are given the least number of iterations that reaches
the goal, and never stop by their own tolerance: nobody's stopping rule, and nobody's
habit of stopping late, counts against it. Those without such a number (ours, glmnet,
adelie) are given the loosest tolerance that reaches it.

Peers are optional: one that cannot be imported is left out, with a note.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

# Iteration counts that grow by at most a tenth, and tolerances by half decades.
# The second number is how many entries the search skips while it goes up.
ITERATIONS = sorted({round(1.1**k) for k in range(160)})
HALF_DECADES = [10 ** (-k / 2) for k in range(2, 41)]
# newton-cholesky's Hessian has K (d + 1) rows; past this a factorisation alone
# takes longer than the time cap.
MAX_HESSIAN = 8000


class Task(NamedTuple):
    """One problem: a data set with a penalty.

    Attributes
    ----------
    dataset : str
    folder : str or None
    C, l1_ratio : float
    group : bool
        Whether the l1 term is the l2 norm of each feature's coefficients.
    fraction : float or None
        1 / (C n) as a part of the alpha at which all coefficients are zero.
    """

    dataset: str
    folder: str | None
    C: float
    l1_ratio: float = 0.0
    group: bool = False
    fraction: float | None = None


@dataclass(frozen=True)
class Solver:
    """One way to fit.

    Attributes
    ----------
    fit : callable
        ``fit(X, y, task, setting, n_threads) -> coef, intercept, seconds``.
    module : str
        What must be importable (or runnable: Rscript).
    grid : list
        Settings from loose to tight; a single None is the default settings.
    stride : int
        Entries of the grid that the search skips while it goes up.
    worker : str
        Solvers with the same one share a process.
    sparse, l2, l1, group : bool
        Whether it takes sparse X, the l2 penalty alone, an l1 term, a grouped one.
    threaded : bool
        Whether the number of threads can make a difference.
    max_hessian : int or None
        Greatest K (d + 1) that it is tried at.
    """

    fit: Callable
    module: str
    grid: list
    stride: int
    worker: str
    sparse: bool = True
    l2: bool = True
    l1: bool = False
    group: bool = False
    threaded: bool = True
    max_hessian: int | None = None

    def supports(self, X, n_classes, task):
        """Whether it can be given the problem."""
        if task.l1_ratio == 0:
            penalty = self.l2
        else:
            penalty = self.group if task.group else self.l1
        K = n_classes if n_classes > 2 else 1
        return (
            penalty
            and (self.sparse or not sparse.issparse(X))
            and (self.max_hessian is None or K * (X.shape[1] + 1) <= self.max_hessian)
        )


def _seconds(function: Callable[..., Any], *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def _fit_estimator(estimator, X, y, n_threads):
    """Any estimator with scikit-learn's interface."""
    with threadpool_limits(limits=n_threads):
        _, seconds = _seconds(estimator.fit, X, y)
    return estimator.coef_, estimator.intercept_, seconds


# Ours


def fit_ours(X, y, task, tol, n_threads):
    from sk_softmax import SoftmaxClassifier

    options = {} if tol is None else {"tol": tol, "max_iter": 10_000}
    if task.group:
        options["penalty_group"] = "class"
    estimator = SoftmaxClassifier(C=task.C, l1_ratio=task.l1_ratio, **options)
    return _fit_estimator(estimator, X, y, n_threads)


# scikit-learn and its patch


def _logistic(solver):
    def fit(X, y, task, max_iter, n_threads):
        from sklearn.linear_model import LogisticRegression

        # scikit-learn's own default is not to pass a penalty since 1.8
        options = {"l1_ratio": task.l1_ratio} if task.l1_ratio else {}
        if max_iter is not None:
            options |= {"tol": 0.0, "max_iter": max_iter, "random_state": 0}
        estimator = LogisticRegression(C=task.C, solver=solver, **options)
        return _fit_estimator(estimator, X, y, n_threads)

    return fit


def fit_sklearnex(X, y, task, max_iter, n_threads):
    import daal4py
    from sklearnex.linear_model import LogisticRegression

    daal4py.daalinit(nthreads=n_threads)
    estimator = LogisticRegression(C=task.C, tol=0.0, max_iter=max_iter)
    return _fit_estimator(estimator, X, y, n_threads)


# torch


def fit_torch(X, y, task, max_iter, n_threads):
    """Full-batch L-BFGS with a strong Wolfe line search, in float64."""
    import torch

    def minimise():
        if sparse.issparse(X):
            # int64: torch's products with other indices are slower or missing
            parts = (X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data)
            data = torch.sparse_csr_tensor(*map(torch.from_numpy, parts), X.shape)
        else:
            data = torch.from_numpy(X)
        K = int(y.max()) + 1
        rows = 1 if K == 2 else K
        target = torch.from_numpy(y if rows > 1 else y.astype(np.float64))
        weight = torch.zeros(rows, X.shape[1], dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(rows, dtype=torch.float64, requires_grad=True)
        loss_function = (
            torch.nn.functional.cross_entropy
            if rows > 1
            else lambda z, t: torch.nn.functional.binary_cross_entropy_with_logits(
                z[:, 0], t
            )
        )
        optimizer = torch.optim.LBFGS(
            [weight, bias],
            max_iter=max_iter,
            max_eval=20 * max_iter,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def closure():
            optimizer.zero_grad()
            loss = loss_function(data @ weight.T + bias, target)
            loss = loss + weight.square().sum() / (2 * task.C * len(y))
            loss.backward()
            return loss

        optimizer.step(closure)
        return weight.detach().numpy(), bias.detach().numpy()

    torch.set_num_threads(n_threads)
    with threadpool_limits(limits=n_threads):
        (coef, intercept), seconds = _seconds(minimise)
    return coef, intercept, seconds


# cyanure


def fit_cyanure(X, y, task, max_iter, n_threads):
    from cyanure.estimators import Classifier

    alpha = 1 / (task.C * len(y))
    lambdas = {"lambda_1": alpha}
    penalty = "l2"
    if task.l1_ratio == 1:
        penalty = "l1l2" if task.group and y.max() > 1 else "l1"
    elif task.l1_ratio > 0:
        penalty = "elasticnet"
        lambdas = {
            "lambda_1": alpha * task.l1_ratio,
            "lambda_2": alpha * (1 - task.l1_ratio),
        }
    estimator = Classifier(
        loss="logistic",
        penalty=penalty,
        fit_intercept=True,
        tol=0.0,
        max_iter=max_iter,
        # the duality gap, which stops nothing here, costs a pass
        duality_gap_interval=max(10, max_iter),
        n_threads=n_threads,
        verbose=False,
        **lambdas,
    )
    coef, intercept, seconds = _fit_estimator(estimator, X, y, n_threads)
    # (d, K), or (d,) for two classes
    return np.reshape(coef, (X.shape[1], -1)).T, np.ravel(intercept), seconds


# glmnet


class _Glmnet:
    """R in a process of its own, with the data last given to it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            ["Rscript", "--vanilla", str(Path(__file__).with_name("glmnet.R"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.dataset = None

    def ask(self, *words):
        print(*words, sep="\t", file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        if answer.startswith("error") or not answer:
            raise RuntimeError(answer or "R is gone")
        return answer

    def load(self, X, y, dataset):
        if dataset == self.dataset:
            return
        nnz = -1
        arrays = {"y": y.astype(np.int32)}
        if sparse.issparse(X):
            X = sparse.csc_matrix(X)
            X.sort_indices()
            nnz = X.nnz
            arrays |= {
                "p": X.indptr.astype(np.int32),
                "i": X.indices.astype(np.int32),
                "x": X.data,
            }
        else:
            arrays["x"] = X.T  # R keeps columns together
        arrays["shape"] = np.array([*X.shape, nnz, y.max() + 1], dtype=np.int32)
        for name, array in arrays.items():
            array.tofile(Path(self.folder.name) / name)
        self.ask("load", self.folder.name)
        self.dataset = dataset


_glmnet = None


def _glmnet_down(path):
    def fit(X, y, task, thresh, n_threads):
        global _glmnet
        if _glmnet is None:
            _glmnet = _Glmnet()
        _glmnet.load(X, y, (task.dataset, task.folder))
        alpha = repr(1 / (task.C * len(y)))
        answer = _glmnet.ask(
            "fit", task.l1_ratio, alpha, thresh, path, task.group, _glmnet.folder.name
        )
        K = int(y.max()) + 1
        rows = K if K > 2 else 1
        numbers = np.fromfile(Path(_glmnet.folder.name) / "coef")
        coef = numbers[:-rows].reshape(rows, X.shape[1])
        return coef, numbers[-rows:], float(answer.split()[1])

    return fit


# adelie


def fit_adelie(X, y, task, tol, n_threads):
    import adelie

    n, K = len(y), int(y.max()) + 1
    alpha = 1 / (task.C * n)

    def minimise():
        if K == 2:
            glm, scale = adelie.glm.binomial(y.astype(np.float64)), 1.0
        else:
            # its loss is divided by the number of classes
            glm, scale = adelie.glm.multinomial(np.eye(K)[y]), 1 / K
        return adelie.grpnet(
            np.asfortranarray(X),
            glm,
            alpha=task.l1_ratio,
            penalty=np.ones(X.shape[1]),
            lmda_path=np.array([alpha * scale]),
            tol=tol,
            irls_tol=tol,
            n_threads=n_threads,
            early_exit=False,
            progress_bar=False,
        )

    with threadpool_limits(limits=n_threads):
        state, seconds = _seconds(minimise)
    coef = np.asarray(state.betas[-1].todense()).reshape(X.shape[1], -1).T
    return coef, np.ravel(state.intercepts[-1]), seconds


DEFAULT = [None]

# In the order of their turns: who is often the quickest comes first, because the
# others are not waited for much longer.
SOLVERS = {
    "sk_softmax": Solver(
        fit_ours, "sk_softmax", HALF_DECADES[:23], 2, "sk_softmax", l1=True, group=True
    ),
    "sk_softmax-default": Solver(
        fit_ours, "sk_softmax", DEFAULT, 1, "sk_softmax", l1=True, group=True
    ),
    "LogisticRegression-default": Solver(
        _logistic("lbfgs"), "sklearn", DEFAULT, 1, "sklearn"
    ),
    "newton-cholesky-default": Solver(
        _logistic("newton-cholesky"),
        "sklearn",
        DEFAULT,
        1,
        "sklearn",
        max_hessian=MAX_HESSIAN,
    ),
    "newton-cholesky": Solver(
        _logistic("newton-cholesky"),
        "sklearn",
        ITERATIONS,
        7,
        "sklearn",
        max_hessian=MAX_HESSIAN,
    ),
    "glmnet": Solver(
        _glmnet_down(1),
        "Rscript",
        HALF_DECADES,
        2,
        "glmnet",
        l1=True,
        group=True,
        threaded=False,
    ),
    # down a path of lambdas: often faster than at the one alone, where it may hang
    "glmnet-path": Solver(
        _glmnet_down(20),
        "Rscript",
        HALF_DECADES,
        2,
        "glmnet",
        l1=True,
        group=True,
        threaded=False,
    ),
    "adelie": Solver(
        fit_adelie,
        "adelie",
        HALF_DECADES[:29],
        2,
        "adelie",
        sparse=False,
        l2=False,
        group=True,
    ),
    "cyanure": Solver(
        fit_cyanure, "cyanure", ITERATIONS, 7, "cyanure", l1=True, group=True
    ),
    "newton-cg": Solver(_logistic("newton-cg"), "sklearn", ITERATIONS, 7, "sklearn"),
    # newton-cg, newton-cholesky and sparse X it hands on to scikit-learn
    "sklearnex": Solver(
        fit_sklearnex, "sklearnex", ITERATIONS, 7, "sklearnex", sparse=False
    ),
    "lbfgs": Solver(_logistic("lbfgs"), "sklearn", ITERATIONS, 7, "sklearn"),
    "torch-lbfgs": Solver(fit_torch, "torch", ITERATIONS, 7, "torch"),
    "saga": Solver(
        _logistic("saga"), "sklearn", ITERATIONS, 7, "sklearn", l1=True, threaded=False
    ),
}


def version(module):
    """Version of a solver's module, or None where it is not installed."""
    if module == "Rscript":
        command = 'cat(R.version$major, R.version$minor, sep="."); cat(" glmnet ")'
        command += '; cat(as.character(packageVersion("glmnet")))'
        try:
            done = subprocess.run(
                ["Rscript", "-e", command], capture_output=True, text=True
            )
        except FileNotFoundError:
            return None
        return f"R {done.stdout}" if done.returncode == 0 else None
    with _quiet():
        try:
            imported = __import__(module)
        except Exception:  # a broken install is no install
            return None
    from importlib import metadata

    names = {"sklearnex": "scikit-learn-intelex", "sklearn": "scikit-learn"}
    try:
        return metadata.version(names.get(module, module))
    except metadata.PackageNotFoundError:
        return getattr(imported, "__version__", "unknown")


@contextmanager
def _quiet():
    with open(os.devnull, "w") as null:
        saved = os.dup(2)
        os.dup2(null.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
