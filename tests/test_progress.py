"""What scikit-learn's callbacks are told of a fit, and a request to stop."""

import pickle
from collections import Counter

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, softmax_path

HAS_CALLBACKS = hasattr(SoftmaxClassifier, "set_callbacks")
needs_callbacks = pytest.mark.skipif(
    not HAS_CALLBACKS, reason="scikit-learn has no callbacks before 1.9"
)
CS = [0.01, 0.1, 1.0, 10.0]


class Recorder:
    """A callback that records the hooks, and asks to stop when `stop` says so."""

    def __init__(self, stop=lambda path, estimator: False):
        self.stop, self.record, self.fitted = stop, [], []

    def setup(self, estimator, context):
        self.record.append(("setup",))

    def on_fit_task_begin(self, estimator, context):
        self.record.append(("begin", *path_of(context)))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator
    ):
        self.record.append(("end", *path_of(context)))
        self.fitted.append((path_of(context), X, y, metadata, fitted_estimator))
        return self.stop(path_of(context), fitted_estimator)

    def teardown(self, estimator, context):
        self.record.append(("teardown",))


class Propagated(Recorder):
    max_propagation_depth = None


def path_of(context):
    path = []
    while context is not None:
        path.insert(0, (context.task_name, context.task_id))
        context = context.parent
    return tuple(path)


def second_C(path, estimator):
    """Of the second fold."""
    return path[-2:] == (("fold", 1), ("C", 1))


def never(path, estimator):
    return False


def names(record, hook):
    return Counter(entry[-1][0] for entry in record if entry[0] == hook)


@pytest.fixture
def rows(make_rows):
    return make_rows(90, 4, 3)


def both(X, y, callback):
    """A fit that is followed and one that is not."""
    followed = SoftmaxClassifier(tol=1e-10).set_callbacks(callback).fit(X, y)
    return followed, SoftmaxClassifier(tol=1e-10).fit(X, y)


@needs_callbacks
def test_a_fit_tells_of_its_rounds(rows):
    X, y, _ = rows
    callback = Recorder()
    followed, alone = both(X, y, callback)
    assert callback.record[0] == ("setup",)
    assert callback.record[1] == ("begin", ("fit", 0))
    assert callback.record[-2:] == [("end", ("fit", 0)), ("teardown",)]
    assert names(callback.record, "begin") == names(callback.record, "end")
    assert names(callback.record, "end")["round"] >= 2
    np.testing.assert_array_equal(followed.coef_, alone.coef_)


@needs_callbacks
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("d", [4, 3000])  # the second on fewer features
def test_hooks_get_a_model_that_predicts(make_rows, l1_ratio, d):
    X, y, weight = make_rows(60, d, 3)
    callback = Recorder()
    classifier = SoftmaxClassifier(C=0.01, l1_ratio=l1_ratio)
    classifier.set_callbacks(callback).fit(X, y, sample_weight=weight)
    assert not hasattr(classifier, "_callback_fit_ctx")
    for _, X_, y_, metadata, model in callback.fitted:
        assert X_ is not None and y_ is y
        assert metadata["sample_weight"] is weight
        assert model.predict_proba(X).shape == (60, 3)
    np.testing.assert_array_equal(callback.fitted[-1][-1].coef_, classifier.coef_)


@needs_callbacks
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_fit_stops_when_asked(rows, l1_ratio):
    X, y, _ = rows
    options = {"l1_ratio": l1_ratio, "tol": 1e-12}
    callback = Recorder(stop=lambda path, estimator: path[-1][0] == "round")
    stopped = SoftmaxClassifier(**options).set_callbacks(callback).fit(X, y)
    whole = SoftmaxClassifier(**options).fit(X, y)
    assert names(callback.record, "end")["round"] == 1
    assert not stopped.converged_
    assert stopped.n_iter_ < whole.n_iter_
    assert 1e-12 < stopped.optimality_
    assert np.isfinite(stopped.coef_).all()
    np.testing.assert_array_equal(stopped.coef_, callback.fitted[-1][-1].coef_)


