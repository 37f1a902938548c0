"""What a person sees while a program is being stopped: on a terminal, and where there is none."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from sigtask._run.json_view import JsonView
from sigtask._run.view import LineView, LiveView, default_observer, make_view
from sigtask.ladder import Ladder
from sigtask.report import Report

pytestmark = pytest.mark.os

LADDER = ("--ladder", "drain=400ms,terminate=400ms,kill=400ms")
STUBBORN = """
import asyncio, sigtask
async def chatty():
    while True:
        print("output", flush=True)
        await asyncio.sleep(0.05)
async def stubborn():
    while True:
        try:
            await asyncio.sleep(1000)  # here
        except asyncio.CancelledError:
            pass
async def main():
    sigtask.requested()
    tasks = [asyncio.create_task(stubborn(), name="stubborn"), asyncio.create_task(chatty(), name="chatty")]
    print("ready", flush=True)
    await asyncio.wait(tasks)
asyncio.run(main())
"""
BLOCKS = """\
import asyncio, time
async def main():
    print("ready", flush=True)
    time.sleep(1000)
asyncio.run(main())
"""
LINGERS = """
import asyncio, threading, time
async def main():
    threading.Thread(target=time.sleep, args=(1000,), name="lingers").start()
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""
PLACE = f"stubborn.py:{STUBBORN.splitlines().index('            await asyncio.sleep(1000)  # here') + 1} in stubborn"


class Screen:
    """A terminal of so many rows, as far as the view and a program's lines need one."""

    def __init__(self, rows):
        self.rows = [""] * rows
        self.scrolled = []
        self.row = self.column = 0
        self.saved = (0, 0)
        self.top, self.bottom = 0, rows - 1

    def feed(self, text):
        for escape, final, other in re.findall(r"\x1b(\[[\d;]*)?([A-Za-z78])|([^\x1b])", text):
            if other:
                self._put(other)
            else:
                getattr(self, f"_esc_{final}")(*(int(number) for number in re.findall(r"\d+", escape)))

    def _put(self, char):
        if char == "\r":
            self.column = 0
        elif char != "\n":
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[: self.column] + char + line[self.column + 1 :]
            self.column += 1
        elif self.row == self.bottom:
            self.scrolled.append(self.rows.pop(self.top))
            self.rows.insert(self.bottom, "")
        else:
            self.row += 1

    def _esc_7(self):
        self.saved = (self.row, self.column)

    def _esc_8(self):
        self.row, self.column = self.saved

    def _esc_A(self, number):
        self.row = max(self.top, self.row - number)

    def _esc_H(self, row=1, column=1):
        self.row, self.column = row - 1, column - 1

    def _esc_J(self):
        self._esc_K()
        self.rows[self.row + 1 :] = [""] * (len(self.rows) - self.row - 1)

    def _esc_K(self):
        self.rows[self.row] = self.rows[self.row][: self.column]

    def _esc_m(self, *_):
        pass

    def _esc_r(self, top=1, bottom=None):
        self.top, self.bottom = top - 1, len(self.rows) - 1 if bottom is None else bottom - 1
        self.row = self.column = 0

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.scrolled + self.rows)


def open_terminal():
    try:
        return os.openpty()
    except OSError as error:  # a bare chroot or container, for one
        pytest.skip(f"this machine has no pseudo-terminals: {error}")


