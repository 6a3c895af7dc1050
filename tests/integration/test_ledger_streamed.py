"""What is on record is held against the ledger in a bounded piece of memory, however much there is of it."""

from __future__ import annotations

import tracemalloc

import pytest
import sqlalchemy as sa

from afterpilot.record.ledger import acts as ledger_acts
from afterpilot.record.ledger import letters as ledger_letters
from afterpilot.record.ledger import states as ledger_states

pytestmark = pytest.mark.integration
_ROWS = 10_000
_MOST = 5_000_000  # bytes: a thousand rows at once take 3.3 million, all of them 6.9 million
_COLUMNS = "at, actor, action, subject, workflow, payload, payload_hash"
_MANY = (
    (
        "INSERT INTO incidents (fingerprint, workflow, stage, kind, severity, title, opened_at, last_seen_at) "
        f"SELECT CAST(n AS text), 'w', 'check', 'k', 'warning', 't', now(), now() FROM generate_series(1, {_ROWS // 10}) AS n"
    ),
    (
        "INSERT INTO incident_events (incident_id, at, what, actor, note) "
        "SELECT id, now() + n * interval '1 s', 'gone', 'afterpilot', 'not found' FROM incidents, generate_series(1, 10) AS n"
    ),
    (
        f"INSERT INTO ledger ({_COLUMNS}) SELECT at, 'afterpilot', 'alerts:incident:gone', 'incident:' || incident_id, 'w', "
        """'{"kind":"k","note":"not found","run":null,"severity":"warning","state":"open"}', '' FROM incident_events"""
    ),
    (
        "INSERT INTO outbox (dedupe_key, workflow, kind, channel, message, state, sent_at, transport) "
        f"SELECT CAST(n AS text), 'w', 'k', '#c', '{{}}', 'sent', now(), 'slack' FROM generate_series(1, {_ROWS}) AS n"
    ),
    (
        f"INSERT INTO ledger ({_COLUMNS}) SELECT sent_at, 'afterpilot', 'deliver:message:sent', 'message:' || id, 'w', "
        """'{"posted":{"channel":"","ts":""},"transport":"slack"}', '' FROM outbox"""
    ),
)


def test_rows_are_never_all_in_memory(ops: sa.Engine) -> None:
    """Neither where all fit, nor where none does: then the first hundred of a table are told."""
    looks = (ledger_acts.look, ledger_states.look, ledger_letters.look)
    with ops.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for statement in _MANY[:-2]:
            assert connection.exec_driver_sql(statement).rowcount
        ledger_acts.look(connection)  # what is imported at the first look is not counted
        for statement in _MANY[-2:]:
            assert connection.exec_driver_sql(statement).rowcount
        tracemalloc.start()
        try:
            assert [look(connection).problems for look in looks] == [[], [], []]
            connection.exec_driver_sql("UPDATE incident_events SET note = 'found'")
            connection.exec_driver_sql("UPDATE incidents SET severity = 'info'")
            connection.exec_driver_sql("UPDATE outbox SET transport = 'x'")
            assert [len(look(connection).problems) for look in looks] == [ledger_acts.MOST] * 3
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < _MOST
