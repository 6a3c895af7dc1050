"""A workflow's runbook as a page."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from afterpilot.record import tables
from afterpilot.web.app import create_app

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 20, 1, 20, tzinfo=UTC)


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


def test_a_missing_runbook_says_how_to_add_one(pages: TestClient, ops: sa.Engine, tmp_path: Path) -> None:
    """And names the general runbook of what is open, beside the incident; what is over is not shown."""
    folder = tmp_path / "workflows" / "refunds"
    folder.mkdir()
    (folder / "workflow.yaml").write_text("workflow: refunds\n")
    quiet = pages.get("/runbooks/refunds")
    assert quiet.status_code == 200
    assert "runbook.md" in quiet.text
    assert "docs/runbooks/README.md" in quiet.text
    common = {"workflow": "refunds", "severity": "unknown", "opened_at": NOW, "last_seen_at": NOW, "stage": "spend"}
    rows = [
        {**common, "fingerprint": "a" * 16, "kind": "spend.stale", "title": "Never <pulled>", "state": "open"},
        {**common, "fingerprint": "b" * 16, "kind": "quality.no_rows", "title": "No rows", "state": "resolved"},
        {**common, "fingerprint": "c" * 16, "kind": "spend.stale", "title": "Another's", "workflow": "triage"},
    ]
    with ops.begin() as connection:
        for row in rows:
            connection.execute(sa.insert(tables.incidents).values(**row))
        which = connection.scalar(sa.select(tables.incidents.c.id).where(tables.incidents.c.fingerprint == "a" * 16))
    page = pages.get("/runbooks/refunds").text
    assert f'href="/incidents/{which}">Never &lt;pulled&gt;</a>: <code>docs/runbooks/SpendUnknown.md</code>' in page
    assert "QualityFailed" not in page
    assert "Another" not in page


@pytest.mark.parametrize("name", ["file", "folder", "circle", "pipe"])
def test_a_link_leads_nowhere(pages: TestClient, tmp_path: Path, name: str) -> None:
    """The server may read what a reader of these pages may not; only a plain file of the workflow's own folder is shown."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "runbook.md").write_text("outside")
    workflow = tmp_path / "workflows" / "linked"
    if name == "folder":
        workflow.symlink_to(tmp_path / "elsewhere")
    else:
        workflow.mkdir()
        (workflow / "workflow.yaml").write_text("workflow: linked\n")
    if name == "file":
        (workflow / "runbook.md").symlink_to(tmp_path / "runbook.md")
    elif name == "circle":
        (workflow / "runbook.md").symlink_to("runbook.md")
    elif name == "pipe":
        os.mkfifo(workflow / "runbook.md")
    reply = pages.get("/runbooks/linked")
    assert reply.status_code == 404
    assert "outside" not in reply.text


def test_a_link_inside_the_folder_is_followed(tmp_path: Path, ops: sa.Engine) -> None:
    """And the workflows folder itself may be a link, as it is where releases are switched."""
    folder = tmp_path / "release" / "invoices"
    folder.mkdir(parents=True)
    (folder / "night.md").write_text("# At 3 am")
    (folder / "runbook.md").symlink_to("night.md")
    (tmp_path / "current").symlink_to(tmp_path / "release")
    pages = TestClient(create_app(lambda: ops, gate=(), prefix="", workflows=tmp_path / "current"))
    assert "At 3 am" in pages.get("/runbooks/invoices").text
