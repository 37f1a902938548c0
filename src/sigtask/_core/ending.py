"""How a task ended: by which signal, and what each of its awaiters sees (R9, R21, R22).

asyncio hands out the exception that ended a task once, and makes a fresh `CancelledError` for all who ask later. So
whoever asks first, `ended_by` or an awaiter, notes what it was.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import CancelledError
from typing import Any

from ..signals import Signal
from . import stock
from .delivery import Delivery
from .family import Kin
from .handling import led_to
from .inbox import Inbox


def ended_by(task: Any) -> Signal | None:
    """The signal that ended a cancelled task, or under which its parent cancelled it; else `None`."""
    inbox: Inbox = task._mailbox()
    if inbox.ended is not None and inbox.end is None:
        inbox.end = inbox.ended.signal
    elif inbox.ended is None and not inbox.end_is_known:
        try:
            stock.result(task)
        except CancelledError as error:
            _note(inbox, error)
            # The first awaiter is still to get it: without this frame.
            inbox.unclaimed = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    return inbox.end


def claim(inbox: Inbox, error: CancelledError) -> CancelledError:
    """What an awaiter sees, where asyncio has `error`: what was raised the first, copies of the signal the others."""
    if not inbox.end_is_known:
        _note(inbox, error)
        first: CancelledError | None = error
    else:
        first, inbox.unclaimed = inbox.unclaimed, None
    if inbox.end is None and inbox.ended is not None:
        inbox.end = inbox.ended.signal  # the first awaiter got the raised one, not a copy
    if inbox.end is None or not inbox.end_is_shown:
        return error if first is None else first  # asyncio's own, or raised by hand
    if not isinstance(first, Signal):
        first = inbox.end.copy()
    first._ended_another = True
    awaken_the_running_task()
    return first


def awaken_the_running_task() -> None:
    """A signal that ended another task is raised in the running one. If it ends that too, all awaiters see it."""
    if isinstance(task := stock.current(), Kin):
        task._mailbox()


def _note(inbox: Inbox, error: CancelledError) -> None:
    inbox.end_is_known = True
    if inbox.ended is None:
        inbox.ended = _behind(inbox, error)
    if inbox.ended is not None:
        inbox.end = error.copy() if isinstance(error, Signal) else inbox.ended.signal
        inbox.end_is_shown = True
    elif isinstance(error, Signal):
        inbox.end = error.copy()
        inbox.end_is_shown = getattr(error, "_ended_another", False)  # else it was raised by hand
    else:
        inbox.end = inbox.cause_of(error)


def _behind(inbox: Inbox, error: CancelledError) -> Delivery | None:
    """The delivery of which `error` is a copy that was thrown, or in the place of which somebody's cleanup put it."""
    if isinstance(error, Signal):
        origin = error.origin
        return next((one for one in reversed(inbox.history) if one.given.origin is origin and one.number), None)
    if inbox.cause_of(error) is not None:
        return None
    found = None
    if inbox.plain_thrown is None or inbox.plain_thrown() is not error:
        thrown = ((one, one.thrown()) for one in reversed(inbox.delivered) if one.thrown is not None)
        found = _caught_by_condition(inbox) or next((one for one, signal in thrown if led_to(error, signal)), None)
    if found is None and stock.cancelling(inbox.task()) <= inbox.owed:  # else a plain cancel is in force
        found = inbox.deliver_what_is_due()
    return found


def _caught_by_condition(inbox: Inbox) -> Delivery | None:
    """Before Python 3.13, what comes while `Condition.wait()` takes its lock back leaves as an error without a past."""
    if sys.version_info >= (3, 13):
        return None
    at_work = (one for one in reversed(inbox.history) if not one.taken_back)
    return next((one for one in at_work if (one.caught_at or "").startswith(asyncio.locks.__file__)), None)
