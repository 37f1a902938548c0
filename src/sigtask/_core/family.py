"""Which task spawned which: a child knows its parent, and a parent its living children (R9, R14, R19, R25)."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from .native import speed
from .stock import StockTask

_stock_parents: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()
"""Of tasks that a stock one has spawned: in a program that calls `install()` in its main, or of a server's."""


class _Children(list["weakref.ref[Any]"]):
    """The children of one task; those that have ended are forgotten when there are twice as many as once lived."""

    __slots__ = ("limit",)

    def __init__(self) -> None:
        self.limit = 16

    def add(self, child: Any) -> None:
        """One more."""
        self.append(weakref.ref(child))
        if len(self) > self.limit:
            self[:] = [ref for ref in self if (task := ref()) is not None and not task.done()]
            self.limit = max(16, 2 * len(self))


class PyKin(StockTask):  # type: ignore[misc]  # what asyncio's C task is, no stub says
    """A task that knows its parent and its children by weak references, so that a family keeps nobody alive."""

    __slots__ = ("_children", "_parent_ref", "_ref", "_shim")

    _shim: Any
    _parent_ref: weakref.ref[Any] | None
    _ref: weakref.ref[Any] | None
    _children: _Children | None

    @property
    def _inbox(self) -> Any:
        return self._shim.inbox

    @_inbox.setter
    def _inbox(self, inbox: Any) -> None:
        self._shim.inbox = inbox

    @property
    def _linked_parent(self) -> Any:
        return None if self._parent_ref is None else self._parent_ref()

    def _linked_children(self) -> list[Any]:
        return [child for ref in self._children or () if (child := ref()) is not None]


def py_attach(task: Any, shim: Any) -> None:
    """Give a task its shim, where its inbox will be; before anything else is done with it."""
    task._shim = shim


def py_link(task: Any, parent: Any) -> bool:
    """Record the parent of a task that has none so far. Returns whether the parent is a task of ours."""
    if not isinstance(parent, PyKin):
        return False
    if (ref := parent._ref) is None:
        ref = parent._ref = weakref.ref(parent)
        parent._children = _Children()
    task._parent_ref = ref
    if parent._children is not None:
        parent._children.add(task)
    return True


_Linked: Any = PyKin if speed is None else speed.Kin
_link: Any = py_link if speed is None else speed.link
attach: Any = py_attach if speed is None else speed.attach


class Kin(_Linked):  # type: ignore[misc]  # either of the two
    """A task that knows its parent and its children. A family keeps nobody alive."""

    __slots__ = ()

    @property
    def _parent(self) -> Any:
        """The task that spawned this one; `None` when none did, or it is gone."""
        parent = self._linked_parent
        if parent is None and _stock_parents and (ref := _stock_parents.get(self)) is not None:
            return ref()
        return parent


def note_parent(task: Any, parent: Any) -> None:
    """Record the parent of this task, if that is one of ours."""
    if speed is None:
        task._children = task._ref = task._parent_ref = None
    if parent is not None:
        _link(task, parent)


def note_stock_parent(task: Any, parent: Any) -> None:
    """Record the parent of this task, if that is a stock one: when it has run eagerly, and is not done by now."""
    if parent is not None and not isinstance(parent, Kin) and not task.done():
        _stock_parents[task] = weakref.ref(parent)


def has_living_children(task: Kin) -> bool:
    """Whether a child of it is not done."""
    return any(not child.done() for child in task._linked_children())


def descendants(targets: Iterable[Any]) -> list[Any]:
    """Every living task spawned by one of these, or by one spawned by them; a task whose parent ended is nobody's."""
    queue = list(targets)
    of_stock = _children_of_stock_tasks() if any(not isinstance(task, Kin) for task in queue) else {}
    if speed is not None and not of_stock and not speed.have_children(queue):
        return []
    found: dict[Any, None] = {}
    for task in queue:
        children = task._linked_children() if isinstance(task, Kin) else of_stock.get(task, ())
        for child in children:
            if not child.done() and child not in found:
                found[child] = None
                queue.append(child)
    own = set(queue[: len(queue) - len(found)])
    return [task for task in found if task not in own]


def _children_of_stock_tasks() -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for child, ref in list(_stock_parents.items()):
        if (parent := ref()) is not None:
            found.setdefault(parent, []).append(child)
    return found
