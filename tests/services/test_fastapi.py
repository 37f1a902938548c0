"""FastAPI with the middleware, under uvicorn and without `sigtask run`."""

import time

import pytest
from servers import read_all

pytestmark = pytest.mark.os
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


@pytest.fixture(params=["plain", "with an http middleware"])
def server(request, serve):
    env = {"HTTP_MIDDLEWARE": "1"} if "http" in request.param else {}
    return serve("uvicorn", app="fastapi_app:app", env=env)


def is_well(server):
    assert read_all(server.ask("/hello", "Connection: close")).endswith('"hello"')
    assert "Traceback" not in server.stderr, server.stderr
    return True


def test_a_handler_is_interrupted_and_its_dependencies_are_closed(server):
    server.lose("/wait")
    server.wait_for("met the client closed the connection")
    server.wait_for("session closed")
    assert is_well(server)


def test_a_handler_with_a_body_is_interrupted(serve):
    server = serve("uvicorn", app="fastapi_app:app")
    server.lose("/post", "Content-Type: application/json", "Content-Length: 6", method="POST", body=b"[1, 2]")
    server.wait_for("met the client closed the connection")
    assert is_well(server)


def test_the_dependency_makes_it_a_question(serve):
    server = serve("uvicorn", app="fastapi_app:app")
    raw = server.ask("/ask")
    server.wait_for("began False")
    raw.close()
    server.wait_for("gone True the client closed the connection")
    assert is_well(server)


def test_is_disconnected_goes_on_to_work(serve):
    server = serve("uvicorn", app="fastapi_app:app")
    raw = server.ask("/polls")
    server.wait_for("began")
    time.sleep(0.2)
    assert "gone" not in server.stdout
    raw.close()
    server.wait_for("gone")
    assert is_well(server)


def test_run_to_end_keeps_the_parameters_of_the_function(server):
    server.lose("/pay?amount=7")
    server.wait_for("paid 7")
    assert is_well(server)


def test_a_plain_function_runs_in_its_thread(server):
    assert "from a thread" in read_all(server.ask("/thread", "Connection: close"))


def test_a_plain_function_keeps_its_dependencies_when_the_client_goes(server):
    server.lose("/long_thread")
    server.wait_for("closed the session")
    assert server.stdout.index("the thread is done") < server.stdout.index("closed the session")
    assert is_well(server)


def test_a_background_task_is_not_interrupted_by_the_end_of_the_response(server):
    assert read_all(server.ask("/background", "Connection: close")).endswith('"soon"')
    server.wait_for("background done None")
    assert is_well(server)


def test_a_stream_is_closed_when_the_client_goes(server):
    raw = server.ask("/forever")
    server.wait_for("began")
    raw.recv(10)
    raw.close()
    server.wait_for("stream closed")
    assert is_well(server)


def test_what_is_to_be_done_after_a_stream_is_done_when_the_client_has_gone(serve):
    server = serve("uvicorn", app="fastapi_app:app")
    server.lose("/forever")
    server.wait_for("afterwards")
    assert is_well(server)


def test_a_stream_of_events_gets_its_last_words_out(server):
    raw = server.ask("/events")
    server.wait_for("began")
    server.terminate()
    assert "data: SIGTERM" in read_all(raw)
    server.wait(10)
    assert "closed" in server.stdout
    assert "Traceback" not in server.stderr, server.stderr


def test_a_websocket_meets_its_clients_departure_as_ever(server):
    websockets = pytest.importorskip("websockets.sync.client")
    with websockets.connect(f"ws://{server.url}/ws", proxy=None) as ws:
        ws.send("a")
        assert ws.recv(timeout=10) == "a"
    server.wait_for("client left")
    assert is_well(server)


def test_a_websocket_that_only_sends_and_runs_to_its_end_is_told_by_its_send(server):
    websockets = pytest.importorskip("websockets.sync.client")
    with websockets.connect(f"ws://{server.url}/ticks", proxy=None):
        server.wait_for("began")
    server.wait_for("no more ticks")
    assert is_well(server)
