"""The house (DESIGN, section 5): floors, sizes, what may touch what, and that every rule has a test that cites it."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sigtask

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "sigtask"
SOURCES = {path.relative_to(SRC).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(SRC.rglob("*.py"))}

RULES = range(1, 32)
WORDS = ("signals", "ladder", "report", "errors")
TESTS_CANCEL = ("testing/_explore/scene.py", "testing/_explore/setup.py")
"""Whose work it is to cancel: a test kit sends a plain one, too."""
MAY_CANCEL = (
    "_core/stock.py",
    "_core/receiver.py",
    "_core/task.py",
    "_core/flight.py",
    "_core/factory.py",
    *TESTS_CANCEL,
)
NOT_A_TASK = re.compile(r"(timer|handle|future|gone|done|outer)$")
"""How the things are named that have a `cancel()` and are no tasks."""
PUBLIC = (
    "sigtask",
    "sigtask.control",
    "sigtask.testing",
    *(["sigtask.dask"] if importlib.util.find_spec("distributed") else []),
)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:] or body
    return (function.end_lineno or 0) - body[0].lineno + 1


def python(code: str) -> str:
    """What a fresh interpreter prints that has nothing but `src` and the standard library to import from."""
    code = f"import sys; sys.path.insert(0, {str(SRC.parent)!r})\n" + code
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- floors -----------------------------------------------------------------------------------------------------------


@pytest.mark.os
def test_imports_point_down():
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("import-linter is in the environment of the default Python only")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_words_take_nothing_from_asyncio_but_cancelled_error():
    found = []
    for name in WORDS:
        for node in ast.walk(SOURCES.get(f"{name}.py", ast.Module([], []))):
            if isinstance(node, ast.Import):
                found += [f"{name}: import {a.name}" for a in node.names if a.name.split(".")[0] == "asyncio"]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "asyncio":
                found += [f"{name}: {a.name}" for a in node.names if a.name != "CancelledError"]
    assert not found, f"words know no loop: {found}"


def test_only_the_core_cancels_tasks():
    found = []
    for name, tree in SOURCES.items():
        if name in MAY_CANCEL:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "cancel":
                what = ast.unparse(node.value)
                if not NOT_A_TASK.search(what):
                    found.append(f"{name}:{node.lineno}: {what}.cancel")
    assert not found, f"only {', '.join(MAY_CANCEL)} may: {found}"


def test_what_is_private_in_asyncio_is_used_where_the_design_says():
    text = (ROOT / "docs" / "design.md").read_text("utf-8").partition("## What is private in asyncio")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, re.MULTILINE)
    assert len(rows) > 8
    for name, where in rows:
        private = next(part for part in name.split(".") if part.startswith("_"))
        for place in re.findall(r"`(\w+(?:/\w+)+)", where):
            files = [path for path in (SRC / f"{place}.py", SRC / f"{place}.c") if path.exists()]
            assert any(private in path.read_text("utf-8") for path in files), f"no {private} in {place}"


# -- sizes ------------------------------------------------------------------------------------------------------------


def test_files_have_at_most_400_lines():
    files = [path for suffix in ("py", "c", "h") for path in SRC.rglob(f"*.{suffix}")]
    sizes = {path.name: path.read_text("utf-8").count("\n") - lines_of_reference(path) for path in files}
    too_long = {name: size for name, size in sizes.items() if size > 400}
    assert not too_long, f"which idea in it wants a room of its own? {too_long}"


def lines_of_reference(path: Path) -> int:
    """Lines of docstrings of public names: they are the reference, and grow with what is explained, not with code."""
    if path.suffix != ".py":
        return 0
    found = set[int]()
    for node in ast.walk(SOURCES[path.relative_to(SRC).as_posix()]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ".. versionadded::" in (ast.get_docstring(node) or ""):
                for one in ast.walk(node):  # with those of its methods and attributes
                    if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and one.value.value is not ...:
                        found.update(range(one.lineno, (one.end_lineno or 0) + 1))
    return len(found)


def test_functions_have_at_most_40_lines():
    found = {f"{name}:{f.lineno} {f.name}": length(f) for name, tree in SOURCES.items() for f in functions(tree)}
    too_long = {name: size for name, size in found.items() if size > 40}
    assert not too_long, f"split by idea: {too_long}"


# -- rules, docstrings ------------------------------------------------------------------------------------------------


def test_every_rule_is_cited_by_a_test_in_its_name_or_docstring():
    cited: set[int] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for f in functions(ast.parse(path.read_text("utf-8"))):
            if f.name.startswith("test_"):
                cited.update(int(n) for n in re.findall(r"_r(\d+)(?![a-z0-9])", f.name))
                cited.update(int(n) for n in re.findall(r"\bR(\d+)\b", ast.get_docstring(f) or ""))
    missing = [f"R{n}" for n in RULES if n not in cited]
    assert not missing, f"no test cites {', '.join(missing)}"


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_have_docstrings(module):
    found = []
    for name, value in public(importlib.import_module(module)):
        if inspect.isclass(value):
            made_up = f"{value.__name__}("  # the docstring that `dataclass` makes up
            if (value.__doc__ or made_up).startswith(made_up):
                found.append(name)
            found += [f"{name}.{member}" for member in undocumented(value)]
        elif callable(value) and not inspect.getdoc(value):
            found.append(name)
    assert not found, f"without a docstring: {', '.join(found)}"


def public(module) -> list[tuple[str, object]]:
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    values = [(name, getattr(module, name)) for name in names]
    return [(n, v) for n, v in values if (getattr(v, "__module__", "") or "").startswith("sigtask")]


def undocumented(cls: type) -> list[str]:
    """Public methods and properties that nobody explains; what a base from elsewhere has too is explained there."""
    theirs = {n for base in cls.__mro__ if not base.__module__.startswith("sigtask") for n in vars(base)}
    members = {n: v for n, v in vars(cls).items() if not n.startswith("_") and n not in theirs}
    explained = (property, classmethod, staticmethod)
    return [n for n, v in members.items() if (callable(v) or isinstance(v, explained)) and not doc(cls, n)]


def doc(cls: type, name: str) -> str | None:
    return inspect.getdoc(inspect.getattr_static(cls, name)) or inspect.getdoc(getattr(cls, name))


# -- importing --------------------------------------------------------------------------------------------------------

SNAPSHOT = """
import asyncio, asyncio.taskgroups, asyncio.timeouts, inspect, sys
def snapshot():
    found = {}
    for module in [m for n, m in sorted(sys.modules.items()) if n.partition(".")[0] in ("asyncio", "_asyncio")]:
        for name, value in vars(module).items():
            found[module.__name__, name] = id(value)
            if inspect.isclass(value) and value.__module__.startswith(("asyncio", "_asyncio")):
                found |= {(value.__qualname__, n): id(v) for n, v in vars(value).items()}
    return found
before = snapshot()
import sigtask
after = snapshot()
print(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key)))
"""


@pytest.mark.os
def test_r31_importing_sigtask_patches_nothing_in_asyncio():
    assert python(SNAPSHOT) == "[]"


@pytest.mark.os
def test_importing_sigtask_needs_the_standard_library_only():
    code = "import sigtask; print(*{n.partition('.')[0] for n in sys.modules} - {*sys.stdlib_module_names})"
    assert set(python(code).split()) <= {"sigtask", "__main__", "sitecustomize", "usercustomize"}


def test_all_names_are_there_and_sorted():
    assert sorted(sigtask.__all__) == sigtask.__all__
    assert [name for name in sigtask.__all__ if not hasattr(sigtask, name)] == []


def test_py_typed_is_shipped():
    assert (SRC / "py.typed").is_file()
