"""R29, R30: where the process has no file descriptor left, programs run, and are stopped, as ever."""

import signal

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="a limit of descriptors")]

INT, TERM, USR1 = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1
WAYS = ("plain", "own", "command")
NONE_LEFT = """
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    files = []

    def take_all():
        try:
            while True:
                files.append(open(os.devnull))
        except OSError:
            pass
"""


@pytest.mark.parametrize("signum", [TERM, USR1])
def test_r29_a_signal_handler_can_be_set_with_no_descriptor_left(play, signum):
    source = f"""{NONE_LEFT}
    async def main():
        take_all()
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_signal_handler({signum:d}, told.set)
        say("ready")
        await told.wait()
        loop.remove_signal_handler({signum:d})
        await asyncio.sleep(0)
        say("told")

    asyncio.run(main())
    say("after")
    """
    same = play(source, WAYS, signum).the_same()
    assert (same.status, same.lines) == (0, ["ready", "told", "after"])


def test_r29_run_works_where_our_descriptors_are_two_too_many(play):
    source = f"""{NONE_LEFT}
    import sigtask._run.os_signals as ours

    def socketpair():
        raise OSError(24, "Too many open files")

    ours.socket = type(sys)("socket")
    ours.socket.socketpair = socketpair

    async def main():
        try:
            say("ready")
            await asyncio.sleep(3600)
        finally:
            say("cleaned")

    asyncio.run(main())
    """
    same = play(source, ("plain", "own"), INT).the_same()
    assert (same.status, same.lines) == (-INT, ["ready", "cleaned"])


def test_r30_a_stop_opens_nothing(play):
    source = """
    async def main():
        sys.addaudithook(lambda event, args: event in ("open", "import") and say(event, args[0]))
        say("ready")
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(3600)  # until the Kill

    try:
        asyncio.run(main())
    except SystemExit:
        os._exit(0)
    """
    for outcome in play(source, ("own", "command"), TERM, ladder="terminate=0.1s,kill=1s").values():
        assert outcome.lines == ["ready"], outcome.stderr


def test_r29_run_leaves_a_wakeup_descriptor_that_the_program_has_closed(play):
    source = """
    import socket

    async def main():
        one, other = socket.socketpair()
        other.setblocking(False)
        signal.set_wakeup_fd(other.fileno())
        one.close()
        other.close()
        say("ready")

    asyncio.run(main())
    say("after")
    """
    same = play(source, WAYS).the_same()
    assert (same.status, same.lines) == (0, ["ready", "after"])
