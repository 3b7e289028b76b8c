"""Dask collections: the same fit as in memory, wherever the chunks are.

Most tests run without a Client and on a cluster of two workers in this process;
those that end a worker or a cluster start processes of their own.
"""

import os
import signal

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, _solver, softmax_path
from sk_softmax._encode import penalty_of

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")
pd = pytest.importorskip("pandas")

from sk_softmax._dask import Cluster, DaskProblem, dask_problem  # noqa: E402
from sk_softmax._problem import _value_gradient  # noqa: E402
from sk_softmax.inference import infer, marginal_effects  # noqa: E402

# a machine without a network, and sockets that dask leaves to the garbage collector
pytestmark = pytest.mark.filterwarnings(
    "ignore:Couldn't detect a suitable IP:RuntimeWarning",
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
)
METHODS = ["decision_function", "predict", "predict_log_proba", "predict_proba"]


@pytest.fixture(autouse=True)
def the_same_way(monkeypatch):
    """Newton's method on small data is memory's alone: here both go the same way."""
    monkeypatch.setattr(_solver, "applies_directly", lambda problem: False)


@pytest.fixture(scope="module")
def in_process():
    """A client of two workers in this process."""
    with (
        dask.config.set({"distributed.worker.memory.terminate": False}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(params=["no client", "client"])
def anywhere(request):
    """Without a Client, and with one."""
    if request.param == "no client":
        yield None
    else:
        with request.getfixturevalue("in_process").as_current() as client:
            yield client


@pytest.fixture
def client(in_process):
    with in_process.as_current():
        yield in_process


@pytest.fixture
def data(make_rows):
    X, y, weight = make_rows(900, 5, 4)
    return X * [1, 10, 0.1, 1, 1] + 3, y, weight


def close(ours, theirs, tol=1e-8):
    scale = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=tol * scale)
    scale = max(1, np.abs(theirs.intercept_).max())
    np.testing.assert_allclose(
        ours.intercept_, theirs.intercept_, rtol=0, atol=tol * scale
    )


def unknown(array):
    """The same array, whose chunks have lengths that dask does not know."""
    return array[da.ones(len(array), chunks=array.chunks[0], dtype=bool)]


def frame(X, y):
    table = pd.DataFrame(X, columns=[f"f{j}" for j in range(X.shape[1])])
    return dd.from_pandas(table.assign(y=y), npartitions=5)


def as_sparse(X, kind):
    X = da.from_array(np.where(np.abs(X - 3) > 1, X, 0), chunks=(200, -1))
    return X.map_blocks(kind, meta=kind((0, 0)))


KINDS = {
    "dense": lambda X, y: (da.from_array(X, chunks=(250, -1)), da.from_array(y)),
    "columns": lambda X, y: (da.from_array(X, chunks=(250, 2)), da.from_array(y)),
    "one chunk": lambda X, y: (da.from_array(X, chunks=-1), da.from_array(y)),
    "y in memory": lambda X, y: (da.from_array(X, chunks=(250, -1)), y),
    "y a list": lambda X, y: (da.from_array(X, chunks=(250, -1)), y.tolist()),
    "other chunks": lambda X, y: (
        da.from_array(X, chunks=((100, 0, 300, 499, 1), -1)),
        da.from_array(y, chunks=117),
    ),
    "unknown lengths": lambda X, y: (
        unknown(da.from_array(X, chunks=(250, 2))),
        unknown(da.from_array(y, chunks=250)),
    ),
    "an empty chunk": lambda X, y: (
        da.concatenate([da.from_array(X), da.from_array(X)[:0]])[::1],
        da.concatenate([da.from_array(y), da.from_array(y)[:0]]),
    ),
    "Fortran": lambda X, y: (
        da.from_array(np.asfortranarray(X), chunks=(250, -1)),
        da.from_array(y),
    ),
    "DataFrame": lambda X, y: (frame(X, y).drop(columns="y"), frame(X, y)["y"]),
    "float32": lambda X, y: (
        da.from_array(X.astype(np.float32), chunks=(250, -1)),
        da.from_array(y),
    ),
    "integers": lambda X, y: (
        da.from_array(np.round(10 * X).astype(int), chunks=(250, -1)),
        da.from_array(y),
    ),
    "csr_matrix": lambda X, y: (as_sparse(X, sparse.csr_matrix), da.from_array(y)),
    "csr_array": lambda X, y: (as_sparse(X, sparse.csr_array), da.from_array(y)),
    "csc_matrix": lambda X, y: (as_sparse(X, sparse.csc_matrix), da.from_array(y)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_in_memory(anywhere, data, kind):
    X, y, _ = data
    dX, dy = KINDS[kind](X, y)
    if kind == "csr_array":  # dask 2024 cannot join them
        X = sparse.csr_array(np.where(np.abs(X - 3) > 1, X, 0))
    elif kind != "an empty chunk":
        X = dX.compute()
    ours, theirs = SoftmaxClassifier().fit(dX, dy), SoftmaxClassifier().fit(X, y)
    assert type(ours.coef_) is np.ndarray
    assert ours.coef_.dtype == theirs.coef_.dtype
    assert ours.converged_
    close(ours, theirs, 1e-4 if kind == "float32" else 1e-8)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)


@pytest.mark.parametrize("kind", ["dense", "other chunks", "float32", "csr_matrix"])
def test_a_sample_of_the_rows_is_that_of_memory(anywhere, data, kind, samples):
    X, y, weight = data
    dX, dy = KINDS[kind](X, y)
    offset = np.outer(X[:, 0], [0, 1, 2, 3])
    ours = SoftmaxClassifier().fit(dX, dy, da.from_array(weight), da.from_array(offset))
    theirs = SoftmaxClassifier().fit(dX.compute(), y, weight, offset)
    (mine, _), (yours, _) = samples
    for name in ("target", "weight", "offset"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(yours, name))
    np.testing.assert_array_equal(mine.rows.range(), yours.rows.range())
    close(ours, theirs, 1e-4 if kind == "float32" else 1e-8)


@pytest.mark.parametrize("group", [None, "class"])
def test_a_lasso_of_sparse_chunks(anywhere, data, group):
    X, y, _ = data
    dX, dy = KINDS["csr_matrix"](X, y)
    X = dX.compute()
    model = SoftmaxClassifier(C=0.3, l1_ratio=0.9, penalty_group=group, tol=1e-12)
    ours, theirs = clone(model).fit(dX, dy), model.fit(X, y)
    assert ours.converged_
    close(ours, theirs, 1e-8)


OPTIONS = {
    "balanced": {"class_weight": "balanced"},
    "class weights": {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0, 3: 1.0}},
    "no intercept": {"fit_intercept": False},
    "no penalty": {"C": np.inf},
    "hessian": {"solver": "hessian"},
    "blocks": {"solver": "blocks"},
    "kronecker": {"solver": "kronecker"},
    "diagonal": {"solver": "diagonal"},
    "l1": {"l1_ratio": 1.0, "C": 0.02},
    "elastic net": {"l1_ratio": 0.5, "C": 0.02},
    "grouped": {"l1_ratio": 1.0, "C": 0.02, "penalty_group": "class"},
    "bounds": {"bounds": (-0.1, 0.3)},
    "factors": {"penalty_factor": [0, 1, 2, 3, 4], "C": 0.01},
    "prior": {"coef_prior": np.eye(4, 5), "C": 0.01},
    "more classes": {"classes": [0, 1, 2, 3, 4]},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_does_the_same(client, data, option):
    X, y, weight = data
    options = {"tol": 1e-10} | OPTIONS[option]
    dX = da.from_array(X, chunks=(200, -1))
    ours = SoftmaxClassifier(**options)
    ours.fit(dX, da.from_array(y), da.from_array(weight))
    theirs = SoftmaxClassifier(**options).fit(X, y, weight)
    # the minimisers of l1 may be many, all of the same probabilities and penalty
    if option == "l1":
        sizes = [np.abs(fit.coef_).sum() for fit in (ours, theirs)]
        assert sizes[0] == pytest.approx(sizes[1], rel=1e-6)
    else:
        np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)
    # and where a class is absent the best intercept is minus infinity
    if option in ("l1", "more classes"):
        ours, theirs = ours.predict_proba(X), theirs.predict_proba(X)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)
    else:
        close(ours, theirs)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("target", ["labels", "soft", "counts", "soft DataFrame"])
