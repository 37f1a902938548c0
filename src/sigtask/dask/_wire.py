"""How signals and ladders are sent: as dicts that Dask's messages can hold, whatever the other side can import.

A class is sent as its pickle: by name, or whole if it is of `__main__`. Its own name, its level and its nearest
built-in base are sent with it. Where the pickle cannot be loaded, a class made from these takes its place.
"""

from __future__ import annotations

import pickle
from typing import Any

from distributed.protocol.pickle import dumps

from ..ladder import Ladder
from ..signals import Drain, Interrupt, Kill, Signal, Terminate, _revive

WIRE = 2
"""What client, scheduler and workers must agree on; raised when a message changes."""

_BUILT_IN: dict[str, type[Signal]] = {cls.__name__: cls for cls in (Drain, Interrupt, Terminate, Kill)}

Message = dict[str, Any]
_dumps: Any = dumps


def encoded(signal: Signal) -> Message:
    """The signal, ready to send: whole, and in parts that are used if the whole cannot be loaded."""
    cls = _class(type(signal))
    return {
        "whole": None if "_as_it_came" in type(signal).__dict__ else dumped(signal),
        "cls": cls,
        "reason": None if signal.reason is None else str(signal.reason) or repr(signal.reason),
        "sender": None if signal.sender is None else str(signal.sender),
    }


def decoded(message: Message) -> Signal:
    """The signal; if it cannot be loaded here, one of its class, or of a stand-in, with its reason as text."""
    signal = read(message["whole"], None)
    if isinstance(signal, Signal):
        return signal
    reason = message["reason"]
    state = {"reason": reason, "sender": message["sender"], "sent_at": None, "_target": None}
    return _revive(decoded_class(message["cls"]), () if reason is None else (reason,), state)


def _class(cls: type[Signal]) -> Message:
    kept: Any = cls.__dict__.get("_as_it_came")  # made by `_stand_in`: on its way back it is what it was
    if kept is not None:
        return dict(kept)
    base = next(base for base in cls.__mro__ if base.__name__ in _BUILT_IN and _BUILT_IN[base.__name__] is base)
    return {"pickle": dumped(cls), "name": cls.__name__, "level": cls.level, "base": base.__name__}


def decoded_class(message: Message) -> type[Signal]:
    """The class, or its stand-in."""
    cls = read(message["pickle"], None)
    if isinstance(cls, type) and issubclass(cls, Signal) and cls is not Signal:
        return cls
    return _stand_in(message)


def _stand_in(message: Message) -> type[Signal]:
    """A class with that name and level, of the nearest built-in base: what the job sees of one it cannot import."""
    base = _BUILT_IN[message["base"]]
    body = {"level": message["level"], "_as_it_came": message, "__module__": __name__}
    return type(message["name"], (base,), body)


def dumped(thing: object) -> bytes | None:
    """Its pickle; `None` if it cannot be pickled."""
    if thing is None:
        return None
    try:
        return _dumps(thing)  # type: ignore[no-any-return]  # of an untyped function
    except Exception:  # what a class does when it is pickled is its own affair
        return None


def read(data: bytes | None, otherwise: Any) -> Any:
    """What was pickled; `otherwise` if it cannot be loaded here."""
    if data is None:
        return otherwise
    try:
        return pickle.loads(data)
    except Exception:  # a module that is missing, or that fails in its own way
        return otherwise


def ladder_sent(ladder: Ladder) -> Message:
    """The ladder, ready to travel: durations, never an instant."""
    return {"rungs": [(_class(rung.signal), rung.grace) for rung in ladder.rungs], "limit": ladder.limit}


def ladder_read(message: Message) -> Ladder:
    """The ladder again."""
    return Ladder(*((decoded_class(cls), grace) for cls, grace in message["rungs"]), limit=message["limit"])
