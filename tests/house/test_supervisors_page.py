"""docs/supervisors.md: in each example the ladder fits into the time after which the supervisor sends a SIGKILL."""

import re
from pathlib import Path

import pytest

from sigtask._run.systemd import LAST_SECONDS
from sigtask.ladder import DEFAULT, Ladder, duration

PAGE = (Path(__file__).parents[2] / "docs" / "supervisors.md").read_text("utf-8")
BLOCKS = {
    f"{kind}-{n}": text for n, (kind, text) in enumerate(re.findall(r"```(dockerfile|yaml|ini)\n(.*?)```", PAGE, re.S))
}
WAITS = re.compile(
    r"waits (\d+s?) s|stop_grace_period: (\d+s)|terminationGracePeriodSeconds: (\d+)|TimeoutStopSec=(\d+)"
)


def one(pattern, text):
    found = re.search(pattern, text)
    return None if found is None else next(group for group in found.groups() if group)


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_the_ladder_of_each_example_fits_and_is_checked(block):
    wait = duration(one(WAITS, block)) - float(one(r"sleep: \{seconds: (\d+)\}", block) or 0)
    ladder = one(r'SIGTASK_LADDER(?:=|, value: ")([^\s"]+)|--ladder (\S+)', block)
    ladder = DEFAULT if ladder is None else Ladder.parse(ladder)
    assert ladder.total + ladder.limit + LAST_SECONDS <= wait
    assert duration(one(r'CHECK_GRACE(?:=|: |, value: ")(\w+)|--check-grace (\d+)', block)) == wait


def test_there_is_an_example_for_each_supervisor():
    assert [name.split("-")[0] for name in BLOCKS] == ["dockerfile", "yaml", "yaml", "ini"]
