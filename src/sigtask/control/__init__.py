"""See and steer a running program from outside: the socket that `sigtask ps`, `kill`, `stop` and `top` talk to.

`sigtask.run(main(), control=True)`, `sigtask run --control` and `SIGTASK_CONTROL=1` open it. A program whose loop
others run calls `start()` itself.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from pathlib import Path

    from ._control import Control

__all__ = ["start", "stop"]

_started: Control | None = None


def start(loop: AbstractEventLoop | None = None) -> Path:
    """Let this process be looked at and steered by `sigtask ps`, `kill`, `stop` and `top`; gives the socket's path.

    `loop`, by default the running one, is shown with all its tasks. Call it again for each further loop. Only this
    user's processes, and root's, may connect. The socket is removed by `stop()`, or when the process ends.

    Raises: `RuntimeError` when no loop is given and none is running; `OSError` when there can be no socket.
    """
    global _started
    from asyncio import get_running_loop

    from ._control import Control, active

    loop = get_running_loop() if loop is None else loop
    if (control := active()) is None:
        control = _started = Control()
    control.attach(loop)
    if control.path is None:
        stop()
        raise OSError(f"no control socket: {control.why_not}")
    return control.path


def stop() -> None:
    """Close the socket that `start()` has opened, if there is one."""
    global _started
    control, _started = _started, None
    if control is not None:
        control.close()
