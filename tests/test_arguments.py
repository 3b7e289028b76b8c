"""From arguments to arrays, and the errors that name them."""

from contextlib import nullcontext

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, _labels, softmax_path
from sk_softmax import _arguments as arguments
from sk_softmax import _coef_options as coef_options

INF = np.inf
NAMES = np.array(["a", "b", "c", "d"])
SHAPE = (3, 4)
LABELS = np.array(["x", "y", "z"])


# What comes out


@pytest.mark.parametrize(
    "value, expected",
    [
        (2.0, 2.0),
        ([1, 2, 3, 4], [[1, 2, 3, 4]]),
        (np.arange(12).reshape(3, 4), np.arange(12).reshape(3, 4)),
        ({"b": 5.0}, [[1, 5, 1, 1]]),
        ({"b": [5, 6, 7]}, [[1, 5, 1, 1], [1, 6, 1, 1], [1, 7, 1, 1]]),
        ({"b": [5, 6, 7], "d": 2}, [[1, 5, 1, 2], [1, 6, 1, 2], [1, 7, 1, 2]]),
        ({}, 1.0),
    ],
)
def test_penalty_factors(value, expected):
    found = coef_options.penalty_factors(value, SHAPE, NAMES, LABELS, grouped=False)
    np.testing.assert_array_equal(
        np.broadcast_to(found, SHAPE), np.broadcast_to(expected, SHAPE)
    )


@pytest.mark.parametrize(
    "value, shape",
    [
        (np.full(SHAPE, 3.0), (1, 1)),
        (np.full(4, np.inf), (1,)),
        (np.tile([[1.0], [2.0], [3.0]], (1, 4)), (3, 1)),
        (np.tile([1.0, 2.0, 3.0, 4.0], (3, 1)), (1, 4)),
        (np.arange(12.0).reshape(SHAPE), SHAPE),
    ],
)
def test_equal_penalty_factors_are_one(value, shape):
    found = coef_options.penalty_factors(value, SHAPE, NAMES, LABELS, grouped=False)
    assert found.shape == shape
    np.testing.assert_array_equal(
        np.broadcast_to(found, SHAPE), np.zeros(SHAPE) + value
    )


def test_no_penalty_factors():
    assert coef_options.penalty_factors(None, SHAPE, None, LABELS, grouped=False) == 1.0


def test_penalty_factors_of_groups_are_by_feature():
    by_class = np.tile([1.0, 2, 3, 4], (3, 1))
    found = coef_options.penalty_factors(by_class, SHAPE, None, LABELS, grouped=True)
    np.testing.assert_array_equal(found, [[1, 2, 3, 4]])


@pytest.mark.parametrize(
    "value, lower, upper",
    [
        ((-1, 2), -1, 2),
        ([0, INF], 0, INF),
        ((np.arange(4), 9), np.arange(4), 9),
        ((-np.ones((3, 4)), np.arange(4)), -1, np.arange(4)),
        ({"b": (0, 1)}, [-INF, 0, -INF, -INF], [INF, 1, INF, INF]),
        (
            {"b": ([0, 1, 2], 3)},
            [[-INF, k, -INF, -INF] for k in range(3)],
            [INF, 3, INF, INF],
        ),
        ((1, 1), 1, 1),
    ],
)
def test_bounds(value, lower, upper):
    found = coef_options.bounds(value, SHAPE, NAMES, LABELS)
    for array, expected in zip(found, (lower, upper), strict=True):
        np.testing.assert_array_equal(
            np.broadcast_to(array, SHAPE), np.broadcast_to(expected, SHAPE)
        )


