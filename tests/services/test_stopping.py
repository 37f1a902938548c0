"""The server gets a SIGTERM, under each server."""

import sys
import time

import pytest
from servers import read_all

pytestmark = pytest.mark.os

LADDER = "drain=1s,terminate=1s,kill=500ms"


def stops(server, within=5):
    """It ends by itself, with nothing left to complain of."""
    server.popen.wait(within)
    server.wait()
    assert "Traceback" not in server.stdout + server.stderr
    return True


def test_a_request_in_flight_is_answered_whole(server):
    raw = server.ask("/slow")
    raw.recv(10)
    server.terminate()
    assert "end" in read_all(raw)
    assert stops(server)


def test_the_lifespan_ends_after_the_last_request(server):
    raw = server.ask("/slow")
    raw.recv(10)
    server.terminate()
    read_all(raw)
    assert stops(server)
    assert server.stdout.index("done") < server.stdout.index("closed")


def test_a_stream_of_events_gets_its_last_words_out(server):
    raw = server.ask("/events")
    server.wait_for("began")
    server.terminate()
    assert "data: SIGTERM" in read_all(raw)
    assert stops(server)


@pytest.mark.options(ladder=LADDER)
def test_who_does_not_listen_is_terminated_after_the_drain_and_answered_by_503(server):
    raw = server.ask("/wait")
    server.wait_for("began")
    at = server.terminate()
    text = read_all(raw)
    assert 0.9 < time.monotonic() - at < 2.5
    assert " 503 " in text.splitlines()[0]
    assert "connection: close" in text.lower()
    server.wait_for("met Terminate ServerStopping: SIGTERM")
    assert stops(server)


@pytest.mark.options(ladder=LADDER)
def test_history_has_the_drain_and_the_terminate(server):
    server.ask("/wait")
    server.wait_for("began")
    server.terminate()
    server.wait_for("history Drain Terminate")


@pytest.mark.options(ladder=LADDER)
def test_an_answer_that_has_begun_is_cut_and_not_passed_off_as_whole(server):
    raw = server.ask("/half")
    server.wait_for("began")
    server.terminate()
    text = read_all(raw)
    assert "half" in text
    assert not text.endswith("0\r\n\r\n")


@pytest.mark.options(ladder="drain=100ms,terminate=2s,kill=500ms")
def test_a_mask_holds_the_terminate_and_the_client_gets_its_answer(server):
    raw = server.ask("/masked")
    server.wait_for("began")
    server.terminate()
    assert "booked" in read_all(raw)
    assert stops(server)


@pytest.mark.options(ladder="drain=100ms,terminate=200ms,kill=500ms")
def test_who_swallows_everything_is_killed_and_the_server_ends(server):
    raw = server.ask("/deaf")
    server.wait_for("began")
    at = server.terminate()
    assert " 503 " in read_all(raw).splitlines()[0]
    assert stops(server)
    assert time.monotonic() - at < 3


def test_a_second_signal_ends_the_wait_for_the_drain(serve):
    server = serve("hypercorn", ladder="drain=20s,terminate=1s,kill=500ms")
    server.ask("/wait")
    server.wait_for("began")
    at = server.terminate()
    time.sleep(0.2)
    server.terminate()
    server.wait_for("met Terminate")
    assert time.monotonic() - at < 3


# -- from the first moment on -----------------------------------------------------------------------------------------


def test_while_requests_still_come_in_readyz_says_503_and_connections_are_closed(serve):
    """drain_delay: what Kubernetes needs, whose load balancers hear of it later."""
    server = serve("uvicorn", drain_delay=1.5, ready_path="/readyz")
    assert read_all(server.ask("/readyz", "Connection: close")).endswith("/readyz")
    at = server.terminate()
    time.sleep(0.3)
    assert " 503 " in read_all(server.ask("/readyz"))
    text = read_all(server.ask("/hello"))
    assert text.endswith("hello")
    assert "connection: close" in text
    assert stops(server)
    assert time.monotonic() - at > 1.4


def test_handlers_are_told_at_the_first_moment_of_the_delay(serve):
    server = serve("uvicorn", drain_delay=20)
    raw = server.ask("/events")
    server.wait_for("began")
    server.terminate()
    assert "data: SIGTERM" in read_all_of_chunks(raw)


def read_all_of_chunks(raw):
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        data += raw.recv(65536)
    return data.decode()


def test_a_second_signal_ends_the_delay(serve):
    server = serve("uvicorn", drain_delay=20)
    server.terminate()
    time.sleep(0.2)
    server.terminate()
    assert stops(server)


def test_a_server_that_cannot_be_kept_from_the_signal_is_warned_of(serve):
    server = serve("hypercorn", drain_delay=1)
    server.wait_for("drain_delay=1: this server hears SIGTERM by loop.add_signal_handler", "stderr")


# -- with a ladder of the program's -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uvicorn", "uvicorn-h11", "hypercorn"])  # granian cuts, whoever has something to say
def test_under_sigtask_run_the_programs_ladder_is_in_charge(serve, kind):
    under = ("-m", "sigtask", "run", "--ladder", "drain=600ms,terminate=2s,kill=1s")
    server = serve(kind, under=under)
    raw = server.ask("/wait")
    server.wait_for("began")
    at = server.terminate()
    assert " 503 " in read_all(raw).splitlines()[0]
    assert time.monotonic() - at < 3
    server.wait_for("met Terminate")
    server.wait(10)
    if sys.version_info >= (3, 12):  # before, asyncio.start_server complains of a connection's task that was cancelled
        assert "Traceback" not in server.stdout + server.stderr


@pytest.mark.parametrize("bound", ["sigtask run", "uvicorn's own"])
def test_a_client_that_stops_reading_keeps_the_server_no_longer_than_its_bound(serve, bound):
    """The handler is gone, but what it has written is not; ASGI has no word for "cut it"."""
    under = ("-m", "sigtask", "run", "--ladder", "drain=300ms,terminate=1s,kill=500ms")
    if bound == "sigtask run":
        server = serve("uvicorn", under=under)
    else:
        server = serve("uvicorn", extra=("--timeout-graceful-shutdown", "2"), ladder=LADDER)
    server.ask("/stream", receive_buffer=4096)
    server.wait_for("began")
    at = server.terminate()
    server.wait_for("met Terminate")
    server.wait(10)
    assert time.monotonic() - at < 6


def test_uvicorns_own_timeout_is_a_terminate_that_masks_hold(serve):
    server = serve("uvicorn", extra=("--timeout-graceful-shutdown", "1"))
    raw = server.ask("/wait")
    server.wait_for("began")
    server.terminate()
    assert " 503 " in read_all(raw).splitlines()[0]
    server.wait_for("met Terminate ServerStopping: the server has cancelled the request")
