"""What is public: one list, and everything else agrees with it. Its types are checked by `make types`."""

import ast
import importlib.metadata
import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sigtask

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = Path(__file__).parent / "everything.py"


def test_version_is_that_of_the_project_and_of_what_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert sigtask.__version__ == project["version"] == importlib.metadata.version("sigtask")


def test_every_public_name_is_there_and_dir_shows_it():
    assert sigtask.__all__ == sorted(set(sigtask.__all__))
    assert all(hasattr(sigtask, name) for name in sigtask.__all__)
    assert set(sigtask.__all__) <= set(dir(sigtask))


def test_whatever_says_that_it_is_public_is():
    """A class or function that a traceback shows as `sigtask.name` can be imported from there."""
    found = {
        name
        for module in [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "sigtask"]
        for name, thing in vars(module).items()
        if (inspect.isclass(thing) or inspect.isroutine(thing)) and getattr(thing, "__module__", None) == "sigtask"
        if not name.startswith(("_", "py_")) and thing.__name__ == name  # `py_` is what a name of C stands for
    }
    assert found and found <= set(sigtask.__all__), found - set(sigtask.__all__)


def test_the_typed_program_uses_every_public_name():
    tree = ast.parse(EVERYTHING.read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert set(sigtask.__all__) <= used, set(sigtask.__all__) - used


@pytest.mark.os
@pytest.mark.skipif(os.name != "posix", reason="it starts programs")
def test_the_typed_program_runs():
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-W", "error", str(EVERYTHING)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "['coffee']",
        "ended by Kill for no space (level 40, from Task-1)",
        "WorkerDied",
        "ended with status 1",
        f"sigtask {sigtask.__version__}, 0 abandoned",
    ]
