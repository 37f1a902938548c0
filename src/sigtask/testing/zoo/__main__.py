"""`python -m sigtask.testing.zoo` shows what each signal does to each animal, as a page in markdown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from . import ZOO, Animal
from ._programs import watch_program
from ._watch import Row, watch

HEAD = """\
# The zoo

Tasks that will not die, and what each signal does to them. Every animal is a coroutine function of
`sigtask.testing.zoo`, where `ZOO` has them by name, for tests of whatever has to stop tasks.
`python -m sigtask.testing.zoo --write docs/zoo.md` makes this page: each signal is sent to a fresh animal, and what
is seen is written down.

- **delivered, swallowed**: the signal was thrown in, and the task went on. **pending**: a mask holds it. **stuck in
  flight**: the signal was passed on to what the task awaits, and that does not end. **never arrives**: the loop does
  not turn.
- **more awaits refused**: how often the task awaited again after a Kill, and was answered with it again (R19).
- **turns**: turns of the loop from a Kill to the task's end. The rule is two at most, and more for a task that waits
  for what it has spawned (R18).
- **`stop()`** climbs from Interrupt to Kill, and says how the animal ended and at which rung.
"""

TAIL = """\
## Notes

- **The last three** hold the thread or the process. No loop ends them: each was the `main` of a `sigtask.run()` that
  got a SIGTERM, and the watchdog ended the process when the ladder's time was over (R30). The first of them ends as a
  task; its thread is what stays.
- **Depth, coroutines.** To CPython a chain of 10,000 coroutines is 10,000 calls. At the default recursion limit of
  1,000 it ends with a `RecursionError` at its first step, before anyone can signal it: in asyncio and here alike, on
  every CPython 3.11 to 3.15. With `sys.setrecursionlimit(25_000)`, as for this page, it runs, and every signal ends
  it; so does asyncio's `cancel()` then. A chain of 100,000 overflows the C stack, and the process dies, with or
  without sigtask.
- **Depth, tasks.** asyncio's `cancel()` goes down a chain of tasks by recursion. On 10,000 of them it raises
  `RecursionError` on CPython 3.11 to 3.13 (on 3.12 and 3.13 whatever the recursion limit), and no task ends; with
  sigtask's tasks it goes as deep as with asyncio's, in pure Python half as deep. Signals need no recursion: they reach
  the end of any chain.
- **Rings.** A plain `cancel()` goes round a ring of tasks until the `RecursionError` (python/cpython#80637), as in
  asyncio. A signal opens the ring.
- **Children.** A Kill takes along what the task has spawned, and what it spawns in its last cleanup is born killed.
- **Fighting back.** A `stop()` is called by a task, which an animal may find and signal: then `stop()` is cancelled
  and its targets stay as they are (R25). Where that may be, call it in a `mask(Terminate, plain=True)`. The ladder of
  `sigtask.run()` is no task.
- **Cleanup that fails** replaces the signal, as in asyncio: the task is over, and the error is in the report.
"""

DESCRIPTION = "Send every signal to tasks that will not die, and print what came of it, as a page in markdown."
COLUMNS = Row("animal", "habit", "Interrupt", "Terminate", "Kill", "turns", "how a Kill ended it", "what `stop()` says")


def page(animals: Iterable[Animal]) -> str:
    """The page, with a row for each of these."""
    rows = [watch(animal) if animal.reach == "stop" else watch_program(animal) for animal in animals]
    table = [str(COLUMNS), "|" + "---|" * 8, *map(str, rows)]
    return "\n".join([HEAD, *table, "", TAIL])


def main(arguments: list[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sigtask.testing.zoo", description=DESCRIPTION)
    parser.add_argument("animals", nargs="*", metavar="animal", help="only these (default: all)")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page there, not to the terminal")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.animals if name not in ZOO]:
        parser.error(f"no such animal: {', '.join(unknown)}; there are {', '.join(ZOO)}")
    text = page([ZOO[name] for name in options.animals or ZOO])
    if options.write is None:
        sys.stdout.write(text)
    else:
        options.write.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
