"""What `sigtask.dask` guarantees where jobs run in processes of their own (`make cluster`)."""

import asyncio
import os
import random
import signal

import pytest

import sigtask.dask
from sigtask import Drain, Kill, Ladder, Terminate
from sigtask.dask import Stopped

pytestmark = pytest.mark.os
SHORT = Ladder((Terminate, 0.3), (Kill, 0.3))


def only(report):
    [row] = report.tasks
    return row


async def ended(job):
    """What a job's future raises, or gives."""
    try:
        return await job
    except Exception as error:
        return error


async def pinned(client, fn, worker, *args, **kwargs):
    return sigtask.dask.submit(client, fn, *args, workers=[worker], **kwargs)


def addresses(client):
    return sorted(client.cluster.scheduler.workers)


# -- polite, deaf, isolated -------------------------------------------------------------------------------------------


def test_polite_jobs_on_two_workers_wrap_up_and_their_results_come_back(on_cluster, jobs, heard):
    async def main(client):
        one, two = addresses(client)
        first = await pinned(client, jobs.polite, one, heard.path, "first")
        second = await pinned(client, jobs.polite, two, heard.path, "second")
        await heard.line("first"), await heard.line("second")
        report = await sigtask.dask.stop([first, second], ladder=Ladder((Drain, 30), Kill), reason={"why": "full"})
        return report, await first, await second, (one, two)

    report, first, second, workers = on_cluster(main)
    assert (first, second) == (("first", {"why": "full"}), ("second", {"why": "full"}))
    assert [(row.ended, row.rung) for row in report.tasks] == [("returned", "drain")] * 2
    assert [row.note for row in report.tasks] == [f"at {worker}" for worker in workers]


def test_a_deaf_job_is_killed_with_its_process_and_its_neighbours_are_named(on_cluster, jobs, heard, is_alive):
    async def main(client):
        one, two = addresses(client)
        deaf = await pinned(client, jobs.deaf, one, heard.path, "deaf")
        beside = await pinned(client, jobs.polite, one, heard.path, "beside")
        away = await pinned(client, jobs.polite, two, heard.path, "away")
        pid = int((await heard.line("deaf"))[-1])
        await heard.line("beside"), await heard.line("away")
        report = await sigtask.dask.stop(deaf, ladder=SHORT, reason="now")
        alive = is_alive(pid)
        error = await ended(beside)
        await sigtask.dask.stop(away, ladder=Ladder((Drain, 30)), reason="after")
        return only(report), alive, beside.key, error, await away, deaf.status

    row, alive, beside, error, away, status = on_cluster(main)
    assert (row.ended, row.rung) == ("ended with the process", "kill")
    assert "was killed by the nanny" in row.note and beside in row.note
    assert not alive and status == "cancelled"
    assert isinstance(error, Exception)  # lost, and not started again
    assert away == ("away", "after")
    heard.read()
    assert [line[0] for line in heard.lines].count("beside") == 1
    assert [line[0] for line in heard.lines].count("deaf") == 1


def test_an_isolated_job_is_killed_without_touching_a_neighbour(on_cluster, jobs, heard, is_alive):
    async def main(client):
        deaf = sigtask.dask.submit(client, jobs.deaf, heard.path, "deaf", isolated=True)
        beside = sigtask.dask.submit(client, jobs.polite, heard.path, "beside")
        pid = int((await heard.line("deaf"))[-1])
        await heard.line("beside")
        report = await sigtask.dask.stop(deaf, ladder=SHORT, reason="now")
        while is_alive(pid):
            await asyncio.sleep(0.01)
        error = await ended(deaf)
        await sigtask.dask.stop(beside, ladder=Ladder((Drain, 30)), reason="after")
        return only(report), error, await beside

    row, error, beside = on_cluster(main, workers=1)
    assert (row.ended, row.rung) == ("ended by Kill", "kill")
    assert isinstance(error, Stopped) and isinstance(error.signal, Kill)
    assert beside == ("beside", "after")


def test_a_worker_that_joins_late_has_the_plugin(on_cluster, jobs, heard):
    async def main(client):
        await sigtask.dask.install(client)
        before = set(addresses(client))
        client.cluster.scale(2)
        await client.wait_for_workers(2)
        [late] = set(addresses(client)) - before
        job = await pinned(client, jobs.polite, late, heard.path, "late")
        await heard.line("late")
        report = await sigtask.dask.stop(job, ladder=Ladder((Drain, 30)), reason="hello")
        return only(report).ended, await job

    assert on_cluster(main, workers=1) == ("returned", ("late", "hello"))


