"""A headless Chromium, driven over a pipe by its own protocol (chromedevtools.github.io): no library is needed."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60.0
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
)  # fmt: skip
# It reads its orders from 3 and answers in 4; by way of copies, as these may be the numbers of the pipes.
BY_PIPE = """import os, sys
theirs, ours = (os.dup(os.dup(os.dup(int(fd)))) for fd in sys.argv[1:3])
os.dup2(theirs, 3), os.dup2(ours, 4)
os.execv(sys.argv[3], sys.argv[3:])"""


def found():
    """The path of a Chromium, or `None`."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A process of Chromium; `open(path)` gives a page. Ended by its own pid."""

    def __init__(self, program):
        self._home = tempfile.TemporaryDirectory(prefix="sigtask-chromium-", ignore_cleanup_errors=True)
        theirs, self._to = os.pipe()
        self._from, ours = os.pipe()
        words = [program, *FLAGS, f"--user-data-dir={self._home.name}", "about:blank"]
        start = [sys.executable, "-c", BY_PIPE, str(theirs), str(ours), *words]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        env = {**os.environ, "HOME": self._home.name}
        self._process = subprocess.Popen(start, pass_fds=(theirs, ours), env=env, start_new_session=True, **quiet)
        os.close(theirs)
        os.close(ours)
        self._unread, self._number = b"", 0
        self.events = []

    def close(self):
        try:
            self.call("Browser.close")
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._to)
            os.close(self._from)
            self._home.cleanup()

    def open(self, path, **looks):
        """A page that shows that file. `looks`: see `Page.look`."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.look(**looks)
        page.call("Page.navigate", url=Path(path).absolute().as_uri())
        page.wait_for("document.readyState === 'complete'")
        return page

    def call(self, method, session=None, **params):
        """What the browser answers; what it says unasked in the meantime is put into `events`."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        data = json.dumps(order).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        until = time.monotonic() + PATIENCE
        while True:
            said = self._next(until)
            if said.get("id") == self._number:
                assert "error" not in said, f"{method}: {said['error']}"
                return said["result"]
            self.events.append(said)

    def _next(self, until):
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            data = os.read(self._from, 1 << 20) if ready else b""
            assert data, "Chromium has ended, or does not answer"
            self._unread += data
        said, _, self._unread = self._unread.partition(b"\0")
        return json.loads(said)


class Page:
    """What a person sees and does."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def look(self, width=1280, height=900, scheme="light", media=""):
        """How it is looked at: the window in pixels, `light` or `dark`, on the screen or in `print`."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def run(self, script):
        """The value of a JavaScript expression; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition):
        """Until that expression is true; it is looked at from outside, as there may be no scripts."""
        until = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < until, f"it does not come to {condition}"

    def text(self, selector):
        """The text of each element that can be seen, as it is shown."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].filter((one) => one.checkVisibility())"
        return self.run(f"{found}.map((one) => one.innerText)")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key, code=0):
        """A key, as a person at the keyboard presses it."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        about = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **{**about, "text": ""})

    def said(self, method):
        """What the browser has told of this page under that name: errors, requests."""
        events = [one for one in self._browser.events if one.get("sessionId") == self._session]
        return [one["params"] for one in events if one["method"] == method]

    def picture(self, path, whole=True):
        """A screenshot, as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def pdf(self):
        """As it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])
