"""Headless Chromium over its DevTools protocol: enough to open a page, measure it, and take its picture."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PATIENCE = 180.0  # seconds; axe reads the largest page in ten on an idle machine


def executable() -> str | None:
    """Where Chromium is, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass(slots=True)
class Tab:
    """One tab. ``complaints`` are console errors, failed requests and refused content since the last page was opened."""

    connection: ClientConnection
    complaints: list[str] = field(default_factory=list)
    _last: int = 0
    _loaded: bool = False

    def open(self, url: str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Open a page and wait until it is loaded."""
        self.complaints.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded = False
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + PATIENCE
        while not self._loaded and time.monotonic() < deadline:
            self._take(deadline)
        self.call("Runtime.evaluate", expression="0")  # what the page still had to say has been heard by now

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as on a keyboard: a character, or a name such as ``Enter``."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = {"Enter": 13, "Escape": 27, "Tab": 9}.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                more = {"text": text} if text and kind == "keyDown" else {}
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)

    def write(self, text: str) -> None:
        """Replace what stands in the focused field, as typing does."""
        self.value("document.activeElement.select && document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def until(self, expression: str) -> Any:
        """Wait until a JavaScript expression is true in the page; gives its value. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(RuntimeError):  # the page is being replaced
                if found := self.value(f"document.readyState == 'complete' && ({expression})"):
                    return found
            time.sleep(0.05)
        raise TimeoutError(f"{expression} did not become true in {self.value('location.href')}")

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._last += 1
        self.connection.send(json.dumps({"id": self._last, "method": method, "params": params}))
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._take(deadline)
            if message.get("id") == self._last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return dict(message["result"])

    def _take(self, deadline: float) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=max(0.1, deadline - time.monotonic())))
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.complaints.append(f"{params['errorText']} {params.get('blockedReason', '')}")
        return message


@contextlib.contextmanager
def tab() -> Iterator[Tab]:
    """A tab of a new browser that knows nothing of any other. Raises RuntimeError where Chromium does not start."""
    path = executable()
    if path is None:
        raise RuntimeError("Chromium is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, (Path(profile) / "log").open("wb") as log:
        command = [path, *SWITCHES, f"--user-data-dir={profile}/profile", "about:blank"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with connect(_address(process, Path(profile) / "log"), max_size=None, proxy=None) as connection:
                yield _attached(connection)
        finally:
            process.terminate()
            process.wait(10)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"DevTools listening on ws://([\d.:]+)/", log.read_text(errors="replace")):
            return _page_of(found.group(1))
        time.sleep(0.05)
    raise RuntimeError(f"Chromium does not start: {log.read_text(errors='replace')[-800:]}")


def _page_of(host: str) -> str:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{host}/json/list", timeout=PATIENCE) as answer:
        pages = [target for target in json.load(answer) if target["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"])


def _attached(connection: ClientConnection) -> Tab:
    opened = Tab(connection)
    for domain in ("Page", "Runtime", "Log", "Network"):
        opened.call(f"{domain}.enable")
    return opened
