"""Functions that tests run in worker processes."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time

import sigtask
from sigtask import Drain, Interrupt, Terminate, accept, catch, checkpoint, defer, mask, requested, time_left


class Preempted(Interrupt):
    level = 25


class Stubborn(Exception):
    """Pickles, and cannot be made again."""

    def __init__(self, one, two):
        super().__init__("stubborn")


def add(a, b=0):
    return a + b


def pid():
    return os.getpid()


def echo(data):
    return data


def fail(text):
    raise KeyError(text)


def fail_stubbornly():
    raise Stubborn(1, 2)


def give_a_lock():
    return threading.Lock()


def say(path, text):
    with open(path, "w") as file:
        file.write(f"{text}\n")


def say_and_return(path):
    say(path, os.getpid())


def spin(path):
    """Pure Python."""
    say(path, os.getpid())
    n = 0
    while True:
        n += 1


def block(path):
    """In a system call."""
    say(path, os.getpid())
    time.sleep(600)


def block_in_read(path):
    say(path, os.getpid())
    read, _write = os.pipe()
    os.read(read, 1)


def hold_the_gil(path):
    """C code that neither gives the GIL away nor takes SIGINT, and says so itself when it is running."""
    ctypes.PyDLL(None).system(f"echo $PPID > {path}; exec sleep 600".encode())


def loop_in_c(path):
    """A busy loop in C, under the GIL."""
    say(path, os.getpid())
    re.match("(a+)+b", "a" * 60)


def hold_the_gil_with_children(path):
    """The same, with a child of its own that ignores everything, and a grandchild in another session."""
    code = (
        "import os, signal, time\n"
        "for s in (2, 15): signal.signal(s, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setsid()\n"
        f"with open({path!r}, 'w') as file: file.write(f'{{os.getpid()}}\\n')\n"
        "while True: time.sleep(60)\n"
    )
    subprocess.Popen([sys.executable, "-I", "-S", "-c", code])
    hold_the_gil(path)


def catch_any(path):
    """What came, and why, after a moment of cleanup in which repeats would tear it."""
    try:
        spin(path)
    except asyncio.CancelledError as error:
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            pass
        return type(error).__name__, getattr(error, "reason", None), error.args


def catch_block(path):
    with catch(Interrupt) as caught:
        spin(path)
    return caught.signal.reason


def fail_in_cleanup(path):
    try:
        spin(path)
    except Terminate:
        raise ValueError("the cleanup failed") from None


def drain(path):
    requested(Drain)
    say(path, os.getpid())
    while requested(Drain) is None:
        pass
    return requested().reason


def accept_drain(path):
    with accept(Drain):
        spin(path)


def catch_held(path):
    say(path, os.getpid())
    while requested(Drain) is None:
        pass
    with catch(Drain) as caught:
        while True:
            pass
    return caught.signal.reason


def masked(path, seconds):
    with mask(Terminate):
        say(path, os.getpid())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        say(path, "whole")
    say(path, "not reached")


def masked_within(path):
    with mask(Terminate, within=0.1):
        spin(path)


def checks(path):
    say(path, os.getpid())
    while True:
        checkpoint()


def seconds_left(path):
    try:
        spin(path)
    except Terminate:
        return time_left()


def deferred(path):
    defer(say, path, "cleaned up")
    spin(path)


def swallow(path):
    for _ in range(2):
        try:
            spin(path)
        except asyncio.CancelledError:
            pass


def go_on_until(path, go):
    """Takes an Interrupt, and goes on with something else: until this file is there."""
    try:
        spin(path)
    except Interrupt:
        say(path, "took it")
        while not os.path.exists(go):
            time.sleep(0.01)
        return "went on"


def in_main_thread():
    return threading.current_thread() is threading.main_thread()


def outside():
    return sigtask.requested(), time_left()


def exit_at_once(status):
    os._exit(status)


def crash():
    ctypes.string_at(0)


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def run_short(n):
    total = 0
    for i in range(n):
        total += i
    return total


def leave_a_child(path):
    child = subprocess.Popen(["sleep", "600"])
    say(path, child.pid)
    os._exit(0)
