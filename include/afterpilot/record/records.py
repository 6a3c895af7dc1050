"""Production records, their usage, what people decided, and how far each source was pulled."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.record import HumanDecision, PricedUsage, Record, Usage
from afterpilot.domain.window import Window
from afterpilot.record import partitions
from afterpilot.record.review_queue import ReviewQueue, without_own
from afterpilot.record.runs import plain
from afterpilot.record.tables import gate_decisions, human_decisions, records, usage, watermarks

BATCH = 1000


class Written(NamedTuple):
    """What a write did: the keys that were not there before, and how many rows gave way to a newer one with their key."""

    new: frozenset[str]
    repeated: int


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

    def write(self, batch: Sequence[Record], run_id: uuid.UUID) -> Written:
        """Write records with their usage. The newest of a key stands, also where the key comes again in a later batch of the
        same run.
        """
        if not batch:
            return Written(frozenset(), 0)
        newest = _newest(batch)
        partitions.ensure(self._connection, "records", (record.at for record in newest))
        statement = insert(records)
        statement = statement.on_conflict_do_update(
            index_elements=["workflow", "key", "at"],
            set_={"data": statement.excluded.data, "run_id": statement.excluded.run_id, "pulled_at": sa.func.now()},
            where=records.c.data.is_distinct_from(statement.excluded.data),
        )
        before = self._known(newest)
        self._connection.execute(
            statement,
            [
                {"workflow": r.workflow, "key": r.key, "at": r.at, "data": plain(r.data), "run_id": run_id}
                for r in newest
            ],
        )
        repeated = len(batch) - len(newest) + self._forget_moved(newest, run_id)
        self.write_usage([(r.workflow, "production", r.key, r.at, r.usage) for r in newest])
        return Written(frozenset(r.key for r in newest) - before, repeated)

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

    def _known(self, batch: Sequence[Record]) -> set[str]:
        # A join, not IN: before the table was ever analysed, the planner takes a long IN list for a reason to read all rows.
        given = sa.values(sa.column("key", sa.Text), name="given").data([(record.key,) for record in batch])
        statement = sa.select(records.c.key).where(
            records.c.workflow == batch[0].workflow, records.c.key == given.c.key
        )
        return set(self._connection.scalars(statement))

    def _forget_moved(self, newest: Sequence[Record], run_id: uuid.UUID) -> int:
        """A record whose time was corrected at the source stands once, at its new time; returns how many of the forgotten
        ones are older and were written by the same run: the source holds their key twice.
        """
        current = sa.values(
            sa.column("key", sa.Text), sa.column("at", sa.DateTime(timezone=True)), name="current"
        ).data([(record.key, record.at) for record in newest])
        workflow = newest[0].workflow
        calls = (usage.c.workflow == workflow, usage.c.kind == "production")
        self._connection.execute(
            sa.delete(usage).where(*calls, usage.c.ref == current.c.key, usage.c.at != current.c.at)
        )
        forgotten = self._connection.execute(
            sa.delete(records)
            .where(records.c.workflow == workflow, records.c.key == current.c.key, records.c.at != current.c.at)
            .returning(records.c.run_id, (records.c.at < current.c.at).label("older"))
        )
        return sum(row.older and row.run_id == run_id for row in forgotten)


_MD5 = sa.func.md5(sa.cast(records.c.data, sa.Text))  # the text of JSONB is canonical: no order, no blanks, no doubles


def _newest(batch: Sequence[Record]) -> list[Record]:
    """One record for each key: the newest, and the last of equally new ones."""
    newest: dict[str, Record] = {}
    for record in batch:
        known = newest.get(record.key)
        if known is None or record.at >= known.at:
            newest[record.key] = record
    return list(newest.values())


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
