"""Servers that nobody here wrote, unmodified, under `sigtask run` and without it (R29, R30).

All scenarios run at the same time, in processes of their own; each test looks at what came of one.
"""

import importlib.util
import json
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

pytestmark = pytest.mark.os

SERVERS = ["aiohttp", "uvicorn"]
UVLOOP = ["uvicorn-uvloop"] if importlib.util.find_spec("uvloop") else []
for name in SERVERS:
    pytest.importorskip(name)

PATIENT = ("--ladder", "drain=20s,terminate=2s,kill=1s")
SHORT = ("--ladder", "drain=2s,terminate=500ms,kill=500ms")
SHORT_TOTAL = 3.0
HANGS = 2.0  # a server that still runs so long after its signal hangs: the requests it has take half a second
IN_FLIGHT = 50


@dataclass
class Outcome:
    """What came of one scenario."""

    status: int | None = None
    seconds: float = 0.0
    """From the signal to the process's end."""
    hung: bool = False
    stderr: str = ""
    accepted: set = field(default_factory=set)
    """The requests whose handler had begun when the signal was sent."""
    answers: dict = field(default_factory=dict)
    """Of each request of the load, whether it was answered whole."""
    report: dict = field(default_factory=dict)


class Scenario:
    """One server, perhaps under sigtask, one hostile request, some load, and a SIGTERM in the middle."""

    def __init__(self, server, *, ours, ladder=SHORT, hostile=None, load=0):
        self.server = server
        self.ours = ours
        self.ladder = ladder
        self.hostile = hostile
        self.load = load

    def play(self, launch, apps, directory):
        outcome, port = Outcome(), _free_port()
        report = directory / f"{self.server}-{self.hostile}-{self.load}-{self.ours}.json"
        ours = ("-m", "sigtask", "run", *self.ladder, "--report", report) if self.ours else ()
        server = launch(*ours, "-m", *_command(self.server, port), cwd=apps)
        client = None
        with _connected(server, self.server, port) as connection:
            if self.hostile:
                request = f"GET /{self.hostile}?id=hostile HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                connection.sendall(request.encode())
                server.wait_for("accepted hostile")
            if self.load:
                client = launch(apps / "load.py", port, self.load, cwd=apps)
                server.wait_for("accepted", count=2 * self.load + bool(self.hostile))
            sent_at = server.signal(signal.SIGTERM)
            outcome.hung = server.still_runs_after(HANGS if not self.ours and self.hostile else 25)
            outcome.seconds = time.monotonic() - sent_at
        outcome.status = server.wait()
        outcome.stderr = server.stderr
        if client is not None:
            assert client.wait() == 0, client.stderr
            outcome.answers = json.loads(client.stdout)
        lines = [line.split() for line in server.stdout.splitlines() if line.startswith("accepted ")]
        outcome.accepted = {which for _, which, at in lines if float(at) < sent_at and which != "hostile"}
        if report.exists():
            outcome.report = json.loads(report.read_text())
        return outcome


def _command(server, port):
    if server == "aiohttp":
        return ("aiohttp.web", "-H", "127.0.0.1", "-P", port, "aiohttp_app:init")
    loop = ("--loop", "uvloop") if server == "uvicorn-uvloop" else ("--loop", "asyncio")
    return ("uvicorn", "--port", port, *loop, "--no-access-log", "uvicorn_app:app")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _connected(server, name, port):
    """A connection to it, when it has said that it takes them."""
    words, stream = ("Running on", "stdout") if name == "aiohttp" else ("Uvicorn running on", "stderr")
    server.wait_for(words, stream)
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def _scenarios():
    for server in SERVERS + UVLOOP:
        yield (server, "load", "ours"), Scenario(server, ours=True, ladder=PATIENT, load=IN_FLIGHT)
        if server in SERVERS:
            yield (server, "load", "bare"), Scenario(server, ours=False, load=IN_FLIGHT)
    for server in SERVERS:
        for hostile in ("swallow", "block", "thread"):
            load = 0 if hostile == "block" else 10
            for ours in (False, True):
                key = (server, hostile, "ours" if ours else "bare")
                yield key, Scenario(server, ours=ours, hostile=hostile, load=load)


@pytest.fixture(scope="module")
def outcome(launch, apps, tmp_path_factory):
    """`outcome(server, what, "ours" or "bare")`: what came of that scenario."""
    directory = tmp_path_factory.mktemp("reports")
    # Few at a time: the machine may have two processors, and times are measured.
    with ThreadPoolExecutor(5) as pool:
        futures = {key: pool.submit(scenario.play, launch, apps, directory) for key, scenario in _scenarios()}
    return lambda *key: futures[key].result()


