"""Report signals and stops to monitoring: log records with fields, OpenTelemetry spans and metrics.

All three use the same names, each with the prefix `sigtask.`; the page on telemetry lists them. Nothing is reported,
and nothing is imported for it, until you call `log_signals()` or `instrument()`. An error in a log handler or an
exporter is logged, once for each kind of error, and does not affect the signal.
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
    """Log every signal that a task is sent, and the report of every `stop()`.

    Signals are logged at `level`. A report is logged at INFO, or at WARNING when a task resisted. Each record has
    fields; the page on telemetry lists them. `run()` logs its rungs and its report itself when stderr is not a
    terminal.

    Args:
        level: The level for signals, such as `logging.INFO`.
        logger: Default: `logging.getLogger("sigtask")`.

    Returns:
        A function that ends the logging. It may be called more than once.

    Raises:
        TypeError: When `level` is not an int, or `logger` is none.

    Example::

        end = sigtask.telemetry.log_signals(logging.INFO)
        ...
        end()

    .. versionadded:: 0.2.0
    """
    if not isinstance(level, int):
        raise TypeError(f"level is {level!r:.200}; give a number, such as logging.INFO")
    if logger is not None and not hasattr(logger, "isEnabledFor"):
        raise TypeError(f"logger is {logger!r:.200}; give a logging.Logger, such as logging.getLogger('app')")
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
    """Report signals and stops to OpenTelemetry.

    A signal is counted, and is an event in the current span of its task. A stop is a span, with an event for each rung
    and for each task that resisted. The page on telemetry lists the names. A process that is ended by force has 0.3 s
    to send its last spans.

    Args:
        tracer_provider: Default: OpenTelemetry's global one.
        meter_provider: Default: OpenTelemetry's global one.

    Returns:
        A function that ends the reporting. It may be called more than once.

    Raises:
        ModuleNotFoundError: When OpenTelemetry's API is not installed. It is in the extra `sigtask[otel]`.

    Example::

        end = sigtask.telemetry.instrument()
        ...
        end()

    .. versionadded:: 0.2.0
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
    """Call these for every signal and every report; what they raise is logged. Returns a function that ends it."""
    known = set[tuple[str, type[Exception]]]()

    def failed(what: str, error: Exception) -> None:
        kind = what, type(error)
        level = logging.DEBUG if kind in known else logging.ERROR  # ten thousand signals are one error
        known.add(kind)
        _log.log(level, "telemetry of a %s failed; more errors of this kind are logged at DEBUG", what, exc_info=error)

    def told_signal(delivery: Delivery) -> None:
        try:
            signal(delivery)
        except Exception as error:  # the signal goes its way
            failed("signal", error)

    def told_stop(report: Report, by: By) -> None:
        try:
            stop(report, by)
        except Exception as error:  # and so does the report
            failed("stop", error)

    _core.watchers.append(told_signal)
    _stop.listeners = (*_stop.listeners, told_stop)

    def end() -> None:
        if told_signal in _core.watchers:  # it may be called again
            _core.watchers.remove(told_signal)
        _stop.listeners = tuple(one for one in _stop.listeners if one is not told_stop)

    return end
