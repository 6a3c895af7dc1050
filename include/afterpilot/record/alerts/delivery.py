"""The outbox as those see it who deliver: letters claimed with a lease and a lane, and what became of each.

A letter's id is the reference in the transport's metadata, so that an attempt that may have got through is looked for before it
is made again. The first letter of an incident posts; later ones edit that message. So does the first one of a week, and
those that correct it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.alerting import SLACK
from afterpilot.domain.delivery import Letter, Posted
from afterpilot.domain.ledger import Personal, person
from afterpilot.domain.message import Message
from afterpilot.record.alerts import lanes
from afterpilot.record.leasing import after, back_off, ended, held
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import message_changed, message_put
from afterpilot.record.plain import plain
from afterpilot.record.tables import outbox

LEASE = timedelta(minutes=1)  # longer than one HTTP request of a transport may take; each post renews it
_LONGEST_WAIT = (
    60.0  # seconds until a letter is tried again: what an outage has held up is not to wait for long after it
)
_RARELY = 3600.0  # seconds until a letter is tried again that our own code cannot make

# An edit alone notifies nobody: these have a line in the thread.
_TOLD = (
    *("resolved", "graver", "corrected", "answered", "reopened", "escalated", "acknowledged", "waived"),
    *("waiver_over", "silence_over"),
)

# Edits that nobody has begun to send, between a message that stands or goes first and a later one that replaces it.
_NEEDLESS = """
UPDATE outbox SET state = 'superseded', why = 'newer news of the same incident came before it was sent' WHERE id IN (
  SELECT letter.id FROM outbox AS letter WHERE letter.state = 'pending' AND letter.incident_id IS NOT NULL
    AND letter.kind <> ALL(:told) AND NOT letter.attempted AND letter.posted_ts = ''
    AND (letter.leased_until IS NULL OR letter.leased_until < now())
    AND EXISTS (SELECT FROM outbox AS earlier WHERE earlier.incident_id = letter.incident_id
      AND earlier.target = letter.target AND earlier.channel = letter.channel AND earlier.state IN ('pending', 'sent')
      AND (earlier.created_at, earlier.id) < (letter.created_at, letter.id))
    AND EXISTS (SELECT FROM outbox AS later WHERE later.incident_id = letter.incident_id
      AND later.target = letter.target AND later.channel = letter.channel AND later.state = 'pending'
      AND (later.created_at, later.id) > (letter.created_at, letter.id))
  FOR UPDATE OF letter SKIP LOCKED)
