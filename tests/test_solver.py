"""The optimum is reached, what is reported is true, and passes are counted."""

import warnings

import numpy as np
import pytest
from conftest import make_problem, objective
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import PolynomialFeatures
from threadpoolctl import threadpool_limits

from sk_softmax import SoftmaxClassifier, _direct, _solver, softmax_path
from sk_softmax._conjugate_gradients import ConjugateGradients
from sk_softmax._coordinates import BUILDERS
from sk_softmax._intercepts import with_intercepts
from sk_softmax._optimum import Fit
from sk_softmax._solver import solve


@pytest.fixture(autouse=True)
def one_blas_thread():
    """What the classifier does around `solve`."""
    with threadpool_limits(1):
        yield


def without_features(problem):
    return problem.value_gradient(with_intercepts(problem, 0.0))[0]


@pytest.fixture(params=[2, 4], ids=["sigmoid", "softmax"])
def task(request, make_rows):
    """Noisy rows in raw units: badly scaled and off centre."""
    X, y, weight = make_rows(400, 6, request.param)
    return X * 10.0 ** np.arange(-3, 3) + 10.0 ** np.arange(-3, 3), y, weight


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("C", [1e-3, 1.0, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_vanishes_whatever_the_coordinates(task, kind, C, fit_intercept):
    X, y, weight = task
    problem = make_problem(X, y, C=C, weight=weight, fit_intercept=fit_intercept)
    result = solve(problem, tol=1e-13, max_iter=2000, kinds=[kind])
    assert result.converged
    gradient = problem.value_gradient(result.theta)[1]
    # in units of each feature: what a unit of logits would change
    size = np.append(np.abs(X).max(axis=0), 1)
    assert np.abs(gradient / size).max() < 1e-6
    if len(gradient) > 1:
        np.testing.assert_allclose(result.theta.sum(axis=0), 0, atol=1e-9)
    if not fit_intercept:
        assert not result.theta[:, -1].any()


def test_result_says_what_is_there(task):
    X, y, weight = task
    problem = make_problem(X, y, weight=weight)
    result = solve(problem, tol=1e-6, max_iter=1000)
    theta = result.theta
    expected = objective(X, y, theta[:, :-1], theta[:, -1], 1.0, weight)
    assert result.value == pytest.approx(expected, rel=1e-12)
    gradient = problem.value_gradient(theta)[1]
    assert result.gradient_norm == pytest.approx(np.abs(gradient).max(), rel=1e-6)


@pytest.fixture(scope="module")
def optimum(load):
    """The least objective of a data set, and how far it is below no features."""
    known = {}

    def optimum(name):
        if name not in known:
            problem = make_problem(*load(name))
            best = solve(problem, tol=1e-13, max_iter=5000, kinds=["hessian"]).value
            known[name] = best, without_features(problem) - best
        return known[name]

    return optimum


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "segment"])
@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8])
def test_optimality_is_honest(load, optimum, name, kind, tol):
    """Converged at tol means (F - F*) / (F0 - F*) <= tol, and the estimate is near."""
    best, gap = optimum(name)
    problem = make_problem(*load(name))
    result = solve(problem, tol=tol, max_iter=5000, kinds=[kind])
    true = (result.value - best) / gap
    assert result.converged
    assert result.optimality <= tol
    if name == "segment":  # so near separable that what is left can hide
        assert true <= 10 * tol
    else:
        assert true <= tol
        # by less than a digit too small, as far as the objective's own digits go
        assert true <= 5 * result.optimality + 1e-13 / gap


