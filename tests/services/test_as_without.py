"""What an app does without the middleware it does with it."""

import asyncio

import pytest
from lines import GONE, HTTP, SOCKET, Line, call, ok, piece

from sigtask import Interrupt, Task, requested
from sigtask.asgi import ClientDisconnected, SignalMiddleware, disconnection, on_disconnect

pytestmark = pytest.mark.clock  # uvloop serves in the tests with real servers, and its clock does not jump


async def reads(receive):
    return await receive()


async def reads_in_a_task(receive):
    return await asyncio.create_task(reads(receive))


@pytest.mark.parametrize("read", [reads, reads_in_a_task])
@pytest.mark.parametrize("busy", [0, 0.1])
async def test_an_app_that_reads_the_disconnect_itself_is_not_interrupted_as_well(read, busy):
    """It does what it does without the middleware, as all the frameworks: the end of a WebSocket is no error."""
    line, seen = Line({"type": "websocket.connect"}), []

    async def app(scope, receive, send):
        await receive()
        await asyncio.sleep(busy)  # somebody reads in its place meanwhile
        asyncio.get_running_loop().call_later(0.1, line.queue.put_nowait, {"type": "websocket.disconnect"})
        seen.append((await read(receive))["type"])
        await asyncio.sleep(0.1)
        seen.append("others told")

    await call(app, SOCKET, line)
    assert seen == ["websocket.disconnect", "others told"]


async def test_a_websocket_that_is_gone_answers_a_send_as_the_server_does():
    """By an error, mostly: it ends an app that only sends, and is not to be interrupted."""
    line = Line({"type": "websocket.connect"}, {"type": "websocket.disconnect"})

    async def send(message):
        raise OSError("nobody is there")

    async def app(scope, receive, send):
        await receive()
        await asyncio.sleep(0.2)
        await send({"type": "websocket.send", "text": "tick"})

    with pytest.raises(OSError, match="nobody"):
        await SignalMiddleware(app, on_disconnect="run_to_end")(dict(SOCKET), line.receive, send)


async def test_what_is_done_after_the_response_has_no_deadline():
    done = []

    async def app(scope, receive, send):
        if scope["path"] == "/late":
            await asyncio.sleep(0.1)
        await ok(send)
        await asyncio.sleep(0.5)
        done.append(scope["path"])

    for path in "/", "/late":
        await call(app, HTTP | {"path": path}, Line(), deadline=0.2)
    assert done == ["/", "/late"]


async def test_a_last_piece_that_the_client_does_not_take_has_its_deadline():
    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.sleep(1000)

    async def app(scope, receive, send):
        await ok(send)

    async with asyncio.timeout(10):
        await SignalMiddleware(app, deadline=0.2)(dict(HTTP), Line().receive, send)


async def test_a_handler_that_asks_another_app_is_still_in_its_own_request():
    line, seen = Line(piece(b"")), []

    async def app(scope, receive, send):
        await call(hello, HTTP, Line())
        gone = await disconnection()
        line.queue.put_nowait(GONE)
        await asyncio.sleep(0.2)
        seen.append(bool(gone))

    async def hello(scope, receive, send):
        await ok(send)

    await call(app, HTTP, line)
    assert seen == [True]


def route():
    """FastAPI runs it in a thread."""


async def test_a_route_in_a_thread_is_left_alone_unless_it_says_otherwise():
    """Its dependencies would be closed while it uses them."""
    seen = []

    async def app(scope, receive, send):
        scope["endpoint"] = route
        if scope["path"] == "/throw":
            await on_disconnect("throw")(asyncio.sleep)(0.2)
        else:
            await asyncio.sleep(0.2)
        seen.append((scope["path"], requested(ClientDisconnected) is not None))

    for path in "/", "/throw":
        await call(app, HTTP | {"path": path}, Line(piece(b""), GONE))
    assert seen == [("/", True)]


def test_the_client_is_listened_for_in_each_loop_and_tasks_take_signals():
    seen = []

    async def app(scope, receive, send):
        assert isinstance(asyncio.create_task(asyncio.sleep(0)), Task)
        try:
            await asyncio.sleep(5)
        except Interrupt:
            seen.append("met")
            raise

    middleware = SignalMiddleware(app)

    async def main(line):
        await asyncio.wait_for(middleware(dict(HTTP), line.receive, line.send), 0.01 if line.queue.empty() else 3)

    with pytest.raises(TimeoutError):
        asyncio.run(main(Line()))  # its loop is closed before anybody listens
    asyncio.run(main(Line(piece(b""), GONE)))
    assert seen == ["met"]
