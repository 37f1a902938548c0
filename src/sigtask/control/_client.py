"""The client's end of the socket: find the programs that have one, and ask them."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ._paths import folders_in_the_view_of, folders_of, is_a_socket_of, sockets_in
from ._peer import peer_of
from ._protocol import LONGEST_ANSWER, VERSION, line
from ._text import shown

PATIENCE = 5.0
"""Seconds without a word, after which a process counts as one that does not answer."""
SHORT_PATIENCE = 1.0
"""The same where many are asked, one after the other."""


class Unreachable(Exception):
    """The process cannot be asked; the text says why, and the next move."""


class Declined(Exception):
    """The process has refused the request; the text says why."""


class Found(NamedTuple):
    """A process with a control socket."""

    pid: int
    path: Path
    uid: int


def programs() -> list[Found]:
    """The programs with a control socket that this user may ask; all of them for root."""
    found: dict[int, Found] = {}
    for uid in _uids():
        for folder in folders_of(uid):
            for pid, path in sockets_in(folder, uid):
                found.setdefault(pid, Found(pid, path, uid))
    return [found[pid] for pid in sorted(found)]


def _uids() -> list[int]:
    me = os.geteuid()
    if me != 0:
        return [me]
    names = [os.path.basename(path)[len("sigtask-") :] for path in glob.glob("/tmp/sigtask-*")]
    names += [path.split("/")[3] for path in glob.glob("/run/user/*/sigtask")]
    return sorted({me, *(int(name) for name in names if name.isdecimal())})


class Connection:
    """A conversation with one process. A context manager. Raises: `Unreachable`."""

    def __init__(self, pid: int, *, patience: float | None = None) -> None:
        self.pid = pid
        self._patience = patience = patience or PATIENCE
        found = _socket_of(pid)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience)
        self._came = bytearray()
        try:
            self._connect(str(found.path))
        except OSError as error:
            self._socket.close()
            raise Unreachable(_why_not(pid, error)) from None
        peer = peer_of(self._socket)
        if peer is not None and peer.uid not in (found.uid, 0):
            self._socket.close()
            raise Unreachable(f"{found.path} is not answered by uid {found.uid}, whose it is, but by uid {peer.uid}")
        if peer is not None and peer.pid not in (None, pid) and is_there(pid):
            self._socket.close()
            raise Unreachable(
                f"{found.path} is not answered by process {pid}, but by one of another container, perhaps"
            )

    def _connect(self, path: str) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                self._socket.connect(path)
                return
            except BlockingIOError:  # very many are before us
                if time.monotonic() > until:
                    raise TimeoutError from None
                time.sleep(0.01)

    def ask(self, do: str, *, patient: bool = False, **fields: object) -> Iterator[dict[str, Any]]:
        """The lines of the answer, `done` aside; a `patient` one waits for ever between two lines.

        Raises: `Declined` with what the process says; `Unreachable` when it says nothing, or has gone.
        """
        try:
            self._socket.settimeout(self._patience)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has hung up, and may have said why
                self._socket.sendall(line(v=VERSION, do=do, **fields))
            self._socket.settimeout(None if patient else self._patience)
            while True:
                said = self._next()
                if "error" in said:
                    raise Declined(shown(str(said["error"])))
                if "done" in said:
                    return
                yield said
        except OSError as error:
            raise Unreachable(_why_not(self.pid, error)) from None

    def _next(self) -> dict[str, Any]:
        start = 0
        while (at := self._came.find(b"\n", start)) < 0:
            start = len(self._came)
            if start > 4 * LONGEST_ANSWER:
                raise Unreachable(f"process {self.pid} says more in a line than the protocol allows")
            data = self._socket.recv(262_144)
            if not data:
                raise ConnectionResetError
            self._came += data
        words = bytes(self._came[:at])
        del self._came[: at + 1]
        try:
            said = json.loads(words)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise Unreachable(f"process {self.pid} does not speak version {VERSION} of the protocol")
        return said

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()


def _socket_of(pid: int) -> Found:
    """The socket of that process. Raises: `Unreachable`, with what that process is."""
    uid = owner_of(pid)
    places = [(each, folder) for each in {uid, os.geteuid()} if each is not None for folder in folders_of(each)]
    if uid is not None:
        places += [(uid, folder) for folder in folders_in_the_view_of(pid, uid)]
    for each, folder in places:
        path = folder / f"{pid}.sock"
        if is_a_socket_of(path, each):
            return Found(pid, path, each)
    raise Unreachable(_what_it_is(pid, uid))


def owner_of(pid: int) -> int | None:
    """The user of that process; `None` if it does not exist or the system does not say."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _what_it_is(pid: int, uid: int | None) -> str:
    if uid is None and not is_there(pid):
        return f"there is no process {pid}; `sigtask ps` lists the programs that can be looked at"
    me = os.geteuid()
    if uid is not None and uid != me and me != 0:
        return f"process {pid} is another user's ({_user(uid)}): only that user and root may look at it"
    return (
        f"process {pid} has no control socket, or is just ending; start one with `sigtask run --control`, with "
        f"run(..., control=True) or with SIGTASK_CONTROL=1, or open one in it now with `sigtask attach {pid}` "
        "(Python 3.14 and later)"
    )


def is_there(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _user(uid: int) -> str:
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(uid).pw_name
    return f"uid {uid}"


def _why_not(pid: int, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"process {pid} does not answer: {_stuck(pid)}"
    if isinstance(error, PermissionError):
        return f"process {pid} is another user's: only that user and root may look at it"
    if isinstance(error, ConnectionRefusedError) and is_there(
        pid
    ):  # what an earlier process of this number has left behind
        return _what_it_is(pid, owner_of(pid))
    if not is_there(pid) or isinstance(error, ConnectionError | FileNotFoundError):
        return f"process {pid} has ended"
    return f"process {pid} cannot be asked: {error.strerror or error}"


def _stuck(pid: int) -> str:
    """Why even its control thread does not run."""
    state = ""
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat", errors="replace") as file:
        state = file.read().rpartition(")")[2].split()[0]
    if state in ("T", "t"):
        return f"it is stopped (as by Ctrl-Z or a debugger); `kill -CONT {pid}` lets it go on"
    if state == "D":
        return "it waits in the kernel, for a disk or a network file system"
    return "code in C holds the interpreter (the GIL), so that none of its threads runs"
