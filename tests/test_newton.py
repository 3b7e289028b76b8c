"""Newton's ends: steps that lead too far, and rows far out that hide what is left."""

import numpy as np
import pytest
from conftest import make_problem, objective

from sk_softmax import SoftmaxClassifier, _newton
from sk_softmax._optimum import Fit, Point


def heavy_tailed(seed):
    """Few rows with features of heavy tails, or their powers too, on raw scales."""
    rng = np.random.default_rng(seed)
    n, d, K = (int(rng.integers(*ends)) for ends in ((60, 400), (2, 12), (2, 5)))
    X = rng.standard_t(1.5, size=(n, d)) * 10 ** rng.uniform(-3, 3, d)
    if rng.random() < 0.5:
        X = np.c_[X, np.sign(X) * np.abs(X) ** rng.choice([2, 3])]
    Z = np.arcsinh((X - np.median(X, 0)) / X.std(0) * 10)
    logits = Z @ rng.normal(size=(X.shape[1], K)) * rng.choice([0.3, 1, 4])
    y = (logits + rng.gumbel(size=(n, K))).argmax(axis=1)
    y[:K] = np.arange(K)
    C = 10 ** rng.uniform(-3, 5)
    options = {"solver": "hessian"} if rng.random() < 0.5 else {}
    return X, y, C, options, 10 ** rng.uniform(-8, -4)


@pytest.mark.parametrize(
    "seed",
    [13, 51, 101, 229, 231, 319, 412, 468, 683, 773, 892, 1345, 1446, 2245],
)
def test_ends_that_rows_far_out_had_hidden(seed):
    """Nearly certain, they have all the curvature of a step and lose it on the way.

    Each of these was called converged at 13 to 1,800 times `tol`.
    """
    X, y, C, options, tol = heavy_tailed(seed)
    classifier = SoftmaxClassifier(C, tol=tol, **options).fit(X, y)
    best = SoftmaxClassifier(C, tol=1e-10, max_iter=5000).fit(X, y)
    value, least = (
        objective(X, y, fitted.coef_, fitted.intercept_, C)
        for fitted in (classifier, best)
    )
    part = np.bincount(y) / len(y)
    gain = -(part @ np.log(part)) - least
    assert classifier.converged_
    assert value - least <= 4 * tol * gain


def test_a_missing_value_that_is_a_great_number():
    """One row holds three classes' coefficients together, as long as it has to."""
    rng = np.random.default_rng(10)
    x, y = rng.normal(40, 12, 40).round(), rng.integers(0, 4, 40)
    y[:4] = np.arange(4)
    own = np.digitize(x, np.quantile(x, [0.25, 0.5, 0.75]))
    y = np.where(rng.random(40) < 0.7, own, y)
    x[rng.random(40) < 0.1] = 1e8
    y[:4] = np.arange(4)
    X, values = x[:, None], []
    for tol in 1e-6, 1e-10:
        clf = SoftmaxClassifier(tol=tol).fit(X, y)
        values.append(objective(X, y, clf.coef_, clf.intercept_, 1.0))
    assert clf.converged_
    assert values[0] - values[1] < 1e-5


@pytest.mark.parametrize(
    ("last", "hides"), [(1, False), (1e3, True)], ids=["alike", "one far out"]
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_are_far_out_beside_others(last, hides, n_classes):
    """By a step of all rows' logits beyond where their curvature is known."""
    X = np.array([1.0, -1] * 20)[:, None]
    X[-1] = last
    problem = make_problem(X, np.arange(40) % n_classes)
    fit = Fit(problem, None, tol=1e-6, max_iter=10)
    way = np.zeros(problem.shape)
    way[0, 0] = 2
    trial = fit.evaluate(fit.point.theta + way)
    assert _newton.hides(fit, fit.point, trial, 1e-6) == hides
    near = fit.evaluate(fit.point.theta + 1e-4 * way)
    assert not _newton.hides(fit, fit.point, near, 1e-6)


class OnALine:
    """What `_shorter` asks of a fit: F is the square of one variable."""

    eps = 1e-16

    def __init__(self, start, passes=10):
        self.passes, self.point = passes, self.evaluate(np.array([[start]]))

    def evaluate(self, theta):
        return Point(theta, float(theta[0, 0] ** 2), 2 * theta)

    def passes_left(self):
        return self.passes


def test_the_first_part_of_a_step_that_leads_down_is_taken():
    fit = OnALine(1.0)
    better = _newton._shorter(fit, np.array([[-10.0]]))
    assert better.theta == pytest.approx(0.1)  # 0.3 would lead to -2
    assert _newton._shorter(fit, np.array([[1.0]])) is None
    assert _newton._shorter(OnALine(1.0, passes=1), np.array([[-10.0]])) is None


def test_a_step_too_far_is_not_lost(load, monkeypatch):
    """Digits at C = 100: the conjugate gradients of one step were."""
    passes = []
    for shorter in ((), _newton.SHORTER):
        monkeypatch.setattr(_newton, "SHORTER", shorter)
        classifier = SoftmaxClassifier(C=100).fit(*load("digits"))
        assert classifier.converged_
        passes.append(classifier.n_iter_[0])
    assert passes[1] < passes[0]
