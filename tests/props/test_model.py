"""R3 to R23: sigtask's tasks do what the model says, step by step; and nothing that was sent vanishes (R21)."""

from __future__ import annotations

import sys

import machine
import soak
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

import sigtask

SEEDS = range(1, 241)
LENGTH = 60

# The same examples every time: a failure here is a failure everywhere. `soak.py` looks for new ones. Hypothesis is
# slow, and the seeds below are not: these run whole on both twins and with debugging, for which fewer examples do here.
WHOLE = sigtask.implementation == "C" and not sys.flags.dev_mode
PROFILE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150 if WHOLE else 20,
    stateful_step_count=40,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@st.composite
def steps(draw, what):
    return machine.step(lambda choices: draw(st.sampled_from(choices)), what)


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.pair = machine.Pair()

    @rule(step=steps("feed"))
    def tell_a_task_what_to_do(self, step):
        self.pair.take(step)

    @rule(step=steps("family"))
    def let_a_task_wait_for_children(self, step):
        self.pair.take(step)

    @rule(step=steps("habit"))
    def give_a_child_a_habit(self, step):
        self.pair.take(step)

    @rule(step=steps("send"))
    def send_a_signal(self, step):
        self.pair.take(step)

    @rule(step=steps("send"))
    def send_one_more(self, step):
        self.pair.take(step)

    @rule(step=steps("cancel"))
    def cancel(self, step):
        self.pair.take(step)

    @rule(step=steps("resolve"))
    def resolve_a_future(self, step):
        self.pair.take(step)

    @rule(step=steps("advance"))
    def let_time_pass(self, step):
        self.pair.take(step)

    @rule(step=steps("spawn"))
    def spawn(self, step):
        self.pair.take(step)

    def teardown(self):
        self.pair.end()


def test_tasks_do_what_the_model_says_by_hypothesis():
    run_state_machine_as_test(Machine, settings=PROFILE)


def test_tasks_do_what_the_model_says_and_every_row_of_its_tables_is_reached():
    for steps in machine.RARE:
        assert machine.run(steps) is None
    for seed in SEEDS:
        violation = machine.run(soak.steps_of(seed, LENGTH))
        assert violation is None, f"{violation!r}; shrink it with: python tests/props/soak.py --seed {seed}"
    assert not machine.missing()


def test_every_signal_that_was_sent_has_one_fate():
    assert machine.Pair.sent == machine.Pair.fates.total() > 0
