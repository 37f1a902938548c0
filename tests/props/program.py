"""The program that every task runs, in the model and for real: it does what the machine tells it, step by step.

A task is told a list of commands; it asks for more when it has done them all, and that is where it waits. A block is
entered by running another level of the same program inside it, so blocks nest as the machine likes. Both worlds offer
the same few calls (`World`); nothing here knows which of them it is in.
"""

from __future__ import annotations

from collections import Counter, deque

MOST_TASKS = 20
DEEPEST = 5


class Oops(Exception):
    """What a program raises when told to raise."""


class World:
    """What the two worlds have in common: names, commands, and a record of what each task was seen to meet."""

    Cancelled: type[BaseException]

    def __init__(self):
        self.tasks = []
        self.orders = []
        self.prompts = {}
        self.seen = []
        self.awaiting = {}
        self.groups = []
        self.futures = [self.future() for _ in range(2)]
        self.sent = Counter()
        self.reasons = 0
        self.over = False

    def spawn(self, group=None):
        if len(self.tasks) >= MOST_TASKS:
            return
        me = len(self.tasks)
        self.orders.append(deque())
        self.seen.append([])
        self.groups.append([])
        self.tasks.append(None)
        self.tasks[me] = self.start(program(self, me), f"t{me}", group)

    def whom(self, number):
        """Mostly somebody who lives."""
        alive = [who for who, task in enumerate(self.tasks) if not self.is_done(task)]
        return alive[number % len(alive)] if alive and number < 9 else number % len(self.tasks)

    def feed(self, me, commands):
        prompt = self.prompts.get(me)
        if prompt is not None and not self.is_done(prompt):
            self.orders[me].extend(commands)
            self.set_result(prompt)

    def prompt(self, me):
        self.prompts[me] = self.future()
        return self.prompts[me]

    def send(self, who, cls):
        self.reasons += 1
        self.sent[who] += 1
        self.send_signal(self.tasks[who], cls, self.reasons)

    def cancel(self, who, cls=None):
        if cls is None:
            self.tasks[who].cancel()
        else:
            self.reasons += 1
            self.sent[who] += 1
            self.cancel_with(self.tasks[who], cls, self.reasons)

    def resolve(self, index):
        index %= len(self.futures)
        if not self.is_done(self.futures[index]):
            self.set_result(self.futures[index])
        self.futures[index] = self.future()

    def leads_to(self, start, goal):
        todo, met = [start], set()
        while todo:
            one = todo.pop()
            if one == goal:
                return True
            if one not in met:
                met.add(one)
                todo.extend(self.awaiting.get(one, ()))
        return False

    def handler(self, me, works):
        def callback(signal):
            self.seen[me].append(("callback", self.describe(signal)))
            if not works:
                self.fail_in_callback()

        return callback


async def program(world, me):
    await level(world, me, 0)
    return me


async def level(world, me, depth):
    """Do as told; `True` when the whole program is to return."""
    if world.over:
        return True
    orders = world.orders[me]
    while True:
        if not orders:
            try:
                await world.prompt(me)
            except BaseException as error:
                world.seen[me].append(world.describe(error))
                raise
            continue
        what, *args = orders.popleft()
        if what == "leave":
            return False
        if what == "finish":
            return True
        if what == "raise":
            raise Oops
        if what in BLOCKS:
            if depth < DEEPEST and await BLOCKS[what](world, me, depth + 1, *args):
                return True
        elif what in AWAITS:
            await AWAITS[what](world, me, *args)
        else:
            DO[what](world, me, *args)


# -- what a task may do at once ---------------------------------------------------------------------------------------


def spawn(world, me):
    groups = world.groups[me]
    world.spawn(groups[-1] if groups and world.is_open(groups[-1]) else None)


def uncancel(world, me):
    world.tasks[me].uncancel()


def ask(world, me, cls):
    held = world.requested(cls)
    world.seen[me].append(("asked", held and world.describe(held)))


def on_other(method):
    def act(world, me, who, *args):
        method(world, world.whom(who), *args)

    return act


