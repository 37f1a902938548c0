"""The pytest plugin, as a user has it: a pytest of its own in a folder of its own, beside the real plugins."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.os

SRC = Path(__file__).resolve().parents[2] / "src"
BANK = """
    import asyncio, os, pytest
    from sigtask import Kill, Terminate, Task

    class Bank:
        def __init__(self):
            self.money = [100, 0]

        async def transfer(self, amount):
            await asyncio.sleep(1)
            self.money[0] -= amount
            if "BUG" in os.environ:
                await asyncio.sleep(1)
            self.money[1] += amount

    async def bank():
        return Bank()

    def is_balanced(bank):
        assert sum(bank.money) == 100, f"{sum(bank.money)} left"

    @pytest.mark.explore(setup=bank, check=is_balanced)
    async def test_transfer(explored):
        await explored.transfer(10)
"""
OURS = """
    import asyncio, pytest, unittest
    from sigtask import Task, mask, Terminate

    def ours():
        return isinstance(asyncio.current_task(), Task)
"""


def run(folder, *args, code="", **env):
    """What pytest says, and its exit status."""
    if code:
        (folder / "test_it.py").write_text(textwrap.dedent(code), "utf-8")
        (folder / "pytest.ini").write_text("[pytest]\naddopts = -p sigtask.testing.pytest_plugin\n", "utf-8")
    env = {**os.environ, "PYTHONPATH": str(SRC), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", *args]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=100)
    return done.stdout + done.stderr, done.returncode


def needs(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


# -- the marker -------------------------------------------------------------------------------------------------------


def test_a_marked_test_passes_when_nothing_is_found_and_the_summary_says_how_much_was_tried(tmp_path):
    text, status = run(tmp_path, code=BANK)
    assert status == 0, text
    assert "sigtask: 1 test explored at 1 await, 4 runs, 0 failed" in text


def test_a_marked_test_fails_with_what_was_found_and_how_to_repeat_it(tmp_path):
    text, status = run(tmp_path, code=BANK, BUG="1")
    assert status == 1
    assert "Interrupt, Terminate, Kill, CancelledError to t0 test_transfer() at test_it.py:" in text
    assert "check: 90 left" in text
    assert 'pytest "test_it.py::test_transfer" --explore-only "interrupt.t0.p2"' in text
    assert "Traceback" not in text


def test_one_token_is_repeated_from_the_command_line(tmp_path):
    text, status = run(tmp_path, "--explore-only", "kill.t0.p2", code=BANK, BUG="1")
    assert status == 1
    assert "1 of 1 runs failed" in text


def test_what_has_failed_is_tried_first_the_next_time(tmp_path):
    run(tmp_path, "-p", "cacheprovider", "--explore-only", "kill.t0.p2", code=BANK, BUG="1")
    text, _ = run(tmp_path, "--explore-limit", "1", BUG="1")
    assert "Kill to t0" in text and "1 of 1 runs failed" in text
    text, status = run(tmp_path)
    assert status == 0, text
    kept = json.loads((tmp_path / ".pytest_cache" / "v" / "sigtask" / "explore").read_text("utf-8"))
    assert kept == {}


def test_a_page_is_written_for_each_explored_test(tmp_path):
    run(tmp_path, "--explore-html", "pages", code=BANK, BUG="1")
    assert "check: 90 left" in (tmp_path / "pages" / "test_it.py-test_transfer.html").read_text("utf-8")


def test_a_file_in_the_place_of_the_directory_for_pages_is_a_mistake_before_anything_is_run(tmp_path):
    (tmp_path / "pages").write_text("")
    text, status = run(tmp_path, "--explore-html", "pages", code=BANK)
    assert status == 4 and "--explore-html: pages is a file; name a directory" in text


def test_with_xdist_the_controller_adds_up_and_keeps_the_tokens(tmp_path):
    needs("xdist")
    text, status = run(tmp_path, "-p", "xdist.plugin", "-n2", code=BANK, BUG="1")
    assert status == 1
    assert "sigtask: 1 test explored at 2 awaits, 8 runs, 4 failed" in text
    kept = json.loads((tmp_path / ".pytest_cache" / "v" / "sigtask" / "explore").read_text("utf-8"))
    assert kept == {
        "test_it.py::test_transfer": [f"{name}.t0.p2" for name in ("interrupt", "terminate", "kill", "cancel")]
    }


def test_fixtures_methods_and_parameters_work_as_in_any_test(tmp_path):
    code = (
        BANK
        + """
    class TestMethods:
        @pytest.mark.explore(signals=Terminate)
        @pytest.mark.parametrize("seconds", [1, 2])
        async def test_method(self, seconds, tmp_path):
            assert isinstance(self, TestMethods) and tmp_path.exists()
            await asyncio.sleep(seconds)
    """
    )
    text, status = run(tmp_path, code=code)
    assert status == 0, text
    assert "3 tests explored" in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("@pytest.mark.explore\ndef test_it():\n    pass", "needs an async test, and test_it is none"),
        (
            "@pytest.mark.explore(bogus=5)\nasync def test_it():\n    pass",
            "explore: explore() got an unexpected",
        ),
        ("@pytest.mark.explore(limit=0)\nasync def test_it():\n    pass", "@pytest.mark.explore: explore(limit=0)"),
        ("@pytest.mark.explore(5)\nasync def test_it():\n    pass", "takes its options by name"),
        ("@pytest.mark.explore\nasync def test_it():\n    pass", "never suspended: there is no await"),
        (
            "async def s(): pass\n@pytest.mark.explore(setup=s)\nasync def test_it():\n    pass",
            "a parameter `explored`",
        ),
    ],
)
def test_a_marker_that_cannot_work_fails_in_words(tmp_path, code, words):
    text, status = run(tmp_path, code=f"import pytest\n{code}\n")
    assert status == 1
    assert words in text
    assert "Traceback" not in text and "During handling" not in text


def test_a_marked_test_is_explored_beside_pytest_asyncio_in_its_auto_mode(tmp_path):
    needs("pytest_asyncio")
    options = (
        "-p",
        "pytest_asyncio.plugin",
        "-o",
        "asyncio_mode=auto",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    text, status = run(tmp_path, *options, code=BANK, BUG="1")
    assert status == 1
    assert "4 failed" in text and "check: 90 left" in text


def test_a_marked_test_that_fails_or_skips_itself_without_a_signal_does_so_as_any_other(tmp_path):
    code = """
    import asyncio, pytest

    @pytest.mark.explore
    async def test_skips():
        await asyncio.sleep(1)
        pytest.skip("no disk here")

    @pytest.mark.explore
    async def test_asserts():
        await asyncio.sleep(1)
        seconds = 3
        assert seconds == 4
    """
    text, status = run(tmp_path, "-rs", code=code)
    assert status == 1
    assert "no disk here" in text
    assert "assert 3 == 4" in text
    assert "_explore" not in text
    assert "1 failed, 1 skipped" in text


def test_static_methods_are_explored(tmp_path):
    code = """
    import asyncio, pytest

    class TestIt:
        @pytest.mark.explore
        @staticmethod
        async def test_static():
            await asyncio.sleep(1)
    """
    text, status = run(tmp_path, code=code)
    assert status == 0, text


# -- fixtures ---------------------------------------------------------------------------------------------------------


def test_sigtask_loop_under_pytest_asyncio(tmp_path):
    needs("pytest_asyncio")
    code = (
        OURS
        + """
    @pytest.fixture
    async def numbers():
        yield [1]

    async def test_ours(numbers, sigtask_loop):
        assert ours() and numbers == [1]
        assert await asyncio.create_task(child())

    async def child():
        return ours()

    async def test_stock():
        assert not ours() and not await asyncio.create_task(child())
    """
    )
    options = (
        "-p",
        "pytest_asyncio.plugin",
        "-o",
        "asyncio_mode=auto",
        "-o",
        "asyncio_default_fixture_loop_scope=session",
    )
    text, status = run(tmp_path, *options, "-o", "asyncio_default_test_loop_scope=session", code=code)
    assert status == 0, text


def test_sigtask_loop_under_anyios_plugin(tmp_path):
    needs("anyio")
    code = (
        OURS
        + """
    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.fixture
    async def numbers():
        yield [1]

    @pytest.mark.anyio
    async def test_ours(numbers, sigtask_loop):
        assert ours() and numbers == [1]
    """
    )
    text, status = run(tmp_path, "-p", "anyio.pytest_plugin", code=code)
    assert status == 0, text


def test_sigtask_loop_in_an_isolated_asyncio_test_case(tmp_path):
    code = (
        OURS
        + """
    @pytest.mark.usefixtures("sigtask_loop")
    class TestIt(unittest.IsolatedAsyncioTestCase):
        async def test_ours(self):
            self.assertTrue(ours())
    """
    )
    text, status = run(tmp_path, code=code)
    assert status == 0, text


def test_an_isolated_asyncio_test_case_without_pytest_installs_by_itself(tmp_path):
    code = (
        OURS.replace("pytest, ", "")
        + """
    import sigtask

    class TestIt(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            sigtask.install()

        async def test_ours(self):
            self.assertTrue(ours())
    """
    )
    (tmp_path / "test_it.py").write_text(textwrap.dedent(code), "utf-8")
    command = [sys.executable, "-m", "unittest", "-q"]
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_fake_clock_loop_and_the_zoo_are_fixtures(tmp_path):
    code = """
    import asyncio
    from sigtask import Terminate, stop, create_task

    def test_an_hour(fake_clock_loop, sigtask_zoo):
        async def main():
            task = create_task(sigtask_zoo["swallows_cancelled_error"].make())
            await asyncio.sleep(3600)
            return await stop(task)

        assert not fake_clock_loop.run_until_complete(main()).survivors
        assert fake_clock_loop.time() >= 3600
    """
    text, status = run(tmp_path, code=code)
    assert status == 0, text


def test_the_plugin_is_there_wherever_sigtask_is_installed():
    import tomllib

    project = tomllib.loads((SRC.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"sigtask": "sigtask.testing.pytest_plugin"}
