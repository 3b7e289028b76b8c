"""Proximal gradient steps to a face and Newton's on it: optima without Hessians."""

import numpy as np
import pytest
from conftest import WORDS
from scipy import sparse

from sk_softmax import SoftmaxClassifier, _cost, _face_search, _proximal_model
from sk_softmax._conjugate_gradients import ConjugateGradients
from sk_softmax._cost import passes_to_minimise_part
from sk_softmax._kinks import Grouped, Separable
from sk_softmax._penalty import Penalty
from sk_softmax._problem import Problem
from sk_softmax._proximal import WorkingSet

INF = np.inf


@pytest.fixture
def always(monkeypatch):
    """All working sets count as dear, so that each fit goes without to the end."""
    monkeypatch.setattr(_proximal_model, "VERY_DEAR", 0)
    monkeypatch.setattr(_face_search, "N_MODELS", 1e9)


@pytest.fixture
def counted(monkeypatch):
    """How many Hessians of working sets were built."""
    built = []
    hessian = WorkingSet.hessian

    def counting(self, theta):
        built.append(len(self.classes))
        return hessian(self, theta)

    monkeypatch.setattr(WorkingSet, "hessian", counting)
    return built


OPTIONS = {
    "l1": {"l1_ratio": 1.0},
    "elastic net": {"l1_ratio": 0.5},
    "grouped": {"l1_ratio": 1.0, "penalty_group": "class"},
    "grouped elastic net": {"l1_ratio": 0.3, "penalty_group": "class"},
    "factors": {"l1_ratio": 1.0, "penalty_factor": np.r_[0.0, INF, np.ones(11)]},
    "prior": {"l1_ratio": 1.0, "coef_prior": np.full((3, 13), 0.1)},
    "bounds": {"l1_ratio": 0.5, "bounds": (-0.2, 0.3)},
    "grouped bounds": {"l1_ratio": 1.0, "penalty_group": "class", "bounds": (0, INF)},
    "no intercept": {"l1_ratio": 1.0, "fit_intercept": False},
}


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("names", OPTIONS)
def test_the_optimum_is_that_of_working_sets(load, request, counted, names, container):
    X, y = load("wine")
    X = container((X - X.mean(axis=0)) / X.std(axis=0) + 1)
    options = OPTIONS[names] | {"C": 0.3, "tol": 1e-12}
    theirs = SoftmaxClassifier(**options).fit(X, y)
    assert counted
    counted.clear()
    request.getfixturevalue("always")
    ours = SoftmaxClassifier(**options).fit(X, y)
    assert ours.converged_ and not counted
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=5e-6)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


def test_two_classes(load, request, counted):
    X, y = load("breast_cancer")
    theirs = SoftmaxClassifier(C=1e-3, l1_ratio=1.0, tol=1e-12).fit(X, y)
    counted.clear()
    request.getfixturevalue("always")
    ours = SoftmaxClassifier(C=1e-3, l1_ratio=1.0, tol=1e-10).fit(X, y)
    assert ours.converged_ and not counted
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("group", [None, "class"])
@pytest.mark.parametrize("name", ["iris", "wine", "digits"])
def test_the_distance_is_honest(load, request, name, group, tol):
    """Few conjugate gradients do not see the least curvature, and may not end a fit."""
    X, y = load(name)
    options = {"C": 0.05, "l1_ratio": 1.0, "penalty_group": group}

    def objective(model):
        logits = X @ model.coef_.T + model.intercept_
        logits -= logits.max(axis=1, keepdims=True)
        loss = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
        W = model.coef_
        norms = np.linalg.norm(W, axis=0) if group else np.abs(W)
        return (loss.sum() + norms.sum() / 0.05) / len(y)

    least = objective(SoftmaxClassifier(tol=1e-11, **options).fit(X, y))
    share = np.bincount(y) / len(y)
    gain = -(share * np.log(share)).sum() - least
    request.getfixturevalue("always")
    model = SoftmaxClassifier(tol=tol, **options).fit(X, y)
    assert (objective(model) - least) / gain <= tol