@needs_callbacks
def test_a_fit_stops_when_asked_among_some_of_the_features(words):
    X, y = words
    options = {"l1_ratio": 1.0, "C": 0.3, "tol": 1e-12}
    callback = Recorder(stop=lambda path, estimator: path[-1][0] == "round")
    stopped = SoftmaxClassifier(**options).set_callbacks(callback).fit(X, y)
    whole = SoftmaxClassifier(**options).fit(X, y)
    assert names(callback.record, "end")["round"] == 1
    assert not stopped.converged_ and stopped.n_iter_ < whole.n_iter_
    assert callback.fitted[0][-1].coef_.shape == stopped.coef_.shape


@needs_callbacks
def test_clones_and_copies_keep_the_callbacks(rows):
    X, y, _ = rows
    classifier = SoftmaxClassifier().set_callbacks(Recorder(stop=never))
    assert clone(classifier)._skl_callbacks == classifier._skl_callbacks
    fitted = classifier.fit(X, y)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.coef_, fitted.coef_)
    copy.fit(X, y)
    (callback,) = copy._skl_callbacks
    assert callback.record.count(("teardown",)) == 2


@needs_callbacks
def test_meta_estimators_pass_callbacks_on(rows):
    X, y, _ = rows
    callback = Propagated()
    model = make_pipeline(StandardScaler(), SoftmaxClassifier())
    search = GridSearchCV(model, {"softmaxclassifier__C": CS}, cv=3)
    search.set_callbacks(callback).fit(X, y)
    assert names(callback.record, "end")["round"] >= 13
    assert callback.record.count(("setup",)) == 1
    assert names(callback.record, "begin") == names(callback.record, "end")
    SoftmaxClassifier().fit(X, y)  # and nobody follows this one
    assert callback.record.count(("setup",)) == 1


