"""Checks that the cheat sheet prints on one page, where a Chromium is there to print it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PAGE = re.compile(rb"/Type\s*/Page(?!s)")
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")
_log = logging.getLogger(__name__)


def check(app: Sphinx, error: Exception | None) -> None:
    """Called by Sphinx when all is written. A warning, and so an error, when there are more pages than one."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if error or chromium is None or app.builder.name != "html":
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page, printed = Path(app.outdir, "cheat-sheet.html"), Path(folder, "sheet.pdf")
        command = [chromium, *_OPTIONS, f"--user-data-dir={folder}", f"--print-to-pdf={printed}", page.as_uri()]
        subprocess.run(command, check=False, capture_output=True, timeout=120)
        pages = len(_PAGE.findall(printed.read_bytes())) if printed.exists() else 0
    if pages != 1:
        _log.warning("the cheat sheet prints on %d pages, not on one (0: Chromium printed nothing)", pages)


def setup(app: Sphinx) -> dict[str, Any]:
    """For Sphinx."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
