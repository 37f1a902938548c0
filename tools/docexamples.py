"""The examples in the docstrings of public names, as programs: the tests run them, and mypy reads them.

    python tools/docexamples.py      mypy on all of them; functions need no annotations there

An example is the literal block after `Example::`. It may use `await` at its top level, and finds `asyncio`, `logging`,
`sigtask`, and the public names of `sigtask` and of its own module.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "docexamples"
NEEDS = {"aiohttp": "aiohttp", "dask": "distributed", "grpc": "grpc"}
MODULES = [
    "sigtask",
    *(
        f"sigtask.{name}"
        for name in ("aiohttp", "asgi", "control", "dask", "grpc", "serving", "telemetry", "testing")
        if name not in NEEDS or importlib.util.find_spec(NEEDS[name])
    ),
]


@dataclass(frozen=True)
class Name:
    """A public name, or a public method of one."""

    module: str
    name: str
    thing: Any

    @property
    def doc(self) -> str:
        """Its docstring."""
        return inspect.getdoc(self.thing) or ""

    @property
    def example(self) -> str:
        """The code of its example; empty without one."""
        _, found, rest = self.doc.partition("Example::\n")
        lines = []
        for line in rest.splitlines():
            if line and not line.startswith(" "):
                break
            lines.append(line)
        return textwrap.dedent("\n".join(lines)).strip() + "\n" if found else ""

    def __str__(self) -> str:
        return f"{self.module.removeprefix('sigtask.')}.{self.name}"


def public() -> Iterator[Name]:
    """All public classes and functions, each once."""
    seen = set[int]()
    for where in MODULES:
        module = importlib.import_module(where)
        for name in module.__all__:
            thing = getattr(module, name)
            documented = inspect.isclass(thing) or inspect.isroutine(thing)
            ours = documented and thing.__module__.startswith("sigtask") and getattr(thing, "__name__", "") == name
            if ours and id(thing) not in seen:
                seen.add(id(thing))
                yield Name(where, name, thing)


def program_of(one: Name) -> str:
    """The example as a program that imports what it uses, and runs in a loop if it awaits."""
    code = compile(one.example, str(one), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    used = {node.id for node in ast.walk(ast.parse(one.example)) if isinstance(node, ast.Name)}
    modules = "asyncio", "logging", "sigtask", one.module
    body = "".join(f"import {module}\n" for module in dict.fromkeys(modules))
    homes = ("sigtask",) if one.module in ("sigtask.control", "sigtask.dask") else ("sigtask", one.module)
    for home in dict.fromkeys(homes):
        if names := used & {*importlib.import_module(home).__all__}:
            body += f"from {home} import {', '.join(sorted(names))}\n"
    example = one.example
    if code.co_flags & inspect.CO_COROUTINE:
        example = f"async def example():\n{textwrap.indent(example, '    ')}\n"
        example += 'if __name__ == "__main__":\n    sigtask.run(example())\n'  # a worker process imports it, too
    if one.module == "sigtask.dask":
        body += "from distributed import Client\n"
        example = f"with Client(processes=False, dashboard_address=None) as client:\n{textwrap.indent(example, '    ')}"
    return body + example


def main() -> int:
    """Write them down, and have mypy read them. Gives its exit status."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for one in public():
        if one.example:
            (FOLDER / f"{one.module.replace('.', '_')}_{one.name}.py").write_text(program_of(one), "utf-8")
    files = sorted(map(str, FOLDER.glob("*.py")))
    lenient = ("--allow-untyped-defs", "--allow-untyped-calls", "--allow-incomplete-defs")
    # An example is short: it does not ask whether there is a signal where it has just sent one.
    short = [
        word for code in ("union-attr", "var-annotated", "import-untyped") for word in ("--disable-error-code", code)
    ]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", *lenient, *short, *files]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
