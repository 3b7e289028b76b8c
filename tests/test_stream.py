"""partial_fit: rows that pass by once."""

import copy
import pickle

import numpy as np
import pytest
from conftest import make_problem, objective
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import learning_curve
from threadpoolctl import threadpool_limits

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, _stream
from sk_softmax._expansion import (
    Continued,
    Expansion,
    HessianCurvature,
    KroneckerCurvature,
)
from sk_softmax._frame import Frame
from sk_softmax._intercepts import with_intercepts
from sk_softmax.inference import marginal_effects


@pytest.fixture
def no_room(monkeypatch):
    """Rows are let go as soon as they are more than the Hessian."""
    monkeypatch.setattr(_stream, "LEAST_CAPACITY", 0)


@pytest.fixture(scope="module")
def noisy():
    """Raw features: far from zero, correlated, in units six decades apart."""
    rng = np.random.default_rng(0)
    n, d, n_classes = 4000, 6, 5
    Z = rng.normal(size=(n, d)) + rng.normal(size=(n, 1))
    logits = 1.5 * Z @ rng.normal(size=(d, n_classes))
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    X = Z * 10.0 ** np.arange(-3, 3) + 2013
    X.flags.writeable = y.flags.writeable = False
    return X, y


def stream(X, y, size, classifier=None, **options):
    """A pass over X in batches of so many rows."""
    classifier = SoftmaxClassifier(**options) if classifier is None else classifier
    for start in range(0, X.shape[0], size):
        part = slice(start, start + size)
        classes = np.unique(y) if classifier.classes is None else None
        classifier.partial_fit(X[part], y[part], classes)
    return classifier


def excess(classifier, X, y):
    """Log-loss above that of `fit`, relative to it."""
    labels = np.unique(y)
    fitted = clone(classifier).fit(X, y)
    best = log_loss(y, fitted.predict_proba(X), labels=labels)
    return log_loss(y, classifier.predict_proba(X), labels=labels) / best - 1


def has_let_go(classifier):
    return classifier._stream.past is not None


# What comes out


@pytest.mark.parametrize("name", ["iris", "digits", "breast_cancer"])
def test_one_batch_is_fit(load, name):
    X, y = load(name)
    found = SoftmaxClassifier().partial_fit(X, y, np.unique(y))
    expected = SoftmaxClassifier().fit(X, y)
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    np.testing.assert_array_equal(found.intercept_, expected.intercept_)
    assert found.converged_


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_a_pass_in_batches_comes_near_fit(noisy, no_room, size):
    X, y = (array[:1000] for array in noisy) if size == 1 else noisy
    classifier = stream(X, y, size)
    assert has_let_go(classifier)
    assert abs(excess(classifier, X, y)) < 0.01


def test_a_pass_over_two_classes(load, no_room):
    X, y = load("breast_cancer")
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    classifier = stream(X, y, 20, C=0.01)
    assert classifier.coef_.shape == (1, 30)
    assert has_let_go(classifier)
    assert abs(excess(classifier, X, y)) < 0.05


@pytest.mark.parametrize("solver", ["kronecker", "diagonal"])
def test_a_pass_with_another_solver(noisy, no_room, solver):
    X, y = noisy
    classifier = stream(X, y, 200, solver=solver)
    assert has_let_go(classifier)
    kronecker = isinstance(classifier._stream.seen.curvature, KroneckerCurvature)
    assert kronecker == (solver == "kronecker")
    assert abs(excess(classifier, X, y)) < 0.01


def test_many_parameters_are_kept_as_a_kronecker_product(load):
    X, y = load("digits")
    X = np.column_stack([X, X[:, :56] ** 2])
    classifier = stream(X, y, 300)
    assert isinstance(classifier._stream.seen.curvature, KroneckerCurvature)


@pytest.mark.parametrize("name", ["satellite", "income"])
def test_a_pass_over_real_data(load, name):
    X, y = load(name)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = np.asarray(X, dtype=np.float64)[order], y[order]
    classifier = stream(X, y, 200)
    assert has_let_go(classifier)
    assert excess(classifier, X, y) < 0.01


