"""The ground the model stands on: a loop, futures, gather, TaskGroup and timeout, as asyncio documents them.

Nothing of asyncio is used here, and nothing here knows of signals: that is `model.py`. A task is whatever has the
methods of `model.Task`. All is plain Python that runs one thing after another.
"""

from __future__ import annotations

import heapq
import sys
from collections import deque


class Cancelled(BaseException):
    """What stands for `asyncio.CancelledError`."""


RESOLUTION = 1e-9
"""Of the clock: timers no further apart than this fire in one turn."""


class Loop:
    """What is ready runs in order; when nothing is, the clock jumps to the next timer."""

    def __init__(self):
        self.ready = deque()
        self.timers = []
        self.now = 0.0
        self.current = None
        self.count = 0

    def call_soon(self, function, *args):
        self.ready.append((function, args))

    def call_later(self, seconds, function):
        self.count += 1
        timer = [self.now + seconds, self.count, function]
        heapq.heappush(self.timers, timer)
        return timer

    def run(self, seconds):
        """Run until nothing is ready and so much time has passed."""
        until, budget = self.now + seconds, 100_000
        while self.ready or (self.timers and self.timers[0][0] < until):
            while self.ready:
                function, args = self.ready.popleft()
                function(*args)
                budget -= 1
                assert budget, "the model does not come to rest"
            if self.timers and self.timers[0][0] < until:
                self.now = self.timers[0][0]
                # asyncio makes all that is due ready at once: what one of them wakes runs after the last of them.
                while self.timers and self.timers[0][0] <= self.now + RESOLUTION:
                    self.call_soon(self.fire, heapq.heappop(self.timers))
        self.now = until

    def fire(self, timer):
        """Run it, unless it was cancelled meanwhile."""
        if timer[2] is not None:
            timer[2]()


class Future:
    def __init__(self, loop):
        self.loop, self.callbacks = loop, []
        self.done, self.error, self.value = False, None, None

    def cancel(self, msg=None):
        if self.done:
            return False
        self.settle(error=Cancelled())
        return True

    def settle(self, value=None, error=None):
        assert not self.done
        self.done, self.value, self.error = True, value, error
        for callback in self.callbacks:
            self.loop.call_soon(callback, self)
        self.callbacks = []

    def failure(self):
        """What an awaiter of this future sees: each a fresh copy."""
        return Cancelled() if isinstance(self.error, Cancelled) else self.error

    def __await__(self):
        if not self.done:
            yield self
        error = self.failure()
        if error is not None:
            raise error
        return self.value


class Turn:
    """`sleep(0)`."""

    def __await__(self):
        yield None


async def sleep(loop, seconds):
    future = Future(loop)
    timer = loop.call_later(seconds, lambda: future.done or future.settle())
    try:
        await future
    finally:
        timer[2] = None


class Gather(Future):
    """Done with the first error of its children, or when all are done; a cancelled one waits for its children."""

    def __init__(self, loop, children):
        super().__init__(loop)
        self.children = list(dict.fromkeys(children))
        self.asked = False
        self.left = len(self.children)
        early = [child for child in self.children if child.done]
        for child in self.children:
            if not child.done:
                child.callbacks.append(self.child_done)
        for child in early:
            if sys.version_info >= (3, 12):
                self.child_done(child)
            else:
                loop.call_soon(self.child_done, child)

    def cancel(self, msg=None):
        if self.done:
            return False
        answers = [child.cancel(msg) for child in self.children]
        self.asked = self.asked or any(answers)
        return any(answers)

    def child_done(self, child):
        self.left -= 1
        if self.done:
            return
        if child.error is not None:
            self.settle(error=child.failure())
        elif self.left == 0:
            self.settle(error=Cancelled() if self.asked else None)

    def failure(self):
        return self.error


class Timeout:
    """`asyncio.timeout`: cancels the task when time is up, takes that back and raises `TimeoutError`."""

    def __init__(self, task, seconds):
        self.task, self.seconds, self.expired = task, seconds, False

    async def __aenter__(self):
        self.count = self.task.cancelling()
        self.timer = self.task.loop.call_later(self.seconds, self.expire)

    def expire(self):
        self.task.cancel()
        self.expired = True

    async def __aexit__(self, et, error, tb):
        self.timer[2] = None
        if self.expired and self.task.uncancel() <= self.count and isinstance(error, Cancelled):
            self.task.row("timeout", "TimeoutError")
            raise TimeoutError from None
        self.task.row("timeout", "time was left" if not self.expired else "another cancellation goes on")


class TaskGroup:
    """`asyncio.TaskGroup`, with what 3.13 and 3.15 changed in it."""

    def __init__(self, parent):
        self.parent, self.loop = parent, parent.loop
        self.tasks, self.errors = {}, []
        self.aborting = self.asked_parent = self.exiting = False
        self.empty = None

    def open(self):
        return not self.aborting and not (self.exiting and not self.tasks)

    def add(self, task):
        self.tasks[task] = None
        task.callbacks.append(self.child_done)

    def abort(self):
        self.aborting = True
        for task in list(self.tasks):
            if not task.done:
                task.cancel()

    def child_done(self, task):
        del self.tasks[task]
        if self.empty is not None and not self.tasks and not self.empty.done:
            self.empty.settle()
        if task.error is None or isinstance(task.error, Cancelled):
            return
        self.errors.append(task.error)
        if not self.parent.done and not self.aborting and not self.asked_parent:
            self.parent.row("group", "a child failed")
            self.abort()
            self.asked_parent = True
            self.parent.cancel()

    async def __aenter__(self):
        return self

    async def __aexit__(self, et, error, tb):
        self.exiting, pending = True, None
        passing = error if isinstance(error, Cancelled) else None
        if sys.version_info < (3, 13) and self.asked_parent and self.parent.uncancel() == 0:
            passing = None
        if error is not None and not self.aborting:
            self.parent.row("group", "left by an exception")
            self.abort()
        while self.tasks:
            self.empty = self.empty or Future(self.loop)
            try:
                await self.empty
            except Cancelled as cancelled:
                self.parent.row("group", "cancelled while it waited")
                pending = cancelled
                if not self.aborting:
                    passing = cancelled
                    with self.parent.handles(cancelled):
                        self.abort()
            self.empty = None
        if sys.version_info >= (3, 13) and self.asked_parent:
            if self.parent.uncancel() == 0:
                passing = None
            elif passing is None and sys.version_info >= (3, 15):
                passing = pending
        if passing is not None and not self.errors:
            raise passing
        if error is not None and not isinstance(error, Cancelled):
            self.errors.append(error)
        if self.errors:
            if sys.version_info >= (3, 13) and self.parent.cancelling():
                self.parent.uncancel()
                self.parent.cancel()
            raise BaseExceptionGroup("errors", self.errors) from None
