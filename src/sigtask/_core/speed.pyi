from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Any

from .task import Task

class Shim:
    send: Callable[[None], Any]
    @property
    def coro(self) -> Coroutine[Any, Any, Any]: ...

def task_factory(loop: AbstractEventLoop, coro: Any, /, **kwargs: Any) -> Task[Any]: ...
def construct(coro: Any, /, *, loop: AbstractEventLoop, **kwargs: Any) -> Task[Any]: ...
def make_shim(coro: Any, /) -> Shim: ...
def bind(
    fresh: type,
    full: type,
    current_task: Callable[..., Any],
    running_loop: Callable[..., Any],
    iscoroutine: Callable[..., Any],
    link: Callable[..., Any],
    cover: Callable[..., Any],
    /,
) -> None: ...