def test_all_rows_kept_are_fitted_to_the_last_revisit(noisy):
    """While nothing is let go, a revisit is a fit of all rows seen."""
    X, y = noisy
    classifier = SoftmaxClassifier(tol=1e-10, classes=range(5))
    for part in (slice(0, 1000), slice(1000, 2000), slice(2000, 4000)):
        classifier.partial_fit(X[part], y[part])
    assert not has_let_go(classifier)
    expected = SoftmaxClassifier(tol=1e-10).fit(X, y)
    np.testing.assert_allclose(classifier.coef_, expected.coef_, rtol=1e-3)


def test_the_penalty_is_that_of_all_rows_seen(noisy, no_room):
    X, y = noisy
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    factor = np.array([0.0, 1, 1, 1, 1, 100])
    classifier = stream(X, y, 250, C=1e-2, penalty_factor=factor)
    assert has_let_go(classifier)

    def value(model):
        W = model.coef_
        said = log_loss(y, model.predict_proba(X))
        return said + 0.5 / (1e-2 * len(y)) * np.sum(factor * W**2)

    best = value(clone(classifier).fit(X, y))
    assert value(classifier) < 1.005 * best
    # the penalty of one batch would not do
    assert value(clone(classifier).set_params(C=1e-2 / 16).fit(X, y)) > 1.05 * best


@pytest.mark.parametrize("started", [False, True])
def test_an_excluded_feature_is_refused(noisy, started):
    """Steps have no bounds that would hold it."""
    X, y = noisy
    classes = np.unique(y)
    classifier = SoftmaxClassifier()
    if started:
        classifier.partial_fit(X, y, classes=classes)
    before = vars(classifier).copy()
    classifier.set_params(penalty_factor=[1, 1, np.inf, 1, 1, 1])
    with pytest.raises(ValueError, match="penalty_factor is infinite"):
        classifier.partial_fit(X, y, classes=classes)
    assert vars(classifier).keys() == before.keys()


def test_the_order_of_batches_matters_little(noisy, no_room):
    X, y = noisy
    forward, backward = stream(X, y, 100), stream(X[::-1], y[::-1], 100)
    difference = forward.predict_proba(X) - backward.predict_proba(X)
    assert np.abs(difference).mean() < 0.01


def test_shape_of_batches_does_not_matter(noisy, no_room):
    """One row at a time, or unequal batches: the same but for the order of steps."""
    X, y = (array[:600] for array in noisy)
    single = stream(X, y, 1)
    unequal = SoftmaxClassifier()
    for part in (slice(0, 3), slice(3, 250), slice(250, 251), slice(251, 600)):
        unequal.partial_fit(X[part], y[part], range(5))
    difference = single.predict_proba(X) - unequal.predict_proba(X)
    assert np.abs(difference).mean() < 0.02


@pytest.mark.parametrize("solver", ["hessian", "kronecker"])
def test_without_intercept(noisy, no_room, solver):
    X, y = noisy
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    classifier = stream(X, y, 200, fit_intercept=False, solver=solver)
    assert has_let_go(classifier)
    np.testing.assert_array_equal(classifier.intercept_, 0)
    # these features have more in common than a Kronecker product of 7 rows can tell
    assert abs(excess(classifier, X, y)) < (0.01 if solver == "hessian" else 0.03)


@pytest.mark.parametrize("solver", ["hessian", "kronecker"])
def test_sparse_is_dense(noisy, no_room, solver):
    """Without a zero, so that rows are let go at the same time."""
    X, y = noisy
    dense = stream(X, y, 200, solver=solver)
    found = stream(sparse.csr_array(X), y, 200, solver=solver)
    assert has_let_go(found)
    np.testing.assert_allclose(
        found.predict_proba(X), dense.predict_proba(X), atol=1e-4
    )


