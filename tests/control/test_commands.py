"""`sigtask ps`, `kill`, `stop` and `top` from a shell, on programs that run."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("click")
pytestmark = [pytest.mark.os, pytest.mark.skipif(os.name != "posix", reason="Unix sockets")]
ROOT = os.name == "posix" and os.geteuid() == 0
FIELDS = {"id", "name", "coroutine", "state", "parent", "threshold", "pending", "in_force", "age", "where"}

POOL = """
    import asyncio
    from sigtask import Terminate, create_task, mask

    async def worker(number):
        try:
            await asyncio.sleep(1000)
        except Terminate as signal:
            print(number, "ends:", signal.reason, signal.sender)
            raise

    async def payer():
        with mask(Terminate):
            await asyncio.sleep(1000)

    async def boss():
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(worker(number), name=f"worker {number}")
            group.create_task(payer(), name="payer\\x1b[2J\\u202e<b>")

    async def main():
        group = create_task(boss(), name="boss")
        await asyncio.sleep(0.05)
        payer = next(task for task in asyncio.all_tasks() if task.get_name().startswith("payer"))
        payer.terminate("disk \\x1b]0;full\\x07")
        print("ready")
        await asyncio.sleep(1000)

    asyncio.run(main())
"""


def objects(done):
    return {one["name"]: one for one in json.loads(done.stdout)}


def test_ps_shows_the_tree_with_states_places_thresholds_and_signals(program, sigtask):
    done = sigtask("ps", program(POOL).pid)
    assert (done.returncode, done.stderr) == (0, "")
    head, titles, *lines = done.stdout.splitlines()
    assert "(9 tasks, Python" in head and "sigtask run --quiet --control" in head
    assert titles.split() == ["ID", "STATE", "AGE", "HEARS", "TASK", "WHERE"]
    assert "Task-1 (main)" in lines[0] and "└─ boss" in lines[1] and "worker 0 (worker)" in lines[2]
    assert lines[3].strip() == "and 5 tasks like it, with ids from 4 to 8"
    assert " kill " in lines[4] and lines[4].endswith("program_0.py:14 in payer")
    assert "pending: Terminate since" in lines[5]


def test_ps_shows_a_line_for_each_task_when_told_to(program, sigtask):
    pid = program(POOL).pid
    assert "tasks like it" not in sigtask("ps", pid, "--all").stdout
    by_name = [line for line in sigtask("ps", pid, "--sort", "name").stdout.splitlines() if "worker" in line]
    assert [line.split("worker ")[1][0] for line in by_name] == list("012345")


def test_control_characters_in_names_and_reasons_are_shown_and_not_obeyed(program, sigtask):
    running = program(POOL)
    for words in (("ps", running.pid), ("ps", running.pid, "--stacks"), ("kill", running.pid, "payer*", "--drain")):
        done = sigtask(*words)
        assert "payer\\x1b[2J\\u202e<b>" in done.stdout
        assert done.stdout.replace("\n", "").isprintable()
    assert "disk \\x1b]0;full\\x07" in sigtask("ps", running.pid).stdout
    report = sigtask("stop", running.pid, "payer*", "--ladder", "terminate=100ms,kill").stdout
    assert "payer\\x1b[2J" in report and report.replace("\n", "").isprintable()


def test_ps_json_is_a_list_of_objects(program, sigtask):
    found = objects(sigtask("ps", program(POOL).pid, "--json"))
    payer, boss = found["payer\x1b[2J\u202e<b>"], found["boss"]
    assert all(one.keys() >= FIELDS for one in found.values())
    assert (payer["parent"], payer["threshold"], payer["in_force"]) == (boss["id"], 31, None)
    (pending,) = payer["pending"]
    assert (pending["signal"], pending["reason"]) == ("Terminate", "disk \x1b]0;full\x07")
    assert 0 <= pending["age"] <= payer["age"] < 100


def test_ps_stacks_shows_how_each_came_where_it_stands(program, sigtask):
    running = program("""
        import asyncio

        async def inner():
            print("ready")
            await asyncio.sleep(1000)

        async def main():
            await inner()

        asyncio.run(main())
    """)
    lines = [line.strip() for line in sigtask("ps", running.pid, "--stacks").stdout.splitlines()]
    assert lines[-2:] == ["program_0.py:9 in main", "program_0.py:6 in inner"]


def test_ps_without_a_pid_lists_the_programs(program, sigtask):
    pids = {program(POOL).pid, program(POOL).pid}
    listed = sigtask("ps").stdout.splitlines()
    assert pids <= {int(line.split()[0]) for line in listed[1:]}  # others may have theirs elsewhere
    assert listed[0].split() == ["PID", "UP", "TASKS", "COMMAND"]


def test_what_a_process_that_is_gone_has_left_behind_is_not_listed(program, sigtask, runtime):
    running = program(POOL)
    running.popen.kill()
    running.wait()
    assert os.listdir(runtime / "sigtask") == [f"{running.pid}.sock"]
    assert sigtask("ps").stdout.startswith("no program of yours has a control socket")
    assert json.loads(sigtask("ps", "--json").stdout) == []


def test_ps_json_without_a_pid_is_a_list_of_the_programs(program, sigtask):
    running = program(POOL)
    (one,) = json.loads(sigtask("ps", "--json").stdout)
    assert (one["pid"], one["tasks"], one["stopping"]) == (running.pid, 9, None)


def on_a_terminal(words, **env):
    """What a command draws on a terminal of 80 columns."""
    import pty

    main, end = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "COLUMNS": "80", **env}
    command = [sys.executable, "-m", "sigtask", *map(str, words)]
    with subprocess.Popen(command, env=environment, stdin=end, stdout=end, stderr=end) as popen:
        os.close(end)
        drawn = b""
        with contextlib.suppress(OSError):  # that is how a terminal ends on Linux
            while data := os.read(main, 65536):
                drawn += data
        os.close(main)
        popen.wait(30)
    return drawn.decode()


@pytest.mark.parametrize(
    ("variable", "value", "colours"), [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)]
)
def test_a_terminal_whose_owner_wants_no_colours_gets_none(program, variable, value, colours):
    running = program(POOL)
    env = {"TERM": "xterm", "NO_COLOR": "", variable: value}
    assert ("\x1b[" in on_a_terminal(["ps", running.pid], **env)) == colours


def test_no_row_is_wider_than_the_terminal(program):
    running = program(POOL.replace('"worker {number}"', '"worker {number} " * 20'))
    rows = [line for line in on_a_terminal(["ps", "--all", running.pid], NO_COLOR="1").splitlines() if "─ " in line]
    assert len(rows) == 8 and all(len(row) <= 80 and ".py:" in row for row in rows)


def test_on_a_terminal_no_line_of_ps_is_wider_than_it(program):
    running = program(POOL)  # its file is in a folder of pytest's: a command longer than the terminal
    lines = on_a_terminal(["ps", running.pid], NO_COLOR="1").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"{running.pid}  ") and "tasks, Python" in lines[0]
    assert any(line.strip() == "and 5 tasks like it, with ids from 4 to 8" for line in lines)


@pytest.mark.parametrize("command", ["kill", "stop", "top"])
def test_where_a_pid_is_needed_and_left_out_the_programs_are_listed(program, sigtask, command):
    pid = program(POOL).pid
    done = sigtask(command)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("sigtask: name a process:") and f" {pid}  " in done.stderr


def test_pids_and_tasks_complete(program, sigtask):
    pid = program(POOL).pid

    def completed(*words):
        env = {"_SIGTASK_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return [line.partition(",")[2] for line in sigtask(**env).stdout.splitlines()]

    assert str(pid) in completed("sigtask", "ps", str(pid)[:1])
    assert "boss" in completed("sigtask", "kill", str(pid), "bo")
    assert not any(completed("sigtask", "kill", str(pid), "payer"))  # a shell would hand its escapes to the terminal


def redirected(words, where):
    """What a shell does with its output put there: the status, and stderr."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    line = f"'{sys.executable}' -m sigtask {words} {where}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_a_pipe_that_nobody_reads_any_more_and_a_closed_stdout_are_no_errors_of_ours(program):
    pid = program(POOL).pid
    assert redirected(f"ps --all {pid}", ">&-") == (0, "")
    assert redirected(f"ps --json {pid}", "| true")[1] == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_a_full_disk_is_one_line(program):
    assert redirected(f"ps {program(POOL).pid}", "> /dev/full") == (
        1,
        "sigtask: this cannot be written: No space left on device\n",
    )


