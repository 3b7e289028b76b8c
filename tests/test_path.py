"""softmax_path and SoftmaxClassifierCV: each fit as if alone, and the choice."""

import warnings
from functools import partial

import numpy as np
import pytest
from conftest import objective
from joblib import parallel_config
from scipy import sparse
from scipy.special import log_softmax
from sklearn import __version__ as sklearn_version
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import (
    brier_score_loss,
    f1_score,
    get_scorer,
    get_scorer_names,
    log_loss,
    make_scorer,
    recall_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
    learning_curve,
)
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from sk_softmax import (
    SoftmaxClassifier,
    SoftmaxClassifierCV,
    _folds,
    _leave_one_out,
    _path,
    softmax_path,
)
from sk_softmax._problem import Problem
from sk_softmax._proximal import WorkingSet
from sk_softmax.display import CVScoreDisplay, PathDisplay

CS = [0.01, 0.1, 1.0, 10.0]
LOO = "approximate-loo"


# weights of 1000 and 0.0001 leave nothing to gain but rounding
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        SoftmaxClassifierCV(),
        SoftmaxClassifierCV(Cs=3, cv=3),
        SoftmaxClassifierCV(Cs=[0.1, 1.0], cv=3, l1_ratios=(0.5, 1.0)),
        SoftmaxClassifierCV(Cs=3, cv=LOO),
        SoftmaxClassifierCV(Cs=CS, cv=3, scoring="accuracy", selection="1se"),
    ]
)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def wine(load):
    X, y = load("wine")
    return X[::2], y[::2]


@pytest.fixture
def rows(make_rows):
    return make_rows(90, 4, 3)


def options(name, y):
    """Options of SoftmaxClassifier, and arguments of fit."""
    rng = np.random.default_rng(0)
    n, K = len(y), 3
    return {
        "l2": ({}, {}),
        "weights": ({}, {"sample_weight": rng.uniform(0, 2, n)}),
        "lasso": ({"l1_ratio": 1.0}, {}),
        "elastic net": ({"l1_ratio": 0.5, "penalty_factor": [0, 1, 2, 1]}, {}),
        "grouped": ({"l1_ratio": 1.0, "penalty_group": "class"}, {}),
        "offset": ({}, {"offset": rng.normal(size=(n, K))}),
        "lasso, offset": ({"l1_ratio": 1.0}, {"offset": rng.normal(size=(n, K))}),
        "bounds": ({"bounds": (0, np.inf)}, {}),
        "prior": ({"coef_prior": np.arange(12.0).reshape(3, 4) / 10}, {}),
        "no intercept": ({"fit_intercept": False}, {}),
        "class weights": ({"class_weight": {0: 1, 1: 3, 2: 0.5}}, {}),
        "factors": ({"penalty_factor": [0, 1, 2, 1]}, {}),
    }[name]


NAMES = [
    "l2",
    "weights",
    "lasso",
    "elastic net",
    "grouped",
    "offset",
    "lasso, offset",
    "bounds",
    "prior",
    "no intercept",
    "class weights",
    "factors",
]


def alone(X, y, C, settings, arguments, rows=slice(None)):
    """A fit from scratch."""
    arguments = {name: value[rows] for name, value in arguments.items()}
    classifier = SoftmaxClassifier(C, tol=1e-11, **settings)
    return classifier.fit(X[rows], y[rows], **arguments)


def assert_same(coef, other, factor=1.0):
    """Of what is unpenalised only the differences between classes are unique."""
    free = np.broadcast_to(factor, coef.shape[1:]) == 0
    if len(coef) > 1:
        coef = coef - np.where(free, coef.mean(axis=0), 0)
        other = other - np.where(free, other.mean(axis=0), 0)
    np.testing.assert_allclose(coef, other, rtol=1e-5, atol=1e-5)


# softmax_path


@pytest.mark.parametrize("name", NAMES)
def test_path_is_each_fit_alone(rows, name):
    X, y, _ = rows
    settings, arguments = options(name, y)
    path = softmax_path(X, y, Cs=CS, tol=1e-11, **settings, **arguments)
    assert path.Cs.tolist() == CS
    assert path.converged.all()
    for i, C in enumerate(CS):
        fit = alone(X, y, C, settings, arguments)
        factor = settings.get("penalty_factor", 1.0)
        assert_same(path.coefs[i], fit.coef_, factor)
        assert_same(path.intercepts[i][:, None], fit.intercept_[:, None], 0)


@pytest.mark.parametrize(
    "name", ["lasso", "elastic net", "grouped", "lasso, offset", "no intercept"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_l1_grid_starts_at_the_last_zero(make_rows, name, dtype):
    X, y, _ = make_rows(90, 4, 3, dtype=dtype)
    settings, arguments = options(name, y)
    settings["l1_ratio"] = settings.get("l1_ratio", 1.0)
    path = softmax_path(X, y, Cs=100, eps=0.05, **settings, **arguments)
    penalised = np.asarray(settings.get("penalty_factor", np.ones(4))) > 0
    assert not path.coefs[0][:, penalised].any()
    assert path.coefs[2][:, penalised].any()


def test_l1_grid_reaches_features_in_small_units(rows):
    X, y, _ = rows
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    Cs = softmax_path(X, y, Cs=3, eps=0.1, l1_ratio=1.0).Cs
    np.testing.assert_allclose(Cs[-1] / Cs[0], 10)
    Cs = softmax_path(X * [1e3, 1, 1, 1], y, Cs=3, eps=0.1, l1_ratio=1.0).Cs
    np.testing.assert_allclose(Cs[-1] / Cs[0], 1e4)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_l2_grid_is_of_the_same_models_in_any_units(rows, factor):
    X, y, _ = rows
    Cs = softmax_path(X, y, Cs=3).Cs
    scaled = softmax_path(X * factor, y, Cs=3)
    np.testing.assert_allclose(scaled.Cs, Cs / factor**2)
    np.testing.assert_allclose(
        scaled.deviance_explained, softmax_path(X, y, Cs=3).deviance_explained
    )
    assert scaled.deviance_explained[0] < 0.3 * scaled.deviance_explained[-1]


def test_deviance_explained(rows):
    X, y, _ = rows
    path = softmax_path(X, y, Cs=CS, l1_ratio=1.0)
    for i in range(len(CS)):
        loss = log_loss(
            y, np.exp(log_softmax(X @ path.coefs[i].T + path.intercepts[i], 1))
        )
        null = log_loss(y, np.tile(np.bincount(y) / len(y), (len(y), 1)))
        np.testing.assert_allclose(path.deviance_explained[i], 1 - loss / null)


def test_more_features_than_rows(make_rows):
    """Once in the row space for all Cs."""
    X, y, _ = make_rows(40, 300, 3)
    with pytest.warns(ConvergenceWarning, match="X separates"):
        path = softmax_path(X, y, Cs=[*CS, np.inf], tol=1e-11)
    for i, C in enumerate(CS):
        fit = alone(X, y, C, {}, {})
        assert_same(path.coefs[i], fit.coef_)
    assert path.deviance_explained[-1] > 0.999


def test_one_warning_for_a_path(load):
    """How many fits did not converge, from which C on, how far off, what to do."""
    X, y = load("breast_cancer")
    with pytest.warns(ConvergenceWarning) as caught:
        path = softmax_path(X, y, Cs=CS, l1_ratio=1.0, max_iter=6)
    (warning,) = caught
    bad = np.flatnonzero(~path.converged)
    assert 0 < len(bad) < len(CS)
    assert f"{len(bad)} of {len(CS)} fits" in str(warning.message)
    assert f"the first at C={CS[bad[0]]:g}" in str(warning.message)
    assert f"{path.optimality[bad].max():.1e}" in str(warning.message)
    assert "Raise max_iter (now 6)" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "digits"])
