"""What the coefficients cost, against brute force."""

import numpy as np
import pytest

from sk_softmax._kinks import Grouped, Separable
from sk_softmax._penalty import Penalty

RNG = np.random.default_rng(0)
INF = np.inf

# lower and upper bounds, the last two fixed at a number and at zero
BOUNDS = [(-INF, INF), (0.0, INF), (-INF, 0.3), (-0.5, 0.2), (0.4, 0.4), (0.0, 0.0)]


def grids(centre, lower, upper, dimensions):
    """Points within the bounds: a wide grid, and a fine one around the centre."""
    for middle, width in ((np.zeros(dimensions), 4.0), (centre, 1e-3)):
        axes = [
            np.clip(np.linspace(m - width, m + width, 161), lower, upper)
            for m in middle
        ]
        yield np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, dimensions)


def prox_objective(part, u, v, step):
    return np.sum((u - v) ** 2) / (2 * step) + part.value(u)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("weight", [0.0, 0.7])
@pytest.mark.parametrize("v", [-2.0, -0.3, 0.0, 0.1, 1.5])
def test_separable_prox_is_the_minimum(bounds, weight, v):
    lower, upper = bounds
    part = Separable(np.array([weight]), np.array([lower]), np.array([upper]))
    v, step = np.array([v]), np.array([0.8])
    u = part.prox(v, step)
    assert lower <= u[0] <= upper
    found = prox_objective(part, u, v, 0.8)
    for grid in grids(u, lower, upper, 1):
        assert found <= min(prox_objective(part, w, v, 0.8) for w in grid) + 1e-14


def test_separable_prox_takes_each_variable_by_itself():
    weight, step = RNG.uniform(0, 1, 50), RNG.uniform(0.1, 2, 50)
    lower, upper = -RNG.uniform(0, 1, 50), RNG.uniform(0, 1, 50)
    v = RNG.normal(size=50)
    whole = Separable(weight, lower, upper).prox(v, step)
    for i in range(50):
        one = slice(i, i + 1)
        part = Separable(weight[one], lower[one], upper[one])
        assert part.prox(v[one], step[one]) == whole[i]


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("weight", [0.0, 0.7])
@pytest.mark.parametrize("v", [(-2.0, 0.5), (0.3, 0.4), (0.0, 0.0), (-0.1, -1.2)])
def test_grouped_prox_is_the_minimum(bounds, weight, v):
    lower, upper = bounds
    part = group_of_two(weight, lower, upper)
    v = np.array(v)
    u = part.prox(v, np.full(2, 0.8))
    assert (lower <= u).all() and (u <= upper).all()
    found = prox_objective(part, u, v, 0.8)
    for grid in grids(u, lower, upper, 2):
        values = ((grid - v) ** 2).sum(axis=1) / 1.6
        values += weight * np.linalg.norm(grid, axis=1)
        assert found <= values.min() + 1e-12


def group_of_two(weight, lower, upper):
    two = np.ones(2)
    feature = np.zeros(2, dtype=int)
    return Grouped(weight * two, two, feature, lower * two, upper * two)


@pytest.mark.parametrize("bounded", [False, True])
def test_grouped_prox_takes_each_group_by_itself(bounded):
    """Groups of sizes 1 to 3 whose variables are not beside each other."""
    feature = np.array([4, 7, 4, 2, 7, 4])
    weight, step = np.array([9.0, 0.0, 0.8, 0.3, 0.5]), np.arange(1.0, 6.0)
    place = np.searchsorted([2, 4, 7], feature)
    lower = np.full(6, -0.4 if bounded else -INF)
    v = np.array([1.0, -2.0, 0.5, 0.2, 1.0, -0.7])
    scale = np.ones(6)
    part = Grouped(weight[place + 1], scale, feature, lower, np.full(6, INF))
    whole = part.prox(v, step[place])
    for g, name in enumerate((2, 4, 7)):
        own = feature == name
        one = Grouped(
            weight[g + 1] * np.ones(own.sum()),
            scale[own],
            feature[own],
            lower[own],
            np.full(own.sum(), INF),
        )
        expected = one.prox(v[own], np.full(own.sum(), step[g]))
        np.testing.assert_allclose(whole[own], expected, rtol=1e-12)


