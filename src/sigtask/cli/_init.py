"""`--init`: do what process 1 of a container must do, so that the program need not be process 1.

The command forks. The child runs the program. Process 1 forwards the signals it gets, reaps every orphan that the
kernel gives it, and exits as the program exits; the kernel then ends whatever is left in the container. Signals are
blocked in process 1 and waited for, because the kernel drops an unblocked signal to process 1 that has no handler.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

_OURS = ("SIGKILL", "SIGSTOP", "SIGCHLD", "SIGTTIN", "SIGTTOU", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS")
"""What is not passed on: nobody can, or it is about this process itself."""
_BY_KERNEL = 0x80
"""The `si_code` of a Ctrl-C: the terminal has sent it to the program as well."""


def split() -> None:
    """Return in a child, which is to run the program. Never returns in this process, which exits as the child does."""
    ours = {getattr(signal, name, 0) for name in _OURS}
    passed_on = {signum for signum in signal.valid_signals() if signum not in ours and signum < signal.SIGRTMIN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, passed_on | {signal.SIGCHLD})
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while (status := _status_of(child)) is None:
        told = signal.sigwaitinfo(passed_on | {signal.SIGCHLD})
        if told.si_signo != signal.SIGCHLD and told.si_code != _BY_KERNEL:
            os.kill(child, told.si_signo)  # it is there until it has been reaped
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if status < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no other handler
            signal.signal(-status, signal.SIG_DFL)
        signal.raise_signal(-status)
    sys.exit(status if status >= 0 else 128 - status)  # to process 1 no default action is done


def _status_of(child: int) -> int | None:
    """Reap all processes that have ended. Returns the program's exit status, if it has; `-n`: it died of signal n."""
    found: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # it was the last
            return found
        if pid == 0:
            return found
        if pid == child:
            found = os.waitstatus_to_exitcode(status)