def test_bounds_of_tuples_are_one_pair():
    """They are refused only as a list of pairs, of which each is of one variable."""
    lower, upper = coef_options.bounds(
        [(0, 1, 2, 3), (4, 5, 6, 7)], SHAPE, None, LABELS
    )
    np.testing.assert_array_equal(lower, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(upper, [[4, 5, 6, 7]])
    lower, upper = coef_options.bounds(((0, 1), (2, 3)), (3, 2), None, LABELS)
    np.testing.assert_array_equal(lower, [[0, 1]])
    np.testing.assert_array_equal(upper, [[2, 3]])


def test_soft_labels_become_distributions_and_masses():
    Y = np.array([[1.0, 3.0], [0.0, 0.5]])
    classes, target, mass = arguments.targets(Y, None, np.float64)
    np.testing.assert_array_equal(classes, [0, 1])
    np.testing.assert_array_equal(target, [[0.25, 0.75], [0, 1]])
    np.testing.assert_array_equal(mass, [4, 0.5])
    np.testing.assert_array_equal(Y, [[1, 3], [0, 0.5]])  # not written to


def test_columns_of_a_frame_name_the_classes():
    pandas = pytest.importorskip("pandas")
    Y = pandas.DataFrame({"no": [1, 0], "maybe": [2, 0], "yes": [1, 1]})
    classes, target, _ = arguments.targets(Y, None, np.float64)
    np.testing.assert_array_equal(classes, ["maybe", "no", "yes"])
    np.testing.assert_array_equal(target, [[0.5, 0.25, 0.25], [0, 0, 1]])


def test_classes_name_the_columns_of_an_array():
    Y = np.array([[1.0, 3.0, 0.0]])
    classes, target, _ = arguments.targets(Y, ["z", "x", "y"], np.float64)
    np.testing.assert_array_equal(classes, ["x", "y", "z"])
    np.testing.assert_array_equal(target, [[0.75, 0, 0.25]])


def test_classes_that_contradict_the_columns_of_a_frame():
    pandas = pytest.importorskip("pandas")
    Y = pandas.DataFrame({"a": [1.0, 0.0], "b": [0.0, 1.0]})
    classes, target, _ = arguments.targets(Y, ["b", "a"], np.float64)
    np.testing.assert_array_equal(classes, ["a", "b"])
    np.testing.assert_array_equal(target, Y)
    with pytest.raises(ValueError, match="classes"):
        arguments.targets(Y, ["a", "c"], np.float64)


def test_labels_of_a_list_stay_strings():
    X, y = load_iris(return_X_y=True)
    clf = SoftmaxClassifier(classes=["a", "b", "c"]).fit(X, np.array(list("abc"))[y])
    assert clf.classes_.dtype.kind == "U"


def test_full_label_set_may_be_in_any_order():
    classes, codes, _ = arguments.targets(["b", "d", "b"], ["d", "c", "b"], None)
    np.testing.assert_array_equal(classes, ["b", "c", "d"])
    np.testing.assert_array_equal(codes, [0, 2, 0])


@pytest.mark.parametrize("class_weight", [{0: 2.0, 1: 0.5, 2: 1.0}, "balanced"])
def test_class_weights_of_soft_labels_are_those_of_parted_rows(class_weight):
    """A soft row is one row for each class, with the class's share as its weight."""
    rng = np.random.default_rng(0)
    Y = rng.dirichlet(np.ones(3), 5) * rng.uniform(1, 3, (5, 1))
    classes, target, mass = arguments.targets(Y, None, np.float64)
    weight = arguments.row_weights(None, class_weight, classes, target, mass, float)
    codes = np.tile(np.arange(3), 5)
    parted = arguments.row_weights(
        Y.ravel(), class_weight, classes, codes, None, np.float64
    )
    np.testing.assert_allclose(weight[:, None] * target, parted.reshape(5, 3))


# Errors through the estimator; each names its argument

FITS = {
    "penalty_factor": [
        (-1.0, "penalty_factor"),
        (np.nan, "penalty_factor"),
        ([1, 1, np.nan, 1], "penalty_factor"),
        ([1, -1, 1, 1], "penalty_factor"),
        ([1, 1, 1], r"penalty_factor has shape \(3,\)"),
        (np.ones((2, 4)), r"penalty_factor has shape \(2, 4\)"),
        ({"a": 1.0}, "penalty_factor is a dict by feature name"),
        ("many", "penalty_factor must be numbers"),
        (10**400, "penalty_factor must be numbers"),
    ],
    "bounds": [
        (1.0, "bounds must be a pair"),
        ((0.0,), "bounds must be a pair"),
        ([(0, 1), (0, 1)], "bounds is a list of tuples.* one pair"),
        ([], "bounds must be a pair"),
        ((0.0, 1.0, 2.0), "bounds must be a pair"),
        ((np.nan, 1.0), "bounds holds NaN"),
        ((0.0, [1, 1, 1, np.nan]), "bounds holds NaN"),
        (([0, np.nan, 0, 0], 1.0), "bounds holds NaN"),
        ((0.0, None), "bounds holds NaN or None; use -np.inf and np.inf"),
        ((1.0, 0.0), "bounds leave nothing for feature"),
        (([0, 0, 2, 0], 1.0), "bounds leave nothing for feature.*2.*lower 2"),
        ((INF, INF), "bounds leave nothing"),
        ((-INF, -INF), "bounds leave nothing"),
        (([0, 0], 1.0), r"bounds has shape \(2,\)"),
        ({"a": (0, 1)}, "bounds is a dict by feature name"),
    ],
    "coef_prior": [
        (np.ones((2, 4)), r"coef_prior has shape \(2, 4\)"),
        (np.ones((3, 5)), r"coef_prior has shape \(3, 5\)"),
        (np.full((3, 4), np.nan), "coef_prior contains NaN"),
        (np.full((3, 4), INF), "coef_prior contains infinity"),
        (np.ones(4), "coef_prior"),
        (1.0, "coef_prior"),
        ("a", "coef_prior"),
        ([[10**400] * 4] * 3, "coef_prior"),
    ],
    "classes": [
        ([0, 1], r"labels that are not in classes: \[2\]"),
        (["0", "1", "2"], r"One holds text and the other numbers: classes=\['0'"),
        ([0, 1, 2, 2], "classes must be a list of at least two labels, each once"),
        ([[0, 1, 2]], "classes must be a list of at least two labels, each once"),
        (3, "classes must be a list of at least two labels, each once"),
        ([0], "classes must be a list of at least two labels"),
        ([], "classes must be a list of at least two labels"),
        ([0, 1, 2, "3"], "classes holds labels of types"),
    ],
    "C": [(10**400, "C is NaN, or too large"), (np.nan, "C is NaN")],
    "tol": [(10**400, "tol is NaN, or too large")],
    "class_weight": [({0: "a"}, "class_weight"), ("even", "class_weight")],
    "penalty_group": [("feature", "penalty_group"), (True, "penalty_group")],
}


@pytest.fixture
def iris(load):
    return load("iris")


@pytest.mark.parametrize(
    "name, value, message",
    [(name, *case) for name, cases in FITS.items() for case in cases],
)
def test_bad_parameters_are_named_and_leave_no_trace(iris, name, value, message):
    X, y = iris
    classifier = SoftmaxClassifier().fit(X[:, :3], y > 0)
    classifier.set_params(**{name: value})
    before = dict(vars(classifier))
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, y)
    assert list(vars(classifier)) == list(before)
    assert all(vars(classifier)[key] is before[key] for key in before)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_parameters_may_be_numpys_numbers(iris, dtype):
    """Warnings are errors here, such as of limits that their dtypes have not got."""
    numbers = {"C": 2.0, "l1_ratio": 0.5, "tol": 2**-12}
    one = SoftmaxClassifier(**{name: dtype(n) for name, n in numbers.items()})
    one.set_params(max_iter=np.int8(100))
    same = SoftmaxClassifier(**numbers)
    np.testing.assert_array_equal(one.fit(*iris).coef_, same.fit(*iris).coef_)


