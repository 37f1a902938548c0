"""`sigtask run`: programs, their arguments, their own handlers, how they end, and what a person gets wrong."""

import importlib.util
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

CliRunner = pytest.importorskip("click.testing").CliRunner

QUICK = ("--ladder", "drain=300ms,terminate=300ms,kill=300ms")
PATIENT = ("--ladder", "drain=20s,terminate=20s,kill=5s")
SIGNALS = [signal.SIGINT, signal.SIGTERM]


# -- what runs --------------------------------------------------------------------------------------------------------


@pytest.mark.os
def test_a_coroutine_function_runs_and_its_drained_main_is_status_0(sigtask_run, write):
    write(
        "shop.py",
        """
        import asyncio, sigtask, sys
        async def main():
            print(sys.argv, flush=True)
            print("told", (await sigtask.wait_requested()).reason)
        """,
    )
    program = sigtask_run("shop:main", "-q", "--ladder", "x").wait_for("]")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert "['shop:main', '-q', '--ladder', 'x']" in program.stdout
    assert "told SIGTERM" in program.stdout
    assert "1 returned" in program.stderr


ARGUMENTS = ["-q", "--ladder", "nonsense", "--report", "-m", "--", "-h", "a b"]


@pytest.mark.os
def test_a_scripts_arguments_pass_untouched(sigtask_run, write):
    write("script.py", "import json, sys; print(json.dumps([sys.argv, __name__, __file__, sys.path[0]]))")
    program = sigtask_run("script.py", *ARGUMENTS)
    assert program.wait() == 0, program.stderr
    argv, name, file, first = json.loads(program.stdout)
    assert argv == ["script.py", *ARGUMENTS]
    assert (name, file) == ("__main__", f"{first}/script.py")


@pytest.mark.os
def test_a_modules_arguments_pass_untouched(sigtask_run, write, tmp_path):
    (tmp_path / "pkg").mkdir()
    write("pkg/__init__.py", "")
    write("pkg/__main__.py", "import json, sys; print(json.dumps([sys.argv, __name__, __package__]))")
    program = sigtask_run("--ladder", "kill", "-m", "pkg", *ARGUMENTS)
    assert program.wait() == 0, program.stderr
    assert json.loads(program.stdout) == [[str(tmp_path / "pkg/__main__.py"), *ARGUMENTS], "__main__", "pkg"]


@pytest.mark.os
@pytest.mark.parametrize("words", [["-mmod"], ["-qm", "mod"], ["-qmmod"]])
def test_a_module_may_be_named_in_one_word_with_its_option(sigtask_run, write, words):
    write("mod.py", "import sys; print(sys.argv[1:])")
    program = sigtask_run(*words, "--ladder", "x")
    assert (program.wait(), program.stdout) == (0, "['--ladder', 'x']\n")


@pytest.mark.os
def test_two_dashes_at_once_after_the_module_are_the_modules_own(sigtask_run, write):
    write("mod.py", "import sys; print(sys.argv[1:])")
    program = sigtask_run("-m", "mod", "--", "-x")
    assert (program.wait(), program.stdout) == (0, "['--', '-x']\n")


@pytest.mark.os
def test_a_script_that_knows_nothing_of_sigtask_gets_its_tasks(sigtask_run, write):
    write(
        "plain.py",
        """
        import asyncio
        async def main():
            child = asyncio.create_task(asyncio.sleep(0))
            print(type(asyncio.current_task()).__module__, type(child).__module__)
            await child
        asyncio.run(main())
        """,
    )
    program = sigtask_run("plain.py")
    assert (program.wait(), program.stdout, program.stderr) == (0, "sigtask sigtask\n", "")


@pytest.mark.os
@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="needs uvloop")
@pytest.mark.parametrize("words", [["loops.py"], ["-m", "loops"], ["loops:main"]])
def test_loop_uvloop_gives_every_kind_of_program_that_loop(sigtask_run, write, words):
    write(
        "loops.py",
        """
        import asyncio
        async def main():
            print(type(asyncio.get_running_loop()).__module__, type(asyncio.current_task()).__module__, flush=True)
            await asyncio.sleep(1000)
        if __name__ == "__main__":
            asyncio.run(main())
        """,
    )
    program = sigtask_run(*QUICK, "--loop", "uvloop", *words).wait_for("uvloop sigtask")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert "1 ended by Terminate" in program.stderr


