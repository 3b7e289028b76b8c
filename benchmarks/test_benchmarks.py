"""Tests of the benchmarks themselves: ``python -m pytest benchmarks``."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from benchmarks import datasets, figure, goals, records, run
from benchmarks.objective import alpha_max, null_objective, objective
from benchmarks.solvers import SOLVERS, Solver, Task, version


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_objective_is_log_loss_plus_penalty(name, convert):
    X, y = datasets.load(name)
    weights = np.random.default_rng(0).uniform(size=len(y))
    model = LogisticRegression(C=2.0, solver="newton-cholesky")
    model.fit(X, y, sample_weight=weights)
    loss = log_loss(y, model.predict_proba(X), sample_weight=weights)
    scale = 1 / (2.0 * weights.sum())
    coef, at = model.coef_, (model.coef_, model.intercept_, convert(X), y, 2.0)
    l2 = loss + scale * 0.5 * np.sum(coef**2)
    assert objective(*at, weights=weights) == pytest.approx(l2, rel=1e-12)
    both = loss + scale * (0.7 * np.abs(coef).sum() + 0.15 * np.sum(coef**2))
    assert objective(*at, 0.7, weights) == pytest.approx(both, rel=1e-12)
    grouped = loss + scale * sum(np.sqrt(np.sum(w**2)) for w in coef.T)
    assert objective(*at, 1.0, weights, True) == pytest.approx(grouped, rel=1e-12)


def test_objective_of_a_point_that_is_not_finite():
    X, y = datasets.load("iris")
    assert objective(np.full((3, 4), np.nan), np.zeros(3), X, y, 1.0) == np.inf


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
def test_null_objective_and_alpha_max(name):
    X, y = datasets.load(name)
    counts = np.bincount(y)
    logits = np.log(counts)
    intercept = logits if len(counts) > 2 else logits[1:] - logits[:1]
    shape = (len(intercept), X.shape[1])

    def loss(coef):
        return objective(coef.reshape(shape), intercept, X, y, np.inf)

    assert loss(np.zeros(shape)) == pytest.approx(null_objective(y), rel=1e-12)
    gradient = approx_fprime(np.zeros(shape).ravel(), loss, 1e-9).reshape(shape)
    assert alpha_max(X, y, 0.5) == pytest.approx(2 * np.abs(gradient).max(), rel=1e-3)
    sizes = np.sqrt(np.sum(gradient**2, axis=0))
    assert alpha_max(X, y, 1.0, True) == pytest.approx(sizes.max(), rel=1e-3)


PENALTIES = {
    "l2": {"C": 1.0},
    "lasso": {"C": 0.5, "l1_ratio": 1.0},
    "elastic net": {"C": 0.5, "l1_ratio": 0.5},
    "grouped": {"C": 0.5, "l1_ratio": 1.0, "group": True},
}


@pytest.fixture(scope="module")
def least():
    """The objectives seen in this module's tests, by penalty."""
    return {}


@pytest.mark.filterwarnings("ignore")  # the peers', of iterations and of themselves
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_solve_the_same_problem(name, penalty, least):
    solver = SOLVERS[name]
    X, y = datasets.load("iris")
    task = Task("iris", None, **PENALTIES[penalty])
    if not solver.supports(X, 3, task) or version(solver.module) is None:
        pytest.skip("not for this penalty, or not installed")
    if len(solver.grid) == 1:
        pytest.skip("default settings end where they end")
    setting = 20_000 if isinstance(solver.grid[0], int) else 1e-9
    setting = {"torch-lbfgs": 300, "adelie": 1e-13}.get(name, setting)
    coef, intercept, seconds = solver.fit(X, y, task, setting, 1)
    assert coef.shape == (3, 4) and intercept.shape == (3,) and seconds > 0
    value = objective(coef, intercept, X, y, task.C, task.l1_ratio, group=task.group)
    # the first solver in the list is ours: all others have to come to its optimum
    assert value == pytest.approx(least.setdefault(penalty, value), abs=1e-6)


class FakeBench(run.Bench):
    """A solver that is at ``rate ** setting`` after so many iterations."""

    def __init__(self, rate):
        super().__init__(Task("iris", None, 1.0), {}, cap=1e3)
        self.rate, self.best, self.null, self.asked = rate, 0.0, 1.0, []

    def fit(self, name, setting, n_threads, purpose, limit):
        self.asked.append(setting)
        value = self.rate**setting
        return {"objective": value, "seconds": setting / 10, "note": ""}


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.9, 0.999])
def test_search_finds_the_loosest_setting(rate, monkeypatch):
    grid = list(range(1, 20_000))
    monkeypatch.setitem(SOLVERS, "fake", Solver(None, "", grid, 1000, ""))
    bench = FakeBench(rate)
    index, row = bench.search("fake", cap=1e4)
    assert row["objective"] <= 1e-6
    assert index == 0 or rate ** grid[index - 1] > 1e-6
    assert len(bench.asked) < 40


