"""The contract with scikit-learn, without an exception."""

import pickle

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_softmax import SoftmaxClassifier


# No `expected_failed_checks`: scikit-learn 1.6 and later run all of them. Checks
# that separate blobs need an intercept and a penalty, of any estimator.
@parametrize_with_checks(
    [
        SoftmaxClassifier(),
        SoftmaxClassifier(solver="hessian"),
        SoftmaxClassifier(solver="kronecker"),
        SoftmaxClassifier(solver="diagonal"),
        SoftmaxClassifier(C=1e3, tol=1e-10),
        SoftmaxClassifier(class_weight="balanced"),
        SoftmaxClassifier(warm_start=True),
    ]
)
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def iris(load):
    return load("iris")


@pytest.fixture
def fitted(iris):
    return SoftmaxClassifier().fit(*iris)


def test_parameters_are_those_of_logistic_regression(iris):
    """What the two share has the same name and the same default."""
    theirs = LogisticRegression().get_params()
    ours = SoftmaxClassifier().get_params()
    assert ours["l1_ratio"] == 0  # theirs was None before 1.8
    for name in ("C", "fit_intercept", "class_weight", "warm_start", "verbose"):
        assert ours[name] == theirs[name]


def test_tags(fitted):
    tags = get_tags(fitted)
    assert is_classifier(fitted)
    assert tags.input_tags.sparse
    assert tags.classifier_tags.multi_class
    assert not tags.input_tags.allow_nan
    assert not tags.non_deterministic


def test_clone_and_set_params():
    classifier = SoftmaxClassifier(3.0, class_weight={0: 2.0}, tol=1e-4)
    copy = clone(classifier)
    assert copy is not classifier
    assert copy.get_params() == classifier.get_params()
    assert copy.set_params(C=7.0).C == 7.0


@pytest.mark.parametrize("store", ["pickle", "joblib"])
def test_stored_and_loaded(iris, fitted, store, tmp_path):
    X, y = iris
    if store == "pickle":
        again = pickle.loads(pickle.dumps(fitted))
    else:
        joblib.dump(fitted, tmp_path / "classifier")
        again = joblib.load(tmp_path / "classifier")
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    # and it still learns
    np.testing.assert_array_equal(again.fit(X, y).coef_, fitted.coef_)


