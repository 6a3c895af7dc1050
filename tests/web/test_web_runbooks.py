"""A workflow's runbook as a page."""

from __future__ import annotations

import os
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
