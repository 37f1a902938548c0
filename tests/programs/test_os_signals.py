"""R29, R30: an OS signal is heard, wherever the system delivers it and whatever the main thread is doing."""

import contextlib
import os
import signal
import socket
import sys
import threading

import pytest

from sigtask._run.os_signals import POKE, OsSignals

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

LONG = 60  # seconds; nothing here takes as long


def ignore(*_):
    pass


def main_thread_sleeps():
    """Wait until the main thread sleeps in the kernel, and not for the GIL, which is let go here again and again."""
    stat = f"/proc/self/task/{threading.main_thread().native_id}/stat"
    seen = 0
    while os.path.exists(stat) and seen < 100:
        with open(stat) as file:
            seen = seen + 1 if file.read().rpartition(")")[2].split()[0] == "S" else 0


def send_here():
    """SIGUSR1, delivered in this thread: the interpreter marks it, and no sleep of the main thread ends."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])  # which a thread of ours has blocked
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)


@contextlib.contextmanager
def sent_elsewhere():
    """SIGUSR1, delivered in another thread, once the main thread sleeps."""

    def send():
        main_thread_sleeps()
        send_here()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextlib.contextmanager
def deaf():
    """The main thread's sleep is not interrupted by that signal, as C code is not that does not look."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])


def test_r30_a_signal_that_another_thread_got_ends_the_main_threads_sleep():
    done = threading.Event()
    with OsSignals([signal.SIGUSR1], lambda *_: done.set(), ignore), sent_elsewhere():
        assert done.wait(LONG)


def test_r30_a_main_thread_that_does_not_come_to_its_handler_is_overdue_and_repeats_are_merged():
    told, handled, done = [], [], threading.Event()

    def overdue(signum, fresh):
        told.append((signum, fresh))
        if len(told) == 1:
            send_here()
        else:
            done.set()

    with (
        OsSignals([signal.SIGUSR1], lambda signum, frame, fresh: handled.append(fresh), overdue),
        sent_elsewhere(),
        deaf(),
    ):
        assert done.wait(LONG)
    assert told == [(signal.SIGUSR1, True), (signal.SIGUSR1, False)]
    assert handled  # when it comes to it at last


def test_r30_a_handler_that_the_program_has_set_in_place_of_ours_is_called_once():
    called, done = [], threading.Event()
    with OsSignals([signal.SIGUSR1], ignore, ignore) as ours:
        signal.signal(signal.SIGUSR1, lambda *_: called.append(1))
        os.kill(os.getpid(), signal.SIGUSR1)
        done.wait(4 * POKE)
        signal.signal(signal.SIGUSR1, ours._handle)
    assert called == [1]


def test_r29_what_had_the_interpreters_bytes_before_us_still_gets_them_and_has_them_back_after():
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.settimeout(LONG)
        signal.set_wakeup_fd(one.fileno())
        try:
            with OsSignals([signal.SIGUSR1], ignore, ignore):
                os.kill(os.getpid(), signal.SIGUSR1)
                assert other.recv(1) == bytes([signal.SIGUSR1])
        finally:
            assert signal.set_wakeup_fd(-1) == one.fileno()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # the child does nothing but look
def test_r29_a_fork_has_the_handlers_and_the_bytes_as_they_were_before_us():
    before = signal.getsignal(signal.SIGUSR1)
    with OsSignals([signal.SIGUSR1], ignore, ignore):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if (signal.getsignal(signal.SIGUSR1), signal.set_wakeup_fd(-1)) == (before, -1) else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert signal.getsignal(signal.SIGUSR1) != before
