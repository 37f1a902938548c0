"""`make explore`: signals at every await of an honest use of real libraries; a table of what was found.

    explored.py [--only TEXT] [--pairs] [--late] [--write docs/explored.md]

Each library has a process of its own: one that a signal has broken may leave threads that never end.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from known import KNOWN  # noqa: E402
from uses import ALL, Use  # noqa: E402

from sigtask.testing import explore  # noqa: E402

MODULES = {
    "use_asyncio": (),
    "use_anyio": ("anyio",),
    "use_aiosqlite": ("aiosqlite",),
    "use_aiohttp": ("aiohttp",),
    "use_httpx": ("httpx",),
    "use_websockets": ("websockets",),
    "use_redis": ("redis",),
    "use_asyncpg": ("asyncpg",),
    "use_psycopg": ("psycopg",),
}
LIMIT = 240
"""Seconds for one library."""
HEAD = """\
# What `explore` finds in real libraries

`make explore` makes this page. Each row is an honest use of a library, as its documentation has it, with fresh state
for each run, and one signal (Interrupt, Terminate, Kill, or a plain `cancel()`) at each of its awaits: as the wait
begins, and, but for a mere turn of the loop, as it ends (`late=True`). The uses and the checks are in
`tests/explored/`; scripts that show a finding with plain asyncio, without sigtask, in `tests/explored/scripts/`. A
finding is of that version and that use. A row without one says that nothing was found by these runs, no more. A Kill
answers every further `await` of a cleanup: what only a Kill leaves behind is by design.

"""


def version_of(library: str) -> str:
    """The version that is installed here."""
    if library == "asyncio":
        return f"asyncio of CPython {platform.python_version()}"
    return f"{library} {importlib.metadata.version('redis' if library == 'redis-py' else library)}"


def tried(use: Use, **more: bool) -> dict[str, Any]:
    """Explore one use."""
    row: dict[str, Any] = {"library": use.library, "version": version_of(use.library), "what": use.what}
    if use.missing is not None:
        return {**row, "missing": use.missing}
    try:
        found = explore(use.operation, setup=use.setup, check=use.check, **{"signals": ALL, **more, **use.options})
    except (RuntimeError, AssertionError) as error:
        return {**row, "missing": str(error).partition("\n")[0]}
    return {**row, **found.to_dict(), "text": str(found)}


def child(module: str, only: str, **more: bool) -> None:
    """Explore the uses of one module; one line of JSON for each. It ends whatever threads are left."""
    uses = importlib.import_module(module)
    try:
        for use in uses.USES:
            if only in f"{use.library} {use.what}":
                print("ROW " + json.dumps(tried(use, **more)), flush=True)
    finally:
        getattr(uses, "stop_server", lambda: None)()
        sys.stdout.flush()
        os._exit(0)


def rows_of(module: str, only: str, **more: bool) -> list[dict[str, Any]]:
    """What the process for that module has found."""
    needs = MODULES[module]
    if lacks := [name for name in needs if importlib.util.find_spec(name) is None]:
        return [
            {
                "library": needs[0],
                "version": needs[0],
                "what": "",
                "missing": f"not installed: pip install {' '.join(lacks)}",
            }
        ]
    command = [
        sys.executable,
        __file__,
        "--module",
        module,
        "--only",
        only,
        *(f"--{name}" for name in more if more[name]),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        out, errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        out = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        errors = f"not done within {LIMIT} s"
    rows = [json.loads(line[4:]) for line in out.splitlines() if line.startswith("ROW ")]
    if not rows and not only:
        print(errors[-2000:], file=sys.stderr)
        last = (errors.strip().splitlines() or ["it printed nothing"])[-1]
        rows = [{"library": module, "version": module.removeprefix("use_"), "what": "", "missing": last}]
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """One line of the table."""
    if "missing" in row:
        return [row["version"], row["what"], "", "", f"not tried: {row['missing']}"]
    failures = row["failures"]
    verdict = KNOWN.get((row["library"], row["what"]), "") if failures else "nothing"
    if failures and not verdict:
        verdict = "; ".join(sorted({one["found"][0].partition(" at ")[0] for one in failures}))
    only_kill = failures and {one["signal"] for one in failures} == {"Kill"}
    if only_kill:
        verdict = f"only by a Kill: {verdict}"
    return [
        row["version"],
        row["what"],
        str(len(row["points"])),
        f"{len(failures)} of {row['runs']}",
        verdict,
    ]


def main() -> int:
    """Explore them all; print what was found, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--late", action="store_true")
    parser.add_argument("--module")
    parser.add_argument("--write")
    args = parser.parse_args()
    if args.module:
        child(args.module, args.only, pairs=args.pairs, late=args.late)
    rows: list[dict[str, Any]] = []
    for module in MODULES:
        found = rows_of(module, args.only, pairs=args.pairs, late=args.late)
        rows += found
        for row in found:
            print(f"== {row['version']}: {row['what']}\n{row.get('text', row.get('missing', ''))}", flush=True)
    for row in rows:
        if "missing" in row:
            print(f"NOT TRIED: {row['version']} {row['what']}: {row['missing']}", file=sys.stderr)
    if args.write:
        lines = ["| library | use | awaits | runs with a finding | what was found |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
        Path(args.write).write_text(HEAD + "\n".join(lines) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
