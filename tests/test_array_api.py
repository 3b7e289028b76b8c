"""Arrays of other libraries: the same fit as NumPy's, where the arrays are."""

import importlib
import importlib.util
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import get_tags

from sk_softmax import (
    SoftmaxClassifier,
    SoftmaxClassifierCV,
    _array_api,
    _array_rows,
    _problem,
    _solver,
)
from sk_softmax._curvature import far_rows
from sk_softmax._encode import problem_for
from sk_softmax.inference import infer
from sk_softmax.interop import coef_frame

if not _array_api.IS_SUPPORTED:
    pytest.skip(
        "array_api_dispatch needs a newer scikit-learn", allow_module_level=True
    )


class Backend:
    """A library and a device."""

    def __init__(self, name):
        self.library, self.device = name.split(":")
        self.xp = importlib.import_module(self.library)
        if self.library == "array_api_strict":
            self.device = self.xp.Device(self.device)

    def __call__(self, array):
        """A NumPy array there; what is not numbers stays here."""
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
            return array
        if self.library == "numpy":
            return array
        if self.library == "cupy":
            return self.xp.asarray(array)
        return self.xp.asarray(array, device=self.device)

    def has(self, array):
        """Whether the array is there."""
        if self.library == "numpy":
            return isinstance(array, np.ndarray)
        here = self(np.empty(1))
        return type(array) is type(here) and array.device == here.device


def foreign():
    """The libraries and devices that are there."""
    there = []
    if importlib.util.find_spec("array_api_strict"):
        # the second refuses np.asarray, as a GPU does
        there += ["array_api_strict:CPU_DEVICE", "array_api_strict:device1"]
    if importlib.util.find_spec("torch"):
        import torch

        there += ["torch:cpu"] + ["torch:cuda"] * torch.cuda.is_available()
    if importlib.util.find_spec("cupy"):
        import cupy

        there += ["cupy:cuda"] * cupy.cuda.is_available()
    return there


FOREIGN = foreign()
ALL = ["numpy:cpu", *FOREIGN]
INDEXABLE = [name for name in ALL if "strict" not in name]
TORCH = [name for name in ALL if "torch" in name]


@pytest.fixture
def backend(request, monkeypatch):
    # Newton's method on small data is NumPy's alone: here all go the same way
    monkeypatch.setattr(_solver, "applies_directly", lambda problem: False)
    # scikit-learn asks for the variable; scipy has read it when it was imported,
    # but gets none of these arrays
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    backend = Backend(request.param)
    with config_context(array_api_dispatch=True):
        yield backend


every_backend = pytest.mark.parametrize("backend", ALL, indirect=True)
foreign_backend = pytest.mark.parametrize("backend", FOREIGN, indirect=True)


def to_numpy(array):
    return np.asarray(_array_api.to_numpy(array))


@pytest.fixture
def data(make_rows):
    """``data(K, dtype)``: X, y, weights, offsets and soft labels."""

    def data(K, dtype=np.float64, n=150):
        X, y, weight = make_rows(n, 4, K, dtype=dtype)
        X *= np.array([1, 10, 0.1, 1], dtype)
        X += np.array([0, 100, 0, 0], dtype)
        rng = np.random.default_rng(1)
        offset = rng.normal(size=(n, K) if K > 2 else n).astype(dtype)
        return X, y, weight, offset, rng.dirichlet(np.ones(K), n).astype(dtype)

    return data


# parameters, and which of weights, offsets and soft labels there are
CASES = {
    "plain": ({}, ""),
    "weights": ({}, "w"),
    "offsets": ({}, "o"),
    "soft": ({}, "s"),
    "soft weighted": ({}, "swo"),
    "balanced": ({"class_weight": "balanced"}, "w"),
    "balanced soft": ({"class_weight": "balanced"}, "s"),
    "class weights": ({"class_weight": {0: 3.0}}, "w"),
    "no penalty": ({"C": np.inf}, ""),
    "no intercept": ({"fit_intercept": False}, "w"),
    "hessian": ({"solver": "hessian"}, "w"),
    "blocks": ({"solver": "blocks"}, "w"),
    "kronecker": ({"solver": "kronecker"}, "w"),
    "diagonal": ({"solver": "diagonal"}, "w"),
    "lasso": ({"l1_ratio": 1.0, "C": 0.3}, "w"),
    "elastic net": ({"l1_ratio": 0.5, "C": 0.3}, ""),
    "groups": ({"l1_ratio": 1.0, "C": 0.3, "penalty_group": "class"}, ""),
    "bounds": ({"bounds": (-0.1, 0.2)}, "s"),
    "prior": ({"penalty_factor": [1.0, 2.0, 0.0, 1.0]}, "w"),
}


