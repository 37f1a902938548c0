"""Who is at the other end of a Unix socket, according to the kernel."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import NamedTuple


class Peer(NamedTuple):
    """A process that has connected; `pid` is `None` where the system does not say."""

    uid: int
    pid: int | None


def peer_of(connection: socket.socket) -> Peer | None:
    """The process at the other end; `None` if the system does not say."""
    try:
        if hasattr(socket, "SO_PEERCRED"):  # Linux
            pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return Peer(uid, pid)
        if sys.platform == "darwin" or "bsd" in sys.platform:
            # LOCAL_PEERCRED at the level SOL_LOCAL, which is what getpeereid(3) asks for: struct xucred.
            version, uid = struct.unpack_from("2I", connection.getsockopt(0, 1, 76))
            return Peer(uid, None) if version == 0 else None
    except (OSError, struct.error):
        return None
    return None


def may_steer(peer: Peer | None) -> bool:
    """Whether that user may control this process: its own user, and root."""
    return peer is not None and peer.uid in (os.geteuid(), 0)
