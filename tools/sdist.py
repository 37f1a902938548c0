"""Builds the sdist, unpacks it, and runs its own tests in an environment in which it is installed.

    python tools/sdist.py            in a temporary folder
    python tools/sdist.py dist       and keep the archive there, if its tests pass

Needs the package `build`, and a package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pytest>=9", "hypothesis>=6.100")
"""Without the other test packages, the tests that need them skip."""
TESTS = ("tests/core", "tests/stop", "tests/testing", "tests/house/test_house.py")
EXPECTED = ("LICENSE", "README.md", "CHANGELOG.md", "src/sigtask/_core/speed.c", "src/sigtask/_core/speed.h")


def run(*command: str, cwd: Path) -> None:
    """Run it, without our own settings. Raises: `SystemExit` when it fails."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SIGTASK_", "PYTHONPATH"))}
    if subprocess.run(command, cwd=cwd, env=env, check=False).returncode:
        raise SystemExit(f"{' '.join(command)} failed in {cwd}")


def unpacked(archive: Path, folder: Path) -> Path:
    """The root of the unpacked archive. Raises: `SystemExit` when it lacks a file that it needs."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    if missing := [name for name in EXPECTED if not (root / name).exists()]:
        raise SystemExit(f"{archive.name} lacks {', '.join(missing)}; see [tool.hatch.build.targets.sdist]")
    return root


def main(keep: Path | None) -> None:
    """Build, unpack, install, test."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "made")
        run(sys.executable, "-m", "build", "--sdist", "-o", str(made), str(ROOT), cwd=ROOT)
        (archive,) = made.glob("*.tar.gz")
        root = unpacked(archive, Path(scratch, "unpacked"))
        run(sys.executable, "-m", "venv", f"{scratch}/venv", cwd=root)
        python = f"{scratch}/venv/{'Scripts' if os.name == 'nt' else 'bin'}/python"
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", ".", *NEEDED, cwd=root)
        run(python, "-m", "pytest", "-q", "-m", "not os", *TESTS, cwd=root)
        if keep is not None:
            keep.mkdir(exist_ok=True)
            shutil.copy(archive, keep)
        print(f"{archive.name}: its own tests pass")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
