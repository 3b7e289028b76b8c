"""What a run leaves behind: rows of CSV files, and the machine that they are from."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_info

from benchmarks.solvers import version

RESULTS = Path(__file__).parent / "results"


def machine():
    """What the numbers depend on besides the code: one row for the runs' CSV."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().split("\n") if "model name" in line]
        model = names[0].split(":")[1].strip() if names else model
    describe = ["git", "describe", "--always", "--dirty"]
    git = subprocess.run(
        describe, capture_output=True, text=True, cwd=Path(__file__).parent
    )
    blas = {
        f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}".strip()
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    }
    return {
        "commit": git.stdout.strip(),
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
        "blas": "; ".join(sorted(blas)),
        "python": platform.python_version(),
    }


def save_run(path, *modules):
    """Note in NAME.runs.csv, beside NAME.csv, that a run begins; returns when."""
    now = datetime.datetime.now(datetime.UTC)
    run = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    names = *modules, "numpy", "scipy", "threadpoolctl"
    versions = "; ".join(f"{name} {version(name)}" for name in names)
    row = {"run": run} | machine() | {"versions": versions}
    replace_row(path.with_suffix(".runs.csv"), row, ["run"])
    return run


def save_ratio(what, ratio, goal, *modules, at_least=False):
    """Keep what a script has compared, for the table of goals."""
    path = RESULTS / "elsewhere.csv"
    row = {"what": what, "ratio": f"{ratio:.4g}", "goal": goal, "at_least": at_least}
    replace_row(path, row | {"run": save_run(path, *modules)}, ["what"])
    print(f"{what}: {ratio:.2f} (goal {'>=' if at_least else '<='} {goal})", flush=True)


def replace_row(path, row, keys):
    """Put a row into the CSV in place of the one with the same keys."""
    row = {key: str(value) for key, value in row.items()}
    table = pd.DataFrame([row])
    if path.exists():
        old = pd.read_csv(path, dtype=str, keep_default_na=False)
        same = (old[keys] == pd.Series(row)[keys]).all(axis=1)
        table = pd.concat([old[~same], table])
    path.parent.mkdir(exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")
