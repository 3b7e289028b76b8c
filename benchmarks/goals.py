"""What was aimed at and what was measured, from the tracked CSV files alone.

    python -m benchmarks.goals               # Markdown, to the screen
    python -m benchmarks.goals docs/_static  # the CSV of the performance page

A goal whose results are not there is left out. A lower bound is a problem where no
peer got there in the time it was given.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.figure import compare, defaults, geometric_mean, markdown, read
from benchmarks.records import RESULTS


def goal(what, aim, value, note="", least=True, limit=None):
    """A row: at least (or at most) the aim is wanted.

    `limit` is what would be measured if the work were done at the machine's floor.
    """
    met = value >= aim if least else value <= aim
    return {
        "what": what,
        "goal": f"{'>=' if least else '<='} {aim:g}",
        "measured": f"{value:.3g}" + f" ({note})" * bool(note),
        "met": "yes" if met else "no",
        "at the floor": "" if limit is None else f"{limit:.3g}",
    }


def most(what, aim, value, note=""):
    return goal(what, aim, value, note, least=False)


def where(table, column, of):
    """The value that is least or greatest, and where."""
    row = table.loc[getattr(table[column], of)()]
    note = str(row["dataset"])
    if row.get("fraction"):
        note += f", {row['fraction']:g} of the greatest penalty"
    elif "C" in row:
        note += f", C = {row['C']:g}"
    return float(row[column]), note


def both(what, table, mean, each, floor=None):
    """Rows for a mean over problems and for the worst of them.

    `floor` is ours at the machine's floor, in seconds, for each problem.
    """
    if table.empty:
        return
    limits = None if floor is None else table["peer_seconds"] / floor
    limit = None if floor is None else geometric_mean(limits.dropna())
    bounds = int(table["bound" if "bound" in table else "at_least"].sum())
    note = f"{len(table)} problems" + f", {bounds} lower bounds" * bool(bounds)
    value = geometric_mean(table["ratio"])
    yield goal(f"{what}, geometric mean", mean, value, note, limit=limit)
    if each is not None:
        worst = where(table, "ratio", "idxmin")
        limit = None if floor is None else limits.min()
        yield goal(f"{what}, worst", each, *worst, limit=limit)


def of_fits(folder):
    """Time to 1e-6 against the best peer."""
    for name, is_sparse, what, mean, each in (
        ("dense", False, "dense, best peer / ours", 6, 1),
        ("sparse", True, "sparse, best peer / ours", 3, 1),
        ("lasso", False, "lasso and elastic net, best peer / ours", 3, 1),
        ("lasso", True, "lasso and elastic net, sparse, best peer / ours", 2, 1),
        ("grouped", False, "grouped lasso, best peer / ours", 2, None),
    ):
        path = folder / f"{name}.csv"
        if not path.exists():
            continue
        table = read(path)
        compared = compare(table)
        compared = compared[compared["sparse"] == is_sparse]
        floor = at_the_floor(compared, folder) if name == "dense" else None
        yield from both(what, compared, mean, each, floor)
        if name == "dense":
            binary = compared.query("K == 2")
            yield from both("two classes, best peer / ours", binary, 5, None, floor)
            yield from of_defaults(defaults(table))


def at_the_floor(compared, folder):
    """Seconds of a fit whose evaluations took the machine's floor, for each problem.

    An evaluation's floor is the larger of reading X once and its products by BLAS
    alone; a fit makes as many of them as were counted, coordinates included.
    """
    path = folder / "passes.csv"
    if not path.exists():
        return None
    passes = pd.read_csv(path)
    each = passes[["read_seconds", "bare_pass_seconds"]].max(axis=1)
    passes = passes.assign(floor=passes["evaluations"] * each)
    keys = ["dataset", "C"]
    return compared[keys].merge(passes, "left", keys)["floor"].set_axis(compared.index)


def of_defaults(table):
    """Default settings, which end wherever they end."""
    for peer, name, aim in (
        ("logistic", "LogisticRegression", 0.3),
        ("cholesky", "newton-cholesky", 0.8),
    ):
        iris = table[(table["dataset"] == "iris") & (table["C"] == 1)]
        iris = iris.assign(ratio=iris["ours"] / iris[peer])
        if len(iris):
            what = f"iris, default settings, ours / {name}"
            yield most(what, aim, *where(iris, "ratio", "idxmax"))
    table = table.assign(ratio=table["logistic"] / table["ours"])
    table = table.dropna(subset="ratio")
    if len(table):
        value, note = where(table, "ratio", "idxmin")
        end = table["logistic_ends_at"][table["ratio"].idxmin()]
        note += f", where LogisticRegression ends at {end:.1g}"
        yield goal("default settings, LogisticRegression / ours, worst", 1, value, note)


def of_costs(folder):
    """What `benchmarks.cost` measures."""

    def table(name):
        path = folder / f"{name}.csv"
        return pd.read_csv(path) if path.exists() else pd.DataFrame()

    passes = table("passes")
    if len(passes):
        dense = passes[passes["nnz"].isna()]
        counts = dense["evaluations"]
        yield most("evaluations of the data to 1e-6, median", 40, counts.median())
        greatest = where(dense, "evaluations", "idxmax")
        yield most("evaluations of the data to 1e-6, most", 150, *greatest)
        wide = dense[dense["d"] >= 50]
        greatest = where(wide, "evaluation_over_floor", "idxmax")
        yield most("an evaluation / its floor, d >= 50, most", 1.5, *greatest)
    if len(threads := table("threads")):
        limit = threads.loc[threads["speed_up"].idxmin()].get("bare_speed_up")
        worst = where(threads, "speed_up", "idxmin")
        yield goal("1 thread / 2 threads", 1.7, *worst, limit=limit)
    if len(memory := table("memory")):
        value = memory["of_bar"].iloc[0]
        yield most("peak memory / (5 % of X + 8 n K bytes)", 1, value)
    growth = table("growth")
    if len(growth):
        slope = growth.query("grows == 'n'")["slope"].iloc[0]
        yield most("slope of time against n, log-log", 1.05, slope)
    if len(options := table("options")):
        bounded = options["option"].str.startswith("bounds")
        greatest = where(options[bounded], "ratio", "idxmax")
        yield most("with bounds / without, l2, most", 5, *greatest)
        greatest = where(options[~bounded], "ratio", "idxmax")
        yield most("an option at its neutral value / without, most", 1.1, *greatest)
    if len(choosing := table("choosing")):
        for bar, mean, each in (
            ("LogisticRegressionCV", 10, 3),
            ("GridSearchCV", 10, None),
            ("cv.glmnet", 3, 1),
        ):
            chosen = choosing[choosing["bar"] == bar]
            yield from both(f"{bar} / ours", chosen, mean, each)
        path = choosing[choosing["bar"].str.startswith("path")]
        if len(path):
            greatest = where(path, "ratio", "idxmax")
            yield most("a path of 100 C / one fit, most", 10, *greatest)
    if len(elsewhere := table("elsewhere")):
        for row in elsewhere.itertuples():
            yield goal(row.what, row.goal, row.ratio, least=row.at_least)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="CSV, not to the screen")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of CSVs")
    options = parser.parse_args(arguments)
    rows = [*of_fits(options.results), *of_costs(options.results)]
    if not rows:
        parser.error(f"no results in {options.results}: run benchmarks.run first")
    if options.folder is None:
        print(markdown(list(rows[0]), [list(row.values()) for row in rows]))
    else:
        path = options.folder / "benchmark_goals.csv"
        pd.DataFrame(rows).to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
