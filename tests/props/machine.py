"""Runs the model and the real thing side by side, and compares them after each step.

A step is a tuple of a name and small numbers or words. What a step may be is in `steps()`: Hypothesis draws from it
(`test_model.py`), and so does the soak, with plain random numbers.
"""

from __future__ import annotations

from collections import Counter

import model
import tables
from worlds import ModelWorld, RealWorld

SIGNALS = (*("Drain", "Reload", "Interrupt", "Preempted", "Terminate") * 3, "Drain", "Kill")
MASKED = ("Drain", "Interrupt", "Preempted", "Terminate")
CAUGHT = ("Signal", "Drain", "Interrupt", "Terminate")
ACCEPTED = ("Drain", "Reload", "Interrupt", "Terminate")
HANDLED = ("Drain", "Interrupt", "Preempted", "Terminate")
TICK = 0.001
NEWEST = -1  # of the living
WHO = (*range(10), NEWEST, NEWEST)


class Violation(AssertionError):
    pass


def command(pick):
    """One thing to tell a task; `pick` chooses one of several."""

    def who():
        return pick(WHO)

    what = pick(COMMANDS)
    if what == "send":
        return what, who(), pick(SIGNALS)
    if what == "send itself":
        return what, pick(SIGNALS)
    if what == "cancel":
        return what, who(), pick((None, None, None, "Interrupt", "Terminate"))
    if what in ("await",):
        return what, who()
    if what == "gather":
        return what, who(), who()
    if what in ("resolve", "await future"):
        return what, pick(range(2))
    if what == "sleep":
        return what, pick((0.5, 1.25))
    if what == "mask":
        return what, pick(MASKED), pick((False, False, True)), pick((None, None, 0.75))
    if what == "accept":
        return what, pick(ACCEPTED)
    if what == "until":
        return what, pick(CAUGHT), pick(range(2))
    if what in ("ask", "wait requested"):
        return what, pick(("Signal", "Drain", "Terminate"))
    if what == "catch":
        return what, pick(CAUGHT)
    if what == "on_signal":
        return what, pick(HANDLED), pick((True, True, False))
    if what == "timeout":
        return what, pick((0.6, 1.1))
    return (what,)


COMMANDS = (
    *("send", "send", "send", "send itself", "send itself", "cancel", "uncancel", "spawn", "spawn", "resolve"),
    *("await", "await", "gather", "await future", "sleep", "turn"),
    *("ask", "wait requested", "until"),
    *("leave", "leave", "leave", "finish", "raise"),
    *("mask", "mask", "accept", "catch", "on_signal", "timeout", "group", "group"),
    *("swallow", "obey", "errors", "cleanup", "cleanup", "deaf", "fresh"),
)

FAMILIES = (
    (("spawn",), ("await", NEWEST)),
    (("spawn",), ("spawn",), ("gather", NEWEST, NEWEST - 1)),
    (("group",), ("spawn",), ("spawn",)),
    (("group",), ("spawn",), ("leave",)),
    (("errors",), ("group",), ("spawn",), ("spawn",)),
    (("catch", "Interrupt"), ("spawn",), ("await", NEWEST)),
    (("cleanup",), ("spawn",), ("spawn",)),
)

HABITS = (
    (("swallow",), ("swallow",)),
    (("obey",),),
    (("obey",), ("cleanup",)),
    (("on_signal", "Terminate", True), ("on_signal", "Interrupt", True)),
    (("on_signal", "Interrupt", False),),
    (("mask", "Interrupt", False, None),),
    (("mask", "Terminate", True, None),),
    (("accept", "Drain"),),
)

STEPS = (*["feed"] * 8, *["family"] * 3, *["habit"] * 3, *["send"] * 4, "spawn", "cancel", "resolve", "advance")


