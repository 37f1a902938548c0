"""A real program under a ladder: rsync, stopped halfway at each rung, and then left to finish.

    python examples/copying.py

It copies a file of 48 MiB at 16 MiB a second and is stopped three times: by an Interrupt (SIGINT), a Terminate
(SIGTERM) and a Kill (SIGKILL), each to rsync's whole process group, for it works as three processes. Each time the
report is shown, what rsync had said, and what is there of the copy. The fourth run finishes it. The exit status is 0
when the copy is whole then, and none of the runs has left a process behind.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from sigtask import Interrupt, Kill, Ladder, Program, Report, Task, Terminate, open_process, partial_result, run, stop

SIZE = 48 << 20
STOPS = {
    "interrupt": Ladder((Interrupt, 5), Kill),
    "terminate": Ladder((Terminate, 5), Kill),
    "kill": Ladder(Kill),
}


async def copy(source: Path, target: Path, halfway: asyncio.Future[Program]) -> None:
    """Copy it, and say when a part is done."""
    command = ["rsync", "--inplace", "--bwlimit=16m", "--info=progress2", "--no-inc-recursive"]
    async with open_process([*command, source, target]) as rsync:
        assert rsync.stdout is not None
        while data := await rsync.stdout.read():
            done = [word for word in data.split() if word.endswith(b"%")]
            if done and int(done[-1][:-1]) >= 10 and not halfway.done():
                halfway.set_result(rsync)
    rsync.result.check()


async def stop_at(rung: str, ladder: Ladder, source: Path, target: Path) -> int:
    """Start a copy, stop it halfway, and tell; gives its process group."""
    halfway: asyncio.Future[Program] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(copy(source, target, halfway), name="copy")
    rsync = await halfway
    report = await stop(task, ladder=ladder, reason="the disk is needed")
    tell(rung, report, task, target)
    return rsync.pid


def tell(rung: str, report: Report, task: asyncio.Task[None], target: Path) -> None:
    """What became of it."""
    print(f"--- {rung} ---\n{report}")
    ended_by = task.ended_by if isinstance(task, Task) else None
    result = None if ended_by is None else partial_result(ended_by)
    if result is not None:
        said = result.stderr.decode().strip().splitlines()[:1]
        print(f"rsync {result.ending}; it said: {said[0] if said else 'nothing'}")
    print(f"the copy has {target.stat().st_size if target.exists() else 0} bytes of {SIZE}\n", flush=True)


def left_of(group: int) -> int:
    """How many processes there are in that group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return 0
    return 1


async def copy_in(source: Path, target: Path) -> list[int]:
    """Stop a copy at each rung, then let one finish; gives the process groups of those that were stopped."""
    groups: list[int] = []
    for rung, ladder in STOPS.items():
        groups.append(await stop_at(rung, ladder, source, target))
        os.unlink(target)
    await copy(source, target, asyncio.get_running_loop().create_future())
    return groups


def main() -> int:
    """Make a file, copy it, and look at the copy."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "copy")
        source.write_bytes(os.urandom(SIZE))
        left = sum(map(left_of, run(copy_in(source, target))))  # after `run()`: a SIGKILL is not waited for before
        whole = target.read_bytes() == source.read_bytes()
    print(f"--- left alone ---\nthe copy is {'whole' if whole else 'NOT whole'}; processes left behind: {left}")
    return 0 if whole and not left else 1


if __name__ == "__main__":
    if shutil.which("rsync") is None:
        sys.exit("This example runs rsync, which is not on PATH (on Debian: apt install rsync).")
    sys.exit(main())
