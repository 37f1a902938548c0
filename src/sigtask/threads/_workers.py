"""Reused threads: each takes the next function from one queue, and a new one starts when all are busy.

They are daemon threads. The interpreter waits for all other threads on exit, executors' threads included
(python/cpython#111358), so a thread that a Kill left behind would keep the process alive. Nothing is lost: a task waits
for the function in each thread, or has left it behind on purpose.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

IDLE = 10.0
"""Seconds that a thread waits for more work before it ends."""

Job = Callable[[], object]


class Workers:
    """The threads of this process. `spare` is the number of idle ones, minus the jobs on their way to them."""

    def __init__(self) -> None:
        self.spare = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._leaving: SimpleQueue[threading.Thread] = SimpleQueue()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def give(self, job: Job) -> None:
        """Have `job()` called in an idle thread; it calls `rest()` when it is done.

        Raises: `RuntimeError` when the system can start no more threads.
        """
        with self._lock:
            found = self.spare > 0
            self.spare -= found
        if not found:
            threading.Thread(target=self._work, name=f"to_thread-{next(self._numbers)}", daemon=True).start()
        self._jobs.put(job)

    def rest(self) -> None:
        """The calling thread's job is done, except for telling others: it may get the next one."""
        with self._lock:
            self.spare += 1

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE)
            except Empty:
                with self._lock:
                    if self.spare > 0:
                        self.spare -= 1
                        return
                job = self._jobs.get()  # there is one for each thread that waits; this one's is just being put there
            if job is None:
                self._leaving.put(threading.current_thread())
                return
            job()
            del job

    def dismiss(self) -> None:
        """End all idle threads. They have ended when this returns."""
        with self._lock:
            ending, self.spare = self.spare, 0
        for _ in range(ending):
            self._jobs.put(None)
        for _ in range(ending):
            self._leaving.get().join()


workers = Workers()


def _forked() -> None:
    global workers
    workers = Workers()  # the others' threads are the parent's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
