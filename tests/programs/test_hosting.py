"""R29: a program is told as plain Python tells it: main first, and what comes out of the runner; masks hold.

The yardstick is the same program under plain Python: the lines that it prints, and its wait status.
"""

import signal
import sys

import pytest

from sigtask._run.settings import Settings

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

INT, TERM = signal.SIGINT, signal.SIGTERM
LONG = "drain=1s,terminate=60s,kill=1s"  # in which nobody's turn comes by its half


# -- main first -------------------------------------------------------------------------------------------------------

LAST_WORDS = """
    class Line:
        '''A connection with a task of its own that writes, as a client of a broker has.'''
        def __init__(self):
            self.orders = asyncio.Queue()
            self.writer = asyncio.create_task(self.write())

        async def write(self):
            try:
                while True:
                    words, written = await self.orders.get()
                    await asyncio.sleep(0.01)
                    say("written:", words)
                    written.set_result(None)
            except asyncio.CancelledError:
                say("the line is cut")
                raise

        async def send(self, words):
            written = asyncio.get_running_loop().create_future()
            self.orders.put_nowait((words, written))
            await written

    async def main():
        line = Line()
        await line.send("hello")
        try:
            say("ready")
            await asyncio.sleep(3600)
        finally:
            for words in "offset 7", "bye":
                await line.send(words)
            say("main has ended")

    if __name__ == "__main__":
        asyncio.run(main())
"""
SAID = ["written: hello", "ready", "written: offset 7", "written: bye", "main has ended", "the line is cut"]


def test_r29_what_main_has_started_lives_for_its_finally_and_is_told_when_main_has_ended(play):
    plain = play(LAST_WORDS, ("plain", "command", "own", "function", "module"), INT, ladder=LONG).the_same()
    assert plain.lines == SAID


def test_r29_a_sigterm_goes_to_main_first_too(play):
    outcomes = play(LAST_WORDS, ("command", "own", "function"), TERM, ladder=LONG)
    assert [outcome.lines for outcome in outcomes.values()] == [SAID] * 3
    assert [outcome.status for outcome in outcomes.values()] == [-TERM, 128 + TERM, -TERM]


def test_r29_all_at_once_cuts_the_line_under_main(play):
    outcome = play(LAST_WORDS, ("all at once",), TERM, ladder="drain=1s,terminate=300ms,kill=300ms")["all at once"]
    assert outcome.lines == ["written: hello", "ready", "the line is cut"]


def test_r29_a_worker_process_keeps_the_order_that_the_command_was_given():
    assert Settings.from_text(Settings(main_first=False).as_text()).main_first is False


def test_r29_where_main_does_not_end_the_others_are_told_at_half_of_the_grace(play):
    source = """
        async def worker(began):
            try:
                await asyncio.sleep(3600)
            finally:
                say("worker told", 0.8 < time.monotonic() - began[0] < 1.6)

        async def main():
            began = []
            asyncio.create_task(worker(began))
            await asyncio.sleep(0)
            say("ready")
            try:
                await asyncio.sleep(3600)
            finally:
                began.append(time.monotonic())
                say("main told")
                await asyncio.sleep(3600)

        asyncio.run(main())
    """
    ways = ("command", "own")
    for way, outcome in play(source, ways, TERM, ladder="drain=1s,terminate=2s,kill=300ms").items():
        assert outcome.lines == ["ready", "main told", "worker told True"], way


def test_r29_a_shielded_commit_that_main_waits_for_is_whole(play):
    source = """
        async def commit(told):
            await told.wait()
            await asyncio.sleep(0.1)
            say("committed")

        async def main():
            told = asyncio.Event()
            commits = asyncio.create_task(commit(told))
            say("ready")
            try:
                await asyncio.shield(commits)
            except asyncio.CancelledError:
                say("told")
                told.set()
                await commits
                raise

        asyncio.run(main())
    """
    assert play(source, ("plain", "command", "own"), INT).the_same().lines == ["ready", "told", "committed"]


def test_r29_what_runs_on_the_same_runner_after_a_keyboard_interrupt_is_not_told_at_once(play):
    source = """
        async def main():
            say("ready")
            await asyncio.sleep(3600)

        async def clean():
            await asyncio.sleep(0.3)
            say("cleaned")

        with asyncio.Runner() as runner:
            try:
                runner.run(main())
            except KeyboardInterrupt:
                runner.run(clean())
        say("after")
    """
    assert play(source, ("plain", "command"), INT).the_same().lines == ["ready", "cleaned", "after"]


# -- what comes out of the runner -------------------------------------------------------------------------------------

RUNNERS = """
    async def main():
        say("ready")
        try:
            await told.wait()
            say("went on to its end")
        finally:
            say("finally")

    def with_run():
        asyncio.run(main())

    def with_runner():
        with asyncio.Runner() as runner:
            runner.run(main())

    def until_complete():
        loop.run_until_complete(task)

    def for_ever():
        loop.run_forever()

    told = asyncio.Event()
    if sys.argv[1] in ("until_complete", "for_ever"):
        loop = asyncio.new_event_loop()
        task = loop.create_task(main())
    try:
        globals()[sys.argv[1]]()
    except BaseException as error:
        say("out came", type(error).__name__, getattr(error, "code", ""))
        if sys.argv[1] in ("until_complete", "for_ever"):
            say("done" if task.done() else "untouched")
            told.set()
            loop.run_until_complete(task)
        if sys.argv[2] == "raise":
            raise
    say("the end")
"""
HOWS = [
    *[(how, "raise") for how in ("with_run", "with_runner", "until_complete", "for_ever")],
    *[(how, "go on") for how in ("with_run", "for_ever")],
]