def fitted(convert, case, K, data, dtype=np.float64, **options):
    """The case's classifier, its arguments and what it answers."""
    parameters, given = CASES[case]
    X, y, weight, offset, soft = data(K, dtype)
    y = convert(soft if "s" in given else y)
    weight = convert(weight) if "w" in given else None
    offset = convert(offset) if "o" in given else None
    X = convert(X)
    clf = SoftmaxClassifier(**parameters, **options).fit(X, y, weight, offset)
    answers = {
        "coef": clf.coef_,
        "intercept": clf.intercept_,
        "logits": clf.decision_function(X, offset),
        "labels": clf.predict(X, offset),
        "log_proba": clf.predict_log_proba(X, offset),
        "proba": clf.predict_proba(X, offset),
    }
    return clf, answers, clf.score(X, y, weight, offset)


@pytest.mark.parametrize("K", [2, 3])
@every_backend
def test_what_rows_far_out_hide_is_that_of_numpy(backend, K, data):
    X, y, *_ = data(K)
    X[0] *= 100
    theta, step = np.random.default_rng(0).normal(size=(2, K if K > 2 else 1, 5))
    sums = []
    for convert in (np.asarray, backend):
        with config_context(array_api_dispatch=convert is backend):
            args = convert(X), convert(y), None, None
            problem, _ = problem_for(SoftmaxClassifier(), *args)
            parts = problem.curvature_sum(theta, far_rows, (step,), 0)
        sums.append(np.append(*map(np.asarray, parts)))
    np.testing.assert_allclose(*sums, rtol=1e-9)
    assert (sums[0] > 0).all()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("K", [2, 3])
@every_backend
def test_the_fit_is_that_of_numpy(backend, K, case, data):
    with config_context(array_api_dispatch=False):
        ours, expected, score = fitted(np.asarray, case, K, data, tol=1e-10)
    clf, answers, its_score = fitted(backend, case, K, data, tol=1e-10)
    for name in ("coef_", "intercept_", "n_iter_", "classes_"):
        assert backend.has(getattr(clf, name)), name
        assert to_numpy(getattr(clf, name)).dtype == getattr(ours, name).dtype
    for name, answer in answers.items():
        assert backend.has(answer), name
        answer = to_numpy(answer)
        assert answer.dtype == expected[name].dtype
        np.testing.assert_allclose(answer, expected[name], rtol=1e-8, atol=1e-7)
    # accuracies of torch's tensors are float32's
    assert type(its_score) is float
    assert its_score == pytest.approx(score, abs=1e-6)
    assert clf.converged_ == ours.converged_


