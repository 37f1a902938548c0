"""The client goes away, over real sockets, under each server."""

import socket
import time

import pytest
from servers import read_all, resets_when_closed

pytestmark = pytest.mark.os

GONE = "met Interrupt ClientDisconnected: the client closed the connection"


def reset(raw):
    """Close with a RST."""
    resets_when_closed(raw)
    raw.close()


def is_well(server):
    """It answers still, and has complained of nothing."""
    assert read_all(server.ask("/hello", "Connection: close")).endswith("hello")
    assert "Traceback" not in server.stdout + server.stderr
    return True


@pytest.mark.parametrize("close", [socket.socket.close, reset])
def test_a_handler_without_a_body_is_interrupted(server, close):
    raw = server.ask("/wait")
    server.wait_for("began")
    close(raw)
    server.wait_for(GONE)
    assert is_well(server)


def test_a_handler_that_has_read_its_body_is_interrupted(server):
    server.lose("/body_then_wait", "Content-Length: 3", method="POST", body=b"abc")
    server.wait_for(GONE)
    assert is_well(server)


def test_a_handler_that_is_only_asked_goes_on(server):
    server.lose("/ask")
    server.wait_for("asked the client closed the connection")
    server.wait_for("went on")
    assert is_well(server)


def test_a_handler_that_runs_to_its_end_is_told_nothing(server):
    server.lose("/whole")
    server.wait_for("done None")
    assert is_well(server)


@pytest.mark.options(on_disconnect="run_to_end")
def test_the_middleware_can_say_so_for_all_routes(server):
    raw = server.ask("/slow")
    raw.close()
    server.wait_for("done")
    assert is_well(server)


def test_a_stream_is_interrupted(server):
    server.lose("/stream")
    server.wait_for(GONE)
    assert is_well(server)


def test_a_stream_waits_for_a_slow_reader_and_is_interrupted(server):
    raw = server.ask("/stream", receive_buffer=4096)
    server.wait_for("began")
    raw.recv(10)
    time.sleep(0.2)  # it waits for room to write, and not for a message
    raw.close()
    server.wait_for(GONE)
    assert is_well(server)


def test_an_app_that_waits_for_the_disconnect_itself_receives_it_and_goes_on(server):
    server.lose("/watched")
    server.wait_for("received http.disconnect")
    server.wait_for("cleaned up")
    assert is_well(server)


def test_what_an_app_sends_after_the_client_went_does_no_harm(server):
    server.lose("/sends_after")
    server.wait_for("sent")
    assert is_well(server)


def test_the_apps_own_error_is_the_servers_to_report(server):
    assert " 500 " in read_all(server.ask("/fails", "Connection: close"))
    server.wait_for("the app's own", "stdout" if server.kind == "granian" else "stderr")


def test_a_body_is_whole_when_the_app_asks_for_it_late(server):
    size = 300_000
    headers = (f"Content-Length: {size}", "Connection: close")
    assert read_all(server.ask("/after_a_while", *headers, method="POST", body=b"x" * size)).endswith(f"{size} True")


def test_a_body_in_chunks_is_whole(server):
    chunks = b"".join(b"4\r\nabcd\r\n" for _ in range(100)) + b"0\r\n\r\n"
    headers = ("Transfer-Encoding: chunked", "Connection: close")
    assert read_all(server.ask("/after_a_while", *headers, method="POST", body=chunks)).endswith("400 True")


def test_nothing_is_read_of_a_body_that_the_app_does_not_ask_for(server):
    raw = server.ask("/wait", "Content-Length: 100000000", method="POST")
    server.wait_for("began")
    raw.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):  # it is the server that stops the client, as it does without us
        while sent < 100_000_000:
            sent += raw.send(b"x" * 65536)
    raw.close()


def test_a_body_that_never_ends_is_given_up_with_its_client(server):
    raw = server.ask("/echo", "Transfer-Encoding: chunked", method="POST", body=b"4\r\nabcd\r\n")
    time.sleep(0.1)
    raw.close()
    assert is_well(server)


def test_garbage_on_the_socket_is_the_servers_to_refuse(server):
    raw = server.connect()
    raw.sendall(b"\x16\x03\x01 what is this\r\n\r\n")
    read_all(raw)
    assert is_well(server)


def test_requests_one_after_the_other_on_a_connection_are_answered_each(server):
    raw = server.connect()
    for _ in range(20):
        raw.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while not data.endswith(b"hello"):
            data += raw.recv(65536)
    raw.close()
    assert is_well(server)


def test_requests_that_are_sent_at_once_on_a_connection_are_answered_each(server):
    raw = server.connect()
    raw.sendall(
        b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    text = read_all(raw)
    assert (text.count("end"), text.count("hello")) == (2, 1)
    assert is_well(server)


def test_a_client_that_has_shut_its_half_does_the_server_no_harm(server):
    """Whether it counts as gone is the server's choice."""
    raw = server.ask("/slow")
    raw.shutdown(socket.SHUT_WR)
    read_all(raw)
    assert is_well(server)


def test_a_hundred_clients_that_go_at_once_interrupt_a_hundred_handlers(server):
    many = [server.ask("/wait") for _ in range(100)]
    server.wait_for("began", count=100)
    for raw in many:
        raw.close()
    server.wait_for(GONE, count=100)
    assert is_well(server)


def test_a_reset_stream_of_http_2_interrupts_its_handler_and_no_other(serve):
    h2, server = pytest.importorskip("h2.connection"), serve("hypercorn")
    client, raw = h2.H2Connection(), server.connect()

    def get(path):
        stream, names = client.get_next_available_stream_id(), (":method", ":path", ":scheme", ":authority")
        client.send_headers(stream, list(zip(names, ("GET", path, "http", "x"), strict=True)), end_stream=True)
        raw.sendall(client.data_to_send())
        return stream

    client.initiate_connection()
    first = get("/wait")
    server.wait_for("began")
    get("/wait")
    server.wait_for("began", count=2)
    client.reset_stream(first, error_code=8)
    raw.sendall(client.data_to_send())
    server.wait_for(GONE)
    assert is_well(server)
    assert server.stdout.count(GONE) == 1


def test_a_body_over_http_2_is_whole_when_the_app_asks_for_it_late(serve):
    httpx, server = pytest.importorskip("httpx"), serve("hypercorn")
    with httpx.Client(http1=False, http2=True, trust_env=False, base_url=f"http://{server.url}") as client:
        assert client.post("/after_a_while", content=(b"x" * 1000 for _ in range(50))).text == "50000 True"
