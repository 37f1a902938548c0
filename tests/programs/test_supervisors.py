"""What supervisors are told (sd_notify), and whether they wait as long as a stop may take (`--check-grace`)."""

import os
import signal
import socket
import sys

import pytest

from sigtask import notify

click = pytest.importorskip("click")
from click.testing import CliRunner  # noqa: E402

linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
LADDER = "drain=1s,terminate=5s,kill,limit=30s"


class Systemd:
    """Listens as systemd does."""

    def __init__(self, address):
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._socket.settimeout(30)

    def heard(self):
        """The states of the next datagram."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def heard_nothing_more(self):
        self._socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            self._socket.recv(4096)

    def close(self):
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path, monkeypatch):
    if sys.platform != "linux":
        pytest.skip("systemd is Linux's")
    address = f"@sigtask-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    listening = Systemd(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    yield listening
    listening.close()


# -- notify() ---------------------------------------------------------------------------------------------------------


def test_notify_tells_systemd(systemd):
    assert notify("READY=1\nSTATUS=é up")
    assert systemd.heard() == {"READY": "1", "STATUS": "é up"}


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "vsock:2:1234", "relative"])
def test_notify_says_so_where_nobody_listens(monkeypatch, address):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert notify("READY=1") is False


@linux
def test_notify_does_not_wait_for_a_systemd_that_does_not_read(tmp_path, monkeypatch):
    listening = Systemd(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", listening.address)
    assert False in [notify(f"STATUS={n}") for n in range(10_000)]
    listening.close()


@pytest.mark.parametrize("state", ["", "READY", "=1", "READY=1\n", "READY=1\n\nSTATUS=x", "A B=1"])
def test_notify_refuses_what_is_no_state(state):
    with pytest.raises(ValueError, match="is not a state; write it as READY=1 or STATUS=text"):
        notify(state)


# -- run(), sigtask run -----------------------------------------------------------------------------------------------

SERVICE = """
import asyncio, os, sys, sigtask
async def main():
    sigtask.notify("READY=1")
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    except sigtask.Terminate:
        if "extend" in sys.argv:
            sigtask.extend(10)
        raise
(sigtask.run if "run" in sys.argv else asyncio.run)(main())
"""


@pytest.fixture
def service(start, write):
    """`service(*words, way=, **env)` starts the program above."""

    def service(*words, way="command", **env):
        program = write("service.py", SERVICE)
        before = ("-m", "sigtask", "run", "-q") if way == "command" else ()
        env = {"SIGTASK_LADDER": LADDER, **env}
        return start(*before, program, way, *words, env=env).wait_for("ready")

    return service


@linux
@pytest.mark.os
@pytest.mark.parametrize("way", ["command", "run"])
def test_a_stop_is_told_with_the_time_that_it_may_take(service, systemd, way):
    program = service(way=way)
    assert systemd.heard() == {"READY": "1"}
    program.signal(signal.SIGTERM)
    told = systemd.heard()
    assert (told["STOPPING"], told["STATUS"]) == ("1", "stopping, 7 s at most")
    assert 10.5e6 < int(told["EXTEND_TIMEOUT_USEC"]) <= 11e6  # the ladder, and four seconds
    program.wait()
    systemd.heard_nothing_more()


@linux
@pytest.mark.os
def test_r27_what_extend_adds_is_told(service, systemd):
    program = service("extend")
    systemd.heard()
    program.signal(signal.SIGTERM)
    first, second = (int(systemd.heard()["EXTEND_TIMEOUT_USEC"]) for _ in range(2))
    assert 7e6 < second - first <= 10e6  # ten more, of which a second of drain is gone at the most
    program.wait()


@linux
@pytest.mark.os
def test_the_watchdog_is_told_while_the_loop_turns(service, systemd):
    program = service(WATCHDOG_USEC="100000")
    heard = [systemd.heard() for _ in range(4)]
    assert {"READY": "1"} in heard and heard.count({"WATCHDOG": "1"}) == 3
    program.signal(signal.SIGTERM)
    program.wait()


@linux
@pytest.mark.os
@pytest.mark.parametrize(
    "env", [{"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}]
)
def test_a_watchdog_that_is_not_for_this_process_is_told_nothing(service, systemd, env):
    program = service(**env)
    assert systemd.heard() == {"READY": "1"}
    program.signal(signal.SIGTERM)
    assert "STOPPING" in systemd.heard()
    program.wait()
    systemd.heard_nothing_more()


@linux
@pytest.mark.os
def test_a_worker_of_the_service_does_not_say_that_the_service_stops(service, systemd):
    program = service(SYSTEMD_EXEC_PID="1")
    systemd.heard()
    program.signal(signal.SIGTERM)
    program.wait()
    systemd.heard_nothing_more()


# -- --check-grace ----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch):
    """`command(*words)` runs `sigtask run *words`."""
    from sigtask.cli import _command

    monkeypatch.setattr(_command, "_run", lambda program, settings: 7)
    return lambda *words, **env: CliRunner().invoke(_command.sigtask, ["run", *words], prog_name="sigtask", env=env)


@pytest.mark.parametrize(
    ("grace", "ladder"), [("20", "drain=10s,terminate=5s,kill"), ("10s", "kill=6s"), ("1m", LADDER)]
)
def test_a_ladder_that_fits_is_said_to(command, grace, ladder):
    result = command("--check-grace", grace, "--ladder", ladder)
    assert result.exit_code == 0
    assert result.stdout.startswith("a stop takes ")


@pytest.mark.parametrize(
    ("grace", "ladder", "most"),
    [
        ("19.9", "drain=10s,terminate=5s,kill", "a stop may take 20 s (16 s of ladder + 4 s to end by force)"),
        ("30", LADDER, "a stop may take 41 s (7 s of ladder + 30 s that extend() may add + 4 s to end by force)"),
    ],
)
def test_a_ladder_that_is_longer_than_the_supervisors_patience_is_refused(command, grace, ladder, most):
    result = command("--check-grace", grace, "--ladder", ladder, "program.py")
    assert (result.exit_code, result.stdout) == (2, "")
    assert most in result.stderr and result.stderr.count("\n") == 1


def test_a_program_begins_when_its_ladder_fits(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").touch()
    assert command("--check-grace", "20", "x.py").exit_code == 7
    assert command("x.py", SIGTASK_CHECK_GRACE="20").exit_code == 7
    assert command("x.py", SIGTASK_CHECK_GRACE="19").exit_code == 2


@pytest.mark.parametrize("grace", ["soon", "", "10 days"])
def test_a_grace_that_is_no_duration_is_a_mistake(command, grace):
    result = command("--check-grace", grace, "x.py")
    assert result.exit_code == 2
    assert f"--check-grace: {grace!r} is not a duration; write it as 10s, 500ms or 2m" in result.stderr


def test_a_negative_grace_is_too_short_for_any_ladder(command):
    assert "a stop may take 20 s" in command("--check-grace=-5", "x.py").stderr