@pytest.mark.parametrize("seed", [30, 62])
def test_optimality_is_honest_where_classes_are_separated(seed):
    """A gradient along one curved direction hides the flat ones."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(80, 60)) * 10 ** rng.uniform(-1, 1, 60)
    y = (X @ rng.normal(size=(60, 3))).argmax(axis=1)
    problem, tol = make_problem(X, y, C=1e6), 1e-5
    best = solve(problem, tol=1e-11, max_iter=8000).value
    result = solve(problem, tol=tol, max_iter=1000)
    assert result.converged
    assert result.value - best <= tol * (without_features(problem) - best)


def test_each_pass_is_reported(task, monkeypatch):
    """n_iter is the calls that went through the rows for F or a Hessian product."""
    X, y, _ = task
    problem = make_problem(X, y)
    calls = 0
    value_gradient, hessian = problem.value_gradient, problem.hessian

    def counted(function):
        def call(*args):
            nonlocal calls
            calls += 1
            return function(*args)

        return call

    monkeypatch.setattr(problem, "value_gradient", counted(value_gradient))
    monkeypatch.setattr(problem, "hessian", lambda theta: counted(hessian(theta)))
    monkeypatch.setattr(_direct._Model, "at", counted(_direct._Model.at))
    for kinds in None, ["hessian"]:
        before = calls
        result = solve(problem, tol=1e-6, max_iter=1000, kinds=kinds)
        assert result.n_iter == calls - before
    assert calls == problem.n_evaluations


@pytest.mark.parametrize("max_iter", [1, 2, 3, 7, 15])
def test_max_iter_is_kept(load, max_iter):
    problem = make_problem(*load("digits"))
    result = solve(problem, tol=1e-12, max_iter=max_iter)
    assert not result.converged
    assert result.n_iter <= max_iter
    assert result.value <= without_features(problem)
    assert np.isfinite(result.optimality) or max_iter == 1


def test_more_passes_are_never_worse(load):
    problem = make_problem(*load("digits"))
    values = [solve(problem, tol=1e-9, max_iter=m).value for m in (2, 5, 10, 20, 40)]
    assert values == sorted(values, reverse=True)


# data set: passes to tol=1e-6 at C=1 that a fit may take, about 1.3 times those
# that it took when this was written
PASSES = {
    "iris": 10,
    "wine": 13,
    "breast_cancer": 13,
    "digits": 45,
    "satellite": 30,
    "segment": 80,
    "income": 20,
    "dna": 35,
    "tissue": 48,
    "spam": 34,
}


@pytest.mark.parametrize("name", PASSES)
def test_passes_to_a_millionth(load, name):
    X, y = load(name)
    X = X.astype(np.float64)
    result = solve(make_problem(X, y), tol=1e-6, max_iter=1000)
    assert result.converged
    assert result.n_iter <= PASSES[name]


@pytest.mark.parametrize("d, kind", [(4, "hessian"), (40, "kronecker")])
def test_first_coordinates_are_the_cheaper_exact_ones(make_rows, monkeypatch, d, kind):
    """Where all rows have the same probabilities, both kinds are the Hessian."""
    kinds = []

    def build(*args):
        coordinates, built = _solver_build(*args)
        kinds.append(built)
        return coordinates, built

    _solver_build = _solver.build
    monkeypatch.setattr(_solver, "build", build)
    X, y, _ = make_rows(1000, d, 5)
    solve(make_problem(X, y), tol=1e-6, max_iter=1000, kinds=["hessian"])
    assert kinds[0] == kind
    assert set(kinds[1:]) <= {"hessian"}


@pytest.mark.parametrize("power", [5, 100, 200])
def test_units_of_the_features_cost_no_passes(make_rows, power):
    """Without a penalty the optimum moves with the units, and so does the fit."""
    X, y, _ = make_rows(400, 6, 3)
    scales = 10.0 ** np.array([-power, -3, 0, 3, 7, power])
    plain = solve(make_problem(X, y, C=np.inf), tol=1e-6, max_iter=1000)
    scaled = solve(make_problem(X * scales, y, C=np.inf), tol=1e-6, max_iter=1000)
    assert plain.converged
    assert scaled.converged
    assert scaled.n_iter <= plain.n_iter + 3
    assert scaled.value == pytest.approx(plain.value, rel=1e-6)


def test_start_at_the_optimum_saves_most_passes(load):
    """Most of what is left is the proof that it is the optimum."""
    problem = make_problem(*load("digits"))
    cold = solve(problem, tol=1e-6, max_iter=1000)
    warm = solve(problem, cold.theta, tol=1e-6, max_iter=1000)
    assert warm.converged
    assert warm.n_iter <= cold.n_iter / 2
    assert warm.value <= cold.value + 1e-12


def test_start_that_is_worse_than_none(task):
    X, y, _ = task
    problem = make_problem(X, y)
    expected = solve(problem, tol=1e-10, max_iter=1000)
    start = problem.centred(np.random.default_rng(0).normal(size=problem.shape))
    result = solve(problem, start, tol=1e-10, max_iter=1000)
    assert result.converged
    assert result.value == pytest.approx(expected.value, rel=1e-8)


def test_optimum_without_features_is_found_at_once():
    """Features that say nothing: the start is the optimum."""
    X = np.tile([[1.0], [-1.0]], (10, 1))
    y = np.repeat([0, 1], 10)
    result = solve(make_problem(X, y), tol=1e-6, max_iter=1000)
    assert result.converged
    assert result.value == pytest.approx(np.log(2), rel=1e-14)
    assert result.n_iter <= 5


def test_progress_is_told_after_each_stage(task):
    X, y, _ = task
    told = []
    result = solve(
        make_problem(X, y),
        tol=1e-6,
        max_iter=1000,
        progress=lambda *args: told.append(args),
    )
    passes, points, _ = zip(*told, strict=True)
    values = [point.value for point in points]
    assert list(passes) == sorted(passes)
    assert list(values) == sorted(values, reverse=True)
    assert passes[-1] == result.n_iter
    assert values[-1] == result.value


def test_diagonal_coordinates_are_renewed_early(monkeypatch):
    """Words in texts, separated: the diagonal at the end is not that at the start."""
    rng = np.random.default_rng(0)
    words = rng.geometric(1 / (1 + np.arange(3000) / 30), (400, 3000)) == 1
    y = np.arange(400) % 4
    for k in range(4):
        words[y == k, k * 750 : k * 750 + 40] |= rng.random((100, 40)) < 0.3
    X = sparse.csr_matrix(words.astype(float))
    passes = []
    for left in 1000, _solver.FRESH_PASSES["diagonal"]:
        monkeypatch.setitem(_solver.FRESH_PASSES, "diagonal", left)
        problem = make_problem(X, y, C=100)
        result = solve(problem, tol=1e-6, max_iter=1000, kinds=["diagonal"])
        assert result.converged
        passes.append(result.n_iter)
    assert passes[1] < 0.8 * passes[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_walls_of_large_features(seed):
    """Monomials of degree 11: few rows decide, and are certain or wrong within a step.

    The reference has scaled columns, and bounds that hold nothing: proximal Newton.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (300, 2))
    y = np.digitize(np.sin(x[:, 0]) + x[:, 1] + rng.normal(size=300), [-1, 1])
    X = PolynomialFeatures(11, include_bias=False).fit_transform(x)
    classifier = SoftmaxClassifier().fit(X, y)
    assert classifier.converged_ and classifier.n_iter_[0] < 500
    size = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / size
    best = SoftmaxClassifier(
        penalty_factor=size**-2.0, bounds=(-1e12, 1e12), tol=1e-9, max_iter=2000
    )
    best.fit(Z, y)

    def objective(classifier, X, W):
        log_p = classifier.predict_log_proba(X)[np.arange(300), y]
        return -log_p.mean() + np.sum(W**2) / 600

    least = objective(best, Z, best.coef_ / size)
    assert objective(classifier, X, classifier.coef_) < least + 1e-4


