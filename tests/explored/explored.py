"""`make explore`: signals at every await of an honest use of real libraries; a table of what was found."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import platform
import sys
import traceback
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from uses import Use  # noqa: E402

from sigtask.testing import Exploration, explore  # noqa: E402

NEEDS = {
    "use_asyncio": (),
    "use_anyio": ("anyio",),
    "use_aiosqlite": ("aiosqlite",),
    "use_web": ("aiohttp", "httpx", "websockets"),
    "use_redis": ("redis",),
    "use_postgres": ("asyncpg", "psycopg"),
}


def uses(only: str) -> list[Use]:
    """All that can be tried here."""
    found: list[Use] = []
    for module, needs in NEEDS.items():
        if lacks := [name for name in needs if importlib.util.find_spec(name) is None]:
            print(f"{module}: {', '.join(lacks)} not installed", flush=True)
            continue
        found += importlib.import_module(module).USES
    return [use for use in found if only in f"{use.library} {use.what}"]


def main() -> int:
    """Explore them all, and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("-v", action="store_true")
    args = parser.parse_args()
    for use in uses(args.only):
        options = {"signals": ALL, "pairs": args.pairs, **use.options}
        try:
            e = explore(use.operation, setup=use.setup, check=use.check, **options)
        except Exception as error:
            print("==", use.library, use.what, "FAILED", error)
            if args.v:
                traceback.print_exc()
            continue
        print("==", use.library, use.what)
        print(e, flush=True)
    return 0


from uses import ALL  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