def test_weights_offsets_and_soft_labels(anywhere, data, target, n_classes):
    X, y, weight = data
    y = y % n_classes
    offset = np.linspace(-1, 1, 900)
    if n_classes > 2:
        offset = np.multiply.outer(offset, np.arange(n_classes))
    dy = da.from_array(y, chunks=300)
    if target != "labels":
        y = 0.8 * np.eye(n_classes)[y] + 0.2 / n_classes
        if target == "counts":
            y *= np.arange(1, 901)[:, None]
        dy = da.from_array(y, chunks=(300, 1))
    if target == "soft DataFrame":
        y = pd.DataFrame(y, columns=list("zyxw")[:n_classes])
        dy = dd.from_pandas(y, npartitions=3)
        assert dy.npartitions == 3
    dX = da.from_array(X, chunks=(300, -1))
    weight[:350] = 0  # all of one chunk and more
    ours = SoftmaxClassifier().fit(
        dX, dy, da.from_array(weight, chunks=200), da.from_array(offset)
    )
    theirs = SoftmaxClassifier().fit(X, y, weight, offset)
    close(ours, theirs)
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    assert ours.score(
        dX, dy, da.from_array(weight), da.from_array(offset)
    ) == pytest.approx(theirs.score(X, y, weight, offset), rel=1e-7)


