"""The objective along a line, and the memory of L-BFGS."""

import numpy as np
import pytest
from conftest import make_problem

from sk_softmax import _line
from sk_softmax._lbfgs import LimitedMemory
from sk_softmax._line import Line
from sk_softmax._optimum import Fit


@pytest.fixture(params=[2, 3])
def fit(request, make_rows):
    X, y, _ = make_rows(60, 4, request.param)
    return Fit(make_problem(X, y, C=10.0), None, tol=1e-6, max_iter=100)


def downhill(point, length=1.0):
    return -length * point.gradient


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("length", [1e-4, 1.0, 1e5])
def test_points_on_a_line_are_those_of_a_pass(fit, monkeypatch, keeps, length):
    if not keeps:
        monkeypatch.setattr(_line, "MAX_BYTES", 0)
    line, point = Line(fit), fit.point
    for sure in (True, False, True):  # the second line goes on from kept logits
        line.turn(point, downhill(point, length))
        step, end = line.search(1.0, sure)
        assert end.value < point.value
        theta = point.theta + step * line.direction
        np.testing.assert_allclose(end.theta, theta, rtol=1e-15)
        value, gradient = fit.problem.value_gradient(theta)
        assert end.value == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(end.gradient, gradient, rtol=0, atol=1e-13)
        point = end


@pytest.mark.parametrize("length", [1e-3, 1.0, 1e4, 1e8])
def test_the_line_is_flat_where_the_search_ends(fit, length):
    line = Line(fit)
    line.turn(fit.point, downhill(fit.point, length))
    _, end = line.search()
    slope = np.vdot(end.gradient, line.direction)
    assert abs(slope) <= -_line.FLAT * line.slope


def test_trials_cost_no_passes(fit):
    before = fit.passes()
    line = Line(fit)
    line.turn(fit.point, downhill(fit.point, 1e5))
    line.search(1.0, sure=False)
    assert fit.passes() == before + 1


def test_nothing_better_uphill(fit):
    line = Line(fit)
    line.turn(fit.point, -downhill(fit.point))
    assert line.search()[1] is None


@pytest.mark.parametrize("scale", [1e-3, 1.0])
@pytest.mark.parametrize("most", [3, 20])
def test_memory_is_that_of_bfgs_updates(most, scale):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((6, 6))
    A = scale * (A @ A.T + np.eye(6))
    steps = rng.standard_normal((10, 6))
    memory = LimitedMemory(6, most)
    for s in steps:
        memory.add(s, A @ s)
    H = max(s @ A @ s / (A @ s @ A @ s), 1) * np.eye(6)
    for s in steps[-most:]:
        y = A @ s
        V = np.eye(6) - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    g = rng.standard_normal(6)
    np.testing.assert_allclose(memory @ g, H @ g, rtol=1e-8)


def test_memory_takes_no_step_without_curvature():
    memory, step = LimitedMemory(3, 5), np.array([1.0, 2.0, 0.0])
    memory.add(step, -step)
    np.testing.assert_array_equal(memory @ step, step)
