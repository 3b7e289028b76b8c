"""The tools that users have, with the real packages where these are installed."""

import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_selection import RFECV, SelectFromModel
from sklearn.inspection import DecisionBoundaryDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV
from sk_softmax.interop import coef_frame, to_sklearn

OURS = SoftmaxClassifier(tol=1e-12)
THEIRS = LogisticRegression(solver="newton-cholesky", tol=1e-12)


def optional(name):
    """The module; the test is skipped without it. Its own warnings do not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def data(n_classes):
    X, y = (load_breast_cancer if n_classes == 2 else load_iris)(return_X_y=True)
    return StandardScaler().fit_transform(X[:, :6]), y


# As LogisticRegression, and out to other programs


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_to_sklearn_predicts_the_same(n_classes, fit_intercept):
    X, y = data(n_classes)
    labels = np.array(["a", "b", "c"])[y]
    classifier = SoftmaxClassifier(fit_intercept=fit_intercept, C=3.0, max_iter=500)
    classifier.fit(X, labels)
    model = to_sklearn(classifier)
    assert type(model) is LogisticRegression
    assert (model.C, model.max_iter) == (3.0, 500)
    assert model.fit_intercept is fit_intercept
    np.testing.assert_array_equal(model.predict(X), classifier.predict(X))
    for method in ("predict_proba", "decision_function"):
        ours, theirs = (getattr(m, method)(X) for m in (classifier, model))
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-12)
    sparsified = to_sklearn(classifier.sparsify())
    np.testing.assert_array_equal(sparsified.predict(X), model.predict(X))


def test_to_sklearn_copies_and_keeps_names():
    pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    classifier = SoftmaxClassifier().fit(X, y)
    model = to_sklearn(classifier)
    before = model.predict_proba(X)  # would warn without the names
    classifier.coef_[:] = 0
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert list(model.feature_names_in_) == list(X)
    assert model.n_features_in_ == 4


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_classifier_that_chose_its_own_C(n_classes):
    pytest.importorskip("pandas")
    X, y = data(n_classes)
    chosen = SoftmaxClassifierCV([0.1, 10], class_weight="balanced").fit(X, y)
    model = to_sklearn(chosen)
    assert pytest.approx(chosen.C_) == model.C
    assert model.class_weight == "balanced"
    assert model.n_iter_.shape == (1,)
    np.testing.assert_allclose(model.predict_proba(X), chosen.predict_proba(X))
    model.coef_[:] = 0  # a copy
    assert chosen.coef_.any()
    frame = coef_frame(chosen)
    np.testing.assert_array_equal(frame["x0"], chosen.coef_[:, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_onnx(n_classes, dtype):
    skl2onnx, onnxruntime = optional("skl2onnx"), optional("onnxruntime")
    X, y = data(n_classes)
    X = X.astype(dtype)
    pipe = make_pipeline(StandardScaler(), SoftmaxClassifier()).fit(X, y)
    exported = make_pipeline(pipe[0], to_sklearn(pipe[-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter's own making
        model = skl2onnx.to_onnx(
            exported, X[:1], options={id(exported[-1]): {"zipmap": False}}
        )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    labels, proba = session.run(None, {"X": X})
    np.testing.assert_array_equal(labels, pipe.predict(X))
    np.testing.assert_allclose(proba, pipe.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("estimator", [SoftmaxClassifier(), SoftmaxClassifierCV(3)])
def test_skops(estimator):
    skops = optional("skops.io")
    X, y = data(3)
    classifier = estimator.fit(X, y)
    dumped = skops.dumps(classifier)
    untrusted = skops.get_untrusted_types(data=dumped)
    name = type(estimator).__name__
    assert [path.rpartition(".")[2] for path in untrusted] == [name]
    assert untrusted[0].startswith("sk_softmax.")
    loaded = skops.loads(dumped, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_shap(n_classes):
    shap = optional("shap")
    X, y = data(n_classes)
    classifier = SoftmaxClassifier().fit(X, y)
    explained = shap.LinearExplainer(classifier, X)(X)
    total = explained.values.sum(axis=1) + explained.base_values
    np.testing.assert_allclose(total, classifier.decision_function(X), atol=1e-9)
    # between two rows a feature makes the difference of its coefficient
    between = explained.values[0] - explained.values[-1]
    coef = classifier.coef_[0] if n_classes == 2 else classifier.coef_.T
    expected = ((X[0] - X[-1]) * coef.T).T
    np.testing.assert_allclose(between, expected, atol=1e-9)


# In scikit-learn's meta-estimators, with what LogisticRegression gives there


@pytest.mark.parametrize(
    "meta",
    [
        CalibratedClassifierCV,
        lambda clf: CalibratedClassifierCV(clf, method="isotonic", ensemble=False),
        lambda clf: make_pipeline(SelectFromModel(clf, threshold="median"), clf),
        lambda clf: RFECV(clf, min_features_to_select=2),
        lambda clf: StackingClassifier(
            [("linear", clf), ("tree", DecisionTreeClassifier(max_depth=2))], clf
        ),
        lambda clf: VotingClassifier(
            [("linear", clf), ("tree", DecisionTreeClassifier(max_depth=2))],
            voting="soft",
        ),
    ],
    ids=["sigmoid", "isotonic", "select", "rfecv", "stacking", "voting"],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_meta_estimators(meta, n_classes):
    X, y = data(n_classes)
    ours, theirs = meta(OURS).fit(X, y), meta(THEIRS).fit(X, y)
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5
    )
    for name in ("support_", "n_features_"):
        if hasattr(theirs, name):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_selection_by_a_lasso(make_rows):
    X, y, _ = make_rows(300, 5, 3)
    noise = np.random.default_rng(1).normal(size=(300, 20))
    X = np.hstack([X, noise])
    lasso = SoftmaxClassifier(C=0.03, l1_ratio=1.0)
    select = SelectFromModel(lasso).fit(X, y)
    chosen = SoftmaxClassifierCV([0.03], l1_ratios=[1.0])
    assert SelectFromModel(chosen).fit(X, y).threshold_ == select.threshold_ == 1e-5
    support = select.get_support()
    np.testing.assert_array_equal(support, select.estimator_.coef_.any(axis=0))
    assert support[:5].sum() == 3
    assert support[5:].sum() == 0


def test_tuned_threshold():
    X, y = data(2)
    tuned = [
        TunedThresholdClassifierCV(clf, scoring="f1").fit(X, y)
        for clf in (OURS, THEIRS)
    ]
    assert tuned[0].best_threshold_ == pytest.approx(tuned[1].best_threshold_, abs=1e-6)
    assert tuned[0].best_score_ == pytest.approx(tuned[1].best_score_)


def test_permutation_importance():
    X, y = data(3)
    importances = [
        permutation_importance(
            clf.fit(X, y), X, y, scoring="neg_log_loss", random_state=0
        ).importances_mean
        for clf in (OURS, THEIRS)
    ]
    np.testing.assert_allclose(*importances, atol=1e-6)


def test_decision_boundary_display():
    matplotlib = optional("matplotlib")
    matplotlib.use("agg")
    X, y = data(3)
    X = X[:, :2]
    displays = [
        DecisionBoundaryDisplay.from_estimator(
            clf.fit(X, y), X, response_method="predict", grid_resolution=30
        )
        for clf in (OURS, THEIRS)
    ]
    np.testing.assert_array_equal(displays[0].response, displays[1].response)
    optional("matplotlib.pyplot").close("all")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library):
    module = optional(library)
    iris = load_iris()
    names = [name.split(" (")[0] for name in iris.feature_names]
    X = module.DataFrame(dict(zip(names, iris.data.T, strict=True)))
    pipe = make_pipeline(StandardScaler(), SoftmaxClassifier())
    pipe.set_output(transform=library).fit(X, iris.target)
    assert list(pipe[-1].feature_names_in_) == names
    select = make_pipeline(StandardScaler(), SelectFromModel(SoftmaxClassifier()))
    selected = select.set_output(transform=library).fit_transform(X, iris.target)
    assert isinstance(selected, module.DataFrame)
    assert set(selected.columns) < set(names)
    plain = make_pipeline(StandardScaler(), SoftmaxClassifier())
    plain.fit(iris.data, iris.target)
    np.testing.assert_allclose(
        pipe.predict_proba(X), plain.predict_proba(iris.data), atol=1e-12
    )


# The coefficients with their names


@pytest.mark.parametrize("export", [coef_frame, to_sklearn])
def test_what_holds_a_classifier_has_no_coefficients(export):
    pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), SoftmaxClassifier()).fit(X, y)
    with pytest.raises(TypeError, match=r"Pipeline has no coef_.*pipe\[-1\]"):
        export(pipeline)


def test_coef_frame():
    pd = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    classifier = SoftmaxClassifier().fit(X, labels)
    frame = coef_frame(classifier)
    assert list(frame.columns) == ["(intercept)", *X]
    assert list(frame.index) == ["setosa", "versicolor", "virginica"]
    np.testing.assert_array_equal(frame[list(X)], classifier.coef_)
    np.testing.assert_array_equal(frame["(intercept)"], classifier.intercept_)
    pd.testing.assert_frame_equal(coef_frame(classifier.sparsify()), frame)
    two = SoftmaxClassifier(fit_intercept=False).fit(X.to_numpy()[:100], labels[:100])
    frame = coef_frame(two)
    assert list(frame.index) == ["versicolor"]
    assert list(frame.columns) == ["x0", "x1", "x2", "x3"]
