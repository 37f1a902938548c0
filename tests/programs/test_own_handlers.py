"""R29: what the program says of a signal counts: its own handler, SIG_IGN, and what it asks the `signal` module."""

import signal
import sys

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

INT, TERM = signal.SIGINT, signal.SIGTERM


# -- a handler of the program's own -----------------------------------------------------------------------------------

HANDLERS = """
    from signal import signal as bound_before

    def by_loop(signum, told):
        asyncio.get_running_loop().add_signal_handler(signum, told)

    def by_module(signum, told):
        signal.signal(signum, lambda *_: told())

    def by_import(signum, told):
        bound_before(signum, lambda *_: told())

    signum = getattr(signal, os.environ["SIGNUM"])
    calls = []

    async def main():
        def told():
            calls.append(1)
            say("called", len(calls))
            loop.call_soon(again.set)

        again, loop = asyncio.Event(), asyncio.get_running_loop()
        if os.environ["HOW"] == "before":
            calls_back.append(told)
        else:
            globals()[os.environ["HOW"]](signum, told)
        say("ready")
        while len(calls) < 3:
            send(signum)  # within half a second, and each is called
            await again.wait()
            again.clear()
        await asyncio.sleep(0.1)
        say("drained")

    calls_back = []
    if os.environ["HOW"] == "before":
        signal.signal(signum, lambda *_: calls_back[0]())
    if __name__ == "__main__":
        asyncio.run(main())
        say("after")
"""
HOWS = ["before", "by_loop", "by_module", "by_import"]


@pytest.mark.parametrize(
    ("how", "signum"), [*[(how, "SIGTERM") for how in HOWS], ("by_loop", "SIGINT"), ("by_module", "SIGINT")]
)
def test_r29_a_handler_of_the_programs_own_is_called_for_every_signal(play, monkeypatch, how, signum):
    monkeypatch.setenv("HOW", how)
    monkeypatch.setenv("SIGNUM", signum)
    plain = play(HANDLERS, ("plain", "command", "own"), ladder="drain=20s,terminate=20s,kill=1s").the_same()
    assert plain.lines == ["ready", "called 1", "called 2", "called 3", "drained", "after"]
    function = play(HANDLERS, ("function",), ladder="drain=20s,terminate=20s,kill=1s")["function"]
    assert (function.status, function.lines) == (0, plain.lines[:-1])


@pytest.mark.parametrize("how", HOWS)
def test_r29_on_uvloop_it_is_called_for_every_signal_too(play, monkeypatch, how):
    pytest.importorskip("uvloop")
    monkeypatch.setenv("HOW", how)
    monkeypatch.setenv("SIGNUM", "SIGTERM")
    outcomes = play(HANDLERS, ("uvloop", "command, uvloop"), ladder="drain=20s,terminate=20s,kill=1s")
    assert outcomes["command, uvloop"] == outcomes["uvloop"]
    assert outcomes["uvloop"].lines[1:] == ["called 1", "called 2", "called 3", "drained", "after"]


