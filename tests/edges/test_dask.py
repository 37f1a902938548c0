"""Jobs on a Dask cluster: everything but processes, on a cluster inside this one (`make cluster` has real ones)."""

import asyncio
import logging
import pickle
import threading
import time

import pytest

pytest.importorskip("distributed")

from distributed import Client, LocalCluster, Worker, wait  # noqa: E402

import sigtask  # noqa: E402
import sigtask.dask  # noqa: E402
from sigtask import Drain, Interrupt, Kill, Ladder, Signal, Terminate  # noqa: E402
from sigtask._core import listening  # noqa: E402
from sigtask.dask import Stopped, _client, _wire  # noqa: E402

PATIENCE = 30.0
LOCK = threading.Lock()


class DiskFull(Terminate):
    """Of a module that the worker can import."""


class Preempted(Interrupt):
    level = 25


class Board:
    """What jobs and tests tell each other: all of it is one process here."""

    def __init__(self):
        self.begun = []
        self.said = []
        self.news = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.go = threading.Event()

    def say(self, what):
        self.said.append(what)
        self.loop.call_soon_threadsafe(self.news.set)

    async def heard(self, *what):
        """Wait until all of that has been said."""
        await self.until(lambda: set(what) <= set(self.said))

    async def until(self, condition):
        """Wait until what has been said fulfils that."""
        while not condition():
            self.news.clear()
            await self.news.wait()


board: Board


@pytest.fixture(autouse=True)
def quiet():
    """Dask logs what its jobs raise and how its workers come and go."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("distributed").setLevel(logging.WARNING)


def on_cluster(main, workers=1, threads=4, install=False):
    """Run `main(client)` in one loop with a scheduler and its workers."""

    async def bounded():
        global board
        board = Board()
        if install:
            sigtask.install()
        async with (
            asyncio.timeout(PATIENCE),
            LocalCluster(
                processes=False,
                n_workers=workers,
                threads_per_worker=threads,
                asynchronous=True,
                dashboard_address=":0",
            ) as cluster,
            Client(cluster, asynchronous=True) as client,
        ):
            try:
                return await main(client)
            finally:
                board.go.set()

    with asyncio.Runner() as runner:
        return runner.run(bounded())


def only(report):
    [row] = report.tasks
    return row


# -- jobs -------------------------------------------------------------------------------------------------------------


async def polite():
    board.say("begun")
    with sigtask.accept(Drain), sigtask.catch(Drain) as caught:
        await asyncio.sleep(PATIENCE)
    return "partial", caught.signal.reason, sigtask.time_left()


async def patient():
    board.say("begun")
    await asyncio.sleep(PATIENCE)


async def short():
    board.say("begun")


async def numbered(number):
    board.say(number)
    await asyncio.sleep(PATIENCE)


async def catching():
    board.say("begun")
    with sigtask.catch(Signal) as caught:
        await asyncio.sleep(PATIENCE)
    signal = caught.signal
    board.say("caught")
    return type(signal).__name__, type(signal).__mro__[1].__name__, signal.level, signal.reason


async def telling():
    """Says what ended it, to a board: nobody holds its future."""
    board.say("begun")
    try:
        await asyncio.sleep(PATIENCE)
    except Signal as signal:
        board.say((type(signal), signal.reason))
        raise


async def masked():
    board.say("begun")
    with sigtask.mask(Terminate):
        while sigtask.requested(Terminate) is None:
            await asyncio.sleep(0.001)
        board.say("held")
    await asyncio.sleep(PATIENCE)  # what was held comes at an await, not at the end of the block


async def asking_for_more():
    board.say("begun")
    with sigtask.catch(Terminate):
        await asyncio.sleep(PATIENCE)
    granted = sigtask.extend(5)
    await asyncio.sleep(0.2)
    return granted


async def spawning():
    kinds = []

    async def child():
        kinds.append(isinstance(asyncio.current_task(), sigtask.Task))

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
    return kinds


def plain():
    board.say("begun")
    try:
        while True:
            time.sleep(0.001)
    except Terminate as signal:
        return f"plain, {signal.reason}"


def plain_and_asking():
    board.say("begun")
    while sigtask.requested(Drain) is None:
        sigtask.checkpoint()
        time.sleep(0.001)
    return sigtask.requested(Drain).reason


def deaf():
    """In one long call, which no exception can enter."""
    board.say("begun")
    board.go.wait(PATIENCE)


def which_worker():
    from distributed import get_worker

    return get_worker().address


def long_or_short(number):
    """It listens to a Drain; the first takes its time all the same."""
    board.say(number)
    while sigtask.requested(Drain) is None:
        time.sleep(0.001)
    if number == 0:
        board.go.wait(PATIENCE)


def failing():
    raise LookupError("of its own")


# -- the ladder -------------------------------------------------------------------------------------------------------


def test_a_polite_job_wraps_up_and_its_partial_result_comes_back():
    async def main(client):
        job = sigtask.dask.submit(client, polite)
        await board.heard("begun")
        report = await sigtask.dask.stop(job, ladder=Ladder((Drain, 20), Kill), reason="we close")
        return report, await job

    report, (what, reason, left) = on_cluster(main)
    assert (what, reason) == ("partial", "we close")
    assert 0 < left <= 20
    row = only(report)
    assert (row.ended, row.rung, report.reason) == ("returned", "drain", "we close")
    assert row.note.startswith("at inproc://")
    assert [(rung.name, rung.sent, rung.ended) for rung in report.rungs] == [("drain", 1, 1)]


def test_a_signal_that_ends_a_job_comes_out_of_its_future_and_cancels_nobody_there():
    async def main(client):
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")
        report = await sigtask.dask.stop(job, ladder=Ladder((Terminate, 20)), reason=("disk", 7))
        with pytest.raises(Stopped) as caught:
            await job
        return only(report), caught.value

    row, error = on_cluster(main)
    assert (row.ended, row.rung) == ("ended by Terminate", "terminate")
    assert (type(error.signal), error.signal.reason, error.began) == (Terminate, ("disk", 7), True)
    assert not isinstance(error, asyncio.CancelledError)


class Records(logging.Handler):
    """What Dask's workers log."""

    def __init__(self):
        super().__init__()
        self.all = []

    def emit(self, record):
        self.all.append((record.levelname, record.getMessage()))


