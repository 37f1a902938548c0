"""What the tests of other people's scopes have in common stands in `peers.py`, tests they share in `scopes.py`."""

import faulthandler
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest.register_assert_rewrite("peers", "scopes")

import peers  # noqa: E402
from scopes import pytest_generate_tests  # noqa: E402, F401


@pytest.fixture(autouse=True)
def watchdog():
    """A deaf task can hang a test for ever: no test of this folder takes longer than this."""
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(params=list(peers.WORDS))
def word(request):
    """Each of the four signals, and a plain cancel."""
    return request.param


@pytest.fixture(params=list(peers.BLOCKS))
def block(request):
    """Each of our blocks, and none."""
    return request.param
