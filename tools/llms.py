"""Writes llms.txt: what sigtask is, and every page of the docs with its first sentence, for programs that read text.

python tools/llms.py
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

HEAD = """\
# sigtask

> Signals for asyncio tasks: Drain, Interrupt, Terminate, Kill, each with a reason; ladders of them with a grace for
> each rung; `run()` and the command `sigtask run`, by which SIGTERM and Ctrl-C end a program within a known time.
> Python 3.11 to 3.15. The library needs no other package.

- Signals are subclasses of `asyncio.CancelledError`: catch one, clean up, `raise`.
- `Drain` is not thrown. Ask with `requested(Drain)`, or let it in with `until(Drain, awaitable)` or `catch(Drain)`.
- `with mask(Terminate):` holds signals until the block ends; a `Kill` and a plain `cancel()` pass.
- `await stop(*tasks, ladder=Ladder((Drain, 10), (Terminate, 5), Kill), reason=...)` returns a `Report`.
- Use `sigtask.run(main())` in place of `asyncio.run(main())`, or `sigtask run script.py` without changing the program.

"""
PARTS = {
    "Learn": ("index", "tutorial", "examples", "cheat-sheet"),
    "How to": ("how-to/",),
    "Reference": ("reference/",),
    "For users of other libraries": ("users-of/",),
    "Explanation and limits": ("explanation", "limits", "glossary", "changelog"),
    "For maintainers": ("design",),
    "Evidence": ("costs", "benchmarks", "harm", "explored", "zoo"),
}


def part_of(page: str) -> str:
    """Under which heading a page stands; a guide if under none."""
    return next((part for part, pages in PARTS.items() if page in pages or page.split("/")[0] + "/" in pages), "Guides")


def line_of(page: Path) -> str:
    """A page's title as a link, and its first sentence."""
    text = page.read_text("utf-8")
    title = text.split("\n", 1)[0].lstrip("# ")
    first = re.search(r"\n\n([A-Z`][^#]*?(?:[.](?=\s)|\n\n))", text)
    sentence = " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", first[1]).split()).rstrip(":") if first else ""
    return f"- [{title}](docs/{page.relative_to(DOCS).as_posix()}): {sentence}"


def main() -> None:
    """Write it."""
    parts: dict[str, list[str]] = {part: [] for part in ("Learn", "How to", "Guides", *list(PARTS)[2:])}
    for page in sorted(DOCS.rglob("*.md")):
        parts[part_of(page.relative_to(DOCS).with_suffix("").as_posix())].append(line_of(page))
    body = "\n".join(f"## {part}\n\n" + "\n".join(lines) + "\n" for part, lines in parts.items())
    (ROOT / "llms.txt").write_text(HEAD + body, "utf-8")


if __name__ == "__main__":
    main()
