"""The socket of a real process: it answers whatever the loop does, and whoever else is connected."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sigtask.control._protocol import LONGEST_ANSWER, LONGEST_REQUEST

pytestmark = [pytest.mark.os, pytest.mark.skipif(os.name != "posix", reason="Unix sockets")]
ROOT = os.name == "posix" and os.geteuid() == 0
NOBODY = 65534
PS = {"v": 1, "do": "ps"}
HELLO = {"v": 1, "do": "hello"}
IDLE = """
    import asyncio

    async def main():
        print("ready")
        await asyncio.sleep(1000)

    asyncio.run(main())
"""
BLOCKED = """
    import asyncio, signal, time

    async def blocks():
        print("ready")
        time.sleep(1000)  # here

    async def main():
        waiting = asyncio.create_task(asyncio.sleep(1000), name="waiting")
        await asyncio.sleep(0.01)
        await asyncio.create_task(blocks(), name="blocks")

    asyncio.run(main())
"""


def tasks(lines):
    return {row["name"]: row for line in lines for row in line.get("tasks", ())}


def loops(lines):
    return [line["loop"] for line in lines if isinstance(line.get("loop"), dict)]


def test_a_blocked_loop_is_told_of_with_the_line_where_it_is(program, raw):
    running = program(BLOCKED)
    lines = raw(running.pid).send(PS).answer()
    (loop,) = loops(lines)
    assert loop["state"] == "blocked" and loop["thread"] == "MainThread"
    assert loop["where"] == "program_0.py:6 in blocks"
    assert loop["stack"].endswith("program_0.py:13 in <module>")  # and nothing of the command that runs it
    assert tasks(lines)["blocks"]["state"] == "running" and tasks(lines)["blocks"]["where"] == loop["where"]
    assert tasks(lines)["waiting"]["state"] == "waiting"
    assert lines[-1] == {"done": True}


def test_a_signal_to_a_blocked_loop_waits_for_it_and_a_stop_is_refused(program, raw):
    running = program(BLOCKED.replace("time.sleep(1000)", "time.sleep(4)") + "\n    print('over')\n")
    client = raw(running.pid)
    (said, _) = client.send({"v": 1, "do": "send", "signal": "kill", "tasks": ["waiting"], "reason": "why"}).answer()
    assert said["blocked"] == "program_0.py:6 in blocks" and said["sent"][0]["fate"] == "waiting for the loop"
    (refused,) = client.send({"v": 1, "do": "stop", "tasks": ["waiting"]}).answer()
    assert "blocked at program_0.py:6 in blocks: nothing has been sent" in refused["error"]
    running.wait_for("over")


def test_a_loop_that_turns_is_said_to(program, raw):
    (loop,) = loops(raw(program(IDLE).pid).send(PS).answer())
    assert loop == {"number": 1, "thread": "MainThread", "state": "turning"}


def test_many_requests_on_one_line_after_another_are_answered_in_order(program, raw):
    client = raw(program(IDLE).pid)
    client.send(b'{"v":1,"do":"hello"}\nnonsense\n\n{"v":1,"do":"ps"}\n')
    assert "process" in client.answer()[0]
    assert "not JSON" in client.answer()[0]["error"]
    assert "not JSON" in client.answer()[0]["error"]
    assert tasks(client.answer())


def test_a_line_that_is_too_long_is_refused_once_and_the_next_one_answered(program, raw):
    client = raw(program(IDLE).pid)
    client.send(b"x" * 1_000_000 + b"\n").send(HELLO)
    assert "at most 65536 bytes" in client.line()["error"]
    assert client.answer()[0]["process"]["tasks"] == 1


def test_a_line_that_is_too_long_is_refused_also_when_its_end_has_come_already(program, raw):
    client = raw(program(IDLE).pid)
    for length in (LONGEST_REQUEST, LONGEST_REQUEST + 1000, 2 * LONGEST_REQUEST):
        client.send(b'{"v":1,"do":"hello"' + b" " * (length - 20) + b'}\n{"v":1,"do":"hello"}\n')
        assert client.line() == {"error": f"a request has at most {LONGEST_REQUEST} bytes"}
        assert "process" in client.line() and client.line() == {"done": True}


def test_no_line_of_an_answer_is_longer_than_the_protocol_says(program, raw):
    """Each letter of these names takes twelve bytes in JSON."""
    client = raw(
        program("""
        import asyncio
        from sigtask import create_task

        async def forever():
            await asyncio.sleep(1000)

        async def main():
            tasks = [create_task(forever(), name="\\U0001f600" * 5000 + str(n)) for n in range(1000)]
            await asyncio.sleep(0)
            print("ready")
            await asyncio.sleep(1000)

        asyncio.run(main())
        """).pid
    )
    for request in (
        {"do": "ps", "stacks": True},
        {"do": "send", "signal": "drain", "tasks": ["\U0001f600*"]},
        {"do": "stop", "ladder": "terminate=5s,kill", "tasks": ["\U0001f600*"]},
    ):
        client.send({"v": 1, **request})
        while not (line := client.file.readline()).startswith((b'{"done', b'{"error')):
            assert len(line) <= LONGEST_ANSWER
        assert line == b'{"done":true}\n'


def test_a_request_that_comes_in_pieces_is_put_together(program, raw):
    client = raw(program(IDLE).pid)
    for char in json.dumps(HELLO) + "\n":
        client.send(char.encode())
    assert client.answer()[-1] == {"done": True}


# -- who holds up whom ------------------------------------------------------------------------------------------------

CROWD = """
    import asyncio

    async def main():
        tasks = [asyncio.create_task(asyncio.sleep(1000), name="x" * 150) for _ in range(5_000)]
        await asyncio.sleep(0)
        print("ready")
        await asyncio.sleep(1000)

    asyncio.run(main())
