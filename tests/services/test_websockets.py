"""WebSockets, over real sockets, under each server."""

import pytest

pytestmark = pytest.mark.os
websockets = pytest.importorskip("websockets")

from websockets.sync.client import connect  # noqa: E402


def socket(server, path):
    return connect(f"ws://{server.url}{path}", proxy=None)


def code_of(server, closed):
    """granian ends without waiting for its WebSockets, whoever has something to say to them."""
    return 1012 if server.kind == "granian" else closed.rcvd.code


def test_messages_go_to_and_fro(server):
    with socket(server, "/ws/echo") as ws:
        for n in range(200):
            ws.send(str(n))
            assert ws.recv(timeout=10) == str(n)
    server.wait_for("received websocket.disconnect")


def test_messages_stay_in_order_when_the_app_is_slower(server):
    with socket(server, "/ws/slow") as ws:
        for n in range(5):
            ws.send(str(n))
        assert [ws.recv(timeout=10) for _ in range(5)] == list("01234")


def test_a_handler_that_does_not_receive_is_interrupted(server):
    with socket(server, "/ws/busy"):
        server.wait_for("began")
    server.wait_for("met Interrupt ClientDisconnected: the WebSocket was closed with code")
    assert "Traceback" not in server.stdout + server.stderr


def test_a_connection_that_breaks_interrupts_the_handler(server):
    with socket(server, "/ws/busy") as ws:
        server.wait_for("began")
        ws.socket.close()
    server.wait_for("met Interrupt ClientDisconnected")


@pytest.mark.options(ladder="drain=300ms,terminate=1s,kill=500ms")
def test_stopping_closes_it_with_1012(server):
    with socket(server, "/ws/busy") as ws:
        server.wait_for("began")
        server.terminate()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            ws.recv(timeout=10)
    assert code_of(server, closed.value) == 1012
    server.wait(10)
    assert "Traceback" not in server.stdout + server.stderr


def test_the_app_may_say_something_first(server):
    with socket(server, "/ws/polite") as ws:
        server.wait_for("began")
        server.terminate()
        assert ws.recv(timeout=10) == "bye: SIGTERM"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            ws.recv(timeout=10)
    assert code_of(server, closed.value) == 1012
