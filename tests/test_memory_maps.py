"""Mapped files: the same fit as in memory, read and converted block by block."""

import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest
from conftest import objective

from sk_softmax import (
    SoftmaxClassifier,
    SoftmaxClassifierCV,
    _predictor,
    _rows,
    softmax_path,
)
from sk_softmax._array_rows import rows_of
from sk_softmax._rows import MappedRows, memory_map

METHODS = ["decision_function", "predict", "predict_log_proba", "predict_proba"]


@pytest.fixture
def small_blocks(monkeypatch):
    """Many blocks, and pages given back between them, in a small file."""
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2**14)
    monkeypatch.setattr(_rows, "MAPPED_BYTES", 2**15)
    monkeypatch.setattr(_predictor, "MAPPED_BYTES", 2**15)
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 0)


@pytest.fixture
def mapped(tmp_path):
    """``mapped(X)``: X in a file, mapped read-only or as `mode` says."""

    def mapped(X, mode="r"):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, X)  # keeps the memory order
        return np.load(path, mmap_mode=mode)

    return mapped


KINDS = {
    "C": lambda X: X,
    "F": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "int8": lambda X: np.round(10 * X).astype(np.int8),
    "bool": lambda X: X > 0,
    "big-endian": lambda X: X.astype(">f8"),
    "int32, F": lambda X: np.asfortranarray(np.round(10 * X).astype(np.int32)),
}


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_in_memory(small_blocks, mapped, make_rows, kind, n_classes):
    X, y, weight = make_rows(3000, 8, n_classes)
    X = KINDS[kind](X)
    M = mapped(X)
    offset = np.linspace(-1, 1, 3000)
    if n_classes > 2:
        offset = np.multiply.outer(offset, np.arange(n_classes))
    ours = SoftmaxClassifier().fit(M, y, weight, offset)
    theirs = SoftmaxClassifier().fit(X, y, weight, offset)
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    assert ours.coef_.dtype == theirs.coef_.dtype
    for method in METHODS:
        found = getattr(ours, method)(M, offset)
        expected = getattr(theirs, method)(X, offset)
        assert type(found) is np.ndarray
        assert found.dtype == expected.dtype
        tolerance = 1e-4 if found.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_paths_and_folds(small_blocks, mapped, make_rows, kind):
    X, y, _ = make_rows(3000, 8, 3)
    X = KINDS[kind](X)
    M = mapped(X)
    ours, theirs = (softmax_path(Z, y, Cs=3) for Z in (M, X))
    np.testing.assert_array_equal(ours.coefs, theirs.coefs)
    for cv in (3, "approximate-loo"):
        ours, theirs = (SoftmaxClassifierCV(Cs=3, cv=cv).fit(Z, y) for Z in (M, X))
        np.testing.assert_array_equal(ours.coefs_paths_, theirs.coefs_paths_)
        np.testing.assert_array_equal(ours.scores_, theirs.scores_)
    ours, theirs = (
        SoftmaxClassifierCV(Cs=3, scoring="accuracy").fit(Z, y) for Z in (M, X)
    )
    np.testing.assert_array_equal(ours.scores_, theirs.scores_)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc", None])
def test_scores_with_offsets(small_blocks, mapped, make_rows, scoring):
    X, y, _ = make_rows(3000, 5, 2)
    offset = np.random.default_rng(0).normal(size=3000)
    model = SoftmaxClassifierCV([0.1, 1.0], cv=2, scoring=scoring)
    model.fit(mapped(X), y, offset=offset)
    expected = model.score(X, y, offset=offset)
    assert model.score(mapped(X), y, offset=offset) == pytest.approx(expected)
    assert model.score(X, y) != expected


@pytest.mark.parametrize("penalty", [{"l1_ratio": 1}, {"bounds": (0, np.inf)}])
def test_working_sets(small_blocks, mapped, make_rows, penalty):
    X, y, _ = make_rows(3000, 8, 3)
    X = np.round(10 * X).astype(np.int8)
    ours = SoftmaxClassifier(C=0.01, **penalty).fit(mapped(X), y)
    theirs = SoftmaxClassifier(C=0.01, **penalty).fit(X, y)
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


@pytest.mark.parametrize("dtype", [np.float64, np.int8])
def test_more_features_than_rows(mapped, make_rows, dtype):
    X, y, _ = make_rows(40, 500, 3)
    X = (20 * X).astype(dtype)
    models = [SoftmaxClassifier(tol=1e-8).fit(Z, y) for Z in (mapped(X), X)]
    ours, theirs = (
        objective(X.astype(np.float64), y, m.coef_, m.intercept_, C=1) for m in models
    )
    assert ours == pytest.approx(theirs, abs=1e-7)


