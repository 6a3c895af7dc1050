"""The page of a workflow's spend tells what its outputs cost as a whole."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, mounted
from sample_data import NOW

from afterpilot.record import partitions, tables
from afterpilot.web.spend import life

pytestmark = pytest.mark.integration
SLUG = "refunds"
AT = (NOW - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
DOCUMENT = {
    "stage": "live",
    "source": {"decisions": {"table": "decisions"}},
    "spend": {"cap": "5 USD/month", "at_cap": "tell", "volume": "1000 records/month", "hour_of_work": "40 USD"},
}
ROWS = (
    (tables.declarations, {"sha256": "a", "usable": True, "document": DOCUMENT}),
    (tables.current_declarations, {"sha256": "a", "usable_sha256": "a", "loaded_at": AT}),
    (tables.usage_zones, {"zone": "UTC"}),
    (tables.human_decisions, {"key": "0", "decided_at": AT, "decision": "corrected", "minutes": 6}),
)
CALLS = {"kind": "production", "model": "m", "input_tokens": 9, "output_tokens": 9, "cached_tokens": 0}


@pytest.fixture
def engine(ops: sa.Engine) -> sa.Engine:
    """Ten records of yesterday, nine handled alone, a call for each at a cent, and a person who looked for six minutes."""
    with ops.begin() as connection:
        for table, row in ROWS:
            connection.execute(sa.insert(table).values(workflow=SLUG, **row))
        connection.execute(sa.insert(tables.prices).values(id=7, model="m", currency="USD", source="own price list"))
        connection.execute(
            sa.text(
                "INSERT INTO gate_decisions (workflow, key, at, released, reason, run_id) "
                "SELECT :slug, CAST(n AS text), :at, n > 0, 'passed', gen_random_uuid() FROM generate_series(0, 9) AS n"
            ),
            {"slug": SLUG, "at": AT},
        )
        called(connection, calls=10, price_id=7, cost=Decimal("0.10"))
    return ops


def called(connection: sa.Connection, **given: object) -> None:
    """Calls of a quarter of an hour, as they are summed."""
    partitions.ensure(connection, "usage_sums", [AT])
    connection.execute(sa.insert(tables.usage_sums).values(workflow=SLUG, at=AT, **CALLS, **given))


def words(engine: sa.Engine) -> str:
    """The words of the section."""
    html = TestClient(mounted(engine)).get(f"/afterpilot/spend/{SLUG}", headers=BROWSER).text
    start = html.index('id="life"')
    return " ".join(re.sub(r"<[^>]*>", " ", html[start : html.index("</section>", start)]).split())


def test_each_part_and_what_a_month_will_cost(engine: sa.Engine) -> None:
    """Ten cents for calls and four dollars for people, over ten records: 41 cents each, and 410 dollars for a thousand."""
    said = words(engine)
    assert "production calls 0.1000 USD 10 calls" in said
    assert "people's time 4.00 USD 1 decision, 6 minutes" in said.replace("&#39;", "'")
    assert "in all 4.10 USD" in said
    assert "one record 0.4100 USD 10 of them" in said
    assert "one record handled alone 0.4556 USD 9 of them" in said
    assert (
        "At 1,000 records a month: 410 USD (no interval yet); models alone 10 USD (no interval yet), cap 5 USD" in said
    )


def test_what_nobody_knows_is_said_and_never_nought(engine: sa.Engine) -> None:
    """A call without a price leaves the sum open."""
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.prices).values(id=8, model="m", reason="no price"))
        called(connection, calls=2, price_id=8, cost=None)
    said = words(engine)
    assert "in all at least 4.10 USD 2 of 12 calls have no price" in said
    assert "one record unknown" in said


def test_a_page_does_not_wait_for_ever(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where outputs are too many to count while somebody waits, the rest of the page is there all the same."""
    monkeypatch.setattr(life, "_LONGEST", "1ms")
    lock = engine.connect()
    lock.begin()
    lock.exec_driver_sql("LOCK TABLE gate_decisions")
    try:
        assert f"afterpilot cost {SLUG}" in words(engine)
    finally:
        lock.close()