DOES_NOTHING = """
    async def main():
        how = sys.argv[1]
        if how == "by_loop":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, say, "called")
        else:
            signal.signal(signal.SIGTERM, lambda *_: say("called"))
        say("ready")
        try:
            await asyncio.sleep(3600)
        finally:
            say("cleaned up")

    if __name__ == "__main__":
        asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["by_loop", "by_module"])
def test_r29_the_ladder_bounds_a_handler_that_does_nothing(play, how):
    ways = ("command", "own", "function")
    for way, outcome in play(
        DOES_NOTHING, ways, TERM, ladder="drain=200ms,terminate=400ms,kill=1s", words=(how,)
    ).items():
        assert outcome.lines == ["ready", "called", "cleaned up"], way
        assert outcome.status == (128 + TERM if way == "own" else -TERM)


ORDERLY_END_OUTSIDE = """
    async def main():
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
        say("ready")
        await asyncio.sleep(3600)

    async def close():
        say("closing")
        await asyncio.sleep(1.5)  # beyond half of the rung
        say("closed")

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.run_until_complete(close())
"""


def test_r29_a_cleanup_outside_of_the_loop_is_not_told_twice_in_one_rung(play):
    """arq closes its worker so: a repeat would cut it before its jobs are back in the queue."""
    outcome = play(ORDERLY_END_OUTSIDE, ("command",), TERM, ladder="drain=100ms,terminate=2s,kill=1s")["command"]
    assert (outcome.status, outcome.lines) == (-TERM, ["ready", "closing", "closed"])


def test_r29_a_third_signal_does_not_kill_while_the_programs_own_handler_is_there(play):
    source = """
        async def main():
            def told():
                calls.append(1)
                if len(calls) == 3:
                    asyncio.get_running_loop().call_later(0.3, done.set)

            calls, done = [], asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told)
            say("ready")
            await done.wait()
            say("drained")

        asyncio.run(main())
    """
    steps = (TERM, 0.6, TERM, 0.6, TERM)  # the promise is about half a second of real time
    outcomes = play(source, ("plain", "command", "own"), *steps, ladder="drain=20s,terminate=20s,kill=1s")
    assert outcomes.the_same().lines == ["ready", "drained"]


RAISES_AGAIN = """
    done = []

    def told(signum, frame):
        say("told")
        done[0].get_loop().call_soon_threadsafe(done[0].set_result, None)

    async def serve():
        done.append(asyncio.get_running_loop().create_future())
        before = signal.signal(signal.SIGTERM, told)
        say("ready")
        await done[0]
        signal.signal(signal.SIGTERM, before)
        signal.raise_signal(signal.SIGTERM)  # as uvicorn does when it has drained
        if sys.argv[1] == "waits":
            await asyncio.sleep(3600)

    async def main():
        try:
            await serve()
        finally:
            await asyncio.sleep(0.1)
            say("pool closed")

    atexit.register(say, "atexit")
    if __name__ == "__main__":
        asyncio.run(main())
"""


@pytest.mark.parametrize("word", ["waits", "returns"])
def test_r29_what_stands_around_a_server_that_raises_the_signal_again_is_done(play, word):
    """Plain Python is gone at once there, by the signal. The Drain's time is not waited for."""
    outcomes = play(
        RAISES_AGAIN, ("plain", "command", "function"), TERM, ladder="drain=90s,terminate=800ms,kill=1s", words=(word,)
    )
    plain = outcomes.pop("plain")
    assert (plain.status, plain.lines) == (-TERM, ["ready", "told"])
    for way, outcome in outcomes.items():
        assert (outcome.status, outcome.lines) == (-TERM, ["ready", "told", "pool closed", "atexit"]), way


# -- what is ignored --------------------------------------------------------------------------------------------------

IGNORES = """
    signum = signal.SIGINT if sys.argv[1] == "INT" else signal.SIGTERM

    async def main():
        if sys.argv[2] == "inherited":
            say(signal.getsignal(signum) == signal.SIG_IGN)
        else:
            before = signal.signal(signum, signal.SIG_IGN)  # around a critical section
        say("ready")
        send(signum)
        await asyncio.sleep(0.1)
        say("not told")
        if sys.argv[2] == "back":
            signal.signal(signum, before)
            send(signum)
            await asyncio.sleep(3600)

    try:
        asyncio.run(main())
    except BaseException as error:
        say("out came", type(error).__name__)
        raise
    say("after")
"""