# -- workers that do not answer ---------------------------------------------------------------------------------------


def test_a_worker_whose_loop_is_blocked_is_killed(on_cluster, jobs, heard, is_alive):
    async def main(client):
        job = sigtask.dask.submit(client, jobs.blocking_the_loop, heard.path, "blocks")
        pid = int((await heard.line("blocks"))[-1])
        report = await sigtask.dask.stop(job, ladder=SHORT)
        return only(report), is_alive(pid)

    row, alive = on_cluster(main, workers=1)
    assert (row.ended, row.rung, alive) == ("ended with the process", "kill", False)


def test_a_frozen_worker_is_killed(on_cluster, jobs, heard, is_alive):
    async def main(client):
        job = sigtask.dask.submit(client, jobs.polite, heard.path, "frozen")
        pid = int((await heard.line("frozen"))[-1])
        os.kill(pid, signal.SIGSTOP)
        report = await sigtask.dask.stop(job, ladder=SHORT)
        return only(report), is_alive(pid)

    row, alive = on_cluster(main, workers=1)
    assert (row.ended, row.rung, alive) == ("ended with the process", "kill", False)


def test_a_frozen_worker_and_no_kill_is_not_confirmed_dead(on_cluster, jobs, heard):
    async def main(client):
        job = sigtask.dask.submit(client, jobs.polite, heard.path, "frozen")
        pid = int((await heard.line("frozen"))[-1])
        os.kill(pid, signal.SIGSTOP)
        try:
            return only(await sigtask.dask.stop(job, ladder=Ladder((Terminate, 0.3))))
        finally:
            os.kill(pid, signal.SIGCONT)

    row = on_cluster(main, workers=1)
    assert row.ended == "still running"
    assert "does not answer" in row.note and "not confirmed dead" in row.note


async def worker_elsewhere(client, started, *options):
    """A nanny and its worker, in processes that can be frozen both."""
    address = client.cluster.scheduler.address
    program = started("distributed.cli.dask_worker", address, "--nthreads", "2", "--no-dashboard", *options)
    await client.wait_for_workers(len(addresses(client)) + 1)
    return program


def test_a_frozen_machine_is_not_confirmed_dead_in_bounded_time_and_the_orphan_stops_itself(
    on_cluster, jobs, heard, started
):
    async def main(client):
        nanny = await worker_elsewhere(client, started)
        job = sigtask.dask.submit(client, jobs.telling, heard.path, "orphan")
        await heard.line("orphan", "begun")
        os.killpg(nanny.pid, signal.SIGSTOP)
        report = await sigtask.dask.stop(job, ladder=SHORT)
        os.killpg(nanny.pid, signal.SIGCONT)
        return report, await heard.line("orphan", "Terminate")

    report, _ = on_cluster(main, workers=0)
    row = only(report)
    assert row.ended == "still running" and "not confirmed dead" in row.note
    assert report.seconds < SHORT.total + 16  # fifteen are promised


def test_a_job_whose_worker_process_was_killed_by_others_is_said_to_be_dead(on_cluster, jobs, heard):
    async def main(client):
        job = sigtask.dask.submit(client, jobs.wrapping_up, heard.path, "victim", 600)
        pid = int((await heard.line("victim"))[-1])
        stopping = asyncio.create_task(sigtask.dask.stop(job, ladder=Ladder((Terminate, 60))))
        await heard.line("victim", "told")
        os.kill(pid, signal.SIGKILL)
        return only(await stopping)

    row = on_cluster(main)
    assert row.ended == "ended with the process" and "as its nanny says" in row.note


# -- workers that retire ----------------------------------------------------------------------------------------------


async def begun_elsewhere(client, jobs, heard, worker):
    """A polite job, at that worker at first; and the process it runs in."""
    await sigtask.dask.install(client)  # a nanny that closes must have its plugin by then
    job = await pinned(client, jobs.polite, worker, heard.path, "job", allow_other_workers=True)
    return job, int((await heard.line("job"))[-1])


def assert_drained_once(outcome, heard):
    assert outcome == ("job", "its worker retires")
    heard.read()
    assert [line[0] for line in heard.lines].count("job") == 1


