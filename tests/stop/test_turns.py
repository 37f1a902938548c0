"""R29: main first. Who of a whole program is told when, on a clock that jumps and without a process."""

from __future__ import annotations

import asyncio

import pytest
from tasks import forever

import sigtask
from sigtask import Drain, Interrupt, Kill, Ladder, Signal, Terminate, extend, on_signal
from sigtask._stop.stopping import Stopping
from sigtask._stop.turns import Order, Turn
from sigtask.testing import FakeClockLoop

FIRM = Ladder((Terminate, 8), (Kill, 1), limit=100)


class World:
    """A loop with a program in it: tasks that note when they were told what, and who outside the loop was told."""

    def __init__(self, loop):
        self.loop = loop
        self.told = []
        self.tasks = {}

    def note(self, name, what="told"):
        self.told.append((name, what, self.loop.time()))

    def start(self, name, *, cleanup=100.0, then=lambda: None, spawn=()):
        """A task that takes so long to clean up, and does `then()` before; `spawn` names the children it starts."""

        async def body():
            for child in spawn:
                self.start(child, cleanup=cleanup)
            while True:
                try:
                    await forever()
                except asyncio.CancelledError as error:
                    self.note(name, type(error).__name__)
                    then()
                    await asyncio.sleep(cleanup)
                    return

        self.tasks[name] = self.loop.create_task(body(), name=name)
        self.turn()
        return self.tasks[name]

    def turn(self):
        if not self.loop.is_running():
            self.loop.run_until_complete(asyncio.sleep(0))

    def stop(self, ladder=FIRM, at=None, **order):
        """Put that ladder to everything, to its end; `at` says what is done after so many seconds."""
        order = {"main": self.tasks.get("main"), **order}
        stopping = Stopping(self.loop, (), ladder, everything=True, order=lambda tasks: Order(**order))
        for seconds, do in (at or {}).items():
            self.loop.call_at(self.loop.time() + seconds, do, stopping)
        stopping.begin()
        return self.loop.run_until_complete(stopping.done)

    def names(self, what="Terminate"):
        return [(name, when) for name, kind, when in self.told if kind == what]


@pytest.fixture
def world():
    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        sigtask.install(runner.get_loop())
        yield World(runner.get_loop())


# -- the turns of a rung ----------------------------------------------------------------------------------------------


class Reload(Drain):
    level = 12


def a_rung(signal):
    return Ladder((signal, 1)).rungs[0]


@pytest.mark.parametrize("signal", [Drain, Reload, Kill])
@pytest.mark.parametrize("heard", [True, False])
def test_r29_a_drain_and_a_kill_have_one_turn_which_is_everybodys(signal, heard):
    turns = Order("main", print, heard=heard).turns(a_rung(signal), ["main", "worker"])
    assert [turn.tasks for turn in turns] == [None]


def test_r29_a_kill_goes_to_the_code_around_the_loop_too_and_a_drain_does_not():
    order = Order(None, print)
    assert [order.turns(a_rung(signal), [])[0].outside for signal in (Drain, Kill)] == [False, True]


@pytest.mark.parametrize("signal", [Interrupt, Terminate])
def test_r29_where_a_rung_is_thrown_main_has_the_first_turn_and_who_is_there_the_last(signal):
    turns = Order("main").turns(a_rung(signal), ["main", "worker"])
    assert turns == [Turn(frozenset({"main"})), Turn(frozenset({"main", "worker"}))]


def test_r29_the_code_around_a_loop_has_a_turn_before_its_main():
    turns = Order("main", print).turns(a_rung(Terminate), ["main", "worker"])
    last = Turn(frozenset({"main", "worker"}))
    assert turns == [Turn(frozenset(), outside=True), Turn(frozenset({"main"})), last]


def test_r29_without_a_main_and_code_around_everybody_has_the_first_turn():
    assert Order().turns(a_rung(Terminate), ["worker"]) == [Turn(None)]


@pytest.mark.parametrize("heard", [True, False])
def test_r29_all_at_once_is_one_turn(heard):
    turns = Order("main", print, heard=heard, main_first=False).turns(a_rung(Terminate), ["main"])
    assert turns == [Turn(None, outside=True)]


# -- the turns at work ------------------------------------------------------------------------------------------------


def test_r29_the_others_are_told_when_half_of_the_grace_is_over(world):
    world.start("worker")
    world.start("main")
    world.stop()
    assert world.names() == [("main", 0), ("worker", 4)]


def test_r29_the_next_rung_begins_when_it_would_without_turns(world):
    world.start("worker")
    world.start("main")
    report = world.stop()
    assert [(rung.name, rung.seconds) for rung in report.rungs] == [("terminate", 8), ("kill", 0)]
    assert report.totals == {"ended by Kill": 2}


def test_r29_each_turn_comes_at_half_of_what_is_left(world):
    world.start("worker")
    world.start("main")
    world.stop(outside=lambda: world.note("outside", "Terminate"))
    kill = ("outside", 8)  # which goes to everybody at once
    assert world.names() == [("outside", 0), ("main", 4), ("worker", 6), kill]


