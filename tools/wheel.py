"""Builds the wheel as a user's pip does, opens it, installs it in an empty environment, and asks which twin is live.

Twice: with this machine's compiler, where there is one, and as on a machine that has none.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASK = "import sigtask; print(sigtask.implementation)"
EXTENSION = f"sigtask/_core/speed{sysconfig.get_config_var('EXT_SUFFIX')}"


def can_compile() -> bool:
    """Whether there is a C compiler, and this Python's headers."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cl")[0]
    return bool(shutil.which(compiler)) and Path(sysconfig.get_path("include"), "Python.h").exists()


def run(*command: str, **env: str) -> str:
    """What a command prints. Raises: `SystemExit` with all of that when it fails."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SIGTASK_", "PYTHONPATH"))}
    done = subprocess.run(command, cwd=ROOT, env={**clean, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def check(folder: Path, python: str, expected: str, **env: str) -> None:
    """Build into `folder`, install for `python`. Raises: `SystemExit` when it is not that twin, and tagged so."""
    pip = ("-m", "pip", "--disable-pip-version-check")
    run(sys.executable, *pip, "wheel", "-q", "--no-deps", "-w", str(folder), ".", **env)
    (wheel,) = folder.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    if not {f"sigtask/_pictures/page.{ending}" for ending in ("html", "css", "js")} <= {*names}:
        raise SystemExit(f"{wheel.name} lacks what a report's page is made of")
    has = EXTENSION in names
    if has != (expected == "C") or wheel.name.endswith("-py3-none-any.whl") == has:
        raise SystemExit(f"{wheel.name} {'has' if has else 'lacks'} {EXTENSION}; the {expected} twin was expected")
    run(python, *pip, "install", "-q", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    live, pure = run(python, "-I", "-c", ASK), run(python, "-c", ASK, SIGTASK_PURE="1")
    if (live, pure) != (expected, "Python"):
        raise SystemExit(f"{wheel.name} runs on the {live} twin, and with SIGTASK_PURE=1 on the {pure} one")
    print(f"{wheel.name}: {live}; with SIGTASK_PURE=1: {pure}")


def main() -> None:
    """See above; it ends with 1 when something is not as it should be."""
    with tempfile.TemporaryDirectory() as scratch:
        run(sys.executable, "-m", "venv", f"{scratch}/venv")
        python = f"{scratch}/venv/{'Scripts' if os.name == 'nt' else 'bin'}/python"
        if can_compile():
            check(Path(scratch, "with"), python, "C", SIGTASK_REQUIRE_SPEED="1")
        else:
            print("no C compiler here: only the wheel without an extension is tested")
        check(Path(scratch, "without"), python, "Python", CC=f"{scratch}/no-compiler-here")


if __name__ == "__main__":
    main()
