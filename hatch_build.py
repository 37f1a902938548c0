"""Builds the optional C twin (`src/sigtask/_core/speed*.c`) into a wheel, or beside its source for an editable install.

Where there is no compiler, or no Python header, the wheel is made without it and sigtask runs on its Python twin.
`SIGTASK_REQUIRE_SPEED=1` makes that an error; `SIGTASK_PURE=1` builds without it on purpose.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = "src/sigtask/_core/speed*.c"
TARGET = "sigtask/_core/speed" + (sysconfig.get_config_var("EXT_SUFFIX") or ".so")


class Hook(BuildHookInterface):  # type: ignore[type-arg,unused-ignore]
    """What hatchling calls before it packs a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; on success the wheel gets the module and the tag of this platform, else it stays `py3-none-any`."""
        if self.target_name != "wheel" or _wanted("SIGTASK_PURE"):
            return
        root = Path(self.root)
        self._scratch = tempfile.mkdtemp(prefix="sigtask-")
        try:
            built = compile_speed(root, Path(self._scratch))
        except (Exception, SystemExit) as error:  # whatever a compiler, or its absence, comes up with
            if _wanted("SIGTASK_REQUIRE_SPEED"):
                raise
            self.app.display_warning(f"sigtask is built without its C twin, and will run all the same: {error}")
            return
        if version == "editable":
            beside = root / "src" / TARGET
            shutil.copyfile(built, part := beside.with_name(f"{beside.name}.{os.getpid()}"))
            part.replace(beside)  # in one step: another process may be running on the old one
            return
        build_data["force_include"][str(built)] = TARGET
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is packed."""
        shutil.rmtree(getattr(self, "_scratch", ""), ignore_errors=True)


def compile_speed(root: Path, folder: Path) -> Path:
    """The extension module, made in `folder`, with the flags of this Python. Raises what setuptools raises."""
    from setuptools import Distribution, Extension

    extension = Extension("sigtask._core.speed", [str(source) for source in sorted(root.glob(SOURCES))])
    distribution = Distribution({"name": "sigtask", "ext_modules": [extension]})
    command: Any = distribution.get_command_obj("build_ext")
    command.build_lib = str(folder / "lib")
    command.build_temp = str(folder / "temp")
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath(extension.name))


def _wanted(variable: str) -> bool:
    return os.environ.get(variable, "0") not in ("", "0")


if __name__ == "__main__":
    sys.exit("called by hatchling: pip install . (or -e .)")
