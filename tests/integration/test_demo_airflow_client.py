"""The demo's client of Airflow, against a server that is sometimes too slow."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from afterpilot.demo import airflow
from afterpilot.demo.processes import Processes
from afterpilot.demo.state import State

pytestmark = pytest.mark.integration


class Slow(ThreadingHTTPServer):
    """Leaves the first ``unanswered`` requests without an answer until it is closed."""

    daemon_threads = True

    def __init__(self, unanswered: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.unanswered, self.asked, self.closed = unanswered, 0, threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Slow

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.asked <= self.server.unanswered:
            self.server.closed.wait()
            return
        body = json.dumps({"dags": [{"dag_id": "gate"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Slow]:
    """The server, with as many requests unanswered as the test's parameter says."""
    made = Slow(request.param)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.closed.set()
    made.shutdown()
    made.server_close()


def client(server: Slow, folder: Path, monkeypatch: pytest.MonkeyPatch) -> airflow.Api:
    """A client that loses patience soon."""
    monkeypatch.setattr(airflow, "_TIMEOUT", (5, 0.2))
    state = State(folder=folder, port=server.server_address[1], environ={}, secrets={})
    return airflow.Api(state, Processes(folder))


@pytest.mark.parametrize("server", [3], indirect=True)
def test_an_answer_that_takes_too_long_is_asked_for_again(
    server: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine does not end the demo."""
    assert client(server, tmp_path, monkeypatch).dag_ids() == {"gate"}
    assert server.asked == 4


@pytest.mark.parametrize("server", [1000], indirect=True)
def test_a_server_that_never_answers_ends_the_wait(
    server: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few attempts, with the reason."""
    with pytest.raises(requests.Timeout):
        client(server, tmp_path, monkeypatch).dag_ids()
    assert server.asked == airflow._ATTEMPTS