@pytest.mark.parametrize("solver", ["auto", "hessian", "blocks", "kronecker"])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("eps", "far"), [(3e-7, 0), (5e-8, 0), (1e-7, 100)])
def test_what_nearly_collinear_columns_differ_in(eps, far, seed, solver):
    """They may have much to gain there, and rounding leaves little of the curvature."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(300, 4))
    y = (Z @ rng.normal(size=(4, 3)) + rng.gumbel(size=(300, 3))).argmax(axis=1)
    X = Z.copy()
    X[:, 0] += far
    X[:, 3] = 2 * X[:, 0] + eps * Z[:, 3]
    expected = SoftmaxClassifier(C=np.inf).fit(Z, y).predict_proba(Z)
    found = SoftmaxClassifier(C=np.inf, solver=solver).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-2)  # the digits are BLAS's


@pytest.mark.parametrize(
    "seed, solver", [(1, "blocks"), (1, "kronecker"), (2, "kronecker")]
)
def test_nearly_collinear_columns_where_most_rows_are_certain(seed, solver):
    """Residuals are small there, and so is the rounding of their gradient."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(100, 6))
    y = (10 * Z @ rng.normal(size=(6, 3)) + rng.gumbel(size=(100, 3))).argmax(axis=1)
    X = Z.copy()
    X[:, 3] = 2 * X[:, 0] + 1e-8 * Z[:, 3]
    Z[:, 3] = (X[:, 3] - 2 * X[:, 0]) * 1e8
    factor = np.array([0, 1, 1, 0, 1, 1])
    options = {"C": 1e3, "penalty_factor": factor}
    best = SoftmaxClassifier(tol=1e-10, **options).fit(Z, y)
    found = SoftmaxClassifier(solver=solver, **options).fit(X, y)

    def loss(model, X):
        penalty = np.sum(factor * model.coef_**2) / 2e5
        return penalty - model.predict_log_proba(X)[np.arange(100), y].mean()

    assert loss(found, X) < loss(best, Z) + 2e-5