def expected(how, then, error, status):
    """The status of a program that raises it, or of one that goes on, and the lines."""
    out, rest = f"out came {error}", ["untouched", "went on to its end", "finally"]
    lines = ["ready", "finally", out] if how.startswith("with") else ["ready", out, *rest]
    return (status, lines) if then == "raise" else (0, [*lines, "the end"])


@pytest.mark.parametrize(("how", "then"), HOWS)
def test_r29_keyboard_interrupt_comes_out_of_the_runner(play, how, then):
    ways = ("plain", "command", "own") if how == "with_run" else ("plain", "command")
    plain = play(RUNNERS, ways, INT, words=(how, then)).the_same()
    assert (plain.status, plain.lines) == expected(how, then, "KeyboardInterrupt ", -INT)


@pytest.mark.parametrize(("how", "then"), HOWS)
def test_r29_for_a_sigterm_system_exit_comes_out_of_the_runner(play, how, then):
    ways = ("command", "own") if how == "with_run" else ("command",)
    for way, outcome in play(RUNNERS, ways, TERM, words=(how, then)).items():
        status = 128 + TERM if way == "own" else -TERM
        assert (outcome.status, outcome.lines) == expected(how, then, f"SystemExit {128 + TERM}", status)


def test_r29_a_program_that_a_signal_ends_comes_to_the_interpreters_own_end(play):
    source = """
        import threading
        def later():
            time.sleep(0.3)
            say("the thread has ended")

        class Held:
            def __del__(self):
                say("a finalizer")

        held = Held()

        async def main():
            held.transport, _ = await asyncio.get_running_loop().subprocess_exec(
                asyncio.SubprocessProtocol, "sleep", "60", stdin=None, stdout=None, stderr=None)
            threading.Thread(target=later).start()
            say("ready")
            try:
                await asyncio.sleep(3600)
            finally:
                held.transport.kill()

        atexit.register(say, "atexit")
        asyncio.run(main())
    """
    plain = play(source, ("plain", "command", "own"), INT).the_same()
    assert (plain.status, plain.lines) == (-INT, ["ready", "the thread has ended", "atexit", "a finalizer"])
    outcome = play(source, ("command",), TERM)["command"]
    assert (outcome.status, outcome.lines[:3]) == (-TERM, plain.lines[:3])


# -- the closing cancel-all is a part of the ladder -------------------------------------------------------------------

MASKED = """
    from sigtask import Terminate, mask

    async def pay(n, plain):
        with mask(Terminate, plain=plain):
            say("taken", n)
            await told.wait()
            await asyncio.sleep(0.1 * n)
            say("booked", n)
        await asyncio.sleep(3600)

    async def shop():
        async with asyncio.TaskGroup() as group:
            group.create_task(pay(1, plain=True))  # the group will cancel it by a plain cancel()

    async def main():
        tasks = [asyncio.create_task(shop()), asyncio.create_task(pay(2, plain=False))]
        await asyncio.sleep(0.01)
        say("ready")
        try:
            await asyncio.sleep(3600)
        finally:
            told.set()

    async def returns():
        try:
            await main()
        except asyncio.CancelledError:
            return  # and leaves the shop to the closing cancel-all

    told = asyncio.Event()
    main_coro = returns if sys.argv[1] == "returns" else main
    if sys.argv[2] == "run":
        asyncio.run(main_coro())
    else:
        with asyncio.Runner() as runner:
            runner.run(main_coro())
"""


@pytest.mark.parametrize("signum", [INT, TERM])
@pytest.mark.parametrize("words", [("raises", "run"), ("returns", "run"), ("raises", "runner")], ids=" ".join)
def test_r14_a_mask_holds_when_the_runner_cancels_what_main_has_left(play, signum, words):
    ways = ("command", "own") if words[1] == "run" else ("command",)
    for way, outcome in play(MASKED, ways, signum, words=words).items():
        assert outcome.lines[2:] == ["ready", "booked 1", "booked 2"], (way, outcome.stderr)


def test_r14_a_mask_in_a_request_holds_to_the_end_of_uvicorn(play):
    pytest.importorskip("uvicorn")
    source = """
        import socket, uvicorn
        from sigtask import Terminate, mask

        async def app(scope, receive, send):
            with mask(Terminate):
                say("ready")
                await asyncio.sleep(1.2)
                say("booked")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

        def ask(port):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                say("answer", client.recv(100).split()[1].decode())

        class Server(uvicorn.Server):
            async def startup(self, sockets=None):
                await super().startup(sockets)
                port = self.servers[0].sockets[0].getsockname()[1]
                threading.Thread(target=ask, args=(port,)).start()

        Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning")).run()
    """
    outcome = play(source, ("command",), TERM, ladder="drain=300ms,terminate=20s,kill=1s")["command"]
    assert (outcome.status, sorted(outcome.lines)) == (-TERM, ["answer 200", "booked", "ready"]), outcome.stderr
