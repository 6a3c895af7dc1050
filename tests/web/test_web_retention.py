"""The page of retention: what is kept, held, removed and erased; engineers set and release holds there, nobody else."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from access_site import MINE, PREFIX, AccessSite
from sample_data import NOW

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres
from afterpilot.domain.ledger import person
from afterpilot.domain.retention import Hold, Removal
from afterpilot.record.retention.holds import Holds
from afterpilot.record.retention.removals import Removals

PATH = f"{PREFIX}/retention"
_TOKEN = re.compile(r'name="token" value="([^"]+)"')


@pytest.fixture(scope="module")
def site(
    postgres: EmbeddedPostgres, new_ops: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AccessSite]:
    """The pages with people of every role, and something that was removed, erased and held."""
    engine = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    made = AccessSite(engine, tmp_path_factory.mktemp("workflows"))
    with engine.begin() as connection:
        month = datetime(2024, 3, 1, tzinfo=UTC).date()
        Removals(connection).note(Removal("records", "records", 812, month, size=9), actor="airflow:retention", at=NOW)
        Removals(connection).note(
            Removal("records", "records", 77, before=NOW, workflow="theirs_alone"), actor="cli", at=NOW
        )
        Removals(connection).erased(
            "person", "person:0fa1", {"silences.by": 3}, workflow="", actor=person("Sam Whitfield"), at=NOW, payload={}
        )
        Holds(connection).add(Hold(uuid.uuid4(), "theirs_alone", None, None, "their claim", "Lee", NOW))
    yield made
    engine.dispose()


def _text(site: AccessSite, role: str) -> str:
    answer = site.client(role).get(PATH)
    assert answer.status_code == 200
    return answer.text


def test_auditors_read_what_is_kept_removed_erased_and_held(site: AccessSite) -> None:
    page = _text(site, "auditor")
    for said in (
        "800 days",
        "for good",
        "records of 2024-03",
        "about 812",
        "person:0fa1",
        "their claim",
        "at least 183 days",
        "airflow:retention",
        "What an erasure leaves",
    ):
        assert said in page
    assert "Sam Whitfield" not in page
    assert "<form" not in page.split("<main")[1]


def test_owners_see_what_is_of_all_or_theirs(site: AccessSite) -> None:
    page = _text(site, "owner")
    assert "records of 2024-03" in page
    assert "theirs_alone" not in page
    assert "their claim" not in page


def test_an_engineer_sets_a_hold_and_releases_it(site: AccessSite) -> None:
    browser = site.client("engineer")

    def send(path: str, **fields: str) -> str:
        (given, *_) = _TOKEN.findall(browser.get(PATH).text)
        answer = browser.post(path, data={"token": given, **fields})
        return answer.headers.get("location", "") or answer.text

    assert "Name a workflow, or say that it is for all" in send(f"{PATH}/holds", reason="x")
    assert "There is no workflow" in send(f"{PATH}/holds", reason="x", workflow="nowhere")
    backwards = {"from": "2026-02-01", "to": "2026-01-01"}
    assert "has to be after" in send(f"{PATH}/holds", reason="x", workflow=MINE, **backwards)
    assert "is no date" in send(f"{PATH}/holds", reason="x", workflow=MINE, to="soon")
    assert send(f"{PATH}/holds", reason="claim 4711", workflow=MINE, to="2026-12-01").endswith("done=set")
    page = browser.get(PATH).text
    assert "claim 4711" in page
    with site.engine.connect() as connection:
        (which,) = connection.scalars(sa.text("SELECT id FROM holds WHERE reason = 'claim 4711'")).all()
    assert send(f"{PATH}/holds/{which}/release", reason="settled").endswith("done=released")
    assert send(f"{PATH}/holds/{which}/release", reason="settled").endswith("done=nothing")
    standing, released = browser.get(PATH).text.split("Released in the last 90 days")
    assert "claim 4711" not in standing
    assert "claim 4711" in released
    assert "settled" in released
    assert "claim 4711" not in site.client("other").get(PATH).text


def test_a_month_whose_calls_are_gone_is_not_shown_as_nothing_spent(site: AccessSite) -> None:
    """Gone is not 0."""
    month = datetime(2024, 3, 1, tzinfo=UTC).date()
    with site.engine.begin() as connection:
        Removals(connection).note(Removal("usage", "usage_sums", 9, month, size=9), actor="airflow:retention", at=NOW)
    for path in ("/spend", f"/spend/{MINE}"):
        answer = site.client("engineer").get(f"{PREFIX}{path}?month=2024-03")
        assert answer.status_code == 404
        assert "before 2024-04-01 is no longer kept" in answer.text
        assert site.client("engineer").get(f"{PREFIX}{path}?month=2024-04").status_code == 200