@pytest.mark.parametrize("solver", ["hessian", "blocks", "kronecker"])
@pytest.mark.parametrize("seed", range(4))
def test_collinear_columns_far_from_zero(seed, solver):
    """There rounding makes gradients, which are not to be followed."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 5))
    y = (X @ rng.normal(size=(5, 4)) + rng.gumbel(size=(60, 4))).argmax(axis=1)
    X[:, 0] += 1e6
    X[:, -1] = X[:, 0] + X[:, 1]
    clf = SoftmaxClassifier(C=np.inf, tol=1e-5, solver=solver).fit(X, y)
    assert clf.converged_
    assert clf.n_iter_[0] < 40


@pytest.mark.parametrize("seed", [11, 12, 13, 38])
def test_a_path_over_nearly_collinear_columns_without_a_penalty(seed):
    """Coordinates under the next penalty follow the gradient, too."""
    rng = np.random.default_rng(seed)
    Z, eps = rng.normal(size=(100, 6)), 3e-7
    y = (Z @ rng.normal(size=(6, 4)) + rng.gumbel(size=(100, 4))).argmax(axis=1)
    X = Z.copy()
    X[:, 3] = 2 * Z[:, 0] + eps * Z[:, 3]
    options = {"Cs": np.geomspace(1e-3, 1e3, 7), "penalty_factor": [0, 0, 0, 0, 1, 1]}
    found, expected = softmax_path(X, y, **options), softmax_path(Z, y, **options)
    missing = expected.deviance_explained - found.deviance_explained
    assert missing.max() < 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_a_warm_start_where_unpenalised_columns_are_collinear(seed):
    """Rounding is no curvature where a part of the columns has a penalty, either."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(70, 4)) @ rng.normal(size=(4, 10))
    X /= np.linalg.norm(X, axis=1)[:, None]
    y = (X[:, :3] * 10 + rng.gumbel(size=(70, 3))).argmax(axis=1)
    factor = np.repeat([0.0, 1.0], [6, 4])
    clf = SoftmaxClassifier(warm_start=True, penalty_factor=factor).fit(X, y)
    first = clf.coef_
    clf.fit(X, y)
    assert clf.converged_
    assert clf.n_iter_[0] <= 12
    np.testing.assert_allclose(clf.coef_, first, atol=0.1)


@pytest.mark.parametrize("solver", ["auto", "hessian", "blocks"])
def test_exactly_collinear_columns_depend_on_no_order_of_the_rows(solver):
    """Two dummies for each row, without one left out, and no penalty."""
    rng = np.random.default_rng(0)
    X = np.eye(20)[rng.integers(0, 20, (2000, 2))].reshape(2000, 40)
    logits = X[:, :20] @ np.arange(20.0)[:, None] * [0, 0.2, 0.4]
    y = (logits + rng.gumbel(size=(2000, 3))).argmax(axis=1)
    fits = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(2000)
        clf = SoftmaxClassifier(C=np.inf, solver=solver, tol=1e-9)
        fits.append(clf.fit(X[order], y[order]).intercept_)
    np.testing.assert_allclose(fits[1:], [fits[0]] * 2, atol=1e-3)


