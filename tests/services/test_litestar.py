"""Litestar: `app = SignalMiddleware(Litestar(...))`, under uvicorn."""

import pytest
from servers import read_all

pytestmark = pytest.mark.os
pytest.importorskip("litestar")

GONE = "met Interrupt the client closed the connection"


@pytest.fixture
def litestar(serve):
    return lambda **options: serve("uvicorn", app="litestar_app:app", **options)


def ends_well(server):
    server.terminate()
    server.wait(10)
    assert "closed" in server.stdout
    assert "Traceback" not in server.stdout + server.stderr
    return True


def test_a_client_that_goes_away_interrupts_the_handler_and_its_dependencies_are_closed(litestar):
    server = litestar()
    server.lose("/wait")
    server.wait_for(GONE)
    server.wait_for("session closed")
    assert ends_well(server)


def test_a_handler_that_has_its_body_is_interrupted(litestar):
    server = litestar()
    headers = "Content-Type: application/json", "Content-Length: 3"
    server.lose("/post", *headers, method="POST", body=b"[1]")
    server.wait_for(GONE)
    assert ends_well(server)


def test_a_stream_is_closed_when_its_client_goes_away(litestar):
    server = litestar()
    raw = server.ask("/forever")
    server.wait_for("began")
    raw.recv(10)
    raw.close()
    server.wait_for("stream closed")
    assert ends_well(server)


def test_a_handler_may_run_to_its_end(litestar):
    server = litestar()
    server.lose("/pay")
    server.wait_for("paid")
    assert ends_well(server)


def test_a_deadline_is_answered_by_504(litestar):
    server = litestar(deadline=0.3)
    assert " 504 " in read_all(server.ask("/wait")).splitlines()[0]
    server.wait_for("met Terminate")
    server.wait_for("session closed")
    assert ends_well(server)


def test_a_stream_of_events_says_goodbye(litestar):
    server = litestar()
    raw = server.ask("/events")
    server.wait_for("began")
    server.terminate()
    assert "data: SIGTERM" in read_all(raw)
    assert ends_well(server)


def test_who_does_not_listen_is_terminated_and_answered_by_503(litestar):
    server = litestar(ladder="drain=300ms,terminate=1s,kill=500ms")
    raw = server.ask("/wait")
    server.wait_for("began")
    server.terminate()
    assert " 503 " in read_all(raw).splitlines()[0]
    server.wait_for("met Terminate SIGTERM")
    assert ends_well(server)


def test_a_mask_holds(litestar):
    server = litestar(ladder="drain=100ms,terminate=2s,kill=500ms")
    raw = server.ask("/order")
    server.wait_for("began")
    server.terminate()
    assert read_all(raw).endswith("booked")
    assert ends_well(server)


def test_a_websocket_says_goodbye_and_is_closed_with_1012(litestar):
    websockets, server = pytest.importorskip("websockets"), litestar()
    from websockets.sync.client import connect

    with connect(f"ws://{server.url}/ws", proxy=None) as ws:
        server.wait_for("began")
        server.terminate()
        assert ws.recv(timeout=10) == "bye: SIGTERM"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            ws.recv(timeout=10)
    assert closed.value.rcvd.code == 1012
    server.wait(10)
    assert "Traceback" not in server.stdout + server.stderr