def test_neighbours_on_a_path_are_near_and_verified(load, name):
    """Few passes each, and the optimum is as near as they say."""
    X, y = load(name)
    path = softmax_path(X, y)
    assert_near(X, y, path, 1e-6)
    assert np.median(path.n_iter) <= 4


@pytest.mark.parametrize(
    ("name", "solver", "tol"),
    [("wine", "kronecker", 1e-6), ("digits", "diagonal", 1e-9)],
)
def test_coordinates_that_flatter_are_remembered(load, name, solver, tol):
    """A few conjugate gradients need not see how bad they are, earlier ones did."""
    X, y = load(name)
    path = softmax_path(X, y, solver=solver, tol=tol)
    assert_near(X, y, path, tol)


def assert_near(X, y, path, tol):
    """All fits of the path are within tol of the optimum."""
    exact = softmax_path(X, y, Cs=path.Cs, tol=1e-12)
    assert path.converged.all()
    # log-loss of the best model without features, to which optimality_ is relative
    frequency = np.bincount(y) / len(y)
    null = -frequency @ np.log(frequency)
    for i, C in enumerate(path.Cs):
        value, best = (
            objective(X, y, p.coefs[i], p.intercepts[i], C) for p in (path, exact)
        )
        assert value - best <= max(tol * (null - best), 1e-13)


def test_long_steps_of_a_path_start_on_a_line(load, monkeypatch):
    X, y = load("digits")
    Cs = np.logspace(-4, 4, 10)
    n_iter = softmax_path(X, y, Cs=Cs).n_iter.sum()
    monkeypatch.setattr(_path, "_extrapolate", lambda optima, t: None)
    assert n_iter < 0.8 * softmax_path(X, y, Cs=Cs).n_iter.sum()


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_a_path_with_l1_shares_its_hessians(load, monkeypatch, l1_ratio):
    X, y = load("wine")
    build, calls = WorkingSet.hessian, []

    def counted(*args):
        calls.append(1)
        return build(*args)

    monkeypatch.setattr(WorkingSet, "hessian", counted)
    path = softmax_path(X, y, l1_ratio=l1_ratio)
    assert len(calls) < 0.3 * len(path.Cs)
    assert path.n_iter.mean() < 2
    assert path.converged.all()
    for i in (9, 39, 69):
        fit = alone(X, y, path.Cs[i], {"l1_ratio": l1_ratio}, {})
        np.testing.assert_allclose(path.coefs[i], fit.coef_, atol=2e-2)
        strict = softmax_path(X, y, Cs=path.Cs[: i + 1], l1_ratio=l1_ratio, tol=1e-13)
        assert_same(strict.coefs[i], fit.coef_)


def test_a_path_with_l1_ends_without_a_penalty(rows):
    X, y, _ = rows
    path = softmax_path(X, y, Cs=[0.1, 1.0, np.inf], l1_ratio=1.0, tol=1e-10)
    fit = alone(X, y, np.inf, {}, {})
    assert_same(path.coefs[-1], fit.coef_, factor=0.0)


def test_path_says_where_it_is(rows, capsys):
    X, y, _ = rows
    softmax_path(X, y, Cs=3, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("deviance explained" in line for line in lines)


def test_path_takes_no_C(rows):
    X, y, _ = rows
    with pytest.raises(TypeError, match="Cs"):
        softmax_path(X, y, C=1.0)
    with pytest.raises(TypeError, match="penalty_factors"):
        softmax_path(X, y, penalty_factors=1.0)


# Folds


@pytest.mark.parametrize("name", NAMES)
def test_folds_are_fits_alone(rows, name):
    """Coefficients, scores and choice are those of a plain loop."""
    X, y, _ = rows
    settings, arguments = options(name, y)
    l1_ratios = [settings.pop("l1_ratio", 0.0)]
    folds = list(StratifiedKFold(3).split(X, y))
    cv = SoftmaxClassifierCV(CS, l1_ratios=l1_ratios, cv=folds, tol=1e-11, **settings)
    cv.fit(X, y, **arguments)
    settings["l1_ratio"] = l1_ratios[0]
    factor = settings.get("penalty_factor", 1.0)
    for f, (train, test) in enumerate(folds):
        for i, C in enumerate(CS):
            fit = alone(X, y, C, settings, arguments, train)
            coef = cv.coefs_paths_[f, 0, i][:, : X.shape[1]]
            assert_same(coef, fit.coef_, factor)
            if cv.fit_intercept:
                intercept = cv.coefs_paths_[f, 0, i][:, -1:]
                assert_same(intercept, fit.intercept_[:, None], 0)
            held = {key: value[test] for key, value in arguments.items()}
            weight = held.pop("sample_weight", None)
            loss = log_loss(
                y[test], fit.predict_proba(X[test], **held), sample_weight=weight
            )
            np.testing.assert_allclose(cv.scores_[f, 0, i], -loss, rtol=1e-5)
    assert CS[cv.scores_.mean(axis=(0, 1)).argmax()] == cv.C_
    final = alone(X, y, cv.C_, settings, arguments)
    assert_same(cv.coef_, final.coef_, factor)
    assert_same(cv.intercept_[:, None], final.intercept_[:, None], 0)


def test_choice_is_that_of_grid_search(load):
    X, y = load("breast_cancer")
    Cs = np.logspace(-4, 2, 7)
    ours = SoftmaxClassifierCV(Cs).fit(X, y)
    search = GridSearchCV(SoftmaxClassifier(), {"C": Cs}, scoring="neg_log_loss")
    search.fit(X, y)
    assert ours.C_ == search.best_params_["C"]
    mean = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(ours.scores_mean_[0], mean, rtol=1e-3)
    assert ours.coef_.shape == (1, X.shape[1])


def test_attributes_have_the_shapes_of_logistic_regression_cv(rows):
    X, y, _ = rows
    for labels, K in ((y, 3), (y == 1, 1)):
        cv = SoftmaxClassifierCV(CS, l1_ratios=(0.0, 1.0), cv=3).fit(X, labels)
        assert isinstance(cv.C_, float)
        assert isinstance(cv.l1_ratio_, float)
        assert cv.scores_.shape == cv.n_iter_.shape == (3, 2, 4)
        assert cv.coefs_paths_.shape == (3, 2, 4, K, 5)
        assert cv.scores_mean_.shape == cv.scores_se_.shape == (2, 4)
        assert cv.l1_ratios_.tolist() == [0.0, 1.0]
        assert cv.coef_.shape == (K, 4)


def test_agrees_with_logistic_regression_cv(rows):
    X, y, _ = rows
    ours = SoftmaxClassifierCV(CS, cv=3, tol=1e-10).fit(X, y)
    try:
        theirs = LogisticRegressionCV(
            Cs=CS,
            cv=3,
            scoring="neg_log_loss",
            tol=1e-8,
            max_iter=1000,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        ).fit(X, y)
    except TypeError:
        pytest.skip("scikit-learn before 1.8")
    assert ours.C_ == theirs.C_
    assert ours.l1_ratio_ == theirs.l1_ratio_
    np.testing.assert_allclose(ours.scores_, theirs.scores_, rtol=1e-5)
    np.testing.assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-4)