def test_in_a_pipeline_a_grid_search_and_cross_validation(iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), SoftmaxClassifier())
    grid = {"softmaxclassifier__C": [0.01, 1, 100]}
    search = GridSearchCV(pipeline, grid, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_["softmaxclassifier__C"] > 0.01
    assert cross_val_score(search, X, y, scoring="accuracy").mean() > 0.9


def test_in_processes(iris):
    X, y = iris
    here = cross_val_score(SoftmaxClassifier(), X, y, scoring="neg_log_loss")
    there = cross_val_score(SoftmaxClassifier(), X, y, scoring="neg_log_loss", n_jobs=2)
    np.testing.assert_array_equal(here, there)


def test_in_threads(iris):
    X, y = iris
    here = cross_val_score(SoftmaxClassifier(), X, y, scoring="neg_log_loss")
    with joblib.parallel_backend("threading", n_jobs=4):
        there = cross_val_score(SoftmaxClassifier(), X, y, scoring="neg_log_loss")
    # predictions are a BLAS product, by as many threads as fits elsewhere leave it
    np.testing.assert_allclose(here, there, rtol=1e-10)


@pytest.mark.parametrize(
    "meta",
    [
        BaggingClassifier(SoftmaxClassifier(), n_estimators=3, random_state=0),
        CalibratedClassifierCV(SoftmaxClassifier()),
        OneVsRestClassifier(SoftmaxClassifier()),
        RFE(SoftmaxClassifier(), n_features_to_select=2),
        StackingClassifier([("softmax", SoftmaxClassifier())], SoftmaxClassifier()),
        VotingClassifier([("softmax", SoftmaxClassifier())], voting="soft"),
        make_pipeline(SelectFromModel(SoftmaxClassifier()), SoftmaxClassifier()),
    ],
    ids=lambda meta: type(meta).__name__,
)
def test_in_other_estimators(iris, meta):
    X, y = iris
    assert clone(meta).fit(X, y).score(X, y) > 0.9


def test_with_the_tools_of_model_selection(iris, fitted):
    X, y = iris
    proba = cross_val_predict(SoftmaxClassifier(), X, y, method="predict_proba")
    assert proba.shape == (150, 3)
    learning_curve(SoftmaxClassifier(), X, y, shuffle=True, random_state=0)
    permutation_importance(fitted, X, y, n_repeats=1)
    for name in ("accuracy", "neg_log_loss", "roc_auc_ovr", "balanced_accuracy"):
        assert np.isfinite(get_scorer(name)(fitted, X, y))


def test_sample_weight_is_routed(iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0, 2, len(y))
    expected = SoftmaxClassifier().fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        classifier = SoftmaxClassifier().set_fit_request(sample_weight=True)
        classifier.set_score_request(sample_weight=True)
        pipeline = make_pipeline(classifier).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(pipeline[-1].coef_, expected.coef_)
        cross_validate(classifier, X, y, params={"sample_weight": weight})
        with pytest.raises(ValueError, match="sample_weight"):
            make_pipeline(SoftmaxClassifier()).fit(X, y, sample_weight=weight)


def test_html_repr(fitted):
    html = fitted._repr_html_()
    assert "SoftmaxClassifier" in html
    assert "fitted" in html


def test_html_repr_has_no_link_to_a_page_that_is_not_ours(fitted):
    assert fitted._get_doc_link() == ""


# Containers


def test_feature_names_of_pandas(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X, columns=list("abcd"))
    classifier = SoftmaxClassifier().fit(frame, pandas.Series(y))
    np.testing.assert_array_equal(classifier.feature_names_in_, list("abcd"))
    expected = SoftmaxClassifier().fit(X, y)
    np.testing.assert_allclose(classifier.coef_, expected.coef_, rtol=1e-6)
    classifier.predict(frame)
    with pytest.raises(ValueError, match=r"feature names.*\n.*unseen(.|\n)*- z"):
        classifier.predict(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match=r"feature names(.|\n)*order"):
        classifier.predict(frame[list("bacd")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        classifier.predict(X)
    assert not hasattr(classifier.fit(X, y), "feature_names_in_")


def test_pandas_of_mixed_types(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X, columns=list("abcd")).astype({"a": "float32"})
    frame["e"] = np.arange(len(X)) % 5
    frame["f"] = pandas.array(X[:, 0] > 5, dtype="boolean")
    classifier = SoftmaxClassifier().fit(frame, y)
    assert classifier.coef_.dtype == np.float64
    assert classifier.n_features_in_ == 6


@pytest.mark.parametrize("dtype", ["object", "category"])
def test_labels_of_pandas(iris, dtype):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    names = pandas.Series(np.array(["setosa", "versicolor", "virginica"])[y])
    classifier = SoftmaxClassifier().fit(X, names.astype(dtype))
    assert list(classifier.classes_) == ["setosa", "versicolor", "virginica"]
    assert set(classifier.predict(X)) == set(classifier.classes_)


def test_polars(iris):
    polars = pytest.importorskip("polars")
    X, y = iris
    frame = polars.DataFrame(X, schema=list("abcd"))
    classifier = SoftmaxClassifier().fit(frame, polars.Series(y))
    expected = SoftmaxClassifier().fit(X, y)
    np.testing.assert_allclose(classifier.coef_, expected.coef_, rtol=1e-6)
    np.testing.assert_array_equal(classifier.predict(frame), expected.predict(X))
    if not hasattr(StandardScaler().fit(frame), "feature_names_in_"):
        pytest.skip("this scikit-learn does not read the names of this polars")
    np.testing.assert_array_equal(classifier.feature_names_in_, list("abcd"))
    with pytest.raises(ValueError, match=r"feature names(.|\n)*order"):
        classifier.predict(frame.select(list("bacd")))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_memory_map(load, tmp_path, order, dtype):
    X, y = load("digits")
    path = tmp_path / "X.npy"
    np.save(path, np.asarray(X, dtype, order=order))
    mapped = np.load(path, mmap_mode="r")
    classifier = SoftmaxClassifier().fit(mapped, y)
    expected = SoftmaxClassifier().fit(np.asarray(X, dtype, order=order), y)
    np.testing.assert_array_equal(classifier.coef_, expected.coef_)
    np.testing.assert_array_equal(classifier.predict(mapped), expected.predict(X))


def test_nothing_is_written_to(iris):
    X, y = iris
    weight = np.linspace(0, 2, len(y))
    for array in (X, y, weight):
        array.flags.writeable = False
    class_weight = {0: 1.0, 1: 2.0, 2: 3.0}
    classifier = SoftmaxClassifier(class_weight=class_weight).fit(X, y, weight)
    assert classifier.class_weight is class_weight
    assert class_weight == {0: 1.0, 1: 2.0, 2: 3.0}
    np.testing.assert_array_equal(weight, np.linspace(0, 2, len(y)))
    compressed = sparse.csr_array(X)
    for array in (compressed.data, compressed.indices, compressed.indptr):
        array.flags.writeable = False
    classifier.fit(compressed, y, weight).predict_proba(compressed)


@pytest.mark.parametrize("kind", [list, "strided", "reversed", "integer", "half"])
def test_other_arrays(iris, kind):
    X, y = iris
    X = np.round(X, 1)
    changed = {
        list: lambda: X.tolist(),
        "strided": lambda: np.repeat(X, 2, axis=1)[:, ::2],
        "reversed": lambda: X[::-1][::-1],
        "integer": lambda: (10 * X).round().astype(np.int16),
        "half": lambda: X.astype(np.float16),
    }[kind]()
    expected = np.asarray(changed, dtype=np.float64)
    found = SoftmaxClassifier(tol=1e-10).fit(changed, y).coef_
    np.testing.assert_allclose(
        found, SoftmaxClassifier(tol=1e-10).fit(expected, y).coef_, atol=1e-3
    )


def test_set_output_is_for_transformers(fitted):
    assert not hasattr(fitted, "set_output")
