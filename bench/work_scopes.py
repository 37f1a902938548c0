"""anyio's and trio's part in the rows: their task groups, streams, events and cancel scopes, in the same code for both.

A signal to one task is its scope's `cancel(reason=...)`. So each task that is to be told has a scope around its wait,
which is how their documentation has it, and `mask` is `CancelScope(shield=True)`. What each library calls these, and
what it does in its own way, stands in `work_anyio` and `work_trio`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from section import Section
from work_signals import CHILDREN, FRAMES, REASON
from work_tasks import DEPTH, TOGETHER, deep, nothing


@dataclass(frozen=True)
class Library:
    """What a library has for the workloads, which are its methods."""

    group_of: Any
    """Makes a task group, or nursery."""
    scope_of: Any
    event_of: Any
    stream_of: Any
    """Makes the two ends of a stream, or channel, with room for so many."""
    checkpoint: Any
    """What its users await as asyncio's do `sleep(0)`."""
    turn: Any
    """The least that gives the loop a turn: awaited until something is seen."""
    wait_for_ever: Any

    def workloads(self) -> dict[str, Any]:
        """What it can do, by name."""
        return {
            "step": self.step,
            "chain": self.chain,
            "pingpong": self.pingpong,
            "queue": self.queue,
            "group": self.group,
            "done": self.to_done(None),
            "reason": self.to_done(REASON),
            "handled": self.handled,
            "caught": self.handled,
            "frames": self.to_done(REASON, lambda: deep(FRAMES - 1, self.wait_for_ever)),
            "tellgroup": self.tellgroup,
            "stop": self.stop,
            "mask": self.shield,
            "accept": self.scope,
            "catch": self.scope,
        }

    async def _steps(self, n: int) -> None:
        checkpoint = self.checkpoint
        for _ in range(n):
            await checkpoint()

    async def _run(self, body: Any, *args: Any) -> None:
        async with self.group_of() as tasks:
            tasks.start_soon(body, *args)

    async def step(self, n: int, section: Section) -> None:
        """A checkpoint, n times."""
        section.start()
        await self._run(self._steps, n)
        section.stop()

    async def chain(self, n: int, section: Section) -> None:
        """As `step`, twenty coroutines down."""
        section.start()
        await self._run(deep, DEPTH - 1, lambda: self._steps(n))
        section.stop()

    async def pingpong(self, n: int, section: Section) -> None:
        """Two tasks that wake each other by events."""
        event_of = self.event_of
        balls = [event_of(), event_of()]

        async def player(me: int) -> None:
            for _ in range(n // 2):
                await balls[me].wait()
                balls[me] = event_of()
                balls[1 - me].set()

        section.start()
        async with self.group_of() as tasks:
            tasks.start_soon(player, 0)
            tasks.start_soon(player, 1)
            balls[0].set()
        section.stop()

    async def queue(self, n: int, section: Section) -> None:
        """A stream with room for one."""
        send, receive = self.stream_of(1)

        async def give() -> None:
            for i in range(n):
                await send.send(i)

        async def take() -> None:
            for _ in range(n):
                await receive.receive()

        section.start()
        async with self.group_of() as tasks:
            tasks.start_soon(give)
            tasks.start_soon(take)
        section.stop()
        send.close()
        receive.close()

    async def group(self, n: int, section: Section) -> None:
        """Groups of a hundred."""
        section.start()
        for _ in range(n // TOGETHER):
            async with self.group_of() as tasks:
                for _ in range(TOGETHER):
                    tasks.start_soon(nothing)
        section.stop()

    # -- d to f -------------------------------------------------------------------------------------------------------

    def to_done(self, reason: str | None, body: Any = None) -> Any:
        """The workload: n tasks, a scope in each, told one after the other."""
        scope_of, turn, body = self.scope_of, self.turn, body or self.wait_for_ever

        async def workload(n: int, section: Section) -> None:
            scopes: list[Any] = []
            ended = [0]

            async def victim() -> None:
                with scope_of() as scope:
                    scopes.append(scope)
                    await body()
                ended[0] += 1

            async with self.group_of() as tasks:
                for _ in range(n):
                    tasks.start_soon(victim)
                for _ in range(4):
                    await turn()
                section.start()
                for i, scope in enumerate(scopes):
                    scope.cancel(reason=reason)
                    while ended[0] == i:
                        await turn()
                section.stop()

        return workload

    async def handled(self, n: int, section: Section) -> None:
        """One task that takes n cancellations, a new scope for each."""
        scope_of, turn, wait_for_ever = self.scope_of, self.turn, self.wait_for_ever
        scopes: list[Any] = []
        count = [0]

        async def victim() -> None:
            for _ in range(n):
                with scope_of() as scope:
                    scopes[:] = [scope]
                    await wait_for_ever()
                count[0] += 1

        async with self.group_of() as tasks:
            tasks.start_soon(victim)
            while not scopes:
                await turn()
            section.start()
            for i in range(n):
                scopes[0].cancel(reason=REASON)
                while count[0] == i:
                    await turn()
            section.stop()

    async def tellgroup(self, n: int, section: Section) -> None:
        """Groups with a thousand children, told one after the other."""
        turn, wait_for_ever = self.turn, self.wait_for_ever
        groups: list[Any] = []
        ended = [0]

        async def holder() -> None:
            async with self.group_of() as tasks:
                groups.append(tasks)
                for _ in range(min(n, CHILDREN)):
                    tasks.start_soon(wait_for_ever)
                await wait_for_ever()
            ended[0] += 1

        async with self.group_of() as tasks:
            for _ in range(max(1, n // CHILDREN)):
                tasks.start_soon(holder)
            for _ in range(4):
                await turn()
            section.start()
            for i, one in enumerate(groups):
                one.cancel_scope.cancel(reason=REASON)
                while ended[0] == i:
                    await turn()
            section.stop()

    async def stop(self, n: int, section: Section) -> None:
        """Cancel the scope of a group of n tasks, and leave it."""
        async with self.group_of() as tasks:
            for _ in range(n):
                tasks.start_soon(self.wait_for_ever)
            for _ in range(3):
                await self.turn()
            section.start()
            tasks.cancel_scope.cancel(reason="the program ends")
        section.stop()

    # -- g ------------------------------------------------------------------------------------------------------------

    async def shield(self, n: int, section: Section) -> None:
        """`with CancelScope(shield=True)`."""
        scope_of = self.scope_of
        section.start()
        for _ in range(n):
            with scope_of(shield=True):
                pass
        section.stop()

    async def scope(self, n: int, section: Section) -> None:
        """`with CancelScope()`."""
        scope_of = self.scope_of
        section.start()
        for _ in range(n):
            with scope_of():
                pass
        section.stop()
