"""Which task spawned which: a child knows its parent, and a parent its living children (R9, R14, R19, R25)."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from .native import speed
from .stock import StockTask

# Of tasks that a stock one has spawned, in a program that calls `install()` in its main:
_stock_parents: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()
_stock_children: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()


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
    """Record the parent of this task."""
    if speed is None:
        task._children = task._ref = task._parent_ref = None
    if parent is not None and not _link(task, parent):
        _stock_parents[task] = weakref.ref(parent)
        _stock_children.setdefault(parent, weakref.WeakSet()).add(task)


def children_of(task: Any) -> Iterator[Any]:
    """Its children that have not ended."""
    children = task._linked_children() if isinstance(task, Kin) else _stock_children.get(task, ())
    for child in list(children):
        if not child.done():
            yield child


def has_living_children(task: Any) -> bool:
    """Whether a child of it is not done."""
    return next(children_of(task), None) is not None


def descendants(targets: Iterable[Any]) -> list[Any]:
    """Every living task spawned by one of these, or by one spawned by them; a task whose parent ended is nobody's."""
    queue = list(targets)
    if speed is not None and not _stock_children and not speed.have_children(queue):
        return []
    found: dict[Any, None] = {}
    for task in queue:
        for child in children_of(task):
            if child not in found:
                found[child] = None
                queue.append(child)
    own = set(queue[: len(queue) - len(found)])
    return [task for task in found if task not in own]