def test_grouped_prox_of_one_variable_is_the_separable_one():
    weight, step = RNG.uniform(0, 1, 30), RNG.uniform(0.1, 2, 30)
    v = RNG.normal(size=30)
    for size in (INF, 0.3):
        lower, upper = np.full(30, -size), np.full(30, size)
        grouped = Grouped(weight, np.ones(30), np.arange(30), lower, upper)
        separable = Separable(weight, lower, upper)
        np.testing.assert_allclose(
            grouped.prox(v, step), separable.prox(v, step), atol=1e-12
        )
        assert grouped.value(v) == pytest.approx(separable.value(v))


# Points, and the bounds that they touch or do not
POINTS = [
    ((0.0, 0.0), (-INF, INF)),
    ((0.0, 0.0), (0.0, INF)),
    ((0.0, 0.0), (-INF, 0.0)),
    ((0.0, 0.0), (0.0, 0.0)),
    ((0.3, 0.0), (-INF, INF)),
    ((0.3, 0.0), (0.0, INF)),
    ((0.3, -0.5), (-0.5, 0.3)),
    ((0.3, 0.4), (0.3, 0.7)),
]


@pytest.mark.parametrize("point, bounds", POINTS)
@pytest.mark.parametrize("gradient", [(1.0, -0.2), (-0.9, -0.8), (0.3, 0.3), (0, 2)])
@pytest.mark.parametrize("weight", [0.0, 0.6])
@pytest.mark.parametrize("kind", ["separable", "grouped"])
def test_violation_is_the_steepest_descent(point, bounds, gradient, weight, kind):
    """Against one-sided differences along every direction that the bounds allow."""
    u, g = np.array(point), np.array(gradient, dtype=float)
    lower, upper = bounds
    if kind == "grouped":
        part = group_of_two(weight, lower, upper)
    else:
        two = np.ones(2)
        part = Separable(weight * two, lower * two, upper * two)
    step = 1e-7
    angle = np.linspace(0, 2 * np.pi, 3600, endpoint=False)
    directions = np.column_stack([np.cos(angle), np.sin(angle)])
    # exact at the axes, where a bound leaves nothing but them
    directions[np.abs(directions) < 1e-12] = 0
    directions = directions[
        ((u + step * directions >= lower) & (u + step * directions <= upper)).all(
            axis=1
        )
    ]
    slopes = [
        g @ d + (part.value(u + step * d) - part.value(u)) / step for d in directions
    ]
    steepest = max(0.0, -min(slopes, default=0.0))
    found = np.linalg.norm(part.violation(u, g))
    assert found == pytest.approx(steepest, abs=2e-6)