def step(pick, what=None):
    """One step; whether the loop turns after it; and whether it is made in a callback of the loop."""
    what = what or pick(STEPS)
    when = pick(("now", "now", "in a callback", "and wait"))
    who = pick(WHO)
    if what == "feed":
        return what, when, who, tuple(command(pick) for _ in range(pick((1, 1, 2, 3))))
    if what == "family":
        return "feed", when, who, pick(FAMILIES)
    if what == "habit":
        return "feed", when, NEWEST, pick(HABITS)
    if what == "send":
        return what, when, who, pick(SIGNALS)
    if what == "cancel":
        return what, when, who, pick((None, None, None, "Interrupt", "Terminate"))
    if what == "resolve":
        return what, when, who % 2
    if what == "advance":
        return what, "now", pick((0.4, 1.0))
    return what, when


RARE = (
    (
        ("spawn", "and wait"),
        *[("send", "and wait", NEWEST, cls) for cls in ("Drain", "Drain", "Terminate", "Interrupt")],
    ),
    *((("feed", "now", 0, (("accept", "Drain"),)), *[("send", "and wait", 0, cls)] * 2) for cls in ("Drain", "Reload")),
    (
        ("feed", "now", 0, (("spawn",), ("await", NEWEST))),
        ("feed", "now", NEWEST, (("swallow",),)),
        ("send", "now", 0, "Interrupt"),
        ("feed", "now", NEWEST, (("raise",),)),
    ),
    (
        ("feed", "now", 0, (("cleanup",),)),
        ("send", "now", 0, "Terminate"),
        ("feed", "now", 0, (("spawn",),)),
        ("feed", "now", NEWEST, (("finish",),)),
        ("feed", "now", 0, (("cancel", 11, None),)),
    ),
    (
        ("feed", "now", 0, (("on_signal", "Terminate", True), ("spawn",), ("spawn",), ("gather", NEWEST, NEWEST - 1))),
        ("send", "now", 0, "Terminate"),
    ),
    (
        ("feed", "now", 0, (("cleanup",), ("await future", 0), ("raise",))),
        ("send", "now", 0, "Kill"),
    ),
    (
        ("feed", "now", 0, (("catch", "Interrupt"),)),
        ("send", "and wait", 0, "Interrupt"),
        ("cancel", "now", 0, None),
    ),
    (
        ("spawn", "now"),
        ("spawn", "now"),
        ("feed", "now", 1, (("await", 0),)),
        ("feed", "now", 2, (("await", 0),)),
        ("feed", "now", 3, (("gather", 1, 2),)),
        ("send", "now", 3, "Terminate"),
    ),
    (
        ("feed", "now", 0, (("group",), ("spawn",))),
        ("feed", "now", NEWEST, (("cleanup",),)),
        ("send", "now", NEWEST, "Terminate"),
        ("send", "now", 0, "Terminate"),
    ),
    (
        ("feed", "and wait", NEWEST, (("group",),)),
        ("feed", "in a callback", 2, (("group",), ("spawn",), ("leave",))),
        ("send", "and wait", 5, "Terminate"),
        ("feed", "in a callback", NEWEST, (("send itself", "Drain"), ("group",))),
        ("feed", "now", 3, (("cleanup",), ("send itself", "Preempted"))),
        ("feed", "in a callback", NEWEST, (("raise",),)),
    ),
    (
        ("feed", "now", 0, (("errors",), ("group",), ("spawn",), ("leave",), ("uncancel",))),
        ("feed", "now", NEWEST, (("cleanup",),)),
        ("send", "now", 0, "Terminate"),
        ("feed", "now", NEWEST, (("raise",),)),
    ),
    (
        ("feed", "now", 0, (("group",), ("group",), ("spawn",))),
        *[("feed", "now", NEWEST, (("group",), ("spawn",)))] * 2,
        ("send", "and wait", 0, "Kill"),
        ("feed", "now", 1, (("turn",), ("cancel", 0, None)) * 4),
    ),
    (
        ("feed", "now", 0, (("spawn",), ("await", NEWEST))),
        ("feed", "now", NEWEST, (("swallow",),)),
        ("send", "now", 0, "Interrupt"),
        ("send", "now", NEWEST, "Terminate"),
    ),
)
"""Rows of the tables that chance seldom comes to."""


