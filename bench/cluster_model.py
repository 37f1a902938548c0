"""How far one scheduler goes, by arithmetic on what `cluster.py` measured: `python bench/cluster_model.py FILE`.

What it takes for granted, and errs with:
  - The scheduler has one core of the speed measured on, and nothing else to do. What it spends here holds the client's
    part as well, which ran in the same process: so it would rather go further than said.
  - Its work for a job does not grow with the number of jobs or workers. That is measured up to the largest n and two
    workers, and taken to go on; Dask's own work with a thousand workers (heartbeats, idle ones) is left out.
  - What it spends on each worker that is told has the part that a stop costs but once in it, so it is too much.
  - Each worker has a core to itself, the jobs are even on them, and all obey at once: no ladder is waited for.
  - The network costs nothing beyond what the loopback does.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

CASES = ((2, 30_000), (100, 100_000), (1000, 100_000), (1000, 1_000_000))
CLUSTERS = (1, 4, 16)
AT_MOST = 10.0


def constants(found: dict[str, Any]) -> dict[str, float]:
    """Seconds of CPU for each job, from the largest n, and for each worker."""
    jobs = {int(n): rounds for n, rounds in found["jobs"].items()}
    most = max(jobs)
    settled = max(n for n in jobs if not math.isnan(jobs[n][0]["settled"]))

    def each(name: str, n: int, of: int) -> float:
        return float(statistics.median(one[name] for one in jobs[n])) / of

    return {
        "start": each("cpu start here", most, most),
        "stop": each("cpu here", most, most),
        "settle": each("cpu settle here", settled, settled),  # all from the call to the last future: the stop is in it
        "worker": each("cpu of a worker", most, most // 2),
        "message": found["per worker"],
    }


def table(c: dict[str, float]) -> None:
    """What a stop takes, and what Dask takes before and after it, on so many clusters side by side."""
    print(f"\n{'workers':>8}{'jobs':>11}{'clusters':>10}{'start s':>10}{'reports s':>11}{'settled s':>11}  bound by")
    for workers, jobs in CASES:
        for clusters in CLUSTERS:
            if clusters > workers:
                continue
            share, theirs = jobs / clusters, workers / clusters
            scheduler = share * c["stop"] + theirs * c["message"]
            worker = jobs / workers * c["worker"]
            row = f"{workers:>8,}{jobs:>11,}{clusters:>10}{share * c['start']:>10.1f}{scheduler + worker:>11.2f}"
            bound = "the scheduler" if scheduler > worker else "the workers"
            print(f"{row}{share * c['settle']:>11.1f}  {bound}")


def main(path: Path) -> None:
    """Print the constants, the table, and where a scheduler is full."""
    found = json.loads(path.read_text())
    machine, c = found["machine"], constants(found)
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(
        f"us of CPU: scheduler and client, for a job to start {c['start'] * 1e6:.0f}, to stop {c['stop'] * 1e6:.0f}, "
        f"from the stop to its settled future {c['settle'] * 1e6:.0f}; for a worker to tell {c['message'] * 1e6:.0f}; "
        f"a worker, for a job of its own to stop {c['worker'] * 1e6:.0f}"
    )
    table(c)
    starts, settles, reports = (AT_MOST / c[name] for name in ("start", "settle", "stop"))
    print(f"\nIn {AT_MOST:g} s, one scheduler starts {starts:,.0f} jobs, passes on the reports of {reports:,.0f},")
    print(f"and settles {settles:,.0f}. With jobs that come and go, each ended by a signal, it is full at")
    print(f"{1 / (c['start'] + c['settle']):,.0f} jobs a second.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How far one scheduler goes, by what was measured.")
    parser.add_argument("file", type=Path, help="what `bench/cluster.py --json` has written")
    main(parser.parse_args().file)