async def scaled_away(cluster, worker):
    cluster.scale(1)


async def adapted_away(cluster, worker):
    [name] = [name for name, nanny in cluster.workers.items() if nanny.worker_address == worker]
    await cluster.adapt(minimum=1, maximum=2, interval="1h").scale_down([name])


async def retired(cluster, worker):
    await cluster.scheduler_comm.retire_workers(workers=[worker], close_workers=True)


@pytest.mark.parametrize("away", [retired, scaled_away, adapted_away])
def test_a_worker_that_is_not_needed_any_more_drains_its_job(on_cluster, jobs, heard, away):
    async def main(client):
        cluster = client.cluster
        worker = cluster.workers[list(cluster.worker_spec)[-1]].worker_address  # the one that scaling down takes
        job, _ = await begun_elsewhere(client, jobs, heard, worker)
        await away(cluster, worker)
        outcome = await job
        await gone(client, worker)
        return outcome

    assert_drained_once(on_cluster(main), heard)


async def gone(client, worker):
    """Wait until that worker has left."""
    while worker in client.cluster.scheduler.workers:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("told", ["the program", "all its processes", "the worker process"])
def test_a_worker_told_by_sigterm_drains_its_job(on_cluster, jobs, heard, started, told):
    """By Kubernetes, by SLURM, and by hand."""

    async def main(client):
        [here] = addresses(client)
        program = await worker_elsewhere(client, started)
        [worker] = set(addresses(client)) - {here}
        job, pid = await begun_elsewhere(client, jobs, heard, worker)
        if told == "the program":
            program.terminate()
        elif told == "all its processes":
            os.killpg(program.pid, signal.SIGTERM)
        else:
            os.kill(pid, signal.SIGTERM)
        outcome = await job
        await gone(client, worker)
        if told == "the worker process":
            await client.wait_for_workers(2)  # its nanny starts another, as Dask has it
        else:
            await asyncio.to_thread(program.wait)
        return outcome

    assert_drained_once(on_cluster(main, workers=1), heard)


def test_a_deaf_job_does_not_keep_its_worker_from_retiring_and_is_not_started_again(on_cluster, jobs, heard, is_alive):
    async def main(client):
        await sigtask.dask.install(client, retire=SHORT)
        worker, _ = addresses(client)
        job = await pinned(client, jobs.deaf, worker, heard.path, "deaf", allow_other_workers=True)
        pid = int((await heard.line("deaf"))[-1])
        await retired(client.cluster, worker)
        error = await ended(job)
        while is_alive(pid):
            await asyncio.sleep(0.01)
        return error

    assert type(on_cluster(main)).__name__ in ("Stopped", "FutureCancelledError", "CancelledError")
    heard.read()
    assert [line[0] for line in heard.lines].count("deaf") == 1


# -- clients and schedulers that are lost -----------------------------------------------------------------------------

CLIENT = """
import sys
import cluster_jobs
import sigtask.dask
from distributed import Client

if __name__ == "__main__":
    client = Client(sys.argv[1])
    job = sigtask.dask.submit(client, cluster_jobs.telling, sys.argv[2], "job")
    job.result()
"""


def test_a_job_whose_client_is_killed_is_terminated(on_cluster, jobs, heard, started, tmp_path, monkeypatch):
    (tmp_path / "lost_client.py").write_text(CLIENT)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")

    async def main(client):
        program = started("lost_client", client.cluster.scheduler.address, heard.path)
        await heard.line("job", "begun")
        program.kill()
        return await heard.line("job", "Terminate")

    assert on_cluster(main, workers=1)[2] == "the_client_that_wanted_it_is_gone"


