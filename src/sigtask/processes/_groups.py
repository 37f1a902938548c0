"""Process groups: how a child and everything it starts is found.

A child starts in a session, and so a group, of its own. A grandchild that leaves the group still has the *mark* that
its environment inherited from the child. The groups of this process are listed here for its end: `end_all` ends them
when the process ends in order or by the watchdog, the guard (`_guard`) when it just dies.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import NamedTuple

from .._stop import forced_end as _last_acts
from . import _guard

MARK = "SIGTASK_MARK"
"""The variable of a child's environment that holds its mark, after those of the programs around it."""
_numbers = itertools.count(1)


def marked_environment(env: Mapping[str, str] | None) -> tuple[dict[str, str], bytes]:
    """The environment for a new child, and the mark in it."""
    mark = f"<{os.getpid()}-{next(_numbers)}-{os.urandom(6).hex()}>"
    made = dict(os.environ if env is None else env)
    made[MARK] = os.environ.get(MARK, "") + mark
    return made, mark.encode()


class Group:
    """The group that a child leads, as long as a process of it may exist."""

    def __init__(self, pid: int, mark: bytes) -> None:
        self.pid = pid
        self.mark = mark
        self._strays: set[int] = set()
        self._dead_looks = 0
        self._adopts = False
        _register(self)

    def send(self, signum: int) -> bool:
        """Send the group a signal. False if no process takes it."""
        try:
            os.killpg(self.pid, signum)
        except (ProcessLookupError, PermissionError):  # macOS says the second of a group of zombies
            return False
        return True

    def adopt(self) -> None:
        """The group is being stopped: orphans of it become children of this process, to be reaped here."""
        if not self._adopts:
            self._adopts = True
            _subreaper.wanted(1)

    def kill(self) -> None:
        """Kill the group, and processes that have left it. Returns at once."""
        self.adopt()
        self.send(signal.SIGKILL)
        self.kill_strays()

    def kill_strays(self) -> bool:
        """Kill the descendants of the child that have left the group. Returns whether there are any."""
        found = _guard.marked([self.mark])
        self._strays.update(pid for pid in found if pid != self.pid)  # the leader's status is for who started it
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in tuple(self._strays):
            try:
                gone = os.waitpid(pid, os.WNOHANG)[0] != 0
            except ChildProcessError:  # not ours to collect; but when its parent is gone it may become ours
                gone = pid not in found and not self._is_below(pid)
            if gone:
                self._strays.discard(pid)
        return bool(self._strays)

    def _is_below(self, pid: int) -> bool:
        """Whether it is there, dead or alive, and to be collected here: it is our child by now, or will be.

        It will when its parent, which is being killed, has died.
        """
        parent = _stat(pid).parent
        while parent is not None:
            if parent == os.getpid() or parent in self._strays or _stat(parent).group == self.pid:
                return True
            before, parent = parent, _stat(pid).parent  # the parent may have died between two looks
            if parent == before:
                return False
        return False

    def is_left(self) -> bool:
        """Once the leader is reaped: whether there are others, save for dead ones that somebody else must collect.

        Members that were handed to this process, which adopts, or is pid 1 in a container, are collected here.
        """
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        if not self.send(0):
            return False
        self._dead_looks = self._dead_looks + 1 if _all_dead(self.pid) else 0
        return self._dead_looks < 2  # one that is dead now may be handed to us in a moment

    def forget(self) -> None:
        """The group is gone."""
        _unregister(self)
        if self._adopts:
            self._adopts = False
            _subreaper.wanted(-1)


class _Stat(NamedTuple):
    """What /proc says about a process; empty if it does not exist, and without /proc."""

    state: str = "X"
    parent: int | None = None
    group: int | None = None


def _stat(pid: int) -> _Stat:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            state, parent, group = stat.read().rpartition(")")[2].split()[:3]
    except OSError:
        return _Stat()
    return _Stat(state, int(parent), int(group))


