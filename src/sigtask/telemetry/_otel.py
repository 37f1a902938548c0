"""What is reported to OpenTelemetry. Names and units follow its semantic conventions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from datetime import datetime
from time import time_ns
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, Status, StatusCode

from .._core.delivery import Delivery
from .._core.kill import abandoned_count
from .._stop.told import By
from ..report import Report
from ..signals import KILL_LEVEL
from ._fields import about_rung, about_signal, about_stop, about_task

LAST_FLUSH = 300
"""Milliseconds for the last spans of a process that is ended by force, of the two seconds for its last words."""
MOST_EVENTS = 20
"""How many of the tasks that resisted are told of in the span of a stop; it may have 128 events in all."""
BUCKETS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 300)
"""Where seconds per rung are counted: graces are seconds to minutes."""


class Instruments:
    """A tracer, and the instruments of a meter."""

    def __init__(
        self, tracer_provider: trace.TracerProvider | None, meter_provider: metrics.MeterProvider | None
    ) -> None:
        self.is_on = True
        self._provider = tracer_provider
        self._told: str | None = None  # when the stop began that was told of last
        version = str(vars(sys.modules["sigtask"])["__version__"])
        self._tracer = trace.get_tracer("sigtask", version, tracer_provider)
        meter = metrics.get_meter("sigtask", version, meter_provider)
        self._signals = meter.create_counter("sigtask.signals", "{signal}", "Signals that tasks were sent")
        self._killed = meter.create_counter("sigtask.tasks.killed", "{task}", "Tasks that were sent a Kill")
        self._killed.add(0)  # so that the first one can be seen as a rise
        self._rungs = meter.create_histogram(
            "sigtask.rung.duration", "s", "How long a rung took", explicit_bucket_boundaries_advisory=BUCKETS
        )
        meter.create_observable_up_down_counter(
            "sigtask.coroutines.abandoned", [self._abandoned], "{coroutine}", "Coroutines that even a Kill did not end"
        )

    def _abandoned(self, options: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
        return [metrics.Observation(abandoned_count())] if self.is_on else []

    def signal(self, delivery: Delivery) -> None:
        """A signal has been sent to a task."""
        about = about_signal(delivery)
        if about is None:
            return
        assert delivery.host is not None
        task: Any = delivery.host()
        self._signals.add(1, {"sigtask.signal.class": about["sigtask.signal.class"]})
        if delivery.level >= KILL_LEVEL and not task.done() and task._mailbox().doom in (None, delivery):
            self._killed.add(1)
        span = _span_of(task)
        if span.is_recording():
            span.add_event("sigtask.signal", about)

    def stop(self, report: Report, by: By) -> None:
        """A ladder has finished, or the process is ended by force. Each stop is reported once."""
        if by != "force" or report.began is None or report.began != self._told:
            self._told = report.began
            self._tell(report, failed=by == "force")
        if by == "force":
            flush = getattr(self._provider or trace.get_tracer_provider(), "force_flush", None)
            if flush is not None:
                flush(LAST_FLUSH)

    def _tell(self, report: Report, *, failed: bool) -> None:
        began = time_ns() - _ns(report.seconds)
        if report.began is not None:
            began = _ns(datetime.fromisoformat(report.began).timestamp())
        about = {**about_stop(report), "process.pid": report.pid}
        span = self._tracer.start_span("sigtask.stop", attributes=about, start_time=began)
        at, end = began, began + _ns(report.seconds)
        for rung in report.rungs:
            span.add_event("sigtask.rung", about_rung(rung), at)
            at += _ns(rung.seconds)
            if not rung.skipped:
                self._rungs.record(rung.seconds, {"sigtask.rung.name": rung.name})
        for task in report.resisted[:MOST_EVENTS]:
            span.add_event("sigtask.task.resisted", about_task(task), end)
        if failed or report.survivors:
            words = report.note or f"{len(report.survivors)} tasks are still running"
            span.set_status(Status(StatusCode.ERROR, words))
        span.end(end)


def _span_of(task: asyncio.Task[Any]) -> Span:
    """The current span of the task. On Python 3.11 only the running task's: others do not give their context."""
    get_context = getattr(task, "get_context", None)
    if get_context is not None:
        return get_context().copy().run(trace.get_current_span)  # type: ignore[no-any-return]
    try:
        is_running = asyncio.current_task() is task
    except RuntimeError:  # no loop runs
        is_running = False
    return trace.get_current_span() if is_running else trace.INVALID_SPAN


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