def test_a_signal_to_many_reaches_all_also_when_nobody_reads_who_they_are(program, until, sigtask):
    running = program(POOL.replace("range(6)", "range(3000)"))
    redirected(f"kill {running.pid} 'worker *'", "| head -1")
    until(lambda: len(running.lines) == 3001)


# -- kill, stop -------------------------------------------------------------------------------------------------------


def test_kill_sends_a_terminate_with_its_reason_and_its_sender(program, sigtask):
    running = program(POOL)
    done = sigtask("kill", running.pid, "worker 3", "--reason", "too slow")
    assert (done.returncode, done.stdout) == (0, "6  worker 3: sent\n")
    running.wait_for_start("3 ends: too slow sigtask kill (uid ")


def test_of_very_many_that_a_kill_is_sent_to_some_are_named_and_the_others_counted(program, sigtask):
    running = program(POOL.replace("range(6)", "range(300)"))
    lines = sigtask("kill", running.pid, "worker *").stdout.splitlines()
    assert len(lines) == 21
    assert (lines[0], lines[-1]) == ("3  worker 0: sent", "and 280 others: sent")


def test_kill_takes_ids_patterns_and_each_strength(program, sigtask):
    running = program(POOL)
    assert "7  worker 4: pending" in sigtask("kill", running.pid, "7", "--drain").stdout
    done = sigtask("kill", running.pid, "worker [45]", "--kill")
    assert done.stdout.splitlines() == ["7  worker 4: sent", "8  worker 5: sent"]
    assert objects(sigtask("ps", running.pid, "--json")).keys() >= {"worker 3"}