@pytest.mark.parametrize("case", ["plain", "weights", "soft weighted"])
@pytest.mark.parametrize("K", [2, 3])
@every_backend
def test_a_sample_of_the_rows_is_that_of_numpy(backend, K, case, data, samples):
    with config_context(array_api_dispatch=False):
        ours, *_ = fitted(np.asarray, case, K, data)
    clf, *_ = fitted(backend, case, K, data)
    (yours, _), (mine, _) = samples
    assert backend.has(mine.rows.X)
    np.testing.assert_array_equal(to_numpy(mine.rows.X), yours.rows.X)
    np.testing.assert_allclose(to_numpy(clf.coef_), ours.coef_, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("case", ["weights", "soft", "hessian", "diagonal", "lasso"])
@pytest.mark.parametrize("K", [2, 3])
@every_backend
def test_float32(backend, K, case, data):
    with config_context(array_api_dispatch=False):
        _, expected, _ = fitted(np.asarray, case, K, data, np.float32)
    _, answers, _ = fitted(backend, case, K, data, np.float32)
    for name, answer in answers.items():
        answer = to_numpy(answer)
        assert answer.dtype == expected[name].dtype
        if name != "labels":
            np.testing.assert_allclose(answer, expected[name], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("case", ["plain", "weights", "soft weighted", "groups"])
def test_numpy_arrays_give_the_same_bits_with_dispatch(case, data, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    _, expected, _ = fitted(np.asarray, case, 3, data)
    with config_context(array_api_dispatch=True):
        _, answers, _ = fitted(np.asarray, case, 3, data)
    for name, answer in answers.items():
        assert answer.tobytes() == expected[name].tobytes()


@pytest.mark.parametrize("case", ["weights", "soft", "hessian", "diagonal", "lasso"])
@foreign_backend
def test_many_blocks_are_one(backend, case, data, monkeypatch):
    one, expected, _ = fitted(backend, case, 3, data, tol=1e-10)
    monkeypatch.setattr(_array_rows, "PROCESSOR_BLOCK_BYTES", 2048)
    monkeypatch.setattr(_array_rows, "DEVICE_BLOCK_BYTES", 2048)
    X, y, *_ = data(3)
    problem, _ = problem_for(one, backend(X), backend(y), None, None)
    assert len(problem.rows.blocks) > 5
    _, answers, _ = fitted(backend, case, 3, data, tol=1e-10)
    for name, answer in answers.items():
        np.testing.assert_allclose(
            to_numpy(answer), to_numpy(expected[name]), rtol=1e-8, atol=1e-8
        )


@foreign_backend
def test_wide_data_are_solved_in_the_space_of_their_rows(backend):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 400)), np.arange(40) % 4
    ours = SoftmaxClassifier(tol=1e-10).fit(X, y)
    clf = SoftmaxClassifier(tol=1e-10).fit(backend(X), backend(y))
    assert to_numpy(clf.n_iter_) == ours.n_iter_
    np.testing.assert_allclose(to_numpy(clf.coef_), ours.coef_, atol=1e-8)


@pytest.mark.parametrize("kind", ["value_gradient", "hessian"])
@foreign_backend
def test_an_evaluation_moves_k_times_d_plus_one_numbers_once(
    backend, kind, data, monkeypatch
):
    X, y, weight, offset, _ = map(backend, data(3))
    monkeypatch.setattr(_array_rows, "PROCESSOR_BLOCK_BYTES", 2048)
    problem, _ = problem_for(SoftmaxClassifier(), X, y, weight, offset)
    theta = np.random.default_rng(0).normal(size=problem.shape)
    evaluate = problem.value_gradient
    if kind == "hessian":
        evaluate = problem.hessian(theta)
        evaluate(theta)  # computes the probabilities
    there, back = [], []

    def like(array, X):
        if isinstance(array, np.ndarray):
            there.append(array.size)
        return _array_api.like(array, X)

    def home(array):
        back.append(int(np.prod(array.shape)))
        return _array_api.to_numpy(array)

    monkeypatch.setattr(_array_rows, "like", like)
    monkeypatch.setattr(_problem, "like", like)
    monkeypatch.setattr(_array_rows, "to_numpy", home)
    evaluate(theta)
    # a product needs the point too where the probabilities are not there yet
    assert there == [theta.size] * (1 if kind == "value_gradient" else 2)
    extra = 1 if kind == "value_gradient" else 0
    assert back == [theta.size + extra]


@pytest.mark.parametrize(
    "case", ["weights", "hessian", "blocks", "kronecker", "diagonal", "lasso"]
)
@foreign_backend
def test_nothing_of_n_entries_goes_to_numpy(backend, case, data, monkeypatch):
    """All that a fit moves are sums over the rows."""
    sizes = []
    export = np.from_dlpack

    def from_dlpack(array, **options):
        result = export(array, **options)
        sizes.append(result.size)
        return result

    monkeypatch.setattr(np, "from_dlpack", from_dlpack)
    parameters, _ = CASES[case]
    X, y, weight, offset, _ = map(backend, data(3, n=1000))
    SoftmaxClassifier(**parameters).fit(X, y, weight, offset)
    assert not sizes or max(sizes) < 1000  # CuPy's come another way
    assert sizes or backend.library == "cupy" or backend.device == "cuda"


@pytest.mark.parametrize("labels", ["strings", "list", "bools", "frame"])
@foreign_backend
def test_labels_of_other_kinds_follow_x(backend, labels, data):
    X, y, *_, soft = data(3)
    if labels == "strings":
        y = np.array(["b", "c", "a"])[y]
    elif labels == "list":
        y = y.tolist()
    elif labels == "bools":
        y = y > 0
    else:
        pd = pytest.importorskip("pandas")
        y = pd.DataFrame(soft, columns=["b", "c", "a"])
    ours = SoftmaxClassifier().fit(X, y)
    clf = SoftmaxClassifier().fit(backend(X), y)
    words = labels in ("strings", "frame")
    predicted = clf.predict(backend(X))
    for array in (clf.classes_, predicted):
        assert isinstance(array, np.ndarray) if words else backend.has(array)
    np.testing.assert_array_equal(to_numpy(predicted), ours.predict(X))
    assert clf.score(backend(X), y) == pytest.approx(ours.score(X, y), abs=1e-6)


@foreign_backend
def test_y_weights_and_offsets_follow_x(backend, data):
    """As in scikit-learn: to X's library and device, wherever they were."""
    X, y, weight, offset, _ = data(3)
    there = SoftmaxClassifier().fit(backend(X), y, 2.0)
    here = SoftmaxClassifier().fit(X, y, 2.0)
    np.testing.assert_allclose(to_numpy(there.coef_), here.coef_, atol=1e-8)
    there = SoftmaxClassifier().fit(backend(X), y, weight.tolist(), offset)
    here = SoftmaxClassifier().fit(X, backend(y), backend(weight), backend(offset))
    assert backend.has(there.coef_)
    assert backend.has(there.predict_proba(backend(X), offset))
    assert type(here.coef_) is type(here.classes_) is np.ndarray
    assert type(here.predict_proba(X, backend(offset))) is np.ndarray
    np.testing.assert_allclose(to_numpy(there.coef_), here.coef_, atol=1e-8)
    score = there.score(backend(X), y, weight, offset)
    assert score == pytest.approx(
        here.score(X, backend(y), backend(weight), backend(offset)), abs=1e-6
    )


@foreign_backend
def test_data_of_another_library_than_the_fits(backend, data):
    X, y, *_ = data(3)
    there = SoftmaxClassifier().fit(backend(X), backend(y))
    here = SoftmaxClassifier().fit(X, y)
    for method in (
        "decision_function",
        "predict",
        "predict_log_proba",
        "predict_proba",
    ):
        message = rf"SoftmaxClassifier\.{method}\(\) must use the same namespace"
        with pytest.raises(ValueError, match=message):
            getattr(there, method)(X)
        with pytest.raises(ValueError, match=message):
            getattr(here, method)(backend(X))
    with pytest.raises(ValueError, match="not compatible with the sparse array"):
        there.predict(sparse.csr_array(X))
    with config_context(array_api_dispatch=False):
        with pytest.raises(ValueError, match=r"such an X .*dispatch=True.* in NumPy"):
            there.predict(X)
    with pytest.raises(NotFittedError):
        SoftmaxClassifier().predict(backend(X))


@foreign_backend
def test_an_estimator_that_moves_to_numpy(backend, data):
    from sklearn.utils._array_api import move_estimator_to

    X, y, *_ = data(3)
    there = SoftmaxClassifier().fit(backend(X), backend(y))
    with config_context(array_api_dispatch=False):
        here = move_estimator_to(there, np, "cpu")
        np.testing.assert_array_equal(
            here.predict(X), SoftmaxClassifier().fit(X, y).predict(X)
        )


@foreign_backend
def test_clone_pickle_warm_start_and_parameters(backend, data):
    X, y, *_ = map(backend, data(3))
    clf = SoftmaxClassifier(warm_start=True).fit(X, y)
    first, proba = to_numpy(clf.n_iter_), to_numpy(clf.predict_proba(X))
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(to_numpy(again.predict_proba(X)), proba)
    assert to_numpy(again.fit(X, y).n_iter_) < first
    with pytest.raises(NotFittedError):
        clone(clf).predict(X)
    prior = SoftmaxClassifier(C=1e-6, coef_prior=clf).fit(X, y)
    np.testing.assert_allclose(to_numpy(prior.coef_), to_numpy(clf.coef_), atol=1e-2)
    bounded = SoftmaxClassifier(
        bounds=(backend(np.full(4, -0.1)), backend(np.full(4, 0.1)))
    ).fit(X, y)
    assert abs(to_numpy(bounded.coef_)).max() == 0.1
    clf = SoftmaxClassifier(classes=backend(np.arange(4))).fit(X, y)
    assert clf.predict_proba(X).shape == (150, 4)


@foreign_backend
@pytest.mark.parametrize("soft", [False, True])
def test_separated_classes_of_little_weight(backend, load, soft):
    """To tell takes a fit with other weights."""
    X, y = map(np.copy, load("iris"))
    weights, Y = np.where(y == 0, 1e-9, 1.0), np.eye(3)[y] if soft else y
    with pytest.warns(ConvergenceWarning, match=r"X separates classes \[0\] from"):
        SoftmaxClassifier(C=np.inf).fit(*map(backend, (X, Y, weights)))


@foreign_backend
def test_what_numpy_cannot_import_goes_by_scikit_learn(backend, monkeypatch):
    """As from a GPU."""

    def refused(array):
        raise BufferError("unsupported device")

    monkeypatch.setattr(np, "from_dlpack", refused)
    array = np.arange(6.0).reshape(2, 3)
    found = _array_api.to_numpy(backend(array))
    assert type(found) is np.ndarray
    assert found.flags.owndata
    np.testing.assert_array_equal(found, array)


@every_backend
def test_in_a_pipeline(backend, data):
    X, y, *_ = data(3)
    ours = make_pipeline(MinMaxScaler(), SoftmaxClassifier(tol=1e-10)).fit(X, y)
    pipe = make_pipeline(MinMaxScaler(), SoftmaxClassifier(tol=1e-10))
    pipe.fit(backend(X), backend(y))
    proba = pipe.predict_proba(backend(X))
    assert backend.has(proba)
    np.testing.assert_allclose(to_numpy(proba), ours.predict_proba(X), atol=1e-8)


# scikit-learn indexes array_api_strict's arrays by NumPy's, which they refuse
@pytest.mark.parametrize("backend", INDEXABLE, indirect=True)
def test_in_a_grid_search(backend, data):
    X, y, *_ = data(3)
    grid = {"C": [0.01, 1.0], "solver": ["hessian", "kronecker"]}
    ours = GridSearchCV(SoftmaxClassifier(tol=1e-10), grid, cv=3).fit(X, y)
    search = GridSearchCV(SoftmaxClassifier(tol=1e-10), grid, cv=3)
    search.fit(backend(X), backend(y))
    assert search.best_params_ == ours.best_params_
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"],
        ours.cv_results_["mean_test_score"],
        atol=1e-6,
    )