def test_what_counts_as_a_map(mapped):
    M = mapped(np.ones((5, 2)))
    for view in (M, M[1:], M.T, np.asarray(M)[::2], np.asarray(M).reshape(2, 5)):
        assert memory_map(view) is M
        assert isinstance(rows_of(view, 3, "name"), MappedRows)
    for other in (np.ones((5, 2)), M + 1, M.copy(), np.array(M), [[1.0]], None):
        assert memory_map(other) is None


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_what_was_written_to_the_map_stays(small_blocks, mapped, make_rows, mode):
    X, y, _ = make_rows(3000, 8, 3)
    M = mapped(X, mode)
    if mode != "r":
        M[:, 0] = np.arange(3000) % 7
    before = np.array(M)
    classifier = SoftmaxClassifier().fit(M, y)
    classifier.predict(M)
    np.testing.assert_array_equal(M, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_an_error_in_the_same_words(
    small_blocks, mapped, make_rows, bad, dtype
):
    X, y, _ = make_rows(3000, 8, 3, dtype=dtype)
    classifier = SoftmaxClassifier().fit(X, y)
    X[2345, 6] = bad
    M = mapped(X)
    for call in (lambda X: SoftmaxClassifier().fit(X, y), classifier.predict):
        with pytest.raises(ValueError) as expected:
            call(X.astype(np.float64))
        with pytest.raises(ValueError) as found:
            call(M)
        words = str(found.value).replace(repr(np.dtype(dtype)), "dtype('float64')")
        assert words == str(expected.value)


def test_wrong_shapes_are_errors(small_blocks, mapped, make_rows):
    X, y, _ = make_rows(3000, 8, 3)
    M = mapped(X)
    classifier = SoftmaxClassifier().fit(M, y)
    with pytest.raises(ValueError, match="8 features"):
        classifier.predict(mapped(X[:, :7]))
    with pytest.raises(ValueError, match="offset has shape"):
        classifier.predict(M, np.ones((2999, 3)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier.fit(M, y[:-1])
    with pytest.raises(ValueError, match="Expected 2D array"):
        classifier.predict(M[0])
    with pytest.raises(ValueError, match="0 sample"):
        classifier.predict(M[:0])


def test_no_map_is_converted_whole(small_blocks, mapped):
    rng = np.random.default_rng(0)
    X = mapped(rng.integers(-9, 9, size=(40_000, 100)).astype(np.int8))
    y = rng.integers(3, size=len(X))
    classifier = SoftmaxClassifier(solver="kronecker")  # small beside X
    classifier.fit(X[:200], y[:200])  # import what is needed
    tracemalloc.start()
    classifier.fit(X, y)
    classifier.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * X.size  # bytes: as float64 it is 8


LIMITED = """
    import resource, sys
    import numpy as np
    from sk_softmax import SoftmaxClassifier

    path, limit = sys.argv[1], int(sys.argv[2])
    X = np.load(path, mmap_mode="r")
    y = np.arange(len(X)) % 3
    SoftmaxClassifier().fit(X[:300], y[:300]).predict(X[:300])
    with open("/proc/self/statm") as file:
        data = int(file.read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (data + limit, -1))
    try:
        np.array(X)
    except MemoryError:
        print("limited")
    def resident():
        with open("/proc/self/status") as file:
            (line,) = (line for line in file if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    before = resident()
    classifier = SoftmaxClassifier(tol=1e-2).fit(X, y)
    classifier.predict(X)
    print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits and /proc are Linux's")
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_larger_than_the_memory_allowed(tmp_path, order):
    n, d, limit = 500_000, 50, 100 * 2**20  # the file has 200 MB
    path = tmp_path / "X.npy"
    M = np.lib.format.open_memmap(
        path, "w+", np.float64, (n, d), fortran_order=order == "F"
    )
    rng = np.random.default_rng(0)
    for start in range(0, n, 50_000):
        M[start : start + 50_000] = rng.normal(size=(50_000, d))
    M.flush()
    del M
    program = [sys.executable, "-c", textwrap.dedent(LIMITED), path, str(limit)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *limited, resident = done.stdout.split()
    if limited != ["limited"]:
        pytest.skip("this system does not hold a process to RLIMIT_DATA")
    # neither the pages of the file nor what is made of them
    assert int(resident) < 150 * 2**20
