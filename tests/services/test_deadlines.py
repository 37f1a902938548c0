"""A request has a deadline: the server's, a client's, a gateway's."""

import time

import pytest
from servers import read_all

pytestmark = pytest.mark.os

HEADERS = {"timeout_header": "X-Request-Timeout", "deadline_header": "X-Request-Deadline"}


@pytest.mark.options(deadline=0.3)
def test_what_takes_longer_is_terminated_and_answered_by_504(server):
    at = time.monotonic()
    text = read_all(server.ask("/wait"))
    assert 0.25 < time.monotonic() - at < 3
    assert " 504 " in text.splitlines()[0]
    server.wait_for("met Terminate DeadlineExceeded")
    assert "Traceback" not in server.stdout + server.stderr


@pytest.mark.options(deadline=0.3)
def test_what_is_done_in_time_is_left_alone(server):
    assert read_all(server.ask("/hello", "Connection: close")).endswith("hello")


@pytest.mark.options(deadline=0.2)
def test_an_answer_that_has_begun_is_cut(server):
    text = read_all(server.ask("/half"))
    assert "half" in text
    assert not text.endswith("0\r\n\r\n")


@pytest.mark.options(deadline=0.2)
def test_the_clients_departure_and_the_deadline_both_stand_in_history(server):
    server.lose("/deaf")
    server.wait_for("swallowed Interrupt")
    server.wait_for("swallowed Terminate")


@pytest.mark.options(deadline=20, **HEADERS)
@pytest.mark.parametrize("of", ["timeout", "deadline"])
def test_a_header_may_say_less_than_the_server(server, of):
    header = "X-Request-Timeout: 0.3" if of == "timeout" else f"X-Request-Deadline: {time.time() + 0.5}"
    assert " 504 " in read_all(server.ask("/wait", header)).splitlines()[0]


@pytest.mark.options(**HEADERS)
def test_without_a_header_there_is_no_deadline(server):
    assert "end" in read_all(server.ask("/slow", "Connection: close"))


def test_of_a_header_that_comes_twice_the_earliest_counts(serve):
    server = serve("uvicorn", **HEADERS)
    for twice in ("0.3", "60"), ("60", "0.3"):
        headers = [f"X-Request-Timeout: {value}" for value in twice]
        assert " 504 " in read_all(server.ask("/wait", *headers)).splitlines()[0]
    headers = ["X-Request-Timeout: soon", "X-Request-Timeout: 60"]
    assert " 400 " in read_all(server.ask("/wait", *headers)).splitlines()[0]


@pytest.mark.options(deadline=0.3)
def test_a_body_that_never_ends_has_its_deadline_too(server):
    raw = server.ask("/echo", "Transfer-Encoding: chunked", method="POST", body=b"4\r\nabcd\r\n")
    assert " 504 " in read_all(raw).splitlines()[0]
    assert "Traceback" not in server.stdout + server.stderr


@pytest.mark.parametrize("seconds", ["1e300", "99999999999"])
def test_a_deadline_that_is_very_far_away_is_none(serve, seconds):
    for loop in "asyncio", "uvloop":
        server = serve("uvicorn", extra=("--loop", loop), **HEADERS)
        assert "end" in read_all(server.ask("/slow", f"X-Request-Timeout: {seconds}", "Connection: close"))


BAD = [
    *(f"X-Request-Timeout: {value}" for value in ("soon", "", "nan", "inf", "-1", "0", "1_0", "0x10", "1e999")),
    "X-Request-Deadline: 12",
    "X-Request-Deadline: tomorrow",
]


def test_a_header_that_is_no_number_or_in_the_past_is_answered_by_400(serve):
    server = serve("uvicorn", **HEADERS)
    for header in BAD:
        assert " 400 " in read_all(server.ask("/wait", header)).splitlines()[0], header
    assert "began" not in server.stdout
    assert "Traceback" not in server.stderr
