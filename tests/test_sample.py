"""A sample of the rows is a start like any other, and saves passes."""

import numpy as np
import pytest
from conftest import make_problem
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sk_softmax import SoftmaxClassifier, _sample, _solver
from sk_softmax._frame import Frame
from sk_softmax._intercepts import with_intercepts
from sk_softmax._loss import null_value
from sk_softmax._optimum import Fit, Leftover, null_point
from sk_softmax._sample import draw
from sk_softmax._solver import descend, solve


def rows(n=40_000, d=20, K=5, seed=0):
    """Noisy rows in raw units."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, d))
    y = (Z @ rng.normal(size=(d, K)) / 3 + rng.gumbel(size=(n, K))).argmax(axis=1)
    return Z * np.geomspace(0.1, 1000, d) + 3, y


def test_one_row_of_each_run():
    index = _sample._one_of_each_run(1003, 100)
    bounds = np.linspace(0, 1003, 101).astype(int)
    assert (bounds[:-1] <= index).all() and (index < bounds[1:]).all()
    np.testing.assert_array_equal(index, _sample._one_of_each_run(1003, 100))


def test_sample_has_the_parts_of_its_rows():
    X, y = rows()
    weight = np.random.default_rng(1).uniform(size=len(y))
    problem = make_problem(X, y, weight=weight)
    index = np.array([3, 50, 51, 39_999])
    sample = problem.sample(index)
    np.testing.assert_array_equal(sample.rows.X, X[index])
    np.testing.assert_array_equal(sample.target, problem.target[index])
    np.testing.assert_array_equal(sample.weight, weight[index])
    assert sample.penalty is problem.penalty
    np.testing.assert_array_equal(
        make_problem(sparse.csr_matrix(X), y).sample(index).rows.X.toarray(), X[index]
    )


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("K", [2, 5])
def test_the_value_without_features_takes_no_pass(K, fit_intercept):
    X, y = rows(n=100_000, K=K)
    weight = np.random.default_rng(1).uniform(size=len(y))
    problem = make_problem(X, y, weight=weight, fit_intercept=fit_intercept)
    expected, _ = problem.value_gradient(with_intercepts(problem, 0.0))
    value = null_value(problem.class_mass(), fit_intercept)
    assert value == pytest.approx(expected, rel=1e-12)
    points = []
    evaluate = problem.value_gradient
    problem.value_gradient = lambda theta: points.append(theta) or evaluate(theta)
    assert solve(problem, tol=1e-6, max_iter=100).converged
    assert all(theta[:, :-1].any() for theta in points)


def test_a_start_worse_than_no_features_is_left():
    X, y = rows(n=500)
    problem = make_problem(X, y)
    nulls = [null_point(problem, problem.class_mass())]
    leftover = Leftover(Frame(problem), nulls=nulls)
    start = np.random.default_rng(0).normal(size=problem.shape)
    fit = Fit(problem, start, tol=1e-6, max_iter=100, leftover=leftover)
    assert fit.point is fit.null
    assert fit.point.gradient is not None
    assert descend(problem, start, tol=1e-6, max_iter=1000, leftover=leftover).converged


def test_all_rows_are_only_evaluated(monkeypatch):
    X, y = rows()
    problem = make_problem(X, y)
    sample, _ = draw(problem)
    assert 2000 < sample.rows.shape[0] <= 5000
    optimum = descend(problem, tol=1e-12, max_iter=1000).value
    alone = descend(make_problem(X, y), tol=1e-6, max_iter=1000)

    def build(*args):
        raise AssertionError("coordinates from all rows")

    counted = make_problem(X, y)
    monkeypatch.setattr(counted, "curvature_sum", build)
    result = solve(counted, tol=1e-6, max_iter=1000)
    assert result.converged
    gain = problem.value_gradient(with_intercepts(problem, 0.0))[0] - optimum
    assert result.value - optimum <= 1e-6 * gain
    assert counted.n_evaluations < result.n_iter <= alone.n_iter


@pytest.mark.parametrize("rare", ["class", "feature", "ridge", "rows", "weight"])
def test_no_sample_where_it_would_not_hold_what_is_rare(rare):
    X, y = rows(n=2000 if rare == "rows" else 40_000)
    options = {}
    if rare == "class":
        y[y == 0] = 1
        y[:50] = 0
    elif rare == "feature":
        X[:, 3] = 0
        X[[5, 700, 10_000], 3] = 1
    elif rare == "ridge":
        options["C"] = np.inf
    elif rare == "weight":
        options["weight"] = np.zeros(len(y))
        options["weight"][100:200] = 1
    assert draw(make_problem(X, y, **options))[0] is None


def test_a_start_that_is_worse_than_none_is_not_taken():
    X, y = rows(n=3000)
    problem = make_problem(X, y)
    far = np.random.default_rng(0).normal(size=problem.shape)
    far -= far.mean(axis=0)
    cold = descend(problem, tol=1e-6, max_iter=1000)
    warm = descend(problem, far, tol=1e-6, max_iter=1000)
    np.testing.assert_array_equal(cold.theta, warm.theta)


def test_passes_over_the_sample_count_in_max_iter():
    X, y = rows()
    model = SoftmaxClassifier(max_iter=4)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(X, y)
    assert model.n_iter_[0] <= 4


@pytest.mark.parametrize(
    "kind", ["dense", "sparse", "float32", "map", "offset", "soft"]
)
def test_every_kind_of_rows(kind, tmp_path, samples, monkeypatch):
    X, y = rows(n=3000)
    dtype = np.float32 if kind == "float32" else np.float64
    X, offset, target = X.astype(dtype), None, y
    if kind == "offset":
        offset = np.random.default_rng(2).normal(size=(len(y), 5))
    elif kind == "soft":
        target = np.eye(5)[y] * 0.9 + 0.02
    model = SoftmaxClassifier(tol=1e-5 if kind == "float32" else 1e-11)
    with monkeypatch.context() as without:
        without.setattr(_solver, "draw", lambda problem: (None, None))
        expected = clone(model).fit(X, target, offset=offset)
    size = np.abs(X).max(axis=0)
    if kind == "sparse":
        X = sparse.csr_matrix(X)
    elif kind == "map":
        mapped = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", dtype, X.shape)
        mapped[:] = X
        X = mapped
    model.fit(X, target, offset=offset)
    ((sample, _),) = samples
    assert len(sample.target) == 600
    atol = 1e-2 if kind == "float32" else 1e-4
    np.testing.assert_allclose(model.coef_ * size, expected.coef_ * size, atol=atol)
