"""The reference is made from the docstrings: each public name has a promise, what it raises, and an example that runs.

`tools/docexamples.py` says what an example is. A comment behind code is what it prints.
"""

from __future__ import annotations

import ast
import inspect
import io
import os
import re
import subprocess
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docexamples import Name, program_of, public

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = {"Program", "ProcessPool", "ProcessResult", "RemoteError", "WorkerDied"}
"""Examples of these, and of what has `process` in its name, start processes."""
MADE_BY_US = {
    *("Delivery", "Disconnection", "Exploration", "Failure", "Fate", "Point", "Program", "ProcessError"),
    *("ProcessResult", "RemoteError", "Rung", "Stopped", "WorkerDied"),
}
"""Classes of which a user gets objects, and makes none."""
ANYTHING = {"Exception", "BaseException", "Signal"}
"""What a docstring says of a function that raises what others raise."""


def methods() -> Iterator[Name]:
    for one in NAMES:
        if inspect.isclass(one.thing):
            for name, value in vars(one.thing).items():
                hidden = name.startswith("_") or ":meta private:" in (value.__doc__ or "")  # Sphinx leaves it out
                if not hidden and inspect.isfunction(value):
                    yield Name(one.module, f"{one.name}.{name}", value)


NAMES = list(public())
METHODS = list(methods())
every_name = pytest.mark.parametrize("one", NAMES, ids=str)


@every_name
def test_a_public_name_begins_with_a_promise_in_one_line(one):
    first, *rest = one.doc.splitlines()
    assert first.endswith(".") and (not rest or not rest[0]), f"{one}: {first!r}"


@every_name
def test_a_public_name_says_since_when_it_is_there(one):
    assert re.search(r"^\.\. versionadded:: 0\.[12]\.0$", one.doc, re.M), str(one)


@pytest.mark.parametrize("one", [*NAMES, *METHODS], ids=str)
def test_a_docstring_names_what_its_function_raises(one):
    raised: set[str] = set()
    function = vars(one.thing).get("__init__") if inspect.isclass(one.thing) else inspect.unwrap(one.thing)
    if inspect.isfunction(function):
        raised = set(raised_in(function))
    said = set(re.findall(r"^    (\w+): ", one.doc.partition("Raises:\n")[2], re.M))
    assert raised <= said or said & ANYTHING, f"{one} raises {raised - said}"


def raised_in(function: Any) -> Iterator[str]:
    if function.__code__.co_filename.startswith("<"):  # made by `dataclass`
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            error = node.exc.func.id
            if error[0].isupper():
                yield error


@pytest.mark.parametrize("one", [one for one in [*NAMES, *METHODS] if inspect.iscoroutinefunction(one.thing)], ids=str)
def test_an_async_function_says_what_happens_when_it_is_cancelled(one):
    assert re.search("cancel", one.doc, re.I), str(one)


@every_name
def test_a_public_name_explains_its_parameters(one):
    if inspect.isclass(one.thing) and "__init__" not in vars(one.thing):
        return
    try:
        parameters = list(inspect.signature(one.thing).parameters)
    except (ValueError, TypeError):  # an Enum, or written in C
        return
    text = one.doc.partition("Example::")[0]
    if one.name in MADE_BY_US or one.name.endswith("Report") or "options are those of" in text:
        return
    missing = [name for name in parameters if not name.startswith("_") and not re.search(rf"\b{name}\b", text)]
    assert not missing or parameters == ["args", "kwargs"], f"{one}: {missing}"


@every_name
def test_a_public_name_has_an_example(one):
    assert one.example, f"{one} has no `Example::` with an indented block"


@pytest.mark.os
@pytest.mark.parametrize("one", [one for one in NAMES if one.example], ids=str)
def test_an_example_runs_and_prints_what_its_comments_say(one, tmp_path):
    if os.name != "posix" and (one.name in PROCESSES or "process" in one.name.lower()):
        pytest.skip("needs process groups")
    script = tmp_path / "example.py"
    script.write_text(program_of(one), "utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*comments(one.example)], one.example


def test_the_task_factory_in_c_has_the_docstring_of_the_one_in_python():
    from sigtask import task_factory
    from sigtask._core.factory import py_task_factory

    assert inspect.getdoc(task_factory) == inspect.getdoc(py_task_factory)


def comments(code: str) -> Iterator[str]:
    """What stands behind code, in comments."""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
            yield token.string.removeprefix("# ")
