"""A gRPC server on asyncio, with signals."""

import asyncio

import pytest

grpc = pytest.importorskip("grpc")
from sigtask import Drain, Ladder, Signal, until  # noqa: E402
from sigtask.grpc import SignalInterceptor  # noqa: E402

pytestmark = pytest.mark.os


class Service:
    """Handlers of raw bytes, one for each kind of call."""

    def __init__(self):
        self.began = asyncio.Event()
        self.met = asyncio.get_running_loop().create_future()

    async def wait(self, request, context):
        self.began.set()
        try:
            await asyncio.sleep(30)
        except Signal as signal:
            self.met.set_result((type(signal).__name__, type(signal.reason).__name__))
            raise

    async def echo(self, request, context):
        return request

    async def count(self, request, context):
        for n in range(3):
            yield str(n).encode()

    async def last_words(self, request, context):
        yield b"first"
        self.began.set()
        got = await until(Drain, asyncio.sleep(30))
        yield str(got.reason).encode()

    async def endless(self, request, context):
        try:
            while True:
                yield b"x" * 65536
                self.began.set()
        finally:
            self.met.set_result(type(asyncio.current_task()).__name__)

    async def tidy(self, request, context):
        try:
            while True:
                yield b"x" * 1_000_000
        finally:
            await asyncio.sleep(0.1)
            self.met.set_result("cleaned up")

    async def total(self, requests, context):
        return str(sum([len(each) async for each in requests])).encode()

    async def shout(self, requests, context):
        async for each in requests:
            yield each.upper()

    async def fails(self, request, context):
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")

    def handlers(self):
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        return {
            **{name: unary(getattr(self, name)) for name in ("wait", "echo", "fails")},
            **{name: stream(getattr(self, name)) for name in ("count", "last_words", "endless", "tidy")},
            "total": grpc.stream_unary_rpc_method_handler(self.total),
            "shout": grpc.stream_stream_rpc_method_handler(self.shout),
        }


def play(scenario, ladder="drain=200ms,terminate=1s,kill=500ms"):
    """Run `scenario(service, channel, stop)` against a server; it is stopped afterwards in any case."""

    async def main():
        service, signals = Service(), SignalInterceptor(ladder=Ladder.parse(ladder))
        server = grpc.aio.server(interceptors=[signals])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("s", service.handlers())])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with asyncio.timeout(20), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await scenario(service, channel, lambda: signals.stop(server))
            await signals.stop(server)

    asyncio.run(main())


def test_calls_of_each_kind_are_answered():
    async def scenario(service, channel, stop):
        async def two():
            yield b"ab"
            yield b"c"

        assert await channel.unary_unary("/s/echo")(b"x") == b"x"
        assert [each async for each in channel.unary_stream("/s/count")(b"")] == [b"0", b"1", b"2"]
        assert await channel.stream_unary("/s/total")(two()) == b"3"
        assert [each async for each in channel.stream_stream("/s/shout")(two())] == [b"AB", b"C"]

    play(scenario)


def test_the_handlers_own_status_is_the_answer():
    async def scenario(service, channel, stop):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary("/s/fails")(b"")
        assert error.value.code() == grpc.StatusCode.NOT_FOUND

    play(scenario)


def test_a_call_that_its_client_cancels_is_interrupted():
    async def scenario(service, channel, stop):
        call = channel.unary_unary("/s/wait")(b"")
        await service.began.wait()
        call.cancel()
        assert await service.met == ("Interrupt", "ClientDisconnected")

    play(scenario)


def test_the_clients_deadline_is_a_terminate():
    async def scenario(service, channel, stop):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary("/s/wait")(b"", timeout=0.3)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert await service.met == ("Terminate", "DeadlineExceeded")

    play(scenario)


def test_a_stream_that_is_stopped_while_it_writes_to_a_slow_client_closes_its_generator_in_its_own_task():
    async def scenario(service, channel, stop):
        call = channel.unary_stream("/s/endless")(b"")
        await call.read()
        await service.began.wait()
        await asyncio.sleep(0.3)  # it fills the window, and waits for room
        await stop()
        assert service.met.done() and service.met.result() == "Task"

    play(scenario)


def test_a_stream_whose_write_has_failed_is_not_interrupted_in_its_cleanup():
    async def scenario(service, channel, stop):
        call = channel.unary_stream("/s/tidy")(b"")
        await call.read()
        call.cancel()
        assert await service.met == "cleaned up"

    play(scenario)


def test_stop_lets_a_stream_say_its_last_words():
    async def scenario(service, channel, stop):
        call = channel.unary_stream("/s/last_words")(b"")
        assert await call.read() == b"first"
        await service.began.wait()
        stopping = asyncio.create_task(stop())
        assert await call.read() == b"the server shuts down"
        await stopping

    play(scenario)


def test_stop_ends_who_does_not_listen_by_the_ladder():
    async def scenario(service, channel, stop):
        call = channel.unary_unary("/s/wait")(b"")
        await service.began.wait()
        await stop()
        assert await service.met == ("Terminate", "ServerStopping")
        assert await call.code() == grpc.StatusCode.UNAVAILABLE

    play(scenario)


def test_a_ladder_that_is_none_is_refused():
    with pytest.raises(TypeError, match="ladder is 3"):
        SignalInterceptor(ladder=3)