def test_labels_of_strings_from_a_data_frame(anywhere, data):
    X, y, _ = data
    names = np.array(["ash", "beech", "elm", "oak"])[y]
    table = frame(X, names)
    ours = SoftmaxClassifier().fit(table.drop(columns="y"), table["y"])
    assert ours.classes_.tolist() == ["ash", "beech", "elm", "oak"]
    assert list(ours.feature_names_in_) == ["f0", "f1", "f2", "f3", "f4"]
    predicted = ours.predict(table.drop(columns="y"))
    assert isinstance(predicted, da.Array)
    np.testing.assert_array_equal(
        predicted.compute(), SoftmaxClassifier().fit(X, names).predict(X)
    )


def test_chunks_do_not_matter_beyond_rounding(data):
    X, y, _ = data
    fits = [
        SoftmaxClassifier().fit(da.from_array(X, chunks=(rows, -1)), y)
        for rows in (13, 90, 450, 900)
    ]
    for one in fits[1:]:
        close(one, fits[0], 1e-10)


def test_where_the_chunks_are_does_not_matter_to_the_last_bit(in_process, data):
    X, y, _ = data
    dX = da.from_array(X, chunks=(60, -1))
    here = SoftmaxClassifier().fit(dX, y)
    with in_process.as_current():
        there = SoftmaxClassifier().fit(dX, y)
    np.testing.assert_array_equal(here.coef_, there.coef_)
    np.testing.assert_array_equal(here.intercept_, there.intercept_)


def test_warm_start(data):
    X, y, _ = data
    dX = da.from_array(X, chunks=(300, -1))
    classifier = SoftmaxClassifier(warm_start=True).fit(dX, y)
    first = classifier.n_iter_[0]
    assert classifier.fit(dX, y).n_iter_[0] < first


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["dense", "unknown lengths", "csr_matrix", "empty"])
def test_predictions_are_lazy(anywhere, data, method, kind, n_classes):
    X, y, _ = data
    y = y % n_classes
    if kind == "empty":
        dX = da.from_array(X, chunks=((400, 0, 500), -1))
    else:
        dX, _ = KINDS[kind](X, y)
    X = dX.compute()
    classifier = SoftmaxClassifier().fit(X, y)
    lazy = getattr(classifier, method)(dX)
    assert isinstance(lazy, da.Array)
    expected = getattr(classifier, method)(X)
    assert lazy.ndim == expected.ndim
    assert lazy.dtype == expected.dtype
    assert lazy._meta.dtype == expected.dtype
    assert lazy.shape[1:] == expected.shape[1:]
    expected_chunks = [n for n in dX.chunks[0] if n != 0]
    np.testing.assert_array_equal(lazy.chunks[0], expected_chunks)
    result = lazy.compute()
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


def test_predictions_compute_nothing_before_they_must(data):
    X, y, _ = data

    def never(block):
        raise AssertionError("computed")

    dX = da.from_array(X).map_blocks(never, meta=np.empty((0, 0)))
    SoftmaxClassifier().fit(X, y).predict(dX)


def test_predictions_with_offsets(data):
    X, y, _ = data
    offset = np.multiply.outer(np.linspace(-9, 9, 900), np.arange(4))
    classifier = SoftmaxClassifier().fit(X, y)
    lazy = classifier.predict(
        da.from_array(X, chunks=(250, 2)), da.from_array(offset, chunks=(111, 2))
    )
    np.testing.assert_array_equal(lazy.compute(), classifier.predict(X, offset))


