"""Newton's method on small data ends where L-BFGS does, or leaves the rest to it."""

import numpy as np
import pytest
from conftest import make_problem

from sk_softmax import SoftmaxClassifier, _direct, _solver
from sk_softmax._intercepts import with_intercepts
from sk_softmax._solver import solve


@pytest.fixture(params=[2, 4], ids=["sigmoid", "softmax"])
def task(request, make_rows):
    """Noisy rows in raw units, a feature constant."""
    X, y, weight = make_rows(300, 6, request.param)
    X = X * 10.0 ** np.arange(-3, 3) + 10.0 ** np.arange(-3, 3)
    X[:, 3] = 7.3
    return X, y, weight


@pytest.fixture
def ends(monkeypatch):
    """Whether each fit was at its end when Newton's method was left."""
    converged = []

    def descend_directly(fit):
        _direct.descend_directly(fit)
        converged.append(fit.converged)

    monkeypatch.setattr(_solver, "descend_directly", descend_directly)
    return converged


def both(monkeypatch, X, y, weight=None, offset=None, **parameters):
    """Fits with Newton's method and without."""
    fits = []
    for applies in _direct.applies, lambda problem: False:
        monkeypatch.setattr(_solver, "applies_directly", applies)
        classifier = SoftmaxClassifier(tol=1e-12, **parameters)
        fits.append(classifier.fit(X, y, weight, offset))
    return fits


@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("more", ["", "weight", "offset", "factor", "prior", "soft"])
def test_optimum_is_that_of_lbfgs(task, ends, monkeypatch, C, fit_intercept, more):
    X, y, weight = task
    rng = np.random.default_rng(0)
    K = y.max() + 1
    parameters = {"C": C, "fit_intercept": fit_intercept}
    if more == "weight":
        parameters["weight"] = weight
    if more == "offset":
        parameters["offset"] = rng.normal(size=(len(y), K)[: 1 + (K > 2)])
    if more == "factor":
        parameters["penalty_factor"] = np.array([1, 2, 3, 1, 0.1, 1])
    if more == "prior":
        prior = 0.1 * rng.normal(size=(K if K > 2 else 1, 6))
        parameters["coef_prior"] = prior / np.abs(X).max(axis=0)
    if more == "soft":
        y = rng.dirichlet(np.ones(K), len(y))
    ours, theirs = both(monkeypatch, X, y, **parameters)
    assert ends == [True]
    size = np.abs(X).max(axis=0)
    np.testing.assert_allclose(ours.coef_ * size, theirs.coef_ * size, atol=2e-4)
    logits = ours.decision_function(X), theirs.decision_function(X)
    np.testing.assert_allclose(*logits, atol=2e-4)
    assert not ours.intercept_.any() or fit_intercept


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
@pytest.mark.parametrize("C", [1, 100])
def test_few_passes_and_no_other_coordinates(load, ends, monkeypatch, name, C):
    monkeypatch.setattr(_solver, "build", None)
    X, y = load(name)
    problem = make_problem(X, y, C=C)
    result = solve(problem, tol=1e-6, max_iter=1000)
    assert ends == [result.converged] == [True]
    assert result.n_iter <= 14


@pytest.mark.parametrize("tol", [1e-2, 1e-6, 1e-10])
def test_what_it_calls_converged_is(load, ends, tol):
    for name in "iris", "wine", "breast_cancer":
        for C in 1e-2, 1, 100, 1e4:
            problem = make_problem(*load(name), C=C)
            best = solve(problem, tol=1e-13, max_iter=1000, kinds=["hessian"]).value
            result = solve(problem, tol=tol, max_iter=1000)
            null = problem.value_gradient(with_intercepts(problem, 0.0))[0]
            assert result.value - best <= tol * (null - best) + 1e-15
    assert sum(ends) > len(ends) / 2


def test_a_hessian_without_a_factor_is_left_to_others(ends):
    """Collinear features, no penalty."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    X = np.column_stack([X, X.sum(axis=1)])
    y = (X[:, 0] + rng.normal(size=100) > 0).astype(int)
    result = solve(make_problem(X, y, C=np.inf), tol=1e-8, max_iter=1000)
    assert ends == [False]
    assert result.converged


@pytest.mark.parametrize("max_iter", [1, 3, 4, 5, 6])
def test_max_iter_is_kept(load, max_iter):
    problem = make_problem(*load("iris"), C=100)
    result = solve(problem, tol=1e-12, max_iter=max_iter)
    assert not result.converged
    assert result.n_iter <= max_iter


def test_a_stop_is_heeded(load, ends):
    problem = make_problem(*load("iris"))
    told = []
    result = solve(
        problem,
        tol=1e-12,
        max_iter=1000,
        progress=lambda *args: told.append(args) or len(told) == 2,
    )
    assert ends == [False]
    assert len(told) == 2
    assert not result.converged
    assert result.value == pytest.approx(told[-1][1].value, rel=1e-12)


def test_warm_start_ends_at_once(load, ends):
    problem = make_problem(*load("wine"))
    first = solve(problem, tol=1e-6, max_iter=1000)
    again = solve(problem, first.theta, tol=1e-6, max_iter=1000)
    assert ends == [True, True]
    assert again.n_iter <= 4
