"""The measured process: `worker.py MODE KIND LOOP NAME:N[:ROUNDS] ...` runs these workloads, and prints what they took.

It prints a JSON object: by name, the value per one of n, the middle one of the rounds, and `null` for what this
contender cannot do. Under callgrind the values are in its dumps, in the order of the names.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc

from contenders import CONTENDERS, Workload, run
from section import Section

WARM = 100
"""So many of each go before, unmeasured: Python's interpreter rewrites code as it comes to know it."""


def measure(mode: str, kind: str, loop: str, workload: Workload, n: int) -> float:
    """One workload's value per one of n.

    The garbage that the workload makes is collected as ever, at its cost. But whether a full collection of all that was
    imported falls into a run is chance, and would drown what is measured.
    """
    gc.collect()
    gc.freeze()
    section = Section(mode)
    if mode == "bytes":
        tracemalloc.start()
    try:
        run(kind, loop, workload, n, section)
    finally:
        tracemalloc.stop()
    assert section.value is not None, f"{workload} has no section"
    return section.value / n


def main(mode: str, kind: str, loop: str, *jobs: str) -> None:
    """Measure, and print."""
    known = CONTENDERS[kind].workloads()
    values: dict[str, float | None] = {}
    for job in jobs:
        name, n, *rounds = job.split(":")
        if (workload := known.get(name)) is None:
            values[name] = None
            continue
        run(kind, loop, workload, min(int(n), WARM), Section("off"))
        found = [measure(mode, kind, loop, workload, int(n)) for _ in range(int(rounds[0]) if rounds else 1)]
        values[name] = sorted(found)[len(found) // 2]
    print(json.dumps(values))


if __name__ == "__main__":
    main(*sys.argv[1:])
