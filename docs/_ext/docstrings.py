"""Makes entries of the reference from docstrings as this project writes them.

In a docstring, `name` in single backticks is code. Here it becomes a link where there is an entry for it, of ours or in
Python's documentation. Sections are Google's (`Args:`, `Raises:`): napoleon reads them. References to rules, (R5), are
for maintainers and are left out.
"""

from __future__ import annotations

import builtins
import importlib
import re
import sys
from typing import TYPE_CHECKING, Any

import inventory
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

import sigtask

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HOMES = ("ladder", "report", "signals", "processes._result", "testing._explore.exploration")
"""Modules whose classes say that they are of a public module: the notes under their fields are here."""

_NAPOLEON = Config(napoleon_use_ivar=True, napoleon_use_rtype=False)
_RULES = re.compile(r" ?\((?:see )?(?:R\d+(?:, |, and )?)+\)")
_CODE = re.compile(r"``[^`]+``|`([^`]+)`")
_SPECIAL = re.compile(r"(?<!\*)\*(?=\w[^*]*$)|[|\\]|(?<=\w)_(?=\W|$)")


def links() -> dict[str, str]:
    """What a piece of code is a link to: names of sigtask, of asyncio, and Python's exceptions."""
    found: dict[str, str] = {}
    for line in inventory.NAMES.read_text("utf-8").splitlines():
        name, kind, *_ = (*line.split(), "")
        if kind == "py:exception" or name.startswith(("asyncio.", "subprocess.", "time.")):
            found[name] = name
    found.update({name: f"sigtask.{name}" for name in sigtask.__all__ if not name.startswith("__")})
    return {name: path for name, path in found.items() if name not in ("implementation",)}


LINKS = links()
_EMPHASIS = re.compile(r"(?<![\w*])\*(?=\S)([^*]*`[^*]*)(?<=\S)\*(?!\w)")
"""Emphasis with code in it, which reST does not have."""


def _code(match: re.Match[str], own: frozenset[str] = frozenset()) -> str:
    text = match[1]
    if text is None:  # it is in double backticks already
        return match[0]
    name = text.removesuffix("()")
    path = LINKS.get(name.removeprefix("sigtask."))
    if path is None or name in own or (hasattr(builtins, name) and name.islower()):
        return f"``{text}``"
    return f":py:obj:`{text} <{path}>`"


def _prose(text: str, own: frozenset[str] = frozenset()) -> str:
    """A paragraph, with its code marked up and all that reST would take for its own escaped."""
    text, at, parts = _EMPHASIS.sub(r"\1", _RULES.sub("", text)), 0, []
    for match in _CODE.finditer(text):
        parts += [_SPECIAL.sub(r"\\\g<0>", text[at : match.start()]), _code(match, own)]
        at = match.end()
        if at < len(text) and text[at].isalnum():
            parts.append("\\ ")
    return "".join([*parts, _SPECIAL.sub(r"\\\g<0>", text[at:])])


def rest(docstring: list[str], own: frozenset[str]) -> list[str]:
    """A docstring of ours as reST, once napoleon has made fields of its sections."""
    out: list[str] = []
    for paragraph in "\n".join(docstring).strip("\n").split("\n\n"):
        if paragraph.startswith(("   ", "..")):  # an example, or a directive
            out += [paragraph, ""]
        elif paragraph.startswith(":"):
            out += [_CODE.sub(lambda match: _code(match, own), _RULES.sub("", paragraph)), ""]
        else:
            out += [_prose(paragraph, own), ""]
    return "\n".join(out).split("\n")


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Called by autodoc for each docstring."""
    if what == "module":
        lines.clear()
        return
    if what not in ("attribute", "property", "data"):  # there it takes what stands before a colon for a type
        lines[:] = GoogleDocstring(lines, _NAPOLEON, app, "function", name, obj).lines()
    lines[:] = rest(lines, names_of_its_own(name, obj))


def names_of_its_own(name: str, obj: Any) -> frozenset[str]:
    """What stands beside it or in it, and is not what has the same name in `sigtask`: `stop()` of an interceptor."""
    path = name.split(".")
    module = sys.modules.get(".".join(path[:2]))
    beside = () if module is None or not hasattr(module, "__path__") else getattr(module, "__all__", ())
    inside = [part for part in dir(obj) if not part.startswith("_")] if isinstance(obj, type) else []
    return frozenset(path) | frozenset(beside) | frozenset(inside)


def bring_fields(app: Sphinx) -> None:
    """Public classes say that they are of `sigtask`; the notes under their fields are in the file that defines them."""
    for home in HOMES:
        try:
            importlib.import_module(f"sigtask.{home}")
        except ModuleNotFoundError:
            print(f"docstrings.py: no module sigtask.{home}", file=sys.stderr)
            raise
        notes = ModuleAnalyzer.for_module(f"sigtask.{home}")
        notes.analyze()
        public = ModuleAnalyzer.for_module("sigtask.testing" if home.startswith("testing") else "sigtask")
        public.analyze()
        public.attr_docs.update(notes.attr_docs)
        public.annotations.update(notes.annotations)


def setup(app: Sphinx) -> dict[str, Any]:
    """For Sphinx."""
    app.connect("builder-inited", bring_fields)
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