@pytest.mark.parametrize("solver", ["hessian", "kronecker"])
def test_a_pass_over_sparse_rows(make_rows, no_room, solver):
    X, y, _ = make_rows(3000, 8, 4)
    X = sparse.csr_array(np.maximum(X - 0.5, 0))
    classifier = stream(X, y, 100, solver=solver)
    assert has_let_go(classifier)
    assert isinstance(classifier.coef_, np.ndarray)
    assert abs(excess(classifier, X, y)) < 0.01


def test_sparse_and_dense_batches_mix(noisy):
    X, y = noisy
    mixed = SoftmaxClassifier()
    mixed.partial_fit(X[:2000], y[:2000], range(5))
    mixed.partial_fit(sparse.csr_matrix(X[2000:]), y[2000:])
    np.testing.assert_allclose(
        mixed.predict_proba(X), stream(X, y, 2000).predict_proba(X), atol=1e-3
    )


def test_a_memory_map_in_parts(noisy, no_room, tmp_path):
    X, y = noisy
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    found = stream(mapped, y, 500)
    np.testing.assert_array_equal(found.coef_, stream(X, y, 500).coef_)
    # what is kept is in memory
    assert numbers(found) < 3000


@pytest.mark.parametrize("size", [10, 500])
def test_float32(load, no_room, size):
    X, y = load("iris")
    order = np.random.default_rng(0).permutation(150)
    X, y = X[order].astype(np.float32), y[order]
    classifier = stream(X, y, size)
    assert classifier.coef_.dtype == np.float32
    assert classifier.predict_proba(X).dtype == np.float32
    double = stream(X.astype(np.float64), y, size)
    np.testing.assert_allclose(
        classifier.predict_proba(X), double.predict_proba(X), atol=0.02
    )


def test_weights_are_repeats(noisy, no_room):
    X, y = noisy
    weight = np.random.default_rng(1).integers(1, 4, len(y))
    weighted, repeated = SoftmaxClassifier(), SoftmaxClassifier()
    for start in range(0, len(y), 200):
        part = slice(start, start + 200)
        weighted.partial_fit(X[part], y[part], range(5), weight[part])
        rows = np.repeat(np.arange(len(y))[part], weight[part])
        repeated.partial_fit(X[rows], y[rows], range(5))
    difference = weighted.predict_proba(X) - repeated.predict_proba(X)
    assert np.abs(difference).max() < 0.02  # rows are let go at different times
    plain = stream(X, y, 200).predict_proba(X)
    assert np.abs(weighted.predict_proba(X) - plain).max() > 0.02


def test_class_weight(noisy):
    X, y = noisy
    by_class = {0: 5.0, 3: 0.5}
    found = stream(X, y, 4000, class_weight=by_class)
    expected = SoftmaxClassifier(class_weight=by_class).fit(X, y)
    np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_soft_labels(noisy, no_room):
    X, y = noisy
    soft, hard = np.eye(5)[y], stream(X, y, 200)
    mixed = SoftmaxClassifier(classes=range(5))
    for start in range(0, len(y), 200):
        part = slice(start, start + 200)
        mixed.partial_fit(X[part], soft[part] if start % 400 else y[part])
    np.testing.assert_allclose(mixed.predict_proba(X), hard.predict_proba(X), atol=1e-4)


def test_labels_are_strings(load):
    X, y = load("iris")
    names = np.array(["setosa", "versicolor", "virginica"])
    classifier = SoftmaxClassifier()
    classifier.partial_fit(X[:50], names[y[:50]], names[::-1])  # one class only
    classifier.partial_fit(X[50:], names[y[50:]])
    np.testing.assert_array_equal(classifier.classes_, names)
    assert classifier.score(X, names[y]) > 0.95


def test_what_was_seen_is_counted(noisy, no_room):
    X, y = noisy
    state = stream(X, y, 300, class_weight={1: 2.0})._stream
    expected = np.bincount(y) * [1, 2, 1, 1, 1]
    np.testing.assert_allclose(state.mass, expected)
    assert state.weight == pytest.approx(expected.sum())


