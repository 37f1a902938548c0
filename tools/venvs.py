"""One virtual environment per Python, under `.venv/<version>`, made again only when there is a reason to."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pythons import Python

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv"
BUILD = ("pyproject.toml", "hatch_build.py")
NEEDED = ("pytest", "hypothesis")
"""Without these there is nothing to run. The other test packages are wanted: tests skip without them."""

_PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-warn-script-location")


@dataclass(frozen=True)
class Venv:
    """A virtual environment with sigtask (editable) and what its tests import."""

    python: Python
    missing: tuple[str, ...]
    """Wanted packages that could not be installed on this version."""

    @property
    def bin(self) -> Path:
        """The folder of its programs."""
        return VENVS / self.python.version / ("Scripts" if os.name == "nt" else "bin")

    @property
    def exe(self) -> str:
        """Its Python."""
        return str(self.bin / "python")


def ensure(python: Python, *extras: str) -> Venv:
    """The environment of that Python with these extras; made anew when the Python or what the build reads has changed.

    Raises: `subprocess.CalledProcessError` when what is needed cannot be installed.
    """
    folder = VENVS / python.version
    stamp = folder / "sigtask.stamp"
    extras = (*extras, "test")
    # The path is part of it: an editable install in a folder that has moved imports nothing, or something else.
    parts = (str(ROOT), python.path, python.full, *_build_inputs())
    base = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    old = stamp.read_text("utf-8").split("\n") if stamp.exists() else [""]
    if old[0] == base and set(extras) <= set(old[1].split()):
        return Venv(python, tuple(old[2].split()))
    stamp.unlink(missing_ok=True)
    if old[0] != base:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python.path, "-m", "venv", str(folder)], check=True)
    venv = Venv(python, _install(Venv(python, ()), extras))
    stamp.write_text("\n".join((base, " ".join(extras), " ".join(venv.missing))), "utf-8")
    return venv


def plain(name: str, python: Python, packages: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """An environment beside the others, with sigtask and these packages: its Python, and the packages it lacks.

    It is made anew when the packages, pyproject.toml, or the Python have changed, or what sigtask's build compiles.
    """
    folder = VENVS / f"{name}-{python.version}"
    stamp = folder / "sigtask.stamp"
    parts = (str(ROOT), python.path, python.full, *packages, *_build_inputs())
    base = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    exe = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    if stamp.exists() and (old := stamp.read_text("utf-8").split("\n"))[0] == base:
        return exe, tuple(old[1].split())
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python.path, "-m", "venv", str(folder)], check=True)
    _pip(exe, "-e", ".", check=True)
    missing: tuple[str, ...] = ()
    if not _pip(exe, *packages, check=False):
        missing = tuple(package for package in packages if not _pip(exe, package, check=False))
    stamp.write_text("\n".join((base, " ".join(missing))), "utf-8")
    return exe, missing


def _build_inputs() -> list[str]:
    """What an editable install is made from: pyproject.toml, and what it compiles, and how."""
    return [path.read_text("utf-8") for path in (*map(ROOT.joinpath, BUILD), *sorted(ROOT.glob("src/**/*.[ch]")))]


def _install(venv: Venv, extras: tuple[str, ...]) -> tuple[str, ...]:
    """Everything at once; where that fails, what is needed, and then one by one what is wanted. What lacks is returned.

    Wheels only: a package without a wheel for this Python may want a compiler, and many minutes.
    """
    if _pip(venv.exe, "-e", f".[{','.join(extras)}]", check=False):
        return ()
    others = [extra for extra in extras if extra != "test"]
    wanted = _test_requirements()
    needed = [line for line in wanted if line.startswith(NEEDED)]
    _pip(venv.exe, "-e", f".[{','.join(others)}]" if others else ".", *needed, check=True)
    return tuple(line for line in wanted if not _pip(venv.exe, line, check=False))


def _pip(exe: str, *what: str, check: bool) -> bool:
    command = [exe, *_PIP, "--only-binary", ":all:", *what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if check and done.returncode:
        print(done.stdout, done.stderr, flush=True)
        done.check_returncode()
    return done.returncode == 0


def _test_requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [line.replace(" ", "") for line in project["optional-dependencies"]["test"]]
