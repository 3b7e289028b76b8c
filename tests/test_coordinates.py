"""Changes of variables: adjoint pairs in which the Hessian is near the identity."""

import numpy as np
import pytest
from conftest import make_problem
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.linalg import LinAlgError

from sk_softmax import _coordinates, _cost, _curvature, _inverse_roots, _pairs
from sk_softmax._coordinates import BUILDERS, build
from sk_softmax._cost import pairs_pay, preference
from sk_softmax._curvature import class_directions, loss_blocks, loss_hessian
from sk_softmax._frame import Frame
from sk_softmax._intercepts import with_intercepts
from sk_softmax._rows import Rows
from sk_softmax._solver import solve

N, D = 80, 4


def make(
    n_classes=3, *, strength=1e-3, fit_intercept=True, container=np.asarray, scales=None
):
    """A problem whose features are correlated, off centre and in raw units."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) + 3
    X *= [1, 1e3, 1e-3, 10] if scales is None else scales
    X[np.abs(X) < np.abs(X).mean(axis=0) / 5] = 0  # for the sparse ones
    y = rng.permutation(np.arange(N) % n_classes)
    weight = rng.uniform(0.5, 2, N)
    C = np.inf if strength == 0 else 1 / (strength * weight.sum())
    return make_problem(
        container(X), y, C=C, weight=weight, fit_intercept=fit_intercept
    )


def null_point(problem):
    """The best point without features."""
    return with_intercepts(problem, 0.0)


def somewhere(problem):
    """A point with probabilities that are neither equal nor saturated."""
    rng = np.random.default_rng(1)
    theta = rng.normal(size=problem.shape)
    theta[:, :-1] /= np.abs(problem.rows.range()).max(axis=0)
    if not problem.fit_intercept:
        theta[:, -1] = 0
    return problem.centred(theta)


def transformed_hessian(problem, theta, coordinates):
    """T^T H T, from Hessian products alone."""
    product = problem.hessian(theta)
    units = np.eye(coordinates.size)
    return np.array([coordinates.gradient(product(coordinates.step(u))) for u in units])


@pytest.fixture(params=[2, 3, 5], ids=["sigmoid", "softmax3", "softmax5"])
def n_classes(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["intercept", "no_intercept"])
def fit_intercept(request):
    return request.param


@pytest.fixture(params=[np.asarray, sparse.csr_array], ids=["dense", "csr"])
def container(request):
    return request.param


@pytest.mark.parametrize("kind", [*BUILDERS, "none"])
def test_gradient_is_the_adjoint_of_step(kind, n_classes, fit_intercept, container):
    problem = make(n_classes, fit_intercept=fit_intercept, container=container)
    kinds = [] if kind == "none" else [kind]
    coordinates, built = build(problem, somewhere(problem), Frame(problem), kinds)
    assert built == kind
    rng = np.random.default_rng(2)
    v, G = rng.normal(size=coordinates.size), rng.normal(size=problem.shape)
    assert np.vdot(coordinates.step(v), G) == pytest.approx(
        v @ coordinates.gradient(G), rel=1e-12
    )


@pytest.mark.parametrize("strength", [0.0, 1e-3, 1e3])
def test_hessian_becomes_the_identity(n_classes, fit_intercept, container, strength):
    problem = make(
        n_classes, fit_intercept=fit_intercept, container=container, strength=strength
    )
    theta = somewhere(problem)
    coordinates, _ = build(problem, theta, Frame(problem), ["hessian"])
    H = transformed_hessian(problem, theta, coordinates)
    identity = np.eye(len(H))
    if not fit_intercept:  # what stays still has no curvature
        identity[np.abs(np.diag(H)) < 1e-12] = 0
        assert identity.sum() == len(H) - class_directions(problem).shape[1]
    np.testing.assert_allclose(H, identity, atol=1e-8)


@pytest.mark.parametrize("kind", ["kronecker", "diagonal"])
@pytest.mark.parametrize("point", [somewhere, lambda problem: null_point(problem)])
def test_diagonal_becomes_one(point, kind, n_classes, fit_intercept, container):
    problem = make(n_classes, fit_intercept=fit_intercept, container=container)
    theta = point(problem)
    coordinates, _ = build(problem, theta, Frame(problem), [kind])
    H = transformed_hessian(problem, theta, coordinates)
    moving = np.diag(H) > 1e-12
    still = 0 if fit_intercept else class_directions(problem).shape[1]
    assert (~moving).sum() == still
    np.testing.assert_allclose(np.diag(H)[moving], 1, atol=1e-8)


def test_without_features_the_hessian_is_a_kronecker_product(n_classes, container):
    problem = make(n_classes, container=container, strength=0)
    theta = null_point(problem)
    coordinates, _ = build(problem, theta, Frame(problem), ["kronecker"])
    H = transformed_hessian(problem, theta, coordinates)
    np.testing.assert_allclose(H, np.eye(len(H)), atol=1e-8)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_offsets_differ_between_rows_also_without_features(n_classes):
    problem = make(n_classes)
    problem.offset = np.sin(np.arange(N * n_classes)).reshape(N, -1)
    problem.has_offset = True
    theta = null_point(problem)
    coordinates, _ = build(problem, theta, Frame(problem), ["kronecker"])
    H = transformed_hessian(problem, theta, coordinates)
    np.testing.assert_allclose(np.diag(H), 1, atol=1e-8)


@pytest.mark.parametrize("strength", [0.0, 1e-3, 1e3])
def test_blocks_leave_no_eigenvalue_above_two(n_classes, container, strength):
    problem = make(n_classes, container=container, strength=strength)
    theta = somewhere(problem)
    coordinates, _ = build(problem, theta, Frame(problem), ["blocks"])
    H = transformed_hessian(problem, theta, coordinates)
    eigenvalues = np.linalg.eigvalsh(H)
    assert eigenvalues[-1] <= 2 + 1e-8
    # what all classes share is projected out
    still = D + 1 if n_classes > 2 else 0
    assert (eigenvalues < 1e-8).sum() == still


def test_blocks_of_classes_alike_are_the_hessian():
    """Up to K / (K - 1), where each row hesitates among all K classes."""
    problem = make(3, strength=0.0)
    theta = np.zeros(problem.shape)
    coordinates, _ = build(problem, theta, Frame(problem), ["blocks"])
    eigenvalues = np.linalg.eigvalsh(transformed_hessian(problem, theta, coordinates))
    np.testing.assert_allclose(eigenvalues[D + 1 :], 1.5, rtol=1e-5)


def test_misjudged_rows_have_curvature_in_their_class(container):
    problem = make(3, container=container)
    theta = null_point(problem)
    theta[0, -1] -= 30  # and the class is without curvature
    block = loss_blocks(problem, theta, Frame(problem))[0]
    share = problem.class_mass()[0] / problem.total_weight
    assert share / 70 < block[-1, -1] < share / 60


def test_two_classes_need_no_better_than_kronecker():
    """One direction among the classes: the product is the Hessian itself."""
    problem = make(2)
    theta = null_point(problem)  # where every row's curvature is the same
    coordinates, _ = build(problem, theta, Frame(problem), ["kronecker"])
    H = transformed_hessian(problem, theta, coordinates)
    np.testing.assert_allclose(H, np.eye(len(H)), atol=1e-8)


@pytest.mark.parametrize("kind", BUILDERS)
def test_units_of_the_features_do_not_matter(kind):
    """The same steps, whatever the units: T^T H T does not change."""
    expected = None
    for scales in ([1, 1, 1, 1], [1e200, 1, 1e-200, 1e5]):
        problem = make(strength=0.0, scales=scales)
        theta = somewhere(problem)
        coordinates, built = build(problem, theta, Frame(problem), [kind])
        assert built == kind
        H = transformed_hessian(problem, theta, coordinates)
        expected = H if expected is None else expected
        np.testing.assert_allclose(np.abs(H), np.abs(expected), atol=1e-7)


def test_frame_centres_and_scales(fit_intercept, container):
    problem = make(fit_intercept=fit_intercept, container=container)
    Z = Frame(problem)(problem.rows.X)
    np.testing.assert_allclose(np.abs(Z).max(axis=0), 1)
    if fit_intercept:
        np.testing.assert_allclose(problem.weight @ Z, 0, atol=1e-10)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e200, -1e-200])
def test_frame_of_a_constant_column_is_exactly_zero(constant):
    problem = make()
    X = problem.rows.X.copy()
    X[:, 1] = constant
    problem.rows = Rows(X, 3)
    assert not Frame(problem)(X)[:, 1].any()


def test_class_directions_are_orthonormal_and_sum_to_zero(n_classes):
    Q = class_directions(make(n_classes))
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-14)
    if n_classes > 2:
        assert Q.shape == (n_classes, n_classes - 1)
        np.testing.assert_allclose(Q.sum(axis=0), 0, atol=1e-14)


def test_preference_leaves_out_what_does_not_fit(monkeypatch):
    assert set(preference(make())) == set(BUILDERS)
    monkeypatch.setattr(_cost, "MAX_BYTES", 8 * D * D * 2)
    assert set(preference(make())) == {"kronecker", "diagonal"}
    monkeypatch.setattr(_cost, "MAX_BYTES", 8)
    assert preference(make()) == ["diagonal"]


def test_preference_turns_from_dear_to_cheap_as_the_features_grow():
    def first(d, n_classes):
        problem = make(n_classes)
        problem.rows = Rows(np.zeros((2000, d)), n_classes)
        problem.shape = (n_classes, d + 1)
        problem.pass_flops = 8 * n_classes * 2000 * d
        return preference(problem)[0]

    assert first(4, 3) == "hessian"
    assert first(20_000, 3) == "diagonal"


@pytest.mark.parametrize("error", [LinAlgError, np.linalg.LinAlgError])
def test_build_goes_on_to_the_next_kind(monkeypatch, error):
    def fails(problem, theta, frame):
        raise error("not positive definite")

    monkeypatch.setitem(BUILDERS, "hessian", fails)
    problem = make()
    theta, frame = null_point(problem), Frame(problem)
    assert build(problem, theta, frame, ["hessian", "diagonal"])[1] == "diagonal"
    assert build(problem, theta, frame, ["hessian"])[1] == "none"


def test_build_takes_no_coordinates_that_are_not_finite(monkeypatch):
    def infinite(problem, theta, frame):
        coordinates = _coordinates.build_diagonal(problem, theta, frame)
        coordinates.scale[0, 0] = np.inf
        return coordinates

    monkeypatch.setitem(BUILDERS, "hessian", infinite)
    problem = make()
    kinds = ["hessian", "kronecker"]
    assert build(problem, null_point(problem), Frame(problem), kinds)[1] == "kronecker"


def test_fit_reaches_the_optimum_when_every_builder_fails(monkeypatch):
    def fails(problem, theta, frame):
        raise LinAlgError("not positive definite")

    expected = solve(make(strength=1e-2), tol=1e-12, max_iter=1000)
    assert expected.converged
    for kind in BUILDERS:
        monkeypatch.setitem(BUILDERS, kind, fails)
    result = solve(make(strength=1e-2), tol=1e-9, max_iter=5000)
    assert result.converged
    assert result.value == pytest.approx(expected.value, rel=1e-8)


@pytest.mark.parametrize("kind", BUILDERS)
def test_coordinates_take_another_penalty(kind, n_classes, container):
    """As good as if they had been built with it."""
    problem = make(n_classes, container=container, strength=1e-1)
    other = make(n_classes, container=container, strength=1e-4)
    theta = somewhere(problem)
    built = BUILDERS[kind](problem, theta, Frame(problem))
    moved = built.with_penalty(other)
    diagonal = np.diag(transformed_hessian(other, theta, moved))
    expected = 1
    if kind == "blocks":  # whose diagonal is not 1
        afresh = BUILDERS[kind](other, theta, Frame(other))
        expected = np.diag(transformed_hessian(other, theta, afresh))
    np.testing.assert_allclose(diagonal, expected, rtol=1e-5)
    assert not np.allclose(np.diag(transformed_hessian(other, theta, built)), 1)
    if kind == "hessian":
        H = transformed_hessian(other, theta, moved)
        np.testing.assert_allclose(H, np.eye(len(H)), atol=1e-5)


def test_about_the_same_penalty_takes_the_same_factor(n_classes):
    problem = make(n_classes, strength=1e-2)
    coordinates = BUILDERS["hessian"](problem, null_point(problem), Frame(problem))
    near, far = (make(n_classes, strength=strength) for strength in (6e-3, 4e-3))
    assert coordinates.with_penalty(near) is coordinates
    assert coordinates.with_penalty(far) is not coordinates


def test_curvature_that_rounding_left_below_zero_stays_still():
    root = _inverse_roots.inverse_root(np.array([-1e-20, 0.0, 4.0]))
    np.testing.assert_array_equal(root, [0, 0, 0.5])


@pytest.mark.parametrize("collinear", [False, True])
def test_a_hessian_has_its_root_as_a_matrix(collinear, n_classes, fit_intercept):
    problem = make(n_classes, fit_intercept=fit_intercept, strength=0)
    if collinear:
        X = np.column_stack([problem.rows.X, problem.rows.X @ [1, 1e-3, 1e3, 0]])
        problem = make_problem(X, problem.target, C=np.inf, fit_intercept=fit_intercept)
    theta = somewhere(problem)
    coordinates = BUILDERS["hessian"](problem, theta, Frame(problem))
    kind = _inverse_roots.SpectralRoot if collinear else _inverse_roots.CholeskyRoot
    assert isinstance(coordinates.roots[0], kind)
    T, Q = coordinates.matrix(), coordinates.Q
    steps = np.array([coordinates.step(u) for u in np.eye(coordinates.size)])
    expected = np.einsum("kq,qjs->skj", Q, T)
    assert_allclose(steps, expected, rtol=1e-10, atol=1e-10 * abs(expected).max())


@pytest.mark.parametrize("sums", [loss_hessian, loss_blocks])
@pytest.mark.parametrize("parts", [1, 2], ids=["canonical", "in parts"])
@pytest.mark.parametrize("most", [50, 5], ids=["a few rows", "less than a row"])
def test_pairs_make_the_moments_of_dense_rows(
    monkeypatch, n_classes, fit_intercept, sums, parts, most
):
    dense = make(n_classes, fit_intercept=fit_intercept)
    theta, frame = somewhere(dense), Frame(dense)
    X = sparse.csr_array(dense.rows.X)
    if parts == 2:  # every entry twice, half of it each, in no order
        rows, columns = X.nonzero()
        twice = np.tile(rows, 2), np.tile(columns, 2)
        order = np.argsort(twice[0], kind="stable")
        X = type(X)(
            (np.tile(X.data / 2, 2)[order], twice[1][order], 2 * X.indptr), X.shape
        )
    monkeypatch.setattr(_pairs, "MAX_PAIRS", most)  # at a time
    monkeypatch.setattr(_curvature, "pairs_pay", lambda p, kind: p.rows.is_sparse)
    few = dense.replaced(rows=Rows(X, dense.shape[0]))
    args = (class_directions(dense),) if sums is loss_hessian else ()
    expected, found = (sums(problem, theta, frame, *args) for problem in (dense, few))
    assert_allclose(found, expected, atol=1e-12 * abs(expected).max())


def test_pairs_pay_where_rows_have_few_entries():
    rng = np.random.default_rng(0)
    for density, pay in (0.02, True), (1.0, False):
        X = sparse.random(2000, 200, density, "csr", random_state=rng)
        problem = make_problem(X, np.arange(2000) % 5)
        assert pairs_pay(problem, "blocks") == pay
        assert pairs_pay(problem, "hessian") == pay
        assert not pairs_pay(make_problem(X.toarray(), np.arange(2000) % 5), "blocks")