@pytest.mark.parametrize("n", [90, 30_000])
def test_any_number_of_jobs(make_rows, n):
    X, y, weight = make_rows(n, 4, 3)
    fits = [
        SoftmaxClassifierCV(CS[:2], cv=3, n_jobs=n_jobs).fit(X, y, weight)
        for n_jobs in (None, 1, 2, 3)
    ]
    with parallel_config("loky"):
        fits.append(SoftmaxClassifierCV(CS[:2], cv=3, n_jobs=2).fit(X, y, weight))
    for fit in fits[1:]:
        # NumPy before 2 sums in an order that depends on where memory lies
        for name in ("scores_", "coefs_paths_", "coef_"):
            np.testing.assert_allclose(
                getattr(fit, name), getattr(fits[0], name), rtol=1e-9, atol=1e-12
            )


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_sparse_is_dense(rows, l1_ratio):
    X, y, _ = rows
    X = np.where(np.abs(X) > 0.5, X, 0)
    fits = [
        SoftmaxClassifierCV(4, l1_ratios=[l1_ratio], cv=3, tol=1e-10).fit(Z, y)
        for Z in (X, sparse.csr_array(X), sparse.csc_matrix(X))
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.Cs_, fits[0].Cs_)
        np.testing.assert_allclose(fit.scores_, fits[0].scores_, rtol=1e-5)


def test_float32(make_rows):
    X, y, _ = make_rows(90, 4, 3)
    double = SoftmaxClassifierCV(CS, cv=3).fit(X, y)
    single = SoftmaxClassifierCV(CS, cv=3).fit(X.astype(np.float32), y)
    assert single.coefs_paths_.dtype == single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.scores_, double.scores_, rtol=1e-3)


def test_class_missing_from_a_fold(rows):
    X, y, _ = rows
    labels = np.array(["a", "b", "c"])[y]
    groups = y == 2  # one fold is all of class c
    with config_context(enable_metadata_routing=False):
        cv = SoftmaxClassifierCV(CS, cv=LeaveOneGroupOut())
    cv.fit(X[y != 0], labels[y != 0], groups=np.arange(np.sum(y != 0)) % 3)
    cv = SoftmaxClassifierCV(CS, cv=[(np.flatnonzero(~groups), np.flatnonzero(groups))])
    with pytest.warns(UserWarning) as caught:
        cv.fit(X, labels)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "['c'] have no row in the training part" in str(caught[0].message)
    assert np.isfinite(cv.scores_).all()
    assert cv.coefs_paths_.shape == (1, 1, 4, 3, 5)
    assert np.isnan(cv.scores_se_).all() and cv.C_1se_ == cv.C_
    with pytest.raises(ValueError, match=r"selection='1se' needs .* one split"):
        cv.set_params(selection="1se").fit(X, labels)
    cv.set_params(Cs=[1.0, np.inf], selection="best")
    with pytest.raises(ValueError, match=r"\['c'\] are absent"):
        cv.fit(X, labels)


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_folds_of_sorted_rows(rows, scoring):
    """Nothing that is scored was fitted, whatever C."""
    X, y, _ = rows
    order = np.argsort(y, kind="stable")
    cuts = np.cumsum(np.bincount(y))[:-1]
    tests = np.split(np.arange(len(y)), cuts)
    folds = [(np.setdiff1d(np.arange(len(y)), test), test) for test in tests]
    cv = SoftmaxClassifierCV(CS, cv=folds, scoring=scoring, n_jobs=2)
    with pytest.warns(UserWarning, match=r"Classes \[0, 1, 2\] have no row"):
        cv.fit(X[order], y[order])


def test_a_class_without_weight_is_in_all_folds(rows):
    X, y, _ = rows
    SoftmaxClassifierCV(CS, class_weight={0: 1, 1: 0, 2: 1}).fit(X, y)


def test_classes_that_y_lacks(rows):
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, cv=3, classes=[0, 1, 2, 3]).fit(X, y)
    assert cv.coef_.shape == (4, 4)
    assert cv.predict_proba(X[:1]).shape == (1, 4)


def test_soft_labels_are_labels(rows):
    X, y, _ = rows
    folds = list(StratifiedKFold(3).split(X, y))
    hard = SoftmaxClassifierCV(CS, cv=folds).fit(X, y)
    soft = SoftmaxClassifierCV(CS, cv=folds).fit(X, np.eye(3)[y])
    np.testing.assert_allclose(hard.scores_, soft.scores_, rtol=1e-6)
    np.testing.assert_allclose(hard.score(X, y), soft.score(X, np.eye(3)[y]))
    assert SoftmaxClassifierCV(CS).fit(X, np.eye(3)[y]).scores_.shape == (5, 1, 4)


@pytest.mark.parametrize("kind", ["classes", "frame"])
def test_scorers_get_soft_labels_in_the_order_of_classes(rows, kind):
    X, y, _ = rows
    Y, order = 0.9 * np.eye(3)[y] + 0.1 / 3, [2, 0, 1]
    turned, options = Y[:, order], {"classes": order}
    if kind == "frame":
        turned = pytest.importorskip("pandas").DataFrame(turned, columns=order)
        options = {}

    def own(model, X, Y):
        return np.mean(np.sum(Y * model.predict_log_proba(X), axis=1))

    expected = SoftmaxClassifierCV(CS, cv=KFold(3)).fit(X, Y)
    for scoring in (own, lambda model, X, Y: model.score(X, Y)):
        cv = SoftmaxClassifierCV(CS, cv=KFold(3), scoring=scoring, **options)
        cv.fit(X, turned)
        np.testing.assert_allclose(cv.scores_, expected.scores_, rtol=1e-9)
        assert cv.score(X, turned) == pytest.approx(expected.score(X, Y))


@pytest.mark.parametrize("params", [{"groups": [0, 1]}, {"bogus": 1}], ids=str)
def test_leaving_out_single_rows_takes_no_groups(rows, params):
    with pytest.raises(ValueError, match=r"approximate-loo' .* takes no \['(gr|bo)"):
        SoftmaxClassifierCV(CS, cv=LOO).fit(*rows[:2], **params)


@pytest.mark.parametrize(
    "scoring", ["rand_score", lambda model, X, y: 0.0], ids=["metric", "callable"]
)
def test_scorers_that_take_no_weights(rows, scoring):
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, scoring=scoring)
    cv.fit(X, y)
    with pytest.raises(ValueError, match=r"takes no sample_weight, .* pass a callable"):
        cv.fit(X, y, np.ones(len(y)))


