"""The outbox: messages written in the transaction of their news, delivered later, each once.

A letter is claimed with a lease. Its id is the reference in the transport's metadata, so that an attempt that may have got
through is looked for before it is made again. The first letter of an incident posts; later ones edit that message. So does
the first one of a week, and those that correct it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.alerting import SLACK, Fate
from afterpilot.domain.message import Message
from afterpilot.domain.ports import Letter, Posted
from afterpilot.domain.verdict import Severity
from afterpilot.record.runs import plain
from afterpilot.record.tables import outbox, reports

_TOLD = {
    "resolved",
    "graver",
    "corrected",
    "answered",
    "reopened",
    "escalated",
    "acknowledged",
    "waived",
    "waiver_over",
    "silence_over",
}  # an edit alone notifies nobody: these have a line in the thread
LEASE = timedelta(minutes=2)  # longer than any HTTP time-out of a transport
_GRAVITY = {Severity.CRITICAL: 0, Severity.UNKNOWN: 1, Severity.WARNING: 2, Severity.INFO: 3}


class OutboxWriter:
    """Puts letters into the outbox, within the transaction of their news."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(
        self,
        message: Message,
        *,
        dedupe_key: str,
        workflow: str,
        kind: str,
        channel: str,
        target: str = SLACK,
        incident_id: uuid.UUID | None = None,
        report_id: uuid.UUID | None = None,
        severity: Severity = Severity.INFO,
        fate: Fate = Fate.PENDING,
        not_before: datetime | None = None,
        why: str = "",
    ) -> bool:
        """Queue a message, or keep one that is not sent and ``why``; False where the same news is on record already."""
        statement = (
            insert(outbox)
            .values(
                message=plain(message.as_dict()),
                dedupe_key=dedupe_key,
                workflow=workflow,
                kind=kind,
                channel=channel,
                target=target,
                incident_id=incident_id,
                report_id=report_id,
                gravity=_GRAVITY[severity],
                state=str(fate),
                not_before=not_before or sa.func.now(),
                why=why,
            )
            .on_conflict_do_nothing(index_elements=["dedupe_key"])
            .returning(outbox.c.id)
        )
        return self._connection.execute(statement).first() is not None

    def last(self, incident_id: uuid.UUID) -> tuple[Message, str] | None:
        """The newest message about an incident, and its channel; None where none was queued."""
        about = sa.select(outbox.c.message, outbox.c.channel).where(outbox.c.incident_id == incident_id)
        row = self._connection.execute(about.order_by(outbox.c.created_at.desc()).limit(1)).one_or_none()
        return (Message.from_dict(row.message), row.channel) if row else None


