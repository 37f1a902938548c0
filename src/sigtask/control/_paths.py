"""Where control sockets are: one for each process, `PID.sock`, in a folder that is its user's alone.

    $XDG_RUNTIME_DIR/sigtask     where that is set, or
    /tmp/sigtask-UID             in the folder for temporary files

The folder has mode 0700 and a socket 0600. What is not a folder or a socket of that user, a symbolic link above all,
is neither used nor followed nor removed: somebody has put it there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

LONGEST = 100
"""Bytes of a socket's path; the system's own limit is 104 to 108."""


class Refused(OSError):
    """The socket cannot be made there; the text says what is in the way, and the next move."""


def own_folder() -> Path:
    """The folder for this process's socket, created if needed. Raises: `Refused`, `OSError`."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime, "sigtask")
    if os.path.isabs(runtime) and _is_ours(runtime) and len(os.fsencode(folder)) + 20 <= LONGEST:
        return _made(folder)
    return _made(Path(tempfile.gettempdir(), f"sigtask-{os.geteuid()}"))


def _is_ours(runtime: str) -> bool:
    """Whether the folder is this user's and writable. After `sudo` or `su` it may be another user's."""
    with contextlib.suppress(OSError):
        return os.stat(runtime).st_uid == os.geteuid() and os.access(runtime, os.W_OK | os.X_OK)
    return False


def _made(folder: Path) -> Path:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
    why_not = _whats_wrong_with(folder, os.geteuid())
    if why_not is not None:
        raise Refused(f"{folder} {why_not}; remove it, or set XDG_RUNTIME_DIR to a folder of your own")
    return folder


def _whats_wrong_with(folder: Path, uid: int) -> str | None:
    try:
        found = os.lstat(folder)
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != uid:
        return f"belongs to uid {found.st_uid}, not to {uid}"
    if found.st_mode & 0o077:
        return f"is open to others (mode {stat.S_IMODE(found.st_mode):o}, not 700)"
    return None


def bound(folder: Path) -> tuple[socket.socket, Path]:
    """A listening socket for this process, which no other user can open. Raises: `Refused`, `OSError`.

    One that a process of the same number has left behind is removed.
    """
    path = folder / f"{os.getpid()}.sock"
    if len(os.fsencode(path)) > LONGEST:
        raise Refused(f"{path} is longer than a socket's path may be; set XDG_RUNTIME_DIR to a shorter one")
    listening = socket.socket(socket.AF_UNIX)
    try:
        with contextlib.suppress(OSError):  # on Linux, it is born with this mode
            os.fchmod(listening.fileno(), 0o600)
        try:
            listening.bind(str(path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _remove_stale(path)
            listening.bind(str(path))
        os.chmod(path, 0o600)
        listening.listen(128)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening, path


def _remove_stale(path: Path) -> None:
    if not is_a_socket_of(path, os.geteuid()):
        raise Refused(f"{path} is there, and is no socket of ours: somebody has put it there; remove it")
    if is_alive(path):
        raise Refused(f"{path} is another living process's: two containers, perhaps, that share a temporary folder")
    path.unlink(missing_ok=True)


def is_a_socket_of(path: Path, uid: int) -> bool:
    """Whether it is a socket of that user, and not a link to one."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == uid


def is_alive(path: Path) -> bool:
    """Whether a process listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            return isinstance(error, TimeoutError) or error.errno == errno.EAGAIN  # its queue is full
    return True


def sweep(folder: Path) -> None:
    """Remove the sockets of processes that have crashed or were killed."""
    for pid, path in sockets_in(folder, os.geteuid()):
        if pid != os.getpid() and not _exists(pid) and not is_alive(path):
            path.unlink(missing_ok=True)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def folders_of(uid: int) -> list[Path]:
    """Where the sockets of that user's processes may be, as far as can be known from here."""
    found = [Path(tempfile.gettempdir(), f"sigtask-{uid}"), Path("/tmp", f"sigtask-{uid}")]
    if uid == os.geteuid() and os.path.isabs(runtime := os.environ.get("XDG_RUNTIME_DIR", "")):
        found.insert(0, Path(runtime, "sigtask"))
    found.append(Path(f"/run/user/{uid}/sigtask"))
    return [folder for folder in dict.fromkeys(found) if _whats_wrong_with(folder, uid) is None]


def folders_in_the_view_of(pid: int, uid: int) -> list[Path]:
    """Where that process has its socket by its own environment, which may be another than ours (Linux).

    Its temporary folder may be another, too, though of the same name: a service's own.
    """
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # not there, or not ours to read
        return []
    told = {name: os.fsdecode(value) for name, _, value in (word.partition(b"=") for word in words)}
    inside = [Path(told.get(b"XDG_RUNTIME_DIR", ""), "sigtask"), Path(told.get(b"TMPDIR") or "/tmp", f"sigtask-{uid}")]
    found = [Path(f"/proc/{pid}/root{folder}") for folder in inside if folder.is_absolute()]
    return [folder for folder in found if _whats_wrong_with(folder, uid) is None]


def sockets_in(folder: Path, uid: int) -> Iterator[tuple[int, Path]]:
    """The sockets in that folder and their process ids, lowest first."""
    try:
        names = os.listdir(folder)
    except OSError:  # another user's, or gone
        return
    pids = sorted(int(name[:-5]) for name in names if name.endswith(".sock") and name[:-5].isdecimal())
    for pid in pids:
        path = folder / f"{pid}.sock"
        if is_a_socket_of(path, uid):
            yield pid, path