"""


def test_who_asks_and_never_reads_holds_up_nobody_and_costs_little(program, raw):
    running = program(CROWD)
    before = memory(running.pid)
    for _ in range(20):  # each answer is two megabytes
        raw(running.pid).send(PS).send(PS)
    began = time.monotonic()
    assert raw(running.pid).send(HELLO).answer()[-1] == {"done": True}
    lines = raw(running.pid).send(PS).answer()
    assert sum(len(line.get("tasks", ())) for line in lines) == 5_001
    assert time.monotonic() - began < 5
    assert memory(running.pid) - before < 60_000_000


def test_a_hundred_clients_silent_or_half_way_hold_up_nobody(program, raw):
    running = program(IDLE)
    crowd = [raw(running.pid).send(b'{"v":1,' if number % 2 else b"") for number in range(100)]
    began = time.monotonic()
    assert raw(running.pid).send(PS).answer()[-1] == {"done": True}
    assert time.monotonic() - began < 5
    assert crowd[1].send(b'"do":"hello"}\n').answer()[-1] == {"done": True}


def test_a_hundred_clients_that_ask_at_once_are_all_answered(program, raw):
    running = program(IDLE)
    crowd = [raw(running.pid).send(PS) for _ in range(100)]
    assert all(client.answer()[-1] == {"done": True} for client in crowd)


def test_of_too_many_clients_the_one_that_has_been_silent_longest_is_sent_away(program, raw):
    from sigtask.control._server import MOST_CLIENTS

    running = program(IDLE)
    first = raw(running.pid)
    second = raw(running.pid).send(HELLO)
    second.answer()
    rest = [raw(running.pid).send(HELLO) for _ in range(MOST_CLIENTS)]
    assert rest[-1].answer()[-1] == {"done": True}
    assert first.file.readline() == b""


def test_who_leaves_in_the_middle_of_an_answer_leaves_nothing_behind(program, raw, until):
    running = program(CROWD)
    before = files(running.pid)
    for _ in range(50):
        client = raw(running.pid).send(PS)
        client.line()
        client.close()
    assert raw(running.pid).send(HELLO).answer()[-1] == {"done": True}
    until(lambda: files(running.pid) <= before + 2)


def files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """Bytes that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_100_000_fuzzed_lines_crash_nothing_and_leak_nothing(program, raw):
    running = program(IDLE)
    rng = random.Random(1414)
    client = raw(running.pid)

    def fuzz(lines):
        for _ in range(lines // 1000):
            data = b"\n".join(bad_line(rng) for _ in range(1000)) + b"\n"
            client.send(data + b'{"v":1,"do":"hello"}\n')
            while "process" not in client.line():
                pass
            assert client.line() == {"done": True}

    fuzz(10_000)
    before, open_files = memory(running.pid), files(running.pid)
    fuzz(90_000)
    assert memory(running.pid) - before < 8_000_000
    assert files(running.pid) == open_files
    assert tasks(raw(running.pid).send(PS).answer()).keys() == {"Task-1"}


def bad_line(rng):
    """Truncated, huge, deep, not UTF-8, of wrong types; never a whole request."""
    kind = rng.randrange(6)
    if kind == 0:
        return json.dumps({"v": 1, "do": "stop", "tasks": ["Task-1"]}).encode()[: rng.randrange(1, 30)]
    if kind == 1:
        return b"x" * rng.choice([1, 100, 5000])
    if kind == 2:
        return rng.choice([b"[", b'{"a":', b"[{}"]) * rng.randrange(1, 1500)
    if kind == 3:
        return bytes(rng.randrange(11, 256) for _ in range(rng.randrange(1, 40)))
    value = rng.choice([None, True, 10**40, 1.5, "\ud800", "\x1b[2J", [], [[]], {}, {"x": [None]}])
    field = rng.choice(["v", "do", "tasks", "signal", "ladder", "fresh", "reason", "\u202e"])
    return json.dumps({"v": 1, "do": "send", "signal": "kill", "tasks": ["nobody"], field: value}).encode()


# -- who may ----------------------------------------------------------------------------------------------------------

AS_NOBODY = """
import os, socket, sys
sys.path.insert(0, {src!r})
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
client = socket.socket(socket.AF_UNIX)
client.settimeout(20)
try:
    client.connect({path!r})
    try:
        client.sendall(b'{{"v":1,"do":"send","signal":"kill","tasks":["Task-1"]}}\\n')
    except BrokenPipeError:  # it has hung up already
        pass
    print(client.recv(1000).decode(), end="")
except OSError as error:
    print(type(error).__name__)
"""


def as_nobody(path):
    src = str(Path(__file__).parents[2] / "src")
    code = AS_NOBODY.format(src=src, uid=NOBODY, path=str(path))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_another_user_cannot_reach_the_socket(program, runtime):
    running = program(IDLE)
    assert as_nobody(runtime / "sigtask" / f"{running.pid}.sock") == "PermissionError\n"


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_another_user_who_can_reach_it_is_refused_by_name(program, runtime, raw):
    """Where the folder is opened by mistake, the kernel's word for who has connected is what counts."""
    running = program(IDLE)
    path = runtime / "sigtask" / f"{running.pid}.sock"
    os.chmod(runtime, 0o755)
    os.chmod(runtime / "sigtask", 0o755)
    os.chmod(path, 0o666)
    assert json.loads(as_nobody(path)) == {"error": "this process is another user's"}
    assert tasks(raw(running.pid).send(PS).answer()).keys() == {"Task-1"}


# -- when there is one ------------------------------------------------------------------------------------------------


def test_the_socket_is_removed_when_the_program_ends(program, runtime):
    running = program(IDLE)
    assert os.listdir(runtime / "sigtask") == [f"{running.pid}.sock"]
    running.popen.send_signal(signal.SIGTERM)
    running.popen.send_signal(signal.SIGTERM)
    time.sleep(0.6)  # two within half a second count as one
    running.popen.send_signal(signal.SIGTERM)
    running.wait()
    assert os.listdir(runtime / "sigtask") == []


def test_the_socket_is_removed_when_the_program_is_ended_by_force(program, runtime):
    running = program(BLOCKED, "--ladder", "terminate=200ms,kill=200ms")
    running.popen.send_signal(signal.SIGTERM)
    assert running.wait() == 143
    assert os.listdir(runtime / "sigtask") == []


def test_a_socket_that_was_left_behind_is_cleaned_by_the_next_program(program, runtime):
    first = program(IDLE)
    first.popen.kill()
    first.wait()
    assert os.listdir(runtime / "sigtask") == [f"{first.pid}.sock"]
    second = program(IDLE)
    assert os.listdir(runtime / "sigtask") == [f"{second.pid}.sock"]


def test_a_program_whose_socket_cannot_be_made_runs_all_the_same_and_says_why(runtime, tmp_path):
    (runtime / "sigtask").symlink_to(tmp_path)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "SIGTASK_CONTROL": "1"}
    code = "import sigtask\nasync def main(): print('did it')\nsigtask.run(main())"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "did it\n")
    assert "no control socket" in done.stderr and "is a symbolic link" in done.stderr