def test_violation_vanishes_at_the_prox():
    """u = prox(v) is the minimum of the quadratic with gradient (u - v) / step."""
    n = 60
    weight = np.repeat(RNG.uniform(0, 1, n // 3), 3)
    feature = np.repeat(np.arange(n // 3), 3)
    step = np.repeat(RNG.uniform(0.5, 2, n // 3), 3)
    v = RNG.normal(size=n)
    for size in (INF, 0.5):
        lower, upper = np.full(n, -size), np.full(n, size)
        for part in (
            Separable(weight, lower, upper),
            Grouped(weight, np.ones(n), feature, lower, upper),
        ):
            u = part.prox(v, step)
            assert part.violation(u, (u - v) / step).max() < 1e-12
            moved = np.clip(u + 0.1 * (u == 0), lower, upper)
            assert part.violation(moved, (moved - v) / step).max() > 1e-3


@pytest.mark.parametrize("kind", ["separable", "grouped"])
def test_derivatives_on_the_face(kind):
    """Gradient and Hessian in the free variables, by finite differences."""
    weight = np.array([0.5, 0.5, 0.5, 0.9, 0.9, 0.0])
    u = np.array([0.3, -0.2, 0.1, 0.0, 0.0, 0.0])
    lower, upper = np.full(6, -INF), np.full(6, INF)
    upper[2] = 0.1
    if kind == "separable":
        part = Separable(weight, lower, upper)
    else:
        feature = np.array([0, 0, 0, 1, 1, 2])
        part = Grouped(weight, np.ones(6), feature, lower, upper)
    free = part.free(u)
    np.testing.assert_array_equal(free, [True, True, False, False, False, True])
    steps = 1e-5 * np.eye(6)[free]
    gradient = [(part.value(u + h) - part.value(u - h)) / 2e-5 for h in steps]
    if kind == "separable":
        gradient[-1] = 0.0  # no penalty there, and no kink
    np.testing.assert_allclose(part.gradient(u)[free], gradient, atol=1e-9)
    H = np.zeros((3, 3))
    part.add_hessian(H, u, free)
    hessian = [
        (part.gradient(u + h) - part.gradient(u - h))[free] / 2e-5 for h in steps
    ]
    np.testing.assert_allclose(H, hessian, atol=1e-8)


# The penalty of coefficients


def loop(W, *, strength, l1_ratio, factor, prior, grouped):
    """The formula of the class's docstring, coefficient by coefficient."""
    total = 0.0
    factor, prior = np.broadcast_to(factor, W.shape), np.broadcast_to(prior, W.shape)
    for j in range(W.shape[1]):
        for k in range(len(W)):
            away = W[k, j] - prior[k, j]
            total += factor[k, j] * (1 - l1_ratio) / 2 * away**2
            if not grouped:
                total += factor[k, j] * l1_ratio * abs(away)
        if grouped:
            away = W[:, j] - prior[:, j]
            total += factor[0, j] * l1_ratio * np.sqrt(away @ away)
    return strength * total


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    "grouped, factor",
    [
        (False, "one"),
        (False, "by feature"),
        (False, "by coefficient"),
        (True, "one"),
        (True, "by feature"),
    ],
)
@pytest.mark.parametrize("prior", [False, True])
def test_value_is_the_formula(l1_ratio, grouped, factor, prior):
    W = RNG.normal(size=(3, 4))
    f = {
        "one": 2.0,
        "by feature": np.array([0.0, 1.0, 0.5, 3.0]),
        "by coefficient": RNG.uniform(0, 2, (3, 4)),
    }[factor]
    m = RNG.normal(size=(3, 4)) if prior else None
    penalty = Penalty(
        0.1, (3, 4), l1_ratio=l1_ratio, factor=f, prior=m, grouped=grouped
    )
    expected = loop(
        W,
        strength=0.1,
        l1_ratio=l1_ratio,
        factor=f,
        prior=m if prior else 0.0,
        grouped=grouped,
    )
    smooth, gradient = penalty.value_gradient(W)
    assert smooth + penalty.value(W) == pytest.approx(expected)
    for k, j in np.ndindex(3, 4):
        step = np.zeros((3, 4))
        step[k, j] = 1e-5
        up, down = penalty.value_gradient(W + step)[0], penalty.value_gradient(W - step)
        assert gradient[k, j] == pytest.approx((up - down[0]) / 2e-5, abs=1e-8)
    curvature = np.broadcast_to(penalty.ridge, W.shape)
    np.testing.assert_allclose(
        penalty.value_gradient(W + 1)[1] - gradient, curvature, atol=1e-15
    )


@pytest.mark.parametrize("grouped", [False, True])
def test_part_is_the_penalty_in_other_units(grouped):
    """Value and violation of coefficients w = m + scale * u."""
    W, prior = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    W[:, 1] = prior[:, 1]
    penalty = Penalty(
        0.1,
        (3, 4),
        l1_ratio=0.5,
        prior=prior,
        grouped=grouped,
        bounds=(W.min() - 1, W.max()),
    )
    index = tuple(i.ravel() for i in np.indices((3, 4)))
    scale = np.array([0.1, 2.0, 5.0, 1.0])[index[1]]
    part = penalty.part(index, scale)
    u = (W - prior).ravel() / scale
    assert part.value(u) == pytest.approx(penalty.value(W))
    G = RNG.normal(size=(3, 4))
    np.testing.assert_allclose(
        part.violation(u, G.ravel() * scale),
        penalty.violation(W, G).ravel() * scale,
        atol=1e-13,
    )


def test_what_a_penalty_says_of_itself():
    shape = (3, 4)
    ridge = Penalty(0.1, shape)
    assert ridge.is_smooth and ridge.is_ridge and ridge.is_symmetric
    assert not Penalty(0.1, shape, l1_ratio=0.5).is_smooth
    assert not Penalty(0.1, shape, bounds=(0.0, INF)).is_smooth
    by_feature = Penalty(0.1, shape, factor=np.arange(4.0))
    assert by_feature.is_symmetric and not by_feature.is_ridge
    by_class = Penalty(0.1, shape, factor=np.ones((3, 4)))
    assert by_class.is_smooth and not by_class.is_symmetric
    shifted = Penalty(0.1, shape, prior=np.ones(shape))
    assert shifted.is_symmetric and not shifted.is_ridge


def test_neutral_values_are_the_ridge():
    """What an option's neutral value leaves is the fast way."""
    neutral = Penalty(
        0.1,
        (3, 4),
        factor=1.0,
        prior=np.zeros((3, 4)),
        bounds=(-INF, INF),
        grouped=True,
    )
    assert neutral.is_ridge
    assert not neutral.grouped
