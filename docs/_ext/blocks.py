"""What the pages have that Sphinx does not know by itself.

- The words after `python` on the first line of a block are for tests/house/test_docs.py; ```output is plain text.
- A name of sigtask or asyncio that a page writes as code, `until()`, becomes a link to its entry in the reference:
  the first time in each section. So pages stay plain Markdown, which GitHub shows as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docstrings import LINKS
from docutils import nodes
from sphinx.addnodes import pending_xref

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PYTHON = re.compile(r"^(\s*)```python [^\n]*$", re.M)
_OUTPUT = re.compile(r"^(\s*)```output$", re.M)


def plain(app: Sphinx, name: str, source: list[str]) -> None:
    """Called by Sphinx for the text of each page."""
    source[0] = _OUTPUT.sub(r"\1```{code-block} text\n:class: output\n", _PYTHON.sub(r"\1```python", source[0]))


def link(app: Sphinx, doctree: nodes.document) -> None:
    """Called by Sphinx when it has read a page."""
    if app.env.docname.startswith("changelog"):
        return
    linked: set[tuple[int, str]] = set()
    for code in list(doctree.findall(nodes.literal)):
        text = code.astext()
        target = LINKS.get(text.removesuffix("()").removeprefix("sigtask."))
        section = next((id(node) for node in parents(code) if isinstance(node, nodes.section)), 0)
        if target is None or (section, target) in linked or any(isinstance(node, APART) for node in parents(code)):
            continue
        linked.add((section, target))
        reference = pending_xref("", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=True)
        reference["refdoc"] = app.env.docname
        code.replace_self(reference)
        reference += code


APART = (nodes.title, nodes.reference, pending_xref, nodes.rubric)
"""Where code is left as it is."""


def parents(node: nodes.Node) -> list[nodes.Node]:
    """What it stands in, the nearest first."""
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    """For Sphinx."""
    app.connect("source-read", plain)
    app.connect("doctree-read", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