OFF = """
import asyncio, sys, threading
import sigtask
async def main():
    assert "create_task" not in vars(asyncio.get_running_loop())
    print(sorted(thread.name for thread in threading.enumerate()))
sigtask.run(main())
print(sorted(name for name in sys.modules if name.startswith("sigtask.control.")))
"""


def test_where_nobody_asks_for_it_there_is_no_thread_no_socket_and_nothing_is_imported(runtime):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    env.pop("SIGTASK_CONTROL", None)
    done = subprocess.run([sys.executable, "-c", OFF], env=env, capture_output=True, text=True, timeout=60)
    threads, modules = done.stdout.splitlines()
    assert "sigtask-control" not in threads
    assert set(json.loads(modules.replace("'", '"'))) <= {"sigtask.control._text"}
    assert os.listdir(runtime) == []


SAYS = """
import os, sigtask, sys
async def main():
    print(os.listdir(os.environ["XDG_RUNTIME_DIR"]) != [])
for _ in range(2):
    sigtask.run(main(), **eval(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("options", "variable", "is_on"),
    [
        ("{}", "1", True),
        ("{}", "0", False),
        ("{}", "", False),
        ("{'control': True}", "0", True),
        ("{'control': False}", "1", False),
    ],
)
def test_run_does_as_it_is_told_and_else_as_the_environment_says(runtime, options, variable, is_on):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "SIGTASK_CONTROL": variable}
    done = subprocess.run([sys.executable, "-c", SAYS, options], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[:1] == [str(is_on)], done.stderr


def test_a_variable_that_says_nothing_known_is_an_error_that_names_it(runtime):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "SIGTASK_CONTROL": "perhaps"}
    done = subprocess.run([sys.executable, "-c", SAYS, "{}"], env=env, capture_output=True, text=True, timeout=60)
    assert "ValueError: the environment variable SIGTASK_CONTROL: 'perhaps' is not one of 1, yes" in done.stderr


def test_a_fork_leaves_the_parents_socket_to_the_parent(program, raw, runtime):
    running = program("""
        import asyncio, os, time

        async def main():
            if os.fork() == 0:
                print("forked")
                time.sleep(1000)
            await asyncio.sleep(0.1)
            print("ready")
            await asyncio.sleep(1000)

        asyncio.run(main())
    """)
    running.wait_for("forked")
    child = raw(running.pid).send(PS).answer()[0]["process"]["children"][0]["pid"]
    try:
        running.popen.kill()
        running.popen.wait()
        with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
            late.connect(str(runtime / "sigtask" / f"{running.pid}.sock"))
    finally:
        os.kill(child, signal.SIGKILL)


def test_start_and_stop_open_and_close_it_in_a_loop_that_others_run(runtime, raw, program):
    running = program(
        """
        import asyncio, sigtask.control

        async def main():
            path = sigtask.control.start()
            assert sigtask.control.start() == path and path.exists()
            print("ready")
            await asyncio.sleep(1)
            sigtask.control.stop()
            print(path.exists())

        asyncio.run(main())
        """,
        command=(),
    )
    assert tasks(raw(running.pid).send(PS).answer())["Task-1"]["threshold"] is None
    running.wait_for("False")