@pytest.fixture
def worker_log():
    logger, records = logging.getLogger("distributed.worker"), Records()
    logger.addHandler(records)
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(records)
    logger.setLevel(logging.NOTSET)


async def fails():
    raise ValueError("a bug")


async def stop_one_and_have_one_fail(client):
    job = sigtask.dask.submit(client, patient)
    await board.heard("begun")
    await sigtask.dask.stop(job, ladder=Ladder((Terminate, 20)), reason="deploy")
    with pytest.raises(ValueError, match="a bug"):
        await sigtask.dask.submit(client, fails)
    return job.key


def test_the_worker_logs_a_job_that_was_stopped_in_one_calm_line(worker_log):
    key = on_cluster(stop_one_and_have_one_fail, workers=2)
    [(level, text)] = [one for one in worker_log.all if key in one[1]]
    assert (level, text.count("\n")) == ("INFO", 0)
    assert text.startswith(f"the job {key} at inproc://") and " was ended by Terminate: deploy" in text


def test_the_worker_logs_a_job_that_failed_as_ever(worker_log):
    on_cluster(stop_one_and_have_one_fail)
    [failed] = [text for level, text in worker_log.all if level == "ERROR"]
    assert "Compute Failed" in failed and "a bug" in failed


def test_a_worker_that_has_closed_leaves_dasks_log_as_it_was(worker_log):
    before = list(logging.getLogger("distributed.worker").filters)
    on_cluster(stop_one_and_have_one_fail)
    assert logging.getLogger("distributed.worker").filters == before


def test_the_row_of_a_job_names_its_function():
    async def main(client):
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")
        return await sigtask.dask.stop(job, ladder=Ladder((Terminate, 20)))

    report = on_cluster(main)
    assert only(report).coroutine == "patient"
    assert report.began is not None


def test_a_plain_function_is_told_in_its_thread():
    async def main(client):
        jobs = [sigtask.dask.submit(client, plain), sigtask.dask.submit(client, plain_and_asking)]
        await board.heard("begun")
        await started(client, jobs)
        report = await sigtask.dask.stop(jobs, ladder=Ladder((Drain, 3), (Terminate, 20)), reason="tired")
        return report, await asyncio.gather(*jobs)

    report, results = on_cluster(main)
    assert results == ["plain, tired", "tired"]
    assert [(row.ended, row.rung) for row in report.tasks] == [("returned", "terminate"), ("returned", "drain")]