def test_features_have_to_be_those_of_the_fit(data):
    X, y, _ = data
    table = frame(X, y)
    classifier = SoftmaxClassifier().fit(table.drop(columns="y"), table["y"])
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(table[["f1", "f0", "f2", "f3", "f4"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        lazy = classifier.predict(da.from_array(X))
    assert lazy.compute().shape == (900,)
    with (
        pytest.warns(UserWarning, match="does not have valid feature names"),
        pytest.raises(ValueError, match="X has 3 features"),
    ):
        classifier.predict(da.from_array(X[:, :3]))


def test_cross_validation_has_contiguous_folds(anywhere, data):
    X, y, weight = data
    dX = da.from_array(X, chunks=((100, 150, 150, 200, 100, 200), -1))
    args = {"Cs": [0.01, 0.1], "l1_ratios": [0.0, 0.5], "tol": 1e-10}
    ours = SoftmaxClassifierCV(cv=3, **args).fit(dX, y, weight)
    rows = np.arange(900)
    tests = [rows[:250], rows[250:600], rows[600:]]
    folds = [(np.setdiff1d(rows, test), test) for test in tests]
    theirs = SoftmaxClassifierCV(cv=folds, **args).fit(X, y, weight)
    np.testing.assert_allclose(ours.scores_, theirs.scores_, rtol=1e-6)
    np.testing.assert_allclose(ours.scores_[:, 0], theirs.scores_[:, 0], rtol=1e-9)
    np.testing.assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-4)
    assert ours.C_ == theirs.C_
    close(ours, theirs, 1e-6)
    assert ours.score(dX, da.from_array(y)) == pytest.approx(theirs.score(X, y))


@pytest.mark.parametrize(
    "lengths, n_folds",
    [
        ([10] * 5, 5),
        ([10] * 7, 3),
        ([1, 1, 1, 97], 4),
        ([97, 1, 1, 1], 4),
        ([97, 1, 1, 1], 2),
        ([1, 97, 1, 1], 3),
        ([5, 80, 5, 5, 5], 5),
    ],
)
def test_each_fold_has_chunks(make_rows, lengths, n_folds):
    X, y, _ = make_rows(sum(lengths), 2, 2)
    dX = da.from_array(X, chunks=(tuple(lengths), -1))
    problem, _ = problem_of(dX, y)
    folds = problem.folds(n_folds)
    assert len(folds) == n_folds
    tests = [test for _, test in folds]
    np.testing.assert_array_equal(np.concatenate(tests), np.arange(len(lengths)))
    for train, test in folds:
        assert len(test) > 0
        assert set(train) | set(test) == set(range(len(lengths)))
        assert not set(train) & set(test)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cv": 9}, "cv=9 folds need at least 9 chunks"),
        ({"cv": "approximate-loo"}, "cv='approximate-loo': for a dask X"),
        ({"cv": [([0], [1])]}, "for a dask X it must be a number"),
        ({"scoring": "accuracy"}, "scoring='accuracy'"),
        ({"class_weight": "balanced"}, "class_weight='balanced'"),
    ],
)
def test_what_cross_validation_cannot_do_says_how_to_go_on(data, options, message):
    X, y, _ = data
    dX = da.from_array(X, chunks=(150, -1))
    with pytest.raises(ValueError, match=message):
        SoftmaxClassifierCV(Cs=[1.0], **options).fit(dX, y)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_path(anywhere, data, l1_ratio):
    X, y, weight = data
    args = {"Cs": 4, "l1_ratio": l1_ratio, "tol": 1e-10, "sample_weight": weight}
    ours = softmax_path(da.from_array(X, chunks=(300, -1)), y, **args)
    theirs = softmax_path(X, y, **args)
    np.testing.assert_allclose(ours.Cs, theirs.Cs, rtol=1e-8)
    np.testing.assert_allclose(
        ours.coefs, theirs.coefs, rtol=0, atol=1e-4 if l1_ratio else 1e-8
    )


def test_dask_knows_that_a_chunk_is_large(data):
    """Otherwise it sends them to whatever worker is idle."""
    X, y, _ = data
    problem, _ = problem_of(da.from_array(X, chunks=(300, -1)), y)
    for chunk in problem.chunks:
        assert dask.sizeof.sizeof(chunk) >= 300 * 5 * 8


def problem_of(X, y, **options):
    return dask_problem(SoftmaxClassifier(**options), X, y, None, None)


# Bad input


def with_nan(X, row):
    X = X.copy()
    X[row, 2] = np.nan
    return X