DO = {
    "spawn": spawn,
    "uncancel": uncancel,
    "ask": ask,
    "send": on_other(World.send),
    "cancel": on_other(World.cancel),
    "resolve": lambda world, me, index: world.resolve(index),
    "send itself": lambda world, me, cls: world.send(me, cls),
}


# -- what it may wait for ---------------------------------------------------------------------------------------------


async def wait_for_tasks(world, me, whom, wait):
    whom = list(dict.fromkeys(world.whom(who) for who in whom))
    if any(world.leads_to(who, me) for who in whom):
        return  # rings are for tests of their own
    world.awaiting[me] = whom
    try:
        await wait([world.tasks[who] for who in whom])
    except BaseException as error:
        world.seen[me].append(world.describe(error))
        raise
    finally:
        world.awaiting.pop(me, None)


async def await_task(world, me, who):
    async def one(tasks):
        await tasks[0]

    await wait_for_tasks(world, me, [who], one)


async def gather(world, me, *whom):
    async def several(tasks):
        await world.gather(tasks)

    await wait_for_tasks(world, me, whom, several)


async def await_future(world, me, index):
    await world.futures[index % len(world.futures)]


async def wait_requested(world, me, cls):
    world.seen[me].append(("was asked", world.describe(await world.wait_requested(cls))))


async def until(world, me, cls, index):
    got = await world.until(cls, world.futures[index % len(world.futures)])
    world.seen[me].append(("got", got and world.describe(got)))


AWAITS = {
    "until": until,
    "wait requested": wait_requested,
    "await": await_task,
    "gather": gather,
    "await future": await_future,
    "sleep": lambda world, me, seconds: world.sleep(seconds),
    "turn": lambda world, me: world.turn(),
}


# -- blocks -----------------------------------------------------------------------------------------------------------


async def swallow(world, me, depth):
    try:
        return await level(world, me, depth)
    except world.Cancelled as error:
        world.seen[me].append(("swallowed", world.describe(error)))
        return False


async def obey(world, me, depth):
    """Takes a cancellation for a request, and returns as if all were done."""
    try:
        return await level(world, me, depth)
    except world.Cancelled as error:
        world.seen[me].append(("obeyed", world.describe(error)))
        return True


async def give_up_on_errors(world, me, depth):
    try:
        return await level(world, me, depth)
    except Exception as error:
        world.seen[me].append(("handled", world.describe(error)))
        return False


async def deaf(world, me, depth):
    while True:
        try:
            return await level(world, me, depth)
        except BaseException as error:
            if world.over:
                raise
            world.seen[me].append(("deaf to", world.describe(error)))


async def cleanup(world, me, depth):
    done = False
    try:
        done = await level(world, me, depth)
    except BaseException as error:
        with world.handles(me, error):
            await level(world, me, depth)
        raise
    return await level(world, me, depth) or done


async def fresh(world, me, depth):
    """Puts a CancelledError of its own in the place of what it got."""
    try:
        return await level(world, me, depth)
    except world.Cancelled:
        raise world.Cancelled from None


async def mask(world, me, depth, cls, plain, within):
    with world.mask(cls, plain, within):
        return await level(world, me, depth)


async def accept(world, me, depth, cls):
    with world.accept(cls):
        return await level(world, me, depth)


async def catch(world, me, depth, cls):
    with world.catch(cls):
        return await level(world, me, depth)
    return False


async def on_signal(world, me, depth, cls, works):
    with world.on_signal(cls, world.handler(me, works)):
        return await level(world, me, depth)


async def timeout(world, me, depth, seconds):
    async with world.timeout(seconds):
        return await level(world, me, depth)


async def group(world, me, depth):
    entered = False
    try:
        async with world.task_group() as tasks:
            world.groups[me].append(tasks)
            entered = True
            return await level(world, me, depth)
    finally:
        if entered:
            world.groups[me].pop()


BLOCKS = {
    "swallow": swallow,
    "obey": obey,
    "errors": give_up_on_errors,
    "deaf": deaf,
    "cleanup": cleanup,
    "fresh": fresh,
    "mask": mask,
    "accept": accept,
    "catch": catch,
    "on_signal": on_signal,
    "timeout": timeout,
    "group": group,
}