def test_a_scorer_that_takes_anything_takes_weights(rows):
    X, y, weight = rows

    def scoring(model, X, y, **params):
        return model.score(X, y, **params)

    cv = SoftmaxClassifierCV(CS, cv=3, scoring=scoring).fit(X, y, weight)
    named = SoftmaxClassifierCV(CS, cv=3, scoring="accuracy").fit(X, y, weight)
    np.testing.assert_allclose(cv.scores_, named.scores_)


@pytest.mark.parametrize("routing", [False, True])
def test_the_score_of_a_metric_has_weights(rows, routing):
    X, y, weight = rows
    cv = SoftmaxClassifierCV(CS, cv=3, scoring="accuracy").fit(X, y)
    expected = np.average(cv.predict(X) == y, weights=weight)
    assert expected != cv.score(X, y)
    with config_context(enable_metadata_routing=routing):
        if routing:
            cv.scoring = get_scorer("accuracy").set_score_request(sample_weight=True)
        found = cv.score(X, y, sample_weight=weight)
    assert found == pytest.approx(expected)


def test_the_score_of_a_metric_that_takes_no_weights(rows):
    X, y, weight = rows
    cv = SoftmaxClassifierCV(CS, cv=3, scoring="rand_score").fit(X, y)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        cv.score(X, y, sample_weight=weight)


def test_metrics_of_a_part_without_some_class(rows):
    X, y, _ = rows
    part = np.flatnonzero(y != 2)
    splits = [(np.arange(len(y)), part), (np.arange(len(y)), part[::2])]
    scorers = ["top_k_accuracy", "neg_log_loss"]
    if d2 := {"d2_log_loss_score"} & set(get_scorer_names()):
        scorers += d2
    for scoring in scorers:
        cv = SoftmaxClassifierCV(CS, cv=splits, scoring=scoring).fit(X, y)
        assert (np.abs(cv.scores_) < 2).all()
    # against the frequencies of a single class nothing has a score
    splits = [(train, np.flatnonzero(y == 2)) for train, _ in splits]
    for scoring in d2:
        with pytest.raises(ValueError, match="only one label"):
            SoftmaxClassifierCV(CS, cv=splits, scoring=scoring).fit(X, y)


def test_scores_that_are_infinite_choose_nothing(rows):
    with pytest.raises(ValueError, match="NaN or infinite for every C"):
        SoftmaxClassifierCV(CS, scoring=lambda model, X, y: -np.inf).fit(*rows[:2])


def test_scorers_check_the_columns_of_soft_labels(rows):
    pandas = pytest.importorskip("pandas")
    X, y, _ = rows
    frame = pandas.DataFrame(np.eye(3)[y], columns=list("bac"))
    cv = SoftmaxClassifierCV(CS, cv=3, scoring=lambda model, X, Y: model.score(X, Y))
    cv.fit(X, frame)
    with pytest.raises(ValueError, match=r"y has columns .* pass a column for each"):
        cv.score(X, frame.rename(columns={"a": "z"}))


def test_class_weights_of_soft_labels_are_not_in_the_scores(rows):
    X, y, _ = rows
    folds = list(StratifiedKFold(3).split(X, y))
    settings = {"cv": folds, "class_weight": {0: 1, 1: 5, 2: 1}}
    hard = SoftmaxClassifierCV(CS, **settings).fit(X, y)
    soft = SoftmaxClassifierCV(CS, **settings).fit(X, np.eye(3)[y])
    np.testing.assert_allclose(hard.scores_, soft.scores_, rtol=1e-6)


# Choice


def test_scores_of_soft_labels_are_of_these_whatever_the_class_weights(rows):
    X, y, _ = rows
    Y = 0.7 * np.eye(3)[y] + 0.1
    train, test = next(StratifiedKFold(3).split(X, y))
    weights = {0: 1, 1: 5, 2: 1}
    cv = SoftmaxClassifierCV([1.0], cv=[(train, test)], class_weight=weights).fit(X, Y)
    fit = SoftmaxClassifier(class_weight=weights).fit(X[train], Y[train])
    expected = fit.score(X[test], Y[test])
    np.testing.assert_allclose(cv.scores_.ravel(), expected, rtol=1e-4)


def test_one_standard_error(wine):
    X, y = wine
    best = SoftmaxClassifierCV(20).fit(X, y)
    cautious = SoftmaxClassifierCV(20, selection="1se").fit(X, y)
    mean, se = best.scores_mean_[0], best.scores_se_[0]
    np.testing.assert_allclose(se, best.scores_[:, 0].std(axis=0, ddof=1) / np.sqrt(5))
    enough = mean >= mean.max() - se[mean.argmax()]
    assert best.C_ == best.Cs_[mean.argmax()]
    assert cautious.C_ == best.C_1se_ == cautious.C_1se_ == best.Cs_[enough].min()
    assert cautious.C_ < best.C_
    np.testing.assert_array_equal(
        cautious.coef_, SoftmaxClassifier(cautious.C_).fit(X, y).coef_
    )


def test_without_refit_the_folds_are_averaged(rows):
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, cv=3, refit=False).fit(X, y)
    c = CS.index(cv.C_)
    mean = cv.coefs_paths_[:, 0, c].mean(axis=0)
    np.testing.assert_allclose(np.column_stack([cv.coef_, cv.intercept_]), mean)


def test_a_mean_of_folds_keeps_the_bounds(rows):
    """The mean of three that are 0.1 is more than 0.1."""
    X, y, _ = rows
    bounds = -np.inf, 0.1
    cv = SoftmaxClassifierCV([1.0], cv=3, refit=False, bounds=bounds).fit(X, y)
    assert (cv.coefs_paths_[..., :-1] == 0.1).all(axis=0).any()
    assert np.full(3, 0.1).mean() > 0.1
    assert cv.coef_.max() == 0.1


def test_Cs_are_sorted_and_each_there_once(rows):
    X, y, _ = rows
    cv = SoftmaxClassifierCV([1.0, 0.1, 1.0], cv=3).fit(X, y)
    assert cv.Cs_.tolist() == [0.1, 1.0]


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "neg_brier_score"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scorers(rows, scoring, weighted):
    X, y, weight = rows
    y = y == 1
    weight = weight if weighted else None
    folds = list(StratifiedKFold(3).split(X, y))
    cv = SoftmaxClassifierCV(CS, cv=folds, scoring=scoring).fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            SoftmaxClassifier().set_fit_request(sample_weight=True),
            {"C": CS},
            cv=folds,
            scoring=get_scorer(scoring).set_score_request(sample_weight=True),
        ).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(
        cv.scores_mean_[0], search.cv_results_["mean_test_score"], rtol=1e-4
    )
    assert cv.C_ == search.best_params_["C"]


