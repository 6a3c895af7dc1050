"""Production records, their usage, what people decided, and how far each source was pulled."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.record import HumanDecision, PricedUsage, Record, Usage
from afterpilot.domain.record_lines import RecordLines
from afterpilot.domain.window import Window
from afterpilot.record import partitions
from afterpilot.record.merging import Written, lines_of, merge
from afterpilot.record.review_queue import ReviewQueue, without_own
from afterpilot.record.runs import plain
from afterpilot.record.tables import gate_decisions, human_decisions, records, usage, watermarks

BATCH = 1000


class Waiting(NamedTuple):
    """A record that the gate has to decide on, and the hash of its data as it was read."""

    record: Record
    data_md5: str


class Records:
    """What was pulled from production."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def pulled_to(self, workflow: str) -> datetime | None:
        """Up to which moment the source was pulled, None before the first pull."""
        return self._connection.scalar(sa.select(watermarks.c.pulled_to).where(watermarks.c.workflow == workflow))

    def set_pulled_to(self, workflow: str, moment: datetime) -> None:
        """Move the watermark forward; it never goes back."""
        statement = insert(watermarks).values(workflow=workflow, pulled_to=moment)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["workflow"],
                set_={"pulled_to": sa.func.greatest(watermarks.c.pulled_to, statement.excluded.pulled_to)},
            )
        )

    def write(
        self,
        batch: Sequence[Record] | RecordLines,
        run_id: uuid.UUID,
        *,
        since: datetime | None = None,
        lost: Collection[str] = (),
    ) -> Written:
        """Write records with their usage. The newest of a key stands, also where the key comes again in a later batch of the
        same run. Fields that the source has ``lost`` keep what is on record.
        """
        lines = batch if isinstance(batch, RecordLines) else lines_of(batch)
        return merge(self._connection, lines, run_id, since=since, lost=lost) if lines.rows else Written()

    def write_usage(self, calls: Sequence[tuple[str, str, str, datetime, Usage | None]]) -> None:
        """Write what calls used, unpriced: (workflow, kind, ref, at, usage). A call that is known already keeps its price
        unless its usage changed.
        """
        if not calls:
            return
        partitions.ensure(self._connection, "usage", (call[3] for call in calls))
        statement = insert(usage)
        new = statement.excluded
        changed = sa.or_(
            usage.c.model.is_distinct_from(new.model),
            usage.c.input_tokens.is_distinct_from(new.input_tokens),
            usage.c.output_tokens.is_distinct_from(new.output_tokens),
            usage.c.cached_tokens.is_distinct_from(new.cached_tokens),
        )
        statement = statement.on_conflict_do_update(
            index_elements=["workflow", "kind", "ref", "at"],
            set_={
                "model": new.model,
                "input_tokens": new.input_tokens,
                "output_tokens": new.output_tokens,
                "cached_tokens": new.cached_tokens,
                "cost": None,
                "currency": "",
                "price_version": "",
                "unpriced_reason": "",
            },
            where=changed,
        )
        self._connection.execute(statement, [_usage_row(*call) for call in calls])

    def unpriced(self, workflow: str, limit: int = BATCH) -> Sequence[tuple[str, str, datetime, Usage]]:
        """Calls that have no price and no reason for it yet: (kind, ref, at, usage)."""
        statement = (
            sa.select(usage)
            .where(usage.c.workflow == workflow, usage.c.cost.is_(None), usage.c.unpriced_reason == "")
            .limit(limit)
        )
        return [
            (row.kind, row.ref, row.at, Usage(row.model, row.input_tokens, row.output_tokens, row.cached_tokens))
            for row in self._connection.execute(statement)
        ]

    def set_prices(self, workflow: str, priced: Sequence[tuple[str, str, datetime, PricedUsage]]) -> None:
        """Keep what calls cost, or why that is not known."""
        if not priced:
            return
        statement = (
            sa.update(usage)
            .where(
                usage.c.workflow == workflow,
                usage.c.kind == sa.bindparam("b_kind"),
                usage.c.ref == sa.bindparam("b_ref"),
                usage.c.at == sa.bindparam("b_at"),
            )
            .values(
                cost=sa.bindparam("b_cost"),
                currency=sa.bindparam("b_currency"),
                price_version=sa.bindparam("b_version"),
                unpriced_reason=sa.bindparam("b_reason"),
            )
        )
        self._connection.execute(
            statement,
            [
                {
                    "b_kind": kind,
                    "b_ref": ref,
                    "b_at": at,
                    "b_cost": price.cost,
                    "b_currency": price.currency,
                    "b_version": price.price_version,
                    "b_reason": price.unpriced_reason,
                }
                for kind, ref, at, price in priced
            ],
        )

    def forget_failed_prices(self, workflow: str) -> None:
        """Let calls without a known price be tried again: a price list may know the model by now."""
        self._connection.execute(
            sa.update(usage)
            .where(usage.c.workflow == workflow, usage.c.cost.is_(None), usage.c.unpriced_reason != "")
            .values(unpriced_reason="")
        )

    def spend(self, workflow: str, window: Window) -> Sequence[sa.Row[Any]]:
        """Calls, unpriced calls and cost in the window by kind, model, currency, day and reason for no price."""
        day = sa.func.date_trunc("day", usage.c.at, "UTC").label("day")
        statement = (
            sa.select(
                usage.c.kind,
                usage.c.model,
                usage.c.currency,
                usage.c.unpriced_reason,
                day,
                sa.func.count().label("calls"),
                sa.func.count().filter(usage.c.cost.is_(None)).label("unpriced"),
                sa.func.sum(usage.c.cost).label("cost"),
            )
            .where(usage.c.workflow == workflow, usage.c.at >= window.start, usage.c.at < window.end)
            .group_by(usage.c.kind, usage.c.model, usage.c.currency, usage.c.unpriced_reason, day)
            .order_by(day)
        )
        return self._connection.execute(statement).all()

    def undecided(
        self, workflow: str, window: Window, *, after: Record | None = None, limit: int | None = None
    ) -> Iterator[Waiting]:
        """Records of the window that the gate has to decide on, oldest first; those ``after`` a record, if given.

        Those are the ones without a decision, and the ones that were released and whose data is now another.
        """
        columns = (records.c.key, records.c.at, records.c.data, _MD5.label("data_md5"))
        statement = sa.select(*columns).where(*_undecided(workflow, window))
        if after is not None:
            statement = statement.where(sa.tuple_(records.c.at, records.c.key) > sa.tuple_(after.at, after.key))
        for row in self._connection.execute(statement.order_by(records.c.at, records.c.key).limit(limit)):
            yield Waiting(Record(workflow, row.key, row.at, row.data), row.data_md5)

    def count_undecided(self, workflow: str, window: Window) -> int:
        """How many records of the window the gate has to decide on."""
        statement = sa.select(sa.func.count()).select_from(records).where(*_undecided(workflow, window))
        return self._connection.execute(statement).scalar_one()

    def write_decisions(self, batch: Sequence[HumanDecision]) -> int:
        """Keep what people decided at the source, which closes their review items; returns how many are new or were corrected
        in place. What the review queue itself has written there is known already.
        """
        if not (batch := without_own(self._connection, batch)):
            return 0
        given = insert(human_decisions)
        new, kept = given.excluded, human_decisions.c
        statement = given.on_conflict_do_update(
            index_elements=["workflow", "key", "decided_at"],
            set_={name: new[name] for name in ("decision", "minutes", "note", "corrected")},
            where=sa.or_(
                kept.decision != new.decision,
                kept.minutes.is_distinct_from(new.minutes),
                kept.note != new.note,
                kept.corrected != new.corrected,
            ),
        ).returning(kept.key)
        rows = [
            {
                "workflow": d.workflow,
                "key": d.key,
                "decided_at": d.decided_at,
                "decision": d.decision,
                "minutes": d.minutes,
                "note": d.note,
                "corrected": plain(dict(d.corrected)),
            }
            for d in batch
        ]
        changed = len(self._connection.execute(statement, rows).all())
        ReviewQueue(self._connection).settle(batch[0].workflow, {decision.key for decision in batch})
        return changed


_MD5 = sa.func.md5(sa.cast(records.c.data, sa.Text))  # the text of JSONB is canonical: no order, no blanks, no doubles


def _undecided(workflow: str, window: Window) -> tuple[sa.ColumnElement[bool], ...]:
    decided = sa.select(gate_decisions.c.key).where(
        gate_decisions.c.workflow == records.c.workflow,
        gate_decisions.c.key == records.c.key,
        sa.or_(~gate_decisions.c.released, gate_decisions.c.data_md5 == _MD5),
    )
    inside = (records.c.workflow == workflow, records.c.at >= window.start, records.c.at < window.end)
    return (*inside, ~decided.exists())


def _usage_row(workflow: str, kind: str, ref: str, at: datetime, used: Usage | None) -> dict[str, Any]:
    return {
        "workflow": workflow,
        "kind": kind,
        "ref": ref,
        "at": at,
        "model": used.model if used else "",
        "input_tokens": used.input_tokens if used else None,
        "output_tokens": used.output_tokens if used else None,
        "cached_tokens": used.cached_tokens if used else 0,
    }