@pytest.mark.filterwarnings("ignore:SoftmaxClassifier stopped")
def test_a_start_that_says_less_than_none(load):
    """Coefficients of 20 rows are worse for the next 20 than class frequencies."""
    X, y = load("leaf")
    rows = np.random.default_rng(0).permutation(len(y))[:40]
    classifier = stream(X[rows], y[rows], 20, classes=np.unique(y))
    assert classifier.optimality_ < 1e-3


@pytest.mark.parametrize("size", [1, 50])
def test_a_class_that_comes_late(noisy, no_room, size):
    """What went before still says that it was not of this class."""
    X, y = noisy
    late = np.concatenate([np.flatnonzero(y != 2)[:500], np.flatnonzero(y == 2)[:3]])
    classifier = stream(X[late], y[late], size, classes=range(5))
    assert np.isfinite(classifier.coef_).all()
    proba = classifier.predict_proba(X[late])[:, 2]
    assert proba[:-3].mean() < 0.05


def test_the_same_bits_on_any_number_of_threads(load):
    X, y = load("digits")
    coefs = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            coefs.append(stream(X, y, 600).coef_)
    np.testing.assert_array_equal(*coefs)


def test_learning_curve(load):
    """scikit-learn's own stream."""
    X, y = load("iris")
    sizes, _, scores = learning_curve(
        SoftmaxClassifier(),
        X,
        y,
        exploit_incremental_learning=True,
        shuffle=True,
        random_state=0,
    )
    assert scores[-1].mean() > 0.9
    assert len(sizes) == 5


# The parts


@pytest.fixture(params=[2, 4], ids=["two", "four"])
def problem(request, make_rows):
    X, y, weight = make_rows(300, 3, request.param)
    return make_problem(X * [1, 1e-3, 1e3] + [0, 5, 1], y, weight=weight)


@pytest.fixture
def somewhere(problem):
    theta = np.random.default_rng(1).normal(size=problem.shape)
    theta[:, :-1] *= [1, 1e3, 1e-3]
    theta[:, -1] -= theta[:, :-1] @ [0, 5, 1]  # not saturated
    return theta - theta.mean(axis=0) if len(theta) > 1 else theta


def unpenalised(problem):
    free = make_problem(problem.rows.X, problem.target, C=1e300, weight=problem.weight)
    assert free.penalty.strength < 1e-300
    return free


def test_the_hessian_is_that_of_the_loss(problem, somewhere):
    problem = unpenalised(problem)
    curvature = HessianCurvature.of(problem, somewhere, Frame(problem))
    product = problem.hessian(somewhere)
    delta = np.random.default_rng(2).normal(size=problem.shape)
    delta -= delta.mean(axis=0) * (len(delta) > 1)
    expected = problem.total_weight * product(delta)
    np.testing.assert_allclose(curvature.product(delta), expected, rtol=1e-9)
    twice = (curvature + curvature).product(delta)
    np.testing.assert_allclose(twice, 2 * expected, rtol=1e-9)


def test_the_kronecker_product_is_exact_without_features(problem):
    """There all rows have the same probabilities."""
    problem = unpenalised(problem)
    null = with_intercepts(problem, 0.0)
    curvature = KroneckerCurvature.of(problem, null, Frame(problem))
    delta = np.random.default_rng(2).normal(size=problem.shape)
    delta -= delta.mean(axis=0) * (len(delta) > 1)
    expected = problem.total_weight * problem.hessian(null)(delta)
    np.testing.assert_allclose(curvature.product(delta), expected, rtol=1e-8)
    half = (curvature + curvature).product(delta) / 2
    np.testing.assert_allclose(half, expected, rtol=1e-8)


@pytest.mark.parametrize("kind", [HessianCurvature, KroneckerCurvature])
def test_coordinates_make_it_the_identity(problem, kind):
    problem = unpenalised(problem)
    null = with_intercepts(problem, 0.0)
    coordinates = kind.of(problem, null, Frame(problem)).coordinates(problem)
    product = problem.hessian(null)
    columns = [
        coordinates.gradient(product(coordinates.step(v)))
        for v in np.eye(coordinates.size)
    ]
    np.testing.assert_allclose(columns, np.eye(coordinates.size), atol=1e-5)