def test_scorers_know_of_the_offset(rows):
    X, y, _ = rows
    offset = np.random.default_rng(0).normal(size=(len(y), 3))
    by_name = SoftmaxClassifierCV(CS, cv=3, scoring="neg_log_loss")
    plain = SoftmaxClassifierCV(CS, cv=3).fit(X, y, offset=offset)
    by_name.fit(X, y, offset=offset)
    np.testing.assert_allclose(by_name.scores_, plain.scores_)
    np.testing.assert_allclose(
        by_name.score(X, y, offset=offset), plain.score(X, y, offset=offset)
    )


def test_splitters_and_groups(rows):
    X, y, _ = rows
    groups = np.arange(len(y)) % 6
    cv = SoftmaxClassifierCV(CS, cv=GroupKFold(3)).fit(X, y, groups=groups)
    folds = list(GroupKFold(3).split(X, y, groups))
    same = SoftmaxClassifierCV(CS, cv=folds).fit(X, y)
    np.testing.assert_array_equal(cv.scores_, same.scores_)
    with config_context(enable_metadata_routing=True):
        routed = SoftmaxClassifierCV(CS, cv=GroupKFold(3))
        routed.fit(X, y, groups=groups)
    np.testing.assert_array_equal(cv.scores_, routed.scores_)
    shuffled = SoftmaxClassifierCV(CS, cv=ShuffleSplit(4, random_state=0)).fit(X, y)
    assert len(shuffled.scores_) == 4


def test_metadata_reaches_the_scorer(rows):
    X, y, _ = rows

    def cost(y, predicted, price):
        return price[y != predicted].sum()

    scorer = make_scorer(cost, greater_is_better=False)
    price = np.arange(len(y), dtype=float)
    folds = list(StratifiedKFold(3).split(X, y))
    with config_context(enable_metadata_routing=True):
        scorer = scorer.set_score_request(price=True)
        cv = SoftmaxClassifierCV(CS, cv=folds, scoring=scorer).fit(X, y, price=price)
        total = cv.score(X, y, price=price)
    wrong = cv.predict(X) != y
    assert total == -price[wrong].sum()
    train, test = folds[0]
    fit = SoftmaxClassifier(CS[0]).fit(X[train], y[train])
    wrong = fit.predict(X[test]) != y[test]
    assert cv.scores_[0, 0, 0] == -price[test][wrong].sum()


def test_weights_reach_the_scorer_that_requests_them(rows):
    X, y, weight = rows
    expected = SoftmaxClassifierCV(CS, cv=3, scoring="accuracy").fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        cv = SoftmaxClassifierCV(CS, cv=3, scoring=scorer)
        cv.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(cv.scores_, expected.scores_)


def test_the_log_loss_has_weights_without_a_request(rows):
    """There is no scorer to make it of."""
    X, y, weight = rows
    expected = SoftmaxClassifierCV(CS, cv=3).fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        cv = SoftmaxClassifierCV(CS, cv=3).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(cv.scores_, expected.scores_)


# Approximate leave-one-out


@pytest.mark.parametrize(
    ("name", "n_classes"),
    [
        ("l2", 3),
        ("l2", 2),
        ("no intercept", 3),
        ("factors", 3),
        ("class weights", 3),
        ("offset", 3),
    ],
)
def test_approximate_leave_one_out(make_rows, name, n_classes):
    X, y, _ = make_rows(80, 4, n_classes)
    settings, arguments = options(name, y)
    approximate = SoftmaxClassifierCV(CS, cv=LOO, **settings).fit(X, y, **arguments)
    exact = SoftmaxClassifierCV(CS, cv=LeaveOneOut(), **settings).fit(X, y, **arguments)
    np.testing.assert_allclose(approximate.scores_mean_, exact.scores_mean_, rtol=0.02)
    np.testing.assert_allclose(approximate.scores_se_, exact.scores_se_, rtol=0.05)
    chosen = exact.scores_mean_[0, CS.index(approximate.C_)]
    np.testing.assert_allclose(chosen, exact.scores_mean_.max(), rtol=0.01)
    # and without the correction it would be another thing
    plain = [SoftmaxClassifier(C, **settings).fit(X, y, **arguments) for C in CS]
    train = [
        -log_loss(y, fit.predict_proba(X, arguments.get("offset"))) for fit in plain
    ]
    assert np.all(train > approximate.scores_mean_[0] + 0.005)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_approximate_leave_one_out_of_soft_labels(make_rows, n_classes):
    """Their score is the cross-entropy, as with any folds."""
    X, y, _ = make_rows(80, 4, n_classes)
    Y = np.eye(n_classes)[y] * 0.8 + 0.2 / n_classes
    approximate = SoftmaxClassifierCV(CS, cv=LOO).fit(X, Y)
    exact = SoftmaxClassifierCV(CS, cv=LeaveOneOut()).fit(X, Y)
    np.testing.assert_allclose(approximate.scores_mean_, exact.scores_mean_, rtol=0.02)
    # of labels that are as certain, the same
    np.testing.assert_allclose(
        SoftmaxClassifierCV(CS, cv=LOO).fit(X, np.eye(n_classes)[y]).scores_mean_,
        SoftmaxClassifierCV(CS, cv=LOO).fit(X, y).scores_mean_,
    )


def test_what_approximate_leave_one_out_cannot_leave_out(make_rows):
    X, y, _ = make_rows(60, 3, 2)
    held = SoftmaxClassifierCV(CS, cv=LOO, penalty_factor=[1, 1, np.inf])
    with pytest.raises(ValueError, match="penalty_factor is infinite, and cv="):
        held.fit(X, y)
    y[0] = 2
    with pytest.warns(UserWarning, match=r"Classes \[2\] have one row"):
        SoftmaxClassifierCV(CS, cv=LOO).fit(X, y)
    with pytest.raises(ValueError, match=r"Classes \[2\] .* use a finite C"):
        SoftmaxClassifierCV([1.0, np.inf], cv=LOO).fit(X, y)
    weight = np.ones(60)
    weight[0] = 0  # nor is there a class then
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftmaxClassifierCV(CS, cv=LOO).fit(X, y, weight)


def test_one_weight_for_all_rows_beside_a_scorer(make_rows):
    X, y, _ = make_rows(60, 3, 2)
    twice = SoftmaxClassifierCV(CS, scoring="accuracy").fit(X, y, sample_weight=2.0)
    array = SoftmaxClassifierCV(CS, scoring="accuracy").fit(X, y, np.full(60, 2.0))
    np.testing.assert_array_equal(twice.coef_, array.coef_)
    assert twice.score(X, y, sample_weight=2.0) == twice.score(X, y)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_entries_in_parts_have_the_same_grid(make_rows, l1_ratio):
    X, y, _ = make_rows(80, 4, 3)
    X = sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0))
    parts = np.column_stack([3 * X.data, -2 * X.data]).ravel()
    parts = sparse.csr_array((parts, np.repeat(X.indices, 2), 2 * X.indptr), X.shape)
    expected = softmax_path(X, y, Cs=4, l1_ratio=l1_ratio).Cs
    found = softmax_path(parts, y, Cs=4, l1_ratio=l1_ratio).Cs
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert not parts.has_canonical_format  # it is the caller's


