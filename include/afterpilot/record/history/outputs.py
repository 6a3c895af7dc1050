"""One output from its record to what people decided on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.record.history.paging import Query, Row, all_rows, one_row
from afterpilot.record.tables import gate_decisions, human_decisions, prices, records, releases, review_items, usage


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

    record = one_row(connection, of(records).order_by(records.c.at.desc()))
    return Output(
        record=record,
        gate=one_row(connection, of(gate_decisions)),
        item=one_row(connection, of(review_items)),
        people=all_rows(connection, of(human_decisions).order_by(human_decisions.c.decided_at.desc()).limit(50)),
        call=record and one_row(connection, _call(workflow, key, record["at"])),
        releases=all_rows(connection, of(releases).order_by(releases.c.number.desc()).limit(50)),
    )


def _call(workflow: str, key: str, at: datetime) -> Query:
    price = (prices.c.currency, prices.c.source.label("price_version"), prices.c.reason.label("unpriced_reason"))
    return (
        sa.select(usage, *price)
        .outerjoin_from(usage, prices, prices.c.id == usage.c.price_id)
        .where(usage.c.workflow == workflow, usage.c.at == at, usage.c.kind == "production", usage.c.ref == key)
    )
