"""The rules R3 to R19 as tables: `fate_of` for arrivals, `passes` for thresholds; `ROWS` names what can happen."""

from __future__ import annotations

from ground import Cancelled

LEVELS = {"Signal": 0, "Drain": 10, "Reload": 10, "Interrupt": 20, "Preempted": 25, "Terminate": 30, "Kill": 40}
SENT = [name for name in LEVELS if name != "Signal"]
KINDS = {name: {name, "Signal"} for name in SENT}  # the class and those it derives from
KINDS["Reload"].add("Drain")
KINDS["Preempted"].add("Interrupt")
KILL = 40
KILL_ROUNDS = 20
WAITS = 3
TURNS = 3


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
    """A Kill's later answers (R19)."""


class CallbackFailed(Exception):
    pass


class Delivery:
    def __init__(self, signal):
        self.signal, self.fate = signal, "pending"
        self.inside = []  # masks that do not hold it (R14)
        self.thrown = None
        self.requests, self.number, self.taken_back = 0, 0, False
        self.below = []  # what became of it in what the task awaits (R8)
        self.task = None


def leads(last, error):
    """Whether `last` is that error, or was raised while that was being handled."""
    while last is not None:
        if last is error:
            return True
        last = last.__context__
    return False


# -- the tables ----------------------------------------------------------------------------------------------------


def passes(level, *, masks, accept):
    """R11, R13, R14: whether a signal may be thrown. `masks` are the levels of the open ones that may hold it."""
    return level >= accept and all(level > mask for mask in masks)


def fate_of(level, *, done, handler, doomed, running, may_pass, pending, force, flying):
    """R3, R5, R6, R10, R12, R15: what becomes of a signal that arrives.

    `force` is the strongest that is being handled, `flying` the one in flight, unless it was taken below.
    """
    if done:
        return "refused"
    if handler and level < KILL:
        return "handled"
    if doomed:
        return "superseded"
    if running or not may_pass:
        return "absorbed" if pending else "pending"
    if level <= force:
        return "absorbed"
    if level <= flying:
        return "superseded"
    return "in flight"


STATES = ("unstarted", "running", "ready", "blocked", "awaiting a task", "awaiting a gather")
OUTCOMES = ("handled", "absorbed", "pending", "superseded", "in flight")
ROWS = (
    {("arrival", state, fate) for state in STATES for fate in OUTCOMES}
    - {("arrival", "unstarted", "handled")}  # it has opened no block yet
    - {("arrival", "running", "in flight")}  # it is pending until the task waits
    | {("arrival", "done", "refused")}
    | {("level", name, fate) for name in SENT for fate in (*OUTCOMES, "refused")}
    - {("level", "Kill", "handled"), ("level", "Kill", "absorbed")}
    | {("way", way, fate) for way in ("sent", "by await") for fate in OUTCOMES}
    | {("way", way, "refused") for way in ("sent", "by await")}
    | {("handler", "failed"), ("launch", "over a weaker one"), ("launch", "alone"), ("launch", "after a taken one")}
    | {("flight", end) for end in ("delivered", "consumed", "consumed by an error", "taken before", "never ran")}
    | {("look", what) for what in ("thrown", "still masked", "a plain cancel", "done")}
    | {("kill", end) for end in ("passed", "swallowed", "abandoned", "error", "wrapped", "refused", "cut loose")}
    | {("kill", end) for end in ("waits for children", "takes a child along", "born killed", "woken up")}
    | {("mask", end) for end in ("nothing held", "holds something", "looks at a child", "within ends it")}
    | {("mask", end) for end in ("passed from inside",)}
    | {("requested", what) for what in ("nothing", "one", "the strongest")}
    | {("accept", what) for what in ("something is due", "nothing is due")}
    | {
        ("catch", what)
        for what in ("caught", "of another task", "another exception", "nothing", "a plain one came too")
    }
    | {("until", what) for what in ("at once", "later", "the other thing")}
    | {("cancel", what) for what in ("plain", "held", "has a cause", "absorbed once", "done")}
    | {("uncancel", what) for what in ("none", "one", "last", "a held one", "one that is to come again")}
    | {("timeout", what) for what in ("TimeoutError", "time was left", "another cancellation goes on")}
    | {("group", what) for what in ("a child failed", "left by an exception", "cancelled while it waited")}
    | {("scope", what) for what in ("left by the strongest", "thrown again", "as asyncio has it")}
)
