"""Jobs for real worker processes. Each tells a FIFO what becomes of it: its name, the word, its process."""

import asyncio
import os
import time

import sigtask


def say(path, *words):
    with open(path, "a") as fifo:
        fifo.write(" ".join(str(word) for word in (*words, os.getpid())) + "\n")


async def polite(path, name):
    say(path, name, "begun")
    with sigtask.accept(sigtask.Drain), sigtask.catch(sigtask.Drain) as caught:
        await asyncio.sleep(600)
    return name, caught.signal.reason


async def wrapping_up(path, name, seconds):
    """Takes some time over its end, which is what a worker may die in."""
    say(path, name, "begun")
    with sigtask.catch(sigtask.Terminate):
        await asyncio.sleep(600)
    say(path, name, "told")
    await asyncio.sleep(seconds)
    return name


async def telling(path, name):
    say(path, name, "begun")
    try:
        await asyncio.sleep(600)
    except sigtask.Signal as signal:
        say(path, name, type(signal).__name__, str(signal.reason).replace(" ", "_"))
        raise


def deaf(path, name):
    """A call that nothing breaks off, and that does not hold the interpreter."""
    say(path, name, "begun")
    end = time.monotonic() + 600
    while True:
        try:
            while time.monotonic() < end:
                time.sleep(1)
            return
        except BaseException:
            continue


async def blocking_the_loop(path, name):
    say(path, name, "begun")
    time.sleep(600)
