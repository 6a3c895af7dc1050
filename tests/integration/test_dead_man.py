"""The heartbeat to a service outside, against a real server."""

from __future__ import annotations

import http.server
import logging
import threading
import time
from collections.abc import Iterator

import pytest
from path_site import Site

from afterpilot.notify.dead_man import call

SECRET = "0b6c7d1e-secret"


class Monitor(http.server.BaseHTTPRequestHandler):
    """Answers what the path asks for, and keeps what it was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        """Answer with the status of the path, after the time that it names."""
        self.asked.append(self.path)
        what = self.path.split("/")[1]
        if what == "slow":
            time.sleep(1)
        self.send_response(int(what) if what.isdigit() else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def monitor() -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it was asked."""
    asked: list[str] = []
    handler = type("Handler", (Monitor,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "error"), [("200", ""), ("204", ""), ("404", "it answered 404"), ("500", "it answered 500")]
)
def test_it_is_called_once_by_get(monitor: tuple[str, list[str]], path: str, error: str) -> None:
    """What is no success is said in a few words."""
    url, asked = monitor
    assert call(f"{url}/{path}/{SECRET}") == error
    assert asked == [f"/{path}/{SECRET}"]


def test_one_that_does_not_answer_is_given_up(monitor: tuple[str, list[str]]) -> None:
    """The watchdog does not wait for it."""
    assert call(f"{monitor[0]}/slow/{SECRET}", patience=0.2) == "it did not answer in time"


@pytest.mark.parametrize("url", [f"http://127.0.0.1:9/{SECRET}", f"nonsense://{SECRET}", SECRET, f"http://[{SECRET}"])
def test_its_address_stands_in_no_text(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever knows it can keep it quiet."""
    caplog.set_level(logging.INFO)
    error = call(url)
    assert error
    assert SECRET not in error + caplog.text


def test_the_pass_goes_on_when_it_is_called_in_vain(site: Site, monitor: tuple[str, list[str]]) -> None:
    """What went wrong stands in its beat, for the page; without an address nothing is called."""
    assert site.wired().call_dead_man() == ""
    assert site.rows("SELECT * FROM beats") == []
    site.env["AFTERPILOT_HEARTBEAT_URL"] = f"{monitor[0]}/500/{SECRET}"
    wired = site.wired()
    assert wired.call_dead_man() == "it answered 500"
    assert SECRET not in repr(wired.settings)
    (beat,) = site.rows("SELECT * FROM beats")
    assert (beat["name"], beat["detail"]) == ("dead_man", {"error": "it answered 500"})


def test_the_address_stands_in_no_log(monitor: tuple[str, list[str]], caplog: pytest.LogCaptureFixture) -> None:
    """Also where all is logged: urllib3 writes whole paths."""
    url, asked = monitor
    with caplog.at_level(logging.DEBUG):
        assert call(f"{url}/200/{SECRET}") == ""
    assert asked == [f"/200/{SECRET}"]
    assert SECRET not in caplog.text
