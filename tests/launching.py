"""A program as a process, which is talked to by OS signals, and whose output is read while it runs."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
PATIENCE = 30.0  # how long a test waits before it says that what it waits for will not come


class Process:
    """A process whose output is collected as it comes. Ended, if it must be, by its own pid."""

    def __init__(self, command, cwd, env=None, **options):
        environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "1", **(env or {})}
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, **options
        )
        self.killed = False
        self._news = threading.Condition()
        self._text = {"stdout": "", "stderr": ""}
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in self._text]
        for reader in self._readers:
            reader.start()

    def _read(self, name):
        with getattr(self.popen, name) as stream:
            while data := os.read(stream.fileno(), 65536):
                with self._news:
                    self._text[name] += data.decode(errors="replace")
                    self._news.notify_all()

    @property
    def stdout(self):
        return self._text["stdout"]

    @property
    def stderr(self):
        return self._text["stderr"]

    def wait_for(self, text, stream="stdout", count=1):
        """Until the process has printed `text` so many times, in whole lines; it fails the test when it ends without.

        A signal sent before the end of the line may be handled between the text and its newline.
        """

        def lines():
            text = self._text[stream]
            return text[: text.rfind("\n") + 1]

        with self._news:
            told = self._news.wait_for(lambda: lines().count(text) >= count, PATIENCE)
        assert told, f"no {text!r} in {stream}:\n{self.stdout}\n{self.stderr}"
        return self

    def signal(self, signum):
        """Send it; gives the moment."""
        at = time.monotonic()
        self.popen.send_signal(signum)
        return at

    def wait(self, within=PATIENCE):
        """The exit status, all output having been read; fails the test if it does not end in time."""
        self.popen.wait(within)
        for reader in self._readers:
            reader.join(PATIENCE)
        return self.popen.returncode

    def still_runs_after(self, seconds):
        """Whether it does; then it is ended, bounded, by SIGKILL."""
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            return True
        return False

    def end(self):
        if self.popen.poll() is None:
            self.killed = True
            self.popen.send_signal(signal.SIGKILL)
        self.wait()
