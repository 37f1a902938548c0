"""What is done to a program: OS signals, a Ctrl-C on its terminal, pauses in between."""

from __future__ import annotations

import signal
from dataclasses import dataclass

CTRL_C = "^C"
ALWAYS = ("INT", "TERM")
"""What every shape gets."""
PAIRS = ("INT 30ms INT", "INT 1s INT", "TERM 30ms TERM", "TERM 1s TERM")


@dataclass(frozen=True)
class Stimulus:
    """A name such as `TERM 1s TERM`, and what it says: signals (by number) or `^C`, and pauses in seconds."""

    name: str
    steps: tuple[int | str | float, ...]

    @classmethod
    def parse(cls, text: str) -> Stimulus:
        """`none`, or words: `INT`, `TERM`, `^C`, and pauses such as `30ms` and `1s`. Raises: `ValueError`."""
        words = [] if text == "none" else text.split()
        return cls(text, tuple(_step(word, text) for word in words))

    @property
    def signals(self) -> tuple[int, ...]:
        """The signals the program gets; a Ctrl-C is a SIGINT."""
        told = (signal.SIGINT if step == CTRL_C else step for step in self.steps)
        return tuple(step for step in told if isinstance(step, int))

    @property
    def is_double(self) -> bool:
        """Whether it is two of one signal, so close that they count as one."""
        match self.steps:
            case (first, float(pause), second):
                return first == second and pause < 0.5
        return False

    @property
    def first(self) -> Stimulus:
        """Its first signal alone."""
        return Stimulus.parse(self.name.partition(" ")[0])

    @property
    def on_terminal(self) -> bool:
        """Whether the program needs a terminal."""
        return CTRL_C in self.steps

    @property
    def stops(self) -> bool:
        """Whether it is one that a ladder answers to, by default."""
        return bool({signal.SIGINT, signal.SIGTERM} & {*self.signals})


def _step(word: str, text: str) -> int | str | float:
    if word == CTRL_C:
        return word
    for unit, seconds in ("ms", 0.001), ("s", 1.0):
        if word.endswith(unit) and word[: -len(unit)].isdigit():
            return int(word[: -len(unit)]) * seconds
    if not hasattr(signal, f"SIG{word}"):
        raise ValueError(f"{word!r} in {text!r} is no signal, no {CTRL_C} and no pause such as 30ms")
    return signal.Signals[f"SIG{word}"]