def test_continued_has_the_derivatives_of_its_value(problem, somewhere):
    frame = Frame(problem)
    curvature = HessianCurvature.of(problem, somewhere, frame)
    past = Expansion(somewhere, 3.0, 10 * somewhere[:, ::-1], curvature)
    whole = Continued(problem, past, 2 * problem.total_weight)
    rng = np.random.default_rng(3)
    direction = rng.normal(size=problem.shape) * [1, 1e3, 1e-3, 1]
    at = somewhere + 0.1 * direction
    value, gradient = whole.value_gradient(at)
    h = 1e-5
    up, gradient_up = whole.value_gradient(at + h * direction)
    down, gradient_down = whole.value_gradient(at - h * direction)
    slope = np.vdot(gradient, direction)
    assert (up - down) / (2 * h) == pytest.approx(slope, rel=1e-6)
    np.testing.assert_allclose(
        whole.hessian(at)(direction),
        (gradient_up - gradient_down) / (2 * h),
        rtol=1e-4,
        atol=1e-6 * np.abs(gradient).max(),
    )
    assert np.isfinite(value)


def test_rows_and_their_expansion_are_the_rows_twice(problem, somewhere):
    """Where the expansion was made; its value is that of the loss alone."""
    S = problem.total_weight
    value, gradient = unpenalised(problem).value_gradient(somewhere)
    curvature = HessianCurvature.of(problem, somewhere, Frame(problem))
    past = Expansion(somewhere, S * value, S * gradient, curvature)
    weight = np.concatenate([problem.weight, problem.weight])
    X = np.concatenate([problem.rows.X, problem.rows.X])
    target = np.concatenate([problem.target, problem.target])
    # C = 1 is a penalty of strength 1 / S
    expected = make_problem(X, target, C=0.5, weight=weight)
    found = Continued(problem, past, 2 * S)
    value, gradient = found.value_gradient(somewhere)
    twice, twice_gradient = expected.value_gradient(somewhere)
    # rows stand in the mean of S until the sum is said to be 2 S
    assert value == pytest.approx(twice, rel=1e-9)
    np.testing.assert_allclose(gradient, twice_gradient, rtol=1e-7, atol=1e-12)


# What is kept


def numbers(classifier):
    """How many numbers of 8 bytes its pickle takes."""
    return len(pickle.dumps(classifier)) / 8


def test_the_state_is_small(noisy, no_room):
    X, y = noisy
    hessian = (4 * 7) ** 2
    for size in (50, 500, 4000):
        classifier = stream(X, y, size)
        # past, all, coordinates; rows with targets and weights; objects
        assert numbers(classifier) < (3 + 1 + 2 / 6) * hessian + 1200


def test_the_state_of_a_kronecker_product_is_small(load, no_room):
    X, y = load("digits")
    classifier = stream(X, y, 100, solver="kronecker")
    product = 9**2 + 65**2
    assert has_let_go(classifier)
    # beside them theta and gradient, three times
    assert numbers(classifier) < (3 + 1 + 2 / 64) * product + 12 * 650 + 1200