BAD = {
    "NaN": (
        lambda X, y: (da.from_array(with_nan(X, 777), chunks=(300, -1)), y),
        "In chunk 2 of the rows: Input X contains NaN",
    ),
    "NaN in y": (
        lambda X, y: (
            da.from_array(X, chunks=(300, -1)),
            da.from_array(np.where(np.arange(900) == 5, np.nan, y), chunks=300),
        ),
        "In chunk 0 of the rows: y contains NaN or missing",
    ),
    "continuous y": (
        lambda X, y: (da.from_array(X), da.from_array(y + 0.5)),
        "Unknown label type",
    ),
    "one class": (lambda X, y: (da.from_array(X), 0 * y), "y holds one class only, 0"),
    "y too short": (
        lambda X, y: (da.from_array(X), da.from_array(y[1:])),
        "y has 899 rows, but X has 900",
    ),
    "y in memory too short": (
        lambda X, y: (da.from_array(X), y[1:]),
        "y has 899 rows, but X has 900",
    ),
    "y in memory, lengths unknown": (
        lambda X, y: (unknown(da.from_array(X)), y),
        "y is in memory, but the lengths of X's chunks are unknown.*compute_chunk_size",
    ),
    "unknown lengths, other chunks": (
        lambda X, y: (
            unknown(da.from_array(X, chunks=(300, -1))),
            da.from_array(y, chunks=450),
        ),
        "X has 3 chunks of rows and y has 2.*compute_chunk_sizes",
    ),
    "unknown lengths that differ": (
        lambda X, y: (
            unknown(da.from_array(X, chunks=(450, -1))),
            unknown(da.from_array(y, chunks=((400, 500),))),
        ),
        "In chunk [01] of the rows: y has (400|500) rows, but X has 450",
    ),
    "no rows": (lambda X, y: (da.from_array(X)[:0], y[:0]), "0 sample"),
    "no columns": (lambda X, y: (da.from_array(X[:, :0]), y), "0 feature"),
    "1-D": (lambda X, y: (da.from_array(X[:, 0]), y), "Expected 2D array"),
    "3-D": (lambda X, y: (da.from_array(X[None]), y), "Expected 2D array"),
    "unknown columns": (
        lambda X, y: (da.from_array(X)[:, da.from_array(X[0] > 0)], y),
        "unknown number of columns",
    ),
    "dask's y for X in memory": (
        lambda X, y: (X, da.from_array(y)),
        r"y is a dask collection, but X is not: pass y.compute\(\)",
    ),
    "strings": (
        lambda X, y: (dd.from_pandas(pd.DataFrame({"a": list("pq") * 450}), 2), y),
        "y is in memory, but the lengths",
    ),
    "dense and sparse": (
        lambda X, y: (
            da.concatenate([as_sparse(X, sparse.csr_matrix), da.from_array(X)]),
            da.concatenate([da.from_array(y, chunks=200), da.from_array(y)]),
        ),
        "dense and sparse chunks",
    ),
}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pd.Categorical(["a", "b"] * 450), "category"),
        (["a", "b"] * 450, "(object|str)"),
        (pd.Timestamp("2020-01-01"), "datetime64"),
    ],
)
def test_columns_that_hold_no_numbers_are_named(data, values, dtype):
    X, y, _ = data
    table = pd.DataFrame(X).rename(columns=str).assign(what=values)
    with pytest.raises(
        ValueError, match=f"of the rows: X's column 'what' is of {dtype}"
    ):
        SoftmaxClassifier().fit(
            dd.from_pandas(table, 2), dd.from_pandas(pd.Series(y), 2)
        )


def test_columns_of_categories_that_are_numbers(data):
    X, y, _ = data
    number = pd.Categorical(np.arange(900) % 7)
    table = pd.DataFrame(X).rename(columns=str).assign(number=number)
    theirs = SoftmaxClassifier().fit(table, y)
    y = dd.from_pandas(pd.Series(y), 2)
    close(SoftmaxClassifier().fit(dd.from_pandas(table, 2), y), theirs)


@pytest.mark.parametrize("bad", BAD)
def test_bad_input(anywhere, data, bad):
    X, y, _ = data
    make, message = BAD[bad]
    classifier = SoftmaxClassifier()
    with pytest.raises(ValueError, match=message):
        classifier.fit(*make(X, y))
    assert vars(classifier) == vars(SoftmaxClassifier())


