"""The records of a workflow and window, as our own expectations look at them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from afterpilot.check.custom.scope import Column, Scope
from afterpilot.check.single_pass.rows import Rows
from afterpilot.check.window import WindowRows, records
from afterpilot.domain.ports import ReferenceTables
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

_decisions = sa.table(
    "human_decisions",
    sa.column("workflow", sa.Text()),
    sa.column("key", sa.Text()),
    sa.column("decided_at", sa.DateTime(timezone=True)),
    sa.column("decision", sa.Text()),
    sa.column("corrected", JSONB()),
)
_usage = sa.table(
    "usage",
    sa.column("workflow", sa.Text()),
    sa.column("kind", sa.Text()),
    sa.column("ref", sa.Text()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("input_tokens", sa.BigInteger()),
    sa.column("output_tokens", sa.BigInteger()),
    sa.column("cost", sa.Numeric()),
)


def scope_of(
    workflow: Workflow,
    window: Window,
    connection: sa.Connection,
    references: ReferenceTables | None = None,
    *,
    counted: int | None = None,
) -> Scope:
    """The records of the window over a connection to the ops database, and all that is on record beside them; ``counted`` is
    how many records there are, where that is known already.
    """

    def span(other: Window) -> Rows:
        return WindowRows(workflow, other).rows()

    return Scope(
        connection=connection,
        rows=span(window),
        window=window,
        time=workflow.source.time,
        span=span,
        references=references,
        decided=_decided,
        spent={
            "cost": _used(_usage.c.cost),
            "tokens": _used(_usage.c.input_tokens + _usage.c.output_tokens),
        },
        counted=counted,
    )


def _decided(column: str) -> Column:
    """What a record's field should have been by the latest decision: itself where that was accepted, or corrected elsewhere
    only; NULL where nobody decided, or it was rejected.
    """
    said = records.c.data[column].astext
    corrected = sa.func.coalesce(_decisions.c.corrected[column].astext, said)
    right = sa.case((_decisions.c.decision == "accepted", said), (_decisions.c.decision == "corrected", corrected))
    of_record = (_decisions.c.workflow == records.c.workflow, _decisions.c.key == records.c.key)
    latest = sa.select(right).where(*of_record).order_by(_decisions.c.decided_at.desc()).limit(1)
    return latest.correlate(records).scalar_subquery()


def _used(value: Column) -> Column:
    """The sum over a record's calls, NULL where one of them is not known or none is on record."""
    known = sa.case((sa.func.count(value) == sa.func.count(), sa.func.sum(value)))
    of_record = (
        _usage.c.workflow == records.c.workflow,
        _usage.c.kind == "production",
        _usage.c.ref == records.c.key,
        _usage.c.at == records.c.at,
    )
    return sa.select(known).where(*of_record).correlate(records).scalar_subquery()
