"""A document has the same hash when it is written and when it is made again of what PostgreSQL has kept."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.domain.message import Fact, Message
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Loaded, Problem
from afterpilot.record.ledger.documents import (
    declaration_document,
    hash_of,
    message_document,
    run_document,
    text_of,
)
from afterpilot.record.ops import Unit, unit_of
from afterpilot.record.tables import declarations, findings, ledger, outbox, runs

pytestmark = pytest.mark.integration

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [-0.0, 1e-7, 1e22, 1e23, 5e-324, 1.7e308, 2.0**53, 1.0, "\x00", "half \ud83d", "\ue000\U00010000"]
    )
    | st.text()
    | st.datetimes(timezones=st.just(UTC))
)
VALUES = st.dictionaries(st.text(), st.recursive(LEAVES, lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
MOMENTS = st.datetimes(datetime(2026, 10, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - they want none
ONE_DATABASE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def named_by(unit: Unit, subject: str, **terms: str) -> str:
    """The document that the entry of a subject names."""
    statement = sa.select(ledger.c.payload).where(ledger.c.subject == subject, ledger.c.action.like(terms["action"]))
    payload: Mapping[str, Any] = json.loads(unit.connection.execute(statement).scalar_one())
    return str(payload["document"])


@ONE_DATABASE
@given(
    evidence=VALUES, said=WORDS, at=MOMENTS, took=st.timedeltas(timedelta(0), timedelta(days=1)), kinds=st.lists(WORDS)
)
def test_a_run_with_its_findings(
    ops: sa.Engine, evidence: dict[str, Any], said: str, at: datetime, took: timedelta, kinds: list[str]
) -> None:
    found = tuple(
        Finding("invoices", "check", kind, Severity.WARNING, said, about=said, evidence=evidence) for kind in kinds
    )
    result = StageResult("invoices", "check", findings=found, summary=said, evidence=evidence, checked=3)
    with ops.begin() as connection:
        unit = unit_of(connection)
        run_id, new = unit.runs.add(
            result,
            window=Window(at - took, at),
            trigger=Trigger("cli", str(uuid.uuid4())),
            versions={"code": said},
            started_at=at - took,
            finished_at=at,
        )
        row = connection.execute(sa.select(runs).where(runs.c.id == run_id)).mappings().one()
        rows = connection.execute(sa.select(findings).where(findings.c.run_id == run_id)).mappings().all()
        document = run_document(row, rows)
        assert new
        assert named_by(unit, f"run:{run_id}", action="check:run:recorded") == hash_of(document)
        assert hashlib.sha256(text_of(document).encode()).hexdigest() == hash_of(document)


@ONE_DATABASE
@given(said=WORDS, facts=st.lists(st.tuples(WORDS, WORDS)))
def test_a_message(ops: sa.Engine, said: str, facts: list[tuple[str, str]]) -> None:
    message = Message(
        tone="unknown", title=said, summary=said, notification=said, facts=tuple(Fact(*fact) for fact in facts)
    )
    with ops.begin() as connection:
        unit = unit_of(connection)
        key = str(uuid.uuid4())
        assert unit.outbox.put(message, dedupe_key=key, workflow="invoices", kind="weekly", channel="#ops")
        row = connection.execute(sa.select(outbox).where(outbox.c.dedupe_key == key)).mappings().one()
        assert named_by(unit, f"message:{row['id']}", action="alerts:message:%") == hash_of(message_document(row))


@ONE_DATABASE
@given(document=VALUES, line=st.integers(0, 10**6), said=WORDS, at=MOMENTS)
def test_a_version_of_a_declaration(
    ops: sa.Engine, document: dict[str, Any], line: int, said: str, at: datetime
) -> None:
    sha256 = hashlib.sha256(uuid.uuid4().bytes).hexdigest()
    loaded = Loaded("invoices", said, None, (Problem(said, line, said, said),), sha256, document)
    with ops.begin() as connection:
        unit = unit_of(connection)
        unit.declarations.keep(loaded, at=at)
        row = connection.execute(sa.select(declarations).where(declarations.c.sha256 == sha256)).mappings().one()
        named = named_by(unit, f"declaration:{sha256}", action="declare:version:loaded")
        assert named == hash_of(declaration_document(row))


def test_a_document_says_its_format_and_what_the_run_said(ops: sa.Engine) -> None:
    """Exactly this text, so that nobody changes the form of documents that entries name already."""
    at = datetime(2026, 11, 20, 10, 0, 0, 5, tzinfo=UTC)
    finding = Finding("invoices", "check", "quality.x", Severity.CRITICAL, "Bad", evidence={"seen": Decimal("0.10")})
    result = StageResult("invoices", "check", findings=(finding,), summary="1 of 2", evidence={"share": 0.5})
    with ops.begin() as connection:
        run_id, _ = unit_of(connection).runs.add(
            result,
            window=Window(at - timedelta(hours=1), at),
            trigger=Trigger("airflow", "r1", "records.hourly", "check"),
            versions={"code": "1"},
            started_at=at,
            finished_at=at,
        )
        row = connection.execute(sa.select(runs)).mappings().one()
        text = text_of(run_document(row, connection.execute(sa.select(findings)).mappings().all()))
    assert text == (
        '{"corrects":null,"evidence":{"checked":0,"share":0.5},"findings":[{"about":"","detail":"","evidence":{"seen":"0.10"},'
        f'"fingerprint":"{finding.fingerprint}","kind":"quality.x","severity":"critical","stage":"check","title":"Bad",'
        '"workflow":"invoices"}],"finished_at":"2026-11-20T10:00:00.000005Z","format":"run/1",'
        f'"id":"{run_id}","reasons":{json.dumps(list(result.reasons), separators=(",", ":"))},"stage":"check",'
        '"started_at":"2026-11-20T10:00:00.000005Z","summary":"1 of 2","trigger":{"dag_id":"records.hourly","map_index":-1,'
        '"origin":"airflow","run_id":"r1","task_id":"check","try_number":1},"verdict":"FAIL","versions":{"code":"1"},'
        '"window":["2026-11-20T09:00:00.000005Z","2026-11-20T10:00:00.000005Z"],"workflow":"invoices"}'
    )