def _all_dead(group: int) -> bool:
    """Whether all members are zombies; False without /proc."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return False
    return all(stat.state in "ZX" for stat in map(_stat, pids) if stat.group == group)


class _Subreaper:
    """Makes this process the one that orphans below it are handed to (Linux), while a group is being stopped.

    Only then: it would also be handed the orphans of children that are none of ours, and nobody would collect those.
    """

    SET, GET = 36, 37  # PR_SET_CHILD_SUBREAPER and PR_GET_CHILD_SUBREAPER

    def __init__(self) -> None:
        self._count = 0
        self._was = 0

    def wanted(self, more: int) -> None:
        """Count one group more, or one less, that is being stopped."""
        if not sys.platform.startswith("linux"):
            return
        try:
            from ctypes import CDLL, byref, c_int
        except ImportError:  # a Python built without ctypes: pid 1 collects them
            return
        prctl = CDLL(None).prctl
        self._count += more
        if self._count == 1 and more == 1:
            was = c_int(0)
            prctl(self.GET, byref(was), 0, 0, 0)
            self._was = was.value
            prctl(self.SET, 1, 0, 0, 0)
        elif self._count == 0:
            prctl(self.SET, self._was, 0, 0, 0)


_subreaper = _Subreaper()

# -- the groups of this process ----------------------------------------------------------------------------------------

_living: dict[int, Group] = {}
_lock = threading.Lock()
_guardian: subprocess.Popen[bytes] | None = None


def _register(group: Group) -> None:
    with _lock:
        _living[group.pid] = group
        _tell(b"+%d %s\n" % (group.pid, group.mark))


def _unregister(group: Group) -> None:
    with _lock:
        if _living.pop(group.pid, None) is not None:
            _tell(b"-%d\n" % group.pid)


def _tell(order: bytes) -> None:
    """Send the guard an order. The first order starts it; if somebody has ended it, it is started again."""
    global _guardian
    for fresh in (_guardian is None, True):
        if fresh:
            if _guardian is not None:
                _dismissed(_guardian)
            _guardian = _start_guard()
            order = b"".join(b"+%d %s\n" % (group.pid, group.mark) for group in _living.values())
        if _guardian is None or _guardian.stdin is None:
            return
        try:
            _guardian.stdin.write(order)
            return
        except OSError:  # it is gone
            continue


def _start_guard() -> subprocess.Popen[bytes] | None:
    """The guard; `None` without an interpreter to run it: then only the watchdog and atexit end the groups."""
    if not sys.executable:
        return None
    command = [sys.executable, "-I", "-S", "-E", _guard.__file__]
    null = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=null, stderr=null, cwd="/", start_new_session=True
        )
    except OSError:
        return None


def dismiss_guard() -> None:
    """End the guard if there is nothing left to guard. Waits for it, a few milliseconds."""
    global _guardian
    # Bounded: at the process's end by force, a thread that stands still may have the lock.
    if _lock.acquire(timeout=0.2):
        try:
            if _guardian is not None and not _living:
                guard, _guardian = _guardian, None
                _dismissed(guard)
        finally:
            _lock.release()


def _dismissed(guard: subprocess.Popen[bytes]) -> None:
    assert guard.stdin is not None
    with contextlib.suppress(OSError):
        guard.stdin.write(b"bye\n")
    guard.stdin.close()
    try:
        guard.wait(1.0)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()


def end_all() -> None:
    """Kill all groups of this process, and processes that have left them, now: there is no loop any more."""
    groups = {group.pid: group.mark for group in tuple(_living.values())}
    if groups:
        _guard.end_all(groups)


def _last_act() -> None:
    """The process is about to end: leave none of its children behind."""
    end_all()
    _living.clear()
    dismiss_guard()


def _forked() -> None:
    """In a fork: the children and the guard belong to the parent."""
    global _guardian, _lock
    _lock = threading.Lock()
    _living.clear()
    if _guardian is not None and _guardian.stdin is not None:
        _guardian.stdin.close()
        _guardian.returncode = 0  # it is no child of this process, not to be waited for
        _guardian = None


_last_acts.acts.append(_last_act)
atexit.register(_last_act)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