@foreign_backend
def test_what_reads_a_fitted_classifier_reads_this_one(backend, data):
    X, y, *_ = data(3)
    there = SoftmaxClassifier(tol=1e-10).fit(backend(X), backend(y))
    here = SoftmaxClassifier(tol=1e-10).fit(X, y)
    found, expected = (infer(clf, X, y).free_covariance for clf in (there, here))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    frame = pytest.importorskip("pandas") and coef_frame(there)
    np.testing.assert_allclose(frame, coef_frame(here), atol=1e-8)
    with pytest.raises(ValueError, match="this function takes NumPy arrays"):
        infer(there, backend(X), backend(y))


@foreign_backend
def test_bad_input_is_named(backend, data):
    X, y, weight, offset, soft = data(3)
    clf = SoftmaxClassifier()

    def raises(message, X=X, y=y, weight=None, offset=None):
        with pytest.raises(ValueError, match=message):
            clf.fit(*map(backend, (X, y, weight, offset)))
        assert not hasattr(clf, "coef_")

    broken = X.copy()
    broken[3, 1] = np.nan
    raises("Input X contains NaN", X=broken)
    raises("Unknown label type", y=y + 0.5)
    raises("y holds one class only, 0", y=0 * y)
    raises(
        "sample_weight is -0.5 in row 7",
        weight=np.where(np.arange(150) == 7, -0.5, weight),
    )
    raises("sample_weight is zero for every row", weight=0 * weight)
    raises(r"sample_weight has shape \(149,\)", weight=weight[1:])
    raises(r"offset has shape \(150,\), expected \(150, 3\)", offset=offset[:, 0])
    raises(
        "y has a negative entry in row 2",
        y=np.where(np.arange(150)[:, None] == 2, -1, soft),
    )
    raises(
        "y has no positive entry in row 2",
        y=np.where(np.arange(150)[:, None] == 2, 0, soft),
    )
    raises("inconsistent numbers of samples", y=y[1:])
    raises("Complex data not supported", X=X + 0j)
    raises("could not convert string to float", weight=["a"] * 150)
    raises("could not convert string to float", offset=[["a"] * 3] * 150)
    clf.C, clf.classes = np.inf, [0, 1, 2, 3]
    raises("classes .3. are absent from y")
    with pytest.raises(ValueError, match="GridSearchCV"):
        SoftmaxClassifierCV().fit(backend(X), backend(y))
    with pytest.raises(ValueError, match="partial_fit takes NumPy arrays"):
        SoftmaxClassifier().partial_fit(backend(X), backend(y))
    with pytest.raises(ValueError, match="has no CSR form"):
        SoftmaxClassifier().fit(backend(X), backend(y)).sparsify()


