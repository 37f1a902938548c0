"""The programs of examples/workers, as they stand: real processes, real SIGTERMs, a real redis-server.

What aiokafka talks to is librdkafka's own mock of a Kafka (see `queues`): groups, offsets and commits, over TCP.
"""

import collections
import random
import signal
import sys
import time

import pytest
from queues import QUEUES, Streams, said

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

TERM = signal.SIGTERM
REPEAT = 0.6  # seconds: two signals within half a second count as one


@pytest.fixture(params=QUEUES, ids=lambda kind: kind.__name__.lower())
def queue(request):
    """Each recipe's queue, on a broker of its own."""
    for module in request.param.modules:
        pytest.importorskip(module, exc_type=ImportError)  # arq and taskiq want different versions of redis
    with request.param.broker() as address:
        queue = request.param(address)
        yield queue
        for worker in queue.workers:
            worker.end()


def drain(worker):
    worker.signal(TERM)
    worker.wait_for("SIGTERM: drain", "stderr")


def terminate(worker):
    drain(worker)
    time.sleep(REPEAT)
    worker.signal(TERM)
    worker.wait_for("SIGTERM: terminate", "stderr")


def test_on_drain_the_job_in_hand_is_finished_and_no_other_begun(queue):
    queue.put(("plum cake", 2))
    worker = queue.start().wait_for("plum cake: begun")
    drain(worker)
    queue.put(("apple pie", 0.1))
    assert worker.wait() in (0, -TERM), worker.stderr
    assert said(worker) == ["plum cake: begun", "plum cake: done, SIGTERM"]
    following = queue.start().wait_for("apple pie: done, nobody hurries")
    drain(following)
    following.wait()
    assert said(following) == ["apple pie: begun", "apple pie: done, nobody hurries"]


def test_on_terminate_the_job_is_told_why_and_goes_to_the_next_worker(queue):
    queue.put(("plum cake", 4))
    worker = queue.start().wait_for("plum cake: begun")
    terminate(worker)
    assert worker.wait() in (0, -TERM), worker.stderr
    assert said(worker) == ["plum cake: begun", "plum cake: not done: SIGTERM"]
    began = time.monotonic()
    following = queue.start().wait_for("plum cake: begun")
    put_back = time.monotonic() - began < queue.lost_after
    following.wait_for("plum cake: done, nobody hurries")
    drain(following)
    following.wait()
    assert said(following) == ["plum cake: begun", "plum cake: done, nobody hurries"]
    assert put_back  # not only found, once it counted as lost


@pytest.mark.parametrize("queue", [Streams], ids=["streams"], indirect=True)
def test_no_job_is_lost_or_done_twice_however_often_workers_are_stopped(queue):
    chance = random.Random(15)
    seconds = {f"cake {number}": chance.choice((0, 0.3, 1)) for number in range(8)} | {"cake 0": 3}
    queue.put(*seconds.items())
    while len(queue.done()) < len(seconds):
        pair = [queue.start().wait_for("begun"), queue.start()]
        time.sleep(chance.uniform(0, 0.6))  # the moment is what is tried
        for worker in pair:
            worker.signal(TERM)
        if len(queue.workers) == 2 or chance.random() < 0.6:
            time.sleep(REPEAT)
            for worker in pair:
                worker.signal(TERM)
        for worker in pair:
            worker.wait()
    assert collections.Counter(queue.done()) == dict.fromkeys(seconds, 1)
    assert any("not done" in line for worker in queue.workers for line in said(worker))
