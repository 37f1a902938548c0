"""The app under each server."""

import pytest
from servers import SERVERS, Server


@pytest.fixture
def serve():
    """`serve(kind, **options)` starts the app under that server; it is ended with the test."""
    started = []

    def serve(kind, **kwargs):
        started.append(Server(kind, **kwargs))
        return started[-1].ready()

    yield serve
    for server in started:
        server.end()


@pytest.fixture(params=SERVERS)
def server(request, serve):
    """The app under each server, with what the test has said by `options(...)`."""
    pytest.importorskip(request.param.partition("-")[0])
    mark = request.node.get_closest_marker("options")
    return serve(request.param, **(mark.kwargs if mark else {}))


def pytest_configure(config):
    config.addinivalue_line("markers", "options(**options): the middleware's, for `server`")