@needs_callbacks
@pytest.mark.parametrize("estimator", [SoftmaxClassifier(), SoftmaxClassifierCV(CS)])
def test_a_callback_that_fails_leaves_the_estimator_as_it_was(rows, estimator):
    X, y, _ = rows

    def fail(path, estimator):
        raise RuntimeError("no more")

    callback = Recorder(stop=fail)
    estimator = clone(estimator).fit(X, y).set_callbacks(callback)
    before = estimator.__dict__.copy()
    with pytest.raises(RuntimeError, match="no more"):
        estimator.fit(X[::2], y[::2])
    assert estimator.__dict__ == before
    assert callback.record[-1] == ("teardown",)


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("refit", [True, False])
def test_cross_validation_tells_of_each_fit(rows, n_jobs, refit):
    X, y, weight = rows
    callback = Recorder()
    cv = SoftmaxClassifierCV(CS, l1_ratios=(0.0, 1.0), cv=3, n_jobs=n_jobs, refit=refit)
    cv.set_callbacks(callback).fit(X, y, sample_weight=weight)
    expected = {"fit": 1, "fold": 3, "C": 24} | ({"refit": 1} if refit else {})
    assert names(callback.record, "begin") == expected
    assert names(callback.record, "end") == expected
    alone = clone(cv).set_callbacks().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(cv.coefs_paths_, alone.coefs_paths_)
    np.testing.assert_array_equal(cv.coef_, alone.coef_)
    for path, X_, y_, metadata, model in callback.fitted:
        if path[-1][0] == "C":
            (_, fold), (_, fit) = path[1:]
            assert len(X_) == len(y_) == len(metadata["sample_weight"]) == 60
            coef = cv.coefs_paths_[fold, fit // 4, fit % 4, :, :-1]
            np.testing.assert_array_equal(model.coef_, coef)
            assert model.predict(X).shape == (90,)


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_stop_after_a_C_leaves_out_the_larger_ones(rows, n_jobs):
    X, y, _ = rows
    callback = Recorder(
        stop=lambda path, estimator: path[-2:] == (("fold", 1), ("C", 1))
    )
    cv = SoftmaxClassifierCV(CS, cv=4, n_jobs=n_jobs).set_callbacks(callback).fit(X, y)
    shorter = SoftmaxClassifierCV(CS[:2], cv=4).fit(X, y)
    np.testing.assert_array_equal(cv.Cs_, CS[:2])
    for name in ("scores_", "coefs_paths_", "n_iter_", "coef_", "scores_se_"):
        np.testing.assert_array_equal(getattr(cv, name), getattr(shorter, name))
    if n_jobs == 1:  # folds after it do not go on
        assert names(callback.record, "end")["C"] == 4 + 2 + 2 + 2
    assert cv.C_ == shorter.C_


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_stop_after_a_fold_leaves_out_the_others(rows, n_jobs):
    X, y, _ = rows
    callback = Recorder(stop=lambda path, estimator: path[-1] == ("fold", 1))
    cv = SoftmaxClassifierCV(CS, cv=4, n_jobs=n_jobs).set_callbacks(callback).fit(X, y)
    whole = SoftmaxClassifierCV(CS, cv=4).fit(X, y)
    np.testing.assert_array_equal(cv.scores_, whole.scores_[:2])
    np.testing.assert_array_equal(cv.scores_mean_, whole.scores_[:2].mean(axis=0))
    assert names(callback.record, "end")["refit"] == 1
    if n_jobs == 1:
        assert names(callback.record, "end")["fold"] == 2


@needs_callbacks
def test_approximate_leave_one_out_is_one_path(rows):
    X, y, _ = rows
    callback = Recorder(stop=lambda path, estimator: path[-1] == ("C", 2))
    cv = SoftmaxClassifierCV(CS, cv="approximate-loo").set_callbacks(callback)
    cv.fit(X, y)
    assert names(callback.record, "end") == {"fit": 1, "path": 1, "C": 3}
    np.testing.assert_array_equal(cv.Cs_, CS[:3])


@needs_callbacks
def test_processes_stop_too(rows):
    X, y, _ = rows
    cv = SoftmaxClassifierCV(CS, cv=3, n_jobs=2).set_callbacks(Recorder(stop=second_C))
    with parallel_config("loky"):
        cv.fit(X, y)
    np.testing.assert_array_equal(cv.Cs_, CS[:2])


@needs_callbacks
def test_a_path_stops_where_it_is_asked_to(rows):
    X, y, _ = rows
    callback = Recorder(stop=lambda path, estimator: estimator.score(X, y) > 0.6)
    path = softmax_path(X, y, Cs=50, l1_ratio=1.0, callbacks=[callback])
    whole = softmax_path(X, y, Cs=50, l1_ratio=1.0)
    n = len(path.Cs)
    assert 1 < n < 50
    np.testing.assert_array_equal(path.coefs, whole.coefs[:n])
    np.testing.assert_array_equal(path.Cs, whole.Cs[:n])
    assert names(callback.record, "end") == {"fit": 1, "C": n}
    assert callback.record[-1] == ("teardown",)


@pytest.mark.skipif(HAS_CALLBACKS, reason="scikit-learn has callbacks from 1.9 on")
def test_older_scikit_learn_says_so(rows):
    X, y, _ = rows
    with pytest.raises(
        ValueError, match=f"1.9 or later, this is {sklearn.__version__}"
    ):
        softmax_path(X, y, callbacks=[Recorder()])


@needs_callbacks
def test_what_is_no_callback_is_an_error(rows):
    X, y, _ = rows
    with pytest.raises(TypeError, match="FitCallback"):
        softmax_path(X, y, callbacks=[print])


@needs_callbacks
@pytest.mark.parametrize(
    ("estimator", "bars"),
    [
        (SoftmaxClassifier(), ["SoftmaxClassifier - fit"]),
        (
            SoftmaxClassifierCV(CS, cv=2),
            [
                "SoftmaxClassifierCV - fit",
                "  SoftmaxClassifierCV - fold #0",
                "  SoftmaxClassifierCV - fold #1",
            ],
        ),
    ],
)
def test_scikit_learns_progress_bar(rows, estimator, bars, capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    X, y, _ = rows
    clone(estimator).set_callbacks(ProgressBar()).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    for bar in bars:
        assert any(line.startswith(bar) and "100%" in line for line in lines)
