"""`sigtask run`: what its options and the environment say, its help and completion, and where the report goes."""

import json
import signal
import sys
from pathlib import Path

import pytest

from sigtask import Drain, Interrupt, Kill, Ladder, Terminate, run
from sigtask._run.settings import DEFAULT_SIGNALS, Settings, default_ladder, parse_signals

click = pytest.importorskip("click")
from click.testing import CliRunner  # noqa: E402

SLEEPER = """
import asyncio
async def main():
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


class Own(Terminate):
    pass


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """`settings(*words, **environment)`: what `sigtask run *words x.py` would run the program with."""
    from sigtask.cli import _command

    found = []
    monkeypatch.setattr(_command, "_run", lambda program, settings: found.append(settings) or 0)
    monkeypatch.chdir(tmp_path)
    Path("x.py").touch()

    def settings(*words, **environment):
        result = CliRunner().invoke(_command.sigtask, ["run", *words, "x.py"], env=environment)
        assert (result.exit_code, result.output) == (0, "")
        return found[-1]

    return settings


@pytest.fixture
def command(monkeypatch):
    """`command(*words, **environment)` runs `sigtask *words`, for what ends before a program begins."""
    from sigtask.cli._command import sigtask

    monkeypatch.setattr(sys, "argv", sys.argv)
    return lambda *words, **env: CliRunner().invoke(sigtask, words, prog_name="sigtask", env=env)


# -- options ----------------------------------------------------------------------------------------------------------


def test_without_options_all_is_as_documented(settings):
    expected = Settings(Ladder((Drain, 10), (Terminate, 5), Kill), {signal.SIGINT: Drain, signal.SIGTERM: Drain})
    assert settings() == expected
    assert expected.main_first and not expected.quiet and expected.log == "text"


@pytest.mark.parametrize("text", ["HUP=drain,QUIT=terminate", "sighup=Drain, SigQuit = TERMINATE"])
def test_signals_add_to_the_default_map(settings, text):
    added = {signal.SIGHUP: Drain, signal.SIGQUIT: Terminate}
    assert settings("--signals", text).signals == {**DEFAULT_SIGNALS, **added}


def test_signals_change_the_default_map(settings):
    assert settings("--signals", "INT=interrupt").signals == {signal.SIGINT: Interrupt, signal.SIGTERM: Drain}


def test_a_level_may_be_a_class_of_ones_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "own", sys.modules[__name__])
    assert parse_signals("USR1=own:Own") == {**DEFAULT_SIGNALS, signal.SIGUSR1: Own}


def test_a_signal_is_left_to_python_by_default():
    assert parse_signals("INT=default") == {signal.SIGTERM: Drain}


def test_a_report_is_where_it_was_wanted_wherever_the_program_goes(settings, tmp_path):
    assert settings("--report", "r.json").report_file == tmp_path / "r.json"


VARIABLES = [
    ("SIGTASK_LADDER", "terminate=1s,kill", ["--ladder", "terminate=2s,kill"], "ladder"),
    ("SIGTASK_SIGNALS", "HUP=drain", ["--signals", "USR1=drain"], "signals"),
    ("SIGTASK_REPORT", "a.txt", ["--report", "b.txt"], "report_file"),
    ("SIGTASK_LOG", "json", ["--log", "text"], "log"),
    ("SIGTASK_LOOP", "uvloop", ["--loop", "asyncio"], "uvloop"),
    ("SIGTASK_ORDER", "all-at-once", ["--main-first"], "main_first"),
]


@pytest.mark.parametrize(("variable", "value", "words", "field"), VARIABLES)
def test_a_variable_says_what_its_option_does_and_the_option_wins(settings, variable, value, words, field):
    by_variable, by_both = settings(**{variable: value}), settings(*words, **{variable: value})
    assert getattr(by_variable, field) != getattr(settings(), field)
    assert by_both == settings(*words)
    assert getattr(by_both, field) != getattr(by_variable, field)


@pytest.mark.parametrize(("value", "quiet"), [("1", True), ("Yes", True), ("0", False), ("off", False), ("", False)])
def test_SIGTASK_QUIET_is_yes_or_no(settings, value, quiet):
    assert settings(SIGTASK_QUIET=value).quiet is quiet
    assert settings("-q", SIGTASK_QUIET=value).quiet is True


@pytest.mark.parametrize("variable", [variable for variable, *_ in VARIABLES])
def test_an_empty_variable_says_nothing(settings, variable):
    assert settings(**{variable: ""}) == settings()


BAD = {
    "SIGTASK_LADDER": ("kill,drain=1s", "the ladder does not rise"),
    "SIGTASK_SIGNALS": ("KILL=drain", "SIGKILL cannot be handled"),
    "SIGTASK_REPORT": ("no/r.json", "there is no directory"),
    "SIGTASK_LOG": ("xml", "'xml' is not one of"),
    "SIGTASK_LOOP": ("trio", "'trio' is not one of"),
    "SIGTASK_ORDER": ("first", "'first' is not one of main-first, all-at-once"),
    "SIGTASK_QUIET": ("maybe", "'maybe' is not one of 1, yes"),
}


@pytest.mark.parametrize("variable", BAD)
def test_a_variable_that_does_not_parse_is_named(command, variable):
    value, says = BAD[variable]
    result = command("run", "x.py", **{variable: value})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"sigtask: {variable}: ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


# -- Settings, and run() ----------------------------------------------------------------------------------------------


def test_settings_go_to_another_process_as_text():
    whole = Settings(
        Ladder((Drain, 1 / 3), (Own, 2), Kill, limit=5.0),
        {signal.SIGHUP: Own, signal.SIGINT: Interrupt},
        main_first=False, uvloop=True, quiet=True, report_file=Path("/somewhere/r.json"), log="json",
    )  # fmt: skip
    assert "\n" not in whole.as_text()
    sys.modules.setdefault(__name__, sys.modules[Own.__module__])
    assert Settings.from_text(whole.as_text()) == whole
    assert Settings.from_text(Settings().as_text()) == Settings()


def test_run_without_a_ladder_takes_SIGTASK_LADDER(monkeypatch):
    monkeypatch.setenv("SIGTASK_LADDER", "terminate=7s,kill")
    assert default_ladder() == Ladder((Terminate, 7), Kill)
    monkeypatch.setenv("SIGTASK_LADDER", "")
    assert default_ladder() == Ladder((Drain, 10), (Terminate, 5), Kill)


def test_run_names_a_SIGTASK_LADDER_that_does_not_parse_and_starts_nothing(monkeypatch):
    async def main():
        raise AssertionError("it ran")

    monkeypatch.setenv("SIGTASK_LADDER", "soon")
    with pytest.raises(ValueError, match="the environment variable SIGTASK_LADDER: in the ladder, 'soon'"):
        run(main())


def test_a_ladder_in_the_code_wins_over_SIGTASK_LADDER(monkeypatch):
    async def main():
        return 7

    monkeypatch.setenv("SIGTASK_LADDER", "soon")
    assert run(main(), ladder=Ladder(Kill)) == 7


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["drain=10s,terminate=5s,kill", "A second one", "Exit status", "main-first",
                                  *(variable for variable in BAD)])  # fmt: skip
def test_help_explains(command, word):
    assert word in command("run", "--help").stdout.replace("\n" + " " * 32, " ")


def test_help_fits_a_terminal_of_80_columns(command):
    assert max(map(len, command("run", "--help", COLUMNS="80").stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["shop.py", "-x"], "there is no command 'shop.py'; did you mean: sigtask run shop.py -x?"),
        (["tpo", "12"], "there is no command 'tpo'; did you mean: sigtask top 12?"),
        (["--nothing"], "there is no option --nothing"),
    ],
)
def test_a_mistake_before_the_word_run_is_told_in_our_own_words(command, words, says):
    result = command(*words)
    assert (result.exit_code, result.stderr) == (2, f"sigtask: {says} (see: sigtask --help)\n")


def test_with_log_json_a_mistake_is_an_object_too(command):
    line = command("run", "--log", "json", "--ladder", "x", "x.py").stderr
    said = json.loads(line)
    assert (said["level"], said["event"]) == ("error", "usage")
    assert said["message"].startswith("--ladder: in the ladder, 'x'")


# -- completion -------------------------------------------------------------------------------------------------------


def completions(words, incomplete):
    from click.shell_completion import ShellComplete

    from sigtask.cli._command import sigtask

    return ShellComplete(sigtask, {}, "sigtask", "_SIGTASK_COMPLETE").get_completions(words, incomplete)


def test_completion_knows_the_options_and_their_choices(capfd):
    assert "--ladder" in {item.value for item in completions(["run"], "--")}
    assert [item.value for item in completions(["run", "--log"], "")] == ["text", "json"]
    assert completions(["run", "--ladder"], "") == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("words", [["run"], ["run", "-q"], ["run", "--ladder", "kill"], ["run", "x.py"]])
def test_completion_of_the_program_and_its_arguments_is_files(words):
    assert [(item.value, item.type) for item in completions(words, "sc")] == [("sc", "file")]


@pytest.mark.os
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(start, shell):
    program = start("-m", "sigtask", env={"_SIGTASK_COMPLETE": f"{shell}_source"})
    assert program.wait() == 0, program.stderr
    assert "_sigtask_completion" in program.stdout


# -- the report's file ------------------------------------------------------------------------------------------------


@pytest.mark.os
@pytest.mark.parametrize("name", ["r.json", "r.txt"])
def test_R28_a_report_of_an_earlier_run_is_gone_when_nothing_is_stopped(sigtask_run, write, tmp_path, name):
    old = write(name, "of long ago")
    write("short.py", "import os; print(os.path.exists('r.json') or os.path.exists('r.txt'))")
    program = sigtask_run("--report", name, "short.py")
    assert (program.wait(), program.stdout) == (0, "False\n")
    assert not old.exists()


@pytest.mark.os
def test_a_report_behind_a_link_is_written_there(sigtask_run, write, tmp_path):
    old = write("old.txt", "of long ago")
    (tmp_path / "r.txt").symlink_to(old)
    write("sleeper.py", SLEEPER)
    program = sigtask_run("--report", "r.txt", "sleeper.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert "1 ended by Terminate" in old.read_text()
    assert (tmp_path / "r.txt").is_symlink()


@pytest.mark.os
@pytest.mark.parametrize(
    ("name", "beginning"),
    [("r.html", "<!doctype html>"), ("r.txt", "stopped 1 task"), ("r.json", "{\n"), ("r.trace.json", '{"traceEvents"')],
)
def test_R28_the_report_is_what_the_name_of_its_file_ends_in(sigtask_run, write, tmp_path, name, beginning):
    write("sleeper.py", SLEEPER)
    program = sigtask_run("--report", name, "sleeper.py").wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert (tmp_path / name).read_text("utf-8").startswith(beginning)


@pytest.mark.parametrize("name", ["r", "r.htm", "r.trace", "html"])
def test_a_report_of_an_unknown_kind_is_a_mistake(command, name):
    result = command("run", "--report", name, "x.py")
    assert result.exit_code == 2
    assert f"--report: {name}: the name must end in .html, .txt, .trace.json, .json" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs a directory in which nobody may write")
def test_a_report_that_cannot_be_written_is_told_of_before_the_program_begins(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.py").write_text("raise AssertionError('it ran')")
    result = command("run", "--report", "/proc/r.txt", "x.py")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("sigtask: the report cannot be written: /proc/r.txt: ")
    assert result.stderr.count("\n") == 1


def test_a_mistake_elsewhere_leaves_an_old_report_alone(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r.txt").write_text("of long ago")
    assert command("run", "--report", "r.txt", "nothing.py").exit_code == 2
    assert Path("r.txt").read_text() == "of long ago"