def test_kill_tree_reaches_what_the_task_has_spawned(program, sigtask, until):
    running = program(POOL)
    done = sigtask("kill", running.pid, "boss", "--tree", "--kill")
    assert done.stdout.count("sent") + done.stdout.count("absorbed") + done.stdout.count("superseded") == 8
    until(lambda: [*objects(sigtask("ps", running.pid, "--json"))] == ["Task-1"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "no task is called 'nobody'"),
        (["99999"], "there is no task 99999"),
        (["worker 1", "nobody"], "no task is called 'nobody'"),
        (["boss", "--signal", "antigravity:X"], "has loaded no module 'antigravity'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_nothing_is_sent(program, sigtask, words, said):
    running = program(POOL)
    done = sigtask("kill", running.pid, *words)
    assert done.returncode == 1 and done.stdout == ""
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert "worker 1" in objects(sigtask("ps", running.pid, "--json"))


def test_kill_without_a_task_says_what_to_name(program, sigtask):
    done = sigtask("kill", program(POOL).pid)
    assert done.returncode == 2 and "name a task, by its id or its name" in done.stderr


def test_stop_climbs_the_ladder_and_prints_the_report(program, sigtask):
    running = program(POOL)
    done = sigtask("stop", running.pid, "payer*", "--ladder", "interrupt=200ms,kill", "--reason", "an end")
    assert done.returncode == 0
    assert "stopped 1 task in" in done.stdout and "(reason: an end)" in done.stdout
    assert "Interrupt was held by mask(Terminate) at program_0.py:13 in payer" in done.stdout
    assert [line.split(",")[0] for line in done.stderr.splitlines()] == ["interrupt", "kill"]


def test_the_report_comes_also_when_the_program_ends_with_the_tasks_that_are_stopped(program, sigtask):
    running = program(POOL.replace("range(6)", "range(5000)"))
    done = sigtask("stop", running.pid, "*", "--ladder", "terminate=5s,kill")
    assert (done.returncode, done.stdout.splitlines()[0][:18]) == (0, "stopped 5003 tasks"), done
    running.wait()


def test_stop_json_is_the_report_as_it_is_from_within(program, sigtask):
    done = sigtask("stop", program(POOL).pid, "worker*", "--ladder", "terminate=5s,kill", "--json")
    report = json.loads(done.stdout)
    assert report["totals"] == {"ended by Terminate": 6} and len(report["tasks"]) == 6


@pytest.mark.parametrize("name", ["stop.html", "stop.txt", "stop.json", "stop.trace.json"])
def test_stop_writes_the_report_to_a_file_as_its_name_ends(program, sigtask, tmp_path, name):
    running = program(POOL)
    done = sigtask("stop", running.pid, "worker 3", "--report", name, "--ladder", "terminate=5s,kill")
    assert done.returncode == 0 and "1 ended by Terminate" in done.stdout
    begin = {"stop.html": "<!doctype html>", "stop.txt": "stopped 1 task"}.get(name, "{")
    text = (tmp_path / name).read_text("utf-8")
    assert text.startswith(begin) and "worker 3" in (text if name != "stop.txt" else text + "worker 3")


@pytest.mark.parametrize(
    ("name", "said"), [("stop.pdf", "must end in .html"), ("no/stop.html", "there is no directory")]
)
def test_a_report_that_cannot_be_written_stops_nobody(program, sigtask, name, said):
    running = program(POOL)
    done = sigtask("stop", running.pid, "boss", "--report", name)
    assert done.returncode != 0 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert not objects(sigtask("ps", running.pid, "--json"))["boss"]["pending"]


def test_a_ctrl_c_breaks_a_stop_off_and_says_so(program):
    running = program(POOL)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-m", "sigtask", "stop", str(running.pid), "payer*", "--ladder", "terminate=100s,kill"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        assert popen.stderr.readline().startswith("terminate, 100")
        popen.send_signal(signal.SIGINT)
        _, errors = popen.communicate(timeout=30)
    assert (popen.returncode, errors) == (130, "sigtask: broken off; the tasks keep what they have been sent\n")
    assert running.popen.poll() is None


def test_stop_says_what_is_wrong_with_a_ladder_before_it_asks_anybody(sigtask):
    done = sigtask("stop", os.getpid(), "x", "--ladder", "kill=1s,drain=2s")
    assert done.returncode == 2 and "the ladder does not rise" in done.stderr


def test_who_breaks_a_stop_off_leaves_the_tasks_with_what_they_were_sent(program, raw, sigtask):
    running = program(POOL)
    client = raw(running.pid).send({"v": 1, "do": "stop", "tasks": ["payer*"], "ladder": "interrupt=100s,kill"})
    assert client.line()["rung"]["name"] == "interrupt"
    client.close()
    payer = objects(sigtask("ps", running.pid, "--json"))["payer\x1b[2J\u202e<b>"]
    assert {one["signal"] for one in payer["pending"]} == {"Terminate", "Interrupt"}


# -- whom one cannot ask ----------------------------------------------------------------------------------------------


def test_a_process_that_is_gone_is_said_to_be(program, sigtask):
    done = sigtask("ps", 2**22 + 5)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sigtask: there is no process")
    running = program(POOL)
    running.popen.kill()
    running.wait()
    assert f"process {running.pid} has ended" in sigtask("kill", running.pid, "boss").stderr


def test_a_process_of_that_number_that_is_not_the_one_that_left_the_socket_is_told_from_it(runtime, sigtask):
    (runtime / "sigtask").mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(runtime / "sigtask" / f"{os.getpid()}.sock"))
    assert "has no control socket" in sigtask("ps", os.getpid()).stderr


def test_a_socket_that_another_process_answers_is_not_taken_for_that_one(runtime, sigtask):
    """As in a folder that two containers share: what is process 7 there is another here."""
    (runtime / "sigtask").mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(runtime / "sigtask" / f"{os.getppid()}.sock"))
        other.listen()
        assert f"is not answered by process {os.getppid()}" in sigtask("kill", os.getppid(), "x").stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says so")
