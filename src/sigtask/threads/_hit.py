"""`PyThreadState_SetAsyncExc`: have the interpreter raise an exception in another thread, at its next bytecode.

It cannot interrupt a C call, such as a `sleep`: the exception is raised after the call.
"""

from __future__ import annotations

from collections.abc import Callable

_hit: Callable[[int, type[BaseException]], int] | None = None
_spare: Callable[[int, None], int] | None = None

try:
    import ctypes
except ImportError:  # a Python built without ctypes: signals are raised at checkpoints and blocks
    pass
else:
    # Objects of our own: the attributes of `pythonapi` are everybody's, and so are the types set on them.
    _name = ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
    _hit = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(_name)
    _spare = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(_name)


def hit(ident: int | None, error: type[BaseException]) -> bool:
    """Have `error` raised in the thread `ident`. False if there is no such thread, or no way to do it."""
    return _hit is not None and ident is not None and _hit(ident, error) == 1


def spare(ident: int | None) -> None:
    """Cancel a `hit` that was not raised yet."""
    if _spare is not None and ident is not None:
        _spare(ident, None)