class PostgresOutbox:
    """The outbox as :mod:`afterpilot.notify` sees it. Each call is a transaction of its own."""

    def __init__(self, engine: sa.Engine, *, fallback_channel: str) -> None:
        self._engine = engine
        self._fallback = fallback_channel

    def claim(self, limit: int) -> Sequence[Letter]:
        """Lease letters that are due: gravest first, then oldest, and of each incident only the oldest unsent one."""
        lease = uuid.uuid4()
        earlier = outbox.alias("earlier")
        waits_for_earlier = (
            sa.select(earlier.c.id)
            .where(
                sa.or_(_same_incident(earlier), _same_week(earlier)),
                earlier.c.state == "pending",
                sa.tuple_(earlier.c.created_at, earlier.c.id) < sa.tuple_(outbox.c.created_at, outbox.c.id),
            )
            .exists()
        )
        due = (
            sa.select(outbox.c.id)
            .where(
                outbox.c.state == "pending",
                outbox.c.not_before <= sa.func.now(),
                sa.or_(outbox.c.leased_until.is_(None), outbox.c.leased_until < sa.func.now()),
                ~waits_for_earlier,
            )
            .order_by(outbox.c.gravity, outbox.c.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True, of=outbox)
        )
        with self._engine.begin() as connection:
            ids = list(connection.scalars(due))
            if not ids:
                return []
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.id.in_(ids))
                .values(lease=lease, leased_until=sa.func.now() + LEASE, attempts=outbox.c.attempts + 1)
            )
            letters = {letter.id: letter for letter in self._letters(connection, ids, lease)}
        return [letters[letter_id] for letter_id in ids]

    def begin(self, letter: Letter) -> bool:
        """Note that a post begins; False where the lease is not ours any more."""
        with self._engine.begin() as connection:
            return self._owned(connection, letter, attempted=True)

    def sent(self, letter: Letter, posted: Posted, transport: str) -> None:
        """It stands in the channel."""
        with self._engine.begin() as connection:
            self._owned(
                connection,
                letter,
                state="sent",
                posted_channel=posted.channel,
                posted_ts=posted.ts,
                transport=transport,
                sent_at=sa.func.now(),
                error="",
                lease=None,
                leased_until=None,
            )

    def later(self, letter: Letter, *, seconds: float, error: str) -> None:
        """Not now."""
        with self._engine.begin() as connection:
            self._owned(
                connection,
                letter,
                not_before=sa.func.now() + timedelta(seconds=seconds),
                error=error,
                lease=None,
                leased_until=None,
            )

    def dead(self, letter: Letter, *, error: str) -> None:
        """Not there, ever: keep it as dead and send the same to the fallback channel, unless that is where it failed."""
        with self._engine.begin() as connection:
            if not self._owned(connection, letter, state="dead", error=error, lease=None, leased_until=None):
                return
            if letter.channel == self._fallback:
                return
            row = connection.execute(sa.select(outbox).where(outbox.c.id == letter.id)).one()
            connection.execute(
                insert(outbox)
                .values(
                    message=row.message,
                    dedupe_key=f"{row.dedupe_key}/fallback",
                    workflow=row.workflow,
                    kind=row.kind,
                    incident_id=row.incident_id,
                    report_id=row.report_id,
                    gravity=row.gravity,
                    channel=self._fallback,
                )
                .on_conflict_do_nothing(index_elements=["dedupe_key"])
            )

    def oldest_waiting(self) -> timedelta | None:
        """For how long the oldest unsent letter has waited; None where none does."""
        with self._engine.connect() as connection:
            now, since = connection.execute(
                sa.select(sa.func.now(), sa.func.min(outbox.c.created_at)).where(outbox.c.state == "pending")
            ).one()
        return now - since if since else None

    def _owned(self, connection: sa.Connection, letter: Letter, **values: object) -> bool:
        statement = (
            sa.update(outbox)
            .where(outbox.c.id == letter.id, outbox.c.lease == letter.lease, outbox.c.state == "pending")
            .values(**values)
            .returning(outbox.c.id)
        )
        return connection.execute(statement).first() is not None

    def _letters(self, connection: sa.Connection, ids: Sequence[uuid.UUID], lease: uuid.UUID) -> Sequence[Letter]:
        first = outbox.alias("first")
        stands = (
            sa.select(first.c.posted_channel, first.c.posted_ts)
            .where(
                sa.or_(_same_incident(first), _same_week(first)),
                first.c.state == "sent",
                first.c.posted_ts != "",
            )
            .order_by(first.c.sent_at.desc())
            .limit(1)
            .lateral("stands")
        )
        statement = (
            sa.select(
                outbox, reports.c.chart, stands.c.posted_channel.label("at_channel"), stands.c.posted_ts.label("at_ts")
            )
            .outerjoin(reports, reports.c.id == outbox.c.report_id)
            .outerjoin(stands, sa.true())
            .where(outbox.c.id.in_(ids))
        )
        return [
            Letter(
                id=row.id,
                lease=lease,
                kind=row.kind,
                channel=row.channel,
                message=Message.from_dict(row.message),
                created_at=row.created_at,
                attempts=row.attempts,
                attempted=row.attempted,
                target=row.target,
                incident_id=row.incident_id,
                stands=Posted(row.at_channel, row.at_ts) if row.at_ts else None,
                thread_text=row.message["notification"] if row.at_ts and row.kind in _TOLD else "",
                picture=row.chart,
            )
            for row in connection.execute(statement)
        ]


def _same_incident(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether another letter is of the same incident, and goes to the same place."""
    return sa.and_(
        other.c.incident_id == outbox.c.incident_id,
        other.c.target == outbox.c.target,
        other.c.channel == outbox.c.channel,
    )


def _same_week(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether another letter is of the week that a letter of the outbox corrects."""
    own, same = reports.alias("own_week"), reports.alias("same_week")
    weeks = own.join(same, sa.and_(same.c.workflow == own.c.workflow, same.c.week == own.c.week))
    of_the_week = (
        sa.select(sa.literal(1))
        .select_from(weeks)
        .where(own.c.id == outbox.c.report_id, same.c.id == other.c.report_id)
        .correlate(outbox, other)
        .exists()
    )
    return sa.and_(outbox.c.kind == "corrected", other.c.id != outbox.c.id, of_the_week)
