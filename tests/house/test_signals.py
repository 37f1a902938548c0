"""What tests inherit: whoever runs them, and from where, OS signals are as in a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="nothing is inherited there")]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else ()


def ignore_them():
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def test_a_program_that_a_test_starts_ignores_no_signal():
    code = "import signal, sys; print([signal.getsignal(int(n)) == signal.SIG_IGN for n in sys.argv[1:]])"
    command = [sys.executable, "-c", code, *(str(int(signum)) for signum in SIGNALS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[False, False, False]\n", done.stderr


def test_sigint_is_a_keyboard_interrupt_in_a_test():
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_both_hold_where_the_tests_are_run_with_all_of_them_ignored():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "a_test"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, preexec_fn=ignore_them)
    assert "2 passed, 1 deselected" in done.stdout, done.stdout + done.stderr
