"""The README's figure and the tables of bars, from the tracked CSV files alone.

    python -m benchmarks.figure           # docs/_static/benchmark.svg
    python -m benchmarks.figure --table   # Markdown, to the screen
    python -m benchmarks.figure --table docs/_static  # CSVs of the performance page

Ours is timed at its best tolerance on the most threads, which is what a user has;
a peer at its best setting on its better number of threads. Where no peer reached
1e-6 in the time cap, the ratio is the cap's, a lower bound, and marked with >=.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.records import RESULTS
from benchmarks.run import PROBLEM, TARGET

FIGURE = Path(__file__).parents[1] / "docs" / "_static" / "benchmark.svg"
OURS = "sk_softmax"
# Okabe and Ito's colours, which the colour-blind can tell apart, and a shape each.
STYLES = {
    "sk_softmax": ("#D55E00", "D", "sk_softmax"),
    "lbfgs": ("#0072B2", "o", "scikit-learn lbfgs"),
    "newton-cg": ("#56B4E9", "^", "scikit-learn newton-cg"),
    "newton-cholesky": ("#009E73", "s", "scikit-learn newton-cholesky"),
    "saga": ("#999999", "v", "scikit-learn saga"),
    "sklearnex": ("#E69F00", "P", "scikit-learn-intelex"),
    "torch-lbfgs": ("#CC79A7", "X", "torch L-BFGS"),
    "cyanure": ("#000000", "*", "cyanure"),
    "glmnet": ("#000000", "p", "glmnet (R)"),
    "glmnet-path": ("#999999", "p", "glmnet (R), path"),
    "adelie": ("#0072B2", "h", "adelie"),
}

PENALTIES = {
    "dense": "l2",
    "sparse": "l2",
    "lasso": "l1",
    "grouped": "grouped l1",
}


def read(path):
    """A results CSV, the suboptimality afresh from the least F* of all its rows."""
    table = pd.read_csv(path)
    table["fraction"] = table["fraction"].fillna(0)
    if table["fraction"].any():  # C follows from the fraction, but for rounding
        table["C"] = table.groupby([c for c in PROBLEM if c != "C"])["C"].transform(
            "min"
        )
    least = table.groupby(PROBLEM)["objective"].transform("min")
    gap = table["null_objective"] - least
    table["suboptimality"] = (table["objective"] - least) / gap
    table["reached"] = table["suboptimality"] <= TARGET
    return table


def compare(table):
    """A row per problem: our time, the best peer's, and their ratio.

    Parameters
    ----------
    table : DataFrame
        From `read`.

    Returns
    -------
    DataFrame
        With columns n, d, K, sparse, ours, peer, peer_seconds, ratio, bound; `bound`
        is true where no peer got there and the ratio is only a lower bound. The
        ratio is 0 where we did not get there.
    """
    rows = []
    for key, problem in table.groupby(PROBLEM, sort=False):
        timed = problem[(problem["purpose"] == "timed") & problem["reached"]]
        ours = timed[timed["solver"] == OURS]
        ours = ours[ours["threads"] == ours["threads"].max()]["seconds"]
        ours = ours.iloc[0] if len(ours) else np.inf
        is_peer = ~timed["solver"].str.contains("default") & (timed["solver"] != OURS)
        peers = timed[is_peer].sort_values("seconds")
        bound = peers.empty
        seconds = problem["cap"].min() if bound else peers["seconds"].iloc[0]
        rows.append(
            dict(zip(PROBLEM, key, strict=True))
            | {name: problem[name].iloc[0] for name in ("n", "d", "K")}
            | {
                "sparse": pd.notna(problem["nnz"].iloc[0]),
                "ours": ours,
                "peer": "none" if bound else peers["solver"].iloc[0],
                "peer_seconds": seconds,
                "ratio": seconds / ours,
                "bound": bound,
                "one_run": problem["run"].nunique() == 1,
            }
        )
    return pd.DataFrame(rows)


def defaults(table):
    """A row per problem: LogisticRegression's default settings against ours."""
    timed = table[table["purpose"] == "timed"]
    rows = []
    for key, problem in timed.groupby(PROBLEM, sort=False):
        best = problem.sort_values("seconds").groupby("solver").first()
        row = dict(zip(PROBLEM, key, strict=True))
        for name, solver in {
            "ours": "sk_softmax-default",
            "logistic": "LogisticRegression-default",
            "cholesky": "newton-cholesky-default",
        }.items():
            there = solver in best.index
            row[name] = best["seconds"][solver] if there else np.nan
            row[f"{name}_ends_at"] = best["suboptimality"][solver] if there else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def geometric_mean(ratios):
    return float(np.exp(np.mean(np.log(np.maximum(ratios, 1e-12)))))


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def tables(name, table):
    """Markdown of a results CSV: a table of bars, and one row per problem."""
    compared = compare(table)
    bars = []

    def bar(what, chosen, demand):
        if len(chosen):
            worst = chosen.loc[chosen["ratio"].idxmin()]
            bars.append(
                [
                    what,
                    demand,
                    f"{geometric_mean(chosen['ratio']):.2f}",
                    f"{worst['ratio']:.2f} ({worst['dataset']}, C={worst['C']:.4g})",
                    f"{len(chosen)}, of which {chosen['bound'].sum()} bounds",
                ]
            )

    demands = {"dense": ">= 6; >= 1", "sparse": ">= 3; >= 1", "lasso": ">= 3; >= 1"}
    demand = demands.get(name, ">= 2")
    own = compared[compared["sparse"] == (name == "sparse")]
    bar(f"{name}: best peer / ours", own, demand)
    if name == "lasso":
        words = compared[compared["sparse"]]
        bar("lasso, sparse X: best peer / ours", words, ">= 2; >= 1")
    if name == "dense":
        bar("binary: best peer / ours", compared[compared["K"] == 2], ">= 5")
    parts = [
        markdown(["what", "bar", "geometric mean", "worst", "problems"], bars),
    ]
    if name in ("dense", "sparse"):
        both = defaults(table)
        ratio = (both["logistic"] / both["ours"]).dropna()
        slowest = both.loc[ratio.idxmin()] if len(ratio) else None
        lines = []
        if slowest is not None:
            lines.append(
                f"Default settings, LogisticRegression's time / ours: worst "
                f"{ratio.min():.2f} ({slowest['dataset']}, C={slowest['C']:g}), "
                f"geometric mean {geometric_mean(ratio):.2f}; ours ends at "
                f"{both['ours_ends_at'].max():.1e} at worst, it at "
                f"{both['logistic_ends_at'].max():.2f}."
            )
        iris = both[both["dataset"] == "iris"]
        for _, row in iris.iterrows():
            lines.append(
                f"iris, C={row['C']:g}, default settings: ours / LogisticRegression's "
                f"{row['ours'] / row['logistic']:.2f} (bar 0.3), / newton-cholesky's "
                f"{row['ours'] / row['cholesky']:.2f} (bar 0.8)."
            )
        parts.append("\n".join(lines))
    mixed = compared[~compared["one_run"]]
    if len(mixed):
        parts.append(
            f"Not timed in one run: {', '.join(sorted(set(mixed['dataset'])))}."
        )
    rows = [
        [
            row["dataset"],
            f"{row['n']:,} x {row['d']:,} x {row['K']}",
            f"{row['C']:.3g}"
            + (f" ({row['l1_ratio']:g} l1)" if row["l1_ratio"] else ""),
            f"{row['ours']:.4f}",
            f"{row['peer_seconds']:.4f}" if not row["bound"] else "none reached it",
            row["peer"],
            (">= " if row["bound"] else "") + f"{row['ratio']:.2f}",
        ]
        for _, row in compared.iterrows()
    ]
    header = ["data", "n x d x K", "C", "ours, s", "best peer, s", "which", "ratio"]
    parts.append(markdown(header, rows))
    return "\n\n".join(parts)