@pytest.mark.parametrize("name", ["wine", "iris"])
def test_approximate_leave_one_out_where_single_rows_decide(load, name):
    X, y = load(name)
    Cs = [0.1, 1.0, 10.0, 100.0]
    approximate = SoftmaxClassifierCV(Cs, cv=LOO, tol=1e-8).fit(X, y)
    exact = SoftmaxClassifierCV(Cs, cv=LeaveOneOut(), tol=1e-8).fit(X, y)
    np.testing.assert_allclose(approximate.scores_mean_, exact.scores_mean_, rtol=0.01)
    np.testing.assert_allclose(approximate.scores_se_, exact.scores_se_, rtol=0.02)


def test_approximate_leave_one_out_of_weights(make_rows):
    """A weight is a row's weight in the fit and in the score."""
    X, y, weight = make_rows(60, 3, 3)
    cv = SoftmaxClassifierCV([1.0], cv=LOO).fit(X, y, weight)
    losses = []
    for train, test in LeaveOneOut().split(X):
        fit = SoftmaxClassifier(1.0).fit(X[train], y[train], weight[train])
        losses.append(-fit.predict_log_proba(X[test])[0, y[test[0]]])
    expected = -np.average(losses, weights=weight)
    np.testing.assert_allclose(cv.scores_mean_[0, 0], expected, rtol=0.02)


def test_approximate_leave_one_out_block_by_block(make_rows, monkeypatch):
    X, y, _ = make_rows(80, 4, 3)
    whole = SoftmaxClassifierCV(CS, cv=LOO).fit(X, y)
    dense = SoftmaxClassifierCV(CS, cv=LOO).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(dense.scores_, whole.scores_, rtol=1e-4)
    monkeypatch.setattr(_leave_one_out, "CHUNK_BYTES", 1)  # a row at a time
    parts = SoftmaxClassifierCV(CS, cv=LOO).fit(X, y)
    np.testing.assert_allclose(parts.scores_, whole.scores_, rtol=1e-12)


def test_approximate_leave_one_out_has_limits(rows):
    X, y, _ = rows
    for wrong in ({"l1_ratios": [1.0]}, {"bounds": (0, 1)}, {"scoring": "accuracy"}):
        with pytest.raises(ValueError, match="or folds"):
            SoftmaxClassifierCV(CS, cv=LOO, **wrong).fit(X, y)
    wide = np.random.default_rng(0).normal(size=(90, 5000))
    with pytest.raises(ValueError, match="too large"):
        SoftmaxClassifierCV(CS, cv=LOO).fit(sparse.csr_array(wide), y)


# What it says and leaves alone


def test_scorer_that_fails(rows):
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, cv=3, scoring="f1")
    with pytest.raises(ValueError, match=r"^scoring=make_scorer\(f1_score.*: try it"):
        cv.fit(X, y)
    y = np.where(np.arange(len(y)) < 2, "rare", y.astype(str))
    cv = SoftmaxClassifierCV(CS, cv=3, scoring="roc_auc_ovr")
    with (
        pytest.warns(Warning, match="least populated class"),
        pytest.raises(ValueError, match=r"no row held out is of class \['rare'\]"),
    ):
        cv.fit(X, y)


@pytest.mark.parametrize("answer", [None, "good"])
def test_scorer_that_returns_no_number(rows, answer):
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, cv=3, scoring=lambda *_: answer)
    with pytest.raises(ValueError, match="scoring must return a number"):
        cv.fit(X, y)


def test_scorer_that_returns_an_array(rows):
    def score(model, X, y):
        return np.array(model.score(X, y))

    X, y, _ = rows
    expected = SoftmaxClassifierCV(CS, cv=3, scoring="accuracy").fit(X, y)
    found = SoftmaxClassifierCV(CS, cv=3, scoring=score).fit(X, y)
    np.testing.assert_array_equal(found.scores_, expected.scores_)


def test_Cs_that_differ_in_the_last_digit(rows):
    X, y, _ = rows
    path = softmax_path(X, y, Cs=[1.0, 100.0, 100 * (1 + 2e-16), 1e3])
    assert path.optimality.max() <= 1e-6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"Cs": 0}, "Cs"),
        ({"Cs": []}, "Cs"),
        ({"Cs": [1.0, -1.0]}, "Cs"),
        ({"Cs": [np.nan]}, "Cs"),
        ({"Cs": [[1.0]]}, "Cs"),
        ({"l1_ratios": ()}, "l1_ratios"),
        ({"l1_ratios": (2.0,)}, "l1_ratios"),
        ({"l1_ratios": 0.5}, "l1_ratios"),
        ({"eps": 0.0}, "eps"),
        ({"eps": 1.0}, "eps"),
        ({"selection": "worst"}, "selection"),
        ({"selection": np.array(["best", "1se"])}, "selection"),
        ({"solver": np.array(["auto", "blocks"])}, "solver"),
        ({"cv": StratifiedKFold}, r"cv=StratifiedKFold is a class"),
        ({"refit": "no"}, "refit"),
        ({"n_jobs": "all"}, "n_jobs"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"cv": "leave-one-out"}, "approximate-loo"),
        ({"cv": []}, "cv=.* gives no splits"),
        ({"Cs": [5e-324]}, "C is so small"),
        ({"scoring": "no such"}, "no such"),
        ({"tol": -1.0}, "tol"),
        ({"solver": "lbfgs"}, "solver"),
    ],
    ids=str,
)
def test_wrong_parameters(rows, wrong, message):
    X, y, _ = rows
    with pytest.raises((ValueError, TypeError), match=message):
        SoftmaxClassifierCV(**{"Cs": CS, "cv": 3, **wrong}).fit(X, y)


def test_a_fold_without_weight(rows):
    X, y, _ = rows
    folds = list(StratifiedKFold(3).split(X, y))
    weight = np.ones(len(y))
    weight[folds[1][1]] = 0
    with pytest.raises(ValueError, match="fold 2/3"):
        SoftmaxClassifierCV(CS, cv=folds).fit(X, y, weight)
    folds = [folds[0], folds[1][::-1]]  # nor may the train part be without
    with pytest.raises(ValueError, match="fold 2/2"):
        SoftmaxClassifierCV(CS, cv=folds).fit(X, y, weight)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "neg_brier_score"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_of_probabilities_where_a_fold_lacks_a_class(rows, scoring, n_classes):
    X, y, _ = rows
    X, y = X[y < n_classes], y[y < n_classes]
    if n_classes > 2 and parse_version(sklearn_version) < parse_version("1.7"):
        scoring = "neg_log_loss"  # the other knows two classes only
    few = np.flatnonzero(y == y[0])[:10]
    folds = [(np.setdiff1d(np.arange(len(y)), few), few)]
    model = SoftmaxClassifierCV(CS, cv=folds, scoring=scoring).fit(X, y)
    for c, C in enumerate(CS):
        fold = SoftmaxClassifier(C, tol=model.tol).fit(X[folds[0][0]], y[folds[0][0]])
        P = fold.predict_proba(X[few])
        if scoring == "neg_log_loss":
            score = np.log(P[:, y[0]]).mean()
        else:
            score = -((P - (np.arange(n_classes) == y[0])) ** 2).sum(axis=1).mean()
            score = score / 2 if n_classes == 2 else score
        assert model.scores_[0, 0, c] == pytest.approx(score, abs=1e-4)
    assert model.score(X[few], y[few]) < 0


