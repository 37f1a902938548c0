"""The programs in the documentation: every ```python block of a page, and what it is said to print.

That is the ```output block right after it, or the picture of a terminal, `![...](img/NAME.svg)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from itertools import zip_longest
from pathlib import Path

_PICTURE = re.compile(r"\s*!\[[^\]]*\]\((?P<file>[^)]+\.svg)\)")
_SHOWN = re.compile(r'<text [^>]* y="(?P<y>[0-9.]+)"[^>]*>(?P<text>[^<]*)</text>')
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A ```python block: where it starts, the words after `python`, its code, and what it is said to print."""

    page: Path
    line: int
    words: tuple[str, ...]
    code: str
    output: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_fragment(self) -> bool:
        """Whether it is a piece of a program, and none that runs."""
        return "fragment" in self.words


def blocks_of(page: Path) -> list[Block]:
    """The ```python blocks of a page, in order."""
    text, found = page.read_text("utf-8"), []
    fences = list(_FENCE.finditer(text))
    for fence, after in zip_longest(fences, fences[1:]):
        kind, *words = fence["info"].split() or [""]
        if kind == "python":
            line, output = text[: fence.start()].count("\n") + 1, None
            if after is not None and after["info"] == "output" and not text[fence.end() : after.start()].strip():
                output = after["body"]
            elif (picture := _PICTURE.match(text, fence.end())) and (page.parent / picture["file"]).exists():
                output = shown_in(page.parent / picture["file"])
            found.append(Block(page, line, tuple(words), fence["body"], output))
    return found


def shown_in(picture: Path) -> str:
    """The text that a picture of a terminal shows below the line with the command."""
    rows: dict[str, str] = {}
    for piece in _SHOWN.finditer(picture.read_text("utf-8")):
        rows[piece["y"]] = rows.get(piece["y"], "") + unescape(piece["text"])
    lines = list(rows.values())[1:]
    ours = next(
        (at for at, line in enumerate(lines) if line.startswith("sigtask: ")), len(lines)
    )  # the report, on stderr
    return "\n".join(lines[:ours]) + "\n"
