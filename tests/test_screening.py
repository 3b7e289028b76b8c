"""Features that may come in are fitted alone: sparse rows, and many others."""

import numpy as np
import pytest
from conftest import WORDS, make_problem
from scipy import sparse

from sk_softmax import SoftmaxClassifier, _cost, _screening
from sk_softmax._cost import pays_without_others
from sk_softmax._problem import Problem

INF = np.inf


@pytest.fixture
def evaluated(monkeypatch):
    """How many features each evaluation of the objective had."""
    n_features = []
    value_gradient = Problem.value_gradient

    def counting(self, theta):
        n_features.append(theta.shape[1] - 1)
        return value_gradient(self, theta)

    monkeypatch.setattr(Problem, "value_gradient", counting)
    return n_features


OPTIONS = WORDS | {
    "held at a bound": {
        "C": 1.0,
        "l1_ratio": 0.9,
        "bounds": (0.01 * np.eye(3, 2000), INF),
    },
    "no intercept": {"C": 0.3, "l1_ratio": 1.0, "fit_intercept": False},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_optimum_is_that_of_all_features(words, evaluated, monkeypatch, name):
    X, y = words
    y = y % 2 if name == "two classes" else y
    options = OPTIONS[name] | {"tol": 1e-12}
    monkeypatch.setattr(_cost, "WORTH_LEAVING", 0.0)
    some = SoftmaxClassifier(**options).fit(X, y)
    # the start, the end, and one for each fit of some
    assert evaluated.count(2000) <= 3 + _screening.MOST_FITS
    assert len(evaluated) > evaluated.count(2000)
    monkeypatch.setattr(_cost, "WORTH_LEAVING", 1.0)
    evaluated.clear()
    all_ = SoftmaxClassifier(**options).fit(X, y)
    assert len(evaluated) == evaluated.count(2000)
    assert some.converged_ and all_.converged_
    np.testing.assert_allclose(some.coef_, all_.coef_, atol=1e-5)
    np.testing.assert_allclose(some.intercept_, all_.intercept_, atol=1e-5)
    np.testing.assert_array_equal(some.coef_ != 0, all_.coef_ != 0)


@pytest.mark.parametrize("name", ["l1", "grouped", "factors"])
def test_features_that_were_overlooked_join(words, monkeypatch, name):
    """The first fit gets those alone whose gradients are the greatest at its start."""
    X, y = words
    options = OPTIONS[name] | {"tol": 1e-12, "C": 0.3}
    usual = SoftmaxClassifier(**options).fit(X, y)
    fitted = []
    fit_some = _screening._fit_some

    def counting(fit, kept, go_down):
        fitted.append(kept.sum())
        return fit_some(fit, kept, go_down)

    monkeypatch.setattr(_screening, "_fit_some", counting)
    monkeypatch.setattr(_screening, "approach", lambda fit: None)
    monkeypatch.setattr(_screening, "SOON", 0.1)
    model = SoftmaxClassifier(**options).fit(X, y)
    assert len(fitted) > 2 and fitted[1] < fitted[2]
    assert model.converged_
    np.testing.assert_allclose(model.coef_, usual.coef_, atol=1e-5)


def test_all_features_go_on_where_some_are_not_enough(words, evaluated, monkeypatch):
    X, y = words
    options = OPTIONS["l1"] | {"tol": 1e-12, "C": 0.3}
    usual = SoftmaxClassifier(**options).fit(X, y)
    evaluated.clear()
    monkeypatch.setattr(_screening, "approach", lambda fit: None)
    monkeypatch.setattr(_screening, "SOON", 0.1)
    monkeypatch.setattr(_screening, "MOST_FITS", 1)
    model = SoftmaxClassifier(**options).fit(X, y)
    # the last of the fits of some, the pass that checks it, and those that go on
    assert min(evaluated) < 2000 and evaluated[-2:] == [2000, 2000]
    assert model.converged_
    np.testing.assert_allclose(model.coef_, usual.coef_, atol=1e-5)


@pytest.mark.parametrize("max_iter", range(1, 12))
def test_passes_are_limited(words, max_iter):
    """A pass over some of the features counts as that part of one over all."""
    X, y = words
    model = SoftmaxClassifier(**OPTIONS["l1"], tol=1e-12, max_iter=max_iter)
    with pytest.warns(Warning, match="max_iter"):
        model.fit(X, y)
    assert not model.converged_ and np.isfinite(model.coef_).all()
    assert model.n_iter_[0] <= max_iter + 1


def test_progress_counts_passes_over_all_features(words, capsys):
    X, y = words
    model = SoftmaxClassifier(**OPTIONS["elastic net"], tol=1e-12, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    numbers = [int(line.split(" passes")[0].split()[-1]) for line in lines]
    assert len(numbers) > 1 and numbers == sorted(numbers)
    assert numbers[-1] <= model.n_iter_[0]


def test_the_same_on_any_container_of_sparse_rows(words):
    X, y = words
    options = OPTIONS["l1"] | {"tol": 1e-10}
    model = SoftmaxClassifier(**options).fit(X, y)
    for container in (sparse.csc_array, sparse.csr_matrix, sparse.coo_array):
        other = SoftmaxClassifier(**options).fit(container(X), y)
        np.testing.assert_array_equal(other.coef_, model.coef_)
    single = SoftmaxClassifier(**options).fit(X.astype(np.float32), y)
    np.testing.assert_allclose(single.coef_, model.coef_, atol=1e-3)


def test_when_features_are_left_out(words):
    X, y = words
    d = X.shape[1]
    problem = make_problem(X, y)
    for n_used, left_out in ((0, False), (1, True), (d // 2, True), (d, False)):
        rare = np.arange(d) >= d - n_used  # the last ones are
        assert pays_without_others(problem, rare) == left_out
    dense = make_problem(X.toarray(), y)
    assert not pays_without_others(dense, np.arange(d) < 1)
