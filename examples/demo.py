"""`make demo`: the worker pool of orders.py, told to stop by real OS signals; its order book is checked afterwards.

Runs it three times under `sigtask run`, on one book: a polite stop, a stop in a hurry with a worker that refuses, and
a third run that does what the second had to leave. The exit status is 0 when all that was promised was kept.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
LADDER = "drain=3s,terminate=2s,kill=1s"
LADDER_SECONDS = 3 + 2 + 1
STARTING = 15
"""Seconds in which the program must have got to where a signal is due."""

BOLD, GREEN, RED, OFF = ("\033[1m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 4


class Demo:
    """The order book, and what was checked so far."""

    def __init__(self, folder: Path) -> None:
        self.book = folder / "orders.db"
        self.report = folder / "report.json"
        self.failed = 0

    def say(self, text: str) -> None:
        """A line of the demo's own, between those of the program."""
        print(f"{BOLD}{text}{OFF}", flush=True)

    def check(self, what: str, kept: bool, but: object = "") -> None:
        """One promise, and whether it was kept."""
        self.failed += not kept
        mark = f"{GREEN}yes{OFF}" if kept else f"{RED}NO {OFF}"
        print(f"  {mark}  {what}" + ("" if kept else f"  ({but})"), flush=True)

    def ask(self, sql: str) -> list[Any]:
        """The first column of what the book answers; nothing while there is no book."""
        if not self.book.exists():
            return []
        db = sqlite3.connect(self.book)
        try:
            return [row[0] for row in db.execute(sql)]
        except sqlite3.OperationalError:  # it is being made
            return []
        finally:
            db.close()

    # -- the three runs -----------------------------------------------------------------------------------------------

    def polite(self) -> None:
        """One SIGTERM, and everybody listens."""
        self.say("1. A polite stop: one SIGTERM while the orders come in\n")
        status, seconds, report = self.run([0.0], ready=lambda: self.booked() >= 5)
        ends = {task["ended"] for task in report.get("tasks", [])}
        self.check("everybody finished what they had and went home", ends == {"returned"}, ends)
        self.check(f"the process ended when they had, after {seconds:.1f} s", seconds < 3, f"{seconds:.1f} s")
        self.check("its exit status is 0", status == 0, status)
        self.check_book()

    def hurry(self) -> None:
        """A second SIGTERM cuts the drain short, and Gus needs the Kill."""
        before = self.booked()
        self.say("\n2. A stop in a hurry: two SIGTERMs, and Gus, who swallows everything\n")
        status, seconds, report = self.run([0.0, 0.6], "--stubborn", ready=lambda: self.booked() >= before + 5)
        climbed = [rung["name"] for rung in report.get("rungs", [])]
        self.check("all three rungs were climbed", climbed == ["drain", "terminate", "kill"], climbed)
        ended = {task["name"]: task["rung"] for task in report.get("tasks", [])}
        self.check("Gus needed the Kill, and the report says so", ended.get("Gus") == "kill", ended)
        in_time = seconds < LADDER_SECONDS + 0.5
        self.check(f"the process ended within its ladder, after {seconds:.1f} s", in_time, "it took longer")
        self.check("it died of the SIGTERM, which a shell calls 143", status == -signal.SIGTERM, status)
        self.check_book()

    def rest(self) -> None:
        """What was left is done by the next run."""
        left = self.ask("SELECT id FROM orders WHERE state = 'open'")
        self.say(f"\n3. The next day: orders {left} are still to do\n")
        these = f"SELECT count(*) FROM orders WHERE state = 'open' AND id <= {max(left, default=0)}"
        status, _, _ = self.run([0.0], ready=lambda: self.ask(these) == [0])
        self.check("what had been left is booked now", self.ask(these) == [0])
        self.check("its exit status is 0", status == 0, status)
        self.check_book()

    def booked(self) -> int:
        """How many bookings there are."""
        return int((self.ask("SELECT count(*) FROM bookings") or [0])[0])

    def run(self, pauses: list[float], *args: str, ready: Callable[[], bool]) -> tuple[int, float, dict[str, Any]]:
        """Run the program and send it a SIGTERM after each pause; its status, seconds since the first, and report."""
        self.report.unlink(missing_ok=True)
        words = ["run", "--ladder", LADDER, "--report", str(self.report), "examples.orders:main", str(self.book), *args]
        print(" ".join([f"  $ sigtask run --ladder {LADDER} examples.orders:main orders.db", *args]), flush=True)
        program = subprocess.Popen(
            [sys.executable, "-m", "sigtask", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # A pipe, so that its lines and ours come in order, here and in a log.
        reader = threading.Thread(target=show, args=[program.stdout], daemon=True)
        reader.start()
        try:
            deadline = time.monotonic() + STARTING
            while not ready() and program.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            started = time.monotonic()
            for pause in pauses:
                time.sleep(pause)
                print(f"  $ kill -TERM {program.pid}", flush=True)
                program.send_signal(signal.SIGTERM)
            status = program.wait(LADDER_SECONDS + 10)
            seconds = time.monotonic() - started
        finally:
            if program.poll() is None:  # so that a demo that fails leaves nothing behind
                program.kill()
                program.wait()
        reader.join(5)
        print(flush=True)
        return status, seconds, json.loads(self.report.read_text()) if self.report.exists() else {}

    def check_book(self) -> None:
        """No order is lost, and none is booked twice."""
        orders = dict(zip(self.ask("SELECT id FROM orders"), self.ask("SELECT state FROM orders"), strict=True))
        bookings = self.ask("SELECT id FROM bookings")
        booked = {number for number, state in orders.items() if state == "booked"}
        self.check(f"no order is booked twice: {len(bookings)} bookings", len(bookings) == len(set(bookings)), bookings)
        kept = set(bookings) == booked and set(orders) == set(range(1, len(orders) + 1))
        left = len(orders) - len(booked)
        self.check(f"no order is lost: {len(orders)} came, {left} kept for the next time", kept, orders)


def show(lines: IO[str]) -> None:
    """Print what the program says, as it says it."""
    for line in lines:
        print(f"    {line}", end="", flush=True)


def main() -> int:
    """Run all three; 0 when every promise was kept."""
    if os.name != "posix":
        print("The demo sends Unix signals; it needs Linux or macOS.")
        return 0
    with tempfile.TemporaryDirectory(prefix="sigtask-demo-") as folder:
        demo = Demo(Path(folder))
        demo.polite()
        demo.hurry()
        demo.rest()
    verdict = "Every promise was kept." if not demo.failed else f"{demo.failed} promises were NOT kept."
    demo.say(f"\n{verdict}")
    return 1 if demo.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