@pytest.mark.parametrize(
    "store", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_a_copy_goes_on_by_itself(noisy, no_room, store):
    X, y = noisy
    classifier = stream(X[:2000], y[:2000], 100)
    other = store(classifier)
    before = classifier.coef_.copy()
    stream(X[2000:], y[2000:], 100, other)
    np.testing.assert_array_equal(classifier.coef_, before)
    np.testing.assert_array_equal(
        stream(X[2000:], y[2000:], 100, classifier).coef_, other.coef_
    )


def test_a_clone_starts_afresh(noisy):
    X, y = noisy
    classifier = stream(X, y, 1000)
    assert not hasattr(clone(classifier), "coef_")
    np.testing.assert_array_equal(
        stream(X, y, 1000, clone(classifier)).coef_, classifier.coef_
    )


def test_rows_are_not_the_callers(noisy):
    X, y = noisy
    buffer, labels = X[:500].copy(), y[:500].copy()
    classifier = SoftmaxClassifier(classes=range(5))
    for start in range(0, 4000, 500):
        buffer[:], labels[:] = X[start : start + 500], y[start : start + 500]
        classifier.partial_fit(buffer, labels)
    np.testing.assert_array_equal(classifier.coef_, stream(X, y, 500).coef_)


def test_fit_forgets_the_stream(noisy):
    X, y = noisy
    expected = SoftmaxClassifier().fit(X, y)
    classifier = stream(X[:500], y[:500], 100).fit(X, y)
    np.testing.assert_array_equal(classifier.coef_, expected.coef_)
    assert numbers(classifier) < numbers(expected) + 100
    # and the stream the fit, but for the labels; that is said
    with pytest.warns(UserWarning, match="forgets the coefficients of fit") as caught:
        classifier.partial_fit(X[:500], y[:500])
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(
        classifier.coef_,
        SoftmaxClassifier(classes=range(5)).fit(X[:500], y[:500]).coef_,
    )
    classifier.partial_fit(X[:500], y[:500])


def test_a_call_that_fails_leaves_the_stream(noisy, no_room, monkeypatch):
    X, y = noisy
    classifier = stream(X[:2000], y[:2000], 100)
    bad = X[2000:2100].copy()
    bad[50, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        classifier.partial_fit(bad, y[2000:2100])

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    for name in ("refine", "descend"):
        with monkeypatch.context() as patch:
            patch.setattr(_stream, name, interrupt)
            size = 10 if name == "refine" else 1500
            with pytest.raises(KeyboardInterrupt):
                classifier.partial_fit(X[2000 : 2000 + size], y[2000 : 2000 + size])
    np.testing.assert_array_equal(
        stream(X[2000:], y[2000:], 100, classifier).coef_, stream(X, y, 100).coef_
    )


def test_a_first_call_that_fails_leaves_nothing(load):
    X, y = load("iris")
    classifier = SoftmaxClassifier()
    with pytest.raises(ValueError, match="y holds labels"):
        classifier.partial_fit(X, y + 1, [0, 1, 2])
    assert vars(classifier).keys() == vars(SoftmaxClassifier()).keys()


# Bad input


def test_classes_are_needed_first(load):
    X, y = load("iris")
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        SoftmaxClassifier().partial_fit(X, y)
    SoftmaxClassifier(classes=[0, 1, 2]).partial_fit(X, y)


def test_classes_that_differ(load):
    X, y = load("iris")
    classifier = SoftmaxClassifier().partial_fit(X, y, [2, 1, 0])
    classifier.partial_fit(X, y, [1, 0, 2])
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] .* the first call"):
        classifier.partial_fit(X, y, [0, 1])
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] .* the constructor"):
        SoftmaxClassifier(classes=[0, 1, 2]).partial_fit(X, y, [0, 1])


def test_a_label_that_was_not_said(load):
    X, y = load("iris")
    classifier = SoftmaxClassifier().partial_fit(X, y, [0, 1, 2])
    with pytest.raises(ValueError, match=r"not in classes: \[7\]"):
        classifier.partial_fit(X[:1], [7])


def test_features_that_differ(load):
    pandas = pytest.importorskip("pandas")
    X, y = load("iris")
    classifier = SoftmaxClassifier().partial_fit(X, y, [0, 1, 2])
    with pytest.raises(ValueError, match="3 features"):
        classifier.partial_fit(X[:, :3], y)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    classifier = SoftmaxClassifier().partial_fit(frame, y, [0, 1, 2])
    with pytest.raises(ValueError, match="feature names"):
        classifier.partial_fit(frame.rename(columns={"a": "z"}), y)


def test_lengths_that_differ(load):
    X, y = load("iris")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SoftmaxClassifier().partial_fit(X, y[:-1], [0, 1, 2])


