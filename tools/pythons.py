"""Which CPythons this machine has, of those that sigtask supports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
SUPPORTED = f"CPython {VERSIONS[0]} to {VERSIONS[-1]}"

_PROBE = """
import sys, sysconfig
import ensurepip, venv  # a Python that cannot make a venv is of no use here
assert sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print(*sys.version_info[:3], sys.version_info.releaselevel, sys.executable)
"""


@dataclass(frozen=True)
class Python:
    """A CPython that was started once, and runs."""

    version: str
    """As in `3.12`."""
    full: str
    path: str


def find() -> list[Python]:
    """One Python per supported version, oldest first; where there are several, the one we run on, then the newest."""
    best: dict[str, Python] = {}
    for python in filter(None, map(probe, dict.fromkeys(_candidates()))):
        known = best.get(python.version)
        if known is None or (known.path != sys.executable and _key(python) > _key(known)):
            best[python.version] = python
    return [best[version] for version in VERSIONS if version in best]


def default(pythons: list[Python]) -> Python:
    """The one that make found, or else the oldest."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return next((p for p in pythons if p.version == running), pythons[0])


def probe(path: str) -> Python | None:
    """What stands at that path, or `None` where it does not run (a pyenv shim may be there and fail) or is no use."""
    try:
        done = subprocess.run([path, "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    major, minor, micro, level, executable = done.stdout.strip().split(" ", 4)
    version = f"{major}.{minor}"
    return Python(version, f"{version}.{micro}", executable) if version in VERSIONS and level == "final" else None


def _candidates() -> Iterator[str]:
    yield sys.executable
    for version in VERSIONS:
        for folder in os.get_exec_path():
            if (path := Path(folder, f"python{version}")).exists():
                yield str(path)
    for root in _pyenv_roots():
        yield from map(str, sorted(root.glob("versions/3.1[1-5]*/bin/python")))


def _pyenv_roots() -> set[Path]:
    if not (pyenv := shutil.which("pyenv")):
        return set()
    roots = {Path(pyenv).resolve().parent.parent}  # with another HOME, `pyenv root` may answer with another folder
    try:
        done = subprocess.run([pyenv, "root"], capture_output=True, text=True, timeout=30, check=False)
        roots.add(Path(done.stdout.strip()))
    except (OSError, subprocess.TimeoutExpired):
        pass
    return roots


def _key(python: Python) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", python.full)]


if __name__ == "__main__":
    for found in find():
        print(found.version, found.full, found.path)
