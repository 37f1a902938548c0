"""What is told of signals and stops: log records with fields, and spans, events and metrics for OpenTelemetry."""

import asyncio
import logging
import os
import sys
import textwrap

import pytest
from tasks import end_of, forever, started

from sigtask import Drain, Interrupt, Kill, Ladder, Terminate, requested, stop, to_thread
from sigtask.telemetry import instrument, log_signals
from sigtask.telemetry import watch as watch_all

FIRM = Ladder((Terminate, 0.2), Kill)


@pytest.fixture
def undone():
    """What ends each telemetry that a test has begun."""
    ends = []
    yield ends.append
    for end in ends:
        end()


async def swallows():
    while True:
        try:
            await forever()
        except Terminate:
            pass


class Reason:
    def __str__(self):
        raise ValueError("no words")


# -- logs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def records(undone, caplog):
    """`records(event)` gives the fields of what was logged so far under that name, without the prefix."""
    undone(log_signals())
    caplog.set_level(logging.DEBUG, "sigtask")

    def records(event):
        found = [vars(one) for one in caplog.records if vars(one).get("sigtask.event") == event]
        return [{k.removeprefix("sigtask."): v for k, v in one.items() if k.startswith("sigtask.")} for one in found]

    records.text = lambda: [one.getMessage() for one in caplog.records]
    return records


async def test_a_signal_is_logged_with_its_class_its_reason_and_its_task(records):
    task = await started(forever(), name="worker-1")
    task.terminate("disk full")
    await end_of(task)
    me = asyncio.current_task().get_name()
    assert records("signal") == [
        {
            "event": "signal",
            "signal.class": "Terminate",
            "signal.level": 30,
            "signal.reason": "disk full",
            "signal.sender": me,
            "task.name": "worker-1",
            "task.coroutine": "forever",
        }
    ]
    assert records.text() == [f"Terminate (disk full) to worker-1, from {me}"]


async def test_a_stop_is_logged_in_numbers_and_is_a_warning_if_anyone_resisted(records, caplog):
    await stop(await started(swallows()), ladder=FIRM, reason="deploying")
    [fields] = records("stop")
    assert fields.pop("stop.seconds") > 0.1
    assert fields == {
        "event": "stop",
        "stop.ladder": str(FIRM),
        "stop.reason": "deploying",
        "stop.tasks": 1,
        "stop.resisted": 1,
        "stop.survivors": 0,
    }
    assert caplog.records[-1].levelname == "WARNING"


async def test_a_reason_without_words_and_a_subclass_are_logged(records):
    class Reload(Interrupt):
        pass

    task = await started(forever())
    task.send_signal(Reload(Reason()))
    await end_of(task)
    [fields] = records("signal")
    assert fields["signal.class"] == "Reload" and "Reason object at" in fields["signal.reason"]


async def test_a_record_is_one_line_whatever_a_name_and_a_reason_have_in_them(records):
    task = await started(forever(), name="job\x1b[2J")
    task.terminate("full\nCRITICAL Kill (forged) to all")
    await end_of(task)
    [line] = records.text()
    assert (
        line.startswith("Terminate (full\\nCRITICAL Kill (forged) to all) to job\\x1b[2J, from ") and line.isprintable()
    )
    assert records("signal")[0]["signal.reason"] == "full\nCRITICAL Kill (forged) to all"  # for programs, as it is


async def test_nothing_is_logged_below_the_loggers_level_nor_after_the_end(undone, caplog):
    caplog.set_level(logging.INFO, "sigtask")
    end = log_signals(logging.DEBUG)
    task = await started(forever())
    task.terminate()
    await end_of(task)
    end()
    end()  # again: nothing
    caplog.set_level(logging.DEBUG, "sigtask")
    task = await started(forever())
    task.terminate()
    await end_of(task)
    assert caplog.records == []


async def test_a_drain_that_was_only_logged_has_not_been_looked_at(records):
    """R28: the report says that nobody has asked for it."""

    async def busy():
        await forever()

    assert requested(Drain) is None  # who can ask is loaded: a Drain could be heard
    report = await stop(await started(busy()), ladder=Ladder((Drain, 0.1), Kill))
    assert report.rungs[0].unasked


async def test_telemetry_that_fails_is_logged_and_the_signal_arrives(undone, caplog):
    def fails(*args):
        raise RuntimeError("no disk")

    undone(watch_all(fails, fails))
    report = await stop(await started(forever()), ladder=FIRM)
    assert report.tasks[0].ended == "ended by Terminate"
    assert [one.getMessage() for one in caplog.records] == [
        "telemetry of a signal failed; more errors of this kind are logged at DEBUG",
        "telemetry of a stop failed; more errors of this kind are logged at DEBUG",
    ]
    caplog.clear()


