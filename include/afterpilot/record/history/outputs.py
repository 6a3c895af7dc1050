"""One output from its record to what people decided on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.record.history.paging import Query, Row, all_rows, one_row
from afterpilot.record.tables import gate_decisions, human_decisions, records, releases, review_items, usage


@dataclass(frozen=True, slots=True)
class Output:
    """What is known of one output: its record as pulled, the gate's decision, the review item, people's decisions, its call, and
    what production was told of it.

    Each is None or empty where there is none.
    """

    record: Row | None
    gate: Row | None
    item: Row | None
    people: Sequence[Row]
    call: Row | None
    releases: Sequence[Row] = ()

    @property
    def known(self) -> bool:
        """Whether anything at all stands on record."""
        return any((self.record, self.gate, self.item, self.people))


def one_output(connection: sa.Connection, workflow: str, key: str) -> Output:
    """The story of one output."""

    def of(table: sa.Table) -> Query:
        return sa.select(table).where(table.c.workflow == workflow, table.c.key == key)

    call = sa.select(usage).where(usage.c.workflow == workflow, usage.c.kind == "production", usage.c.ref == key)
    return Output(
        record=one_row(connection, of(records).order_by(records.c.at.desc())),
        gate=one_row(connection, of(gate_decisions)),
        item=one_row(connection, of(review_items)),
        people=all_rows(connection, of(human_decisions).order_by(human_decisions.c.decided_at.desc()).limit(50)),
        call=one_row(connection, call.order_by(usage.c.at.desc())),
        releases=all_rows(connection, of(releases).order_by(releases.c.number.desc()).limit(50)),
    )
