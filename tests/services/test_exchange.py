"""The middleware between a server and an app that are both made up: who reads what, and when; and bad input."""

import asyncio
import contextvars

import pytest
from lines import GONE, HTTP, POST, SOCKET, Line, call, ok, piece

from sigtask import Interrupt, Ladder, Task, create_task
from sigtask.asgi import ClientDisconnected, SignalMiddleware, on_disconnect
from sigtask.testing import turns

pytestmark = pytest.mark.clock  # uvloop serves in the tests with real servers, and its clock does not jump


async def test_the_app_runs_in_a_task_of_ours_whatever_the_loop_makes():
    async def app(scope, receive, send):
        assert isinstance(asyncio.current_task(), Task)
        await ok(send)

    asyncio.get_running_loop().set_task_factory(None)
    await call(app, HTTP, line := Line())
    assert line.status == 200


async def test_nothing_is_read_of_a_body_before_the_app_asks():
    line = Line(piece(b"abc", more=True), piece(b"def"), GONE)

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        assert line.read == 0
        assert (await receive())["body"] == b"abc"
        await asyncio.sleep(1)
        assert line.read == 1
        await ok(send)

    await call(app, POST, line)


async def test_the_disconnect_is_looked_for_when_the_body_has_been_read():
    line, seen = Line(piece(b"abcdef")), []

    async def app(scope, receive, send):
        await receive()
        line.queue.put_nowait(GONE)
        try:
            await asyncio.sleep(1000)
        except Interrupt as signal:
            seen.append(signal.reason)
            raise

    await call(app, POST, line)
    assert isinstance(seen[0], ClientDisconnected)


async def test_what_was_read_ahead_is_handed_on_in_order():
    line = Line(piece(b""))

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        assert line.read == 1
        assert (await receive()) == piece(b"")
        line.queue.put_nowait(GONE)
        assert await receive() == GONE
        assert await receive() == GONE

    await call(app, HTTP, line, on_disconnect="run_to_end")


async def test_a_body_where_none_was_announced_is_read_ahead_by_one_piece_only():
    line = Line(piece(b"a", more=True), piece(b"b", more=True), piece(b"c"))

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        assert line.read == 1
        assert [(await receive())["body"] for _ in range(3)] == [b"a", b"b", b"c"]
        await ok(send)

    await call(app, HTTP, line)


async def test_one_message_of_a_websocket_is_read_ahead_and_no_more():
    line = Line({"type": "websocket.connect"}, *({"type": "websocket.receive", "text": str(n)} for n in range(5)))

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(1)
        assert line.read == 2
        assert [(await receive())["text"] for _ in range(5)] == list("01234")
        await send({"type": "websocket.close"})

    await call(app, SOCKET, line)


async def test_an_app_whose_receive_is_cancelled_loses_nothing():
    line = Line(piece(b""))

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        await receive()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), 0.5)
        line.queue.put_nowait(GONE)
        assert await receive() == GONE

    await call(app, HTTP, line, on_disconnect="run_to_end")


async def test_two_tasks_of_the_app_may_wait_for_the_disconnect():
    line = Line(piece(b""))

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        await receive()
        waiting = [asyncio.ensure_future(receive()) for _ in range(2)]
        await asyncio.sleep(1)
        line.queue.put_nowait(GONE)
        assert await asyncio.gather(*waiting) == [GONE, GONE]

    await call(app, HTTP, line, on_disconnect="run_to_end")


async def test_nobody_reads_when_the_app_has_ended():
    line = Line(piece(b""))

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        await ok(send)

    await call(app, HTTP, line)
    await asyncio.sleep(1)
    assert not line.reading


async def test_a_disconnect_after_the_whole_response_is_no_departure():
    line, seen = Line(piece(b"")), []

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        await ok(send)
        line.queue.put_nowait(GONE)
        await asyncio.sleep(1)
        seen.append(asyncio.current_task().history)

    await call(app, HTTP, line)
    assert seen == [()]


START = {"type": "http.response.start", "status": 200, "headers": []}
WHOLE = {
    "pathsend": [START, {"type": "http.response.pathsend", "path": "/etc/hostname"}],
    "zerocopysend": [START, {"type": "http.response.zerocopysend", "file": 3}],
    "trailers": [
        START | {"trailers": True},
        {"type": "http.response.body", "body": b"x"},
        {"type": "http.response.trailers", "headers": [(b"a", b"b")], "more_trailers": True},
        {"type": "http.response.trailers", "headers": [(b"c", b"d")]},
    ],
}