RETURNING id, workflow, kind, target, channel, incident_id, why, now() AS noted_at
"""
# Letters with their charts, and where the message stands that they edit: their incident's in the same place, or their week's.
_LETTERS = """
SELECT letter.*, reports.chart, stands.posted_channel AS at_channel, stands.posted_ts AS at_ts
FROM outbox AS letter LEFT JOIN reports ON reports.id = letter.report_id LEFT JOIN LATERAL (
  SELECT posted_channel, posted_ts FROM (
    SELECT * FROM outbox WHERE incident_id = letter.incident_id AND target = letter.target AND channel = letter.channel
    UNION ALL SELECT first.* FROM reports AS own JOIN reports AS same USING (workflow, week)
      JOIN outbox AS first ON first.report_id = same.id
      WHERE letter.kind = 'corrected' AND own.id = letter.report_id AND first.id <> letter.id
  ) AS first WHERE state = 'sent' AND posted_ts <> '' ORDER BY sent_at DESC LIMIT 1
) AS stands ON true WHERE letter.id = ANY(:ids)
"""

_PLACE = tuple(outbox.c[name] for name in ("id", "workflow", "kind", "target", "channel", "incident_id"))


class PostgresOutbox:
    """The outbox as :mod:`afterpilot.notify` sees it. Each call is a transaction of its own.

    Args:
        engine: the ops database.
        fallback_channel: where in Slack letters go that are refused where they should go.
        lease: how long a sender that is not heard of keeps its letter and its lane.
        targets: only letters to these are claimed; None: all.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        fallback_channel: str,
        lease: timedelta = LEASE,
        targets: Collection[str] | None = None,
    ) -> None:
        self._engine = engine
        self._fallback = fallback_channel
        self._lease = lease
        self._targets = targets

    def tidy(self) -> None:
        """Open lanes to places that are new, and drop older edits that newer ones of the same incident make needless."""
        with self._engine.begin() as connection:
            lanes.open_new(connection)
            dropped = connection.execute(sa.text(_NEEDLESS), {"told": list(_TOLD)}).mappings().all()
            entries = [message_changed(row, "superseded", at=row["noted_at"], why=row["why"]) for row in dropped]
            Ledger(connection).append_many(entries)

    def claim(self, limit: int) -> Sequence[Letter]:
        """Lease letters that are due and have a free lane, one for each lane; of each incident only the oldest unsent one."""
        lease = uuid.uuid4()
        with self._engine.begin() as connection:
            ids = lanes.claim(connection, limit, lease, self._lease, self._targets)
            letters = {letter.id: letter for letter in _letters(connection, ids, lease)} if ids else {}
        return [letters[letter_id] for letter_id in ids]

    def due_in(self) -> float | None:
        """In how many seconds the next letter is due and its lane free; 0 or less: now. None where no letter waits."""
        with self._engine.connect() as connection:
            return lanes.due_in(connection, self._targets)

    def to_mend(self) -> str:
        """What somebody must mend before the letters of some target can go out, by the last attempt there; empty where nothing is known."""
        with self._engine.connect() as connection:
            return lanes.to_mend(connection)

    def begin(self, letter: Letter) -> bool:
        """Note that a post begins, and renew the lease; False where it was lost, or all of the target has to wait meanwhile."""
        until = sa.func.now() + self._lease
        with self._engine.begin() as connection:
            whole = lanes.whole_is_open(letter.target)
            if not _owned(connection, letter, whole, attempted=True, leased_until=until):
                return False
            lanes.keep(connection, letter, self._lease)
            return True

    def put_back(self, letter: Letter) -> None:
        """Nothing was done about it."""
        with self._engine.begin() as connection:
            if _owned(connection, letter, **ended()):
                lanes.leave(connection, letter, pace=0.0)

    def part(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """Its message stands in the channel; its details are due when the lane has rested."""
        stands = {"posted_channel": posted.channel, "posted_ts": posted.ts, "transport": transport}
        rest = {"not_before": after(pace), "attempts": 0, "attempted": False, "error": "", **ended()}
        with self._engine.begin() as connection:
            if _owned(connection, letter, **stands, **rest):
                _answered(connection, letter, pace)

    def sent(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """It stands in the channel."""
        stands = {"posted_channel": posted.channel, "posted_ts": posted.ts, "transport": transport}
        with self._engine.begin() as connection:
            row = _owned(connection, letter, state="sent", sent_at=sa.func.now(), error="", **stands, **ended())
            if row:
                _answered(connection, letter, pace)
                _told(connection, row, "sent", transport=transport, posted={"channel": posted.channel, "ts": posted.ts})

    def asked_to_wait(self, letter: Letter, *, seconds: float, everywhere: bool, error: str) -> None:
        """Not now: its lane is closed, or all of its target. Nothing was posted by this attempt."""
        with self._engine.begin() as connection:
            if _owned(connection, letter, error=error, attempted=letter.attempted, **ended()):
                lanes.close(connection, letter, seconds=seconds, everywhere=everywhere, why=error)

    def blocked(self, letter: Letter, *, seconds: float, error: str) -> None:
        """Nothing goes to its target until somebody has mended this. Nothing was posted by this attempt."""
        with self._engine.begin() as connection:
            if _owned(connection, letter, error=error, attempted=letter.attempted, **ended()):
                lanes.block(connection, letter, seconds=seconds, why=error)

    def failed(self, letter: Letter, *, error: str, unsent: bool) -> None:
        """No clear answer, or none at all: tried again after ten seconds, twice as long after each, a minute at most."""
        wait = back_off(letter.attempts, longest=_LONGEST_WAIT)
        known = {"attempted": letter.attempted} if unsent else {}
        with self._engine.begin() as connection:
            if _owned(connection, letter, not_before=after(wait), error=error, **known, **ended()):
                lanes.leave(connection, letter, pace=1.0)
                lanes.unclear(connection, letter.target, why=error)

    def broken(self, letter: Letter, *, error: str) -> None:
        """Our own code could not make or send it: tried again after a minute, twice as long after each, an hour at most. What mends it may
        be the next release.
        """
        wait = back_off(letter.attempts, first=60.0, longest=_RARELY)
        with self._engine.begin() as connection:
            if _owned(connection, letter, not_before=after(wait), error=error, **ended()):
                lanes.leave(connection, letter, pace=1.0)

    def needless(self, letter: Letter, *, why: str) -> None:
        """The place knows no edits, and this one is not worth a message of its own."""
        with self._engine.begin() as connection:
            row = _owned(connection, letter, state="superseded", why=why, error="", **ended())
            if row:
                lanes.leave(connection, letter, pace=0.0)
                _told(connection, row, "superseded", why=why)

    def dead(self, letter: Letter, *, error: str) -> None:
        """Not there, ever: keep it as dead and send the same to the fallback channel, unless that is where it failed."""
        with self._engine.begin() as connection:
            gone = _owned(connection, letter, state="dead", error=error, **ended())
            if not gone:
                return
            _answered(connection, letter, 0.0)
            _told(connection, gone, "dead", error=error)
            if (letter.target, letter.channel) == (SLACK, self._fallback):
                return
            row = connection.execute(sa.select(outbox).where(outbox.c.id == letter.id)).one()
            copied = ("workflow", "kind", "incident_id", "report_id", "gravity")
            copy = connection.execute(
                insert(outbox)
                .values(
                    **{name: getattr(row, name) for name in copied},
                    message=plain(letter.message.as_dict()),
                    dedupe_key=f"{row.dedupe_key}/fallback",
                    target=SLACK,
                    channel=self._fallback,
                )
                .on_conflict_do_nothing(index_elements=["dedupe_key"])
                .returning(outbox)
            )
            Ledger(connection).append_many([message_put(made) for made in copy.mappings()])

    def oldest_waiting(self) -> timedelta | None:
        """For how long the oldest unsent letter has waited; None where none does."""
        with self._engine.connect() as connection:
            now, since = connection.execute(
                sa.select(sa.func.now(), sa.func.min(outbox.c.created_at)).where(outbox.c.state == "pending")
            ).one()
        return now - since if since else None


def _answered(connection: sa.Connection, letter: Letter, pace: float) -> None:
    lanes.leave(connection, letter, pace=pace)
    lanes.answered(connection, letter.target)


def _owned(
    connection: sa.Connection, letter: Letter, *only: sa.ColumnElement[bool], **values: object
) -> sa.RowMapping | None:
    """Change a letter that is still held; its place and the time, or None where it is not."""
    statement = sa.update(outbox).where(*held(outbox, letter.id, letter.lease), *only).values(**values)
    return connection.execute(statement.returning(*_PLACE, sa.func.now().label("noted_at"))).mappings().first()


def _told(connection: sa.Connection, row: sa.RowMapping, state: str, **more: object) -> None:
    """The entry of what became of a letter. Words about an e-mail address are as personal as that is."""
    address = person(row["channel"]) if "@" in row["channel"] else None
    told = {name: Personal(value, address) if address else value for name, value in more.items()}
    Ledger(connection).append(message_changed(row, state, at=row["noted_at"], source="deliver", **told))


def _letters(connection: sa.Connection, ids: Sequence[uuid.UUID], lease: uuid.UUID) -> Sequence[Letter]:
    return [_letter(row, lease) for row in connection.execute(sa.text(_LETTERS), {"ids": list(ids)})]


def _letter(row: sa.Row[Any], lease: uuid.UUID) -> Letter:
    message, unreadable = _message(row)
    return Letter(
        id=row.id,
        lease=lease,
        kind=row.kind,
        channel=row.channel,
        message=message,
        created_at=row.created_at,
        attempts=row.attempts,
        attempted=row.attempted,
        target=row.target,
        incident_id=row.incident_id,
        stands=Posted(row.at_channel, row.at_ts) if row.at_ts else None,
        posted=Posted(row.posted_channel, row.posted_ts) if row.posted_ts else None,
        thread_text=message.notification if row.at_ts and row.kind in _TOLD else "",
        picture=row.chart,
        unreadable=unreadable,
    )


def _message(row: sa.Row[Any]) -> tuple[Message, str]:
    """The message, and why it cannot be read; then another one in its place says so."""
    try:
        return Message.from_dict(row.message), ""
    except ValueError as error:
        why = f"its message cannot be read: {error}"
        title = f"{row.workflow}: a message of the kind {row.kind} could not be shown"
        said = (
            "It is damaged, or of another version. See Messages in the run history, and the incidents of this workflow."
        )
        return Message(tone="unknown", title=title, summary=said, notification=title), why
