"""The house stands: imports run one way, the surface is public, programs run."""

import ast
import doctest
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import sk_softmax

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(sk_softmax.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
# from the top down, as the package's docstring lists them
ORDER = re.findall(r"^- `(\w+)`", sk_softmax.__doc__, re.MULTILINE)
REQUIRED = {"numpy", "scipy", "sklearn", "joblib", "threadpoolctl"}


def tree(module):
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imported(node):
    """Full names of what an import statement imports, ours without the package."""
    if isinstance(node, ast.Import):
        return [alias.name.removeprefix("sk_softmax.") for alias in node.names]
    if node.level or node.module.split(".")[0] == "sk_softmax":
        module = (node.module or "").removeprefix("sk_softmax").lstrip(".")
        return [module] if module else [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def imports(nodes):
    return [
        name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node)
    ]


def test_the_map_lists_each_module_once():
    assert sorted(ORDER) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_down_the_map(module):
    for name in imports(ast.walk(tree(module))):
        if name in ORDER and module in ORDER:
            assert ORDER.index(module) < ORDER.index(name), f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_one_module_calls_scipy_optimize(module):
    found = [n for n in imports(ast.walk(tree(module))) if "scipy.optimize" in n]
    assert not found or module == "_lbfgs"


@pytest.mark.parametrize("module", MODULES)
def test_optional_packages_are_imported_where_they_are_needed(module):
    """At the top of a module stand the required packages and Python's own only."""
    for name in imports(tree(module).body):
        package = name.split(".")[0]
        assert package in REQUIRED | sys.stdlib_module_names | set(MODULES), name


def test_the_public_surface_is_all():
    public = {
        name
        for name, value in vars(sk_softmax).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(sk_softmax.__all__)


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith("_")])
def test_public_modules_say_what_is_public(module):
    module = importlib.import_module(f"sk_softmax.{module}")
    assert set(module.__all__) <= set(vars(module))


def public_names():
    modules = [f"sk_softmax.{m}" for m in MODULES if not m.startswith("_")]
    for module in map(importlib.import_module, ["sk_softmax", *modules]):
        for name in module.__all__:
            yield pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("value", public_names())
def test_public_names_have_a_runnable_example(value):
    assert doctest.DocTestFinder().find(value)[0].examples


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_examples_in_docstrings(module):
    if "display" in module:
        pytest.importorskip("matplotlib").use("Agg")
    name = "sk_softmax" if module == "__init__" else f"sk_softmax.{module}"
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert result.failed == 0


def readme(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_readme_has_two_commands():
    """Those that .ci/run takes from there and runs."""
    commands = [command.strip() for command in readme("sh")]
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)


@pytest.mark.parametrize("program", readme("python"))
def test_readme_programs_run(program, capsys):
    exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_readmes_first_program_is_short():
    assert len(readme("python")[0].strip().splitlines()) <= 12
