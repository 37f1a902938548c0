"""A report as one HTML page that needs nothing else: no network, no other file.

The page's script draws what is in its data. Names and reasons come from programs, and are never taken for markup: in
the data no `<` is left, the script writes text only, and the page's own policy forbids every other script, and the
network.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from pkgutil import get_data
from typing import Any


def page(picture: Mapping[str, Any], text: str) -> str:
    """What `Report._picture()` gives, as a page; with `text`, the report in words, for who runs no scripts."""
    style, script = _asset("page.css"), _asset("page.js")
    parts = {
        "title": html.escape(text.partition("\n")[0]),
        "policy": f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "style": style,
        "data": json.dumps(picture, separators=(",", ":")).replace("<", "\\u003c"),
        "text": html.escape(text),
        "script": script,
    }
    pieces = _asset("page.html").split("%%")  # every other piece is the name of a part
    return "".join(parts[piece] if at % 2 else piece for at, piece in enumerate(pieces))


def _asset(name: str) -> str:
    assert __package__ is not None
    data = get_data(__package__, name)  # also out of a zip file
    assert data is not None
    return data.decode().replace("\r\n", "\n")


def _hash(source: str) -> str:
    """How a page's policy names a script or a style that may be in it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