@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "TMPDIR"])
def test_a_program_that_has_been_started_with_other_folders_is_found_by_its_number(
    program, sigtask, tmp_path, variable
):
    with tempfile.TemporaryDirectory(dir="/tmp") as elsewhere:
        env = {variable: elsewhere} if variable == "TMPDIR" else {}
        running = program(POOL, **{"XDG_RUNTIME_DIR": elsewhere if variable == "XDG_RUNTIME_DIR" else "", **env})
        assert objects(sigtask("ps", running.pid, "--json"))["boss"]["coroutine"] == "boss"
        assert str(running.pid) not in sigtask("ps").stdout
        running.end()


def test_a_process_without_a_socket_is_told_how_to_get_one(sigtask):
    done = sigtask("ps", os.getpid())
    assert done.returncode == 1
    assert "has no control socket, or is just ending; start one with `sigtask run --control`" in done.stderr


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_another_users_process_is_said_to_be(program, runtime, tmp_path):
    running = program(POOL)
    src = str(Path(__file__).parents[2] / "src")
    code = f"""
import os, sys
from sigtask.control._client import Connection, Unreachable
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Connection({running.pid})
except Unreachable as error:
    print(error)
"""
    env = {**os.environ, "PYTHONPATH": src}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert "is another user's (root): only that user and root may look at it" in done.stdout, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says so")
