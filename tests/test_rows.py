"""Row blocks: nothing is copied, everything is added once, in one order."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, _rows, softmax_path
from sk_softmax._rows import Rows

CONTAINERS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows and threads for any amount of work."""
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 1024)
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 0)


def features(n=1000, d=12, dtype=np.float64):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.7)).astype(dtype)


def blas_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_blocks_are_views_of_each_row_once(small_blocks, container, dtype):
    dense = features(dtype=dtype)
    X = CONTAINERS[container](dense)
    rows = Rows(X, 3)
    assert len(rows.blocks) > 10
    start = 0
    for part, block in rows.blocks:
        assert part.start == start
        start = part.stop
        entries, whole = (block, X) if container in "CF" else (block.data, X.data)
        assert np.shares_memory(entries, whole)
        assert block.dtype == dtype
        found = block if container in "CF" else block.toarray()
        np.testing.assert_array_equal(found, dense[part])
    assert start == len(dense)


def test_sparse_blocks_share_indices_and_hold_empty_rows(small_blocks):
    dense = features()
    dense[100:400] = 0
    X = sparse.csr_array(dense)
    rows = Rows(X, 3)
    assert all(np.shares_memory(b.indices, X.indices) for _, b in rows.blocks if b.nnz)
    (total,) = rows.sum(lambda part, b: (b.sum(axis=0),), 0)
    np.testing.assert_allclose(total, dense.sum(axis=0))


def test_blocks_stay_in_cache_where_few_and_never_outnumber_the_rows():
    rows = Rows(features(50_000, 20), 5)
    row_bytes = 8 * (20 + 2 * 5)
    most = max(part.stop - part.start for part, _ in rows.blocks)
    assert most * row_bytes <= 1.5 * _rows.BLOCK_BYTES  # six would be four
    # many would only wait for each other
    rows = Rows(np.zeros((10**6, 20)), 5)
    most = max(part.stop - part.start for part, _ in rows.blocks)
    assert 2 * _rows.BLOCK_BYTES < most * row_bytes <= 5 * _rows.BLOCK_BYTES
    assert _rows.MANY_BLOCKS <= len(rows.blocks)
    assert len(Rows(features(3, 2), 10**6).blocks) <= 3
    assert len(Rows(features(1, 2), 2).blocks) == 1


def test_wide_sparse_rows_make_few_blocks():
    """A block's gradient is dense (K, d): not one for each handful of entries."""
    rng = np.random.default_rng(0)
    row, col = np.repeat(np.arange(5000), 20), rng.integers(20_000, size=100_000)
    X = sparse.csr_array((np.ones(100_000), (row, col)), (5000, 20_000))
    assert len(Rows(X, 50).blocks) == 1
    part = sparse.csr_array(X[:, :1000])  # of 5000 entries, 5 a feature
    X = sparse.vstack([part] * 20, format="csr")
    assert len(Rows(X, 10**5).blocks) == 4  # 100 entries a feature: at most 6


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sum_adds_in_float64(small_blocks, container, dtype):
    dense = features(dtype=dtype)
    rows = Rows(CONTAINERS[container](dense), 3)
    ones = np.ones(len(dense), dtype)
    with rows.threads():
        count, total = rows.sum(lambda r, X: (float(X.shape[0]), ones[r] @ X), 1e9)
    assert count == len(dense)
    assert total.dtype == np.float64
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(total, dense.sum(axis=0), atol=tolerance)


@pytest.mark.parametrize("container", CONTAINERS)
def test_sum_is_the_same_to_the_bit_on_any_number_of_threads(small_blocks, container):
    rows = Rows(CONTAINERS[container](features()), 3)
    weight = np.random.default_rng(1).random(1000)
    seen = set()

    def function(part, X):
        seen.add(threading.current_thread().name)
        return (weight[part] @ X,)

    totals = []
    for n_threads in (1, 2, 8):
        seen.clear()
        with threadpool_limits(n_threads, user_api="blas"), rows.threads():
            for _ in range(20):
                totals.append(rows.sum(function, 1e9)[0].tobytes())
        # BLAS may not have as many threads to give as it is asked for
        assert len(seen) == 1 if n_threads == 1 else len(seen) <= n_threads
    assert len(set(totals)) == 1


@pytest.mark.parametrize(
    ("container", "n", "work", "n_parts"),
    [
        ("C", 1025, 1.01, 2),
        ("F", 1025, 1.01, 2),
        ("C", 1025, 0.99, 1),  # a pass
        ("C", 1023, 1.01, 1),
        ("csr_array", 1025, 1.01, 1),
    ],
)
def test_a_single_block_has_parts_for_long_work(container, n, work, n_parts):
    dense = features(n)
    rows, parts, threads = Rows(CONTAINERS[container](dense), 3), [], set()
    assert len(rows.blocks) == 1
    both = threading.Barrier(2, timeout=30)

    def function(part, X):
        parts.append(part)
        if n_parts == rows._n_threads == 2:
            both.wait()  # passes only if there are two threads
        threads.add(threading.get_ident())
        return (X.sum(axis=0),)

    flops = work * _rows.PARTS * _rows.THREADING_FLOPS
    with threadpool_limits(2, user_api="blas"), rows.threads():
        (total,) = rows.sum(function, flops)
        assert len(threads) == min(n_parts, rows._n_threads)
    np.testing.assert_allclose(total, dense.sum(axis=0), atol=1e-10)
    assert len(parts) == n_parts
    assert sum(part.stop - part.start for part in parts) == n