async def started(client, jobs):
    """Wait until all of them run."""
    while True:
        running = [key for keys in (await client.processing()).values() for key in keys]
        if all(job.key in running for job in jobs) and len(board.said) >= len(jobs):
            return


def test_the_report_of_a_crowd_goes_before_what_dask_is_told_of_each():
    async def main(client):
        said = []
        handlers = client.cluster.scheduler.stream_handlers
        jobs = sigtask.dask.map(client, numbered, range(200))
        await board.heard(*range(200))
        for op in ("sigtask-report", "task-erred"):
            handlers[op] = lambda op=op, call=handlers[op], **message: (said.append(op), call(**message))[1]
        report = await sigtask.dask.stop(jobs, ladder=Ladder((Terminate, 20)))
        await client.gather(jobs, errors="skip")
        return report, said

    report, said = on_cluster(main, threads=200)
    assert [row.ended for row in report.tasks] == ["ended by Terminate"] * 200
    assert said.count("task-erred") == 200
    assert said.index("sigtask-report") < 100


def test_a_mask_holds_a_ladder_of_another_machine_back():
    async def main(client):
        job = sigtask.dask.submit(client, masked)
        await board.heard("begun")
        report = await sigtask.dask.stop(job, ladder=Ladder((Terminate, 20)))
        return only(report).ended, board.said

    assert on_cluster(main) == ("ended by Terminate", ["begun", "held"])


def test_a_job_may_ask_for_more_time_and_everybody_waits_for_it():
    async def main(client):
        job = sigtask.dask.submit(client, asking_for_more)
        await board.heard("begun")
        report = await sigtask.dask.stop(job, ladder=Ladder((Terminate, 0.1), Kill, limit=3))
        return only(report).ended, await job

    assert on_cluster(main) == ("returned", 3.0)


def test_r26_a_drain_that_no_worker_could_hear_is_skipped(monkeypatch):
    monkeypatch.setattr("sigtask._stop.sending.could_be_heard", lambda: False)

    async def main(client):
        jobs = sigtask.dask.map(client, numbered, range(4))
        await board.heard(0, 1, 2, 3)
        return await sigtask.dask.stop(jobs, ladder=Ladder((Drain, 20), (Terminate, 20)))

    report = on_cluster(main, workers=2)
    assert [(rung.name, rung.sent, rung.skipped) for rung in report.rungs] == [
        ("drain", 0, True),
        ("terminate", 4, False),
    ]
    assert report.totals == {"ended by Terminate": 4}
    assert len({row.note for row in report.tasks}) == 2  # each names its worker
    assert report.seconds < 10


def test_r26_a_job_that_came_by_value_and_has_not_asked_for_a_drain_yet_gets_it_all_the_same(monkeypatch):
    """As from a notebook to a worker: what could be heard there, no module there says."""
    monkeypatch.setattr(listening, "_taken", set())
    monkeypatch.setattr(listening, "_look_through_modules", lambda: None)
    names = {"__name__": "a_notebook", "begun": begun_and_told, "sigtask": sigtask}
    exec("def job():\n    begun()\n    return sigtask.requested(sigtask.Drain).reason", names)

    async def main(client):
        job = sigtask.dask.submit(client, names["job"])
        await board.heard("begun")
        stopping = asyncio.create_task(sigtask.dask.stop(job, ladder=Ladder((Drain, 20)), reason="we close"))
        plugin = next(iter(client.cluster.workers.values())).plugins["sigtask"]
        while not plugin._climbing:
            await asyncio.sleep(0.001)
        board.go.set()
        return (await stopping).rungs[0].skipped, await job

    assert on_cluster(main) == (False, "we close")


def begun_and_told():
    board.say("begun")
    board.go.wait(PATIENCE)


def test_a_ladder_within_a_ladder_is_clipped_to_what_is_left_of_that():
    async def main(client):
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")

        async def stopping_inside():
            try:
                await asyncio.sleep(PATIENCE)
            finally:
                board.said.append((await sigtask.dask.stop(job, ladder=Ladder((Terminate, 100)))).ladder)

        task = asyncio.create_task(stopping_inside())
        await asyncio.sleep(0)
        await sigtask.stop(task, ladder=Ladder((Terminate, 5)))
        return board.said[-1]

    ladder = on_cluster(main, install=True)
    assert Ladder.parse(ladder).total <= 5


