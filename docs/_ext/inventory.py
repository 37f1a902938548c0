"""Which names of Python's documentation the pages link to, for intersphinx, without a network.

`python.txt` has them, a line each: name, kind, page, anchor. They are from the `objects.inv` of Debian's package
python3.11-doc, Python's own documentation. `python docs/_ext/inventory.py OBJECTS_INV` adds lines: it takes the names
in `python.txt` that have no kind yet.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

NAMES = Path(__file__).with_name("python.txt")
_HEAD = b"# Sphinx inventory version 2\n# Project: Python\n# Version: 3\n# The rest is compressed using zlib.\n"


def written(path: Path) -> str:
    """Write the names to `path` as Sphinx reads them; give the path."""
    rows = [line.split() for line in NAMES.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    lines = [f"{name} {kind} 1 {page} -\n" for name, kind, page in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_HEAD + zlib.compress("".join(lines).encode()))
    return str(path)


def complete(inventory: Path) -> None:
    """Look up the names that have no kind and page yet."""
    text = zlib.decompress(inventory.read_bytes().split(b"zlib.\n", 1)[1]).decode()
    known = {}
    for line in text.splitlines():
        name, kind, _, page, *_ = line.split(" ")
        if kind.startswith("py:"):
            known[name] = f"{name} {kind} {page.replace('$', name)}"
    lines = [known.get(line, line) for line in NAMES.read_text("utf-8").splitlines()]
    NAMES.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    complete(Path(sys.argv[1]))