async def test_telemetry_that_fails_for_a_thousand_signals_is_one_error(undone, caplog):
    def fails(*args):
        raise RuntimeError("no disk")

    undone(watch_all(fails, fails))
    await stop(*[await started(forever()) for _ in range(1000)], ladder=FIRM)
    told = [one for one in caplog.records if one.name == "sigtask" and "of a signal" in one.getMessage()]
    assert len(told) == 1 and "no disk" in told[0].exc_text
    caplog.clear()


def test_a_level_that_is_no_number_is_a_mistake():
    with pytest.raises(TypeError, match=r"level is 'INFO'; give a number, such as logging\.INFO"):
        log_signals("INFO")
    with pytest.raises(TypeError, match="logger is 'app'; give a logging.Logger"):
        log_signals(logging.INFO, "app")


LOGGED = """
import asyncio, logging, sigtask
class Fields(logging.Handler):
    def emit(self, record):
        fields = {k[8:]: v for k, v in vars(record).items() if k.startswith("sigtask.")}
        print(record.levelname, fields, flush=True)
logging.getLogger("sigtask").addHandler(Fields())
logging.getLogger("sigtask").setLevel("INFO")
async def main():
    print("ready", flush=True)
    await asyncio.Event().wait()
sigtask.run(main(), ladder=sigtask.Ladder.parse("terminate=5s,kill"))
"""


@pytest.mark.os
@pytest.mark.skipif(os.name != "posix", reason="it sends itself a SIGTERM")
async def test_run_logs_each_rung_and_the_report_with_fields(tmp_path):
    (tmp_path / "logged.py").write_text(LOGGED)
    words = [sys.executable, str(tmp_path / "logged.py")]
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe)
    assert await program.stdout.readline() == b"ready\n"
    program.terminate()
    out, _ = await program.communicate()
    rung, report = out.decode().splitlines()
    assert rung == "INFO " + str(
        {
            "event": "rung",
            "rung.name": "terminate",
            "rung.grace": 5.0,
            "stop.reason": "SIGTERM",
            "stop.tasks": 1,
        }
    )
    assert report.startswith("INFO {'event': 'stop', 'stop.ladder': 'terminate=5s,kill=1s', 'stop.reason': 'SIGTERM', ")


# -- OpenTelemetry ----------------------------------------------------------------------------------------------------


