"""The documentation runs: every ```python block of README.md and docs/ is a program that does what is said.

What follows `python` on a block's first line says how it is taken:

    fragment   a piece of a program: it must compile, no more
    exit=143   it ends with that status, not with 0
    sigterm    it gets a SIGTERM when it has printed its first line; `sigint`, a SIGINT
    redis      it needs a redis-server: tests/programs/test_redis.py runs it

An ```output block right after it, or a picture of a terminal, is what the program prints, numbers with a point aside. A
program that imports a package which is not there is skipped.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pages import blocks_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
WORDS = {"fragment", "sigterm", "sigint", "redis"}
LIMIT = 60


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_compiles_and_its_words_are_known(block):
    code = block.code
    if block.is_fragment:  # it may await and return
        code = "async def fragment():\n" + textwrap.indent(code, "    ")
    compile(code, str(block), "exec")
    assert {w for w in block.words if not w.startswith("exit=")} <= WORDS


@pytest.mark.os
@pytest.mark.parametrize("block", [block for block in BLOCKS if not {"fragment", "redis"} & {*block.words}], ids=str)
def test_block_runs_and_prints_what_is_said(block, tmp_path):
    for package in packages_of(block.code):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not there")
    script = tmp_path / "block.py"
    script.write_text(block.code, "utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "PORT": "0"}
    program = subprocess.Popen(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = ""
    try:
        if told := {"sigterm": signal.SIGTERM, "sigint": signal.SIGINT}.keys() & {*block.words}:
            assert program.stdout is not None
            first = program.stdout.readline()
            program.send_signal(signal.SIGTERM if "sigterm" in told else signal.SIGINT)
        rest, errors = program.communicate(timeout=LIMIT)
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()
    status = next((int(word[5:]) for word in block.words if word.startswith("exit=")), 0)
    assert program.returncode == status, f"{block} ended with {program.returncode}:\n{first}{rest}\n{errors}"
    if block.output is not None:
        assert numberless(first + rest) == numberless(block.output), f"{block}\n{errors}"


def test_links_between_pages_lead_somewhere():
    found = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                found.append(f"{page.name}: {target}")
    assert not found, f"no such file: {found}"


def test_reference_has_an_entry_for_every_public_name():
    """Its text, its errors and its example are the docstring's: test_docstrings.py looks at those."""
    text, entries, module = "\n".join(page.read_text("utf-8") for page in REFERENCE), set(), ""
    for current, name in re.findall(rf"^\.\. (?:currentmodule:: (\S+)|{ENTRY}:: (\w+))", text, re.M):
        module = current or module
        entries.add(f"{module}.{name}")
    public = {f"{module}.{name}" for module in MODULES for name in names_of(module) - SHARED}
    assert not public - entries, f"not in the reference: {public - entries}"


EDGES = ("asgi", "serving", "aiohttp", "grpc", "telemetry", "control", "dask", "testing")
MODULES = ("sigtask", *(f"sigtask.{edge}" for edge in EDGES))
ENTRY = "(?:auto)?(?:function|class|exception|data)"
SHARED = {"ClientDisconnected", "DeadlineExceeded", "ServerStopping", "__version__"}
"""Names that several modules give, with one entry at `sigtask.serving`; and what needs none."""


def names_of(module: str) -> set[str]:
    """The public names of a module, read from its source: it may import what is not there."""
    source = ROOT.joinpath("src", *module.split("."), "__init__.py").read_text("utf-8")
    (found,) = re.findall(r"^__all__ = (\[.*?\])$", source, re.M | re.S)
    return set(ast.literal_eval(found))


def test_llms_txt_has_every_page():
    listed = re.findall(r"\]\((docs/[^)]+)\)", (ROOT / "llms.txt").read_text("utf-8"))
    pages = [str(page.relative_to(ROOT).as_posix()) for page in PAGES[1:]]
    assert sorted(listed) == sorted(pages), "make it anew: python tools/llms.py"


def packages_of(code: str) -> set[str]:
    """What it imports from outside of Python's own library."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[0] for name in names}
    return found - {"sigtask"} - set(sys.stdlib_module_names)


def numberless(text: str) -> str:
    """The text without what differs from run to run: seconds, and how they are padded."""
    return re.sub(r"\s*\d+\.\d+", " #", text).strip()