# -- signals ----------------------------------------------------------------------------------------------------------

SLEEPER = """
import asyncio
async def main():
    print("ready", flush=True)
    await asyncio.sleep(1000)
if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.os
@pytest.mark.parametrize("words", [["sleeper.py"], ["-m", "sleeper"], ["sleeper:main"]])
@pytest.mark.parametrize("signum", SIGNALS, ids=lambda signum: signum.name)
def test_R26_R29_a_program_that_does_not_drain_is_terminated_at_once_and_ends_by_the_signal(
    sigtask_run, write, words, signum
):
    write("sleeper.py", SLEEPER)
    program = sigtask_run(*PATIENT, *words).wait_for("ready")
    program.signal(signum)
    assert program.wait() == -signum
    assert f"sigtask: {signum.name}: terminate, 20 s for 1 task\n" in program.stderr
    assert "drain        0.00 s  skipped: nobody can hear it" in program.stderr
    assert "1 ended by Terminate" in program.stderr
    assert ("KeyboardInterrupt" in program.stderr) == (signum == signal.SIGINT)
    assert "contextlib.py" not in program.stderr  # a context manager of ours is none of the program's frames


@pytest.mark.os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("handler", ["", "signal.signal(signal.SIGTERM, lambda *_: os._exit(7))"])
def test_R29_what_the_program_forks_has_the_programs_handlers_and_no_ladder(sigtask_run, write, handler):
    write(
        "forks.py",
        f"""
        import asyncio, os, signal, time
        async def main():
            {handler or "pass"}
            read, write = os.pipe()
            if (pid := os.fork()) == 0:
                os.write(write, b"x")
                time.sleep(1000)
            os.read(read, 1)  # one that comes earlier is lost, in CPython
            os.kill(pid, signal.SIGTERM)
            print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        asyncio.run(main())
        """,
    )
    program = sigtask_run(*PATIENT, "forks.py")
    assert program.wait() == 0
    assert f"ended {7 if handler else -signal.SIGTERM}" in program.stdout


STUBBORN = """
import asyncio, sigtask
async def main():
    with sigtask.on_signal(sigtask.Drain, lambda sig: print("drain", flush=True)):
        print("ready", flush=True)
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError as sig:
                print(type(sig).__name__.lower(), flush=True)
asyncio.run(main())
"""


@pytest.mark.os
def test_R29_each_further_signal_moves_to_the_next_rung_at_once(sigtask_run, write):
    write("stubborn.py", STUBBORN)
    program = sigtask_run(*PATIENT, "stubborn.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    program.wait_for("drain\n")
    time.sleep(0.6)  # the thing itself: within half a second it would count as one with the first
    program.signal(signal.SIGINT)
    program.wait_for("terminate\n")
    time.sleep(0.6)
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert "1 ended by Kill" in program.stderr


@pytest.mark.os
def test_R29_two_signals_within_half_a_second_count_as_one(sigtask_run, write):
    write(
        "twice.py",
        """
        import asyncio, signal, sigtask
        async def main():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            print(type(await sigtask.wait_requested()).__name__)
            await asyncio.sleep(0.2)
            print("drained")
        asyncio.run(main())
        """,
    )
    program = sigtask_run(*PATIENT, "twice.py")
    assert (program.wait(), program.stdout) == (0, "Drain\ndrained\n")
    assert "terminate," not in program.stderr


@pytest.mark.os
def test_quiet_says_nothing_and_still_writes_the_report(sigtask_run, write, tmp_path):
    write("sleeper.py", SLEEPER)
    program = sigtask_run("-q", "--report", "r.txt", "sleeper.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert (program.wait(), program.stderr) == (-signal.SIGTERM, "")
    assert "1 ended by Terminate" in (tmp_path / "r.txt").read_text()


@pytest.mark.os
def test_R28_both_reports_name_the_file_and_line_of_who_refused(sigtask_run, write, tmp_path):
    lines = write("stubborn.py", STUBBORN).read_text().splitlines()
    line = lines.index("                await asyncio.sleep(1000)") + 1
    for report in ("r.json", "r.txt"):
        program = sigtask_run(*QUICK, "--report", report, "stubborn.py").wait_for("ready")
        program.signal(signal.SIGTERM)
        assert program.wait() == -signal.SIGTERM
    (task,) = json.loads((tmp_path / "r.json").read_text())["tasks"]
    assert task["stood"] == dict.fromkeys(("drain", "terminate", "kill"), f"stubborn.py:{line} in main")
    assert task["swallowed"] == [f"Terminate at stubborn.py:{line}"]
    text = (tmp_path / "r.txt").read_text()
    assert f"at drain, terminate and kill it stood at stubborn.py:{line} in main" in text
    assert "Task-1 (main): ended by Kill" in text


# -- the program's own handlers ---------------------------------------------------------------------------------------

IN_LOOP = """
import asyncio, signal
async def main():
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    print("ready", flush=True)
    await told.wait()
    await asyncio.sleep(0.1)
    print("drained")
