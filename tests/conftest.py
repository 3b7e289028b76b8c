"""Data sets and problems that the tests share."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from sk_softmax import _sample, _solver
from sk_softmax._loss import Sigmoid, Softmax
from sk_softmax._penalty import Penalty
from sk_softmax._problem import Problem
from sk_softmax._proximal import RIDGE
from sk_softmax._quadratic_model import minimise_model
from sk_softmax._rows import Rows

SHIPPED = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
}
# Real data that the repository does not hold, as NAME.npz with X and y.
FOLDER = Path(
    os.environ.get("SK_SOFTMAX_DATA")
    or Path(__file__).resolve().parents[2] / "shared" / "data"
)


@pytest.fixture(scope="session")
def load():
    """``load(name)`` is X, y, read-only; the test is skipped where they are absent."""

    def load(name):
        if name in SHIPPED:
            X, y = SHIPPED[name](return_X_y=True)
        else:
            path = FOLDER / f"{name}.npz"
            if not path.exists():
                pytest.skip(f"{name}.npz is not in SK_SOFTMAX_DATA")
            with np.load(path) as data:
                X, y = data["X"], data["y"]
        X.flags.writeable = y.flags.writeable = False
        return X, y

    return load


@pytest.fixture
def make_rows():
    """``make_rows(n, d, K)``: seeded features, codes and weights of a noisy task."""

    def make_rows(n, d, n_classes, *, order="C", dtype=np.float64, seed=0):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, d))
        logits = X @ rng.normal(size=(d, n_classes)) + rng.gumbel(size=(n, n_classes))
        y = logits.argmax(axis=1)
        y[:n_classes] = np.arange(n_classes)  # every class is there
        weight = rng.uniform(0.5, 2, n)
        return np.asarray(X, dtype, order=order), y, weight.astype(dtype)

    return make_rows


def model_minimum(H, q, u, part, diagonal=0.0):
    """`minimise_model` with the ridge of float64 fits."""
    return minimise_model(H, q, u, part, RIDGE * np.finfo(np.float64).eps, diagonal)


def objective(X, y, coef, intercept, C, weight=None, offset=0.0):
    """The objective of the class's docstring, written from that text alone."""
    weight = np.ones(len(y)) if weight is None else weight
    logits = np.asarray(X @ coef.T, dtype=np.float64) + intercept + offset
    if len(coef) == 1:
        logits = np.column_stack([np.zeros(len(y)), logits])
    said = log_softmax(logits, axis=1)
    # a target is a code, or a distribution over the classes
    target = np.eye(logits.shape[1])[y] if y.ndim == 1 else y
    losses = -(target * said).sum(axis=1)
    penalty = 0.5 / C * np.sum(coef**2)
    return (weight @ losses + penalty) / weight.sum()


def make_problem(X, target, *, C=1.0, weight=None, fit_intercept=True, offset=None):
    """The l2-penalised problem of codes (n,) or of distributions (n, classes)."""
    n_classes = int(target.max()) + 1 if target.ndim == 1 else target.shape[1]
    loss = Sigmoid() if n_classes == 2 else Softmax(n_classes)
    total = X.shape[0] if weight is None else weight.sum()
    penalty = Penalty(1 / (C * total), (loss.n_outputs, X.shape[1]))
    rows = Rows(X, loss.n_outputs)
    return Problem(rows, loss, target, weight, penalty, fit_intercept, offset)


@pytest.fixture
def samples(monkeypatch):
    """Samples of the rows that fits begin with, however few the rows are."""
    drawn = []

    def draw(problem):
        drawn.append(_sample.draw(problem))
        return drawn[-1]

    monkeypatch.setattr(_sample, "WORTHWHILE_CALLS", 0)
    monkeypatch.setattr(_sample, "ROWS_PER_COEF", 1)
    monkeypatch.setattr(_sample, "LEAST_PART", 0.2)
    monkeypatch.setattr(_sample, "MOST_PART", 0.3)
    monkeypatch.setattr(_solver, "draw", draw)
    return drawn


# Options of fits to `words`.
WORDS = {
    "l1": {"C": 1.0, "l1_ratio": 1.0},
    "grouped": {"C": 1.0, "l1_ratio": 1.0, "penalty_group": "class"},
    "elastic net": {"C": 0.3, "l1_ratio": 0.9},
    "bounds": {"C": 1.0, "l1_ratio": 0.9, "bounds": (-0.1, np.inf)},
    "prior": {"C": 1.0, "l1_ratio": 1.0, "coef_prior": np.eye(3, 2000)},
    "factors": {"C": 1.0, "l1_ratio": 1.0, "penalty_factor": np.eye(1, 2000)[0] < 1},
    "excluded": {
        "C": 1.0,
        "l1_ratio": 1.0,
        "penalty_factor": np.where(np.arange(2000) == 3, np.inf, 1.0),
    },
    "two classes": {"C": 1.0, "l1_ratio": 1.0},
}


@pytest.fixture
def words():
    """Counts of very many words, most of them rare, in texts of three classes."""
    rng = np.random.default_rng(3)
    n, d, K = 300, 2000, 3
    y = rng.integers(K, size=n)
    often = rng.exponential(size=(K, d)) / np.arange(1, d + 1)
    often = 60 * often / often.sum(axis=1, keepdims=True)
    return sparse.csr_array(rng.poisson(often[y]).astype(float)), y