@pytest.mark.parametrize("word", ["INT", "TERM"])
@pytest.mark.parametrize("when", ["inherited", "set"])
def test_r29_what_is_ignored_stays_ignored(play, word, when):
    source = IGNORES
    if when == "inherited":  # as `prog &` in a script does; Python finds it so
        source = f"""
    if "AGAIN" not in os.environ:
        os.environ["AGAIN"] = "1"
        signal.signal(signal.SIG{word}, signal.SIG_IGN)
        os.execv(sys.executable, sys.orig_argv)
{IGNORES}"""
    plain = play(source, ("plain", "command", "own"), words=(word, when)).the_same()
    assert (plain.status, plain.lines[-3:]) == (0, ["ready", "not told", "after"])


def test_r29_a_sigint_that_is_no_longer_ignored_works_again(play):
    plain = play(IGNORES, ("plain", "command", "own"), words=("INT", "back")).the_same()
    assert (plain.status, plain.lines) == (-INT, ["ready", "not told", "out came KeyboardInterrupt"])


def test_r29_a_sigterm_that_is_no_longer_ignored_works_again(play):
    for way, outcome in play(IGNORES, ("command", "own"), words=("TERM", "back")).items():
        assert outcome.lines == ["ready", "not told", "out came SystemExit"]
        assert outcome.status == (128 + TERM if way == "own" else -TERM)


# -- what the `signal` module answers ---------------------------------------------------------------------------------

LOOKS = """
    NAMES = {signal.SIG_DFL: "default", signal.SIG_IGN: "ignored", signal.default_int_handler: "Python's", None: "None"}

    def look(where):
        for signum in signal.SIGINT, signal.SIGTERM:
            handler = signal.getsignal(signum)
            say(where, signum.name, NAMES.get(handler, getattr(handler, "__name__", "another")))

    def mine(signum, frame):
        say("mine", signum)

    def looks_at_set_wakeup_fd(where):
        fd = signal.set_wakeup_fd(-1)  # trio complains of any that it finds
        say(where, "a loop's" if fd != -1 else fd)
        signal.set_wakeup_fd(fd)

    async def main():
        look("in main")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, print)
        say("removed", loop.remove_signal_handler(signal.SIGTERM))
        look("a handler removed")
        looks_at_set_wakeup_fd("in main")

    look("first")
    looks_at_set_wakeup_fd("first")
    say("was", NAMES[signal.signal(signal.SIGTERM, mine)], signal.signal(signal.SIGTERM, mine) is mine)
    say("ready")
    signal.raise_signal(signal.SIGTERM) if sys.argv[1:] else None
    look("mine")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for wrong in "SIGTERM", 99:
        try:
            signal.signal(signal.SIGTERM, wrong) if wrong == "SIGTERM" else signal.signal(wrong, mine)
        except (TypeError, ValueError) as error:
            say(type(error).__name__, error)
    thread = threading.Thread(target=lambda: look("in a thread"))
    thread.start()
    thread.join()
    asyncio.run(main())
    look("after")
    looks_at_set_wakeup_fd("after")
"""


def test_r29_the_signal_module_answers_as_without_us(play):
    plain = play(LOOKS, ("plain", "command")).the_same()
    assert "in main SIGTERM default" in plain.lines and "first -1" in plain.lines


def test_r29_on_uvloop_the_signal_module_answers_as_without_us(play):
    pytest.importorskip("uvloop")
    outcomes = play(LOOKS, ("uvloop", "command, uvloop"))
    assert outcomes["command, uvloop"] == outcomes["uvloop"]


def test_r29_the_bytes_of_signals_come_to_the_socket_that_the_program_has_set(play):
    source = """
        import socket
        one, other = socket.socketpair()
        one.setblocking(False)
        say("before", signal.set_wakeup_fd(one.fileno()))
        signal.signal(signal.SIGTERM, lambda *_: say("called"))
        signal.signal(signal.SIGUSR1, lambda *_: say("called"))
        for signum in signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM:
            send(signum)
            say("got", other.recv(1)[0] == signum)
        say("mine", signal.set_wakeup_fd(-1) == one.fileno())
        say("ready")
    """
    assert play(source, ("plain", "command")).the_same().lines[:3] == ["before -1", "called", "got True"]