asyncio.run(main())
"""
BY_SIGNAL = """
import asyncio, signal
told = []
def handle(signum, frame):
    told.append(signum)
async def main():
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.signal(signal.SIGTERM, handle) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is handle
    print("ready", flush=True)
    while not told:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    print("drained")
asyncio.run(main())
"""


@pytest.mark.os
@pytest.mark.parametrize("source", [IN_LOOP, BY_SIGNAL], ids=["add_signal_handler", "signal.signal"])
def test_R29_the_programs_own_handler_is_its_drain_and_counts_as_listening(sigtask_run, write, source):
    write("own.py", source)
    program = sigtask_run(*PATIENT, "own.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.stdout == "ready\ndrained\n"
    assert "skipped" not in program.stderr
    assert "sigtask: SIGTERM: drain, 20 s for 1 task\n" in program.stderr


@pytest.mark.os
def test_R29_the_ladder_bounds_a_programs_handler_that_does_nothing(sigtask_run, write):
    write("own.py", BY_SIGNAL.replace("told.append(signum)", "print('heard', flush=True)"))
    program = sigtask_run(*QUICK, "own.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert program.stdout == "ready\nheard\n"
    assert "1 ended by Terminate" in program.stderr


@pytest.mark.os
def test_R29_a_removed_handler_is_no_handler(sigtask_run, write):
    removed = "asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)"
    write("own.py", IN_LOOP.replace('print("ready"', f'print({removed}, {removed}, "ready"'))
    program = sigtask_run(*PATIENT, "own.py").wait_for("True False ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM


@pytest.mark.os
def test_R29_a_handler_may_exit_with_a_status_of_its_own(sigtask_run, write):
    write("own.py", BY_SIGNAL.replace("told.append(signum)", "raise SystemExit(7)"))
    program = sigtask_run(*PATIENT, "own.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == 7
    assert "Traceback" not in program.stderr


@pytest.mark.os
def test_R29_a_handler_is_called_before_there_is_a_loop_too(sigtask_run, write):
    write(
        "early.py",
        """
        import asyncio, signal
        told = []
        signal.signal(signal.SIGTERM, lambda *_: told.append(1))
        signal.raise_signal(signal.SIGTERM)
        async def main():
            await asyncio.sleep(0.1)
            print("drained", told)
        asyncio.run(main())
        """,
    )
    program = sigtask_run(*PATIENT, "early.py")
    assert (program.wait(), program.stdout) == (0, "drained [1]\n")


@pytest.mark.os
def test_without_a_loop_and_a_handler_a_signal_does_what_it_does_without_us(sigtask_run, write):
    write("sync.py", "import time\nprint('ready', flush=True)\ntime.sleep(1000)")
    program = sigtask_run("sync.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM


@pytest.mark.os
@pytest.mark.parametrize("raised", ["signal.raise_signal(signal.SIGTERM)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_R29_a_program_that_drains_and_ends_itself_by_the_signal_dies_of_it(sigtask_run, write, tmp_path, raised):
    write(
        "own.py",
        BY_SIGNAL.replace(
            'print("drained")',
            f'print("drained", flush=True); import os; signal.signal(signal.SIGTERM, signal.SIG_DFL); {raised}',
        ),
    )
    program = sigtask_run(*PATIENT, "--report", "r.json", "own.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert program.stdout == "ready\ndrained\n"
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["note"] == "the program drained, and ended itself by SIGTERM"
    assert report["rungs"][0]["seconds"] > 0


# -- how a program ends by itself -------------------------------------------------------------------------------------


@pytest.mark.os
@pytest.mark.parametrize("words", [["boom.py"], ["-m", "boom"], ["boom:main"]])
def test_an_exception_is_shown_as_python_shows_it(sigtask_run, start, write, words):
    write(
        "boom.py",
        """
        import asyncio
        async def main():
            try:
                await asyncio.sleep(0)
                raise KeyError("first")
            except KeyError as error:
                raise ValueError("boom") from error
        if __name__ == "__main__":
            asyncio.run(main())
        """,
    )
    program = sigtask_run(*words)
    assert program.wait() == 1
    assert "/sigtask/" not in program.stderr
    assert "runpy" not in program.stderr
    assert program.stderr.endswith("ValueError: boom\n")
    if words == ["boom.py"]:
        plain = start(*words)
        plain.wait()
        assert program.stderr == plain.stderr


@pytest.mark.os
@pytest.mark.parametrize("source", ["def f(:\n", "import nothing_such\n", "raise SystemExit('sorry')\n"])
def test_a_broken_script_is_shown_as_python_shows_it(sigtask_run, start, write, source):
    write("broken.py", source)
    ours, plain = sigtask_run("broken.py"), start("broken.py")
    assert ours.wait() == plain.wait() == 1
    assert ours.stderr == plain.stderr


@pytest.mark.os
@pytest.mark.parametrize("words", [["ends.py"], ["-m", "ends"], ["ends:main"]])
@pytest.mark.parametrize(
    ("what", "status"), [("SystemExit(5)", 5), ("SystemExit(None)", 0), ("KeyboardInterrupt()", -signal.SIGINT)]
)
def test_SystemExit_and_KeyboardInterrupt_pass(sigtask_run, write, words, what, status):
    source = f"async def main(): raise {what}\nif __name__ == '__main__':\n    import asyncio; asyncio.run(main())"
    write("ends.py", source)
    assert sigtask_run(*words).wait() == status


# -- R30: gone in time ------------------------------------------------------------------------------------------------

STUCK = {
    # what it does when it is told to drain, and where
    "blocking sleep": ("time.sleep(1000)", "main"),
    "busy loop": ("while True: pass", "main"),
    "thread": ("threading.Thread(target=stuck).start()", "stuck"),
    "executor": ("asyncio.get_running_loop().run_in_executor(None, stuck)", "stuck"),
    "awaited executor": ("await asyncio.to_thread(stuck)", "stuck"),
    "atexit": ("atexit.register(stuck)", "stuck"),
    "deaf stock task": ("await stock", "deaf"),
}
HOSTILE = """
import asyncio, atexit, threading, time
def stuck():
    time.sleep(1000)  # in stuck
