"""Displays: the values that are drawn, not pixels."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sk_softmax import (
    SoftmaxClassifier,
    SoftmaxClassifierCV,
    SoftmaxPath,
    _display_model,
    _display_style,
    softmax_path,
)
from sk_softmax.display import (
    CoefficientDisplay,
    ConvergenceDisplay,
    CVScoreDisplay,
    PathDisplay,
    ProbabilityDisplay,
)
from sk_softmax.inference import infer

matplotlib = pytest.importorskip("matplotlib")
pd = pytest.importorskip("pandas")


@pytest.fixture(autouse=True)
def pyplot():
    matplotlib.use("agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True, as_frame=True)
    return X, np.array(["barolo", "grignolino", "barbera"])[y]


@pytest.fixture(scope="module")
def fitted(wine):
    return SoftmaxClassifier().fit(*wine)


@pytest.fixture
def path():
    """As softmax_path returns it: four Cs, three classes, ten features."""
    coefs = np.random.default_rng(0).normal(size=(4, 3, 10))
    coefs[:2, :, 5:] = 0
    other = dict.fromkeys(
        ("intercepts", "deviance_explained", "optimality", "n_iter", "converged")
    )
    classes = np.array(["a", "b", "c"])
    return SoftmaxPath(np.logspace(-2, 1, 4), coefs, classes=classes, **other)


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_matplotlib_and_pandas_are_imported_only_when_called():
    # scikit-learn's own imports, with pandas in some versions, do not count
    code = (
        "import sys, sklearn.linear_model\n"
        "before = set(sys.modules)\n"
        "import sk_softmax.display, sk_softmax.inference, sk_softmax.interop\n"
        "assert not {'matplotlib', 'pandas'} & (set(sys.modules) - before)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_styles_differ_in_more_than_colour():
    for style in (_display_style.line_style, _display_style.dot_style):
        styles = [style(k) for k in range(49)]
        for first_seven in zip(*(s.values() for s in styles[:7]), strict=True):
            assert len(set(first_seven)) in (1, 7)  # 1 is the width
        assert len({tuple(s.values()) for s in styles}) == 49
    colours = np.array(
        [matplotlib.colors.to_rgb(colour) for colour in _display_style.COLOURS]
    )
    assert (colours @ [0.299, 0.587, 0.114]).max() < 0.7  # not lost on white paper


def test_every_display_draws_on_given_axes(pyplot, wine, fitted, path):
    X, y = wine
    figure, grid = pyplot.subplots(5)
    displays = (
        CoefficientDisplay.from_estimator(fitted, ax=grid[0]),
        PathDisplay.from_path(path, ax=grid[1]),
        CVScoreDisplay(path.Cs, np.arange(4.0), np.ones(4)).plot(grid[2]),
        ConvergenceDisplay.from_estimator(fitted, X, y, ax=grid[3]),
        ProbabilityDisplay.from_estimator(fitted, X, "alcohol", ax=grid[4]),
    )
    for display, ax in zip(displays, grid, strict=True):
        assert display.ax_ is ax
        assert display.figure_ is figure
        again = display.plot()  # a display draws itself again, on a figure of its own
        assert again is display
        assert display.ax_ is not ax


# Coefficients


def dots(display):
    return [artist.lines[0].get_xdata() for artist in display.artists_]


def ends(display):
    return [np.array(a.lines[2][0].get_segments())[:, :, 0] for a in display.artists_]


def test_coefficients_of_a_classifier(wine, fitted):
    X, _ = wine
    display = CoefficientDisplay.from_estimator(fitted)
    np.testing.assert_array_equal(dots(display), fitted.coef_)
    assert legend_of(display) == list(fitted.classes_)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(X)
    assert all(not a.has_xerr for a in display.artists_)
    # each class's dots lie in their feature's stripe, in the classes' order
    heights = np.array([a.lines[0].get_ydata() for a in display.artists_])
    np.testing.assert_array_equal(np.rint(heights), np.tile(np.arange(13), (3, 1)))
    assert (np.diff(heights, axis=0) > 0).all()
    top, bottom = display.ax_.get_ylim()
    assert top > bottom  # the first feature is at the top


def test_coefficients_scaled_and_selected(wine, fitted):
    X, _ = wine
    display = CoefficientDisplay.from_estimator(fitted, scale=X.std(), max_features=4)
    scaled = fitted.coef_ * X.std().to_numpy()
    by_name = X.std().sort_values()
    again = CoefficientDisplay.from_estimator(fitted, scale=by_name, max_features=4)
    np.testing.assert_array_equal(dots(again), dots(display))
    with pytest.raises(ValueError, match="scale has entries for"):
        CoefficientDisplay.from_estimator(fitted, scale=by_name.add_suffix("?"))
    as_row = X.std().to_numpy()[None]
    again = CoefficientDisplay.from_estimator(fitted, scale=as_row, max_features=4)
    np.testing.assert_array_equal(dots(again), dots(display))
    keep = np.sort(np.argsort(-np.abs(scaled).max(axis=0))[:4])
    np.testing.assert_allclose(dots(display), scaled[:, keep])
    assert display.feature_names == list(X.columns[keep])


def test_coefficients_with_intervals(wine):
    X, y = wine
    X = X.iloc[:, :2]
    classifier = SoftmaxClassifier(C=np.inf, tol=1e-10).fit(X, y)
    result = infer(classifier, X, y)
    for level, reference, scale in ((0.95, None, None), (0.8, "barbera", X.std())):
        display = CoefficientDisplay.from_inference(
            result, level=level, reference=reference, scale=scale
        )
        factor = 1 if scale is None else scale.to_numpy()
        table = result.coef_table(level, reference)
        for k, label in enumerate(legend_of(display)):
            rows = table[
                (table["class"] == label) & (table["feature"] != "(intercept)")
            ]
            np.testing.assert_allclose(dots(display)[k], rows["coef"] * factor)
            limits = rows[["lower", "upper"]].to_numpy().T * factor
            np.testing.assert_allclose(ends(display)[k].T, limits)
        assert f" {100 * level:g}% " in display.ax_.get_xlabel()


def test_coefficients_of_two_classes():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    classifier = SoftmaxClassifier().fit(X, y)
    display = CoefficientDisplay.from_estimator(classifier.sparsify())
    assert legend_of(display) == ["1"]
    assert len(dots(display)[0]) == 20  # of 30
    assert np.abs(dots(display)).max() == np.abs(classifier.coef_).max()


# Path


def test_path_of_norms(path):
    display = PathDisplay.from_path(path, feature_names=[f"f{j}" for j in range(10)])
    norms = np.sqrt((path.coefs**2).sum(axis=1))
    for j, line in enumerate(display.lines_):
        np.testing.assert_allclose(line.get_xdata(), path.Cs)
        np.testing.assert_allclose(line.get_ydata(), norms[:, j])
    greatest = np.argsort(-norms[-1])[:7]
    assert legend_of(display) == [f"f{j}" for j in greatest]
    assert display.ax_.get_xscale() == "log"


def test_path_names_its_features(wine):
    pandas = pytest.importorskip("pandas")
    X, y = wine
    names = [f"wine {j}" for j in range(X.shape[1])]
    path = softmax_path(pandas.DataFrame(np.asarray(X), columns=names), y, Cs=3)
    labels = PathDisplay.from_path(path).ax_.get_legend().get_texts()
    assert {text.get_text() for text in labels} <= set(names)
    with pytest.raises(ValueError, match="feature_names has 1 names, but there are"):
        PathDisplay.from_path(path, feature_names=["a"])
    with pytest.raises(ValueError, match="classes has 1 labels, but the path has 3"):
        PathDisplay.from_path(path, classes=["a"])
    with pytest.raises(ValueError, match="n_labels"):
        PathDisplay.from_path(path).plot(n_labels=-1)


def test_path_of_a_class(path):
    display = PathDisplay.from_path(path, target_class="b")
    for j, line in enumerate(display.lines_):
        np.testing.assert_array_equal(line.get_ydata(), path.coefs[:, 1, j])
    display.plot(target_class="c", n_labels=2)
    np.testing.assert_array_equal(display.lines_[3].get_ydata(), path.coefs[:, 2, 3])
    assert len(legend_of(display)) == 2
    assert legend_of(display)[0] == f"x{np.abs(path.coefs[-1, 2]).argmax()}"
    with pytest.raises(ValueError, match="target_class='d' is none of"):
        display.plot(target_class="d")


def test_path_of_two_classes_and_of_nothing(path):
    coefs = path.coefs[:, :1]
    display = PathDisplay(path.Cs, coefs, classes=[0, 1]).plot()
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), coefs[:, 0, 0])
    display.plot(target_class=1)
    with pytest.raises(ValueError, match="target_class=0"):  # it has no row
        display.plot(target_class=0)
    assert PathDisplay(path.Cs, 0 * coefs).plot().ax_.get_legend() is None


def test_path_that_was_fitted(wine):
    path = softmax_path(*wine, Cs=6, l1_ratio=1.0)
    display = PathDisplay.from_path(path, target_class="barolo")
    code = list(path.classes).index("barolo")
    for j, line in enumerate(display.lines_):
        np.testing.assert_array_equal(line.get_xdata(), path.Cs)
        np.testing.assert_array_equal(line.get_ydata(), path.coefs[:, code, j])
    renamed = PathDisplay.from_path(path, classes=[7, 8, 9], target_class=8)
    np.testing.assert_array_equal(renamed.lines_[0].get_ydata(), path.coefs[:, 1, 0])


# Cross-validation


@pytest.fixture
def cv():
    """As a fitted SoftmaxClassifierCV has it."""
    return SimpleNamespace(
        Cs_=np.array([0.01, 0.1, 1.0]),
        l1_ratios_=np.array([0.0, 1.0]),
        scores_mean_=np.array([[-0.9, -0.5, -0.4], [-1.0, -0.3, -0.6]]),
        scores_se_=np.array([[0.1, 0.05, 0.2], [0.1, 0.1, 0.3]]),
        C_=0.1,
        C_1se_=0.01,
        scoring=None,
    )


def test_cv_scores(cv):
    display = CVScoreDisplay.from_estimator(cv)
    for k, (line, band) in enumerate(zip(display.lines_, display.bands_, strict=True)):
        np.testing.assert_array_equal(line.get_xdata(), cv.Cs_)
        np.testing.assert_array_equal(line.get_ydata(), cv.scores_mean_[k])
        edges = band.get_paths()[0].vertices
        for sign in (-1, 1):
            edge = np.column_stack(
                [cv.Cs_, cv.scores_mean_[k] + sign * cv.scores_se_[k]]
            )
            assert all(np.isclose(edges, point).all(axis=1).any() for point in edge)
    assert display.marks_["best"].get_xdata()[0] == 0.1
    assert display.marks_["1se"].get_xdata()[0] == 0.01
    assert display.ax_.get_ylabel() == "neg_log_loss"
    assert legend_of(display) == [
        "l1_ratio=0",
        "l1_ratio=1",
        "best: C=0.1",
        "1se: C=0.01",
    ]


def test_an_infinite_C_is_a_decade_further():
    mean, se = np.array([-0.5, -0.4, -0.1]), np.full(3, 0.1)
    display = CVScoreDisplay([0.1, 1.0, np.inf], mean, se, C_best=np.inf).plot()
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), [0.1, 1, 10])
    assert display.marks_["best"].get_xdata()[0] == 10
    assert "none at the last" in display.ax_.get_xlabel()


def test_cv_scores_of_one_ratio(cv):
    cv.scores_mean_, cv.scores_se_ = cv.scores_mean_[:1], cv.scores_se_[:1]
    cv.scoring = "accuracy"
    display = CVScoreDisplay.from_estimator(cv)
    assert display.ax_.get_ylabel() == "accuracy"
    assert display.marks_["best"].get_xdata()[0] == 1.0
    assert legend_of(display)[0] == "mean and standard error"
    bare = CVScoreDisplay(cv.Cs_, cv.scores_mean_[0], cv.scores_se_[0]).plot()
    assert bare.marks_ == {}
    named = CVScoreDisplay.from_estimator(cv, score_name="Hits")
    assert named.ax_.get_ylabel() == "Hits"


@pytest.mark.parametrize("l1_ratios", [(0.0,), (0.0, 1.0)])
def test_displays_of_a_classifier_that_chose_its_own_C(wine, l1_ratios):
    X, y = wine
    chosen = SoftmaxClassifierCV([0.01, 0.1], l1_ratios=l1_ratios, cv=3).fit(X, y)
    plain = SoftmaxClassifier(chosen.C_, l1_ratio=chosen.l1_ratio_).fit(X, y)
    scores = CVScoreDisplay.from_estimator(chosen)
    for k, line in enumerate(scores.lines_):
        np.testing.assert_array_equal(line.get_ydata(), chosen.scores_mean_[k])
    assert scores.marks_["best"].get_xdata()[0] == chosen.C_
    assert scores.marks_["1se"].get_xdata()[0] == chosen.C_1se_
    coef = CoefficientDisplay.from_estimator(chosen)
    np.testing.assert_array_equal(coef.coef, chosen.coef_)
    shown = ProbabilityDisplay.from_estimator(chosen, X, "alcohol")
    expected = ProbabilityDisplay.from_estimator(plain, X, "alcohol")
    np.testing.assert_allclose(shown.proba, expected.proba, atol=1e-3)
    before = dict(vars(chosen))
    ours, theirs = (
        ConvergenceDisplay.from_estimator(clf, X, y).suboptimality
        for clf in (chosen, plain)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert vars(chosen) == before


def test_cv_scores_that_are_no_numbers(cv):
    cv.scores_mean_[0, 2] = np.nan
    display = CVScoreDisplay.from_estimator(cv)
    assert display.marks_["best"].get_xdata()[0] == 0.1


def test_scores_are_of_a_fitted_classifier_that_has_some(wine):
    X, y = wine
    with pytest.raises(NotFittedError):
        CVScoreDisplay.from_estimator(SoftmaxClassifierCV())
    with pytest.raises(TypeError, match="SoftmaxClassifier is not a SoftmaxClassif"):
        CVScoreDisplay.from_estimator(SoftmaxClassifier().fit(X, y))
    pipeline = make_pipeline(SoftmaxClassifierCV([0.1], cv=3)).fit(X, y)
    with pytest.raises(TypeError, match=r"Pipeline is not.*pipe\[-1\]"):
        CVScoreDisplay.from_estimator(pipeline)


# Convergence


@pytest.mark.parametrize("parameters", [{}, {"C": 0.05, "l1_ratio": 1.0}])
def test_convergence(parameters):
    X, y = load_digits(return_X_y=True)
    classifier = SoftmaxClassifier(**parameters).fit(X, y)
    before = classifier.coef_.copy()
    display = ConvergenceDisplay.from_estimator(classifier, X, y)
    np.testing.assert_array_equal(classifier.coef_, before)
    np.testing.assert_array_equal(display.line_.get_xdata(), display.n_passes)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.suboptimality)
    assert display.n_passes[0] == 1
    assert display.suboptimality[0] == 1
    assert (np.diff(display.n_passes) > 0).all()
    assert display.n_passes[-1] <= classifier.n_iter_[0]
    assert (np.diff(display.suboptimality) <= 0).all()
    assert 0 < display.suboptimality[-1] <= classifier.tol
    assert display.ax_.get_yscale() == "log"


def test_convergence_where_there_is_nothing_to_gain(wine):
    """The penalty leaves no feature: the model without features is the optimum."""
    X, y = wine
    classifier = SoftmaxClassifier(C=1e-9, l1_ratio=1.0).fit(X, y)
    assert not classifier.coef_.any()
    display = ConvergenceDisplay.from_estimator(classifier, X, y)
    assert (display.suboptimality <= np.finfo(np.float64).eps).all()


def test_convergence_is_the_objectives(wine):
    """At the last point, by the fit and by what its objective is here."""
    X, y = wine
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))

    def objective(classifier):
        log_proba = classifier.predict_log_proba(X)
        said = log_proba[np.arange(len(y)), np.searchsorted(classifier.classes_, y)]
        penalty = 0.5 * np.sum(classifier.coef_**2)
        return (penalty - weight @ said) / weight.sum()

    rough = SoftmaxClassifier(tol=1e-3).fit(X, y, weight)
    exact = SoftmaxClassifier(tol=1e-13).fit(X, y, weight)
    share = np.array([weight[y == label].sum() for label in exact.classes_])
    share /= weight.sum()
    null = -share @ np.log(share)
    display = ConvergenceDisplay.from_estimator(rough, X, y, sample_weight=weight)
    least = objective(exact)
    expected = (objective(rough) - least) / (null - least)
    assert display.suboptimality[-1] == pytest.approx(expected, rel=1e-3)


def test_convergence_of_two_on_one_axes(wine):
    X, y = wine
    ax = None
    for solver in ("hessian", "diagonal"):
        classifier = SoftmaxClassifier(solver=solver).fit(X, y)
        display = ConvergenceDisplay.from_estimator(classifier, X, y, ax=ax)
        ax = display.ax_
    assert legend_of(display) == ["tol=1e-06", "hessian", "diagonal"]
    lines = ax.get_lines()
    assert len(lines) == 3
    assert len({line.get_color() for line in lines}) == 3


# Probabilities


@pytest.mark.parametrize("at", [None, {"proline": 1500.0, 1: 4.0}])
@pytest.mark.parametrize("scaled", [False, True])
def test_probabilities(wine, scaled, at):
    X, y = wine
    classifier = SoftmaxClassifier()
    if scaled:
        classifier = make_pipeline(StandardScaler(), classifier)
    classifier.fit(X, y)
    display = ProbabilityDisplay.from_estimator(
        classifier, X, "alcohol", at=at, grid_resolution=7
    )
    grid = pd.DataFrame([X.mean()] * 7)
    grid["alcohol"] = np.linspace(X["alcohol"].min(), X["alcohol"].max(), 7)
    if at:
        grid["proline"], grid["malic_acid"] = 1500.0, 4.0
    expected = classifier.predict_proba(grid)
    for k, line in enumerate(display.lines_):
        np.testing.assert_allclose(line.get_xdata(), grid["alcohol"])
        np.testing.assert_allclose(line.get_ydata(), expected[:, k])
    assert legend_of(display) == list(classifier.classes_)
    assert display.ax_.get_xlabel() == "alcohol"
    deciles = np.quantile(X["alcohol"], np.arange(1, 10) / 10)
    ticks = display.ax_.collections[0].get_segments()
    np.testing.assert_allclose([tick[0, 0] for tick in ticks], deciles)


@pytest.mark.parametrize("container", [np.asarray, sparse.coo_matrix, sparse.csc_array])
def test_probabilities_of_arrays(wine, container):
    X, y = wine
    X = X.to_numpy()
    classifier = SoftmaxClassifier().fit(X, y)
    display = ProbabilityDisplay.from_estimator(classifier, container(X), 3)
    row = X.mean(axis=0)
    row[3] = X[:, 3].max()
    np.testing.assert_allclose(
        [line.get_ydata()[-1] for line in display.lines_],
        classifier.predict_proba([row])[0],
    )
    assert display.ax_.get_xlabel() == "x3"


def test_probabilities_of_a_pipeline_of_columns_of_any_kind(wine):
    """What are no numbers is held at the most frequent value, or where it is put."""
    X, y = wine
    X = X[["alcohol", "ash"]].assign(city=np.where(X["hue"] > 0.8, "b", "a"))
    X["sold"] = X["city"] == "a"
    X.loc[3, "alcohol"] = np.nan
    classifier = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), ["city", "sold"]), remainder=SimpleImputer()
        ),
        SoftmaxClassifier(),
    ).fit(X, y)
    for held in ("b", "a"):
        assert (X["city"].mode()[0] == held) == (held == "b")
        at = {} if held == "b" else {"city": held}
        display = ProbabilityDisplay.from_estimator(
            classifier, X, "alcohol", at=at, grid_resolution=5
        )
        grid = pd.DataFrame({"ash": X["ash"].mean(), "city": held}, index=range(5))
        grid["sold"] = False
        grid["alcohol"] = np.linspace(X["alcohol"].min(), X["alcohol"].max(), 5)
        np.testing.assert_allclose(
            display.proba, classifier.predict_proba(grid[X.columns])
        )
    curve = np.linspace(1, 3, 5)  # another feature along the grid, too
    display = ProbabilityDisplay.from_estimator(
        classifier, X, "alcohol", at={"ash": curve}, grid_resolution=5
    )
    grid = grid.assign(ash=curve, city="b")
    np.testing.assert_allclose(display.proba, classifier.predict_proba(grid[X.columns]))
    X["day"], X["grade"] = pd.Timestamp("2020-01-01"), pd.Categorical([1, 2] * 89)
    X.loc[0, "grade"] = 2
    X["nothing"] = None
    display = ProbabilityDisplay.from_estimator(classifier, X, "alcohol")
    for name in "day", "city":
        with pytest.raises(ValueError, match=f"feature '{name}' is not numeric"):
            ProbabilityDisplay.from_estimator(classifier, X, name)
    assert [_display_model._typical(X[name]) for name in ("grade", "nothing")] == [
        2,
        None,
    ]
    with pytest.raises(ValueError, match="feature 'city' is not numeric"):
        ProbabilityDisplay.from_estimator(classifier, X, "city")


def test_probabilities_over_a_feature_that_is_not_there(wine):
    X, y = wine
    classifier = SoftmaxClassifier().fit(X, y)
    with pytest.raises(ValueError, match="no feature is called 'alcool'"):
        ProbabilityDisplay.from_estimator(classifier, X, "alcool")
    with pytest.raises(ValueError, match="no feature is called 'hew'"):
        ProbabilityDisplay.from_estimator(classifier, X, "alcohol", at={"hew": 1})
    with pytest.raises(ValueError, match="at has a value for 'alcohol'"):
        ProbabilityDisplay.from_estimator(classifier, X, "alcohol", at={0: 1})


def test_probabilities_of_a_polars_frame(wine):
    polars = pytest.importorskip("polars")
    X, y = wine
    frame = polars.DataFrame({name: X[name].to_numpy() for name in X})
    classifier = SoftmaxClassifier().fit(frame, y)
    display = ProbabilityDisplay.from_estimator(classifier, frame, "ash")
    expected = ProbabilityDisplay.from_estimator(classifier, X, "ash")
    np.testing.assert_allclose(display.proba, expected.proba)


def test_what_displays_cannot_use_is_named(pyplot, wine, fitted):
    X = wine[0]
    draw = CoefficientDisplay.from_estimator
    for scale in ([1, 2], "std", 1.0):
        with pytest.raises(ValueError, match="scale must be 13 numbers"):
            draw(fitted, scale=scale)
    with pytest.raises(ValueError, match="max_features == 0"):
        draw(fitted, max_features=0)
    with pytest.raises(TypeError, match="at must map"):
        ProbabilityDisplay.from_estimator(fitted, X, 0, at=[1, 2, 3])
    with pytest.raises(ValueError, match="grid_resolution == 0"):
        ProbabilityDisplay.from_estimator(fitted, X, 0, grid_resolution=0)
    with pytest.raises(TypeError, match="path must be what softmax_path returns"):
        PathDisplay.from_path(fitted)
    with pytest.raises(TypeError, match="result must be what infer returns"):
        CoefficientDisplay.from_inference(fitted)


def test_intervals_of_any_level_are_named(wine):
    X, y = wine
    X = X.iloc[:, :2]
    result = infer(SoftmaxClassifier(C=np.inf).fit(X, y), X, y)
    display = CoefficientDisplay.from_inference(result, level=0.975)
    assert "97.5% interval" in display.ax_.get_xlabel()
    with pytest.raises(ValueError, match="scale has negative entries or NaN"):
        CoefficientDisplay.from_inference(result, scale=[-1, 1])


def test_probabilities_of_a_frame_whose_columns_are_numbers(wine):
    """Warnings are errors, here as everywhere."""
    X, y = wine
    frame = X.set_axis(range(X.shape[1]), axis=1)
    classifier = SoftmaxClassifier().fit(frame, y)
    display = ProbabilityDisplay.from_estimator(classifier, frame, 3)
    assert display.feature_name == "3"


def test_names_are_drawn_letter_by_letter(tmp_path):
    """Also one that begins with "_", and those that would be read as a formula."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    classes = np.array(["_none", r"$\frac", "1$ to 2$"])
    shown = [r"\$\frac", r"1\$ to 2\$", "_none"]  # in sorted order
    X = X.iloc[:, :3].set_axis(["_a", "$b_", "c$^$"], axis=1)
    names = ["_a", r"\$b_", r"c\$^\$"]
    classifier = SoftmaxClassifier(tol=1e-10).fit(X, classes[y])
    result = infer(classifier, X, classes[y])
    path = softmax_path(X, classes[y], Cs=[1.0])
    for display in (
        CoefficientDisplay.from_estimator(classifier),
        CoefficientDisplay.from_inference(result),
        ProbabilityDisplay.from_estimator(classifier, X, "$b_"),
    ):
        assert legend_of(display) == shown
        display.figure_.savefig(tmp_path / "figure.png")
    assert display.ax_.get_xlabel() == r"\$b_"
    display = CoefficientDisplay.from_inference(result, reference=r"$\frac")
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == names
    display.figure_.savefig(tmp_path / "figure.png")
    display = PathDisplay.from_path(path, target_class=r"$\frac")
    assert sorted(legend_of(display)) == sorted(names)
    display.figure_.savefig(tmp_path / "figure.png")


def test_a_path_of_one_C_is_dots(path):
    one = PathDisplay(path.Cs[-1:], path.coefs[-1:]).plot()
    assert all(line.get_marker() not in ("None", "") for line in one.lines_)
    lines = PathDisplay(path.Cs, path.coefs).plot().lines_
    assert all(line.get_marker() == "None" for line in lines)
