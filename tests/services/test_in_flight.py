"""Which requests the ladder is for, and for how long, when the server stops."""

import asyncio

import anyio
import pytest
from lines import HTTP, Line, ok

from sigtask import Ladder, Signal, Terminate, mask
from sigtask.asgi import SignalMiddleware

pytestmark = pytest.mark.clock  # uvloop serves in the tests with real servers, and its clock does not jump

LADDER = Ladder.parse("drain=1s,terminate=1s,kill=1s")


class App:
    """Takes as long as the path says, and notes what it meets."""

    def __init__(self):
        self.met = []

    async def __call__(self, scope, receive, send):
        try:
            await asyncio.sleep(float(scope["path"]))
        except Signal as signal:
            self.met.append(type(signal).__name__)
            raise
        await ok(send)


def ask(middleware, seconds):
    line = Line()
    return asyncio.ensure_future(middleware({**HTTP, "path": str(seconds)}, line.receive, line.send)), line


async def test_a_request_that_comes_when_all_others_have_ended_has_the_whole_ladder():
    app = App()
    middleware = SignalMiddleware(app, ladder=LADDER)
    middleware.stop()
    await asyncio.sleep(0.1)
    short, long = ask(middleware, 0.1), ask(middleware, 10)
    await asyncio.gather(short[0], long[0])
    assert (short[1].status, long[1].status, app.met) == (200, 503, ["Terminate"])


def test_a_request_that_comes_in_the_turn_in_which_the_last_one_ends_has_the_drains_grace():
    app = App()

    async def main():
        middleware = SignalMiddleware(app, ladder=LADDER)
        first, _ = ask(middleware, 0.1)
        await asyncio.sleep(0.05)
        middleware.stop()
        while middleware._in_flight._tasks:
            await asyncio.sleep(0)  # turn by turn, and so not on a clock that jumps
        line = Line()
        await middleware({**HTTP, "path": "0.1"}, line.receive, line.send)
        await first
        return line.status

    assert (asyncio.run(main()), app.met) == (200, [])


async def test_a_second_stop_ends_the_drain():
    app = App()
    middleware = SignalMiddleware(app, ladder=Ladder.parse("drain=100s,terminate=1s,kill"))
    request, line = ask(middleware, 20)
    await asyncio.sleep(0.05)
    middleware.stop()
    await asyncio.sleep(0.05)
    middleware.stop()
    async with asyncio.timeout(5):
        await request
    assert (line.status, app.met) == (503, ["Terminate"])


def test_an_anyio_scope_around_it_that_cancels_in_each_turn_ends_it_once():
    most = 0

    async def app(scope, receive, send):
        nonlocal most
        with mask(Terminate):
            for _ in range(20):
                await asyncio.sleep(0.01)
                most = max(most, len(asyncio.all_tasks()))
        await ok(send)

    async def main():
        line = Line()
        with anyio.move_on_after(0.05):
            await SignalMiddleware(app)(dict(HTTP), line.receive, line.send)
        return line.status

    assert asyncio.run(main()) == 200
    assert most < 10


@pytest.mark.parametrize("path", ["/readyz", "/api/readyz"])
async def test_the_ready_path_is_found_behind_a_proxy_that_takes_a_prefix_away(path):
    middleware, line = SignalMiddleware(App(), ready_path="/readyz"), Line()
    middleware.stop()
    await middleware({**HTTP, "root_path": "/api", "path": path}, line.receive, line.send)
    assert line.status == 503