def test_a_job_whose_scheduler_is_killed_is_terminated(jobs, heard, started, tmp_path):
    from distributed import Client

    async def main():
        file = str(tmp_path / "scheduler.json")
        scheduler = started("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        started("distributed.cli.dask_worker", "--scheduler-file", file, "--nthreads", "2", "--no-dashboard")
        async with asyncio.timeout(60):
            client = await Client(scheduler_file=file, asynchronous=True)
            job = sigtask.dask.submit(client, jobs.telling, heard.path, "job")
            await heard.line("job", "begun")
            await sigtask.dask.install(client)
            scheduler.kill()
            report = await sigtask.dask.stop(job, ladder=Ladder((Terminate, 1)))
            line = await heard.line("job", "Terminate")
            await client.close()
        return report, line

    report, line = asyncio.run(main())
    assert only(report).ended == "still running" and "not confirmed dead" in str(report)
    assert line[2] == "the_worker_has_lost_its_scheduler"


# -- other people's machines ------------------------------------------------------------------------------------------


def test_over_tls_a_polite_job_wraps_up_a_deaf_one_is_killed_and_a_worker_that_retires_is_drained(
    on_cluster, jobs, heard, is_alive
):
    """Every way that a message goes: client, scheduler, worker, nanny."""
    pytest.importorskip("cryptography", reason="Dask makes its certificates with it")
    from distributed import Security

    async def main(client):
        await sigtask.dask.install(client)
        one, two = addresses(client)
        polite = await pinned(client, jobs.polite, one, heard.path, "polite")
        deaf = await pinned(client, jobs.deaf, one, heard.path, "deaf")
        drained = await pinned(client, jobs.polite, two, heard.path, "drained", allow_other_workers=True)
        pid = int((await heard.line("deaf"))[-1])
        await heard.line("polite"), await heard.line("drained")
        report = await sigtask.dask.stop([polite], ladder=Ladder((Drain, 30)), reason="tls")
        outcome = only(report).ended, await polite
        await retired(client.cluster, two)
        partial = await drained  # before the process goes that has it now
        report = await sigtask.dask.stop(deaf, ladder=SHORT)
        return one, outcome, partial, only(report).ended, is_alive(pid)

    address, *rest = on_cluster(main, protocol="tls://", security=Security.temporary())
    assert address.startswith("tls://")
    wrapped_up = ("returned", ("polite", "tls"))
    assert rest == [wrapped_up, ("drained", "its worker retires"), "ended with the process", False]


OTHER_VERSION = """
import sigtask.dask._worker
sigtask.dask._worker.WIRE = 99
"""


def test_a_worker_with_another_version_of_sigtask_is_named_at_once(on_cluster, jobs, heard, started, tmp_path):
    (tmp_path / "other_version.py").write_text(OTHER_VERSION)

    async def main(client):
        await sigtask.dask.install(client)
        await worker_elsewhere(client, started, "--preload", str(tmp_path / "other_version.py"))
        job = sigtask.dask.submit(client, jobs.polite, heard.path, "job")
        await heard.line("job", "begun")
        return await sigtask.dask.stop(job, ladder=Ladder((Terminate, 5)))

    report = on_cluster(main, workers=0)
    assert only(report).ended == "still running" and report.seconds < 5
    assert "another version of sigtask, whose messages are of kind 99" in only(report).note


# -- at any moment ----------------------------------------------------------------------------------------------------


def test_a_job_told_to_stop_never_runs_twice_whenever_its_worker_is_killed(on_cluster, jobs, heard):
    """The worker dies at some moment from before the call to after the job's end; six workers to a cluster."""
    moments = int(os.environ.get("MOMENTS", "50"))
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    dice = random.Random(seed)

    async def killed(client, worker, name):
        job = await pinned(client, jobs.wrapping_up, worker, heard.path, name, 0.02, allow_other_workers=True)
        pid = int((await heard.line(name))[-1])
        asyncio.get_running_loop().call_later(dice.uniform(0, 0.06), os.kill, pid, signal.SIGKILL)
        await asyncio.sleep(dice.uniform(0, 0.03))
        report = await sigtask.dask.stop(job, ladder=Ladder((Terminate, 10), Kill))
        outcome = await ended(job)
        await gone(client, worker)
        return only(report).ended, type(outcome).__name__

    async def main(client):
        return [await killed(client, worker, f"job-{len(names) + n}") for n, worker in enumerate(addresses(client)[:5])]

    names, outcomes = [], []
    while len(names) < moments:
        outcomes += on_cluster(main, workers=6, threads=1, patience=300)
        names += [f"job-{len(names) + n}" for n in range(5)]
    print({outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}, f"SEED={seed}")
    heard.read()
    assert sorted(line[0] for line in heard.lines if line[1] == "begun") == sorted(names), f"SEED={seed}"
    assert {how for how, _ in outcomes} <= {"returned", "ended with the process", "ended before"}, f"SEED={seed}"