def test_a_batch_of_a_stream_is_in_memory(data):
    X, y, _ = data
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    for dX in (da.from_array(X, chunks=(100, -1)), frame):
        with pytest.raises(
            ValueError, match=r"chunks .* X\.partitions\[i\]\.compute\(\)"
        ):
            SoftmaxClassifier().partial_fit(dX, y)
        assert len(dX.partitions[0].compute()) < len(X)


def test_a_delayed_is_no_array(data):
    X, y, _ = data
    with pytest.raises(TypeError, match="X must be a dask array or a dask DataFrame"):
        SoftmaxClassifier().fit(dask.delayed(X), y)
    with pytest.raises(TypeError, match="y must be a dask array"):
        SoftmaxClassifier().fit(da.from_array(X), dask.delayed(y))


@pytest.mark.parametrize(
    "weight, message",
    [
        (np.where(np.arange(900) == 5, -1.0, 1.0), "sample_weight is -1.0 in row 5"),
        (np.zeros(900), "sample_weight is zero for every row"),
        (np.ones((900, 2)), "sample_weight has shape"),
    ],
)
def test_bad_weights(data, weight, message):
    X, y, _ = data
    with pytest.raises(ValueError, match=message):
        SoftmaxClassifier().fit(da.from_array(X), y, da.from_array(weight))


def test_a_class_that_is_not_expected(data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"chunk 0.*labels that are not in classes"):
        SoftmaxClassifier(classes=[0, 1, 2]).fit(da.from_array(X), da.from_array(y))


def test_a_class_without_rows_needs_a_penalty(data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"classes \[4\] are absent"):
        SoftmaxClassifier(C=np.inf, classes=range(5)).fit(da.from_array(X), y)


def test_separated_classes_are_named(data):
    X, _, _ = data
    y = (X[:, 0] > 3).astype(int)
    with pytest.warns(Warning, match="X separates"):
        SoftmaxClassifier(C=np.inf).fit(da.from_array(X, chunks=(300, -1)), y)


@pytest.mark.parametrize("soft", [False, True])
def test_separated_classes_of_little_weight(client, load, soft):
    """To tell takes a fit with other weights, whose chunks are released, too."""
    X, y = load("iris")
    weights, Y = np.where(y == 0, 1e-9, 1.0), np.eye(3)[y] if soft else y
    arrays = (da.from_array(array, chunks=60) for array in (X, Y, weights))
    with pytest.warns(Warning, match=r"X separates classes \[0\] from"):
        SoftmaxClassifier(C=np.inf).fit(*arrays)
    assert held(client) == []


# The cluster


def held(client):
    """What the scheduler knows of, once it has heard that we let go."""
    for _ in range(50):
        tasks = client.run_on_scheduler(
            lambda dask_scheduler: list(dask_scheduler.tasks)
        )
        if not tasks:
            break
        client.sync(_sleep)
    return tasks


async def _sleep():
    import asyncio

    await asyncio.sleep(0.1)


def test_chunks_are_released(client, data):
    X, y, _ = data
    dX = da.from_array(X, chunks=(300, -1))
    classifier = SoftmaxClassifier().fit(dX, y)
    assert held(client) == []
    with pytest.raises(ValueError, match="bounds") as failure:
        SoftmaxClassifier(bounds=(1, 0)).fit(dX, y)
    assert held(client) == []
    with pytest.raises(ValueError, match="NaN") as second:
        SoftmaxClassifier().fit(da.from_array(with_nan(X, 1), chunks=(300, -1)), y)
    assert held(client) == []
    assert failure.value is not second.value  # tracebacks, and with them all frames
    assert classifier.converged_


def test_an_interrupt_releases_the_chunks(client, data, monkeypatch):
    X, y, _ = data

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Cluster, "_wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        SoftmaxClassifier().fit(da.from_array(X, chunks=(300, -1)), y)
    assert held(client) == []