def test_r29_all_at_once_tells_all_at_once(world):
    world.start("worker")
    world.start("main")
    world.stop(main_first=False)
    assert sorted(world.names()) == [("main", 0), ("worker", 0)]


def test_r29_a_drain_is_heard_by_all_at_once(world):
    async def drains(name):
        with on_signal(Drain, lambda signal: world.note(name, "Drain")):
            await forever()

    world.tasks = {name: world.loop.create_task(drains(name)) for name in ("main", "worker")}
    world.turn()
    world.stop(Ladder((Drain, 4), (Kill, 1)))
    assert sorted(world.names("Drain")) == [("main", 0), ("worker", 0)]


def test_r29_a_kill_does_not_wait_for_main(world):
    world.start("worker")
    world.start("main")
    world.stop(Ladder((Kill, 8)))
    assert sorted(world.names("Kill")) == [("main", 0), ("worker", 0)]


def test_r29_at_an_orderly_end_those_whom_nobody_started_are_told_first(world):
    world.start("request")
    world.start("main", spawn=["worker"])
    world.turn()
    world.stop(heard=True, outside=lambda: world.note("outside", "Terminate"))
    assert world.names()[:2] == [("request", 0), ("outside", 4)]
    assert sorted(world.names()[2:4]) == [("main", 4), ("worker", 4)]


def test_r29_everybody_is_told_a_rung_once(world):
    world.start("worker")
    main = world.start("main")
    world.stop(at={1: Stopping.let_everybody_be_told, 2: Stopping.let_everybody_be_told})
    assert [type(one.signal) for one in main.history] == [Terminate, Kill]
    assert world.names() == [("main", 0), ("worker", 1)]


# -- when main has ended ----------------------------------------------------------------------------------------------


def test_r29_when_main_has_ended_the_others_are_told_at_once(world):
    world.start("worker", cleanup=1)
    main = world.start("main", cleanup=1)
    stopping = []
    main.add_done_callback(lambda _: stopping[0].let_everybody_be_told())
    world.stop(at={0: stopping.append})
    assert world.names() == [("main", 0), ("worker", 1)]


def test_r29_who_came_since_everybodys_turn_is_told_when_main_has_ended(world):
    world.start("worker")
    world.start("main")
    world.stop(at={5: lambda _: world.start("newcomer"), 6: Stopping.let_everybody_be_told})
    assert world.names() == [("main", 0), ("worker", 4), ("newcomer", 6)]


def test_r29_main_that_ends_while_a_drain_is_under_way_makes_nobody_wait_in_the_next_rung(world):
    world.start("worker")
    world.start("main")
    world.stop(Ladder((Drain, 4), (Terminate, 8), Kill), at={1: Stopping.let_everybody_be_told})
    assert sorted(world.names()) == [("main", 4), ("worker", 4)]


# -- turns cut short, and put off -------------------------------------------------------------------------------------


def test_r29_a_rung_that_is_cut_short_leaves_no_turn_behind(world):
    world.start("worker")
    world.start("main")
    world.stop(Ladder((Interrupt, 8), (Terminate, 8), Kill), at={1: Stopping.advance})
    assert world.names("Interrupt") == [("main", 0)]
    assert world.names() == [("worker", 5)]  # main is at its first cleanup, which no second one has cut here


def test_r27_extend_puts_off_the_turn_that_is_due_and_the_next_rung(world):
    world.start("worker")
    world.start("main")
    report = world.stop(at={2: lambda stopping: stopping.extend(4)})
    assert world.names() == [("main", 0), ("worker", 7)]  # half of the ten seconds that were left then
    assert report.rungs[0].seconds == 12


def test_r27_extend_by_main_as_soon_as_it_is_told_counts_for_all_turns(world):
    world.start("worker")
    world.start("main", then=lambda: extend(4))
    report = world.stop()
    assert world.names() == [("main", 0), ("worker", 6)]
    assert report.rungs[0].seconds == 12


def test_r27_extend_while_a_crowd_is_told_keeps_nobody_from_being_told(world):
    """Telling takes many turns of the loop, in which those who have been told already run."""
    stoppings = []

    async def worker(n):
        with on_signal(Terminate, lambda signal: slow(n)):
            await forever()

    def slow(n):
        world.note(n, "Terminate")
        world.loop.advance(0.004)  # of a slice of 0.010
        world.loop.call_soon(stoppings[0].extend, 1)

    workers = [world.loop.create_task(worker(n)) for n in range(12)]
    world.start("main")
    world.stop(at={0: stoppings.append})
    assert len(world.names()) == 1 + len(workers)


def test_r29_what_telling_a_turn_costs_is_not_taken_from_the_grace(world):
    def slow(signal: Signal):
        world.note("worker", "Terminate")
        world.loop.advance(3)

    async def worker():
        with on_signal(Terminate, slow):
            await forever()

    worker_task = world.loop.create_task(worker())
    world.start("main")
    report = world.stop()
    assert (world.names(), report.rungs[0].seconds) == ([("main", 0), ("worker", 4)], 11)
    assert worker_task.done()