def test_cancelling_stop_leaves_the_jobs_where_they_are():
    async def main(client):
        job = sigtask.dask.submit(client, masked_for_good)
        await board.heard("begun")
        stopping = asyncio.create_task(sigtask.dask.stop(job, ladder=Ladder((Terminate, 0.5), Kill)))
        await board.heard("held")
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        plugin = next(iter(client.cluster.workers.values())).plugins["sigtask"]
        while plugin._climbing:
            await asyncio.sleep(0.001)
        board.go.set()
        return await job

    assert on_cluster(main) == "no ladder"


async def masked_for_good():
    board.say("begun")
    with sigtask.catch(Terminate), sigtask.mask(Terminate):
        while sigtask.requested(Terminate) is None:
            await asyncio.sleep(0.001)
        board.say("held")
        while not board.go.is_set():
            await asyncio.sleep(0.001)
        left = sigtask.time_left()
    return "no ladder" if left is None else left


# -- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (Interrupt("look here"), ("Interrupt", "Signal", 20, "look here")),
        (DiskFull({"free": 0}), ("DiskFull", "Terminate", 30, {"free": 0})),
        (Preempted, ("Preempted", "Interrupt", 25, None)),
    ],
)
def test_a_signal_arrives_with_its_class_and_reason(signal, expected):
    async def main(client):
        job = sigtask.dask.submit(client, catching)
        await board.heard("begun")
        sigtask.dask.send_signal([job], signal)
        return await job

    assert on_cluster(main) == expected


def test_a_class_the_worker_cannot_import_arrives_as_its_base_with_its_name():
    sent = _wire.encoded(DiskFull("full", sender="me"))
    sent["whole"] = sent["cls"]["pickle"] = b"\x80\x04cno_such_module\nDiskFull\n."
    came = _wire.decoded(sent)
    assert isinstance(came, Terminate) and type(came) is not Terminate
    assert (type(came).__name__, came.level, came.reason, came.sender) == ("DiskFull", 30, "full", "me")
    ladder = _wire.ladder_sent(Ladder((Preempted, 1), Kill))
    ladder["rungs"][0][0]["pickle"] = b"nothing that can be read"
    assert str(_wire.ladder_read(ladder)) == "preempted=1s,kill=1s"
    assert _wire.ladder_read(ladder).rungs[0].signal.level == 25


def test_a_class_the_worker_could_not_import_comes_back_as_itself():
    sent = _wire.encoded(DiskFull("full"))
    readable = sent["cls"]["pickle"]
    sent["whole"] = sent["cls"]["pickle"] = b"nothing that can be read"
    back = _wire.encoded(_wire.decoded(sent))
    back["cls"]["pickle"] = readable
    assert type(_wire.decoded(back)) is DiskFull


def test_a_reason_that_does_not_pickle_arrives_as_its_text():
    lock = threading.Lock()
    came = _wire.decoded(_wire.encoded(DiskFull(lock)))
    assert (type(came), came.reason) == (DiskFull, str(lock))


def test_stopped_pickles_with_its_signal():
    error = pickle.loads(pickle.dumps(Stopped("key", DiskFull("full"), "tcp://somewhere", began=False)))
    assert (error.key, type(error.signal), error.signal.reason, error.worker) == (
        "key",
        DiskFull,
        "full",
        "tcp://somewhere",
    )
    assert "was not started at tcp://somewhere" in str(error)


def test_a_kill_sent_to_a_job_ends_it():
    async def main(client):
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")
        sigtask.dask.send_signal(job, Kill("now"))
        with pytest.raises(Stopped) as caught:
            await job
        return caught.value.signal

    signal = on_cluster(main)
    assert (type(signal), signal.reason) == (Kill, "now")


# -- Dask's own ways --------------------------------------------------------------------------------------------------


def test_dasks_cancel_reaches_the_job_as_terminate():
    async def main(client):
        job = sigtask.dask.submit(client, telling)
        await board.heard("begun")
        await job.cancel()
        await board.heard((Terminate, "its Dask future was cancelled"))

    on_cluster(main)


def test_a_job_whose_client_is_gone_is_terminated_with_that_as_its_reason():
    async def main(client):
        async with Client(client.scheduler.address, asynchronous=True) as other:
            job = sigtask.dask.submit(other, telling)
            await board.heard("begun")
        await board.heard((Terminate, "the client that wanted it is gone"))
        del job

    on_cluster(main)


