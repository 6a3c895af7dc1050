"""Records of workflows in the ops database, and what the fleet's checker says of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.check.fleet import FleetChecker
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.record import Record
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Workflow
from afterpilot.record.ops import Ops
from doubles.workflows import plain_source, plain_workflow

PULL = uuid.UUID(int=1)
START = datetime(2026, 11, 16, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
OLD: Any = {"condition_parser": "great_expectations"}  # a row_condition as text, which no statement of ours reads


def check(expect: str, severity: Severity = Severity.CRITICAL, **params: Any) -> Check:
    """A declared check."""
    return Check(expect, severity, params)


def workflow_of(*checks: Check, slug: str = "invoice_matching", personal: tuple[str, ...] = ()) -> Workflow:
    """A workflow with these expectations."""
    source = plain_source(
        fields={
            "po": "text",
            "total": "number",
            "Due": "time",
            "rush": "boolean",
            "nothing": "number",
            "tax": "number",
        },
        personal=personal,
    )
    return plain_workflow(source, slug=slug, quality=checks)


def put(
    ops: sa.Engine,
    count: int,
    *,
    slug: str = "invoice_matching",
    start: datetime = START,
    prefix: str = "k",
    **fields: Any,
) -> None:
    """Write records, one each minute; a field that is callable gets the number of the record."""
    rows = []
    for number in range(count):
        data = {"po": f"PO-{number:05d}", "total": f"{number}.50", "Due": "2026-12-01T00:00:00+00:00", "rush": True}
        data |= {name: value(number) if callable(value) else value for name, value in fields.items()}
        rows.append(Record(slug, f"{prefix}{number:04d}", start + timedelta(minutes=number), data))
    with Ops(ops).begin() as unit:
        unit.records.write(rows, PULL)


def judge(ops_url: str, *checks: Check, window: Window = WINDOW, **options: Any) -> Sequence[Judged]:
    """Judge and give back only what was declared."""
    return judged_all(ops_url, workflow_of(*checks, **options), window)[: len(checks)]


def judged_all(ops_url: str, workflow: Workflow, window: Window = WINDOW) -> Sequence[Judged]:
    """All that is said of a workflow."""
    found = FleetChecker(ops_url).judge([(workflow, window)])[workflow.slug]
    assert not isinstance(found, CheckError), found
    return found