def test_unknown_features_of_dicts_are_named(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X, columns=NAMES)
    for parameters in (
        {"penalty_factor": {"a": 0, "length": 2}},
        {"bounds": {"a": (0, 1), "length": (0, 1)}},
    ):
        (name,) = parameters
        message = rf"{name} names features that X does not have: \['length'\]"
        with pytest.raises(ValueError, match=message):
            SoftmaxClassifier(**parameters).fit(frame, y)
    with pytest.raises(ValueError, match="bounds leave nothing for feature 'b'"):
        SoftmaxClassifier(bounds={"b": (1, 0)}).fit(frame, y)
    with pytest.raises(ValueError, match="bounds must be a pair"):
        SoftmaxClassifier(bounds={"b": 1.0}).fit(frame, y)


@pytest.mark.parametrize("entry", [[1, 2], "much"])
def test_entries_of_dicts_that_do_not_fit_are_named(iris, entry):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X, columns=NAMES)
    with pytest.raises(ValueError, match="penalty_factor"):
        SoftmaxClassifier(penalty_factor={"b": entry}).fit(frame, y)


@pytest.mark.parametrize("name", ["penalty_factor", "bounds", "coef_prior"])
def test_pandas_names_features_and_classes(name):
    """What it holds is taken by name, as a dict is, and not by position."""
    pandas = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    values = pandas.DataFrame(rng.uniform(size=(3, 4)), [0, 1, 2], X.columns)
    turned = values.iloc[[2, 0, 1], [3, 1, 0, 2]]
    forms = [values.to_numpy(), values, turned]
    if name == "bounds":
        forms = [(0.0, form) for form in forms]
    one, *others = (SoftmaxClassifier(**{name: form}).fit(X, y).coef_ for form in forms)
    for coef in others:
        np.testing.assert_array_equal(coef, one)
    bad = turned.rename(columns={X.columns[0]: "other"})
    with pytest.raises(ValueError, match=f"{name} has entries for .*other"):
        SoftmaxClassifier(**{name: (0, bad) if name == "bounds" else bad}).fit(X, y)
    with pytest.raises(ValueError, match=f"{name} has entries for .*X has no names"):
        bad = (0, turned) if name == "bounds" else turned
        SoftmaxClassifier(**{name: bad}).fit(X.to_numpy(), y)


def test_a_series_names_features():
    pandas = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    factor = pandas.Series({name: np.inf for name in X.columns[::-1]})
    factor.iloc[0] = 1.0
    coef = SoftmaxClassifier(penalty_factor=factor).fit(X, y).coef_
    np.testing.assert_array_equal(coef.any(axis=0), [False, False, False, True])