def test_what_is_missing_or_masked_is_refused(anywhere, data):
    X, y, _ = data
    chunked = da.from_array(X, chunks=(300, -1))
    words = np.array(list("abcd"))[y].tolist()
    words[5] = float("nan")
    with pytest.raises(ValueError, match="y contains NaN"):
        SoftmaxClassifier().fit(chunked, words)
    mask = np.zeros(X.shape, dtype=bool)
    mask[400, 2] = True
    masked = np.ma.array(X, mask=mask)
    for collection in (
        da.from_array(masked, chunks=(300, -1)),
        da.ma.masked_where(da.from_array(mask, chunks=(300, -1)), chunked),
    ):
        with pytest.raises(ValueError, match="chunk 1 of the rows: X has masked"):
            SoftmaxClassifier().fit(collection, y)
        model = SoftmaxClassifier().fit(chunked, y)
        with pytest.raises(ValueError, match="chunk 1 of the rows: X has masked"):
            model.predict(collection).compute()
    for name in ("y", "sample_weight"):
        argument = np.ma.array(y.astype(float), mask=mask[:, 2])
        arguments = {"y": y} | {name: argument}
        with pytest.raises(ValueError, match=f"{name} has masked entries"):
            SoftmaxClassifier().fit(chunked, **arguments)
    dates = da.from_array((X * 10).astype("M8[D]"), chunks=(300, -1))
    with pytest.raises(ValueError, match="of the rows: X is of datetime64"):
        SoftmaxClassifier().fit(dates, y)
    with pytest.raises(ValueError, match=r"sample_weight is -1\.0 in row 0"):
        model.score(chunked, y, -np.ones(len(y)))
    with pytest.raises(TypeError, match="sample_weight is sparse"):
        SoftmaxClassifier().fit(chunked, y, sparse.csr_matrix(y[:, None]))


def test_soft_labels_are_scored_in_the_order_of_a_streams_classes(data):
    X, y, _ = data
    Y = np.eye(4)[y] + 0.1
    model = SoftmaxClassifier().partial_fit(X, Y, classes=[2, 0, 3, 1])
    score = model.score(da.from_array(X, chunks=(300, -1)), Y)
    assert score == pytest.approx(model.score(X, Y))


def test_inference_loads_collections_with_their_names(data):
    X, y, _ = data
    table = frame(X, y)
    features = [name for name in table if name != "y"]
    model = SoftmaxClassifier(C=10.0).fit(table[features], table["y"])
    names = {"columns": features}
    X = pd.DataFrame(X, **names)
    result = infer(model, table[features], table["y"])
    np.testing.assert_allclose(result.covariance, infer(model, X, y).covariance)
    turned = features[::-1]
    for call in (
        lambda: infer(model, table[turned], table["y"]),
        lambda: marginal_effects(model, table[turned], result=result),
    ):
        with pytest.raises(ValueError, match="feature names"):
            call()


def test_a_column_of_labels_is_warned_of_once(data):
    X, y, _ = data
    chunked, column = da.from_array(X, chunks=(100, -1)), y[:, None]
    plain = SoftmaxClassifier().fit(chunked, y)
    for labels in (column, da.from_array(column), frame(X, y)[["y"]]):
        rows = (
            chunked if not hasattr(labels, "columns") else frame(X, y).drop("y", axis=1)
        )
        with pytest.warns(DataConversionWarning, match=r"shape \(n, 1\)") as caught:
            close(SoftmaxClassifier().fit(rows, labels), plain, tol=1e-6)
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_what_went_wrong_is_said_also_where_the_client_is_closed(client, monkeypatch):
    """A client that is closed cannot cancel what it was to compute."""

    class Future:
        def cancel(self):
            raise RuntimeError("Client is closed. Can't send cancel-keys message.")

    class Closed:
        status = "closed"

        def compute(self, tasks):
            return [Future()]

    def lost(self, futures):
        raise distributed.CancelledError

    cluster = Cluster()
    cluster.client = Closed()
    monkeypatch.setattr(Cluster, "_wait", lost)
    with pytest.raises(RuntimeError, match="cluster was closed"):
        cluster.results([1])


def test_probabilities_stay_beside_the_chunks(anywhere, data):
    X, y, _ = data
    problem, _ = problem_of(da.from_array(X, chunks=(300, -1)), y)
    problem.penalty = penalty_of(SoftmaxClassifier(), problem, np.arange(4))
    scratch = problem.scratch()
    sizes = [problem.sum(_count, (scratch,), 0)[0] for _ in range(3)]
    assert [int(size) for size in sizes] == [0, 3, 6]
    problem.close()


def _count(problem, rows, X, scratch):
    before = len(scratch)
    scratch[before] = X
    return (before,)


def test_only_what_has_the_coefficients_size_travels(client, data, monkeypatch):
    X, y, _ = data
    sizes = []

    def results(self, tasks, results=Cluster.results):
        values = results(self, tasks)
        sizes.append(len(distributed.protocol.pickle.dumps(values)))
        return values

    monkeypatch.setattr(Cluster, "results", results)
    SoftmaxClassifier(solver="diagonal").fit(da.from_array(X, chunks=(90, -1)), y)
    # the summaries of the chunks, then gradients: of each 4 x 6 numbers and change
    assert max(sizes[2:]) < 10 * 500
    assert len(sizes) > 10