def pages(found, folder):
    """Write the tables of the docs' performance page: benchmark*.csv.

    Parameters
    ----------
    found : dict of str to DataFrame
        From `read`, by mode.
    folder : Path
    """
    problems, summary = [], []
    for name, table in found.items():
        compared = compare(table)
        for is_sparse, chosen in compared.groupby("sparse"):
            worst = chosen.loc[chosen["ratio"].idxmin()]
            mean = geometric_mean(chosen["ratio"])
            summary.append(
                {
                    "penalty": PENALTIES[name] + (", sparse X" if is_sparse else ""),
                    "problems": len(chosen),
                    "no peer reached 1e-6": chosen["bound"].sum(),
                    "best peer / ours, geometric mean": f"{mean:.1f}",
                    "worst": f"{worst['ratio']:.2f}, {worst['dataset']}, "
                    f"C = {worst['C']:.3g}",
                }
            )
        for _, row in compared.iterrows():
            mixed = 0 < row["l1_ratio"] < 1
            seconds = "" if row["bound"] else f"{row['peer_seconds']:.3g}"
            problems.append(
                {
                    "penalty": PENALTIES[name]
                    + " + l2" * mixed
                    + (", sparse X" if row["sparse"] else ""),
                    "data": row["dataset"],
                    "n x d x K": f"{row['n']:,} x {row['d']:,} x {row['K']}",
                    "C": f"{row['C']:.3g}",
                    "ours, s": f"{row['ours']:.3g}",
                    "best peer, s": seconds,
                    "which": row["peer"],
                    "ratio": (">= " if row["bound"] else "") + f"{row['ratio']:.3g}",
                }
            )
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(summary).to_csv(folder / "benchmark_summary.csv", index=False)
    pd.DataFrame(problems).to_csv(folder / "benchmark.csv", index=False)


