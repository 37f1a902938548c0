"""A task that keeps the rules R3 to R23, as the tables say, with no asyncio in it.

`Task` does it slowly and in the plainest way: every list is a list, nothing is made late, nothing is shared. It stands
on `ground.py`, which is asyncio as its documentation has it; what leaves a scope is in `leaving.py`. Which errors a
task is handling, the programs say themselves (`handles`). Each row of the tables reached is counted (`Task.row`).
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter, deque

from ground import Cancelled, Future
from tables import (
    KILL,
    KILL_ROUNDS,
    KINDS,
    TURNS,
    WAITS,
    CallbackFailed,
    Delivery,
    Killed,
    Signal,
    fate_of,
    leads,
    passes,
)


class Task(Future):
    def __init__(self, loop, coro, name, parent):
        super().__init__(loop)
        self.coro, self.name, self.parent = coro, name, parent
        self.started, self.waiter, self.must_cancel, self.msg = False, None, False, None
        self.requests = 0  # what cancelling() gives, but for those in plain_held and again
        self.plain_held, self.again, self.owed = 0, None, 0
        self.history, self.pending, self.delivered = [], [], []
        self.flying, self.weight, self.landed = None, 0, 0
        self.blocks = []  # open in this task, the outermost first
        self.covers = parent.open_masks() if parent else []  # open in others when this one was spawned
        self.handling = []  # errors in whose `except` or `finally` it is
        self.leaving = []  # TaskGroups it is just leaving
        self.looking = self.nudged = self.at_work = False
        self.children, self.doom, self.waits, self.rounds = [], None, 0, 0
        self.ended, self.shown, self.plain_thrown, self.plain_under = None, False, None, None
        self.cause, self.cause_is_due, self.caused, self.plain_below = None, False, None, False
        self.listening = []
        if parent is not None:
            parent.children.append(self)
            if parent.doom:
                self.row("kill", "born killed")
                self.doom = self.flying = Delivery(Signal(parent.doom.signal.cls, parent.doom.signal.reason, name))
                self.doom.fate, self.weight = "in flight", 1
                self.history.append(self.doom)
        self.is_born_killed = self.doom is not None
        loop.call_soon(self.step)

    rows: Counter = Counter()  # also those that are in no table: the machine looks

    @classmethod
    def row(cls, *row):
        cls.rows[row] += 1

    # -- thresholds (R11 to R14) --

    def open_masks(self):
        covers = [block for block in self.covers if block.owner and not block.owner.done]
        return [block for block in covers + self.blocks if block.kind == "mask" and (block.level or block.plain)]

    def masks_plain(self):
        return any(block.plain for block in self.open_masks())

    def accept(self):
        return min([20, *(block.accepts for block in self.blocks)])

    @property
    def threshold(self):
        return max(self.accept(), *(block.level + 1 for block in self.open_masks()), 1)

    def passes(self, delivery):
        masks = [block.level for block in self.open_masks() if block not in delivery.inside]
        if delivery.inside and passes(delivery.signal.level, masks=masks, accept=self.accept()):
            self.row("mask", "passed from inside")
        return passes(delivery.signal.level, masks=masks, accept=self.accept())

    # -- what is being handled (R5) --

    @contextlib.contextmanager
    def handles(self, error):
        if error is not None:
            self.handling.append(error)
        try:
            yield
        finally:
            if error is not None:
                self.handling.pop()

    def is_handling(self, signal):
        if signal is None:
            return False
        if self.at_work:
            return leads(sys.exception(), signal)  # where it runs, and no further up, as Python has it after a throw()
        return any(leads(error, signal) for error in self.handling)

    def in_force(self):
        handled = [one for one in self.delivered if self.is_handling(one.thrown)]
        return max(reversed(handled), key=lambda one: one.signal.level, default=None)

    # -- arrivals --

    def state(self):
        if self.done:
            return "done"
        if self.at_work:
            return "running"
        if not self.started:
            return "unstarted"
        if self.waiter is None or self.waiter.done:
            return "ready"
        if isinstance(self.waiter, Task):
            return "awaiting a task"
        return "awaiting a gather" if hasattr(self.waiter, "children") else "blocked"

    def send(self, signal):
        return self.receive(signal, "sent") != "refused"

    def receive(self, signal, way):
        delivery, sender = Delivery(Signal(signal.cls, signal.reason, self.name)), self.loop.current
        delivery.task = self
        self.history.append(delivery)
        if way == "by await" and self.loop.launches:
            self.loop.launches[0][1].below.append(delivery)
        if sender is not None:
            delivery.inside = [mask for mask in self.covers if mask.owner is sender or mask in sender.covers]
        state = self.state()
        fate = self.judge(delivery, arriving=True)
        self.row("arrival", state, fate)
        self.row("level", signal.cls, fate)
        self.row("way", way, fate)
        if fate == "in flight":
            self.launch(delivery)
        elif fate not in ("refused", "handled"):
            if self.pending and self.pending[-1] is delivery:
                self.look_later()
            if signal.level >= KILL:
                self.take_along(delivery)
        return fate

    def judge(self, delivery, *, arriving):
        signal, force = delivery.signal, self.in_force()
        fate = fate_of(
            signal.level,
            done=self.done,
            handler=arriving and not self.done and self.handled(signal),
            running=self.at_work,
            may_pass=self.passes(delivery),
            pending=any(other.signal.cls == signal.cls for other in self.pending),
            force=force.signal.level if force else 0,
            doomed=self.doom is not None and self.doom is not delivery,
            flying=self.flying.signal.level if self.flying and not is_over(self.flying) else 0,
        )
        delivery.fate = fate
        if fate == "pending":
            self.hold(delivery)
        elif fate in ("absorbed", "superseded"):
            equals = [other for other in self.pending if other.signal.cls == signal.cls]
            delivery.below = self.stands_for(delivery, equals, force)
        return fate

    def stands_for(self, delivery, equals, force):
        """What is to become of it, or has: of the one that came before it, and changes what it would change (R8)."""
        if self.doom and self.doom is not delivery:
            return [self.doom]
        if delivery.fate == "superseded":
            return [self.flying]
        if equals and (self.at_work or not self.passes(delivery)):
            return equals
        return [force]

    def handled(self, signal):
        for block in reversed(self.blocks):
            if block.kind == "on_signal" and block.cls in KINDS[signal.cls] and signal.level < KILL:
                try:
                    block.callback(signal)
                except CallbackFailed:
                    self.row("handler", "failed")
                    return False
                return True
        return False

    def hold(self, delivery):
        self.pending.append(delivery)
        for cls, future in self.listening:
            if cls in KINDS[delivery.signal.cls] and not future.done:
                future.settle()
        for mask in self.covers:
            if mask.level >= delivery.signal.level and mask.owner:
                mask.is_waited_for_by(self)

    def requested(self, cls):
        """R12."""
        of_class = [delivery.signal for delivery in self.pending if cls in KINDS[delivery.signal.cls]]
        self.row("requested", "nothing" if not of_class else "one" if len(of_class) == 1 else "the strongest")
        return max(of_class, key=lambda signal: signal.level, default=None)

    async def wait_requested(self, cls):
        while (signal := self.requested(cls)) is None:
            self.listening.append((cls, Future(self.loop)))
            try:
                await self.listening[-1][1]
            finally:
                self.listening.pop()
        return signal

    def take(self, cls):
        """What `until` finds pending."""
        found = [one for one in self.pending if cls in KINDS[one.signal.cls] and one.signal.level < KILL]
        found = [one for one in found if self.passes(one)]
        for one in found:
            self.pending.remove(one)
            one.fate = "handled"
        return max(found, key=lambda one: one.signal.level, default=None)

    # -- looking at what is pending (R10, R14) --

    def is_due(self):
        return (self.plain_held and not self.masks_plain()) or any(self.passes(one) for one in self.pending)

    def look_later(self):
        if not self.looking and self.is_due():
            self.looking = True
            self.loop.call_soon(self.look)

    def look(self):
        self.looking = False
        if self.done:
            self.row("look", "done")
            return
        if self.pending:
            delivery = self.pick()
            if delivery:
                self.row("look", "thrown")
                self.launch(delivery)
            elif self.pending:
                self.row("look", "still masked")
        if self.plain_held and not self.masks_plain():
            self.row("look", "a plain cancel")
            count, self.plain_held = self.plain_held, 0
            for _ in range(count):
                self.ask_plainly()

    def pick(self):
        """The strongest of what is pending and may now be thrown; the others of it are superseded."""
        ready = [delivery for delivery in self.pending if self.passes(delivery)]
        self.pending = [delivery for delivery in self.pending if delivery not in ready]
        if self.again in ready:
            self.again = None
        if not ready:
            return None
        best = max(ready, key=lambda delivery: delivery.signal.level)
        for delivery in ready:
            delivery.fate = "superseded"
        return best if self.judge(best, arriving=False) == "in flight" else None

    # -- flight (R5, R6, R8) --

    def launch(self, delivery, alone=False):
        self.row("launch", "alone" if not self.flying else "after a taken one" if is_over(self.flying) else OVER)
        if self.flying:
            if is_over(self.flying):
                self.flying.fate, taken, self.weight = "consumed", self.weight, 0
                for _ in range(taken):
                    self.requests_back()
            else:
                self.flying.fate = "superseded"
            self.flying.below = []
        delivery.fate, self.flying = "in flight", delivery
        self.weight += 1
        if alone:
            if not self.cut_loose():
                self.ask(None)
            return
        launches = self.loop.launches
        launches.append((self, delivery))
        if len(launches) == 1:
            while launches:
                task, one = launches[0]
                task.ask(one.signal)
                if one.signal.level >= KILL:
                    task.cut_loose()
                launches.popleft()
        if delivery.signal.level >= KILL:
            self.take_along(delivery)

    def ask_plainly(self):
        self.forget_what_is_over()
        self.plain_below = True
        return self.ask(None)

    def ask(self, msg):
        """asyncio's `cancel`."""
        if self.done:
            return False
        self.requests += 1
        if self.waiter is not None and self.waiter.cancel(msg):
            return True
        self.must_cancel, self.msg = True, msg
        return True

    def cancel(self, msg=None):
        if isinstance(msg, Signal):
            return self.receive(msg, "by await") in ("in flight", "superseded", "handled")
        parent = self.parent
        force = parent.in_force() if parent is not None and parent.at_work and not self.done else None
        if force:
            first = self.cause is None or self.cause.reason != force.signal.reason
            self.cause = force.signal
            self.row("cancel", "has a cause")
            mine = self.in_force()
            if first and mine and force.signal.level <= mine.signal.level:
                self.row("cancel", "absorbed once")
                return True
            self.cause_is_due = True
        if self.done:
            self.row("cancel", "done")
            return False
        if self.masks_plain():
            self.row("cancel", "held")
            self.plain_held += 1
            for mask in self.covers:
                if mask.plain and mask.owner:
                    mask.is_waited_for_by(self)
            return True
        if self.leaving and self.at_work and self.leaving[-1].answers(self):
            return True
        self.row("cancel", "plain")
        return self.ask_plainly()

    def forget_what_is_over(self):
        if self.flying and self.flying.signal.level < KILL and is_over(self.flying):
            if not any(isinstance(one.task.error, Cancelled) for one in passed_on_to(self.flying)):
                self.consume()

    def consume(self):
        self.flying.fate, weight = "consumed", self.weight
        self.flying.below, self.flying, self.weight = [], None, 0
        for _ in range(weight):
            self.requests_back()

    def land_plain(self, error):
        """R9: a plain cancellation is being thrown, and it is not one that is held."""
        self.plain_thrown, self.plain_under = error, self.in_force()
        if self.cause_is_due and not self.plain_held:
            self.cause_is_due, self.caused = False, (error, self.cause)

    def drop_cause(self):
        self.cause_is_due = self.cause_is_due and self.plain_held > 0

    def cut_loose(self):
        """R18: what it awaits will not be cancelled."""
        waiter = self.waiter
        if self.done or waiter is None or waiter.done:
            return False
        if self.wake in waiter.callbacks:
            self.row("kill", "cut loose")
            waiter.callbacks.remove(self.wake)
            self.loop.call_soon(self.step, Cancelled())
        return True

    # -- scopes (R5) --

    def throw_into(self, delivery):
        delivery.thrown = delivery.signal.copy()
        return delivery.thrown

    def throw_again(self, delivery):
        if not delivery.taken_back:
            for _ in range(delivery.requests):
                self.requests_back()
            self.owed -= delivery.requests
        delivery.fate, delivery.taken_back, delivery.thrown = "pending", False, None
        if delivery in self.delivered:
            self.delivered.remove(delivery)
        for one in [one for one in self.pending if one.signal.cls == delivery.signal.cls]:
            one.fate = "absorbed"
            self.pending.remove(one)
        self.pending.append(delivery)
        self.again = delivery
        self.look_later()

    # -- counts (R23) --

    def requests_back(self):
        """asyncio's `uncancel`."""
        if self.requests:
            self.requests -= 1
            if self.requests == 0 and sys.version_info >= (3, 13):
                self.must_cancel = False

    def take_back(self, requests):
        """`catch` takes back what came in its block."""
        self.no_longer_owed(requests)
        for _ in range(requests):
            self.requests_back()

    def no_longer_owed(self, requests):
        self.owed -= requests
        for one in reversed(self.history):
            if requests <= 0:
                return
            if one.fate == "delivered" and not one.taken_back:
                one.taken_back = True
                requests -= one.requests

    def cancelling(self):
        return self.requests + self.plain_held + bool(self.again)

    def uncancel(self):
        if self.plain_held:
            self.row("uncancel", "a held one")
            self.plain_held -= 1
            self.drop_cause()
        elif self.again and not self.requests:
            self.row("uncancel", "one that is to come again")
            self.pending.remove(self.again)
            self.again.fate, self.again.taken_back, self.again = "delivered", True, None
        elif self.requests:
            self.requests_back()
            self.row("uncancel", "one" if self.requests else "last")
        else:
            self.row("uncancel", "none")
        self.settle_counts()
        return self.cancelling()

    def settle_counts(self):
        count = self.cancelling()
        if self.flying:
            self.weight = min(self.weight, max(0, count - self.owed))
        self.no_longer_owed(max(0, self.owed - count))

    # -- steps --

    def wake(self, future):
        self.step(future.failure())

    def step(self, error=None):
        assert not self.done
        if self.must_cancel:
            if not isinstance(error, Cancelled):
                error = Cancelled()
            self.must_cancel = False
        self.waiter, self.loop.current = None, self
        try:
            awaited = self.resume(error)
        except StopIteration:
            self.end(Cancelled() if self.must_cancel else None)
        except BaseException as failure:
            self.end(failure)
        else:
            self.waiter = awaited
            if awaited is None:
                self.loop.call_soon(self.step)
            else:
                awaited.callbacks.append(self.wake)
                if self.must_cancel and awaited.cancel(self.msg):
                    self.must_cancel = False
        finally:
            self.loop.current = None

    def resume(self, error):
        if self.is_born_killed and error is None:
            self.is_born_killed = False
            return None
        if self.plain_below and not isinstance(error, Cancelled):
            self.drop_cause()  # of a cancellation that what it awaits took
        self.plain_below = False
        if self.flying and self.flying.signal.level >= KILL:
            self.doom = self.land()
            return self.die(None, False)
        if self.flying and isinstance(error, Cancelled) and was_taken_before(self.flying):
            self.row("flight", "taken before")
            self.consume()
            self.settle_counts()
        if self.flying and isinstance(error, Cancelled):
            self.row("flight", "delivered" if self.started else "never ran")
            error = self.throw_into(self.land())
        elif self.flying:
            self.row("flight", "consumed" if error is None else "consumed by an error")
            self.consume()
            self.settle_counts()
        elif self.doom:
            return self.die(None if isinstance(error, Cancelled) else error, error is None)
        elif isinstance(error, Cancelled) and not isinstance(error, Signal):
            self.land_plain(error)
        self.started = True
        return self.run(error)

    def run(self, error):
        """The coroutine's own step."""
        self.at_work = True
        try:
            return self.coro.send(None) if error is None else self.coro.throw(error)
        finally:
            self.at_work = False

    def land(self):
        delivery = self.flying
        delivery.fate, delivery.requests, delivery.below = "delivered", self.weight, []
        delivery.taken_back = self.weight == 0
        self.owed += self.weight
        self.flying, self.weight = None, 0
        self.landed += 1
        delivery.number = self.landed
        self.delivered.append(delivery)
        return delivery

    # -- Kill (R18, R19) --

    def family(self):
        found = []
        todo = [self]
        for task in todo:
            new = [child for child in task.children if not child.done and child not in found]
            found += new
            todo += new
        return found

    def take_along(self, delivery):
        if self.doom or self.done:
            return
        self.doom = delivery
        self.watch()
        for task in self.family():
            if not task.doom:
                self.row("kill", "takes a child along")
                task.is_taken_along(delivery.signal)

    def is_taken_along(self, kill):
        self.doom = delivery = Delivery(Signal(kill.cls, kill.reason, self.name))
        delivery.task = self
        self.history.append(delivery)
        self.watch()
        if self.at_work:
            self.pending.append(delivery)
            self.look_later()
        else:
            self.launch(delivery, alone=True)

    def has_living_children(self):
        return any(not child.done for child in self.children)

    def die(self, error, returned):
        """R19: every suspension is answered with it again, but while there are children to wait for."""
        while True:
            try:
                awaited = self.answer(error, returned)
            except Signal as signal:
                if signal.level >= KILL:
                    self.row("kill", "passed")
                    raise
                return self.kill_ends_it("swallowed")
            except (StopIteration, Cancelled):
                return self.kill_ends_it("swallowed")
            except BaseException:
                self.row("kill", "error")
                raise
            error, returned = None, False
            if self.waits < WAITS and self.watch():
                self.row("kill", "waits for children")
                self.waits += 1
                return awaited
            self.row("kill", "refused")
            self.rounds += 1
            if self.rounds == KILL_ROUNDS:
                return self.kill_ends_it("abandoned")

    def kill_ends_it(self, how):
        self.row("kill", how)
        raise self.throw_into(self.doom) from None

    def answer(self, error, returned):
        if returned:
            return self.run(None)
        if error is not None or self.rounds < KILL_ROUNDS // 2:
            return self.run(error or self.throw_into(self.doom))
        try:
            return self.run(Killed())
        except Killed:
            raise Cancelled from None
        except BaseExceptionGroup as group:
            others = group.split(Killed)[1]
            self.row("kill", "wrapped")
            raise (Cancelled if others is None else others) from None

    def watch(self):
        """R18: it may wait from now on, until some turns after the last of its children."""
        if not self.nudged and self.has_living_children():
            self.nudged = True
            self.loop.call_soon(self.nudge, TURNS)
        return self.nudged

    def nudge(self, turns):
        if self.done:
            return
        if self.has_living_children():
            turns = TURNS
        elif not turns:
            self.row("kill", "woken up")
            self.nudged = False
            self.ask(None)
            self.cut_loose()
            return
        self.loop.call_soon(self.nudge, turns - 1)

    # -- the end (R9, R21, R22) --

    def end(self, error):
        if isinstance(error, Signal):
            self.ended, self.shown = error.copy(), True
        elif isinstance(error, Cancelled):
            behind = [one for one in self.delivered if one.thrown is not None and leads(error, one.thrown)]
            if self.caused and self.caused[0] is error:
                self.ended = self.caused[1]
            elif behind and error is not self.plain_thrown:
                self.ended, self.shown = behind[-1].signal, True
            elif self.requests <= self.owed and (due := [one for one in self.pending if self.passes(one)]):
                best = max(due, key=lambda one: one.signal.level)
                self.pending.remove(best)
                best.fate, self.ended, self.shown = "delivered", best.signal, True
        self.settle(error=error)

    def failure(self):
        if isinstance(self.error, Cancelled):
            return self.ended.copy() if self.ended and self.shown else Cancelled()
        return self.error


OVER = "over a weaker one"


def is_over(delivery):
    """R8: a signal in flight was taken by all that the task awaits, and each goes on."""
    if not delivery.below:
        return False
    for one in passed_on_to(delivery):
        if one.fate in ("pending", "in flight") or (one.fate == "delivered" and one.task.is_handling(one.thrown)):
            return False
    return True


def was_taken_before(delivery):
    """R8: the tasks that this one awaits took the signal and went on, and one has ended since, by something else."""
    if delivery.signal.level >= KILL or not is_over(delivery):
        return False
    ended = [one.task for one in passed_on_to(delivery) if isinstance(one.task.error, Cancelled)]
    if any(not is_same(one, delivery) or one.fate not in ("delivered", "handled") for one in passed_on_to(delivery)):
        return False
    return bool(ended) and not any(task.ended and is_same(task.ended, delivery.signal) for task in ended)


def is_same(one, other):
    one, other = (each.signal if isinstance(each, Delivery) else each for each in (one, other))
    return (one.cls, one.reason) == (other.cls, other.reason)


def passed_on_to(delivery):
    todo = [delivery]
    while todo:
        one = todo.pop()
        if one.below:
            todo += one.below
        else:
            yield one


def new_loop(loop):
    loop.launches = deque()
    return loop
