"""What the model's tasks make of `ground`'s scopes: what leaves them (R5, R22)."""

from __future__ import annotations

import ground
from ground import Cancelled
from tables import KILL, leads


class Leaving:
    """A scope that is being left: which signals led to that, and how many had come by then."""

    def __init__(self, task, entered_at, error):
        self.left_at, self.owed = task.landed, task.owed
        self.led = [
            one
            for one in task.history
            if one.fate == "delivered" and one.number > entered_at and not one.taken_back
            if leads(error, one.thrown)
            or (error is not None and error is task.plain_thrown and one is task.plain_under)
        ]
        if task.again:
            self.led.append(task.again)

    def strongest(self, task):
        came = [one for one in task.history if one.fate == "delivered" and one.number > self.left_at]
        return max([*self.led, *came], key=lambda one: one.signal.level, default=None)

    def answers(self, task):
        """Whether what asyncio's group asks of itself is for a signal."""
        return task.owed < self.owed or self.strongest(task) is not None


class Scope:
    """Enters and leaves a scope of `ground`'s, in the place of which the strongest signal leaves it."""

    is_group = False

    def __init__(self, task, inner):
        self.task, self.inner = task, inner

    async def __aenter__(self):
        self.entered_at = self.task.landed
        await self.inner.__aenter__()
        return self.inner

    async def __aexit__(self, et, error, tb):
        task, scope, left = self.task, Leaving(self.task, self.entered_at, error), None
        if self.is_group:
            task.leaving.append(scope)
        try:
            with task.handles(error):
                taken = await self.inner.__aexit__(et, error, tb)
            left = None if taken else error
            return taken
        except BaseException as failure:
            left = failure
            raise
        finally:
            if self.is_group:
                task.leaving.remove(scope)
            self.let_the_strongest_leave(task, scope, left)

    def let_the_strongest_leave(self, task, scope, left):
        strongest = scope.strongest(task)
        if strongest is None or strongest is task.again:
            return
        if left is None or isinstance(left, Cancelled):
            if getattr(left, "level", -1) < strongest.signal.level:
                task.row("scope", "left by the strongest")
                raise task.throw_into(strongest)
            task.row("scope", "as asyncio has it")
        elif self.is_group and strongest.signal.level < KILL:
            task.row("scope", "thrown again")
            task.throw_again(strongest)


class Group(Scope):
    is_group = True


def timeout(task, seconds):
    return Scope(task, ground.Timeout(task, seconds))


def group(task):
    return Group(task, ground.TaskGroup(task))
