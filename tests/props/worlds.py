"""The two worlds a program runs in: the model's, and the real one with sigtask's tasks on a loop whose clock jumps."""

from __future__ import annotations

import asyncio
import contextlib

import blocks
import ground
import leaving
import model
import tables
from program import Oops, World

import sigtask
from sigtask._core import delivery
from sigtask.testing import FakeClockLoop

# What asyncio, or R15, says of programs like these.
EXPECTED = ("on_signal callback", "exception was never retrieved", "errored out but its parent task")


class Reload(sigtask.Drain):
    pass


class Preempted(sigtask.Interrupt):
    level = 25


CLASSES = {
    "Signal": sigtask.Signal,
    "Drain": sigtask.Drain,
    "Reload": Reload,
    "Interrupt": sigtask.Interrupt,
    "Preempted": Preempted,
    "Terminate": sigtask.Terminate,
    "Kill": sigtask.Kill,
}


class ModelWorld(World):
    Cancelled = ground.Cancelled

    def __init__(self):
        self.loop = model.new_loop(ground.Loop())
        super().__init__()

    def future(self):
        return ground.Future(self.loop)

    def is_done(self, future):
        return future.done

    def set_result(self, future):
        future.settle()

    def start(self, coro, name, group):
        task = model.Task(self.loop, coro, name, self.loop.current)
        if group is not None:
            group.add(task)
        return task

    def is_open(self, group):
        return group.open()

    def send_signal(self, task, cls, reason):
        task.send(tables.Signal(cls, reason))

    cancel_with = send_signal

    def fail_in_callback(self):
        raise tables.CallbackFailed

    def gather(self, tasks):
        return ground.Gather(self.loop, tasks)

    def sleep(self, seconds):
        return ground.sleep(self.loop, seconds)

    def turn(self):
        return ground.Turn()

    def mask(self, cls, plain, within):
        return blocks.Mask(self.loop.current, cls, plain, within)

    def accept(self, cls):
        return blocks.Accept(self.loop.current, cls)

    def catch(self, cls):
        return blocks.Catch(self.loop.current, cls)

    def on_signal(self, cls, callback):
        return blocks.OnSignal(self.loop.current, cls, callback)

    def requested(self, cls):
        return self.loop.current.requested(cls)

    def wait_requested(self, cls):
        return self.loop.current.wait_requested(cls)

    async def until(self, cls, future):
        task = self.loop.current
        with blocks.Catch(task, cls) as caught:
            if taken := task.take(cls):
                task.row("until", "at once")
                return taken.signal
            await future
            task.row("until", "the other thing")
            return None
        task.row("until", "later")
        return caught.caught

    def handles(self, me, error):
        return self.tasks[me].handles(error)

    def timeout(self, seconds):
        return leaving.timeout(self.loop.current, seconds)

    def task_group(self):
        return leaving.group(self.loop.current)

    def describe(self, error):
        if isinstance(error, tables.Signal):
            return error.cls, error.reason, error.target
        return type(error).__name__

    def run(self, seconds):
        self.loop.run(seconds)

    def call_soon(self, function):
        self.loop.call_soon(function)

    def look(self, task):
        return {
            "end": self._end(task),
            "ended by": task.ended and self.describe(task.ended),
            "history": [(one.signal.cls, one.signal.reason, one.fate) for one in task.history],
            "threshold": task.threshold,
            "cancelling": task.cancelling(),
        }

    def _end(self, task):
        return None if not task.done else "returned" if task.error is None else self.describe(task.failure())

    def close(self):
        self.over = True
        for task in self.tasks:
            with contextlib.suppress(BaseException):  # an abandoned one may have anything to say
                task.coro.close()


class _Ordered(dict):
    """A set with an order: asyncio's TaskGroup keeps its children in a set, whose order is chance."""

    def add(self, task):
        self[task] = None

    def discard(self, task):
        self.pop(task, None)


class RealWorld(World):
    Cancelled = asyncio.CancelledError

    def __init__(self):
        self.remembered, delivery.HISTORY = delivery.HISTORY, 1_000_000  # every signal is to be counted
        self.loop = FakeClockLoop()
        self.complaints = []
        self.loop.set_exception_handler(lambda _, context: self._complain(context))
        sigtask.install(self.loop)
        super().__init__()

    def _complain(self, context):
        if not any(words in context["message"] for words in EXPECTED):
            self.complaints.append(context)

    def future(self):
        return self.loop.create_future()

    def is_done(self, future):
        return future.done()

    def set_result(self, future):
        future.set_result(None)

    def start(self, coro, name, group):
        return self.loop.create_task(coro, name=name) if group is None else group.create_task(coro, name=name)

    def is_open(self, group):
        return not group._aborting and not (group._exiting and not group._tasks)

    def send_signal(self, task, cls, reason):
        task.send_signal(CLASSES[cls](reason))

    def cancel_with(self, task, cls, reason):
        task.cancel(reason=CLASSES[cls](reason))

    def fail_in_callback(self):
        raise ZeroDivisionError

    def gather(self, tasks):
        return asyncio.gather(*tasks)

    def sleep(self, seconds):
        return asyncio.sleep(seconds)

    def turn(self):
        return asyncio.sleep(0)

    def mask(self, cls, plain, within):
        return sigtask.mask(CLASSES[cls], plain=plain, within=within)

    def accept(self, cls):
        return sigtask.accept(CLASSES[cls])

    def catch(self, cls):
        return sigtask.catch(CLASSES[cls])

    def on_signal(self, cls, callback):
        return sigtask.on_signal(CLASSES[cls], callback)

    def requested(self, cls):
        return sigtask.requested(CLASSES[cls])

    def wait_requested(self, cls):
        return sigtask.wait_requested(CLASSES[cls])

    def until(self, cls, future):
        return sigtask.until(CLASSES[cls], future)

    def handles(self, me, error):
        return contextlib.nullcontext()

    def timeout(self, seconds):
        return asyncio.timeout(seconds)

    def task_group(self):
        group = asyncio.TaskGroup()
        group._tasks = _Ordered()
        return group

    def describe(self, error):
        if isinstance(error, sigtask.Signal):
            target = error.target
            return type(error).__name__, error.reason, target if isinstance(target, str) else target.get_name()
        return "Cancelled" if type(error) is asyncio.CancelledError else type(error).__name__

    def run(self, seconds):
        self.loop.call_later(seconds, self.loop.stop)
        self.loop.run_forever()

    def call_soon(self, function):
        self.loop.call_soon(function)

    def look(self, task):
        return {
            "end": self._end(task),
            "ended by": task.ended_by and self.describe(task.ended_by),
            "history": [(type(d.signal).__name__, d.signal.reason, d.fate.value) for d in task.history],
            "threshold": task.threshold,
            "cancelling": task.cancelling(),
        }

    def _end(self, task):
        if not task.done():
            return None
        try:
            task.result()
        except BaseException as error:
            return self.describe(error)
        return "returned"

    def close(self):
        self.over = True
        self.loop.close()
        delivery.HISTORY = self.remembered


__all__ = ["ModelWorld", "Oops", "RealWorld"]
