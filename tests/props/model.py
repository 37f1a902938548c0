"""A task that keeps the rules R3 to R23, as the tables say, with no asyncio in it.

`Task` does it slowly and in the plainest way: every list is a list, nothing is made late, nothing is shared. It stands
on `ground.py`, which is asyncio as its documentation has it. Each row of the tables that is reached is counted
(`Task.row`).
"""

from __future__ import annotations

import sys
from collections import Counter, deque

from ground import Cancelled, Future
from tables import KILL, KILL_ROUNDS, KINDS, CallbackFailed, Delivery, Killed, Signal, fate_of, passes

# -- a task that keeps them ------------------------------------------------------------------------------------------


class Task(Future):
    def __init__(self, loop, coro, name, parent):
        super().__init__(loop)
        self.coro, self.name, self.parent = coro, name, parent
        self.started, self.waiter, self.must_cancel, self.msg = False, None, False, None
        self.requests = 0  # what cancelling() gives, but for those in plain_held
        self.plain_held = 0
        self.history, self.held, self.in_force = [], [], []
        self.flying, self.weight = None, 0
        self.blocks = []  # open in this task, the outermost first
        self.cover = []  # open in others when this one was spawned
        if parent is not None and (parent.mask() or parent.masks_plain()):
            self.cover = parent.masks_over()
        self.ended = None
        self.plain_last = False
        self.listening = []
        loop.call_soon(self.step)

    rows: Counter = Counter()  # also those that are in no table: the machine looks

    @classmethod
    def row(cls, *row):
        cls.rows[row] += 1

    # -- thresholds (R11 to R14) --

    def masks_over(self):
        return [block for block in self.cover if block.owner and not block.owner.done] + [
            block for block in self.blocks if block.kind == "mask"
        ]

    def mask(self):
        return max((block.level for block in self.masks_over()), default=0)

    def masks_plain(self):
        return any(block.plain for block in self.masks_over())

    def accept(self):
        return min((block.level for block in self.blocks if block.kind == "accept"), default=20)

    @property
    def threshold(self):
        return max(self.mask() + 1, min(self.accept(), 20))

    def passes(self, delivery):
        return passes(delivery.signal.level, mask=self.mask(), accept=min(self.accept(), 20), forced=delivery.forced)

    # -- arrivals --

    @property
    def force(self):
        return max((delivery.signal.level for delivery, _ in self.in_force), default=0)

    def state(self):
        if self.done:
            return "done"
        if self.loop.current is self:
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
        delivery = Delivery(Signal(signal.cls, signal.reason, self.name), way == "by the parent")
        self.history.append(delivery)
        fate, state = self.judge(delivery, arriving=True), self.state()
        self.row("arrival", state, fate)
        self.row("level", signal.cls, fate)
        self.row("way", way, fate)
        if fate == "flies":
            self.launch(delivery)
        else:
            delivery.fate = fate
        return fate

    def judge(self, delivery, *, arriving):
        signal = delivery.signal
        handler = arriving and not self.done and self.handled(signal)
        fate = fate_of(
            signal.level,
            done=self.done,
            handler=handler,
            may_pass=self.passes(delivery),
            pending=any(other.signal.cls == signal.cls for other in self.held),
            force=self.force,
            flying=self.flying.signal.level if self.flying else 0,
        )
        if fate == "held":
            self.hold(delivery)
        return fate

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
        self.held.append(delivery)
        for cls, future in self.listening:
            if cls in KINDS[delivery.signal.cls] and not future.done:
                future.settle()
        for block in reversed(self.masks_over()):
            if block.level >= delivery.signal.level and block.owner is not self:
                block.waiting.append(self)

    def requested(self, cls):
        """R12."""
        of_class = [delivery.signal for delivery in self.held if cls in KINDS[delivery.signal.cls]]
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

    def pick(self):
        """R14: the strongest of what is held and may now be thrown; the others of it are superseded."""
        ready = [delivery for delivery in self.held if self.passes(delivery)]
        self.held = [delivery for delivery in self.held if delivery not in ready]
        if not ready:
            return None
        best = max(ready, key=lambda delivery: delivery.signal.level)
        for delivery in ready:
            delivery.fate = "superseded"
        best.fate = "held"
        fate = self.judge(best, arriving=False)
        if fate == "flies":
            return best
        best.fate = fate
        return None

    # -- flight (R5, R6, R8) --

    def launch(self, delivery):
        self.row("launch", "over a weaker one" if self.flying else "alone")
        if self.flying:
            self.flying.fate = "superseded"
        self.flying = delivery
        self.weight += 1
        launches = self.loop.launches
        launches.append((self, delivery.signal))
        if len(launches) > 1:
            return  # whoever works the queue off will come to it
        while launches:
            task, signal = launches[0]
            task.ask(signal)
            if signal.level >= KILL:
                task.cut_loose()
                self.loop.call_soon(task.cut_loose)
            launches.popleft()

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
            return self.receive(msg, "by await") in ("flies", "superseded", "handled")
        parent = self.parent
        if parent is not None and self.loop.current is parent and parent.in_force:
            signal = parent.in_force[-1][0].signal
            before = any(one.forced and one.signal.reason == signal.reason for one in self.history)
            if not before:
                self.row("cancel", "passed on")
                return self.receive(signal, "by the parent") != "refused"
        if self.done:
            self.row("cancel", "done")
            return False
        if self.masks_plain():
            self.row("cancel", "held")
            self.plain_held += 1
            for block in reversed(self.masks_over()):
                if block.plain and block.owner is not self:
                    block.waiting.append(self)
            return True
        self.row("cancel", "plain")
        return self.ask(None)

    def cut_loose(self):
        """R18: what it awaits will not be cancelled."""
        waiter = self.waiter
        if not self.done and waiter is not None and not waiter.done and self.wake in waiter.callbacks:
            self.row("kill", "cut loose")
            waiter.callbacks.remove(self.wake)
            self.loop.call_soon(self.step, Cancelled())

    def release(self):
        """A block that held this back closed elsewhere: thrown at the await the task is in."""
        if self.done:
            return
        delivery = self.pick()
        if delivery:
            self.row("mask", "a child is released" if self.loop.current is not self else "left by an error")
            self.launch(delivery)
        if self.plain_held and not self.masks_plain():
            self.requests += self.plain_held - 1
            self.plain_held = 0
            self.ask(None)

    def raise_now(self, delivery):
        delivery.fate = "thrown"
        self.plain_last = False
        self.requests += 1
        self.in_force.append((delivery, 1))
        raise delivery.signal.copy()

    # -- counts (R23) --

    def take_back(self, weight):
        """The requests of one signal; a plain cancel that a mask holds is another's (R14)."""
        held, self.plain_held = self.plain_held, 0
        for _ in range(weight):
            self.uncancel()
        self.plain_held = held

    def cancelling(self):
        return self.requests + self.plain_held

    def uncancel(self):
        if self.plain_held:
            self.row("uncancel", "a held one")
            self.plain_held -= 1
        elif self.requests:
            self.requests -= 1
            self.row("uncancel", "one" if self.requests else "last")
            if self.requests == 0 and sys.version_info >= (3, 13):
                self.must_cancel = False
        else:
            self.row("uncancel", "none")
        if self.flying:
            covered = self.cancelling() - sum(weight for _, weight in self.in_force)
            self.weight = min(self.weight, max(0, covered))
        while self.in_force and self.cancelling() < sum(weight for _, weight in self.in_force):
            self.row("uncancel", "one in force")
            self.in_force.pop()
        return self.cancelling()

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
        if self.flying and self.flying.signal.level >= KILL:
            return self.die(self.land())
        if self.flying and isinstance(error, Cancelled):
            self.row("flight", "thrown" if self.started else "never ran")
            error = self.land().signal.copy()
        else:
            if self.flying:
                self.row("flight", "consumed" if error is None else "consumed by an error")
                self.flying.fate, weight = "consumed", self.weight
                self.flying, self.weight = None, 0
                self.take_back(weight)
            if isinstance(error, Cancelled):
                self.plain_last = not isinstance(error, Signal)
        self.started = True
        return self.coro.send(None) if error is None else self.coro.throw(error)

    def land(self):
        delivery, weight = self.flying, self.weight
        self.flying, self.weight = None, 0
        delivery.fate = "thrown"
        self.plain_last = False
        if weight:
            self.in_force.append((delivery, weight))
        return delivery

    def die(self, delivery):
        """R19: every suspension is answered with it again, twenty times in all."""
        for turn in range(KILL_ROUNDS):
            try:
                self.coro.throw(delivery.signal.copy() if turn < KILL_ROUNDS // 2 else Killed())
            except Signal as signal:
                self.row("kill", "passed" if signal.level >= KILL else "swallowed")
                raise (signal if signal.level >= KILL else delivery.signal.copy()) from None
            except (StopIteration, Cancelled, Killed):
                self.row("kill", "swallowed")
                raise delivery.signal.copy() from None
            except BaseException as failure:
                others = failure.split(Killed)[1] if isinstance(failure, BaseExceptionGroup) else failure
                self.row("kill", "wrapped" if others is None else "error")
                raise delivery.signal.copy() if others is None else others from None
            self.row("kill", "refused")
        self.row("kill", "abandoned")
        raise delivery.signal.copy()

    def end(self, error):
        if isinstance(error, Signal):
            self.ended = error.copy()
        elif isinstance(error, Cancelled):
            if self.flying:
                self.row("flight", "ended before its await")
                self.ended = self.land().signal
            elif self.in_force and not self.plain_last:
                self.ended = self.in_force[-1][0].signal
        self.settle(error=error)

    def failure(self):
        if isinstance(self.error, Cancelled):
            return self.ended.copy() if self.ended else Cancelled()
        return self.error


def new_loop(loop):
    loop.launches = deque()
    return loop