def test_a_series_of_as_many_features_as_classes_names_features():
    pandas = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    X = X.iloc[:, :3]
    factor = pandas.Series([np.inf, 1.0, 2.0], X.columns[::-1])
    found = SoftmaxClassifier(penalty_factor=factor).fit(X, y).coef_
    expected = SoftmaxClassifier(penalty_factor=[2.0, 1.0, np.inf]).fit(X, y).coef_
    np.testing.assert_array_equal(found, expected)


def test_the_row_of_two_classes_may_have_any_name():
    """Such as that of `coef_frame`, which is the second class."""
    pandas = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    prior = pandas.DataFrame([[1.0, 2.0, 3.0, 4.0]], ["other"], X.columns[::-1])
    y = np.where(y > 0, "other", "setosa")
    found = SoftmaxClassifier(coef_prior=prior).fit(X, y).coef_
    expected = SoftmaxClassifier(coef_prior=[[4.0, 3.0, 2.0, 1.0]]).fit(X, y).coef_
    np.testing.assert_array_equal(found, expected)


def test_bounds_that_exclude_what_a_factor_of_infinity_holds(iris):
    for options in (
        {"penalty_factor": [1, 1, 1, np.inf], "bounds": (0.5, 2.0)},
        {"penalty_factor": np.inf, "bounds": (2, 3), "coef_prior": np.ones((3, 4))},
    ):
        with pytest.raises(ValueError, match="penalty_factor is infinite where bounds"):
            SoftmaxClassifier(**options).fit(*iris)
    held = SoftmaxClassifier(penalty_factor=[1, 1, 1, np.inf], bounds=(0, 2.0))
    assert not held.fit(*iris).coef_[:, 3].any()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_offsets_whose_sum_overflows(iris, dtype, sign):
    X, y = iris[0].astype(dtype), iris[1]
    offset = np.zeros((len(y), 3), dtype)
    offset[0] = sign * np.finfo(dtype).max / 100
    with pytest.raises(ValueError, match=r"offset holds numbers of size .* overflows"):
        SoftmaxClassifier().fit(X, y, offset=offset)
    with pytest.raises(ValueError, match="offset holds numbers of size"):
        SoftmaxClassifier().fit(X, y).predict(X, offset=offset)


@pytest.mark.parametrize("size", [1e200, 1e300])
def test_an_objective_that_overflows_is_an_error(iris, size):
    with pytest.raises(ValueError, match="bounds, coef_prior or X are too large"):
        SoftmaxClassifier(bounds=(size, 10 * size)).fit(*iris)


def test_infeasible_bounds_say_which_feature(iris):
    with pytest.raises(ValueError, match="for feature 2:"):
        SoftmaxClassifier(bounds=([0, 0, 2, 0], 1.0)).fit(*iris)


def test_factors_that_differ_within_a_group(iris):
    factor = np.ones((3, 4))
    factor[0, 1] = 2
    with pytest.raises(ValueError, match="penalty_factor must be the same for all"):
        SoftmaxClassifier(
            l1_ratio=1.0, penalty_group="class", penalty_factor=factor
        ).fit(*iris)


def test_prior_of_other_classes_or_features(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X, columns=NAMES)
    other = SoftmaxClassifier().fit(frame, y + 1)
    with pytest.raises(ValueError, match="coef_prior was fitted with other classes"):
        SoftmaxClassifier(coef_prior=other).fit(frame, y)
    two = SoftmaxClassifier().fit(X, y > 0)
    with pytest.raises(ValueError, match="coef_prior was fitted with other classes"):
        SoftmaxClassifier(coef_prior=two).fit(X, y)
    known = SoftmaxClassifier().fit(frame, y)
    renamed = frame.rename(columns={"a": "z"})
    with pytest.raises(ValueError, match="coef_prior was fitted with other features"):
        SoftmaxClassifier(coef_prior=known).fit(renamed, y)
    narrow = SoftmaxClassifier().fit(X[:, :3], y)
    with pytest.raises(ValueError, match="coef_prior has shape"):
        SoftmaxClassifier(coef_prior=narrow).fit(X, y)


def test_a_prior_without_names_is_one_in_the_same_order(iris):
    """Whether the fit has names, or the prior has, and the other has not."""
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X, columns=NAMES)
    for here, there in ((frame, X), (X, frame)):
        known = SoftmaxClassifier(C=0.1).fit(there, y)
        found = SoftmaxClassifier(coef_prior=known).fit(here, y)
        expected = SoftmaxClassifier(coef_prior=known.coef_).fit(here, y)
        np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_prior_of_classes_of_another_kind(iris):
    X, y = iris
    other = SoftmaxClassifier().fit(X, np.array(list("rst"))[y])
    with pytest.raises(ValueError, match="coef_prior was fitted with other classes"):
        SoftmaxClassifier(coef_prior=other).fit(X, y)