class Terminal:
    """A program on a pseudo-terminal, and the screen as it is now."""

    def __init__(self, command, cwd, env, rows=24, columns=100):
        termios, fcntl, struct = (pytest.importorskip(name) for name in ("termios", "fcntl", "struct"))
        self._master, slave = open_terminal()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen, self._news, self.seen = Screen(rows), threading.Condition(), []
        self.popen = subprocess.Popen(command, cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # how Linux says that nobody has the other end any more
                data = b""
            with self._news:
                self.screen.feed(data.decode(errors="replace"))
                self.seen.append(self.screen.text)
                self._news.notify_all()
            if not data:
                os.close(self._master)
                return

    def wait_for(self, pattern):
        with self._news:
            assert self._news.wait_for(lambda: re.search(pattern, self.screen.text), 30), self.screen.text
        return self

    def end(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self._reader.join(30)


@pytest.fixture
def environment():
    from sigtask import __file__ as package

    src = os.path.dirname(os.path.dirname(package))
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**buffered, "PYTHONPATH": src, "TERM": "xterm"}


@pytest.fixture
def on_terminal(write, environment):
    """`on_terminal(source)`: that program under `sigtask run`, on a terminal, ready."""
    started = []

    def on_terminal(source, **size):
        path = write("stubborn.py", source)
        command = [sys.executable, "-m", "sigtask", "run", *LADDER, path.name]
        started.append(Terminal(command, path.parent, environment, **size))
        return started[-1].wait_for("ready")

    yield on_terminal
    for terminal in started:
        terminal.end()


# -- on a terminal ----------------------------------------------------------------------------------------------------


def test_the_live_lines_show_rung_seconds_tasks_and_where_the_slowest_stands(on_terminal):
    terminal = on_terminal(STUBBORN)
    terminal.popen.send_signal(signal.SIGTERM)
    terminal.wait_for(r"SIGTERM  drain   0\.\d s, then terminate  \(3 tasks left\)\nwaiting for \w+ at stubborn.py:\d+")
    terminal.wait_for(r"SIGTERM  terminate   0\.\d s, then kill  \(1 task left\)\nwaiting for stubborn at " + PLACE)


def test_the_live_lines_are_gone_at_the_end_and_the_summary_is_in_place(on_terminal):
    terminal = on_terminal(STUBBORN, rows=40)
    terminal.popen.send_signal(signal.SIGTERM)
    assert terminal.popen.wait(30) == -signal.SIGTERM
    terminal.end()
    text = terminal.screen.text
    assert any("waiting for" in screen for screen in terminal.seen)
    assert "waiting for" not in text
    assert "then kill" not in text
    assert re.search(r"output\nsigtask: stopped 3 tasks in \d\.\d\d s \(reason: SIGTERM\)\n  drain  ", text)
    assert "swallowed Terminate at stubborn.py" in text
    assert (terminal.screen.top, terminal.screen.bottom) == (0, 39)


def test_no_line_of_the_programs_own_is_lost(on_terminal):
    numbered = STUBBORN.replace('print("output"', 'n = globals()["n"] = globals().get("n", -1) + 1; print("output", n')
    terminal = on_terminal(numbered)
    terminal.wait_for("output 30")  # the screen is full, and scrolls
    terminal.popen.send_signal(signal.SIGTERM)
    terminal.popen.wait(30)
    terminal.end()
    numbers = [int(number) for number in re.findall(r"^output (\d+)$", terminal.screen.text, re.MULTILINE)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 35


def test_a_blocked_loop_is_told_of(on_terminal):
    terminal = on_terminal(BLOCKS)
    terminal.popen.send_signal(signal.SIGTERM)
    terminal.wait_for(r"waiting for the loop: blocked at stubborn.py:4 in main")
    assert terminal.popen.wait(30) == 128 + signal.SIGTERM
    terminal.end()
    assert "waiting for" not in terminal.screen.text.partition("sigtask:")[2]


def test_a_terminal_without_room_gets_lines(on_terminal):
    terminal = on_terminal(STUBBORN, rows=4)
    terminal.popen.send_signal(signal.SIGTERM)
    terminal.wait_for(r"sigtask: SIGTERM: terminate, 0.4 s for 3 tasks\n")


def test_run_on_a_terminal_shows_what_the_command_does(write, environment):
    source = STUBBORN.replace("asyncio.run(main())", "sigtask.run(main())")
    env = {**environment, "SIGTASK_LADDER": LADDER[1]}
    path = write("stubborn.py", source)
    terminal = Terminal([sys.executable, path.name], path.parent, env).wait_for("ready")
    try:
        terminal.popen.send_signal(signal.SIGTERM)
        terminal.wait_for(r"SIGTERM  terminate   0\.\d s, then kill  \(1 task left\)\nwaiting for stubborn at " + PLACE)
        assert terminal.popen.wait(30) == 128 + signal.SIGTERM
    finally:
        terminal.end()
    assert re.search(r"sigtask: stopped 3 tasks in \d\.\d\d s \(reason: SIGTERM\)\n  drain  ", terminal.screen.text)


def test_a_view_leaves_no_thread_behind_when_nothing_is_stopped_or_when_it_is_over():
    view = LineView(io.StringIO())
    assert "sigtask-view" not in {thread.name for thread in threading.enumerate()}
    view.over(Report("kill", None, 0.0, (), ()))
    for thread in threading.enumerate():
        if thread.name == "sigtask-view":
            thread.join(30)
            assert not thread.is_alive()


# -- not on a terminal ------------------------------------------------------------------------------------------------


def test_without_a_terminal_there_is_one_line_per_rung_and_the_summary(sigtask_run, write):
    write("stubborn.py", STUBBORN)
    program = sigtask_run(*LADDER, "stubborn.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    lines = program.stderr.splitlines()
    assert lines[:3] == [
        "sigtask: SIGTERM: drain, 0.4 s for 3 tasks",
        "sigtask: SIGTERM: terminate, 0.4 s for 3 tasks",
        "sigtask: SIGTERM: kill, 0.4 s for 1 task",
    ]
    assert lines[3].startswith("sigtask: stopped 3 tasks in ")
    assert "\x1b" not in program.stderr


def test_a_blocked_loop_gets_a_line_when_a_rung_is_due(sigtask_run, write):
    write("blocks.py", BLOCKS)
    program = sigtask_run(*LADDER, "blocks.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    program.wait_for("is due, and the loop is blocked at blocks.py:4 in main\n", "stderr")
    assert program.wait() == 128 + signal.SIGTERM


def test_a_process_that_outlives_its_tasks_says_what_it_waits_for(sigtask_run, write):
    write("lingers.py", LINGERS)
    program = sigtask_run("--ladder", "terminate=1s,kill=1s", "lingers.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == 128 + signal.SIGTERM
    expected = r"sigtask: no task runs here, but the process does: 1\.\d s left, waiting for thread lingers at "
    assert re.search(expected, program.stderr)


def objects(program):
    """What was said, each line an object; how each names its time and process is looked at here."""
    said = [json.loads(line) for line in program.stderr.splitlines()]
    for each in said:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each.pop("time"))
        assert each.pop("pid") == program.popen.pid
    return said


def test_log_json_is_one_object_a_line_for_each_rung_and_the_report(sigtask_run, write, tmp_path):
    write("stubborn.py", STUBBORN)
    program = sigtask_run("--log", "json", *LADDER, "--report", "r.json", "stubborn.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    *rungs, last = objects(program)
    assert [(each["event"], each["level"], each["rung"], each["tasks"]) for each in rungs] == [
        ("rung", "info", "drain", 3),
        ("rung", "info", "terminate", 3),
        ("rung", "info", "kill", 1),
    ]
    assert rungs[0]["message"] == "SIGTERM: drain, 0.4 s for 3 tasks"
    assert {(each["signal"], each["grace"]) for each in rungs} == {("SIGTERM", 0.4)}
    assert (last["event"], last["level"], last["signal"]) == ("report", "warning", "SIGTERM")
    assert last["report"] == json.loads((tmp_path / "r.json").read_text())


def test_log_json_of_a_forced_end_is_objects_with_the_stacks_in_one(sigtask_run, write):
    write("blocks.py", BLOCKS)
    program = sigtask_run("--log", "json", *LADDER, "blocks.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == 128 + signal.SIGTERM
    said = {each["event"]: each for each in objects(program)}
    assert said["due"]["level"] == "warning"
    assert said["due"]["message"].endswith("is due, and the loop is blocked at blocks.py:4 in main")
    assert said["forced"]["report"]["note"].startswith("the process did not end by itself")
    assert "blocks.py" in said["stacks"]["message"] and "line 4 in main" in said["stacks"]["message"]
    assert said["forced"]["level"] == said["stacks"]["level"] == "error"


def test_log_json_says_what_a_lingering_process_waits_for(sigtask_run, write):
    write("lingers.py", LINGERS)
    program = sigtask_run("--log", "json", "--ladder", "terminate=1s,kill=1s", "lingers.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == 128 + signal.SIGTERM
    (said,) = [each for each in objects(program) if each["event"] == "lingering"]
    assert (said["level"], said["signal"], said["tasks"]) == ("warning", "SIGTERM", 0)
    assert "waiting for thread lingers at " in said["message"]


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_stderr_that_is_closed_or_fails_does_not_stop_the_stopping(write, environment, redirection):
    path = write("stubborn.py", STUBBORN)
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "sigtask", "run", *LADDER, path.name]
    program = subprocess.Popen(command, cwd=path.parent, env=environment, stdout=subprocess.PIPE, text=True)
    with program, program.stdout:
        assert program.stdout.readline() in ("output\n", "ready\n")
        program.send_signal(signal.SIGTERM)
        program.stdout.read()
        assert program.wait(30) == -signal.SIGTERM


@pytest.mark.parametrize("reader", ["gone", "asleep"])
@pytest.mark.parametrize("blocked", [False, True])
def test_a_stderr_that_nobody_reads_does_not_stop_the_stopping(write, environment, tmp_path, a_second, reader, blocked):
    source = STUBBORN.replace('print("output", flush=True)', "import time; time.sleep(1000)") if blocked else STUBBORN
    path = write("stubborn.py", source)
    read_end, write_end = os.pipe()
    if reader == "gone":
        os.close(read_end)
    else:  # full: not another byte goes in
        os.set_blocking(write_end, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(write_end, b"x" * 65536)
        os.set_blocking(write_end, True)
    command = [sys.executable, "-m", "sigtask", "run", *LADDER, "--report", "r.txt", path.name]
    program = subprocess.Popen(
        command, cwd=path.parent, env=environment, stdout=subprocess.PIPE, stderr=write_end, text=True
    )
    os.close(write_end)
    try:
        with program, program.stdout:
            assert program.stdout.readline() == "ready\n"
            sent_at = time.monotonic()
            program.send_signal(signal.SIGTERM)
            assert program.wait(30) == (128 + signal.SIGTERM if blocked else -signal.SIGTERM)
            assert time.monotonic() - sent_at < 1.2 + a_second
    finally:
        if reader == "asleep":
            os.close(read_end)
    assert "stubborn.py:" in (tmp_path / "r.txt").read_text()


# -- which view it is -------------------------------------------------------------------------------------------------


def test_a_stream_that_is_no_file_has_each_line_at_once():
    page = io.BytesIO()
    with io.TextIOWrapper(io.BufferedWriter(NoFile(page)), encoding="ascii", errors="replace") as stream:
        make_view(quiet=False, report_file=None, stream=stream).over(Report("kill", None, 0.0, (), ()))
        assert page.getvalue().startswith(b"sigtask: there was no task to stop; ended in")


class NoFile(io.RawIOBase):
    """Writes into something else, as a captured stderr does."""

    def __init__(self, page):
        self._page = page

    def writable(self):
        return True

    def write(self, data):
        return self._page.write(data)


def test_the_view_fits_the_stream(monkeypatch):
    class Tty(io.StringIO):
        def isatty(self):
            return True

    assert type(make_view(quiet=False, report_file=None, stream=io.StringIO())) is LineView
    assert type(make_view(quiet=False, report_file=None, stream=Tty())) is LineView  # its size cannot be asked for
    assert type(make_view(quiet=False, report_file=None, log="json", stream=Tty())) is JsonView
    monkeypatch.setattr(sys, "stderr", Tty())
    assert type(default_observer()) is LineView
    for no_terminal in (io.StringIO(), closed := io.StringIO(), None):
        closed.close()
        monkeypatch.setattr(sys, "stderr", no_terminal)
        assert default_observer() is None
    assert type(make_view(quiet=False, report_file=None)) is LineView


def test_a_dumb_terminal_gets_lines(monkeypatch):
    master, slave = open_terminal()
    try:
        with open(slave, "w") as stream:
            monkeypatch.setenv("TERM", "dumb")
            assert type(make_view(quiet=False, report_file=None, stream=stream)) is not LiveView
    finally:
        os.close(master)


class Stuck:
    """A progress of a stop in which a task with a hostile name is waited for."""

    ladder = Ladder.parse("terminate=5s,kill")
    cause, tasks_left, is_over, rung, rung_left, time_left = "SIGTERM", 1, False, None, 1.0, 2.0
    rung_due = ladder.rungs[0]
    slowest = "evil\x1b[2J\nname at evil\x07.py:1 in main"


@pytest.mark.parametrize("view", [LineView, LiveView])
def test_escape_sequences_in_a_name_are_shown_and_not_obeyed(view, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(LiveView, "_draw", lambda self, *lines: print(*lines, file=stream))
    shown = view(stream)
    shown.tick(Stuck())
    shown.over(Report("kill=1s", "evil\x1b[2J", 0.0, (), ()))
    assert r"evil\x1b[2J" in stream.getvalue() and r"evil\x07.py:1" in stream.getvalue()
    assert {"\x1b", "\x07"} & {*stream.getvalue()} == set()
