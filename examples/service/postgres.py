"""A PostgreSQL for a while: a cluster of its own in a temporary directory, on a free port of 127.0.0.1.

    python examples/service/postgres.py uvicorn --app-dir examples/service app:app

runs a program with the schema in place and `DSN` in its environment.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import database


class NoPostgres(Exception):
    """PostgreSQL is not installed here."""


def program(name: str) -> str:
    """Where one of PostgreSQL's programs is. Debian does not put the server's on PATH.

    Raises: `NoPostgres`.
    """
    of_debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(of_debian[-1]) if of_debian else shutil.which(name)
    if found is None:
        raise NoPostgres(f"there is no {name}: apt-get install postgresql")
    return found


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Its DSN, as long as the block lasts.

    Raises: `NoPostgres`; `RuntimeError` when it does not start.
    """
    initdb, server = program("initdb"), program("postgres")
    with tempfile.TemporaryDirectory() as directory:
        options: dict[str, Any] = {"cwd": directory, "stderr": subprocess.STDOUT}
        if os.geteuid() == 0:  # which PostgreSQL refuses
            user = _somebody_else()
            os.chown(directory, user.pw_uid, user.pw_gid)
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data, port = f"{directory}/data", _free_port()
        make = [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]
        serve = [server, "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", directory, "-F"]
        with Path(directory, "log").open("wb") as log:
            subprocess.run(make, stdout=log, check=True, **options)
            running = subprocess.Popen(serve, stdout=log, **options)
        try:
            _wait_for(port, running, Path(directory, "log"))
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            running.send_signal(signal.SIGINT)  # "fast": sessions are ended
            running.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _somebody_else() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgres("root cannot run PostgreSQL, and there is no user postgres or nobody")


def _wait_for(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    ready = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + 30
    while subprocess.run(ready, check=False).returncode != 0:
        if running.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.05)


async def make_tables(driver: str, dsn: str) -> None:
    """The service's, where they are not there yet."""
    async with database.connect(driver, dsn) as connected, connected() as fetch:
        for statement in filter(str.strip, database.SCHEMA.split(";")):
            await fetch(statement)


if __name__ == "__main__":
    with postgres() as dsn:
        asyncio.run(make_tables(os.environ.get("DRIVER", "asyncpg"), dsn))
        print(dsn, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "DSN": dsn}, check=False).returncode)