def test_prior_that_is_no_fitted_linear_classifier(iris):
    for estimator in (SoftmaxClassifier(), RandomForestClassifier()):
        with pytest.raises(ValueError, match=r"coef_prior is a .* that is not fitted"):
            SoftmaxClassifier(coef_prior=estimator).fit(*iris)
    forest = RandomForestClassifier(2, max_depth=1)
    for estimator in (forest, LinearRegression(), make_pipeline(SoftmaxClassifier())):
        with pytest.raises(
            ValueError, match=r"coef_prior is a .* no linear classifier"
        ):
            SoftmaxClassifier(coef_prior=estimator.fit(*iris)).fit(*iris)
    with pytest.raises(ValueError, match="coef_prior is the class Soft"):
        SoftmaxClassifier(coef_prior=SoftmaxClassifier).fit(*iris)


@pytest.mark.parametrize("labels", [[0, "a", 2], [b"c", "a", "b"], [(1,), "a", 2]])
def test_labels_of_several_types(iris, labels):
    """Which `np.unique` cannot sort."""
    X, codes = iris
    y = np.fromiter((labels[code] for code in codes), dtype=object)
    with pytest.raises(ValueError, match=r"y holds labels of types \['\w+', "):
        SoftmaxClassifier().fit(X, y)
    if labels[0] == 0:
        classes = np.array(labels, dtype=object)
        with pytest.raises(ValueError, match="classes holds labels of types"):
            SoftmaxClassifier(classes=classes).fit(X, codes)


@pytest.mark.parametrize("value", ["a", ["a"] * 150, {}, np.ones(150) + 1j], ids=str)
@pytest.mark.parametrize("name", ["sample_weight", "offset"])
def test_what_is_not_a_number_is_named(iris, name, value):
    with pytest.raises(ValueError, match=f"^{name}: "):
        SoftmaxClassifier().fit(*iris, **{name: value})


@pytest.mark.parametrize("name", ["Cs", "l1_ratios"])
def test_choices_that_are_not_numbers_are_named(iris, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        SoftmaxClassifierCV(**{name: ["a"]}).fit(*iris)


@pytest.mark.parametrize(
    "dtype, weight",
    [(np.float32, 1e37), (np.float32, 1e-44), (float, 1e307), (float, 1e-320)],
)
def test_weights_that_would_overflow(iris, dtype, weight):
    X, y = iris
    with pytest.raises(ValueError, match=r"sample_weight.*divide it by a constant"):
        SoftmaxClassifier().fit(X.astype(dtype), y, np.full(150, weight))


@pytest.mark.parametrize("dtype, weight", [(np.float32, 2.0**60), (float, 2.0**-600)])
def test_weights_of_any_other_size(iris, dtype, weight):
    """They are one with C."""
    X, y = iris
    X = X.astype(dtype)
    fit = SoftmaxClassifier(1 / weight).fit(X, y, np.full(150, weight))
    expected = SoftmaxClassifier().fit(X, y).coef_
    np.testing.assert_allclose(fit.coef_, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda Y: with_entry(Y, -0.1), "y has a negative entry in row 7"),
        (lambda Y: with_entry(Y, np.nan), "y contains NaN"),
        (lambda Y: with_entry(Y, INF), "y contains infinity"),
        (lambda Y: with_row(Y, 0.0), "y has no positive entry in row 7"),
        (lambda Y: Y[:-1], r"\[150, 149\]"),
    ],
)
def test_bad_soft_labels_name_the_row(iris, change, message):
    X, y = iris
    with pytest.raises(ValueError, match=message):
        SoftmaxClassifier().fit(X, change(np.eye(3)[y]))


def with_entry(array, value):
    changed = np.array(array, dtype=float)
    changed[7, 1] = value
    return changed


def with_row(array, value):
    changed = np.array(array, dtype=float)
    changed[7] = value
    return changed


def test_nan_in_soft_labels_names_the_row(iris):
    X, y = iris
    with pytest.raises(ValueError, match="row 7"):
        SoftmaxClassifier().fit(X, with_entry(np.eye(3)[y], np.nan))


def test_soft_labels_with_other_columns_than_classes(iris):
    X, y = iris
    with pytest.raises(ValueError, match="classes has 4 labels, but y has 3 columns"):
        SoftmaxClassifier(classes=list("abcd")).fit(X, np.eye(3)[y])


@pytest.mark.parametrize("shape", [(150, 1), (150,)])
def test_continuous_y_of_one_column(iris, shape):
    X, _ = iris
    y = np.linspace(0, 1, 150).reshape(shape)
    warns = pytest.warns(DataConversionWarning) if len(shape) > 1 else nullcontext()
    with warns, pytest.raises(ValueError, match="ontinuous"):
        SoftmaxClassifier().fit(X, y)