def _line(apps, server, hostile):
    """`file:line` of the culprit, as a report names it."""
    name = f"{server}_app.py"
    lines = (apps / name).read_text().splitlines()
    (number,) = (n for n, line in enumerate(lines, 1) if line.endswith(f"# {hostile}: the line"))
    return f"{name}:{number} in "


def _handlers_are_stock_tasks(server):
    """On 3.12 and 3.13 aiohttp makes them with `asyncio.Task(...)`, past the loop's task factory."""
    return server == "aiohttp" and (3, 12) <= sys.version_info < (3, 14)


# -- a well-behaved server under load ---------------------------------------------------------------------------------


@pytest.mark.parametrize("server", SERVERS + UVLOOP)
def test_R29_every_request_accepted_before_the_signal_is_answered_whole(outcome, server):
    got = outcome(server, "load", "ours")
    assert len(got.accepted) >= 2 * IN_FLIGHT
    assert [which for which in got.accepted if not got.answers[which]] == []


@pytest.mark.parametrize("server", SERVERS + UVLOOP)
def test_R29_the_process_ends_as_soon_as_the_server_is_drained(outcome, server):
    got = outcome(server, "load", "ours")
    assert not got.hung
    assert got.seconds < 15  # the drain alone could take 20
    assert [rung["name"] for rung in got.report["rungs"]] == ["drain"]
    assert "still running" not in got.report["totals"]


@pytest.mark.parametrize("server", SERVERS)
def test_R29_the_exit_status_is_what_it_is_without_us(outcome, server):
    ours, bare = outcome(server, "load", "ours"), outcome(server, "load", "bare")
    assert ours.status == bare.status == {"aiohttp": 0, "uvicorn": -signal.SIGTERM}[server]


@pytest.mark.parametrize("server", UVLOOP)
def test_R29_the_exit_status_on_uvloop_is_the_same(outcome, server):
    assert outcome(server, "load", "ours").status == -signal.SIGTERM


# -- hostile handlers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("hostile", ["swallow", "block", "thread"])
def test_R30_the_server_hangs_without_us(outcome, server, hostile):
    bare = outcome(server, hostile, "bare")
    if (server, hostile) == ("uvicorn", "thread"):
        # uvicorn, having drained, ends itself by the signal's default action, whatever threads there are.
        assert not bare.hung
        assert bare.status == -signal.SIGTERM
    else:
        assert bare.hung
        assert bare.status == -signal.SIGKILL


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("hostile", ["swallow", "block", "thread"])
def test_R30_the_process_is_gone_within_its_ladder(outcome, a_second, server, hostile):
    got = outcome(server, hostile, "ours")
    assert not got.hung
    assert got.seconds < SHORT_TOTAL + a_second, got.stderr


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("hostile", ["swallow", "block", "thread"])
def test_R28_the_report_names_the_file_and_line_of_the_culprit(outcome, apps, server, hostile):
    got, place = outcome(server, hostile, "ours"), _line(apps, server, hostile)
    if (server, hostile) == ("uvicorn", "thread"):
        assert got.status == -signal.SIGTERM
        assert got.report["note"] == "the program drained, and ended itself by SIGTERM"
    elif hostile == "swallow":
        (culprit,) = (task for task in got.report["tasks"] if task["stood"].get("kill", "").startswith(place))
        assert culprit["stood"]["terminate"].startswith(place)
        if _handlers_are_stock_tasks(server):
            assert culprit["ended"] == "still running"
            assert "a stock asyncio task" in culprit["note"]
        else:
            assert culprit["swallowed"] == [f"Terminate at {place.removesuffix(' in ')}"]
            assert (culprit["ended"], culprit["rung"]) == ("ended by Kill", "kill")
    else:
        name = "MainThread" if hostile == "block" else "never-ends"
        (culprit,) = (thread for thread in got.report["threads"] if thread["name"] == name)
        assert culprit["where"].startswith(place)
        assert got.status == 128 + signal.SIGTERM


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("hostile", ["swallow", "thread"])
def test_one_hostile_handler_spoils_no_other_request(outcome, server, hostile):
    got = outcome(server, hostile, "ours")
    assert len(got.accepted) >= 20
    assert [which for which in got.accepted if not got.answers[which]] == []