def test_threads_are_used_when_blas_has_them(small_blocks):
    with threadpool_limits(2, user_api="blas"):
        if min(blas_threads(), default=1) < 2:
            pytest.skip("this BLAS has one thread")
        rows = Rows(features(), 3)
        both = threading.Barrier(2, timeout=30)
        waited = threading.local()

        def function(part, X):
            if not hasattr(waited, "once"):  # passes only if a second thread comes
                waited.once = True
                both.wait()
            return (X.sum(axis=0),)

        with rows.threads():
            rows.sum(function, 1e9)


def test_little_work_stays_in_the_calling_thread(monkeypatch):
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 4096)
    rows = Rows(features(), 3)
    seen = set()

    def function(part, X):
        seen.add(threading.current_thread())
        return (X.sum(axis=0),)

    with rows.threads():
        rows.sum(function, _rows.THREADING_FLOPS)
    assert seen == {threading.current_thread()}


def test_blas_has_one_thread_inside_and_its_own_again_outside():
    rows = Rows(features(), 3)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with rows.threads():
            assert set(blas_threads()) <= {1}
            with Rows(features(), 3).threads():
                pass
            assert set(blas_threads()) <= {1}  # one fit's end is not the other's
        assert blas_threads() == before
        with pytest.raises(KeyboardInterrupt), rows.threads():
            raise KeyboardInterrupt
        assert blas_threads() == before


def test_blas_has_one_thread_whichever_thread_asks():
    """Also after another thread did, and where the last to go came second."""

    def inside():
        with Rows(features(), 3).threads():
            return set(blas_threads())

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert inside() <= {1}
        with ThreadPoolExecutor(1) as other:
            assert other.submit(inside).result(timeout=30) <= {1}
            assert blas_threads() == before
            context = Rows(features(), 3).threads()
            other.submit(context.__enter__).result(timeout=30)
            with Rows(features(), 3).threads():
                other.submit(context.__exit__, None, None, None).result(timeout=30)
                assert set(blas_threads()) <= {1}
            assert blas_threads() == before
        assert inside() <= {1}
    with ThreadPoolExecutor(1) as other, threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert other.submit(inside).result(timeout=30) <= {1}
        assert blas_threads() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_block_comes_out(small_blocks, error, n_threads):
    rows = Rows(features(), 3)

    def function(part, X):
        if part.start > 500:
            raise error("in a block")
        return (X.sum(axis=0),)

    with threadpool_limits(n_threads, user_api="blas"):
        with pytest.raises(error, match="in a block"), rows.threads():
            rows.sum(function, 1e9)


def test_after_an_error_the_other_threads_stop(small_blocks):
    with threadpool_limits(2, user_api="blas"):
        if min(blas_threads(), default=1) < 2:
            pytest.skip("this BLAS has one thread")
        rows = Rows(features(), 3)
        main, helping = threading.current_thread(), threading.Event()
        calls = 0

        def function(part, X):
            nonlocal calls
            if threading.current_thread() is main:
                helping.wait(30)
                raise KeyboardInterrupt
            helping.set()
            calls += 1
            time.sleep(0.02)
            return (X.sum(axis=0),)

        with pytest.raises(KeyboardInterrupt), rows.threads():
            rows.sum(function, 1e9)
    # the rest of its own few blocks, and not those of the others
    assert 1 <= calls < len(rows.blocks) / 2


@pytest.mark.parametrize("container", CONTAINERS)
def test_range(small_blocks, container):
    dense = np.abs(features())
    dense[:, 0] = 7.0  # constant, no zeros
    dense[:, 1] = 0.0
    least, most = Rows(CONTAINERS[container](dense), 3).range()
    np.testing.assert_array_equal(least, dense.min(axis=0))
    np.testing.assert_array_equal(most, dense.max(axis=0))
    assert least.dtype == most.dtype == np.float64


@pytest.mark.parametrize("m", [1, 5, 86, 1000])
@pytest.mark.parametrize("order", "CF")
def test_extremes_of_a_block(m, order):
    X = np.asarray(features(m), order=order)
    least, most = _rows._extremes(X)
    np.testing.assert_array_equal(least, X.min(axis=0))
    np.testing.assert_array_equal(most, X.max(axis=0))
    X[-1, 3], X[0, 4] = np.nan, np.inf  # which a mapped file is searched for
    least, most = _rows._extremes(X)
    assert np.isnan([least[3], most[3]]).all() and most[4] == np.inf
    assert np.isfinite(np.delete([least, most], [3, 4], axis=1)).all()


