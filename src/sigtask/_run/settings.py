"""How to run and stop a program, as one value: the options of the command line and the environment.

A `Settings` can be passed to another process as text. Nothing here starts, handles or patches anything.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..ladder import DEFAULT, Ladder
from ..signals import Drain, Signal, class_named, name_of_class

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_SIGNALS: Mapping[int, type[Signal]] = {signal.SIGINT: Drain, signal.SIGTERM: Drain}
NOT_TO_BE_HANDLED = {getattr(signal, name, None) for name in ("SIGKILL", "SIGSTOP")}


@dataclass(frozen=True)
class Settings:
    """The options of `sigtask run`. `signals` maps OS signals to the weakest signal that each stands for."""

    ladder: Ladder = DEFAULT
    signals: Mapping[int, type[Signal]] = field(default_factory=lambda: dict(DEFAULT_SIGNALS))
    main_first: bool = True
    uvloop: bool = False
    quiet: bool = False
    report_file: Path | None = None
    log: Literal["text", "json"] = "text"
    control: bool = False

    def as_text(self) -> str:
        """One line of JSON, from which `from_text` makes an equal value in any process that can import the classes."""
        import json  # imported only when it is needed

        return json.dumps(
            {
                "ladder": [[name_of_class(rung.signal), rung.grace] for rung in self.ladder.rungs],
                "limit": self.ladder.limit,
                "signals": {signal.Signals(signum).name: name_of_class(cls) for signum, cls in self.signals.items()},
                "main_first": self.main_first,
                "uvloop": self.uvloop,
                "quiet": self.quiet,
                "report_file": None if self.report_file is None else str(self.report_file),
                "log": self.log,
                "control": self.control,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Settings:
        """The value that `as_text` has written. Raises: `ValueError` or `KeyError` for other text."""
        import json
        from pathlib import Path

        said = json.loads(text)
        rungs = [(class_named(name), grace) for name, grace in said["ladder"]]
        return cls(
            ladder=Ladder(*rungs, limit=said["limit"]),
            signals={signal.Signals[name]: class_named(level) for name, level in said["signals"].items()},
            main_first=said["main_first"],
            uvloop=said["uvloop"],
            quiet=said["quiet"],
            report_file=None if said["report_file"] is None else Path(said["report_file"]),
            log=said["log"],
            control=said["control"],
        )


def default_ladder() -> Ladder:
    """The default ladder: the one in `SIGTASK_LADDER`, or else drain 10 s, terminate 5 s, kill.

    Raises: `ValueError` that names the variable.
    """
    text = os.environ.get("SIGTASK_LADDER")
    if not text:
        return DEFAULT
    try:
        return Ladder.parse(text)
    except ValueError as error:
        raise ValueError(f"the environment variable SIGTASK_LADDER: {error}") from None


YES_NO = {"1": True, "yes": True, "true": True, "on": True, "0": False, "no": False, "false": False, "off": False}
"""The values of a switch in the environment, in any case."""


def control_is_on() -> bool:
    """Whether `SIGTASK_CONTROL` asks for the control socket. Raises: `ValueError` for an unknown word."""
    text = os.environ.get("SIGTASK_CONTROL", "").lower()
    if text not in ("", *YES_NO):
        raise ValueError(f"the environment variable SIGTASK_CONTROL: {text!r} is not one of {', '.join(YES_NO)}")
    return YES_NO.get(text, False)


def parse_signals(text: str) -> dict[int, type[Signal]]:
    """The map that `text` describes, as in `"HUP=drain,QUIT=terminate"`, beside `DEFAULT_SIGNALS`.

    SIG may stand before a name, in any case. `INT=default` leaves that signal to the program and to Python.

    Raises: `ValueError` that names the part that is wrong.
    """
    found: dict[int, type[Signal] | None] = {}
    for part in text.split(","):
        name, given, level = (piece.strip() for piece in part.partition("="))
        if not given:
            raise ValueError(f"{part.strip()!r} needs a level; write it as {name or 'HUP'}=drain")
        signum = _number(name)
        if signum in found:
            raise ValueError(f"{signum.name} is given twice")
        try:
            found[signum] = None if level.lower() == "default" else class_named(level)
        except ValueError as error:
            raise ValueError(f"{part.strip()!r}: {error}") from None
    return {signum: cls for signum, cls in {**DEFAULT_SIGNALS, **found}.items() if cls is not None}


def _number(name: str) -> signal.Signals:
    known = {each.removeprefix("SIG"): number for each, number in signal.Signals.__members__.items()}
    short = name.upper().removeprefix("SIG")
    if short not in known:
        from difflib import get_close_matches

        close = get_close_matches(short, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ", such as HUP or QUIT"
        raise ValueError(f"{name!r} is not a signal of this system{hint}")
    if known[short] in NOT_TO_BE_HANDLED:
        raise ValueError(f"{known[short].name} cannot be handled by any program; leave it out")
    return known[short]
