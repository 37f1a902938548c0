"""The documentation runs: every ```python block of README.md and docs/ is a program that does what is said.

What follows `python` on a block's first line says how it is taken:

    fragment   a piece of a program: it must compile, no more
    exit=143   it ends with that status, not with 0
    sigterm    it gets a SIGTERM when it has printed its first line

An ```output block right after it is what the program prints, numbers with a point aside.
"""

from __future__ import annotations

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
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LIMIT = 60


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_compiles_and_its_words_are_known(block):
    code = block.code
    if block.is_fragment:  # it may await and return
        code = "async def fragment():\n" + textwrap.indent(code, "    ")
    compile(code, str(block), "exec")
    assert [w for w in block.words if w not in ("fragment", "sigterm") and not w.startswith("exit=")] == []


@pytest.mark.os
@pytest.mark.parametrize("block", [block for block in BLOCKS if not block.is_fragment], ids=str)
def test_block_runs_and_prints_what_is_said(block, tmp_path):
    script = tmp_path / "block.py"
    script.write_text(block.code, "utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
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
        if "sigterm" in block.words:
            assert program.stdout is not None
            first = program.stdout.readline()
            program.send_signal(signal.SIGTERM)
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


def test_reference_names_every_public_name():
    import sigtask
    import sigtask.testing

    text = (ROOT / "docs" / "reference.md").read_text("utf-8")
    missing = [
        name
        for name in [*sigtask.__all__, *sigtask.testing.__all__]
        if not re.search(rf"`(?:[^`\n]*[^`\n.\w])?(?:sigtask\.)?{name}\b", text)  # not asyncio's of that name
    ]
    assert not missing, f"not in the reference: {missing}"


def numberless(text: str) -> str:
    """The text without what differs from run to run: seconds, and how they are padded."""
    return re.sub(r"\s*\d+\.\d+", " #", text).strip()
