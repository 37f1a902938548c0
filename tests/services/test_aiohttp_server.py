"""aiohttp's own server with signals, without `sigtask run`."""

import time

import pytest
from servers import read_all

pytestmark = pytest.mark.os
pytest.importorskip("aiohttp")


@pytest.fixture
def server(request, serve):
    mark = request.node.get_closest_marker("options")
    return serve("aiohttp", **(mark.kwargs if mark else {}))


def stops(server):
    server.wait(10)
    assert "Traceback" not in server.stderr, server.stderr
    return True


def is_well(server):
    assert read_all(server.ask("/hello", "Connection: close")).endswith("hello")
    assert "Traceback" not in server.stderr, server.stderr
    return True


def gone(server, path):
    server.lose(path)
    return server


def test_a_handler_is_interrupted_when_its_client_goes(server):
    gone(server, "/wait").wait_for("met Interrupt ClientDisconnected")
    assert is_well(server)


def test_a_handler_that_reads_its_body_is_told_by_that_and_its_cleanup_is_not_torn(server):
    server.lose("/upload", "Content-Length: 100", method="POST", body=b"abc")
    server.wait_for("cleaned up")
    assert is_well(server)


def test_context_variables_of_the_handler_are_seen_by_what_prepares_the_response(server):
    assert "X-Request-Id: 7" in read_all(server.ask("/named", "Connection: close"))


def test_a_handler_that_is_only_asked_goes_on(server):
    gone(server, "/ask").wait_for("asked")
    assert is_well(server)


def test_a_handler_that_runs_to_its_end_is_told_nothing(server):
    gone(server, "/whole").wait_for("done None")
    assert is_well(server)


@pytest.mark.options(deadline=0.2)
def test_what_takes_too_long_is_answered_by_504(server):
    assert " 504 " in read_all(server.ask("/wait")).splitlines()[0]
    server.wait_for("met Terminate DeadlineExceeded")
    assert is_well(server)


@pytest.mark.options(deadline=0.2)
def test_an_answer_that_has_begun_is_cut(server):
    text = read_all(server.ask("/half"))
    assert not text.endswith("0\r\n\r\n")


def test_a_stream_gets_its_last_words_out(server):
    raw = server.ask("/events")
    server.wait_for("began")
    server.terminate()
    assert "data: the server shuts down" in read_all(raw)
    assert stops(server)


@pytest.mark.options(ladder="drain=300ms,terminate=2s,kill=1s")
def test_the_ladder_ends_who_does_not_listen_before_the_shutdown_timeout_does(server):
    raw = server.ask("/wait")
    server.wait_for("began")
    at = server.terminate()
    assert " 503 " in read_all(raw).splitlines()[0]
    server.wait_for("met Terminate ServerStopping")
    assert stops(server)
    assert time.monotonic() - at < 5
    assert server.stdout.index("met") < server.stdout.index("closed")


@pytest.mark.options(shutdown_timeout=0.1)
def test_the_shutdown_timeout_is_a_terminate_that_masks_hold(server):
    raw = server.ask("/masked")
    server.wait_for("began")
    server.terminate()
    server.wait_for("booked")
    read_all(raw)
    assert stops(server)


@pytest.mark.options(ladder="drain=300ms,terminate=500ms,kill=500ms")
def test_a_client_that_stops_reading_does_not_keep_the_server(server):
    server.ask("/stream", receive_buffer=4096)
    server.wait_for("began")
    at = server.terminate()
    server.wait_for("met Terminate ServerStopping")
    assert stops(server)
    assert time.monotonic() - at < 5


@pytest.mark.options(deadline=0.3)
def test_a_body_that_never_ends_has_its_deadline_too(server):
    raw = server.ask("/echo", "Transfer-Encoding: chunked", method="POST", body=b"4\r\nabcd\r\n")
    assert b" 504 " in raw.recv(1000)  # aiohttp lingers, in case there is more
    assert is_well(server)


def test_a_websockets_handler_closes_it_when_the_server_stops(server):
    websockets = pytest.importorskip("websockets")
    from websockets.sync.client import connect

    with connect(f"ws://{server.url}/socket", proxy=None) as ws:
        server.wait_for("began")
        server.terminate()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            ws.recv(timeout=10)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "the server shuts down")
    assert stops(server)