@pytest.fixture
def otel(undone):
    """OpenTelemetry, with all that it was told kept in memory."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    class Otel:
        exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
        provider = TracerProvider(shutdown_on_exit=False)
        meters = MeterProvider([reader], shutdown_on_exit=False)

        def spans(self, name):
            return [span for span in self.exporter.get_finished_spans() if span.name == name]

        def metrics(self):
            """Of each metric its unit, and its points: by attributes, the number, or of a histogram count and sum."""
            data = self.reader.get_metrics_data()
            found = data.resource_metrics[0].scope_metrics[0].metrics if data else []
            return {one.name: (one.unit, {_key(p): _value(p) for p in one.data.data_points}) for one in found}

    otel = Otel()
    otel.provider.add_span_processor(SimpleSpanProcessor(otel.exporter))
    otel.end = instrument(tracer_provider=otel.provider, meter_provider=otel.meters)
    undone(otel.end)
    yield otel
    otel.meters.shutdown()


def _key(point):
    return ", ".join(map(str, point.attributes.values()))


def _value(point):
    return (point.count, round(point.sum, 1)) if hasattr(point, "count") else point.value


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no task says what its context is")
async def test_a_signal_is_an_event_of_the_span_that_its_task_is_in(otel):
    async def request():
        with otel.provider.get_tracer("app").start_as_current_span("GET /"):
            await forever()

    task = await started(request(), name="request-1")
    task.terminate("disk full")
    await end_of(task)
    [event] = [event for event in otel.spans("GET /")[0].events if event.name == "sigtask.signal"]
    assert dict(event.attributes) == {
        "sigtask.signal.class": "Terminate",
        "sigtask.signal.level": 30,
        "sigtask.signal.reason": "disk full",
        "sigtask.signal.sender": asyncio.current_task().get_name(),
        "sigtask.task.name": "request-1",
        "sigtask.task.coroutine": request.__qualname__,
    }


async def test_a_signal_to_the_running_task_is_an_event_of_its_span(otel):
    async def request():
        with otel.provider.get_tracer("app").start_as_current_span("GET /"):
            asyncio.current_task().interrupt("enough")
            await forever()

    await end_of(await started(request()))
    assert "sigtask.signal" in [event.name for event in otel.spans("GET /")[0].events]


async def test_a_stop_is_a_span_with_an_event_for_each_rung_and_for_who_resisted(otel):
    await stop(await started(forever()), await started(swallows(), name="deaf"), ladder=FIRM, reason="deploying")
    [span] = otel.spans("sigtask.stop")
    assert span.attributes["sigtask.stop.reason"] == "deploying"
    assert (span.attributes["sigtask.stop.tasks"], span.attributes["process.pid"]) == (2, os.getpid())
    assert 0.15e9 < span.end_time - span.start_time < 5e9
    *rungs, resisted = span.events
    assert [(one.name, one.attributes["sigtask.rung.name"]) for one in rungs] == [
        ("sigtask.rung", "terminate"),
        ("sigtask.rung", "kill"),
    ]
    assert rungs[1].timestamp - rungs[0].timestamp >= 0.15e9
    assert (resisted.name, resisted.attributes["sigtask.task.name"]) == ("sigtask.task.resisted", "deaf")
    assert "in swallows" in resisted.attributes["sigtask.task.stack"][0]
    assert span.status.is_unset


async def test_a_stop_is_a_span_below_the_one_that_its_caller_is_in(otel):
    with otel.provider.get_tracer("app").start_as_current_span("deploy") as outer:
        await stop(await started(forever()), ladder=FIRM)
    [span] = otel.spans("sigtask.stop")
    assert span.parent.span_id == outer.get_span_context().span_id


async def test_a_stop_that_leaves_somebody_running_is_an_error(otel):
    task = await started(swallows())
    await stop(task, ladder=Ladder((Terminate, 0.1)))
    [span] = otel.spans("sigtask.stop")
    assert (span.status.is_ok, span.status.description) == (False, "1 tasks are still running")
    task.kill()
    await end_of(task)


async def test_signals_seconds_and_the_killed_are_counted(otel):
    await stop(await started(forever()), await started(swallows()), ladder=FIRM)
    task = await started(forever())
    task.kill()
    task.kill()
    await end_of(task)
    task.kill()  # it is done: refused
    metrics = otel.metrics()
    assert metrics["sigtask.signals"] == ("{signal}", {"Terminate": 2, "Kill": 4})
    assert metrics["sigtask.tasks.killed"] == ("{task}", {"": 2})
    unit, seconds = metrics["sigtask.rung.duration"]
    assert (unit, {name: count for name, (count, _) in seconds.items()}) == ("s", {"terminate": 1, "kill": 1})
    assert seconds["terminate"][1] >= 0.2
    assert metrics["sigtask.coroutines.abandoned"][0] == "{coroutine}"


async def test_a_task_that_waits_for_a_function_in_a_thread_is_sent_one_signal_and_not_two(otel):
    import threading

    there = threading.Event()
    task = await started(to_thread(there.wait, 0.2))
    task.terminate()
    await end_of(task)
    assert otel.metrics()["sigtask.signals"][1] == {"Terminate": 1}


async def test_after_the_end_nothing_is_told(otel):
    otel.end()
    await stop(await started(forever()), ladder=FIRM)
    assert otel.spans("sigtask.stop") == []
    assert otel.metrics() == {"sigtask.tasks.killed": ("{task}", {"": 0})}  # there from the beginning


def test_without_opentelemetry_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "sigtask.telemetry._otel", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sigtask\[otel\]'"):
        instrument()


FORCED = """
import asyncio, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
import sigtask, sigtask.telemetry
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(
    formatter=lambda span: f"{span.name}: {span.status.status_code.name}: {span.status.description}\\n")))
trace.set_tracer_provider(provider)
sigtask.telemetry.instrument()
async def main():
    print("ready", flush=True)
    time.sleep(60)
sigtask.run(main(), ladder=sigtask.Ladder.parse("terminate=0.1s"))
"""


@pytest.mark.os
@pytest.mark.skipif(os.name != "posix", reason="it sends itself a SIGTERM")
async def test_r30_of_a_process_that_is_ended_by_force_the_last_span_gets_out(tmp_path):
    pytest.importorskip("opentelemetry.sdk")
    (tmp_path / "forced.py").write_text(textwrap.dedent(FORCED))
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(tmp_path / "forced.py"), stdout=pipe, stderr=pipe
    )
    assert await program.stdout.readline() == b"ready\n"
    program.terminate()
    out, _ = await program.communicate()
    assert out.decode().startswith("sigtask.stop: ERROR: the process did not end by itself in the ladder's time")
    assert program.returncode == 143
