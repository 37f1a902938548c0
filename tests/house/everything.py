"""A program that uses all that is public. mypy and pyright read it, both strict (`make types`); it runs, too.

What a type checker has to find out stands in `assert_type`.
"""

import asyncio
import os
import sys
from typing import Literal, assert_type

import sigtask
from sigtask import (
    ChildReport,
    Delivery,
    Drain,
    Fate,
    Interrupt,
    Kill,
    Ladder,
    ProcessError,
    ProcessPool,
    ProcessResult,
    Program,
    RemoteError,
    Report,
    Rung,
    RungReport,
    Signal,
    Task,
    TaskReport,
    Terminate,
    ThreadReport,
    WorkerDied,
    abandoned_count,
    accept,
    catch,
    checkpoint,
    create_task,
    defer,
    eager_task_factory,
    extend,
    implementation,
    install,
    mask,
    notify,
    on_signal,
    open_process,
    partial_result,
    requested,
    run,
    run_process,
    stop,
    task_factory,
    time_left,
    to_process,
    to_thread,
    until,
    wait_requested,
)


class DiskFull(Terminate):
    """A signal of the program's own."""

    level = 35


@mask(Terminate)
async def book(order: str, *, times: int = 1) -> list[str]:
    return [order] * times


@accept(Drain)
@on_signal(Interrupt, lambda signal: print("told", assert_type(signal, Interrupt).reason))
async def look() -> int:
    return len(assert_type(await book("tea", times=2), list[str]))


@catch(Drain)
async def rest() -> str:
    return await asyncio.sleep(0, "rested")


def count(upto: int) -> int:
    """In a thread, or in another process."""
    defer(print, end="")
    checkpoint()
    return upto if assert_type(requested(Drain), Drain | None) is None else 0


def crash(status: int) -> int:
    os._exit(status)


async def worker(queue: asyncio.Queue[str]) -> list[str]:
    done: list[str] = []
    while True:
        got = await until(Drain, queue.get())
        assert_type(got, str | Drain)
        if isinstance(got, Drain):
            return done
        done += await book(got)


async def deaf() -> None:
    with catch(DiskFull) as full:
        await asyncio.sleep(3600)
    assert_type(full.signal, DiskFull | None)
    if full:
        assert_type(time_left(), float | None)
        extend(1)
    signal = assert_type(await wait_requested(), Signal)
    assert isinstance(signal, Drain) and requested() is signal
    await asyncio.sleep(3600)


async def tasks() -> None:
    queue = asyncio.Queue[str]()
    task = assert_type(create_task(worker(queue), name="worker"), Task[list[str]])
    queue.put_nowait("coffee")
    # What a block decorates is a coroutine function still.
    assert_type(await asyncio.create_task(look()), int)
    assert_type(await create_task(rest()), str | None)
    assert_type(await to_thread(count, 3), int)
    task.drain("closing time")
    print(assert_type(await task, list[str]))
    assert assert_type(task.history, tuple[Delivery, ...])[0].fate in (Fate.DELIVERED, Fate.HANDLED)

    ladder = Ladder((DiskFull, 0.05), Kill)
    assert assert_type(ladder.rungs[0], Rung).signal is DiskFull
    victim = create_task(deaf())
    await asyncio.sleep(0)
    report = assert_type(await stop(victim, ladder=ladder, reason="no space"), Report)
    rows = assert_type((report.tasks, report.rungs), tuple[tuple[TaskReport, ...], tuple[RungReport, ...]])
    assert_type(report.threads, tuple[ThreadReport, ...])
    assert_type(report.children, tuple[ChildReport, ...])
    print(rows[0][0].ended, "for", assert_type(victim.ended_by, Signal | None))


async def processes() -> None:
    assert_type(await to_process(count, 4), int)
    async with ProcessPool(1) as pool:
        try:
            assert_type(await pool.run(crash, 3), int)
        except (RemoteError, WorkerDied) as error:
            print(type(error).__name__)
    async with open_process(["cat"]) as program:
        assert_type(program, Program).send_signal(15)
    try:
        assert_type(await run_process(["false"]), ProcessResult)
    except ProcessError as error:
        assert_type(partial_result(error), ProcessResult | None)
        print(error.result.ending)


async def main() -> int:
    install()
    assert asyncio.get_running_loop().get_task_factory() in (task_factory, eager_task_factory)
    await tasks()
    if sys.platform != "win32":
        await processes()
    assert_type(implementation, Literal["C", "Python"])
    assert_type(notify("STATUS=done"), bool)
    print(f"sigtask {sigtask.__version__}, {abandoned_count()} abandoned")
    return 0


if __name__ == "__main__":
    sys.exit(assert_type(run(main()), int))
