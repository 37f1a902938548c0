"""R13 to R17: the model's blocks. Entering and leaving one throws nothing; what is due is looked for a turn later."""

from __future__ import annotations

from ground import Cancelled
from tables import KILL, KINDS, LEVELS, Signal


class Block:
    level, accepts, plain, cls = 0, KILL, False, None

    def __init__(self, kind, owner):
        self.kind, self.owner, self.waiting = kind, owner, None

    def __enter__(self):
        self.owner.blocks.append(self)
        if self.owner.pending:
            self.owner.look_later()
        return self

    def leave(self):
        task, self.owner = self.owner, None
        assert task.blocks.pop() is self
        if task.pending or task.plain_held:
            task.look_later()
        return task

    def __exit__(self, et, error, tb):
        self.leave()


class Accept(Block):
    def __init__(self, owner, cls):
        super().__init__("accept", owner)
        self.accepts = LEVELS[cls]

    def __enter__(self):
        super().__enter__()
        self.owner.row("accept", "something is due" if self.owner.is_due() else "nothing is due")
        return self


class Mask(Block):
    def __init__(self, owner, cls, plain, within):
        super().__init__("mask", owner)
        self.level, self.plain, self.within = LEVELS[cls], plain, within

    def __enter__(self):
        super().__enter__()
        if self.within:
            self.timer = self.owner.loop.call_later(self.within, self.expire)
        return self

    def expire(self):
        self.owner.row("mask", "within ends it")
        owner, self.level, self.plain = self.owner, 0, False
        self.look_again()
        owner.look_later()

    def is_waited_for_by(self, task):
        if self.waiting is None:
            self.waiting = []
            self.owner.callbacks.append(self.owner_ended)
        if task not in self.waiting:
            self.waiting.append(task)

    def owner_ended(self, owner):
        self.look_again()

    def look_again(self):
        waiting, self.waiting = self.waiting, None
        for task in waiting or ():
            task.row("mask", "looks at a child")
            task.look()

    def __exit__(self, et, error, tb):
        if self.within:
            self.timer[2] = None
        task = self.leave()
        task.row("mask", "holds something" if task.pending or task.plain_held else "nothing held")
        if self.waiting is not None:
            task.callbacks = [each for each in task.callbacks if each != self.owner_ended]
        self.look_again()


class OnSignal(Block):
    def __init__(self, owner, cls, callback):
        super().__init__("on_signal", owner)
        self.cls, self.callback = cls, callback


class Catch(Block):
    def __init__(self, owner, cls):
        super().__init__("catch", owner)
        self.cls, self.accepts, self.caught = cls, LEVELS[cls], None

    def __enter__(self):
        self.count, self.owed = self.owner.requests, self.owner.owed
        return super().__enter__()

    def __exit__(self, et, error, tb):
        task = self.leave()
        if not isinstance(error, Signal) or self.cls not in KINDS[error.cls] or error.level >= KILL:
            task.row("catch", "nothing" if error is None else "another exception")
            return False
        if error.target != task.name:
            task.row("catch", "of another task")
            return False
        self.caught = error
        task.take_back(max(0, task.owed - self.owed))
        if task.requests > self.count:
            task.row("catch", "a plain one came too")
            plain = Cancelled()
            task.land_plain(plain)
            raise plain
        task.row("catch", "caught")
        return True
