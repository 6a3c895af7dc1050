"""The page from which evidence is taken away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from history_site import Site

from afterpilot.record.bundle import verifier as bundle_verifier
from afterpilot.record.ledger import heads
from afterpilot.record.tables import ledger


@pytest.fixture
def head(audited: Site) -> str:
    """The hash of the newest signed head of the site, which no test may seal again: others ask for what is not sealed."""
    with audited.engine.connect() as connection:
        newest = heads.last_signed(connection)
    assert newest is not None
    return newest.hash


def test_a_bundle_is_downloaded_verifies_and_is_on_record(audited: Site, head: str, tmp_path: Path) -> None:
    """The form leads to a file that verifies against the head, and the ledger says who took it."""
    html = audited.get("/bundle?workflow=order_replies")
    assert "Download the bundle" in html
    action = re.search(r'action="([^"]+)"', html.split("<main", 1)[1])
    assert action is not None
    answer = audited.client.get(f"{action.group(1)}?workflow=order_replies")
    assert answer.headers["content-type"] == "application/zip"
    (tmp_path / "bundle.zip").write_bytes(answer.content)
    found = bundle_verifier.verify(tmp_path / "bundle.zip", head)
    assert found.outcome == "verified", found.problems
    with audited.engine.connect() as connection:
        last = connection.execute(sa.select(ledger).order_by(ledger.c.id.desc()).limit(1)).one()
    assert (last.action, last.workflow) == ("audit:bundle:exported", "order_replies")


def test_the_ledger_leads_to_the_form_and_a_head_that_is_not_its_own_is_refused(audited: Site, head: str) -> None:
    """With the head that somebody gives the bundle is made, in any case of its letters."""
    assert 'href="/afterpilot/bundle?workflow=order_replies"' in audited.get("/ledger?workflow=order_replies")
    file = "/afterpilot/bundle.zip?workflow=order_replies&head="
    assert audited.client.get(file + head.upper()).status_code == 200
    assert audited.client.get(file + "0" * 64).status_code == 409


def test_what_is_no_period_is_refused(audited: Site, head: str) -> None:
    """Days in the wrong order, too many of them, and no workflow."""
    for query in (
        "workflow=order_replies&from=2026-11-20&to=2026-11-14",
        "workflow=order_replies&from=2025-01-01&to=2026-11-14",
        "from=2026-11-14",
    ):
        assert audited.client.get(f"/afterpilot/bundle.zip?{query}").status_code == 422
    assert audited.client.get("/afterpilot/bundle.zip?workflow=nothing").status_code in {404, 409}
