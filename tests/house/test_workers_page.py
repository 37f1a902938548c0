"""docs/workers.md: its code is that of the tested programs, and their commands are what starts them."""

import re
from pathlib import Path

import pytest
from pages import blocks_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "workers.md"
PROGRAMS = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "examples" / "workers").glob("*.py"))}


@pytest.mark.parametrize("block", blocks_of(PAGE), ids=str)
def test_each_block_stands_so_in_a_program(block):
    assert any(block.code.strip() in text for text in PROGRAMS.values())


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_has_its_command_on_the_page(name):
    (command,) = re.findall(r"^Run it: (sigtask run \S.*)$", PROGRAMS[name], re.M)
    assert f"    {command}\n" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_can_be_read_in_one_go(name):
    assert len(PROGRAMS[name].splitlines()) < 100
