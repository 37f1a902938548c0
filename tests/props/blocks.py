"""R13 to R17: the model's blocks."""

from __future__ import annotations

from ground import Cancelled
from tables import KILL, KINDS, LEVELS, Signal


class Block:
    level, plain, cls = 0, False, None

    def __init__(self, kind, owner):
        self.kind, self.owner, self.waiting = kind, owner, []

    def __enter__(self):
        self.owner.blocks.append(self)
        return self

    def leave(self):
        task, self.owner = self.owner, None
        assert task.blocks.pop() is self
        return task

    def __exit__(self, et, error, tb):
        self.leave()


class Accept(Block):
    def __init__(self, owner, cls):
        super().__init__("accept", owner)
        self.level = LEVELS[cls]

    def __enter__(self):
        super().__enter__()
        delivery = self.owner.pick()
        self.owner.row("accept", "raises" if delivery else "nothing held")
        if delivery:
            self.leave().raise_now(delivery)
        return self


class Mask(Block):
    def __init__(self, owner, cls, plain, within):
        super().__init__("mask", owner)
        self.level, self.plain, self.within = LEVELS[cls], plain, within

    def __enter__(self):
        if self.within:
            self.timer = self.owner.loop.call_later(self.within, self.expire)
        return super().__enter__()

    def expire(self):
        self.owner.row("mask", "within ends it")
        owner, self.level, self.plain = self.owner, 0, False
        self.look_again()
        owner.release()

    def look_again(self):
        waiting, self.waiting = self.waiting, []
        for task in waiting:
            task.release()

    def __exit__(self, et, error, tb):
        task = self.leave()
        if self.within:
            self.timer[2] = None
        self.look_again()
        if error is not None:
            return task.release()
        delivery, plain = task.pick(), 0 if task.masks_plain() else task.plain_held
        task.plain_held, task.requests = task.plain_held - plain, task.requests + plain
        if delivery:
            task.row("mask", "raises")
            task.raise_now(delivery)
        if plain:
            task.row("mask", "raises a plain cancel")
            raise Cancelled
        task.row("mask", "still masked" if task.held or task.plain_held else "nothing held")


class OnSignal(Block):
    def __init__(self, owner, cls, callback):
        super().__init__("on_signal", owner)
        self.cls, self.callback = cls, callback


class Catch(Block):
    def __init__(self, owner, cls):
        super().__init__("catch", owner)
        self.cls = cls

    def __enter__(self):
        self.count = self.owner.requests  # a plain cancel that a mask holds has not come yet (R14)
        return super().__enter__()

    def __exit__(self, et, error, tb):
        task = self.leave()
        if not isinstance(error, Signal) or self.cls not in KINDS[error.cls] or error.level >= KILL:
            task.row("catch", "nothing" if error is None else "another exception")
            return False
        if error.target != task.name:
            task.row("catch", "of another task")
            return False
        for index in reversed(range(len(task.in_force))):
            delivery, weight = task.in_force[index]
            if delivery.signal.reason == error.reason:
                del task.in_force[index]
                task.take_back(weight)
                break
        if task.requests > self.count:
            task.row("catch", "a plain one came too")
            raise Cancelled from None
        task.row("catch", "caught")
        return True