def test_range_is_looked_for_on_the_threads(small_blocks):
    with threadpool_limits(2, user_api="blas"), Rows(features(), 3).threads() as rows:
        if rows._n_threads < 2:
            pytest.skip("this BLAS has one thread")
        seen, look = set(), _rows._extremes
        both = threading.Barrier(2, timeout=30)

        def watched(X):
            if threading.get_ident() not in seen:
                seen.add(threading.get_ident())
                both.wait()  # passes only if a second thread comes
            return look(X)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_rows, "_extremes", watched)
            rows.range()
    assert len(seen) == 2


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_centred_rows_come_some_columns_at_a_time(monkeypatch, order, dtype):
    X = np.asarray(features(30, 50, dtype), order=order)
    centre = X.mean(axis=0, dtype=float)
    monkeypatch.setattr(_rows, "COLUMNS_BYTES", 8 * 30 * 7)
    parts, columns = zip(*Rows(X, 3).centred(centre), strict=True)
    assert [Z.shape for Z in columns] == [(30, 7)] * 7 + [(30, 1)]
    assert {Z.dtype for Z in columns} == {np.dtype(float)}
    np.testing.assert_allclose(np.hstack(columns), X - centre, atol=1e-12)
    assert [part.start for part in parts] == list(range(0, 50, 7))


def test_large_results_have_few_partial_sums(monkeypatch):
    rows, added, add = Rows(np.zeros((300_000, 50)), 7), [], _rows.add
    assert rows.n_strands > 8
    monkeypatch.setattr(_rows, "add", lambda terms: added.append(1) or add(terms))
    for result_bytes, n in ((8, rows.n_strands), (2**40, 1), (2**26, 4)):
        added.clear()
        rows.sum(lambda part, X: (1.0,), 0, result_bytes)
        assert len(added) == n + 1  # each, and the total


@pytest.mark.parametrize("n", [30_000, 80_000, 150_000, 400_000])
def test_two_and_four_threads_get_as_many_blocks_each(n):
    rows = Rows(np.zeros((n, 50)), 7)
    assert len(rows.blocks) % 4 == 0
    sizes = {part.stop - part.start for part, _ in rows.blocks}
    assert max(sizes) - min(sizes) <= 1


def test_threads_take_the_longest_strands_first():
    rows = Rows(np.zeros((80_000, 50)), 7)
    starts = [part.start for part, _ in rows.blocks]
    assert len(starts) == 8
    seen = []

    def function(part, X):
        seen.append(starts.index(part.start))
        return (np.zeros(3),)

    rows.n_strands = 6
    rows.sum(function, 0)
    assert seen == [2, 3, 6, 7, 0, 1, 4, 5]


def test_short_blocks_stay_in_the_calling_thread():
    """Threads would wait for each other longer than for the blocks."""
    rows = Rows(np.zeros((20_000, 50)), 7)
    work = _rows.THREADING_FLOPS * len(rows.blocks)
    reading = _rows.READING_FLOPS * 50 * 20_000
    assert rows._pays(1.01 * work - reading)
    assert not rows._pays(0.99 * work - reading)
    rows = Rows(sparse.csr_array(np.eye(2000)), 7)
    assert rows._pays(1.01 * _rows.THREADING_FLOPS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_rows_are_checked_in_the_pass_for_their_range(
    monkeypatch, bad, order, dtype
):
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 0)
    X = np.asarray(features(50_000, 20), dtype=dtype, order=order)
    y = np.arange(len(X)) % 3
    assert _rows.is_checked_late(X)
    looked = []
    find = Rows._find_range
    monkeypatch.setattr(Rows, "_find_range", lambda r: looked.append(r.X) or find(r))
    SoftmaxClassifier().fit(X, y)
    assert sum(one is X for one in looked) == 1
    X[41_000, 7] = bad
    classifier = SoftmaxClassifier()
    what = "NaN" if np.isnan(bad) else "infinity"
    with pytest.raises(ValueError, match=f"Input X contains {what}"):
        classifier.fit(X, y)
    assert vars(classifier) == vars(SoftmaxClassifier())


def test_large_rows_of_a_path_are_checked_once(monkeypatch):
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 0)
    X = features(50_000, 20)
    y = np.arange(len(X)) % 3
    looked, ranged, find = [], [], Rows._find_range
    monkeypatch.setattr(
        "sklearn.utils.validation._assert_all_finite",
        lambda array, **_: looked.append(array.shape),
    )
    monkeypatch.setattr(
        Rows, "_find_range", lambda r: ranged.append(r.shape) or find(r)
    )
    softmax_path(X, y, Cs=[1.0])
    SoftmaxClassifierCV(Cs=[1.0], cv=2).fit(X, y)
    assert X.shape not in looked and y.shape in looked
    assert ranged.count(X.shape) == 2
    X[41_000, 7] = np.nan
    monkeypatch.undo()
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 0)
    for fit in (softmax_path, SoftmaxClassifierCV().fit):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            fit(X, y)


def test_sparse_nan_is_an_error_and_no_warning():
    X = sparse.csr_array(np.array([[1.0, 0.0], [np.nan, 2.0], [0.0, 3.0]]))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        Rows(X, 3).check_finite("SoftmaxClassifier")