@pytest.mark.parametrize(
    "n_classes, shape",
    [(3, (150,)), (3, (150, 1)), (3, (150, 2)), (3, (149, 3)), (2, (150, 2))],
)
def test_offset_of_the_wrong_shape(iris, n_classes, shape):
    X, y = iris
    y = np.minimum(y, n_classes - 1)
    expected = SoftmaxClassifier().fit(X, y)
    with pytest.raises(ValueError, match=rf"offset has shape \({shape[0]},"):
        SoftmaxClassifier().fit(X, y, offset=np.zeros(shape))
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match="offset has shape"):
            getattr(expected, method)(X, offset=np.zeros(shape))


def test_offset_of_two_classes_may_be_a_frame_of_any_name(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris[0], iris[1] > 0
    offset = np.random.default_rng(0).normal(size=150)
    expected = SoftmaxClassifier().fit(X, y, offset=offset)
    frame = pandas.DataFrame({"exposure": offset})
    found = SoftmaxClassifier().fit(X, y, offset=frame)
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    np.testing.assert_array_equal(
        found.predict_proba(X, offset=frame), expected.predict_proba(X, offset=offset)
    )


@pytest.mark.parametrize("dtype", ["string", "object", "Int64"])
def test_missing_label_of_pandas(iris, dtype):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    labels = pandas.Series(y).astype(str if dtype == "object" else dtype)
    labels = labels.astype(dtype)
    labels[3] = pandas.NA
    with pytest.raises(ValueError, match="y contains NaN or missing values"):
        SoftmaxClassifier().fit(X, labels)


@pytest.mark.parametrize("labels", [int, str], ids=["ints", "strings"])
@pytest.mark.parametrize("value", ["None", "NaN", "NA", "NaT"])
@pytest.mark.parametrize("container", [list, "array", "polars"])
def test_missing_label(iris, labels, value, container):
    """It is said that it is missing, and no class is called None or nan."""
    X, y = iris
    y = [labels(label) for label in y]
    y[3] = {"None": None, "NaN": np.nan}.get(value)
    if value in ("NA", "NaT"):
        y[3] = getattr(pytest.importorskip("pandas"), value)
    if container == "array":
        y = np.array(y, dtype=object)
    if container == "polars":
        polars = pytest.importorskip("polars")
        y[3] = None
        y = polars.Series(y)
    with pytest.raises(ValueError, match="y contains NaN"):
        SoftmaxClassifier().fit(X, y)


@pytest.mark.parametrize("value", [None, np.nan])
def test_missing_label_among_classes(iris, value):
    with pytest.raises(ValueError, match="classes contains NaN or missing"):
        SoftmaxClassifier(classes=[0, 1, 2, value]).fit(*iris)


@pytest.mark.parametrize("soft", [False, True])
def test_sparse_labels(iris, soft):
    X, y = iris
    y = np.eye(3)[y] if soft else y[:, None]
    with pytest.raises(TypeError, match="Sparse data was passed for y"):
        SoftmaxClassifier().fit(X, csr_array(y))


@pytest.mark.parametrize("name", ["X", "y", "soft", "sample_weight", "offset"])
def test_masked_entries(iris, name):
    """NumPy and scikit-learn would read what is under the mask."""
    X, y = iris
    given = {"X": X, "y": y, "sample_weight": np.ones(150), "offset": np.zeros(X.shape)}
    given["offset"] = given["offset"][:, :3]
    if name == "soft":
        given["y"], name = np.eye(3)[y], "y"
    SoftmaxClassifier().fit(**given | {name: np.ma.masked_equal(given[name], 99)})
    given[name] = np.ma.masked_array(given[name])
    given[name][3] = np.ma.masked
    for fit in (SoftmaxClassifier().fit, SoftmaxClassifierCV().fit, softmax_path):
        with pytest.raises(ValueError, match=f"{name} has masked entries"):
            fit(**given)
    if name == "X":
        with pytest.raises(ValueError, match="X has masked entries"):
            SoftmaxClassifier().fit(X, y).predict(given["X"])


@pytest.mark.parametrize("value, message", [(np.nan, "NaN"), (INF, "infinity")])
def test_offset_that_is_not_finite(iris, value, message):
    X, y = iris
    offset = with_entry(np.zeros((150, 3)), value)
    with pytest.raises(ValueError, match=f"offset contains {message}"):
        SoftmaxClassifier().fit(X, y, offset=offset)
    with pytest.raises(ValueError, match=f"offset contains {message}"):
        SoftmaxClassifier().fit(X, y).predict(X, offset=offset)


def test_absent_class_needs_a_penalty(iris):
    X, y = iris
    with pytest.raises(ValueError, match=r"classes \[3\] are absent.*C=inf"):
        SoftmaxClassifier(C=INF, classes=[0, 1, 2, 3]).fit(X, y)


def test_soft_label_without_mass_needs_a_penalty(iris):
    X, y = iris
    with pytest.raises(ValueError, match=r"classes \[3\].*C=inf"):
        SoftmaxClassifier(C=INF).fit(X, np.eye(4)[y])


def test_factor_of_infinity_excludes_the_feature(iris):
    X, y = iris
    factor = [1, INF, 1, 1]
    for l1_ratio in (0.0, 1.0):
        parameters = {"l1_ratio": l1_ratio, "tol": 0}
        excluded = SoftmaxClassifier(penalty_factor=factor, **parameters).fit(X, y)
        assert (excluded.coef_[:, 1] == 0).all()
        without = SoftmaxClassifier(**parameters).fit(X[:, [0, 2, 3]], y)
        np.testing.assert_allclose(
            excluded.coef_[:, [0, 2, 3]], without.coef_, atol=1e-6
        )


def test_rows_without_weight_define_classes(iris):
    """As in LogisticRegression."""
    X, y = iris
    weight = np.where(y == 0, 0.0, 1.0)
    for model in (SoftmaxClassifier(), LogisticRegression(max_iter=10**4)):
        model.fit(X, y, weight)
        np.testing.assert_array_equal(model.classes_, [0, 1, 2])
        assert model.predict_proba(X[50:])[:, 0].max() < 1e-2
    with pytest.raises(ValueError, match=r"classes \[0\] .* have no weight"):
        SoftmaxClassifier(INF).fit(X, y, weight)


@pytest.mark.parametrize("dtype", ["bool", "boolean", "Int64", "int8", "Float64"])
def test_frames_and_series_of_any_dtype(iris, dtype):
    """What pandas makes of some of them is read-only."""
    pandas = pytest.importorskip("pandas")
    X, y = iris
    Y, weight = np.eye(3)[y], (np.arange(150) % 4 > 0).astype(float)
    model = SoftmaxClassifier(class_weight={0: 1, 1: 2, 2: 1})
    expected = model.fit(X, Y, weight).coef_
    frame, series = pandas.DataFrame(Y), pandas.Series(weight)
    found = model.fit(X, frame.astype(dtype), series.astype(dtype)).coef_
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i8", "u8"])
@pytest.mark.parametrize("where", ["lowest", "around zero", "highest", "apart"])
def test_labels_of_any_integers(dtype, where):
    limits = np.iinfo(dtype)
    labels = {
        "lowest": limits.min + np.array([0, 3, 4]),
        "around zero": np.array([0, 1, 7]) - (3 if limits.min else 0),
        "highest": [limits.max - 5, limits.max - 1, limits.max],
        "apart": [limits.min, 3, limits.max],
    }[where]
    labels = np.array(labels, dtype=dtype)
    codes = np.random.default_rng(0).integers(3, size=300)
    found, inverse = _labels.labels_of(labels[codes])
    assert found.dtype == labels.dtype
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(inverse, codes)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 1, 2], "datetime64[ns]"),
        ([0, 1, 2], "timedelta64[ns]"),
        (["x", "y", "x"], "category"),
        (["x", "y", "x"], object),
    ],
)
@pytest.mark.parametrize("method", ["fit", "predict"])
def test_columns_that_are_not_numbers_are_named(method, values, dtype):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"a": [0.0, 1, 2], "b": [1, 0, 1]})
    other = X.assign(b=pandas.Series(values).astype(dtype))
    clf = SoftmaxClassifier().fit(X, [0, 1, 1])
    args = (other, [0, 1, 1]) if method == "fit" else (other,)
    with pytest.raises(ValueError, match="X's column 'b' is of"):
        getattr(clf, method)(*args)


