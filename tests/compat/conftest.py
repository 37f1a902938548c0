"""What the tests of other people's scopes have in common stands in `peers.py`."""

import faulthandler
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import peers  # noqa: E402


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
