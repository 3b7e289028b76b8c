"""Bounds by L-BFGS-B: the same optimum as by working sets, and known to be it."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import StandardScaler

from sk_softmax import SoftmaxClassifier, _bounded

BOUNDS = {
    "positive": (0, np.inf),
    "box": (-0.1, 0.2),
    "some": (np.where(np.arange(13) % 2, 0.05, -np.inf), np.inf),
    "fixed": (np.where(np.arange(13) % 3, -np.inf, 0.1), 0.1),
}


@pytest.fixture(params=["conjugate gradients", "working sets"])
def by_lbfgs(request, monkeypatch):
    """Have L-BFGS-B begin all fits, and this end them; returns how to undo it."""
    monkeypatch.setattr(_bounded, "CHEAP", 0)
    if request.param == "conjugate gradients":
        monkeypatch.setattr(_bounded, "NEWTON_PASSES", 0)

        def refused(fit, on_path=False):
            raise AssertionError("working sets were needed")

        monkeypatch.setattr(_bounded, "proximal_newton", refused)
        # which it is to be even where a Hessian is cheap
        monkeypatch.setattr(_bounded, "N_HESSIANS", 1000)
    return lambda: monkeypatch.setattr(_bounded, "CHEAP", np.inf)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_same_optimum_as_by_working_sets(by_lbfgs, name, classes, container):
    X, y = load_wine(return_X_y=True)
    X, y = container(StandardScaler().fit_transform(X)), np.minimum(y, classes - 1)
    classifier = SoftmaxClassifier(bounds=BOUNDS[name], tol=1e-12).fit(X, y)
    lower, upper = BOUNDS[name]
    assert (classifier.coef_ >= lower).all() and (classifier.coef_ <= upper).all()
    by_lbfgs()
    expected = SoftmaxClassifier(bounds=BOUNDS[name], tol=1e-12).fit(X, y)
    np.testing.assert_allclose(classifier.coef_, expected.coef_, atol=1e-5)
    np.testing.assert_allclose(classifier.intercept_, expected.intercept_, atol=1e-5)
    at_bound = (expected.coef_ == lower) | (expected.coef_ == upper)
    np.testing.assert_array_equal(
        (classifier.coef_ == lower) | (classifier.coef_ == upper), at_bound
    )


@pytest.mark.parametrize("C", [0.01, 1.0])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_optimality_is_no_less_than_the_distance(by_lbfgs, C, tol):
    X, y = load_digits(return_X_y=True)

    def objective(classifier):
        lost = -classifier.predict_log_proba(X)[np.arange(len(y)), y].sum()
        return lost + 0.5 * np.sum(classifier.coef_**2) / C

    classifier = SoftmaxClassifier(C, bounds=(0, np.inf), tol=tol).fit(X, y)
    assert classifier.converged_ and classifier.optimality_ <= tol
    by_lbfgs()
    best = SoftmaxClassifier(C, bounds=(0, np.inf), tol=1e-12).fit(X, y)
    p = np.bincount(y) / len(y)
    distance = objective(classifier) - objective(best)
    gain = -len(y) * (p @ np.log(p)) - objective(best)
    assert distance / gain <= 1.2 * classifier.optimality_ + 1e-9


@pytest.mark.parametrize("max_iter", [20, 42])
def test_few_passes_end_with_an_honest_distance(monkeypatch, max_iter):
    monkeypatch.setattr(_bounded, "CHEAP", 0)
    monkeypatch.setattr(_bounded, "NEWTON_PASSES", 0)
    X, y = load_digits(return_X_y=True)
    best = SoftmaxClassifier(bounds=(0, np.inf), tol=1e-8).fit(X, y)
    with pytest.warns(Warning, match="max_iter"):
        classifier = SoftmaxClassifier(
            bounds=(0, np.inf), max_iter=max_iter, tol=1e-3
        ).fit(X, y)
    assert not classifier.converged_ and classifier.n_iter_[0] <= max_iter
    assert (classifier.coef_ >= 0).all()

    def objective(model):
        loss = -model.predict_log_proba(X)[np.arange(len(y)), y].sum()
        return loss + 0.5 * np.sum(model.coef_**2)

    p = np.bincount(y) / len(y)
    gain = -len(y) * (p @ np.log(p)) - objective(best)
    left = (objective(classifier) - objective(best)) / gain
    assert left <= 1.2 * classifier.optimality_