def test_a_worker_that_closes_terminates_its_jobs_and_none_is_started_elsewhere():
    async def main(client):
        job = sigtask.dask.submit(client, telling)
        await board.heard("begun")
        [(address, _)] = [(where, keys) for where, keys in (await client.processing()).items() if keys]
        worker = next(one for one in client.cluster.workers.values() if one.address == address)
        await worker.close(reason="for the test")
        with pytest.raises(Stopped, match="the worker closes"):
            await job
        return board.said

    assert on_cluster(main, workers=2) == ["begun", (Terminate, "the worker closes")]


def test_dasks_own_tasks_stay_what_they_are_and_a_jobs_children_are_ours():
    async def main(client):
        kinds = await sigtask.dask.submit(client, spawning)
        return kinds, isinstance(asyncio.create_task(asyncio.sleep(0)), sigtask.Task)

    assert on_cluster(main) == ([True], False)


def test_a_plain_function_can_ask_dask_for_its_worker():
    async def main(client):
        return await sigtask.dask.submit(client, which_worker)

    assert on_cluster(main).startswith("inproc://")


def test_what_a_job_raises_comes_out_of_its_future():
    async def main(client):
        job = sigtask.dask.submit(client, failing)
        with pytest.raises(LookupError, match="of its own"):
            await job
        return only(await sigtask.dask.stop(job)).ended

    assert on_cluster(main) == "ended before"


# -- not yet started, and not again -----------------------------------------------------------------------------------


def test_a_job_not_yet_started_never_starts():
    async def main(client):
        first = sigtask.dask.submit(client, deaf)
        await board.heard("begun")
        others = sigtask.dask.map(client, numbered, range(5))
        report = await sigtask.dask.stop(others, ladder=Ladder((Terminate, 20)), reason="not needed")
        board.go.set()
        await first
        await sigtask.dask.submit(client, spawning)  # what was ready before it would have run before it
        return {row.ended for row in report.tasks}, board.said, {job.status for job in others}

    assert on_cluster(main, threads=1) == ({"never started"}, ["begun"], {"cancelled"})


def test_a_job_let_go_of_between_its_start_and_its_first_line_never_begins():
    """Dask calls a job executing one turn before anything of it runs."""

    async def main(client):
        await sigtask.dask.install(client)
        plugin = next(iter(client.cluster.workers.values())).plugins["sigtask"]
        plugin.transition("job-1", "executing", "released")
        with pytest.raises(Stopped, match="was not started"):
            await plugin.run("job-1", patient)
        plugin.transition("job-2", "executing", "released")
        plugin.transition("job-2", "cancelled", "released")
        return board.said, plugin._early

    assert on_cluster(main) == ([], {})


def test_r7_a_job_signalled_before_it_begins_never_does():
    async def main(client):
        first = sigtask.dask.submit(client, deaf)
        await board.heard("begun")
        drained = sigtask.dask.submit(client, catching)
        second = sigtask.dask.submit(client, numbered, 2)
        await sigtask.dask.install(client)
        sigtask.dask.send_signal(second, Interrupt("not now"))
        await sigtask.dask.stop([sigtask.dask.submit(client, numbered, 3)])  # comes after it
        board.go.set()
        await first
        await board.until(lambda: board.said.count("begun") == 2)  # before or after `second`: Dask orders them
        sigtask.dask.send_signal(drained, Interrupt)
        await drained
        with pytest.raises(Stopped, match="was not started") as caught:
            await second
        return caught.value.signal.reason, board.said

    assert on_cluster(main, threads=1) == ("not now", ["begun", "begun", "caught"])


def test_a_job_told_to_stop_is_not_started_elsewhere_when_its_worker_goes():
    async def main(client):
        job = sigtask.dask.submit(client, masked_for_good)
        await board.heard("begun")
        stopping = asyncio.create_task(sigtask.dask.stop(job, ladder=Ladder((Terminate, 20)), reason="enough"))
        await board.heard("held")
        scheduler = client.cluster.scheduler
        [address] = [where for where, keys in (await client.processing()).items() if keys]
        await scheduler.remove_worker(address, stimulus_id="for-the-test", expected=True)  # Dask starts it anew
        report = await stopping
        with pytest.raises(Stopped, match="was not started"):
            await job
        return only(report), board.said.count("begun")

    row, begun = on_cluster(main, workers=2)
    assert begun == 1
    assert row.ended == "still running" and "not confirmed dead" in row.note and "no nanny" in row.note