def test_a_fit_to_an_array_forgets_the_names_of_a_frame():
    pd = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(X, columns=list("abcd"))
    classifier = SoftmaxClassifier().fit(frame, y)
    assert list(classifier.feature_names_in_) == list("abcd")
    classifier.fit(X, y)
    assert not hasattr(classifier, "feature_names_in_")
    assert classifier.n_features_in_ == 4


def test_a_sum_that_overflows_is_no_infinity():
    X, y = load_iris(return_X_y=True)
    X[:, 0] = 1e308
    with pytest.raises(ValueError, match="divide it by a constant"):
        SoftmaxClassifier().fit(X, y)
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="X contains infinity"):
        SoftmaxClassifier().fit(X, y)


def test_a_series_of_features_is_refused_in_scikit_learns_words(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    with pytest.raises(ValueError, match="2-dimensional container"):
        SoftmaxClassifier().fit(pandas.Series(X[:, 0]), y)


@pytest.mark.parametrize("entry", ["a", {"a": 1}])
def test_text_in_a_list_is_no_number(entry):
    with pytest.raises((TypeError, ValueError), match=r"^X holds what is no number"):
        SoftmaxClassifier().fit([[entry, 1], [entry, 2]], [0, 1])


@pytest.mark.parametrize("container", [list, np.array, csr_array])
def test_infinity_is_told_in_scikit_learns_words(container):
    X = container(np.array([[np.inf, 1.0], [2.0, 3.0]]))
    with pytest.raises(ValueError, match=r"^Input X contains infinity"):
        SoftmaxClassifier().fit(X, [0, 1])


@pytest.mark.parametrize("kind", ["M8[D]", "m8[s]"])
def test_dates_are_no_numbers(kind):
    X, y = np.arange(4).reshape(-1, 1), [0, 1, 0, 1]
    with pytest.raises(ValueError, match=r"X is of .*: only numbers can be used"):
        SoftmaxClassifier().fit(X.astype(kind), y)
    with pytest.raises(ValueError, match="X is of"):
        SoftmaxClassifier().fit(X, y).predict(X.astype(kind))
    fields = np.zeros((4, 2), dtype=[("a", float)])
    with pytest.raises(ValueError, match="columns of its fields"):
        SoftmaxClassifier().fit(fields, y)
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"number": X[:, 0], "date": X[:, 0].astype("M8[us]")})
    with pytest.raises(ValueError, match="column 'date' is of Datetime"):
        SoftmaxClassifier().fit(frame, y)
    numbers = polars.DataFrame({"a": X[:, 0], "b": X[:, 0] > 1})
    assert SoftmaxClassifier().fit(numbers, y).n_features_in_ == 2
    frame = polars.DataFrame({"number": X[:, 0], "word": list("abcd")})
    with pytest.raises(ValueError, match="column 'word' is of String"):
        SoftmaxClassifier().fit(frame, y)