@pytest.mark.parametrize("messages", WHOLE.values(), ids=WHOLE)
async def test_a_response_by_an_extension_of_asgi_is_whole_too(messages):
    """It comes out as it is, and a disconnect after it is no departure, so what is done in the background is done."""
    line, seen = Line(piece(b"")), []

    async def app(scope, receive, send):
        await asyncio.sleep(1)
        for message in messages:
            await send(message)
        line.queue.put_nowait(GONE)
        await asyncio.sleep(1)
        seen.append(asyncio.current_task().history)

    await call(app, HTTP, line)
    assert line.sent == messages
    assert seen == [()]


async def test_an_error_of_the_servers_receive_is_the_apps_to_meet():
    async def app(scope, receive, send):
        await asyncio.sleep(1)
        with pytest.raises(ConnectionError):
            await receive()
        await ok(send)

    async def receive():
        raise ConnectionError("broken")

    line = Line()
    await SignalMiddleware(app)(dict(HTTP), receive, line.send)
    assert line.status == 200


async def test_context_variables_are_seen_by_the_app_and_by_what_called_it():
    var = contextvars.ContextVar("var", default="unset")

    async def app(scope, receive, send):
        assert var.get() == "outer"
        var.set("inner")
        await asyncio.sleep(0)
        await ok(send)

    var.set("outer")
    await call(app, HTTP, Line())
    assert var.get() == "inner"


async def test_who_is_cancelled_by_the_server_is_waited_for_and_the_cancel_goes_on():
    ended = []

    async def app(scope, receive, send):
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.1)
            ended.append(asyncio.current_task().history[0].signal)

    task = asyncio.ensure_future(call(app, HTTP, line := Line()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert type(ended[0]).__name__ == "Terminate"
    assert line.status == 503


async def test_ten_thousand_requests_leave_nothing_behind():
    async def app(scope, receive, send):
        await asyncio.sleep(0.1)
        await ok(send)

    middleware, before = SignalMiddleware(app), len(asyncio.all_tasks())
    await asyncio.gather(*(middleware(dict(HTTP), Line().receive, Line().send) for _ in range(10_000)))
    await asyncio.sleep(1)
    assert len(asyncio.all_tasks()) == before
    assert not middleware._in_flight._tasks


async def test_a_decorated_function_outside_of_a_request_is_itself():
    @on_disconnect("ask")
    async def function(n):
        return n + 1

    assert await function(1) == 2


def wsgi(environ, start_response):
    return []


class Asgi2:
    def __init__(self, scope): ...


@pytest.mark.parametrize("app", [None, 3, "app:app", wsgi, Asgi2, lambda: None])
def test_what_is_no_asgi_app_is_refused_at_the_start(app):
    with pytest.raises(TypeError, match="ASGI 3 app"):
        SignalMiddleware(app)


async def good(scope, receive, send): ...


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"drain_delay": -1}, ValueError),
        ({"drain_delay": float("nan")}, ValueError),
        ({"drain_delay": "5s"}, ValueError),
        ({"deadline": 0}, ValueError),
        ({"deadline": -3}, ValueError),
        ({"deadline": float("inf")}, ValueError),
        ({"deadline": "soon"}, ValueError),
        ({"deadline_header": 3}, TypeError),
        ({"timeout_header": ""}, TypeError),
        ({"ladder": "drain=3s"}, TypeError),
        ({"on_disconnect": "ignore"}, ValueError),
        ({"ready_path": "readyz"}, TypeError),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_at_the_start(options, error):
    with pytest.raises(error):
        SignalMiddleware(good, **options)


def test_stop_outside_of_the_loop_is_refused_and_changes_nothing():
    middleware = SignalMiddleware(good)
    with pytest.raises(RuntimeError):
        middleware.stop()
    assert middleware.stopping is None


def test_a_negative_grace_is_refused_by_the_ladder():
    with pytest.raises(ValueError, match="-1"):
        SignalMiddleware(good, ladder=Ladder.parse("drain=-1s,kill"))


async def test_a_signal_and_then_a_plain_cancel_of_the_servers_task_raises_and_signals_alone_are_taken_back():
    ended = asyncio.Event()

    async def app(scope, receive, send):
        try:
            await asyncio.sleep(60)
        finally:
            await ended.wait()

    async def request():
        await call(app, HTTP, Line())
        return asyncio.current_task().cancelling()

    task, other = create_task(request()), create_task(request())
    await turns(3)
    task.terminate()
    other.terminate()
    await turns(3)
    task.cancel()
    await turns(3)
    ended.set()
    assert await other == 0
    with pytest.raises(asyncio.CancelledError):
        await task
