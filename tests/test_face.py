"""Newton's step on a face of the penalty, corrected for the age of a Hessian."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sk_softmax import SoftmaxClassifier, _face, _proximal_model
from sk_softmax._face import newton_on_face
from sk_softmax._frame import Frame
from sk_softmax._loss import loss_of
from sk_softmax._optimum import Fit
from sk_softmax._penalty import Penalty
from sk_softmax._problem import Problem
from sk_softmax._proximal import WorkingSet
from sk_softmax._rows import Rows

PENALTIES = {
    "bounds": {"bounds": (-0.2, 0.3)},
    "lasso": {"l1_ratio": 0.8},
    "both": {"l1_ratio": 0.3, "bounds": (-0.2, np.inf), "factor": np.arange(6.0)},
    "prior": {"bounds": (0.0, 1.0), "prior": np.linspace(0, 0.5, 6)},
}


def halfway(X, y, n_classes, fit_intercept=True, **penalty):
    """A fit two steps from its start, its whole set, and the start's Hessian."""
    loss = loss_of(n_classes)
    shape = loss.n_outputs, X.shape[1]
    rows = Rows(X, loss.n_outputs)
    problem = Problem(
        rows, loss, y, None, Penalty(0.02, shape, **penalty), fit_intercept
    )
    fit = Fit(problem, None, tol=1e-6, max_iter=200)
    working = WorkingSet(problem, Frame(problem), np.ones((shape[0], 6), dtype=bool))
    H = working.hessian(fit.point.theta)
    for _ in range(2):
        step = working.step(H, fit.point.theta[:, :-1], fit.point.gradient)
        fit.point = fit.evaluate(fit.point.theta + step[0])
    return fit, working, H


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_step_is_that_of_a_new_hessian(
    make_rows, monkeypatch, name, n_classes, fit_intercept, container
):
    X, y, _ = make_rows(300, 6, n_classes)
    monkeypatch.setattr(_face, "OF_GOAL", 1e-9)
    monkeypatch.setattr(_face, "OF_GAIN", 0.0)
    fit, working, H = halfway(
        container(X), y, n_classes, fit_intercept, **PENALTIES[name]
    )
    W, G = fit.point.theta[:, :-1], fit.point.gradient
    _, landing, _, _ = working.step(H, W, G)
    direction, landing, gain, rest = newton_on_face(fit, working, H, landing, -np.inf)
    new = working.step(working.hessian(fit.point.theta), W, G)
    np.testing.assert_allclose(landing, new[1], atol=1e-6)
    # the loss does not see the mean of the intercepts
    direction, expected = (
        d - (d[:, -1].mean() if len(d) > 1 else 0) * np.append(np.zeros(6), 1)
        for d in (direction, new[0])
    )
    np.testing.assert_allclose(direction, expected, atol=1e-5)
    assert gain == pytest.approx(new[2], rel=1e-6)
    assert rest < 1e-9


def test_a_step_goes_from_face_to_face(make_rows, monkeypatch):
    """From the guess that no bound holds; a single face is not enough."""
    X, y, _ = make_rows(300, 6, 3)
    fit, working, H = halfway(X, y, 3, **PENALTIES["bounds"])
    middle = np.full((3, 6), 0.05)
    _, landing, _, _ = newton_on_face(fit, working, H, middle, -np.inf)
    lower, upper = PENALTIES["bounds"]["bounds"]
    assert landing.min() == lower and landing.max() == upper
    monkeypatch.setattr(_face, "MAX_FACES", 1)
    assert newton_on_face(fit, working, H, middle, -np.inf) is None


def test_a_hessian_can_be_too_old_and_a_face_the_wrong_one(make_rows, monkeypatch):
    X, y, _ = make_rows(300, 6, 3)
    fit, working, H = halfway(X, y, 3, **PENALTIES["bounds"])
    step = working.step(H, fit.point.theta[:, :-1], fit.point.gradient)
    assert newton_on_face(fit, working, H, *step[1:3]) is not None
    assert newton_on_face(fit, working, H, step[1], 3 * step[2]) is None
    monkeypatch.setattr(_face, "OF_GOAL", 1e-9)
    monkeypatch.setattr(_face, "OF_GAIN", 0.0)
    monkeypatch.setattr(_face, "MAX_CG", 1)
    assert newton_on_face(fit, working, H, *step[1:3]) is None


def test_dear_hessians_are_few(make_rows, monkeypatch):
    X, y, _ = make_rows(1000, 30, 4)
    built, hessian = [], WorkingSet.hessian
    monkeypatch.setattr(
        WorkingSet, "hessian", lambda *args: built.append(1) or hessian(*args)
    )
    monkeypatch.setattr(_proximal_model, "NEARLY_ALL", 0.8)
    fits, counts = [], []
    for dear in (np.inf, 0):
        monkeypatch.setattr(_proximal_model, "DEAR", dear)
        built.clear()
        fits.append(SoftmaxClassifier(0.1, bounds=(-0.3, 0.5), tol=1e-8).fit(X, y))
        counts.append(len(built))
    assert counts[1] < counts[0]
    np.testing.assert_allclose(fits[1].coef_, fits[0].coef_, atol=1e-3)


@pytest.mark.parametrize("max_iter", range(6, 22))
def test_corrections_count_as_passes(make_rows, monkeypatch, max_iter):
    monkeypatch.setattr(_proximal_model, "DEAR", 0)
    X, y, _ = make_rows(1000, 30, 4)
    fit = SoftmaxClassifier(0.1, bounds=(-0.3, 0.5), tol=1e-8, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit.fit(X, y)
    assert fit.n_iter_[0] <= max_iter


def test_a_correction_leaves_a_pass_for_its_step(make_rows, monkeypatch):
    monkeypatch.setattr(_face, "OF_GOAL", 1e-9)
    monkeypatch.setattr(_face, "OF_GAIN", 0.0)
    X, y, _ = make_rows(300, 6, 3)
    fit, working, H = halfway(X, y, 3, **PENALTIES["bounds"])
    step = working.step(H, fit.point.theta[:, :-1], fit.point.gradient)
    fit.last_pass = fit.problem.n_evaluations + 2
    assert newton_on_face(fit, working, H, *step[1:3]) is None
    assert fit.passes_left() >= 1


def test_a_singular_hessian_corrects_nothing(make_rows):
    X, y, _ = make_rows(300, 6, 3)
    X[:, 1] = X[:, 0]
    fit, working, H = halfway(X, y, 3, bounds=(-9.0, 9.0), factor=np.zeros(6))
    step = working.step(H, fit.point.theta[:, :-1], fit.point.gradient)
    assert newton_on_face(fit, working, H, *step[1:3]) is None


def test_nearly_all_coefficients_are_all(load, monkeypatch):
    """No coefficient is left that could come in later, and cost a new Hessian."""
    X, y = load("wine")
    sizes, hessian = [], WorkingSet.hessian
    monkeypatch.setattr(
        WorkingSet,
        "hessian",
        lambda self, theta: sizes.append(self.chosen.sum()) or hessian(self, theta),
    )
    monkeypatch.setattr(_proximal_model, "LEAST_WORKING_SET", 20)
    for part, most, all_of_them in (
        (0.8, 39, True),
        (1.1, 39, False),
        (0.8, 38, False),
    ):
        monkeypatch.setattr(_proximal_model, "NEARLY_ALL", part)
        monkeypatch.setattr(_proximal_model, "MOST_WORKING_SET", most)
        sizes.clear()
        SoftmaxClassifier(bounds=(-0.5, np.inf)).fit(X, y)
        assert (sizes[-1] == 39) == all_of_them
