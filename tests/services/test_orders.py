"""The example service on a real PostgreSQL: what is stopped is stopped on the database's server, too.

A cluster of its own is made for these tests, and its server ended by its pid. Each promise is kept with either driver.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launching import PATIENCE, SRC, Process
from servers import read_all

if os.name != "posix":
    pytest.skip("the cluster is made as another user, where it must be", allow_module_level=True)
for needed in ("asyncpg", "fastapi", "psycopg_pool", "uvicorn"):
    pytest.importorskip(needed)
psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.os

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "examples" / "service"
RUN = ("-m", "sigtask", "run", "-q", "--ladder")


@pytest.fixture(scope="module")
def cluster():
    """The DSN of a PostgreSQL with the service's tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SERVICE)
        import postgres
    with contextlib.ExitStack() as stack:
        try:
            dsn = stack.enter_context(postgres.postgres())
        except postgres.NoPostgres as error:
            pytest.skip(str(error))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(postgres.database.SCHEMA)
        yield dsn


@pytest.fixture
def sql(cluster):
    """`sql(text)` gives the rows. The tables are empty at first."""
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute("TRUNCATE orders, jobs, shipments")
        yield lambda text: (cursor := connection.execute(text)).description and cursor.fetchall()


@pytest.fixture(params=["asyncpg", "psycopg"])
def env(request, cluster):
    return {"DSN": cluster, "DRIVER": request.param, "LADDER": "drain=300ms,terminate=3s,kill=500ms"}


@pytest.fixture
def web(serve, env):
    return serve("uvicorn", app="app:app", extra=("--app-dir", str(SERVICE)), env=env)


@pytest.fixture
def start_worker(env):
    """`start_worker(ladder)`: a process that ships."""
    started = []

    def start(ladder):
        started.append(Process([sys.executable, *RUN, ladder, "worker.py"], SERVICE, env))
        return started[-1]

    yield start
    for worker in started:
        worker.end()


def running(sql):
    """How many long queries run on the database's server."""
    text = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    return sql(text)[0][0]


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def ask_for_a_report(web, sql, *headers):
    raw = web.ask("/report?seconds=600", *headers)
    until(lambda: running(sql) == 1)
    return raw


def order(sql, item):
    sql(f"INSERT INTO orders VALUES ('{item}', '{item}')")
    sql(f"INSERT INTO jobs (order_id) VALUES ('{item}')")


# -- queries ----------------------------------------------------------------------------------------------------------


def test_a_query_is_cancelled_on_the_server_when_its_client_goes_away(web, sql):
    ask_for_a_report(web, sql).close()
    until(lambda: running(sql) == 0)


def test_a_query_is_cancelled_on_the_server_when_the_deadline_comes_and_the_answer_is_504(web, sql):
    raw = web.ask("/report?seconds=600", "X-Timeout: 0.5")
    until(lambda: running(sql) == 1)
    assert " 504 " in read_all(raw).splitlines()[0]
    until(lambda: running(sql) == 0)


def test_a_query_is_cancelled_on_the_server_when_the_web_server_stops_and_the_answer_is_503(web, sql):
    raw = ask_for_a_report(web, sql)
    web.terminate()
    assert " 503 " in read_all(raw).splitlines()[0]
    web.wait()
    until(lambda: running(sql) == 0)


def test_the_connection_serves_the_next_request_after_a_query_was_cancelled(web, sql):
    for _ in range(12):  # more than the pool has
        ask_for_a_report(web, sql).close()
        until(lambda: running(sql) == 0)
    assert read_all(web.ask("/waiting", "Connection: close")).endswith('{"waiting":0}')


# -- orders -----------------------------------------------------------------------------------------------------------


def test_an_order_is_booked_although_its_client_goes_away_and_the_server_stops(web, sql, cluster):
    body = json.dumps({"id": "a", "item": "tea"}).encode()
    headers = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    with psycopg.connect(cluster) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")  # the booking waits for that
        raw = web.ask("/orders", *headers, method="POST", body=body)
        until(lambda: sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] == 1)
        raw.close()
        report = ask_for_a_report(web, sql)
        web.terminate()
        assert " 503 " in read_all(report).splitlines()[0]  # by now the Terminate has come
    web.wait()
    assert sql("SELECT count(*) FROM jobs WHERE order_id = 'a'") == [(1,)]


# -- jobs -------------------------------------------------------------------------------------------------------------


def locked(sql):
    """How many jobs somebody has in hand."""
    left = "(SELECT FROM jobs WHERE NOT done FOR UPDATE SKIP LOCKED)"
    return sql(f"SELECT (SELECT count(*) FROM jobs WHERE NOT done) - count(*) FROM {left} AS free")[0][0]


def test_terminate_puts_the_job_back(start_worker, sql):
    order(sql, "piano")  # takes a minute
    worker = start_worker("terminate=5s,kill=1s")
    worker.wait_for("took")
    assert locked(sql) == 1
    worker.signal(signal.SIGTERM)
    worker.wait()
    assert re.fullmatch(r"took: (\d+)\nput back: \1 Terminate\(.*\)\n", worker.stdout)
    assert (locked(sql), sql("SELECT done FROM jobs")) == (0, [(False,)])


def test_a_job_in_hand_is_finished_on_drain_and_no_other_is_taken(start_worker, sql):
    for number in range(400):
        sql(f"INSERT INTO orders VALUES ('{number}', 'tea')")
    sql("INSERT INTO jobs (order_id) SELECT id FROM orders")
    worker = start_worker("drain=10s,terminate=5s,kill=1s")
    worker.wait_for("acknowledged")
    worker.signal(signal.SIGTERM)
    worker.wait()
    said = [line.split() for line in worker.stdout.splitlines()]
    acknowledged = sorted(int(job) for what, job in said if what == "acknowledged:")
    assert acknowledged == [row[0] for row in sql("SELECT job_id FROM shipments ORDER BY 1")]
    assert len(acknowledged) < 400


# -- all of it --------------------------------------------------------------------------------------------------------


def test_two_stops_under_load_lose_no_request_and_no_job_and_leave_no_query(cluster):
    """The short form of `make services`."""
    command = [sys.executable, "bench/stops.py", "--stops", "2", "--seconds", "3", "--only", "sigtask", "sigtask run"]
    env = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  balance") == 4  # each with either driver
