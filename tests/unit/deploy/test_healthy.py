"""The health check that compose calls, against a local server."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType

import pytest
from deploy_files import ROOT

REPORT = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "unhealthy"}, "triggerer": {"status": None}}


@pytest.fixture(scope="module")
def healthy() -> ModuleType:
    """deploy/healthy.py as a module."""
    spec = importlib.util.spec_from_file_location("healthy", ROOT / "deploy" / "healthy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Replies(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = {"/report": (200, json.dumps(REPORT)), "/plain": (200, "")}.get(self.path, (503, "down"))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server that answers as Airflow's services do."""
    server = HTTPServer(("127.0.0.1", 0), _Replies)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["/report", "metadatabase"], ""),
        (["/plain"], ""),
        (["/report", "scheduler"], "scheduler is unhealthy"),
        (["/report", "triggerer"], "triggerer is not reported"),
        (["/report", "dag_processor"], "dag_processor is not reported"),
        (["/plain", "scheduler"], "did not answer as it should"),
        (["/down"], "503"),
    ],
)
def test_says_what_is_wrong(
    healthy: ModuleType, address: str, capsys: pytest.CaptureFixture[str], asked: list[str], said: str
) -> None:
    """Only a clear statement of health exits with 0; everything else says why not."""
    path, *component = asked
    code = healthy.main([f"{address}{path}", *component])
    assert code == (1 if said else 0)
    assert said in capsys.readouterr().out


def test_an_unreachable_service_is_not_well(healthy: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused connection is a reason, not a traceback."""
    assert healthy.main(["http://127.0.0.1:1/health"]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().out
