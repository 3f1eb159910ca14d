"""A headless browser that tests talk to over its DevTools pipe: keys, printing, requests; nothing to install.

Chromium reads commands from file descriptor 3 and answers on 4, each message a JSON object that ends in NUL.
Every answer is awaited, so that nothing here waits for time to pass; an alarm ends a browser that is stuck.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

import pytest

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
"""For every browser of these tests: no window, no network of its own, the same picture everywhere."""
PIPE_FLAGS = (
    *FLAGS,
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--window-size=1280,720",
    "--remote-debugging-pipe",
)
STUCK_S = 120.0
_INHERIT = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 100) for each in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Moves the two ends of our pipes to where Chromium looks for them, and becomes Chromium."""
KEYS = {"Escape": 27, "Enter": 13, "Tab": 9, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}


def needs_chromium(otherwise):
    """Return the marks of a file that drives a browser; `otherwise` says what did not happen without one."""
    reason = f"chromium is not installed: {otherwise}"
    return [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=reason)]


class Browser:
    """One browser process with one page."""

    def __init__(self, folder):
        command_read, self._write = os.pipe()
        self._read, answer_write = os.pipe()
        command = [CHROMIUM, *PIPE_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        ends = [str(command_read), str(answer_write)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _INHERIT, *ends, *command],
            pass_fds=(command_read, answer_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(answer_write)
        self._alarm = threading.Timer(STUCK_S, self._process.kill)
        self._alarm.start()
        self._answers = os.fdopen(self._read, "rb", buffering=0)
        self._left = b""
        self._number = 0
        self._session = None
        self.events = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        """End the browser."""
        with contextlib.suppress(OSError, EOFError):
            self._session = None
            self.call("Browser.close")
        self._alarm.cancel()
        os.close(self._write)
        self._answers.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def call(self, method, **params):
        """Send one command and return its answer; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer.get('error')}"
                return answer["result"]
            self.events.append(answer)

    def open(self, url):
        """Load `url` and return when the page has loaded; events of earlier pages are forgotten."""
        self.events.clear()
        self.call("Page.navigate", url="about:blank")
        self.wait_for("Page.loadEventFired")
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def wait_for(self, method):
        """Return the parameters of the first event called `method` that has come or will come."""
        while True:
            for event in self.events:
                if event.get("method") == method:
                    return event["params"]
            self.events.append(self._next())

    def evaluate(self, expression):
        """Return the value of a JavaScript expression; a promise is awaited."""
        done = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, *keys):
        """Press keys one after the other, as a person does."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            code = KEYS.get(key, ord(key.upper()[0]))
            for kind in ("keyDown", "keyUp"):
                self.call(
                    "Input.dispatchKeyEvent",
                    type=kind,
                    key=key,
                    windowsVirtualKeyCode=code,
                    **(text if kind == "keyDown" else {}),
                )

    def emulate(self, *, media="", scheme="light"):
        """Look at the page as another medium, or as someone who prefers dark pages."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def pdf(self):
        """Return the printed page."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def png(self):
        """Return a picture of the window."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def requested(self):
        """Return the addresses that the page asked for, itself included."""
        return [
            each["params"]["request"]["url"]
            for each in self.events
            if each.get("method") == "Network.requestWillBeSent"
        ]

    def complaints(self):
        """Return console messages, exceptions and what the browser logged (policy violations too)."""
        kinds = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        return [json.dumps(each["params"]) for each in self.events if each.get("method") in kinds]

    def _next(self):
        while b"\0" not in self._left:
            piece = self._answers.read(65536)
            if not piece:
                raise EOFError("the browser has gone")
            self._left += piece
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)


@contextlib.contextmanager
def browser():
    """Yield a browser that is gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Browser(folder)
        try:
            yield made
        finally:
            made.close()
