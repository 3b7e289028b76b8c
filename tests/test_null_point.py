"""What a fit starts from and is measured against: the best without the features."""

import numpy as np
import pytest
from conftest import make_problem
from scipy import sparse
from scipy.optimize import minimize
from sklearn.datasets import load_iris

from sk_softmax import SoftmaxClassifier, softmax_path
from sk_softmax._intercepts import with_intercepts
from sk_softmax.inference import infer


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("kind", ["hard", "soft", "absent"])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_intercepts_beside_coefficients_and_offsets(n_classes, kind, container, spread):
    rng = np.random.default_rng(0)
    X, K = rng.normal(size=(90, 3)) + 5, 1 if n_classes == 2 else n_classes
    target = rng.permutation(np.arange(90) % n_classes)
    weight = rng.uniform(size=90)
    if kind == "soft":
        target = rng.dirichlet(np.ones(n_classes), 90)
    elif kind == "absent" and n_classes > 2:
        weight[target == 1] = 0
    offset = spread * rng.normal(size=(90, K))
    problem = make_problem(container(X), target, weight=weight, offset=offset)
    W = rng.normal(size=(K, 3))
    theta = with_intercepts(problem, W)
    np.testing.assert_array_equal(theta[:, :-1], W)
    slope = problem.value_gradient(theta)[1][:, -1]
    # a tenth of a row may be of a class whose probabilities are zero everywhere
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def of_year(n=400):
    rng = np.random.default_rng(0)
    year = rng.integers(1990, 2021, (n, 1)).astype(float)
    y = rng.random(n) < 1 / (1 + np.exp(-0.15 * (year[:, 0] - 2005)))
    return year, y.astype(int)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("C", [1e-3, 1.0])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("upper", [0.1, np.inf])
def test_bounds_that_exclude_zero_on_features_far_from_it(
    n_classes, C, l1_ratio, upper
):
    """The intercept makes up for what the bounds ask of the coefficient."""
    X, y = of_year()
    if n_classes == 3:
        y[::5] = 2
    lower = np.array([[0.1], [-np.inf], [-np.inf]])[: 1 if n_classes == 2 else 3]
    fit = SoftmaxClassifier(C, l1_ratio=l1_ratio, bounds=(lower, upper), tol=1e-8)
    far, near = (fit.fit(Z, y).predict_proba(Z) for Z in (X, X - 2005))
    np.testing.assert_allclose(far, near, atol=1e-4)
    far = SoftmaxClassifier(C, l1_ratio=l1_ratio, bounds=(lower, upper)).fit(X, y)
    assert far.converged_
    assert far.optimality_ <= 1e-6


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_prior_that_saturates_all_probabilities(fit_intercept):
    """The fit then starts from coefficients that say nothing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3)) * [1e4, 1, 1] + [1e6 * (not fit_intercept), 0, 0]
    y = (rng.random(50) < 1 / (1 + np.exp(-X[:, 1]))).astype(int)
    prior = np.full((1, 3), 0.5)

    def objective(coef, intercept):
        logits = np.where(y, -1, 1) * (X @ coef[0] + intercept)
        return np.logaddexp(0, logits).mean() + ((coef - prior) ** 2).sum() / 100

    clf = SoftmaxClassifier(coef_prior=prior, fit_intercept=fit_intercept).fit(X, y)
    exact = SoftmaxClassifier(
        coef_prior=prior, fit_intercept=fit_intercept, tol=1e-12, max_iter=5000
    ).fit(X, y)
    values = [objective(c.coef_, c.intercept_) for c in (clf, exact)]
    assert values[0] <= values[1] + 1e-5
    assert values[0] < objective(0 * prior, 0.0)


def test_prior_that_is_trusted():
    """Its weight is no part of what the data can gain."""
    rng = np.random.default_rng(1)
    X, prior = rng.normal(size=(100, 5)) * 10, rng.normal(size=(1, 5)) * 3
    y = (X @ prior[0] + 20 + 5 * rng.logistic(size=100) > 0).astype(int)
    loose, tight = (
        SoftmaxClassifier(1e-6, coef_prior=prior, tol=tol).fit(X, y)
        for tol in (1e-6, 1e-14)
    )
    np.testing.assert_allclose(loose.intercept_, tight.intercept_, rtol=1e-2)


def with_offset(n_classes, seed=389):
    rng = np.random.default_rng(seed)
    K = 1 if n_classes == 2 else n_classes
    X, offset = rng.normal(size=(500, 2)), 8 * rng.normal(size=(500, K))
    logits = offset + X @ rng.normal(size=(2, K)) * 0.1
    if K == 1:
        logits = np.column_stack([0 * logits, logits])
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return X, y, offset[:, 0] if K == 1 else offset


@pytest.mark.parametrize("n_classes", [2, 3])
def test_optimality_beside_offsets(n_classes):
    """Relative to the best intercepts beside them, found by SciPy alone."""
    X, y, offset = with_offset(n_classes)

    def value(intercept, coef=0.0, C=np.inf):
        logits = X @ np.transpose(coef) if np.ndim(coef) else np.zeros((500, 1))
        logits = logits + offset.reshape(500, -1) + intercept
        if n_classes == 2:
            logits = np.column_stack([np.zeros(500), logits])
        top = logits.max(axis=1)
        losses = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
        losses -= logits[np.arange(500), y]
        return losses.mean() + np.sum(np.square(coef)) / (2 * C * 500)

    null = minimize(value, np.zeros(1 if n_classes == 2 else 3), tol=1e-12).fun
    clf = SoftmaxClassifier(tol=1e-4).fit(X, y, offset=offset)
    exact = SoftmaxClassifier(tol=1e-13).fit(X, y, offset=offset)
    end, least = (value(c.intercept_, c.coef_, 1.0) for c in (clf, exact))
    assert (end - least) / (null - least) <= 1e-4
    path = softmax_path(X, y, Cs=[1e-9, 1e9], offset=offset)
    assert path.deviance_explained[0] == pytest.approx(0, abs=1e-6)
    free = SoftmaxClassifier(C=np.inf).fit(X, y, offset=offset)
    expected = infer(free, X, y, offset=offset).pseudo_r2
    assert path.deviance_explained[1] == pytest.approx(expected, rel=1e-4)


def test_an_offset_of_one_row_that_outweighs_all():
    rng = np.random.default_rng(0)
    X, y, offset = rng.normal(size=(100, 2)), rng.integers(0, 2, 100), np.zeros(100)
    offset[0] = 1e5 * (2 * y[0] - 1)  # which says what is so
    clf = SoftmaxClassifier().fit(X, y, offset=offset)
    assert clf.converged_
    one_less = SoftmaxClassifier().fit(X[1:], y[1:])
    np.testing.assert_allclose(clf.coef_, one_less.coef_, atol=0.02)


def test_one_of_two_classes_absent_with_offsets():
    """Newton's method would have no end."""
    X = load_iris().data
    model = SoftmaxClassifier(classes=[0, 1])
    model.fit(X, np.zeros(150, int), offset=np.linspace(-1, 1, 150))
    assert model.converged_
    assert model.predict_proba(X)[:, 1].max() < 1e-6
    assert -50 < model.intercept_[0] < -10


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_what_overflows_where_the_fit_starts_is_an_error(C, l1_ratio):
    X, y = of_year()
    for options in {"bounds": (1e306, np.inf)}, {"coef_prior": [[1e306]]}:
        clf = SoftmaxClassifier(C, l1_ratio=l1_ratio, **options)
        with pytest.raises(ValueError, match=r"bounds.* too large"):
            clf.fit(X, y)
