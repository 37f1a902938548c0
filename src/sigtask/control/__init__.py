"""Look at and control a running program from outside: the socket that `sigtask ps`, `kill`, `stop` and `top` use.

`sigtask.run(main(), control=True)`, `sigtask run --control` and `SIGTASK_CONTROL=1` open it. If other code runs your
event loop, call `start()` yourself.
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
    """Open the control socket of this process, so that `sigtask ps`, `kill`, `stop` and `top` can find it.

    All tasks of `loop` are shown. Call it again for each further loop. Only processes of the same user, and of root,
    can connect. The socket is removed by `stop()`, or when the process ends.

    Args:
        loop: The loop to show. Default: the running loop.

    Returns:
        The path of the socket.

    Raises:
        RuntimeError: When no loop is given and none is running.
        OSError: When the socket cannot be opened.

    Example::

        async def main():
            print(sigtask.control.start().exists())  # True
            sigtask.control.stop()

        asyncio.run(main())

    .. versionadded:: 0.2.0
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
    """Close the socket that `start()` has opened. Without one, do nothing.

    Example::

        sigtask.control.stop()

    .. versionadded:: 0.2.0
    """
    global _started
    control, _started = _started, None
    if control is not None:
        control.close()