def test_a_result_lost_with_the_only_worker_is_not_computed_again_by_one_that_joins_then():
    async def main(client):
        job = sigtask.dask.submit(client, short)
        await wait(job)
        [address] = client.cluster.scheduler.workers
        await client.cluster.scheduler.remove_worker(address, stimulus_id="for-the-test", expected=True)
        async with Worker(client.cluster.scheduler_address):
            with pytest.raises(Stopped, match="lost with its worker"):
                await job
        return board.said.count("begun")

    assert on_cluster(main) == 1


def test_a_job_told_to_stop_is_not_stolen_by_a_worker_that_has_become_idle():
    async def main(client):
        first = sigtask.dask.submit(client, long_or_short, 0)
        await board.heard(0)
        others = sigtask.dask.map(client, long_or_short, range(1, 8))
        await board.heard(1)
        stopping = asyncio.create_task(sigtask.dask.stop([first, *others], ladder=Ladder((Drain, 20))))
        scheduler = client.cluster.scheduler
        while len(scheduler.idle) != 1:
            await asyncio.sleep(0.001)
        scheduler.extensions["stealing"].balance()  # as Dask does now and then
        for _ in range(3):  # there and back: what it has set in motion has come to rest
            await client.run(len, "")
        begun = sorted(board.said)
        board.go.set()
        return begun, await stopping

    begun, report = on_cluster(main, workers=2, threads=1)
    assert len(begun) == 2
    assert sorted(row.ended for row in report.tasks) == ["never started"] * 6 + ["returned"] * 2


def test_a_job_that_comes_while_the_plugin_does_is_known_to_it():
    async def main(client):
        installing = asyncio.ensure_future(sigtask.dask.install(client))
        scheduler = client.cluster.scheduler
        while "sigtask" not in scheduler.plugins:
            await asyncio.sleep(0)
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")
        await installing
        return scheduler.tasks[job.key].suspicious == scheduler.allowed_failures

    assert on_cluster(main)


def test_a_job_whose_worker_dies_is_started_once():
    async def main(client):
        from distributed import KilledWorker

        job = sigtask.dask.submit(client, masked_for_good)
        await board.heard("begun")
        await sigtask.dask.install(client)
        [address] = [where for where, keys in (await client.processing()).items() if keys]
        await client.cluster.scheduler.remove_worker(address, stimulus_id="for-the-test")
        with pytest.raises(KilledWorker):
            await job
        return board.said.count("begun")

    assert on_cluster(main, workers=2) == 1


# -- what cannot be stopped -------------------------------------------------------------------------------------------


def test_without_a_nanny_a_thread_that_goes_on_is_reported_as_still_running():
    async def main(client):
        job = sigtask.dask.submit(client, deaf)
        await board.heard("begun")
        return await sigtask.dask.stop(job, ladder=Ladder((Terminate, 0.1), (Kill, 0.1)))

    report = on_cluster(main)
    row = only(report)
    assert (row.ended, row.rung) == ("still running", None)
    assert "no nanny, which alone could kill" in row.note
    assert [thread.name for thread in report.threads] and report.survivors == (row,)


def test_a_task_of_dasks_own_is_said_to_take_no_signals():
    async def main(client):
        theirs = client.submit(deaf, pure=False)
        await board.heard("begun")
        ours = sigtask.dask.submit(client, patient)
        return await sigtask.dask.stop([theirs, ours], ladder=Ladder((Terminate, 5)))

    report = on_cluster(main)
    assert [row.ended for row in report.tasks][0] == "still running"
    assert "sigtask.dask.submit()" in report.tasks[0].note


def test_a_scheduler_that_does_not_answer_costs_a_bounded_time(monkeypatch):
    monkeypatch.setattr(_client, "FORCE_WITHIN", 0.2)

    async def main(client):
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")
        await sigtask.dask.install(client)

        async def silence(**request):
            await asyncio.sleep(PATIENCE)

        client.cluster.scheduler.handlers["sigtask_answer"] = silence
        return await sigtask.dask.stop(job, ladder=Ladder((Terminate, 0.1)))

    report = on_cluster(main)
    assert only(report).ended == "still running"
    assert "the scheduler did not answer" in str(report) and "not confirmed dead" in str(report)


def test_a_worker_without_the_plugin_is_named():
    async def main(client):
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")
        await sigtask.dask.install(client)
        client.cluster.scheduler.plugins["sigtask"]._ready.clear()
        return only(await sigtask.dask.stop(job, ladder=Ladder((Terminate, 0.1))))

    row = on_cluster(main)
    assert row.ended == "still running" and "no sigtask plugin" in row.note