@foreign_backend
def test_an_old_scikit_learn_is_named(backend, data, monkeypatch):
    monkeypatch.setattr(_array_api, "IS_SUPPORTED", False)
    X, y, *_ = data(3)
    with pytest.raises(ImportError, match=r"needs scikit-learn 1\.9"):
        SoftmaxClassifier().fit(backend(X), backend(y))


@pytest.mark.parametrize("backend", FOREIGN, indirect=True)
def test_columns_of_a_frame_of_offsets_go_by_their_names(backend, data):
    pandas = pytest.importorskip("pandas")
    X, y, _, offset, _ = data(3)
    frame = pandas.DataFrame(offset, columns=[2, 0, 1])
    plain = SoftmaxClassifier().fit(X, y, offset=frame)
    clf = SoftmaxClassifier().fit(backend(X), backend(y), offset=frame)
    np.testing.assert_allclose(_array_api.to_numpy(clf.coef_), plain.coef_, atol=1e-4)
    logits = _array_api.to_numpy(clf.decision_function(backend(X), frame))
    np.testing.assert_allclose(logits, plain.decision_function(X, frame), atol=1e-2)
    frame.columns = ["x", "y", "z"]
    with pytest.raises(ValueError, match="offset"):
        SoftmaxClassifier().fit(backend(X), backend(y), offset=frame)


