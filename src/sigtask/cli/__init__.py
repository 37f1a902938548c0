"""The command `sigtask`. Needs the extra `cli`: `pip install 'sigtask[cli]'`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command with the arguments of this process."""
    try:
        from ._command import sigtask
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("sigtask: the command needs click; install it with: pip install 'sigtask[cli]'")
    sigtask(prog_name="sigtask")
