"""The command `sigtask`. Needs the extra `cli`: `pip install 'sigtask[cli]'`."""

import sys

from .._run import first_act


def main() -> None:
    """Run the command with the arguments of this process."""
    first_act.listen()
    try:
        from ._command import sigtask
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("sigtask: the command needs click; install it with: pip install 'sigtask[cli]'")
    from ._program import Interrupted

    try:
        sigtask(prog_name="sigtask")
    except Interrupted as interrupted:
        sys.excepthook = _say_nothing
        raise interrupted.args[0] from None  # and the interpreter, at its end, dies of SIGINT


def _say_nothing(*error: object) -> None:
    """It has been shown."""
