"""The rules R3 to R16 as tables: `fate_of` for arrivals, `passes` for thresholds; `ROWS` names what can happen."""

from __future__ import annotations

from ground import Cancelled

LEVELS = {"Drain": 10, "Reload": 10, "Interrupt": 20, "Preempted": 25, "Terminate": 30, "Kill": 40}
KINDS = {name: {name, "Signal"} for name in LEVELS}  # the class and those it derives from
KINDS["Reload"].add("Drain")
KINDS["Preempted"].add("Interrupt")
KILL = 40
KILL_ROUNDS = 20


class Signal(Cancelled):
    """A signal as a task sees it: which class, sent with which reason, and for whom."""

    def __init__(self, cls, reason, target=None):
        self.cls, self.reason, self.target = cls, reason, target

    @property
    def level(self):
        return LEVELS[self.cls]

    def copy(self):
        return Signal(self.cls, self.reason, self.target)


class Killed(BaseException):
    """A Kill's later answers (R2)."""


class CallbackFailed(Exception):
    pass


class Delivery:
    def __init__(self, signal, forced):
        self.signal, self.forced, self.fate, self.flew = signal, forced, "held", False


# -- the tables ----------------------------------------------------------------------------------------------------


def passes(level, *, mask, accept, forced):
    """R9, R11, R13, R14: whether a signal may be thrown. `mask` and `accept` are the highest and lowest open ones."""
    return level > mask and (forced or level >= accept)


def fate_of(level, *, done, handler, may_pass, pending, force, flying):
    """R3, R5, R6, R12, R15: what becomes of a signal that arrives."""
    if done:
        return "refused"
    if handler and level < KILL:
        return "handled"
    if not may_pass:
        return "absorbed" if pending else "held"
    if level <= force:
        return "absorbed"
    if level <= flying:
        return "superseded"
    return "flies"


STATES = ("unstarted", "running", "ready", "blocked", "awaiting a task", "awaiting a gather")
OUTCOMES = ("handled", "absorbed", "held", "superseded", "flies")
ROWS = (
    {("arrival", state, fate) for state in STATES for fate in OUTCOMES}
    - {("arrival", "unstarted", "handled")}  # it has opened no block yet
    | {("arrival", "done", "refused")}
    | {("level", name, fate) for name in LEVELS for fate in (*OUTCOMES, "refused")}
    - {("level", "Kill", "handled"), ("level", "Kill", "held")}
    | {("way", way, fate) for way in ("sent", "by await", "by the parent") for fate in OUTCOMES}
    | {("way", way, "refused") for way in ("sent", "by await", "by the parent")}
    | {("handler", "failed"), ("launch", "over a weaker one"), ("launch", "alone")}
    | {("flight", end) for end in ("thrown", "consumed", "consumed by an error", "ended before its await")}
    | {("flight", "never ran")}
    | {("kill", end) for end in ("passed", "swallowed", "abandoned", "error", "wrapped", "refused", "cut loose")}
    | {("mask", end) for end in ("nothing held", "raises", "raises a plain cancel", "still masked", "left by an error")}
    | {("mask", end) for end in ("a child is released", "within ends it")}
    | {("requested", what) for what in ("nothing", "one", "the strongest")}
    | {("accept", what) for what in ("raises", "nothing held")}
    | {
        ("catch", what)
        for what in ("caught", "of another task", "another exception", "nothing", "a plain one came too")
    }
    | {("cancel", what) for what in ("plain", "held", "passed on", "done")}
    | {("uncancel", what) for what in ("none", "one", "last", "a held one", "one in force")}
    | {("timeout", what) for what in ("TimeoutError", "time was left", "another cancellation goes on")}
    | {("group", what) for what in ("a child failed", "left by an exception", "cancelled while it waited")}
)