@pytest.mark.parametrize(("size", "n_results"), [(100, 0), (100_000, 1)])
def test_large_arguments_go_once_to_each_worker(
    client, data, monkeypatch, size, n_results
):
    X, y, _ = data
    problem, _ = problem_of(da.from_array(X, chunks=(90, -1)), y)
    keys = set()

    def results(self, tasks, results=Cluster.results):
        keys.update(str(key) for task in tasks for key in task.dask)
        return results(self, tasks)

    monkeypatch.setattr(Cluster, "results", results)
    assert problem.sum(_mean, (np.ones(size),), 0) == (10,)
    assert sum("_Arguments" in key for key in keys) == n_results
    problem.close()


def _mean(problem, rows, X, array):
    return (array.mean(),)


def test_a_sum_keeps_its_terms(data):
    """Dask may compute a term once and add it twice."""
    X, y, _ = data
    problem, _ = problem_of(da.from_array(X, chunks=(90, -1)), y)
    theta = np.ones(problem.shape)
    first = problem.sum(_value_gradient, (theta,), 0)
    second = problem.sum(_value_gradient, (theta,), 0)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_asynchronous_client_is_refused(data):
    X, y, _ = data

    class Asynchronous:
        asynchronous = True

        def get(self):
            """What dask asks for."""

    with (
        dask.config.set(scheduler=Asynchronous().get),
        pytest.raises(ValueError, match="asynchronous"),
    ):
        SoftmaxClassifier().fit(da.from_array(X), y)


@pytest.fixture(scope="module")
def processes():
    """A client of two workers, each a process."""
    with (
        # how long a worker calls one that is dead; the workers get it too
        dask.config.set({"distributed.comm.timeouts.connect": "3s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def at_sum(monkeypatch):
    """``at_sum(i, happen)``: call happen() just before the i-th sum over the chunks."""

    def at_sum(i, happen):
        calls = []

        def sum(self, *args, sum=DaskProblem.sum):
            calls.append(self)
            if len(calls) == i:
                happen()
            return sum(self, *args)

        monkeypatch.setattr(DaskProblem, "sum", sum)

    return at_sum


def kill(client, n_workers):
    for pid in list(client.run(os.getpid).values())[:n_workers]:
        os.kill(pid, signal.SIGKILL)


posix = pytest.mark.skipif(os.name != "posix", reason="signals")
# of the dying, which are dask's
no_warnings = pytest.mark.filterwarnings("ignore")


@posix
@no_warnings
def test_a_worker_dies_and_its_chunks_are_computed_again(processes, data, at_sum):
    X, y, _ = data
    at_sum(6, lambda: kill(processes, 1))
    with processes.as_current():
        ours = SoftmaxClassifier().fit(da.from_array(X, chunks=(150, -1)), y)
    close(ours, SoftmaxClassifier().fit(X, y))


@posix
@no_warnings
def test_data_die_with_the_workers(processes, data, at_sum):
    X, y, _ = data
    scattered = processes.scatter(np.array_split(X, 6))
    parts = [dask.delayed(part) for part in scattered]
    dX = da.concatenate([da.from_delayed(part, (150, 5), float) for part in parts])
    at_sum(6, lambda: kill(processes, 2))
    classifier = SoftmaxClassifier()
    with (
        processes.as_current(),
        pytest.raises(RuntimeError, match="lost the data of the fit"),
    ):
        classifier.fit(dX, y)
    assert not hasattr(classifier, "coef_")


@no_warnings
def test_a_cluster_without_workers_is_not_waited_for_without_end(data, at_sum):
    X, y, _ = data
    classifier = SoftmaxClassifier()
    with (
        dask.config.set({"sk_softmax.timeout": "1s"}),
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster),
    ):
        at_sum(5, lambda: cluster.sync(cluster.workers[0].close))
        with pytest.raises(TimeoutError, match=r"has 0 running workers.*Add workers"):
            classifier.fit(da.from_array(X, chunks=(300, -1)), y)
    assert not hasattr(classifier, "coef_")


@no_warnings
def test_a_cluster_that_is_closed(data, at_sum):
    X, y, _ = data
    with (
        dask.config.set({"sk_softmax.timeout": "5s"}),
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        at_sum(5, client.shutdown)
        with pytest.raises(RuntimeError, match="cluster was closed"):
            SoftmaxClassifier().fit(da.from_array(X, chunks=(300, -1)), y)