def test_dask_collections_are_for_fit(load):
    pytest.importorskip("distributed")
    array = pytest.importorskip("dask.array")
    X, y = load("iris")
    with pytest.raises(ValueError, match=r"X is a dask collection: pass it to fit"):
        SoftmaxClassifier().partial_fit(array.from_array(X), y, [0, 1, 2])
    with pytest.raises(ValueError, match=r"y is a dask collection, but X is not"):
        SoftmaxClassifier().partial_fit(X, array.from_array(y), [0, 1, 2])


@pytest.mark.parametrize(
    ("weight", "message"), [(-1.0, "must not be negative"), (0.0, "zero for every row")]
)
def test_bad_weights(load, weight, message):
    X, y = load("iris")
    with pytest.raises(ValueError, match=message):
        SoftmaxClassifier().partial_fit(X, y, [0, 1, 2], np.full(150, weight))


def test_a_batch_without_weight_changes_nothing(load):
    X, y = load("iris")
    classifier = SoftmaxClassifier().partial_fit(X, y, [0, 1, 2])
    before = classifier.__dict__.copy()
    assert classifier.partial_fit(X, y[::-1], None, np.zeros(150)) is classifier
    classifier.set_params(class_weight={0: 0.0})
    classifier.partial_fit(X[:50], y[:50])  # of class 0 all
    classifier.set_params(class_weight=None)
    assert classifier.__dict__ == before
    with pytest.raises(ValueError, match="are not in classes"):
        classifier.partial_fit(X, y + 1, None, np.zeros(150))


