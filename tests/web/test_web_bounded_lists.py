"""Lists of incidents and messages read a bounded number of rows, however rare what is asked for."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, mounted

from afterpilot.demo.postgres import OWNER, EmbeddedPostgres
from afterpilot.record.history import bounded, incidents, messages
from afterpilot.record.history.paging import Page

pytestmark = pytest.mark.integration
MANY = 60_000
RARE = uuid.UUID(int=7)
HIDDEN = uuid.UUID(int=8)
# The oldest incident is the only critical one; that of the same workflow before it is the only one there of a severity that others
# have often. So it is with the kinds and states of their messages.
_INCIDENTS = """
INSERT INTO incidents (id, fingerprint, workflow, stage, kind, severity, state, title, opened_at, last_seen_at)
SELECT CASE number WHEN :many THEN CAST(:rare AS uuid) WHEN :many - 3 THEN CAST(:hidden AS uuid) ELSE gen_random_uuid() END,
  number::text, 'w' || number % 3, 'check', 'k',
  CASE WHEN number = :many THEN 'critical' WHEN number % 3 = 0 AND number <> :many - 3 THEN 'warning' ELSE 'unknown' END,
  CASE WHEN number % 2 = 0 THEN 'open' ELSE 'resolved' END, 'title', at, at
FROM generate_series(1, :many) AS number, LATERAL (SELECT TIMESTAMPTZ '2026-11-20' - number * interval '1 minute' AS at) AS times
"""
_MESSAGES = """
INSERT INTO outbox (id, dedupe_key, workflow, kind, channel, message, state, created_at, incident_id)
SELECT id, 'told ' || id, workflow, CASE severity WHEN 'critical' THEN 'weekly' WHEN 'warning' THEN 'incident' ELSE 'graver' END, '#c',
  '{}', CASE severity WHEN 'critical' THEN 'dead' ELSE 'sent' END, opened_at, id
FROM incidents
"""


@pytest.fixture(scope="module")
def full(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> Iterator[sa.Engine]:
    """Many incidents with a message each, one of all of another kind."""
    engine = sa.create_engine(postgres.url(new_ops(), role=OWNER))
    with engine.begin() as connection:
        connection.execute(sa.text(_INCIDENTS), {"many": MANY, "rare": str(RARE), "hidden": str(HIDDEN)})
        connection.execute(sa.text(_MESSAGES))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE incidents, outbox")
    yield engine
    engine.dispose()


def read(connection: sa.Connection, ask: Callable[[], Page]) -> tuple[Page, int]:
    """A page, and how many rows of tables and indexes were read for it, as the plans of its statements count them."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, given: Any, *_: object) -> None:
        seen.append((statement, given))

    sa.event.listen(connection, "before_cursor_execute", note)
    page = ask()
    sa.event.remove(connection, "before_cursor_execute", note)
    plans = [
        connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", given).scalar() for text, given in seen
    ]
    return page, sum(
        map(_rows, (one[0]["Plan"] for one in (json.loads(p) if isinstance(p, str) else p for p in plans)))
    )


def _rows(node: dict[str, Any]) -> int:
    here = 0
    if "Scan" in node["Node Type"] and "Relation Name" in node:
        kept = (
            node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        )
        here = int(kept * node["Actual Loops"])
    return here + sum(_rows(child) for child in node.get("Plans", []))


_EVERY = frozenset({"w0", "w1", "w2"})


def _named(value: object) -> str:
    """What was asked for, with a set in its order: two test processes must call a test alike."""
    if not isinstance(value, dict):
        return str(value)
    return ",".join(
        f"{name}={'+'.join(sorted(one)) if isinstance(one, frozenset) else one}" for name, one in value.items()
    )


