"""Programs for the type checkers: those of README and docs, the examples, and one that uses every name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from pages import blocks_of
from venvs import ROOT

FOLDER = ROOT / "build" / "programs"
PAGES: tuple[str, ...] = ("README.md", "docs/index.md", "docs/tutorial.md", "docs/users-of/*.md")
PAGES += tuple(f"docs/how-to/{name}.md" for name in ("fastapi", "ctrl-c", "hangs"))
OTHERS = ("examples/*.py", "tests/house/everything.py")

_PYRIGHT = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}


def write() -> tuple[Path, list[Path]]:
    """Write down those of the pages. Gives a configuration for pyright, and all files."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    files = [file for pattern in PAGES for page in sorted(ROOT.glob(pattern)) for file in _programs_of(page)]
    files += [file for pattern in OTHERS for file in sorted(ROOT.glob(pattern))]
    config = FOLDER / "pyrightconfig.json"
    include = [os.path.relpath(file, FOLDER) for file in files]
    config.write_text(json.dumps({**_PYRIGHT, "include": include}), "utf-8")
    return config, files


def _programs_of(page: Path) -> list[Path]:
    """Each program of a page as a file that is named after its line."""
    files = []
    for block in blocks_of(page):
        if not block.is_fragment:
            file = (
                FOLDER / f"{'_'.join(page.relative_to(ROOT).with_suffix('').parts).replace('-', '_')}_{block.line}.py"
            )
            file.write_text(block.code, "utf-8")
            files.append(file)
    return files
