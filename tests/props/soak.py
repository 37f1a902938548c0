"""Run many machines with random seeds, for so long: `python tests/props/soak.py --minutes 10` (or `--steps 1000000`).

Half of the time at most goes to a million tasks, and what they leave in memory. Ends with 1 at the first
violation, with the shortest list of steps found that shows it; with 1 when a row of the tables was not reached; and
with 1 when Python had an exception to ignore ("Exception ignored in") where nothing else was wrong.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import machine
import memory


class Ignored:
    """What Python would print as "Exception ignored in ...": counted, and the first ones kept.

    While nothing is wrong there are none. A violation stops its tasks halfway, and shrinking repeats it hundreds of
    times: each leaves coroutines that have something to say when they are collected, and nobody can read that.
    """

    def __init__(self):
        self.count, self.first = 0, []
        sys.unraisablehook = self

    def __call__(self, unraisable):
        self.count += 1
        if len(self.first) < 3:  # as text: to keep the object would bring it back to life
            about = f"{unraisable.err_msg or 'Exception ignored in'}: {unraisable.object!r}"
            self.first.append(f"{about}\n    {unraisable.exc_type.__name__}: {unraisable.exc_value}")


def steps_of(seed, length):
    rng = random.Random(seed)
    return [machine.step(rng.choice) for _ in range(length)]


def shrink(steps):
    """Leave out what can be left out: halves, quarters, ..., single steps."""
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            less = steps[:at] + steps[at + size :]
            if machine.run(less) is not None:
                steps = less
            else:
                at += size
        size //= 2
    return steps


def memories(tasks, minutes):
    """The million tasks: what stays behind, beside stock tasks. Traced bytes for a part of them, resident for all."""
    for name, graded in (("stock", False), ("sigtask", True)):
        traced, some = memory.growth(tasks // 20, graded=graded, until=time.monotonic() + minutes * 10)
        grown, done = memory.growth(tasks, graded=graded, trace=False, until=time.monotonic() + minutes * 20)
        print(f"{name:13} {done:,} tasks: resident {grown / 1e6:+.1f} MB; {some:,} tasks: traced {traced:+,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    parser.add_argument("--length", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=1_000_000, help="for the part about memory, at most; 0 for none")
    options = parser.parse_args()
    until = time.monotonic() + options.minutes * 60
    if options.tasks:
        memories(options.tasks, options.minutes / 2)
    ignored = Ignored()
    for steps in machine.RARE:
        violation = machine.run(steps)
        assert violation is None, f"{violation!r} after {steps}"
    seed = options.seed
    while time.monotonic() < until and (options.steps is None or machine.Pair.steps < options.steps):
        steps = steps_of(seed, options.length)
        if machine.run(steps) is not None:
            steps = shrink(steps)
            print(f"seed {seed}: {machine.run(steps)!r}")
            print("\n".join(f"    {step!r}," for step in steps))
            gc.collect()
            print(f"({ignored.count} exceptions ignored in what the violation and its shrinking left unfinished)")
            return 1
        seed += 1
    gc.collect()
    print(f"seeds         {options.seed} to {seed - 1}")
    print(machine.report())
    print(f"peak memory   {memory.peak() / 1e6:.0f} MB")
    if ignored.count:
        print(f"ignored       {ignored.count} exceptions; the first:", *ignored.first, sep="\n")
    return 1 if machine.missing() or ignored.count else 0


if __name__ == "__main__":
    sys.exit(main())
