"""The fits that the tests of inference share, and how close is close."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sk_softmax import SoftmaxClassifier

pd = pytest.importorskip("pandas")

REFERENCE = Path(__file__).parent / "reference"
FEATURES = ["logpopul", "selfLR", "age", "educ", "income"]
STATSMODELS = json.loads((REFERENCE / "statsmodels.json").read_text())
MODELS = ["multinomial", "binary"]


def ml(X, y, weight=None, offset=None, **parameters):
    """A maximum likelihood fit to the last digits."""
    parameters = {"C": np.inf, "tol": 1e-14, **parameters}
    return SoftmaxClassifier(**parameters).fit(X, y, weight, offset)


def assert_close(actual, desired, rtol=1e-6):
    """Equal to `rtol` of the greatest entry."""
    desired = np.asarray(desired, dtype=float)
    actual = np.asarray(actual, dtype=float).reshape(desired.shape)
    assert np.abs(actual - desired).max() <= rtol * np.abs(desired).max()


@cache
def anes96():
    """Features and, for each model, the labels."""
    data = pd.read_csv(REFERENCE / "anes96.csv")
    y = data.pop("PID").to_numpy()
    return data, {"multinomial": y, "binary": (y > 3).astype(int)}


@cache
def case(model):
    """Features, labels, fit and statsmodels' values of one model."""
    X, y = anes96()[0][FEATURES], anes96()[1][model]
    return X, y, ml(X, y), STATSMODELS[model]


def task():
    """A small task of three classes in raw units, with an overlap."""
    rng = np.random.default_rng(0)
    n = 300
    X = rng.normal(size=(n, 3)) * [1, 100, 0.01] + [0, 2000, 0]
    logits = (X - [0, 2000, 0]) @ [[1, 0, -1], [0.01, -0.01, 0], [0, 50, 0]]
    y = (logits + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return X, y