def test_a_job_brings_the_plugin_to_a_worker_that_lacks_it():
    async def main(client):
        await sigtask.dask.install(client)
        worker = next(iter(client.cluster.workers.values()))
        del worker.plugins["sigtask"]
        job = sigtask.dask.submit(client, polite)
        await board.heard("begun")
        await sigtask.dask.stop(job, ladder=Ladder((Drain, 20)), reason="late")
        return (await job)[1]

    assert on_cluster(main) == "late"


def test_another_version_on_the_scheduler_is_an_error_that_says_so():
    async def main(client):
        await sigtask.dask.install(client)
        client.cluster.scheduler.handlers["sigtask_hello"] = lambda: {"wire": 99, "workers": {}}
        async with Client(client.scheduler.address, asynchronous=True) as other:
            with pytest.raises(RuntimeError, match="kind 99.*install the same version on both"):
                await sigtask.dask.install(other)

    on_cluster(main)


def test_a_worker_with_another_version_is_named():
    async def main(client):
        job = sigtask.dask.submit(client, patient)
        await board.heard("begun")
        await sigtask.dask.install(client)
        ready = client.cluster.scheduler.plugins["sigtask"]._ready
        ready.update(dict.fromkeys(ready, 99))
        return only(await sigtask.dask.stop(job, ladder=Ladder((Terminate, 0.1))))

    row = on_cluster(main)
    assert row.ended == "still running" and "another version of sigtask" in row.note


# -- workers that retire -----------------------------------------------------------------------------------------------


def two(client):
    return sorted(client.cluster.scheduler.workers)


def submitted_at(client, worker, fn, *args):
    """As Dask places it: there at first, and elsewhere if need be."""
    return sigtask.dask.submit(client, fn, *args, workers=[worker], allow_other_workers=True)


def test_a_worker_that_retires_drains_its_jobs_first_and_their_partial_results_stay():
    async def main(client):
        gone, other = two(client)
        job = submitted_at(client, gone, polite)
        await board.heard("begun")
        retired = await client.retire_workers([gone])
        return list(retired) == [gone], two(client) == [other], (await job)[:2], board.said

    assert on_cluster(main, workers=2) == (True, True, ("partial", "its worker retires"), ["begun"])


def test_the_ladder_of_workers_that_retire_is_the_clusters_own_to_choose():
    async def main(client):
        await sigtask.dask.install(client, retire=Ladder((Interrupt, 20)))
        gone, _ = two(client)
        job = submitted_at(client, gone, catching)
        await board.heard("begun")
        await client.retire_workers([gone])
        return (await job)[0]

    assert on_cluster(main, workers=2) == "Interrupt"


def test_a_job_that_outlasts_its_retiring_worker_is_not_started_elsewhere():
    async def main(client):
        await sigtask.dask.install(client, retire=Ladder((Terminate, 0.05)))
        gone, _ = two(client)
        job = submitted_at(client, gone, deaf)
        await board.heard("begun")
        retired = await client.retire_workers([gone])
        board.go.set()
        return list(retired) == [gone], job.status, board.said

    assert on_cluster(main, workers=2) == (True, "cancelled", ["begun"])


def test_what_has_not_begun_at_a_retiring_worker_begins_elsewhere():
    async def main(client):
        gone, other = two(client)
        first = submitted_at(client, gone, polite)
        await board.heard("begun")
        second = submitted_at(client, gone, which_worker)
        while second.key not in client.cluster.scheduler.tasks:
            await asyncio.sleep(0)
        await client.retire_workers([gone])
        return (await first)[0], await second == other

    assert on_cluster(main, workers=2, threads=1) == ("partial", True)


def test_a_job_that_would_begin_as_its_worker_retires_is_sent_elsewhere():
    from distributed import Reschedule
    from distributed.core import Status

    async def main(client):
        await sigtask.dask.install(client)
        [worker] = client.cluster.workers.values()
        worker.status = Status.closing_gracefully
        with pytest.raises(Reschedule):
            await worker.plugins["sigtask"].run("late", polite)
        return board.said

    assert on_cluster(main) == []


def test_the_last_worker_keeps_its_partial_results_and_takes_jobs_again():
    async def main(client):
        [worker] = two(client)
        job = sigtask.dask.submit(client, polite)
        await board.heard("begun")
        retired = await client.retire_workers([worker])
        return retired, (await job)[0], await sigtask.dask.submit(client, which_worker) == worker

    assert on_cluster(main) == ({}, "partial", True)