async def deaf():
    while True:
        try:
            await asyncio.sleep(1000)  # in deaf
        except asyncio.CancelledError:
            pass
async def main():
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, told.set)
    if DEAF:
        stock = asyncio.Task(deaf())  # past the loop's task factory
    print("ready", flush=True)
    await told.wait()
    WHAT  # in main
asyncio.run(main())
"""
LADDER_SECONDS = 0.9


def _be_stuck(launch, directory, number, how):
    """What comes of one such program: its status, the seconds from signal to end, stderr, and the report."""
    source = HOSTILE.replace("WHAT", how).replace("DEAF", str(how == "await stock"))
    (directory / f"stuck{number}.py").write_text(source)
    report = directory / f"{number}.json"
    process = launch("-m", "sigtask", "run", *QUICK, "--report", report, f"stuck{number}.py", cwd=directory)
    process.wait_for("ready")
    sent_at = process.signal(signal.SIGTERM)
    process.popen.wait(30)
    seconds = time.monotonic() - sent_at
    return process.wait(), seconds, process.stderr, json.loads(report.read_text())


@pytest.fixture(scope="module")
def stuck(launch, tmp_path_factory):
    """`stuck(what)`: what came of that program. A few run at the same time."""
    directory = tmp_path_factory.mktemp("stuck")
    with ThreadPoolExecutor(4) as pool:
        futures = {
            what: pool.submit(_be_stuck, launch, directory, number, how)
            for number, (what, (how, _)) in enumerate(STUCK.items())
        }
    return lambda what: futures[what].result()


@pytest.mark.os
@pytest.mark.parametrize("what", STUCK)
def test_R30_a_stuck_process_is_gone_a_second_after_its_ladder_with_the_status_of_its_signal(stuck, a_second, what):
    status, seconds, stderr, report = stuck(what)
    assert seconds < LADDER_SECONDS + a_second, stderr
    assert status == 128 + signal.SIGTERM, stderr
    if what != "awaited executor":
        assert seconds >= LADDER_SECONDS
    assert report["note"] == "the process did not end by itself in the ladder's time: the watchdog ended it"


@pytest.mark.os
@pytest.mark.parametrize("what", STUCK)
def test_R30_the_report_and_stderr_name_the_place_and_all_stacks_are_dumped(stuck, what):
    _, _, stderr, report = stuck(what)
    function = STUCK[what][1]
    (line,) = (n for n, text in enumerate(HOSTILE.splitlines(), 1) if text.endswith(f"# in {function}"))
    places = [thread["where"] for thread in report["threads"]]
    places += [place for task in report["tasks"] for place in task["stood"].values()]
    assert [place for place in places if place.endswith(f":{line} in {function}")], report
    assert f":{line} in {function}" in stderr
    dump = stderr[stderr.index("most recent call first") :]
    assert function == "deaf" or f"line {line} in {function}" in dump


@pytest.mark.os
@pytest.mark.parametrize("what", ["blocking sleep", "thread"])
def test_R30_the_stacks_end_with_the_program_and_leave_out_the_command(stuck, what):
    _, _, stderr, _ = stuck(what)
    dump = stderr[stderr.index("most recent call first") :]
    assert "sigtask/cli/" not in dump and "click" not in dump


@pytest.mark.os
def test_R30_the_thread_that_keeps_the_process_comes_first_and_the_main_thread_waits_for_it(stuck):
    _, _, stderr, report = stuck("thread")
    first, *_, last = report["threads"]
    assert first["where"].endswith(" in stuck")
    assert (last["name"], last["where"]) == (
        "MainThread",
        "the end of the program, where it waits for other threads",
    )


# -- bad input --------------------------------------------------------------------------------------------------------

BAD = {
    "no program": ([], "name a program"),
    "no such file": (["nothing.py"], "there is no file 'nothing.py'"),
    "neither file nor function": (["os.path.join"], "there is no file 'os.path.join'"),
    "no such module": (["-m", "no.such.module"], "there is no module named 'no.such.module'"),
    "no such module of a function": (["no.such:main"], "there is no module named 'no.such'"),
    "a package that is no program": (["-m", "json"] if sys.version_info < (3, 14) else ["-m", "email"], "__main__"),
    "a directory that is no program": (["."], "'.' is a directory without a __main__.py"),
    "a relative module": (["-m", ".mod"], "there is no module named '.mod'"),
    "a file's name in the place of a module's": (["pkg/app.py:main"], "named 'pkg/app.py'; write pkg.app:main"),
    "a file's name after -m": (["-m", "app.py"], "there is no module named 'app.py'; write app"),
    "no function": (["json:"], "'json:' is only half a name; for an async function, write package.module:function"),
    "no module": ([":main"], "':main' is only half a name"),
    "missing attribute": (["json:nothing"], "json has no 'nothing'; it has no async function of its own"),
    "a function with a typo": (["asyncio.tasks:wiat"], "asyncio.tasks has no 'wiat'; its async functions are wait, "),
    "not a coroutine function": (["json:loads"], "not an async function (async def)"),
    "a coroutine function with arguments": (["asyncio:sleep"], "missing a required argument: 'delay'"),
    "a ladder that falls": (["--ladder", "kill,drain=1s", "x.py"], "the ladder does not rise"),
    "a negative grace": (["--ladder", "drain=-1s,kill", "x.py"], "the grace of drain is -1.0; it must be 0 or more"),
    "an unknown signal": (["--ladder", "drian=1s", "x.py"], "there is no signal 'drian'"),
    "no grace": (["--ladder", "drain,kill", "x.py"], "'drain' needs a grace"),
    "no duration": (["--ladder", "drain=soon", "x.py"], "'soon' is not a duration"),
    "an empty ladder": (["--ladder", "", "x.py"], "there is no signal ''"),
    "a bad suffix": (["--report", "r.xml", "x.py"], "the name must end in .html, .txt, .trace.json, .json"),
    "no such directory": (["--report", "no/r.json", "x.py"], "there is no directory"),
    "a report that is a directory": (["--report", ".", "x.py"], "is a directory"),
    "an unknown option": (["--nothing", "x.py"], "there is no option --nothing"),
    "an option with a typo": (["--laddr", "x", "x.py"], "there is no option --laddr; did you mean --ladder?"),
    "an unknown loop": (["--loop", "trio", "x.py"], "--loop: 'trio' is not one of"),
    "an unknown log": (["--log", "xml", "x.py"], "--log: 'xml' is not one of"),
    "an option without its value": (["--ladder"], "--ladder: it requires an argument"),
    "a flag with a value": (["--quiet=1", "x.py"], "--quiet: it does not take a value"),
    "an unknown OS signal": (
        ["--signals", "HUB=drain", "x.py"],
        "'HUB' is not a signal of this system; did you mean HUP?",
    ),
    "SIGKILL": (["--signals", "kill=drain", "x.py"], "--signals: SIGKILL cannot be handled by any program"),
    "SIGSTOP": (["--signals", "SIGSTOP=drain", "x.py"], "--signals: SIGSTOP cannot be handled by any program"),
    "an unknown level": (["--signals", "HUP=drian", "x.py"], "'HUP=drian': there is no signal 'drian'"),
    "no level": (["--signals", "HUP", "x.py"], "'HUP' needs a level; write it as HUP=drain"),
    "a signal given twice": (["--signals", "HUP=drain,sighup=kill", "x.py"], "SIGHUP is given twice"),
}


@pytest.fixture
def command(monkeypatch):
    """`command(*words)` runs `sigtask run *words` in this process; for what ends before a program begins."""
    from sigtask.cli._command import sigtask

    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda *words: CliRunner().invoke(sigtask, ["run", *words], prog_name="sigtask")


@pytest.mark.parametrize("what", BAD)
def test_bad_input_gets_one_clear_line_and_status_2(command, what):
    words, says = BAD[what]
    result = command(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("sigtask: ")
    assert says in result.stderr
    assert result.stderr.endswith(" (see: sigtask run --help)\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["-m", "json.tool"], ["json:loads"]])
def test_loop_uvloop_without_uvloop_says_how_to_get_it(command, monkeypatch, words):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    result = command("--loop", "uvloop", *words)
    expected = "sigtask: --loop uvloop: uvloop is not installed; pip install 'sigtask[uvloop]' (see"
    assert (result.exit_code, result.stderr[: len(expected)]) == (2, expected)


def test_a_module_that_fails_for_want_of_another_is_not_called_missing(command, write, monkeypatch):
    directory = write("wants.py", "import nothing_such").parent
    monkeypatch.chdir(directory)
    result = command("wants:main")
    assert result.exit_code == 1


@pytest.mark.os
@pytest.mark.parametrize("guard", ["", "try: ", "class Main: "], ids=["plain", "in a try", "in a class"])
def test_a_module_that_runs_itself_when_it_is_imported_is_told_of_the_guard(sigtask_run, write, guard):
    caught = "\nexcept OSError: pass" if "try" in guard else ""
    write(
        "shop.py",
        f"import sigtask\nasync def main(): print('started')\n{guard}sigtask.run(main()){caught}\nprint('imported')",
    )
    program = sigtask_run("shop:main")
    assert (program.wait(), program.stdout) == (2, "")
    assert program.stderr == (
        "sigtask: shop:main: importing shop called sigtask.run() itself; "
        'put that call under  if __name__ == "__main__": (see: sigtask run --help)\n'
    )


@pytest.mark.os
def test_a_module_with_the_guard_runs_once(sigtask_run, write):
    source = "import sigtask\nasync def main(): print('once')\nif __name__ == '__main__': sigtask.run(main())\n"
    write("shop.py", source)
    for words in (["shop:main"], ["shop.py"], ["-m", "shop"]):
        program = sigtask_run(*words)
        assert (program.wait(), program.stdout, program.stderr) == (0, "once\n", "")


@pytest.mark.os
@pytest.mark.parametrize("words", [["nothing.py"], ["-m", "nothing"], ["nothing:main"], ["json:loads"]])
def test_bad_input_of_the_real_command(sigtask_run, words):
    program = sigtask_run(*words)
    assert program.wait() == 2
    assert (program.stdout, program.stderr.count("\n")) == ("", 1)