def test_what_a_scorer_sees_is_a_classifier(rows):
    X, y, _ = rows
    seen = []

    def scoring(model, X, y):
        seen.append((repr(model), clone(model).get_params()["C"], model.predict(X)))
        return model.score(X, y)

    offset = np.zeros((len(y), 3))
    for fit_offset in (None, offset):
        model = SoftmaxClassifierCV([2.0], cv=3, scoring=scoring)
        model.fit(X, y, offset=fit_offset)
        model.score(X, y, offset=fit_offset)
    assert {C for _, C, _ in seen} == {2.0}
    assert seen[0][0] == "SoftmaxClassifier(C=2.0)"


def test_a_score_is_a_real_number(rows):
    X, y, _ = rows
    with pytest.raises(ValueError, match=r"scoring must return a number, .* 1j"):
        SoftmaxClassifierCV(CS, cv=3, scoring=lambda model, X, y: 1j).fit(X, y)


def test_unrequested_metadata_is_refused(rows):
    X, y, _ = rows
    with pytest.raises(ValueError, match="price"):
        SoftmaxClassifierCV(CS, cv=3).fit(X, y, price=1.0)


def test_no_request_is_made_for_a_method_that_is_not_there(rows):
    X, y, weight = rows
    with config_context(enable_metadata_routing=True):
        model = SoftmaxClassifierCV([1.0], cv=2).set_fit_request(sample_weight=True)
        model = model.set_score_request(sample_weight=True)
        params = {"sample_weight": weight}
        _, _, scores = learning_curve(
            model, X, y, cv=2, train_sizes=[1.0], params=params
        )
        alone = cross_val_score(model, X, y, cv=2, params=params)
    np.testing.assert_array_equal(scores[0], alone)


def test_a_grid_does_not_begin_with_the_rounding_of_constant_features():
    y = np.arange(9) % 3
    path = softmax_path(np.full((9, 2), 0.1), y, Cs=5, l1_ratio=1.0)
    assert path.Cs[0] <= 1 and not path.coefs.any()
    X = np.column_stack([np.full(9, 0.1), np.arange(9.0)])
    alone = softmax_path(X[:, 1:], y, Cs=5, l1_ratio=1.0)
    np.testing.assert_allclose(softmax_path(X, y, Cs=5, l1_ratio=1.0).Cs, alone.Cs)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_leaves_the_estimator_as_it_was(rows, monkeypatch, error):
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, cv=3).fit(X, y)
    before = cv.__dict__.copy()
    take, calls = Problem.take, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) > 3:
            raise error
        return take(*args)

    monkeypatch.setattr(Problem, "take", interrupted)
    with pytest.raises(error):
        cv.fit(X[:, :3], y)
    assert len(calls) > 3
    assert cv.__dict__ == before


def test_one_warning_for_all_that_did_not_converge(load):
    X, y = load("wine")
    with pytest.warns(ConvergenceWarning, match="now 3") as caught:
        cv = SoftmaxClassifierCV(CS, cv=3, max_iter=3).fit(X, y)
    assert len(caught) == 1
    assert not cv.converged_
    assert caught[0].filename == __file__


def test_progress_is_a_line_a_fit(rows, capsys):
    X, y, _ = rows
    SoftmaxClassifierCV(CS, l1_ratios=(0.0, 1.0), cv=3, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * 2 * 4 + 1
    assert lines[0].startswith(
        "SoftmaxClassifierCV: fold 1/3, l1_ratio 0, C 1/4 = 0.01"
    )
    assert lines[-1].startswith("SoftmaxClassifierCV: all rows, ")


def test_X_is_not_written_to(load):
    X, y = load("wine")  # read-only
    SoftmaxClassifierCV(CS, cv=3).fit(X, y)


def test_displays(rows):
    pytest.importorskip("matplotlib").use("agg")
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, cv=3).fit(X, y)
    display = CVScoreDisplay.from_estimator(cv)
    assert display.C_best == cv.C_
    PathDisplay.from_path(softmax_path(X, y, Cs=3, l1_ratio=1.0))


def test_scores_know_the_names_of_the_features(load):
    pandas = pytest.importorskip("pandas")
    X, y = load("iris")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    classifier = SoftmaxClassifierCV([1.0], cv=2, scoring="accuracy").fit(frame, y)
    assert classifier.score(frame, y) > 0.9
    with pytest.raises(ValueError, match="feature names"):
        classifier.score(frame[list("dcba")], y)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_a_scorer_of_labels_and_soft_labels(make_rows, scoring):
    X, y, _ = make_rows(60, 3, 3)
    Y = np.eye(3)[y] * 0.7 + 0.1
    with pytest.raises(ValueError, match=f"scoring='{scoring}'.*soft labels"):
        SoftmaxClassifierCV(CS, cv=3, scoring=scoring).fit(X, Y)
    chosen = SoftmaxClassifierCV(
        CS, cv=3, scoring=lambda model, X, Y: model.score(X, Y)
    )
    assert chosen.fit(X, Y).C_ == SoftmaxClassifierCV(CS, cv=3).fit(X, Y).C_


@pytest.mark.parametrize("name", ["nlambda", "l1_ratios"])
def test_an_option_that_there_is_not_is_an_error_that_names_it(name):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3
    with pytest.raises(TypeError, match=rf"softmax_path\(\) takes no '{name}'"):
        softmax_path(X, y, **{name: 3})
    with pytest.raises(ValueError, match="Cs must be"):
        softmax_path(X, y, Cs=[])
    with pytest.raises(ValueError, match=r"l1_ratios must be .* \[1.0\], got 1.0"):
        SoftmaxClassifierCV(l1_ratios=1.0).fit(X, y)


def test_coordinates_of_a_ridge_that_is_all_there_is_are_not_inherited():
    """Less that ridge, their scale is infinite."""
    X, y = load_iris(return_X_y=True)
    path = softmax_path(X, y, Cs=[1e-20, 1.0], solver="kronecker")
    assert path.converged.all()
    alone = SoftmaxClassifier(solver="kronecker").fit(X, y)
    assert path.n_iter[1] <= alone.n_iter_[0] + 5  # 17 more, in coordinates of NaN


def test_a_path_of_one_pass_each():
    """Where no coordinates were built."""
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="3 of 3 fits"):
        path = softmax_path(X, y, Cs=3, max_iter=1)
    np.testing.assert_array_equal(path.n_iter, 1)


def test_scores_of_labels_that_are_too_few_or_too_many(rows):
    X, y, _ = rows
    chooser = SoftmaxClassifierCV([1.0], cv=3).fit(X, y)
    classifier = SoftmaxClassifier().fit(X, y)
    for n in (10, len(y) - 1):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            chooser.score(X, y[:n])
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            chooser.score(X[:n], y)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            classifier.score(X, np.eye(3)[y[:n]])


