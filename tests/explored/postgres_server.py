"""A real PostgreSQL, started once, for those that need one."""

import asyncio
import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time

BIN = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), None)
_started = {}


def as_user():
    """PostgreSQL does not run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def start_server():
    if _started:
        return
    folder = tempfile.mkdtemp(prefix="pg")
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "cwd": folder}
    data = os.path.join(folder, "data")
    subprocess.run([*as_user(), f"{BIN}/initdb", "-D", data, "-U", "tester", "-A", "trust"], **quiet)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        _started["port"] = probe.getsockname()[1]
    options = ["-D", data, "-p", str(_started["port"]), "-k", folder, "-h", "127.0.0.1", "-F"]
    quiet.pop("check")
    _started["process"] = subprocess.Popen([*as_user(), f"{BIN}/postgres", *options], **quiet)
    _started["folder"] = folder
    until = time.monotonic() + 60
    while time.monotonic() < until:  # a busy machine takes its time, which is not to count as the first run's
        is_ready = [f"{BIN}/pg_isready", "-h", "127.0.0.1", "-p", str(_started["port"])]
        if subprocess.run(is_ready, **quiet).returncode == 0:
            return
        time.sleep(0.1)


def stop_server():
    if _started:
        _started["process"].terminate()
        _started["process"].wait()
        shutil.rmtree(_started["folder"], ignore_errors=True)
        _started.clear()


def where():
    start_server()
    return {"host": "127.0.0.1", "port": _started["port"], "user": "tester"}


TABLE = (
    "drop table if exists money; create table money (who text, amount int); "
    "insert into money values ('a', 100), ('b', 0)"
)
MINUS = "update money set amount = amount - 10 where who = 'a'"
PLUS = "update money set amount = amount + 10 where who = 'b'"
TOTAL = "select sum(amount) from money"


async def once_up(connect, *errors):
    for _ in range(200):
        try:
            return await connect()
        except (OSError, *errors):
            await asyncio.sleep(0.05)
    raise RuntimeError("PostgreSQL does not start")


WHY = None if BIN else "no PostgreSQL server here (Debian: apt install postgresql)"
