"""In a subinterpreter sigtask is imported anew, and its tasks are stopped as anywhere. `run()` is not for there."""

import os
import subprocess
import sys
import textwrap

import pytest

import sigtask

RUNNER = """
import os, sys
code = sys.argv[2]
if sys.version_info >= (3, 13):
    import _interpreters
    failed = _interpreters.exec(_interpreters.create(sys.argv[1]), code)
    print(failed.formatted if failed else "no error")
else:
    import _xxsubinterpreters as _interpreters
    try:
        _interpreters.run_string(_interpreters.create(isolated=sys.argv[1] == "isolated"), code)
        print("no error")
    except _interpreters.RunFailedError as error:
        print(error)
sys.stdout.flush()
os._exit(0)  # to end an isolated one that had asyncio in it crashes 3.12.1, without us too
"""
STOPS = """
import asyncio, sys, sigtask

async def cleans_up():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up")

async def main():
    sigtask.install()
    task = asyncio.create_task(cleans_up(), name="task")
    await asyncio.sleep(0)
    await sigtask.stop(task, reason="why")
    print(sigtask.implementation, type(task.ended_by).__name__, task.ended_by.reason)

asyncio.run(main())
sys.stdout.flush()
"""
kinds = pytest.mark.parametrize("kind", ["isolated", "legacy"])


def run_in_a_subinterpreter(kind, code):
    command = [sys.executable, "-c", RUNNER, kind, textwrap.dedent(code)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SIGTASK_REQUIRE_SPEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.os
@kinds
def test_a_task_is_created_and_stopped_in_a_subinterpreter(kind):
    cleaned_up, end, error = run_in_a_subinterpreter(kind, STOPS)
    assert (cleaned_up, error) == ("cleaned up", "no error")
    assert end.split()[1:] in (["Terminate", "why"], ["Interrupt", "why"])


@pytest.mark.os
@kinds
def test_where_the_twin_in_c_may_not_be_loaded_the_one_in_python_is_taken(kind):
    _, end, _ = run_in_a_subinterpreter(kind, STOPS)
    may_not = kind == "isolated" and sys.version_info >= (3, 12)
    assert end.split()[0] == ("Python" if may_not else sigtask.implementation)


@pytest.mark.os
@kinds
def test_run_in_a_subinterpreter_is_refused_before_a_thread_is_started(kind):
    lines = run_in_a_subinterpreter(
        kind,
        """
        import asyncio, sys, threading, sigtask

        coro = asyncio.sleep(0)
        try:
            sigtask.run(coro)
        except (RuntimeError, ValueError):
            print(threading.active_count())
        coro.close()
        sys.stdout.flush()
        """,
    )
    assert lines == ["1", "no error"]