@pytest.mark.parametrize("n", [2, 3, 4])
def test_no_more_folds_than_the_largest_class_has_rows(n):
    X = np.random.default_rng(0).normal(size=(3 * n, 2))
    y = np.arange(3 * n) % 3
    chooser = SoftmaxClassifierCV([0.1, 1.0]).fit(X, y)
    assert len(chooser.scores_) == n
    chooser.fit(np.vstack([X] * 3), np.tile(y, 3))
    assert len(chooser.scores_) == 5


def test_eps_is_a_number(rows):
    X, y, _ = rows
    with pytest.raises(ValueError, match="eps is NaN"):
        softmax_path(X, y, Cs=3, eps=np.nan)
    path = softmax_path(X, y, Cs=3, eps=np.float32(0.5), callbacks=None)
    assert len(path.Cs) == 3


def test_what_the_users_scorer_says_of_classes_stands(rows):
    """Where a fold lacks a class only what the scorer does not say is added."""
    X, y, _ = rows
    X, y = X[y < 2], y[y < 2]
    few = np.flatnonzero(y == 0)[:10]
    folds = [(np.setdiff1d(np.arange(len(y)), few), few)]

    def score(scoring, y=y):
        return SoftmaxClassifierCV([1.0], cv=folds, scoring=scoring).fit(X, y)

    def brier(y, p, **options):
        return brier_score_loss(y, p, **options)

    options = {"response_method": "predict_proba", "greater_is_better": False}
    for pos_label in (0, 1):
        ours = make_scorer(brier_score_loss, pos_label=pos_label, **options)
        theirs = make_scorer(brier, pos_label=pos_label, **options)
        assert score(ours).scores_ == pytest.approx(score(theirs).scores_)
    named = make_scorer(log_loss, labels=[0, 1], **options)
    assert score(named).scores_ == pytest.approx(score("neg_log_loss").scores_)
    with pytest.raises(ValueError, match=r"y_true|label"):  # labels never seen
        score("neg_log_loss").score(X[:5], np.full(5, 7))

    class Bare:
        _score_func = "not a function"

        def __call__(self, model, X, y):
            return model.score(X, y)

    assert score(Bare()).scores_ == pytest.approx(score("accuracy").scores_)


def test_a_grid_of_penalised_features_too_small_to_be_seen(load):
    X, y = load("iris")
    X = X * [1, 1, 1, 1e-260]
    path = softmax_path(X, y, Cs=3)
    np.testing.assert_allclose(path.Cs, softmax_path(X[:, :3], y, Cs=3).Cs, rtol=1e-6)
    assert softmax_path(X, y, Cs=3, l1_ratio=0.5).converged.all()


@pytest.mark.parametrize(
    "scoring", ["f1", "precision", "jaccard", "neg_brier_score", "average_precision"]
)
@pytest.mark.parametrize("labels", [["no", "yes"], [7, 8], [False, True]])
def test_of_two_classes_the_second_is_positive(rows, scoring, labels):
    X, y, _ = rows
    X, y = X[y != 2], y[y != 2]
    expected = SoftmaxClassifierCV(CS, cv=3, scoring=scoring).fit(X, y)
    named = np.array(labels)[y]
    cv = SoftmaxClassifierCV(CS, cv=3, scoring=scoring).fit(X, named)
    np.testing.assert_array_equal(cv.scores_, expected.scores_)
    assert cv.score(X, named) == expected.score(X, y)


def test_averages_over_the_classes_have_no_positive_one(rows):
    X, y, _ = rows
    X, labels = X[y != 2], np.array(["no", "yes"])[y[y != 2]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn warns of one that it ignores
        SoftmaxClassifierCV(CS, scoring="f1_macro").fit(X, labels)


def test_splits_may_be_masks(rows):
    X, y, _ = rows
    train = np.arange(len(y)) % 3 > 0
    masks = SoftmaxClassifierCV(CS, cv=[(train, ~train), (~train, train)]).fit(X, y)
    numbers = [np.flatnonzero(train), np.flatnonzero(~train)]
    expected = SoftmaxClassifierCV(CS, cv=[numbers, numbers[::-1]]).fit(X, y)
    np.testing.assert_array_equal(masks.scores_, expected.scores_)


def test_splits_may_be_slices(rows):
    X, y, _ = rows
    even, odd = slice(0, None, 2), slice(1, None, 2)
    slices = SoftmaxClassifierCV(CS, cv=[(even, odd), (odd, even)]).fit(X, y)
    numbers = [np.arange(0, len(y), 2), np.arange(1, len(y), 2)]
    expected = SoftmaxClassifierCV(CS, cv=[numbers, numbers[::-1]]).fit(X, y)
    np.testing.assert_array_equal(slices.scores_, expected.scores_)


@pytest.mark.parametrize(
    "test", [[10**6], [0.5], [[True]], [[1, 2]], 5, None, ...], ids=str
)
def test_splits_that_are_no_rows_are_refused(rows, test):
    with pytest.raises(ValueError, match=r"cv must give pairs .* row numbers below"):
        SoftmaxClassifierCV(CS, cv=[(np.arange(20), test)] * 2).fit(*rows[:2])


def test_a_metric_is_no_scorer(rows):
    with pytest.raises(ValueError, match="metric function rather than a scorer"):
        SoftmaxClassifierCV(CS, scoring=f1_score).fit(*rows[:2])


def test_one_row_of_each_class_makes_no_folds():
    with pytest.raises(ValueError, match=r"one row of each class, .* splitter as cv"):
        SoftmaxClassifierCV(CS).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match=r"one row, .* splitter as cv"):
        SoftmaxClassifierCV(CS).fit([[0.0]], [[0.5, 0.5]])


def test_a_hessian_too_large_is_refused_before_the_fits(rows, monkeypatch):
    monkeypatch.setattr(_leave_one_out, "MAX_BYTES", 8)
    monkeypatch.setattr(_folds, "solve_path", None)
    with pytest.raises(ValueError, match="needs the Hessian of all 15 coefficients"):
        SoftmaxClassifierCV(CS, cv=LOO).fit(*rows[:2])


def test_a_positive_class_that_a_metric_names_stands(rows):
    X, y, _ = rows
    X, labels = X[y != 2], np.array(["no", "yes"])[y[y != 2]]

    def recall(y, y_pred, pos_label="no"):
        return recall_score(y, y_pred, pos_label=pos_label)

    scorers = [
        make_scorer(recall_score, pos_label="no"),
        make_scorer(partial(recall_score, pos_label="no")),
        make_scorer(recall),
    ]
    own, *others = (
        SoftmaxClassifierCV(CS, scoring=scorer).fit(X, labels).scores_
        for scorer in scorers
    )
    second = SoftmaxClassifierCV(CS, scoring="recall").fit(X, labels).scores_
    assert (own != second).any()
    for other in others:
        np.testing.assert_array_equal(other, own)


def test_a_scorer_whose_function_has_no_signature(rows):
    class Scorer:
        _score_func = staticmethod(max)

        def __call__(self, model, X, y):
            return model.score(X, y)

    cv = SoftmaxClassifierCV(CS, scoring=Scorer()).fit(*rows[:2])
    assert cv.score(*rows[:2]) > 0.5
