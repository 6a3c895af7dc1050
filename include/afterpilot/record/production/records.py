"""Production records, what people decided, and how far each source was pulled."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.ledger import Entry
from afterpilot.domain.record import HumanDecision, Record
from afterpilot.domain.record_lines import RecordLines
from afterpilot.domain.window import Window
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.canonical import stamp
from afterpilot.record.plain import plain
from afterpilot.record.production.displaced import Displaced
from afterpilot.record.production.merging import Written, lines_of, merge
from afterpilot.record.review.queue import ReviewQueue, without_own
from afterpilot.record.spend.pricing import Pricing
from afterpilot.record.tables import gate_decisions, human_decisions, records, watermarks


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

    def pulled_to_each(self) -> Mapping[str, datetime]:
        """The same of every workflow that was ever pulled."""
        rows = self._connection.execute(sa.select(watermarks.c.workflow, watermarks.c.pulled_to))
        return {row.workflow: row.pulled_to for row in rows if row.pulled_to is not None}

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
        spans: Sequence[Window] = (),
        pricing: Pricing | None = None,
        displaced: Displaced | None = None,
    ) -> Written:
        """Write records with their usage. The newest of a key stands, also where the key comes again in a later batch of the
        same run. Fields that the source has ``lost`` keep what is on record. A row is older than one on record that lies in
        none of the ``spans`` that are read: it gives way. Without ``pricing``, calls are priced when they are summed.
        ``displaced`` is shared by the batches of a pull, and tells in the end which records moved back in time.
        """
        lines = batch if isinstance(batch, RecordLines) else lines_of(batch)
        if not lines.rows:
            return Written()
        return merge(
            self._connection,
            lines,
            run_id,
            since=since,
            lost=lost,
            spans=spans,
            pricing=pricing,
            displaced=displaced,
            ordered=isinstance(batch, RecordLines),
        )

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

    def write_decisions(self, batch: Sequence[HumanDecision], run_id: uuid.UUID | None = None) -> int:
        """Keep what people decided at the source, which closes their review items; returns how many are new or were corrected
        in place. What the review queue itself has written there is known already.

        One entry of the ledger counts them all: the source is where each stands first, and who made them is its to say.
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
        ).returning(kept.decision)
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
        words = Counter(row.decision for row in self._connection.execute(statement, rows))
        workflow = batch[0].workflow
        ReviewQueue(self._connection).settle(workflow, {decision.key for decision in batch})
        if words:
            made = [stamp(moment(one.decided_at for one in batch)) for moment in (min, max)]
            said = {**words, "decided": made, "run": str(run_id) if run_id else None}
            Ledger(self._connection).append(
                Entry("pull:decision:read", f"workflow:{workflow}", datetime.now(UTC), workflow, payload=said)
            )
        return words.total()


_MD5 = sa.func.md5(sa.cast(records.c.data, sa.Text))  # the text of JSONB is canonical: no order, no blanks, no doubles


def _undecided(workflow: str, window: Window) -> tuple[sa.ColumnElement[bool], ...]:
    decided = sa.select(gate_decisions.c.key).where(
        gate_decisions.c.workflow == records.c.workflow,
        gate_decisions.c.key == records.c.key,
        sa.or_(~gate_decisions.c.released, gate_decisions.c.data_md5 == _MD5),
    )
    inside = (records.c.workflow == workflow, records.c.at >= window.start, records.c.at < window.end)
    return (*inside, ~decided.exists())
