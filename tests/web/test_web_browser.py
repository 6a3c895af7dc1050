"""Every page in a real browser: no complaint in its console, nothing wider than a phone."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import chromium
import pytest
import uvicorn
from history_site import Site

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium"),
]


@contextlib.contextmanager
def served(site: Site) -> Iterator[str]:
    """The pages on a free port of this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(site.app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/afterpilot"
        server.should_exit = True
        thread.join(20)


def test_pages_in_a_browser(site: Site) -> None:
    """At the width of a phone and of a desk, in light and dark: styled, no console error, no sideways scrolling."""
    with served(site) as base, chromium.tab() as tab:
        for path in site.paths:
            for width, dark in ((400, False), (1280, True)):
                tab.open(base + path, width=width, dark=dark)
                assert tab.complaints == [], path
                assert tab.value("getComputedStyle(document.querySelector('.top')).display") == "flex", path
                over = tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over == 0, f"{path} is {over} px too wide at {width} px"
