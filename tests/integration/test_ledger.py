"""Entries stand in the transaction of what they tell, in canonical form; what is personal is sealed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from afterpilot.domain.ledger import Entry, Personal, output, person
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.personal import opened
from afterpilot.record.tables import ledger, subjects

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_an_entry_has_its_canonical_payload_and_the_hash_of_it(ops: sa.Engine) -> None:
    with ops.begin() as connection:
        Ledger(connection).append(
            Entry("check:run:recorded", "run:1", AT, "invoices", "airflow:records", {"b": 1.0, "a": 2**60})
        )
        row = connection.execute(sa.select(ledger)).one()
    assert row.payload == '{"a":"1152921504606846976","b":1}'
    assert row.payload_hash == hashlib.sha256(row.payload.encode()).digest()
    assert (row.actor, row.action, row.subject, row.workflow, row.at) == (
        "airflow:records",
        "check:run:recorded",
        "run:1",
        "invoices",
        AT,
    )


def test_an_entry_goes_with_the_transaction_that_failed(ops: sa.Engine) -> None:
    with ops.connect() as connection:
        Ledger(connection).append(Entry("check:run:recorded", "run:1", AT))
        connection.rollback()
    with ops.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(ledger)) == 0


def test_a_person_is_named_by_a_pseudonym_and_what_they_wrote_is_sealed(ops: sa.Engine) -> None:
    payload = {
        "note": Personal("Call me at home"),
        "corrected": Personal({"name": "Ann Soerensen"}, output("invoices", "k\x001")),
    }
    with ops.begin() as connection:
        Ledger(connection).append(
            Entry("review:decision:made", "output:1", AT, "invoices", person(" Dana  Ruiz "), payload)
        )
        Ledger(connection).append(Entry("alerts:silence:set", "silence:1", AT, "invoices", person("dana ruiz")))
        first, second = connection.execute(sa.select(ledger).order_by(ledger.c.id)).all()
        who = connection.execute(sa.select(subjects).where(subjects.c.kind == "person")).one()
    assert first.actor == second.actor == f"person:{who.id}"
    assert "Call me" not in first.payload
    assert "Soerensen" not in first.payload
    box = json.loads(first.payload)["note"]["$sealed"]
    assert opened(box, who.key) == b'"Call me at home"'
    with pytest.raises(ValueError, match="not sealed under this key"):
        opened(box, bytes(32))


def test_what_is_no_action_or_nobodys_is_refused(ops: sa.Engine) -> None:
    with pytest.raises(ValueError, match="no action"):
        Entry("recorded", "run:1", AT)
    with pytest.raises(ValueError, match="is aware"):
        Entry("check:run:recorded", "run:1", AT.replace(tzinfo=None))
    with ops.begin() as connection, pytest.raises(ValueError, match="about nobody"):
        Ledger(connection).append(Entry("check:run:recorded", "run:1", AT, payload={"note": Personal("x")}))
