"""`sigtask top`: its keys, on a screen that is drawn into memory, and a program that runs."""

import asyncio
import contextlib
import os

import pytest

pytest.importorskip("textual")
pytestmark = [pytest.mark.os, pytest.mark.skipif(os.name != "posix", reason="Unix sockets")]
POOL = """
    import asyncio
    from sigtask import Terminate, create_task

    async def worker(number):
        try:
            await asyncio.sleep(1000)
        except Terminate as signal:
            print(number, "ends:", signal.reason)
            raise

    async def main():
        tasks = [create_task(worker(number), name=f"worker {number}") for number in range(30)]
        create_task(asyncio.sleep(1000), name="odd \\x1b[2J[red]")
        await asyncio.sleep(0)
        print("ready")
        await asyncio.sleep(1000)

    asyncio.run(main())
"""


def drive(running, *steps):
    """Run the screen, and give each step the pilot and the app in turn."""
    from sigtask.control._client import Connection
    from sigtask.control._top import Top

    async def main():
        with Connection(running.pid) as connection:
            app = Top(connection)
            async with app.run_test(size=(120, 30)) as pilot:
                await seen(app, pilot)
                for step in steps:
                    await step(pilot, app)
            return app

    return asyncio.run(main())


async def seen(app, pilot):
    looks = app._looks
    for _ in range(500):
        await pilot.pause(0.02)
        if app._looks > looks:
            await pilot.pause()
            return
    raise AssertionError("it has not looked")


def screen(app):
    from sigtask.control._top import Tasks

    table = app.query_one(Tasks)
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


def test_the_tasks_are_drawn_and_those_that_are_alike_are_one_line(program):
    async def step(pilot, app):
        lines = screen(app)
        assert "Task-1 (main)" in lines[0] and "worker 0 (worker)  (30 alike)" in lines[1]
        assert "odd \\x1b[2J[red]" in lines[2]
        await pilot.press("a")
        assert "worker 5 (worker)" in screen(app)[6]

    drive(program(POOL), step)


def test_keys_move_sort_and_filter(program):
    async def step(pilot, app):
        await pilot.press("a", "down", "down")
        assert app.view.row["name"] == "worker 1"
        await pilot.press("end")
        assert app.view.cursor == 31
        await pilot.press("home", "s")
        assert (app.view.cursor, app.view.sort) == (0, "id")
        await pilot.press("slash", *"worker 7", "enter")
        assert [line.row["name"] for line in app.view.lines] == ["worker 7"]
        await pilot.press("escape")
        assert len(app.view.lines) == 32

    drive(program(POOL), step)


def test_a_signal_asks_for_its_reason_and_is_sent_to_the_chosen_task(program):
    running = program(POOL)

    async def step(pilot, app):
        await pilot.press("a", "down", "down", "t")
        await pilot.press(*"too slow", "enter")
        await seen(app, pilot)

    drive(running, step)
    running.wait_for("1 ends: too slow")


def test_escape_sends_nothing(program):
    running = program(POOL)

    async def step(pilot, app):
        await pilot.press("down", "k", *"no", "escape")
        await seen(app, pilot)
        assert len(app.view.program.tasks) == 32

    drive(running, step)


def test_a_signal_on_a_line_of_many_goes_to_all_of_them(program):
    running = program(POOL)

    async def step(pilot, app):
        await pilot.press("down", "t", "enter")
        await seen(app, pilot)
        await seen(app, pilot)
        assert [row["name"] for row in app.view.program.tasks] == ["Task-1", "odd \x1b[2J[red]"]

    drive(running, step)


def test_enter_shows_the_stack_and_who_has_spawned_it(program):
    async def step(pilot, app):
        await pilot.press("down", "enter")
        await seen(app, pilot)
        text = "\n".join(app.view.details(app._stack))
        assert "spawned by 1 Task-1 (main)" in text and "at program_0.py:7 in worker" in text
        assert app.query_one("#details").display

    drive(program(POOL), step)


def test_space_freezes_the_picture(program):
    running = program(POOL)

    async def step(pilot, app):
        await pilot.press("space")
        before = app.view.program
        await seen(app, pilot)
        assert app.view.program is before
        await pilot.press("space")
        await seen(app, pilot)
        assert app.view.program is not before

    drive(running, step)


def test_the_keys_are_told_and_any_key_closes_that(program):
    async def step(pilot, app):
        await pilot.press("question_mark")
        assert len(app.screen_stack) == 2
        await pilot.press("x")
        assert len(app.screen_stack) == 1

    drive(program(POOL), step)


def test_the_q_that_closes_the_keys_does_not_leave(program):
    async def step(pilot, app):
        await pilot.press("question_mark", "q")
        await pilot.pause()
        assert app.is_running and len(app.screen_stack) == 1

    drive(program(POOL), step)


def test_on_80_columns_all_of_the_help_is_on_the_screen_and_the_keys_that_ask_for_it_and_leave(program):
    async def step(pilot, app):
        from textual.widgets import Static
        from textual.widgets._footer import FooterKey

        await pilot.resize_terminal(80, 24)
        shown = [key.description for key in app.query(FooterKey) if key.region.right <= 80]
        assert shown[:2] == ["keys", "leave"]
        await pilot.press("question_mark")
        await pilot.pause()
        text = app.screen.query_one(Static)
        assert app.screen.region.contains_region(text.region)
        assert max(map(len, str(text.content).splitlines())) <= text.content_size.width

    drive(program(POOL), step)


def test_ctrl_c_leaves_and_the_program_goes_on(program):
    running = program(POOL)

    async def step(pilot, app):
        await pilot.press("slash", "x", "ctrl+c")
        await pilot.pause()
        assert not app.is_running

    drive(running, step)
    assert running.popen.poll() is None


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_at_any_width_the_tasks_and_where_they_stand_are_on_the_screen(program, columns):
    async def step(pilot, app):
        await pilot.resize_terminal(columns, 24)
        await seen(app, pilot)
        line = screen(app)[1]
        assert len(line) <= columns and "worker" in line and line.endswith("in worker")

    drive(program(POOL), step)


def test_when_the_program_has_ended_it_says_so_and_leaves(program):
    running = program(POOL)

    async def step(pilot, app):
        running.popen.kill()
        with contextlib.suppress(AssertionError):  # it looks no more
            await seen(app, pilot)

    app = drive(running, step)
    assert app.return_code == 0 and not app.is_running