def draw(table, path):
    """Dots: time to 1e-6 of every solver on every data set, a panel per C."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {
        "font.size": 9,
        "svg.fonttype": "path",
        "svg.hashsalt": "sk_softmax",
    }
    Cs = sorted(table["C"].unique())
    compared = compare(table)
    order = compared.groupby("dataset")["ours"].max().sort_values(ascending=False).index
    height = {name: i for i, name in enumerate(order)}
    figure, axes = plt.subplots(
        1,
        len(Cs),
        figsize=(4.6 * len(Cs) + 0.6, 1.6 + 0.33 * len(order)),
        sharey=True,
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    shown = [s for s in STYLES if s in set(table["solver"])]
    timed = table[(table["purpose"] == "timed") & table["reached"]]
    # those that did not reach it: hollow, each in its own place right of the rest
    edge = np.log10(timed["seconds"].max()) + 0.5
    slots = {solver: 10 ** (edge + 0.2 * i) for i, solver in enumerate(shown[1:])}
    for axis, C in zip(axes[0], Cs, strict=True):
        here = table[table["C"] == C]
        for solver in reversed(shown):  # ours last, on top
            colour, marker, label = STYLES[solver]
            tried = here[here["solver"] == solver]
            best = timed[(timed["C"] == C) & (timed["solver"] == solver)]
            best = best.groupby("dataset")["seconds"].min()
            if solver == OURS:
                best = compared[compared["C"] == C].set_index("dataset")["ours"]
            axis.scatter(
                best.to_numpy(),
                [height[name] for name in best.index],
                s=70 if solver == OURS else 34,
                color=colour,
                marker=marker,
                label=label,
                linewidths=0.5,
                edgecolors="white",
                zorder=3 if solver == OURS else 2,
            )
            missed = sorted(set(tried["dataset"]) - set(best.index))
            if missed and solver != OURS:
                axis.scatter(
                    [slots[solver]] * len(missed),
                    [height[name] for name in missed],
                    s=26,
                    marker=marker,
                    facecolors="none",
                    edgecolors=colour,
                    linewidths=0.9,
                )
        strip = 10 ** (edge - 0.2), 10 ** (edge + 0.2 * len(slots))
        axis.axvspan(*strip, color="0.95", zorder=0)
        axis.text(
            10 ** (edge - 0.1 + 0.1 * len(slots)),
            len(order) - 0.55,
            "not reached",
            ha="center",
            va="bottom",
            fontsize=8,
            color="0.3",
        )
        axis.set(xscale="log", title=f"C = {C:g}", xlabel="seconds (log scale)")
        axis.set_xlim(right=strip[1])
        axis.set_ylim(-0.6, len(order))
        ticks = 10.0 ** np.arange(
            np.floor(np.log10(timed["seconds"].min())), edge - 0.2
        )
        axis.set_xticks(ticks)
        axis.minorticks_off()
        axis.grid(axis="x", color="0.9")
        axis.hlines(range(len(order)), *axis.get_xlim(), color="0.92", zorder=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    axes[0, 0].set_yticks(range(len(order)), order)
    figure.suptitle(
        "Time to a relative suboptimality of 1e-6, raw features (left is better)",
        fontsize=10,
    )
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles[::-1],
        labels[::-1],
        loc="outside lower center",
        ncols=2 * len(Cs),
        frameon=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # without a date the file changes only where the numbers do
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, metadata=metadata, dpi=160)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--table",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="no figure but Markdown to the screen, or CSVs to a folder",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of CSVs")
    parser.add_argument("--output", type=Path, default=FIGURE, help=".svg or .png")
    options = parser.parse_args(arguments)
    found = {
        name: read(path)
        for name in ("dense", "sparse", "lasso", "grouped")
        if (path := options.results / f"{name}.csv").exists()
    }
    if not found:
        parser.error(f"no results in {options.results}: run benchmarks.run first")
    if options.table:
        pages(found, Path(options.table))
    elif options.table is not None:
        for name, table in found.items():
            print(f"## {name}\n\n{tables(name, table)}\n")
    else:
        l2 = [found[name] for name in ("dense", "sparse") if name in found]
        draw(pd.concat(l2), options.output)


if __name__ == "__main__":
    main()