@pytest.mark.parametrize("backend", FOREIGN, indirect=True)
def test_labels_and_weights_follow_a_streams_rows(backend, data):
    X, y, weight, *_ = data(3)
    plain = SoftmaxClassifier(classes=[0, 1, 2]).partial_fit(X, y, None, weight)
    for target in (y, np.eye(3)[y]):
        clf = SoftmaxClassifier(classes=[0, 1, 2])
        clf.partial_fit(X, backend(target), None, backend(weight))
        np.testing.assert_allclose(clf.coef_, plain.coef_, atol=1e-6)


@pytest.mark.parametrize("backend", TORCH, indirect=True)
def test_what_only_torch_has(backend, data):
    X, y, *_ = map(backend, data(3))
    with pytest.raises(TypeError, match=r"X is a sparse Tensor .*X\.to_dense\(\)"):
        SoftmaxClassifier().fit(X.to_sparse(), y)
    clf = SoftmaxClassifier().fit(X, y)
    grown = X.clone().requires_grad_()  # what a network hands on
    with pytest.warns(UserWarning, match="requires_grad"):  # scikit-learn's own
        again = SoftmaxClassifier().fit(grown, y)
    assert not again.coef_.requires_grad
    assert (again.coef_ == clf.coef_).all()
    weight = backend(np.ones(len(y))).requires_grad_()
    offset = backend(np.zeros((len(y), 3))).requires_grad_()
    soft = backend(np.eye(3)[y]).requires_grad_()
    again = SoftmaxClassifier().fit(X, soft, weight, offset)
    np.testing.assert_allclose(again.coef_, clf.coef_, rtol=1e-4, atol=1e-6)
    with config_context(array_api_dispatch=False):
        again = SoftmaxClassifier().fit(X.numpy(), soft, weight, offset)
    np.testing.assert_allclose(again.coef_, clf.coef_, rtol=1e-4, atol=1e-6)


@foreign_backend
def test_without_dispatch_arrays_become_numpys(backend, data):
    X, y, *_ = data(3)
    try:
        np.asarray(backend(X))
    except (RuntimeError, TypeError):
        pytest.skip("NumPy cannot read this device")
    with config_context(array_api_dispatch=False):
        clf = SoftmaxClassifier().fit(backend(X), backend(y))
    assert type(clf.coef_) is np.ndarray


def test_tags():
    assert get_tags(SoftmaxClassifier()).array_api_support
    assert not get_tags(SoftmaxClassifierCV()).array_api_support


def test_check_estimator_with_scipys_switch():
    """scikit-learn's checks in a process where scipy too is told of the arrays."""
    pytest.importorskip("array_api_strict")
    program = """
        import warnings
        from sk_softmax import SoftmaxClassifier
        from sklearn.exceptions import SkipTestWarning
        from sklearn.utils.estimator_checks import check_estimator

        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(SoftmaxClassifier(), on_fail="raise")
        passed = [r["check_name"] for r in results if r["status"] == "passed"]
        names = {"check_array_api_input", "check_array_api_same_namespace"}
        assert names <= set(passed), passed
    """
    program = "\n".join(line.removeprefix(" " * 8) for line in program.splitlines())
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