def test_search_gives_up_and_says_how_far_it_came(monkeypatch):
    monkeypatch.setitem(SOLVERS, "fake", Solver(None, "", [1, 2, 4, 8, 16], 1, ""))
    index, row = FakeBench(0.9).search("fake", cap=0.5)  # ended by the cap
    assert index is None and row["objective"] == 0.9**8
    index, row = FakeBench(1.0).search("fake", cap=1e3)  # ended by standing still
    assert index is None and row["objective"] == 1.0


def make_rows(times, cap=10.0, C=1.0, threads=2, gap=0.0):
    """Rows as the runner makes them, of solvers that all reached the goal."""
    return [
        {
            **{"dataset": "a", "n": 9, "d": 2, "K": 3, "nnz": "", "C": C},
            **{"l1_ratio": 0.0, "group": False, "fraction": None, "cap": cap},
            **{"solver": solver, "threads": threads, "purpose": "timed"},
            **{"setting": 1e-6, "seconds": seconds, "objective": 0.5 + gap},
            "null_objective": 1.0,
        }
        for solver, seconds in times.items()
    ]


def test_compare_takes_the_better_threads_of_peers_and_ours_on_most(tmp_path):
    path = tmp_path / "dense.csv"
    rows = make_rows({"sk_softmax": 0.2, "lbfgs": 9.0}, threads=2)
    rows += make_rows({"sk_softmax": 0.1, "lbfgs": 0.8, "saga": 3.0}, threads=1)
    rows += make_rows({"saga": 0.01}, gap=0.1)  # fast, and not there
    rows += make_rows({"LogisticRegression-default": 0.01})  # not a peer of this table
    run.save(path, rows, "now")
    run.save(path, make_rows({"sk_softmax": 0.5}, C=100.0, cap=7.0), "now")
    run.save(path, make_rows({"sk_softmax": 0.5}, C=10.0, gap=0.0), "now")
    run.save(path, make_rows({"sk_softmax": 0.4}, C=10.0, gap=0.0), "later")
    table = figure.compare(figure.read(path)).set_index("C")
    assert table.loc[1.0, "ratio"] == pytest.approx(0.8 / 0.2)
    assert table.loc[1.0, "peer"] == "lbfgs" and not table.loc[1.0, "bound"]
    assert table.loc[100.0, "bound"] and table.loc[100.0, "ratio"] == pytest.approx(14)
    assert table.loc[10.0, "ours"] == 0.4  # the later run replaced the row
    assert "4.00" in figure.tables("dense", figure.read(path))


def test_ours_that_did_not_arrive_has_ratio_zero(tmp_path):
    rows = make_rows({"sk_softmax": 0.1}, gap=0.1) + make_rows({"lbfgs": 5.0})
    run.save(tmp_path / "dense.csv", rows, "now")
    table = figure.compare(figure.read(tmp_path / "dense.csv"))
    assert table["ratio"].tolist() == [0.0]


def test_tables_of_the_performance_page(tmp_path):
    rows = make_rows({"sk_softmax": 0.2, "lbfgs": 1.2})
    rows += make_rows({"sk_softmax": 0.5}, C=100.0, cap=7.0)
    run.save(tmp_path / "dense.csv", rows, "now")
    mixed = make_rows({"sk_softmax": 0.1, "glmnet": 0.4})
    run.save(tmp_path / "lasso.csv", [r | {"l1_ratio": 0.5} for r in mixed], "now")
    words = make_rows({"sk_softmax": 0.2, "glmnet": 0.1}, C=7.0)
    words = [row | {"l1_ratio": 1.0, "nnz": 5} for row in words]
    run.save(tmp_path / "lasso.csv", words, "now")
    arguments = ["--results", str(tmp_path), "--table", str(tmp_path / "docs")]
    figure.main(arguments)
    table = pd.read_csv(tmp_path / "docs" / "benchmark.csv", dtype=str)
    assert table["penalty"].tolist() == ["l2", "l2", "l1 + l2", "l1, sparse X"]
    assert table["ratio"].tolist() == ["6", ">= 14", "4", "0.5"]
    assert table["which"].tolist() == ["lbfgs", "none", "glmnet", "glmnet"]
    summary = pd.read_csv(tmp_path / "docs" / "benchmark_summary.csv", dtype=str)
    assert summary["penalty"].tolist() == ["l2", "l1", "l1, sparse X"]
    assert summary["problems"].tolist() == ["2", "1", "1"]
    assert summary["no peer reached 1e-6"].tolist() == ["1", "0", "0"]
    assert summary["worst"][0] == "6.00, a, C = 1"


