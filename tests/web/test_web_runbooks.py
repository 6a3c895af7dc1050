"""A workflow's runbook as a page."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from afterpilot.web.app import create_app

pytestmark = pytest.mark.integration


@pytest.fixture
def pages(tmp_path: Path, ops: sa.Engine) -> TestClient:
    folder = tmp_path / "workflows" / "invoices"
    folder.mkdir(parents=True)
    (folder / "runbook.md").write_text("# At 2 am\n<script>alert(1)</script>\n")
    (tmp_path / "runbook.md").write_text("outside")
    return TestClient(create_app(lambda: ops, gate=(), prefix="", workflows=tmp_path / "workflows"))


def test_a_runbook_is_shown_as_text(pages: TestClient) -> None:
    """Its words, escaped."""
    reply = pages.get("/runbooks/invoices")
    assert reply.status_code == 200
    assert "At 2 am" in reply.text
    assert "<script>alert" not in reply.text


@pytest.mark.parametrize("name", ["missing", "%2e%2e", "invoices%2f..", "In", "../workflows/invoices"])
def test_nothing_else_is_reachable(pages: TestClient, name: str) -> None:
    """Only a workflow's own file, by its plain name."""
    reply = pages.get(f"/runbooks/{name}")
    assert reply.status_code == 404
    assert "outside" not in reply.text
