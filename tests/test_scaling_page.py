"""The programs of the user guide's page on scaling run."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def programs():
    """Those with a name, {name: source}."""
    page = (ROOT / "docs" / "user_guide" / "scaling.rst").read_text(encoding="utf-8")
    pattern = r"^\.\. code-block:: python\n   :name: ([\w-]+)\n\n((?:   .*\n|\n)+)"
    return {
        name: textwrap.dedent(source)
        for name, source in re.findall(pattern, page, re.MULTILINE)
    }


@pytest.mark.parametrize(
    ("name", "package", "output"),
    [
        ("scaling-one-machine", "distributed", r"True\n\(2, 2\)"),
        ("scaling-array-api", "torch", r"Tensor (tensor\()?0\.9|Tensor 1\.0"),
    ],
)
def test_program(name, package, output, tmp_path):
    pytest.importorskip(package)
    if package == "torch":
        pytest.importorskip("sklearn", minversion="1.9")
    path = tmp_path / "program.py"
    path.write_text(programs()[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(output, done.stdout), done.stdout
