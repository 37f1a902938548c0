"""R29: the command runs all that `python PROGRAM` runs: a script, a directory, a zip file, compiled code."""

import os
import py_compile
import subprocess
import sys
import textwrap
import zipfile

import pytest
from launching import SRC

pytestmark = pytest.mark.os

PROGRAM = """
    import asyncio, atexit, sys

    answer = 42
    atexit.register(lambda: print("at exit", sys.modules["__main__"].answer))

    async def main():
        print(__name__, __package__, __spec__ and __spec__.name, sys.argv, sys.path[0], type(__loader__).__name__)

    asyncio.run(main())
"""


def outputs(path, *options):
    """What plain Python and the command print for it."""
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    for words in ((), ("-m", "sigtask", "run")):
        command = [sys.executable, *options, *words, str(path), "-x"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=path.parent, env=env)
        assert done.returncode == 0, done.stderr
        yield done.stdout


def script(folder):
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM))
    return folder / "program.py"


def directory(folder):
    (folder / "program").mkdir()
    return script(folder).rename(folder / "program" / "__main__.py").parent


def zipped(folder):
    with zipfile.ZipFile(folder / "program.pyz", "w") as file:
        file.write(script(folder), "__main__.py")
    return folder / "program.pyz"


def compiled(folder):
    py_compile.compile(str(script(folder)), str(folder / "program.pyc"), doraise=True)
    return folder / "program.pyc"


@pytest.mark.parametrize("make", [script, directory, zipped])
def test_r29_a_program_is_run_as_by_python(make, tmp_path):
    plain, ours = outputs(make(tmp_path))
    assert plain == ours
    assert "at exit 42" in plain


def test_r29_compiled_code_is_run(tmp_path):
    _, ours = outputs(compiled(tmp_path))
    assert "at exit 42" in ours


def test_r29_the_folder_of_a_script_is_not_searched_where_python_was_told_not_to(tmp_path):
    plain, ours = outputs(script(tmp_path), "-P")
    assert str(tmp_path) not in ours.replace(str(tmp_path / "program.py"), "")
    assert str(tmp_path) not in plain.replace(str(tmp_path / "program.py"), "")