def test_goals_of_what_was_measured(tmp_path, monkeypatch):
    rows = make_rows({"sk_softmax": 0.2, "lbfgs": 1.2})
    rows += make_rows({"sk_softmax": 0.5, "lbfgs": 0.25}, C=100.0)
    rows += make_rows({"sk_softmax-default": 0.2, "LogisticRegression-default": 0.3})
    run.save(tmp_path / "dense.csv", rows, "now")
    rows = make_rows({"sk_softmax": 0.1, "glmnet": 0.4})
    rows += [r | {"nnz": 5} for r in make_rows({"sk_softmax": 0.2, "saga": 0.1}, C=7.0)]
    run.save(tmp_path / "lasso.csv", rows, "now")
    row = {"dataset": "a", "C": 1.0, "read_seconds": 0.01, "bare_pass_seconds": 0.02}
    row |= {"evaluations": 10, "nnz": "", "d": 50, "evaluation_over_floor": 2}
    records.replace_row(tmp_path / "passes.csv", row, ["dataset"])
    for dataset, speed_up in (("a", 1.8), ("b", 1.5), ("b", 1.6)):
        row = {"dataset": dataset, "speed_up": speed_up, "bare_speed_up": 1.9}
        records.replace_row(tmp_path / "threads.csv", row, ["dataset"])
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    records.save_ratio("a map / in memory", 1.25, 1.5)
    records.save_ratio("one worker / two", 1.25, 1.5, at_least=True)
    goals.main([str(tmp_path), "--results", str(tmp_path)])
    table = pd.read_csv(tmp_path / "benchmark_goals.csv").set_index("what")
    assert table["measured"].to_dict() == {
        "dense, best peer / ours, geometric mean": "1.73 (2 problems)",
        "dense, best peer / ours, worst": "0.5 (a, C = 100)",
        "default settings, LogisticRegression / ours, worst": "1.5 (a, C = 1, where "
        "LogisticRegression ends at 0)",
        "lasso and elastic net, best peer / ours, geometric mean": "4 (1 problems)",
        "lasso and elastic net, best peer / ours, worst": "4 (a, C = 1)",
        "lasso and elastic net, sparse, best peer / ours, geometric mean": "0.5 "
        "(1 problems)",
        "lasso and elastic net, sparse, best peer / ours, worst": "0.5 (a, C = 7)",
        "evaluations of the data to 1e-6, median": "10",
        "evaluations of the data to 1e-6, most": "10 (a, C = 1)",
        "an evaluation / its floor, d >= 50, most": "2 (a, C = 1)",
        "1 thread / 2 threads": "1.6 (b)",
        "a map / in memory": "1.25",
        "one worker / two": "1.25",
    }
    assert table["met"].tolist() == [
        *["no", "no", "yes"],
        *["yes", "yes", "no", "no"],
        *["yes", "yes", "no"],
        *["no", "yes", "no"],
    ]
    assert table["at the floor"].dropna().to_dict() == {
        "dense, best peer / ours, geometric mean": 6.0,
        "dense, best peer / ours, worst": 6.0,
        "1 thread / 2 threads": 1.9,
    }


def test_files_of_a_folder(tmp_path):
    X, y = datasets.synthetic(n=50, d=7, K=3, density=0.4)
    sparse.save_npz(tmp_path / "b.X.npz", X)
    np.savez(tmp_path / "b.y.npz", y=y + 5)
    np.savez(tmp_path / "a.npz", X=X.toarray().astype(np.uint8), y=y)
    assert datasets.names(tmp_path) == [*datasets.SHIPPED, "a"]
    assert datasets.names(tmp_path, sparse_ones=True) == ["b"]
    loaded, codes = datasets.load("b", str(tmp_path))
    assert sparse.issparse(loaded) and (loaded != X).nnz == 0
    np.testing.assert_array_equal(codes, y)
    assert datasets.load("a", str(tmp_path))[0].dtype == np.float64
    with pytest.raises(ValueError, match="--data"):
        datasets.load("c")


def test_synthetic_data():
    X, y = datasets.load("synthetic:n=300,d=6,K=4")
    assert X.shape == (300, 6) and set(y) == set(range(4))
    assert pd.Series(y).value_counts().min() > 10
    X, y = datasets.load("synthetic:n=300,d=60,K=4,density=0.1")
    assert sparse.issparse(X) and 0.05 < X.nnz / 18_000 < 0.12