@pytest.mark.parametrize("case", ["offset", "prior"])
@pytest.mark.parametrize("size", [1e3, 1e5, 1e6])
def test_certain_rows_without_curvature_are_no_optimum(case, size):
    """What nothing penalises has a gradient then, and no curvature to tell how far."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    y = (X @ [2.0, -1, 1] + rng.logistic(size=150) > 0).astype(int)
    x = rng.normal(size=150)
    offset, arguments = None, {"C": np.inf}
    if case == "offset":
        offset = size * x
    else:
        X = np.column_stack([X, x])
        prior = [[0, 0, 0, size]]
        arguments = {"C": 1e-12, "coef_prior": prior, "penalty_factor": [0, 0, 0, 1]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = SoftmaxClassifier(**arguments).fit(X, y, offset=offset)
    z = model.decision_function(X, offset)
    gradient = X[:, :3].T @ (1 / (1 + np.exp(np.clip(-z, -700, 700))) - y) / 150
    assert model.converged_ == (not caught)
    assert not model.converged_ or np.abs(gradient).max() < 0.01


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_models_without_curvature_raise_no_warnings_of_numpys(l1_ratio):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    y = (X @ [2.0, -1, 1] + rng.logistic(size=150) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for size in (1e5, 1e10):
            model = SoftmaxClassifier(l1_ratio=l1_ratio)
            model.fit(X, y, offset=size * rng.normal(size=150))
        bounds = [-np.inf, -np.inf, 1e5], [np.inf, np.inf, 1e5]
        SoftmaxClassifier(l1_ratio=l1_ratio, bounds=bounds).fit(X, y)
        SoftmaxClassifier().fit((1e-40 * X).astype(np.float32), y)
    assert np.isfinite(model.coef_).all()


def test_a_null_point_far_off_makes_no_goal_of_it(make_rows):
    """A thousandth of an offset's loss is more than a model can tell of."""
    X, y, _ = make_rows(100, 3, 2)
    near = Fit(make_problem(X, y), None, tol=1e-3, max_iter=10)
    gain = near.null.value - 0.1
    assert near.goal(0.1) == pytest.approx(1e-3 * gain)
    offset = np.where(y == 1, -1e5, 1e5)[:, None]
    far = Fit(make_problem(X, y, offset=offset), None, tol=1e-3, max_iter=10)
    assert far.null.value > 1e4
    assert far.goal(0.1) == pytest.approx(1e-3 * 10)


@pytest.mark.parametrize("solver", ["hessian", "diagonal"])
def test_a_certain_row_that_is_wrong_is_not_forgotten(solver):
    """Its feature has a small gradient and no curvature at all."""
    rng = np.random.default_rng(0)
    x, offset = rng.standard_normal(5000), np.zeros(5000)
    y = (x + rng.standard_normal(5000) > 0).astype(int)
    offset[0] = -2000 if y[0] else 2000
    X = np.column_stack([x, np.arange(5000) == 0])
    model = SoftmaxClassifier(C=np.inf, fit_intercept=False, solver=solver)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y, offset=offset)
    assert not model.converged_
    assert model.optimality_ == 1


@pytest.mark.parametrize("max_iter", [3, 6, 10])
def test_a_fit_stopped_early_does_not_flatter_itself(load, max_iter):
    X, y = load("digits")
    with pytest.warns(ConvergenceWarning):
        short = SoftmaxClassifier(max_iter=max_iter).fit(X, y)
    fitted = SoftmaxClassifier(tol=1e-9).fit(X, y)
    value, least = (
        objective(X, y, model.coef_, model.intercept_, 1.0) for model in (short, fitted)
    )
    part = np.bincount(y) / len(y)
    assert value - least <= short.optimality_ * (-(part @ np.log(part)) - least)


def test_conjugate_gradients_end_where_there_is_no_curvature():
    cg = ConjugateGradients(lambda v: 0 * v, np.ones(3))
    assert not cg.step()
    assert cg.gain == 0
    assert not cg.v.any()


def test_separated_classes_in_units_of_many_sizes():
    """The blocks of classes lead nowhere there, and the whole Hessian does."""
    passes = {"auto": 0, "blocks": 0}
    for seed in 0, 10, 13, 23, 24:
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(40, 30))
        y = (X @ rng.normal(size=(30, 8))).argmax(axis=1)
        y[:8] = np.arange(8)
        X *= 10 ** rng.uniform(-6, 6, size=30)
        exact = SoftmaxClassifier(solver="hessian", tol=1e-10).fit(X, y)
        least = objective(X, y, exact.coef_, exact.intercept_, 1.0)
        for solver in passes:
            model = SoftmaxClassifier(solver=solver, max_iter=2000).fit(X, y)
            value = objective(X, y, model.coef_, model.intercept_, 1.0)
            assert value - least <= 1e-5 * (np.log(8) - least)
            passes[solver] += model.n_iter_[0]
    assert passes["auto"] < 0.8 * passes["blocks"]