def test_labels_that_are_bytes_are_refused_before_the_fit(iris):
    X, y = iris
    with pytest.raises((TypeError, FutureWarning), match="bytes"):
        SoftmaxClassifier().fit(X, np.array([b"a", b"b", b"c"])[y])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", 1, "b"], r"y\.columns holds labels of types \['int', 'str'\]"),
        ([2, np.nan, 1], r"y\.columns contains NaN"),
    ],
)
def test_names_of_soft_labels_that_are_no_labels(iris, columns, message):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    with pytest.raises(ValueError, match=message):
        SoftmaxClassifier().fit(X, pandas.DataFrame(np.eye(3)[y], columns=columns))


@pytest.mark.parametrize("shape", [(1, 150), ()])
def test_the_shape_of_y_is_named(iris, shape):
    X, y = iris
    wrong = y.reshape(shape) if shape else 3
    with pytest.raises(ValueError, match=r"y has shape \(.*\), and 150 rows"):
        SoftmaxClassifier().fit(X, wrong)


def test_sparse_dummies_of_a_frame():
    """Their dtype is bool, which scikit-learn's check leaves as it is."""
    pandas = pytest.importorskip("pandas")
    jobs = pandas.Series(list("abcab") * 10)
    y = np.arange(50) % 3
    X = pandas.get_dummies(jobs, sparse=True)
    classifier = SoftmaxClassifier(tol=1e-10).fit(X, y)
    dense = SoftmaxClassifier(tol=1e-10).fit(X.to_numpy(dtype=float), y)
    np.testing.assert_allclose(classifier.coef_, dense.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        classifier.predict_proba(X), dense.predict_proba(X.to_numpy()), rtol=1e-6
    )


def test_names_of_features_are_strings():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(np.eye(4))
    with pytest.raises(ValueError, match="columns are named by strings"):
        SoftmaxClassifier(penalty_factor={0: 0}).fit(X, [0, 1, 0, 1])


def test_dates_in_a_frame_are_to_become_numbers():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"when": pandas.date_range("2020", periods=4)})
    with pytest.raises(ValueError, match=r"'when' .* such as days since a date"):
        SoftmaxClassifier().fit(X, [0, 1, 0, 1])


def test_rows_of_several_classes_or_none():
    with pytest.raises(ValueError, match=r"entry in row 1: .* MultiOutputClassifier"):
        SoftmaxClassifier().fit(np.eye(3), [[1, 1], [0, 0], [0, 1]])


@pytest.mark.parametrize("Cs", [0.5, "10", None])
def test_a_grid_is_a_number_of_Cs_or_a_list(Cs):
    with pytest.raises(ValueError, match="Cs must be an int, how many to take, or"):
        SoftmaxClassifierCV(Cs).fit(np.eye(4), [0, 1, 0, 1])