@pytest.mark.parametrize(
    ("asked", "hits", "most"),
    [
        ({}, 50, 400),
        ({"severity": "critical"}, 1, 20),
        ({"state": "acknowledged"}, 0, 20),
        ({"state": "waived"}, 0, 20),
        ({"state": "unresolved"}, 50, 700),
        ({"workflow": "w1"}, 50, 400),
        ({"workflow": "nosuch"}, 0, 20),
        ({"only": _EVERY}, 50, 700),
        ({"only": frozenset[str]()}, 0, 20),
        ({"only": _EVERY, "workflow": "w3"}, 0, 20),
        ({"told": "dead"}, 1, 20),
        ({"told": "silenced"}, 0, 20),
        ({"told": "sent"}, 50, 5_000),
        ({"workflow": "w1", "severity": "critical"}, 0, 2_500),
        ({"workflow": "w1", "severity": "warning"}, 0, bounded.MOST + 1_500),
    ],
    ids=_named,
)
def test_a_page_of_incidents_reads_few_rows(full: sa.Engine, asked: dict[str, Any], hits: int, most: int) -> None:
    """With a match and without one, as the plan that PostgreSQL runs counts them."""
    with full.connect() as connection:
        page, rows = read(connection, lambda: incidents.list_incidents(connection, **asked))
    assert len(page.rows) == hits
    assert rows <= most


@pytest.mark.parametrize(
    ("asked", "hits", "most"),
    [
        ({}, 20, 200),
        ({"kind": "weekly"}, 1, 20),
        ({"kind": "waived"}, 0, 20),
        ({"state": "dead"}, 1, 20),
        ({"state": "digest"}, 0, 20),
        ({"workflow": "w1"}, 20, 200),
        ({"only": _EVERY}, 20, 300),
        ({"workflow": "w1", "kind": "weekly"}, 0, 2_500),
        ({"workflow": "w1", "kind": "incident"}, 0, bounded.MOST + 1_500),
        ({"only": _EVERY, "kind": "weekly"}, 1, 2_500),
    ],
    ids=_named,
)
def test_a_page_of_messages_reads_few_rows(full: sa.Engine, asked: dict[str, Any], hits: int, most: int) -> None:
    """With a match and without one, as the plan that PostgreSQL runs counts them."""
    with full.connect() as connection:
        page, rows = read(connection, lambda: messages.list_messages(connection, **asked))
    assert len(page.rows) == hits
    assert rows <= most


@pytest.mark.parametrize("path", ["/incidents?workflow=w0&severity=unknown", "/messages?workflow=w0&kind=graver"])
def test_a_page_that_has_looked_long_enough_goes_on_until_it_finds(full: sa.Engine, path: str) -> None:
    """It says how far it has looked; whoever goes on comes to the only one there is, once."""
    client, pages, onward = TestClient(mounted(full)), [], path
    while onward and len(pages) < 10:
        answer = client.get(f"/afterpilot{onward}", headers=BROWSER)
        assert answer.status_code == 200
        pages.append(answer.text)
        found = re.search(r'rel="next" href="/afterpilot([^"]+)"', answer.text)
        onward = found[1].replace("&amp;", "&") if found else ""
    assert len(pages) > 1
    assert all("Looked back to" in page for page in pages[:-1])
    assert [str(HIDDEN) in page for page in pages].count(True) == 1


@pytest.mark.parametrize(
    "asked", [{"state": "unresolved"}, {"workflow": "w1", "severity": "unknown"}, {"only": _EVERY}], ids=_named
)
def test_a_bounded_list_shows_every_row_once(full: sa.Engine, asked: dict[str, Any]) -> None:
    """Page by page as in one go, whatever a page has looked through."""
    with full.connect() as connection:
        whole = incidents.list_incidents(connection, **asked, limit=MANY, most=2 * MANY).rows
        seen, after = [], ""
        while True:
            page = incidents.list_incidents(connection, **asked, limit=7_000, after=after, most=5_000)
            seen += page.rows
            after = page.after
            if not after:
                break
    assert [row["id"] for row in seen] == [row["id"] for row in whole]
    assert len({row["id"] for row in seen}) == len(seen) > 9_000