def test_a_worker_at_the_end_of_its_lifetime_drains_its_jobs():
    async def main(client):
        gone, _ = two(client)
        job = submitted_at(client, gone, polite)
        await board.heard("begun")
        [worker] = [worker for worker in client.cluster.workers.values() if worker.address == gone]
        await worker.close_gracefully(reason="worker-lifetime-reached")  # what Dask calls then
        return (await job)[:2], board.said

    assert on_cluster(main, workers=2) == (("partial", "its worker retires"), ["begun"])


def test_two_who_retire_a_worker_at_once_drain_it_once():
    async def main(client):
        gone, other = two(client)
        job = submitted_at(client, gone, polite)
        await board.heard("begun")
        both = await asyncio.gather(client.retire_workers([gone]), client.retire_workers([gone]))
        return [gone in retired for retired in both].count(True) >= 1, two(client) == [other], (await job)[0]

    assert on_cluster(main, workers=2) == (True, True, "partial")


def test_a_result_that_is_lost_with_its_worker_is_not_computed_again():
    async def main(client):
        gone, _ = two(client)
        job = submitted_at(client, gone, leaving_a_mark)
        while job.status != "finished":
            await asyncio.sleep(0.001)
        await client.cluster.scheduler.remove_worker(gone, stimulus_id="lost")
        with pytest.raises(Stopped, match="its result was lost with its worker, and it is not run twice"):
            await job
        return board.said

    assert on_cluster(main, workers=2) == ["begun"]


def leaving_a_mark():
    board.say("begun")


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda c, f: sigtask.dask.install(c, retire="kill"), TypeError, "retire is 'kill'; give a sigtask.Ladder"),
        (lambda c, f: sigtask.dask.submit(c, 3), TypeError, "takes a function"),
        (lambda c, f: sigtask.dask.submit(None, plain), TypeError, "distributed.Client"),
        (lambda c, f: sigtask.dask.submit(c, polite, isolated=True), TypeError, "is async"),
        (lambda c, f: sigtask.dask.submit(c, lambda lock=LOCK: lock), TypeError, "Could not serialize"),
        (lambda c, f: sigtask.dask.map(c, plain), ValueError, "at least one iterable"),
        (lambda c, f: sigtask.dask.map(c, plain, [1], [1, 2]), ValueError, "one length, got 1, 2"),
        (lambda c, f: sigtask.dask.send_signal(f, ValueError), TypeError, "takes a signal"),
        (lambda c, f: sigtask.dask.send_signal([], Drain), ValueError, "at least one future"),
        (lambda c, f: sigtask.dask.send_signal([3], Drain), TypeError, "takes Dask futures"),
        (lambda c, f: sigtask.dask.stop([]), ValueError, "at least one future"),
        (lambda c, f: sigtask.dask.stop(3), TypeError, "takes Dask futures"),
        (lambda c, f: sigtask.dask.stop(f, ladder="kill"), TypeError, "sigtask.Ladder"),
        (lambda c, f: sigtask.dask.stop(f, timeout=1), ValueError, "shorter than the ladder"),
    ],
)
def test_bad_input_is_a_clear_error(call, error, match):
    async def main(client):
        job = sigtask.dask.submit(client, which_worker)
        await job
        with pytest.raises(error, match=match):
            result = call(client, job)
            if asyncio.iscoroutine(result):
                await result

    on_cluster(main)


def test_map_of_nothing_is_nothing():
    async def main(client):
        return sigtask.dask.map(client, numbered, [])

    assert on_cluster(main) == []


def test_a_synchronous_client_is_served_as_well():
    global board

    async def meanwhile(client):
        global board
        board = Board()
        job = sigtask.dask.submit(client, waiting_to_be_told)
        await board.heard("begun")
        report = await sigtask.dask.stop(job, ladder=Ladder((Terminate, 20)), reason="from outside")
        return only(report).ended, job.result()

    with (
        LocalCluster(processes=False, n_workers=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        sigtask.dask.install(client)
        assert asyncio.run(meanwhile(client)) == ("returned", "from outside")


def waiting_to_be_told():
    board.say("begun")
    with sigtask.catch(Terminate) as caught:
        while True:
            time.sleep(0.001)
    return caught.signal.reason