class Pair:
    """The two worlds, and the steps they have taken."""

    steps = 0
    fates = Counter()
    sent = 0

    def __init__(self):
        self.trail = []
        self.model, self.real = ModelWorld(), RealWorld()
        self.model.spawn()
        self.real.spawn()
        self.take(("spawn", "now"))

    def take(self, step):
        self.trail.append(step)
        Pair.steps += 1
        what, when, *args = step
        if all(task.done() for task in self.real.tasks):
            what, args = "spawn", ()
        for world in (self.model, self.real):
            act = self._act(world, what, args)
            if when == "in a callback":
                world.call_soon(act)
            else:
                act()
            if when != "and wait":
                world.run(args[0] if what == "advance" else TICK)
        self.compare()

    def _act(self, world, what, args):
        def act():
            if what == "spawn":
                world.spawn()
            elif what == "resolve":
                world.resolve(*args)
            elif what != "advance":
                who, *rest = args
                getattr(world, what)(world.whom(who), *rest)

        return act

    def compare(self):
        mine, real = self.model, self.real
        if unknown := set(model.Task.rows) - tables.ROWS:
            raise Violation(f"in no table: {unknown}")
        if real.complaints:
            raise Violation(f"the loop complains: {real.complaints}")
        if len(mine.tasks) != len(real.tasks):
            raise Violation(f"{len(mine.tasks)} tasks by the model, {len(real.tasks)} for real")
        for number, (expected, task) in enumerate(zip(mine.tasks, real.tasks, strict=True)):
            for name, there in real.look(task).items():
                should = mine.look(expected)[name]
                if should != there:
                    raise Violation(f"t{number}'s {name}: {should} by the model, {there} for real")
            if mine.seen[number] != real.seen[number]:
                raise Violation(f"t{number} saw: {mine.seen[number]} by the model, {real.seen[number]} for real")

    def end(self):
        """R18: a Kill to all, and all are done. R21: count what was sent against what became of it."""
        for _ in self.model.tasks:
            if all(task.done() for task in self.real.tasks):
                break
            self.take(("send", "now", 0, "Kill"))
        alive = [task for task in self.real.tasks if not task.done()]
        if alive:
            raise Violation(f"still there after a Kill: {alive}")
        self.conserve()
        self.close()

    def conserve(self):
        """Nothing vanishes: each send is in its target's history, and so is what awaits and parents passed on."""
        counted, sent = 0, 0
        for number, task in enumerate(self.real.tasks):
            fates = Counter(delivery.fate.value for delivery in task.history)
            Pair.fates.update(fates)
            counted += fates.total()
            expected = len(self.model.tasks[number].history)
            sent += expected
            if expected < self.model.sent[number]:
                raise Violation(f"t{number} was sent {self.model.sent[number]} signals, and has {expected}")
        Pair.sent += sent
        if counted != sent:
            raise Violation(f"{sent} signals were sent, and {counted} have a fate")

    def close(self):
        self.model.close()
        self.real.close()
        for world in (self.model, self.real):
            world.tasks.clear()
            world.prompts.clear()
            world.seen.clear()


def run(steps):
    """Take these steps; the violation, if there is one."""
    for row in set(model.Task.rows) - tables.ROWS:
        del model.Task.rows[row]
    pair = Pair()
    try:
        for one in steps:
            pair.take(one)
        pair.end()
    except Exception as violation:  # the model's own errors, too
        pair.close()
        return violation
    return None


def missing():
    """The rows not reached."""
    return sorted(tables.ROWS - set(model.Task.rows))


def report():
    """Steps, coverage of the tables, conservation: the closing lines."""
    reached = len(model.Task.rows)
    fates = " + ".join(f"{Pair.fates[name]} {name}" for name in FATES)
    return "\n".join(
        [
            f"steps         {Pair.steps:,}",
            f"table         {reached} of {len(tables.ROWS)} rows reached"
            + (f"; not: {', '.join(' / '.join(row) for row in missing())}" if missing() else ""),
            f"conservation  {Pair.sent} sent = {fates} ({'holds' if Pair.sent == Pair.fates.total() else 'BROKEN'})",
        ]
    )


FATES = ("delivered", "pending", "in flight", "superseded", "absorbed", "handled", "consumed", "refused")