@pytest.mark.parametrize("tol", [1e-3, 1e-4])
def test_small_curvature_that_few_gradients_show(monkeypatch, tol):
    """Nearly collinear features in groups: a verified end has to be confirmed."""
    rng = np.random.default_rng(27)
    K, n, d = (int(rng.integers(*ends)) for ends in ((8, 16), (150, 500), (24, 50)))
    X, half = rng.normal(size=(n, d)), d // 2
    apart = 10.0 ** rng.uniform(-3, -0.5) * rng.normal(size=(n, half))
    X[:, half : 2 * half] = X[:, :half] + apart
    logits = X @ rng.normal(size=(d, K)) * 2 / np.sqrt(d)
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    y[:K] = np.arange(K)
    C = 10 ** rng.uniform(-1, 2)
    options = {"C": C, "l1_ratio": 1.0, "penalty_group": "class"}

    def objective(model):
        logits = X @ model.coef_.T + model.intercept_
        loss = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(n), y]
        return loss.mean() + np.linalg.norm(model.coef_, axis=0).sum() / (C * n)

    model = SoftmaxClassifier(tol=tol, **options).fit(X, y)
    assert model.converged_
    monkeypatch.setattr(_proximal_model, "VERY_DEAR", INF)
    least = objective(SoftmaxClassifier(tol=1e-10, **options).fit(X, y))
    share = np.bincount(y) / n
    gain = -(share * np.log(share)).sum() - least
    assert (objective(model) - least) / gain <= tol


def test_working_sets_find_passes_left(load, monkeypatch):
    """A search that leads nowhere spends half of `max_iter` at most."""
    X, y = load("digits")
    monkeypatch.setattr(_face_search, "N_MODELS", 1e9)
    factor = np.where(np.arange(64) % 3, 1.0, 0.0)
    model = SoftmaxClassifier(l1_ratio=1.0, penalty_factor=factor, max_iter=300)
    with pytest.warns(Warning, match="separates"):
        model.fit(X[:600], y[:600])
    assert model.converged_


@pytest.mark.parametrize("name", WORDS)
def test_words_that_are_not_in_use_are_left_out(words, always, monkeypatch, name):
    """Conjugate gradients then take the same steps, with far fewer entries of X."""
    X, y = words
    options = WORDS[name] | {"tol": 1e-10}
    if name == "two classes":
        y = y % 2
    monkeypatch.setattr("sk_softmax._solver.fit_those_in_use", lambda fit: None)
    entries = []
    only = Problem.only

    def counting(self, features):
        problem = only(self, features)
        entries.append(problem.rows.entries)
        return problem

    monkeypatch.setattr(Problem, "only", counting)
    few = SoftmaxClassifier(**options).fit(X, y)
    assert few.converged_ and entries and max(entries[1:]) < 0.8 * X.nnz
    n_counted = len(entries)
    monkeypatch.setattr(_cost, "WORTH_LEAVING", 1.0)
    all_ = SoftmaxClassifier(**options).fit(X, y)
    assert all_.converged_ and len(entries) == n_counted
    np.testing.assert_allclose(few.coef_, all_.coef_, atol=1e-5)
    np.testing.assert_array_equal(few.coef_ != 0, all_.coef_ != 0)
    # products with a part of X count as that part
    assert few.n_iter_[0] < all_.n_iter_[0]


def test_a_penalty_of_some_features_alone():
    rng = np.random.default_rng(0)
    K, d = 3, 6
    features = np.array([True, False, True, True, False, False])
    W = rng.normal(size=(K, 3))
    for options in (
        {"l1_ratio": 0.3, "grouped": True},
        {"factor": rng.exponential(size=(1, d)), "prior": rng.normal(size=(K, d))},
        {"factor": rng.exponential(size=(K, d)), "bounds": (-1.0, 1.0)},
        {"factor": np.r_[INF, np.ones(d - 1)], "l1_ratio": 1.0},
    ):
        whole = Penalty(0.2, (K, d), **options)
        part = whole.only(features)
        all_ = np.array(np.broadcast_to(whole.prior, (K, d)))
        all_[:, features] = W
        value, gradient = whole.value_gradient(all_)
        part_value, part_gradient = part.value_gradient(W)
        assert part_value == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(part_gradient, gradient[:, features])
        assert part.value(W) == pytest.approx(whole.value(all_), rel=1e-14)
        feasible = whole.feasible(all_)[:, features]
        np.testing.assert_array_equal(part.feasible(W), feasible)


@pytest.fixture
def many(make_rows):
    """Rows of many classes, so that thousands of coefficients are not zero."""
    X, y, _ = make_rows(1500, 60, 40)
    return X, y


@pytest.mark.parametrize("group", [None, "class"])
def test_thousands_of_coefficients_need_no_hessian(many, counted, group):
    X, y = many
    model = SoftmaxClassifier(C=1.0, l1_ratio=1.0, penalty_group=group).fit(X, y)
    assert model.converged_ and np.count_nonzero(model.coef_) > 1000
    assert max(counted, default=0) < 1000
    assert model.n_iter_[0] < 300


