from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Any

from .task import Task

class Shim:
    inbox: Any
    send: Callable[[None], Any]
    @property
    def coro(self) -> Coroutine[Any, Any, Any]: ...

class Kin:
    _inbox: Any
    @property
    def _linked_parent(self) -> Any: ...
    def _linked_children(self) -> list[Any]: ...
    def cancel(self, msg: Any = None, *, reason: object = None) -> bool: ...

def task_factory(loop: AbstractEventLoop, coro: Any, /, **kwargs: Any) -> Task[Any]: ...
def construct(coro: Any, /, *, loop: AbstractEventLoop, **kwargs: Any) -> Task[Any]: ...
def make_shim(coro: Any, /) -> Shim: ...
def attach(task: Any, shim: Shim, /) -> None: ...
def link(task: Any, parent: Any, /) -> bool: ...
def bind(
    fresh: type,
    signal: type,
    current_task: Callable[..., Any],
    running_loop: Callable[..., Any],
    iscoroutine: Callable[..., Any],
    adopt: Callable[..., Any],
    cancel: Callable[..., Any],
    /,
) -> None: ...
