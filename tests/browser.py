# SPDX-License-Identifier: Apache-2.0
"""Pages in a headless Chromium, over the pipe of its DevTools protocol: no driver, no port, nothing installed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--no-zygote", "--disable-default-apps"),
)
# The protocol is spoken on descriptors 3 and 4, which Popen cannot give.
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)
SECONDS = 60.0


class Browser:
    """One browser with one tab. `messages` are what its console said, `requests` what it asked the network for."""

    def __init__(self, folder: Path) -> None:
        name = next(filter(shutil.which, BROWSERS), None)
        if name is None:
            pytest.skip(f"needs one of {', '.join(BROWSERS)} on PATH")
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        given = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]  # clear of 3 and 4
        command = [sys.executable, "-c", LAUNCH, *map(str, given), name, *OPTIONS, f"--user-data-dir={folder / 'user'}"]
        self._errors = (folder / "browser.txt").open("wb")
        self._process = subprocess.Popen(
            [*command, "about:blank"], pass_fds=given, stdout=self._errors, stderr=self._errors
        )
        for end in (theirs_in, theirs_out, *given):
            os.close(end)
        self._in, self._out = ours_in, ours_out
        try:
            (target, *_) = [t for t in self("Target.getTargets")["targetInfos"] if t["type"] == "page"] or [
                self("Target.createTarget", url="about:blank")
            ]
            self._session = self("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self(f"{domain}.enable")
        except EOFError:
            self.close()
            pytest.skip(f"{name} does not run here: {(folder / 'browser.txt').read_text(errors='replace')[-300:]}")

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and give its result."""
        self._number += 1
        number, message = self._number, {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (found := self._next()).get("id") != number:
            pass
        assert "error" not in found, (method, found)
        return found["result"]

    def _next(self) -> dict[str, Any]:
        """The next message; events are noted on the way."""
        end = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 16)
            if not part or time.monotonic() > end:
                raise EOFError
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        event, found = message.get("method"), message.get("params", {})
        if event == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif event == "Runtime.consoleAPICalled":
            self.messages.append(json.dumps(found["args"]))
        elif event == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(found["exceptionDetails"]))
        elif event == "Log.entryAdded":
            self.messages.append(found["entry"]["text"])
        return message

    def open(self, page: Path, *, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Show a file at a width in CSS pixels, in the light or the dark, on the screen or in print."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self("Emulation.setEmulatedMedia", media=media, features=features)
        self("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """The value of an expression in the page, as JSON has it."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the page, for who looks at a failure."""
        found = self("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """End the browser and wait for it."""
        for end in (self._out, self._in):
            os.close(end)
        try:
            self._process.wait(timeout=10)  # it ends with its pipe
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