def test_it_gives_up_after_what_working_sets_would_have_cost(load, monkeypatch):
    """Where the free features separate the classes it makes hardly any way."""
    X, y = load("digits")
    passes = []
    search = _face_search.search_faces

    def searching(fit, dear):
        before = fit.passes()
        search(fit, dear)
        moving = fit.problem.penalty.free(fit.point.theta[:, :-1])
        dear = max(dear, passes_to_minimise_part(fit.problem, moving))
        worth = _face_search.N_MODELS * dear
        passes.append((fit.passes() - before, worth, fit.converged))

    monkeypatch.setattr("sk_softmax._proximal_newton.search_faces", searching)
    monkeypatch.setattr(_proximal_model, "VERY_DEAR", 10)
    factor = np.where(np.arange(64) % 3, 1.0, 0.0)
    model = SoftmaxClassifier(l1_ratio=1.0, penalty_factor=factor)
    with pytest.warns(Warning, match="separates"):
        model.fit(X[:600], y[:600])
    assert model.converged_
    ((taken, worth, converged),) = passes
    assert not converged and taken < worth + _face_search.MAX_CG + 30


@pytest.mark.parametrize("part", ["l1", "norms"])
def test_curvature_of_the_penalty(part):
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 12))
    u[[2, 6, 10]] = 0  # a group
    feature, none = np.tile(np.arange(4), 3), np.full(12, INF)
    weight = rng.uniform(1, 2, 4)[feature]
    if part == "l1":
        kinks = Separable(weight, -none, none)
    else:
        kinks = Grouped(weight, np.ones(12), feature, -none, none)
    diagonal, product = kinks.curvature(u)
    free, h = kinks.free(u), 1e-6

    def column(w):
        ends = (kinks.gradient(u + s * h * w * free) for s in (1, -1))
        return np.subtract(*ends)[free] / (2 * h)

    expected = np.array([column(w) for w in np.eye(12)[free]])
    np.testing.assert_allclose((diagonal * np.ones(12))[free], expected.diagonal())
    found = (product(v * free) * np.ones(12))[free]
    np.testing.assert_allclose(found, expected @ v[free], atol=1e-8)


def test_what_classes_share_is_taken_off_where_only_an_l1_term_sees_it():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(4, 5)) + 3
    W[1, 0] = 0  # where one is zero there is nothing to take off
    prior = np.ones((4, 5))
    penalty = Penalty(1.0, (4, 5), l1_ratio=1.0, prior=prior, factor=[1, 1, 0, 2, 1])
    W[2, 1] = 1  # at its prior mean
    balanced = penalty.balanced(W)
    shift = balanced - W
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape))
    assert not shift[:, 1].any()
    moved = balanced[:, [0, 3, 4]] - 1
    np.testing.assert_array_equal((moved == 0).sum(axis=0), 1)
    assert penalty.value(balanced) < penalty.value(W)
    for other in (
        Penalty(1.0, (4, 5), l1_ratio=0.5),
        Penalty(1.0, (4, 5), l1_ratio=1.0, grouped=True),
        Penalty(1.0, (4, 5), l1_ratio=1.0, bounds=(-9.0, 9.0)),
        Penalty(1.0, (4, 5), l1_ratio=1.0, factor=np.arange(20.0).reshape(4, 5)),
        Penalty(1.0, (2, 5), l1_ratio=1.0),
    ):
        start = W[: other.l1.shape[0]]
        np.testing.assert_array_equal(other.balanced(start), start)


def test_directions_without_curvature_end_conjugate_gradients():
    H, r = np.diag([1.0, 0.5, 1e-3]), np.ones(3)
    assert all(ConjugateGradients(H.dot, r).step() for _ in range(3))
    cg = ConjugateGradients(H.dot, r, flat=1e-2)
    while cg.step():
        pass
    assert len(cg.lengths) < 3


def test_one_hot_factors_that_sum_to_one(always, monkeypatch):
    """Faces on which all classes of a feature move are singular, and need not be."""
    passes = {True: 0, False: 0}
    for balances in passes:
        if not balances:
            monkeypatch.setattr(Penalty, "balanced", lambda self, W: W)
        for seed in range(8):
            rng = np.random.default_rng(seed)
            levels = rng.integers(0, 5, (400, 3))
            X = np.column_stack([np.eye(5)[column] for column in levels.T])
            logits = X @ rng.normal(size=(15, 5))
            y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
            model = SoftmaxClassifier(C=10.0, l1_ratio=1.0).fit(X, y)
            assert model.converged_
            passes[balances] += model.n_iter_[0]
    assert passes[True] < 0.9 * passes[False]