@pytest.mark.parametrize(
    "option",
    [
        {"C": np.inf},
        {"l1_ratio": 0.5},
        {"penalty_group": "class"},
        {"bounds": (0, np.inf)},
        {"coef_prior": np.zeros((3, 4))},
        {"class_weight": "balanced"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_that_a_stream_cannot_serve(option):
    classifier = SoftmaxClassifier(**option)
    assert not hasattr(classifier, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as error:
        classifier.partial_fit  # noqa: B018
    assert isinstance(error.value.__cause__, ValueError)
    assert next(iter(option)) in str(error.value.__cause__)


@pytest.mark.parametrize("option", [{"C": -1.0}, {"tol": -1.0}, {"fit_intercept": 2}])
def test_parameters_of_a_stream_are_checked(load, option):
    X, y = load("iris")
    (name,) = option
    with pytest.raises((TypeError, ValueError), match=name):
        SoftmaxClassifier(**option).partial_fit(X, y, [0, 1, 2])


def test_a_stream_forgets_the_weights_of_a_fit(load):
    """Its rows were observed once, for all that is known."""
    X, y = load("iris")
    classifier = SoftmaxClassifier().fit(X, y, np.where(y > 0, 1.0, 2.0))
    with pytest.raises(ValueError, match="by weights"):
        marginal_effects(classifier, X)
    with pytest.warns(UserWarning, match="forgets the coefficients of fit"):
        classifier.partial_fit(X, y)
    expected = marginal_effects(SoftmaxClassifier().partial_fit(X, y, [0, 1, 2]), X)
    found = marginal_effects(classifier, X)
    np.testing.assert_array_equal(found["se"], expected["se"])


def test_cross_validation_has_no_stream():
    assert hasattr(SoftmaxClassifier(), "partial_fit")
    assert not hasattr(SoftmaxClassifierCV(), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as error:
        SoftmaxClassifierCV().partial_fit  # noqa: B018
    assert "folds" in str(error.value.__cause__)


def test_too_few_passes_warn(load):
    X, y = load("digits")
    with pytest.warns(ConvergenceWarning, match="Raise max_iter") as record:
        SoftmaxClassifier(max_iter=3).partial_fit(X, y, range(10))
    assert record[0].filename == __file__


def test_the_objective_is_that_of_the_docstring(noisy, no_room):
    X, y = noisy
    classifier = stream(X, y, 100)
    best = SoftmaxClassifier().fit(X, y)
    found = objective(X, y, classifier.coef_, classifier.intercept_, 1.0)
    assert found < 1.01 * objective(X, y, best.coef_, best.intercept_, 1.0)


def test_intercepts_in_mid_stream_are_an_error(load):
    X, y = load("iris")
    stream = SoftmaxClassifier(classes=[0, 1, 2]).partial_fit(X, y)
    stream.set_params(fit_intercept=False)
    with pytest.raises(ValueError, match="fit_intercept=False"):
        stream.partial_fit(X, y)


@pytest.mark.parametrize("said", ["once", "each time", "by the constructor"])
def test_columns_of_soft_labels_stay_in_the_order_of_classes(load, said):
    X, y = load("iris")
    order = [2, 0, 1]
    Y, labels = np.eye(3)[y][:, order], {} if said[0] == "b" else {"classes": order}
    streams = [
        SoftmaxClassifier(classes=order if said[0] == "b" else None) for _ in range(2)
    ]
    for start in (0, 1, 2):
        part = slice(start, None, 3)
        streams[0].partial_fit(X[part], y[part], **labels)
        streams[1].partial_fit(X[part], Y[part], **labels)
        labels = {} if said == "once" else labels
    np.testing.assert_allclose(streams[1].coef_, streams[0].coef_, atol=1e-5)
    expected = SoftmaxClassifier().fit(X, y).score(X, np.eye(3)[y])
    assert streams[1].score(X, Y) == pytest.approx(expected, abs=0.05)


def test_a_step_of_a_stream_that_does_not_converge_is_a_revisit(load, monkeypatch):
    X, y = load("iris")
    order = np.random.default_rng(0).permutation(150)
    X, y = X[order], y[order]
    monkeypatch.setattr("sk_softmax._stream.STEP_PASSES", 1)
    stream = SoftmaxClassifier()
    stream.partial_fit(X[:140], y[:140], classes=[0, 1, 2])
    stream.partial_fit(X[140:], y[140:])
    whole = SoftmaxClassifier().fit(X, y)
    assert stream.converged_
    np.testing.assert_allclose(
        stream.predict_proba(X), whole.predict_proba(X), atol=1e-3
    )


@pytest.mark.parametrize("solver", ["auto", "hessian"])
def test_too_many_features_for_a_stream(solver):
    """Refused at the first batch, not by the system at the second."""
    X = sparse.random(20, 2**18, 1e-4, "csr", random_state=0)
    stream = SoftmaxClassifier(classes=[0, 1, 2], solver=solver)
    with pytest.raises(ValueError, match=r"262144 features: partial_fit .* GB each"):
        stream.partial_fit(X, np.arange(20) % 3)
    assert not hasattr(stream, "coef_")


def test_small_batches_of_float32_far_from_zero():
    """Whose steps' rounding would add up, to a log-loss of 8."""
    rng = np.random.default_rng(1)
    X = np.c_[rng.normal(size=(400, 4)), np.full(400, 1e8)].astype(np.float32)
    y = (X[:, 0] + rng.logistic(size=400) > 0).astype(int)
    stream = SoftmaxClassifier(classes=[0, 1])
    for start in range(0, 400, 2):
        stream.partial_fit(X[start : start + 2], y[start : start + 2])
    assert stream.coef_.dtype == np.float32
    whole = log_loss(y, SoftmaxClassifier().fit(X, y).predict_proba(X))
    assert log_loss(y, stream.predict_proba(X)) < 1.001 * whole


def test_penalty_factors_differ_by_class_from_the_first_call_on(load):
    X, y = load("iris")
    stream = SoftmaxClassifier(classes=[0, 1, 2]).partial_fit(X, y)
    coef = stream.set_params(penalty_factor=[1, 2, 3, 4]).partial_fit(X, y).coef_
    stream.set_params(penalty_factor=np.ones((3, 4)) * [[1], [2], [3]])
    with pytest.raises(ValueError, match="penalty_factor differs by class"):
        stream.partial_fit(X, y)
    assert stream.coef_ is coef
