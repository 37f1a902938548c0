"""Checks before a release: `python tools/release.py v0.2.0` ends with 1 if the tree is not that version."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(tag: str) -> list[str]:
    """What is not ready for a release of this tag, one sentence each."""
    version = tag.removeprefix("v")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    face = re.search(r'__version__ = "(.*)"', (ROOT / "src/sigtask/__init__.py").read_text("utf-8"))
    found = []
    if project != version:
        found.append(f"pyproject.toml has version {project}, and the tag is {tag}; change one of them.")
    if face is None or face[1] != version:
        found.append(f"src/sigtask/__init__.py has another __version__ than {version}; change it.")
    if f"\n## {version} (" not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        found.append(f"CHANGELOG.md has no section {version}; run: towncrier build --version {version}")
    if entries := [path.name for path in (ROOT / "news").glob("*.md") if path.name != "README.md"]:
        found.append(f"news/ still has {len(entries)} entries ({entries[0]}, ...); towncrier build moves them.")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/release.py v0.2.0")
    for problem in (found := problems(sys.argv[1])):
        print(problem)
    sys.exit(1 if found else 0)