def test_a_stopped_process_is_told_from_one_that_is_slow(program, monkeypatch, until):
    from sigtask.control import _client

    monkeypatch.setattr(_client, "PATIENCE", 0.5)
    running = program(POOL)
    running.popen.send_signal(signal.SIGSTOP)
    try:
        until(lambda: ") T" in Path(f"/proc/{running.pid}/stat").read_text())
        with _client.Connection(running.pid) as connection, pytest.raises(_client.Unreachable, match="it is stopped"):
            next(connection.ask("hello"))
    finally:
        running.popen.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("word", ["abc", "-1", "1.5", "99999999999999"])
def test_a_pid_that_is_none_is_a_mistake_in_a_line(sigtask, word):
    done = sigtask("ps", "--", word)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "not a process id" in done.stderr


# -- several loops, several processes ---------------------------------------------------------------------------------


def test_all_loops_of_a_process_are_shown(program, sigtask):
    pid = program("""
        import asyncio, threading

        async def beside():
            await asyncio.sleep(1000)

        async def main():
            threading.Thread(target=asyncio.run, args=(beside(),), name="other", daemon=True).start()
            await asyncio.sleep(0.3)
            print("ready")
            await asyncio.sleep(1000)

        asyncio.run(main())
    """).pid
    done = sigtask("ps", pid)
    assert "loop 1 in MainThread: turning" in done.stdout and "loop 2 in other: turning" in done.stdout
    assert {one["loop"] for one in json.loads(sigtask("ps", pid, "--json").stdout)} == {1, 2}


WORKERS = """
    import asyncio, multiprocessing, sys

    async def in_the_worker():
        print("worker ready")
        await asyncio.sleep(1000)

    def work():
        asyncio.run(in_the_worker())

    async def main():
        process = multiprocessing.get_context("METHOD").Process(target=work)
        process.start()
        print("ready")
        await asyncio.sleep(1000)

    if __name__ == "__main__":
        asyncio.run(main())
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_worker_processes_are_shown_below_their_parent(program, sigtask, method):
    running = program(WORKERS.replace("METHOD", method)).wait_for("worker ready")
    lines = sigtask("ps", running.pid).stdout.splitlines()
    worker = next(at for at, line in enumerate(lines) if "in_the_worker" in line)
    assert lines[worker].startswith("    ") and any("(main)" in line for line in lines[:worker])
    pids = {one["pid"] for one in json.loads(sigtask("ps", running.pid, "--json").stdout)}
    assert len(pids) == 2
    for pid in pids - {running.pid}:
        os.kill(pid, signal.SIGKILL)


def test_the_workers_of_to_process_are_shown_below_the_program(program, sigtask):
    pid = program(
        """
        import asyncio, time
        import sigtask

        async def main():
            asyncio.create_task(sigtask.to_process(time.sleep, 1000), name="in a process")
            await asyncio.sleep(1)
            print("ready")
            await asyncio.sleep(1000)

        if __name__ == "__main__":
            asyncio.run(main())
        """
    ).pid
    said = sigtask("ps", pid).stdout
    assert "in a process" in said and "(no control socket)" in said


def test_100_000_tasks_are_shown_as_one_line_and_as_100_000_objects(program, sigtask):
    pid = program(
        """
        import asyncio

        async def one():
            await asyncio.sleep(10000)

        async def main():
            tasks = [asyncio.create_task(one()) for _ in range(100_000)]
            await asyncio.sleep(0)
            print("ready")
            await asyncio.sleep(1000)

        asyncio.run(main())
        """,
        PYTHONASYNCIODEBUG="",
    ).pid
    done = sigtask("ps", pid)
    assert "(100001 tasks" in done.stdout and "and 99,999 tasks like it" in done.stdout
    assert len(json.loads(sigtask("ps", pid, "--json").stdout)) == 100_001
