"""What sigtask tells those who watch a program: log records with fields, spans, metrics.

One set of names for all three, `sigtask.` before each: docs/telemetry.md lists them. Nothing is told, and nothing is
imported for it, until `log_signals()` or `instrument()` is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from .._core import delivery as _core
from .._stop import told as _stop
from ..report import printable
from ._fields import EVENT, about_signal, about_stop

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .._core.delivery import Delivery
    from .._stop.told import By
    from ..report import Report

__all__ = ["instrument", "log_signals"]

_log = logging.getLogger("sigtask")


def log_signals(level: int = logging.DEBUG, logger: logging.Logger | None = None) -> Callable[[], None]:
    """Log every signal that a task is sent, and the report of every `stop()`; gives a function that ends it.

    The signals are logged at `level`, a report at INFO, or WARNING when a task resisted; to `logger`, by default
    `logging.getLogger("sigtask")`. Each record has the fields that docs/telemetry.md lists. `run()` logs its rungs and
    its report by itself, where stderr is no terminal.

    Raises: `TypeError` when `level` is no number.
    """
    if not isinstance(level, int):
        raise TypeError(f"level is {level!r}; give a number, such as logging.INFO")
    log = logger or _log

    def signal(delivery: Delivery) -> None:
        if log.isEnabledFor(level) and (fields := about_signal(delivery)) is not None:
            name, reason = fields["sigtask.signal.class"], fields.get("sigtask.signal.reason", "no reason given")
            who, sender = fields["sigtask.task.name"], fields.get("sigtask.signal.sender", "outside any task")
            said = printable(f"{name} ({reason}) to {who}, from {sender}", keep="")
            log.log(level, "%s", said, extra={EVENT: "signal", **fields})

    def stop(report: Report, by: By) -> None:
        if by == "stop":
            log_report(log, report)

    return watch(signal, stop)


def log_report(log: logging.Logger, report: Report) -> None:
    """Log it, as a warning if anyone resisted."""
    level = logging.WARNING if report.resisted else logging.INFO
    log.log(level, "%s", report, extra={EVENT: "stop", **about_stop(report)})


def instrument(
    *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Callable[[], None]:
    """Tell OpenTelemetry of signals and stops; gives a function that ends it.

    A signal is an event of the span that its task is in, and counted; a stop is a span, with an event for each rung
    and for each task that resisted. docs/telemetry.md lists the names. The providers are OpenTelemetry's global ones by
    default. A process that is ended by force has 0.3 s for its last spans.

    Raises: `ModuleNotFoundError` without OpenTelemetry's API, which is in the extra `sigtask[otel]`.
    """
    try:
        from ._otel import Instruments
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "opentelemetry":
            raise
        message = "instrument() needs OpenTelemetry's API: pip install 'sigtask[otel]'"
        raise ModuleNotFoundError(message, name=error.name) from None
    instruments = Instruments(tracer_provider, meter_provider)
    undo = watch(instruments.signal, instruments.stop)

    def end() -> None:
        instruments.is_on = False
        undo()

    return end


def watch(
    signal: Callable[[Delivery], object], stop: Callable[[Report, By], object] = lambda report, by: None
) -> Callable[[], None]:
    """Have them called for every signal and every report; what they raise is logged. Gives what ends it."""

    def told_signal(delivery: Delivery) -> None:
        try:
            signal(delivery)
        except Exception:  # the signal goes its way
            _log.exception("telemetry of a signal failed")

    def told_stop(report: Report, by: By) -> None:
        try:
            stop(report, by)
        except Exception:  # and so does the report
            _log.exception("telemetry of a stop failed")

    _core.watchers.append(told_signal)
    _stop.listeners = (*_stop.listeners, told_stop)

    def end() -> None:
        if told_signal in _core.watchers:  # it may be called again
            _core.watchers.remove(told_signal)
        _stop.listeners = tuple(one for one in _stop.listeners if one is not told_stop)

    return end
