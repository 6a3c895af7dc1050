"""Lanes: one place of one target, on which one letter at a time is under way, whichever process sends it.

A lane is closed while a letter is on it, for the target's pace after each post, and for as long as the target asks to wait. The lane
``*`` is the target itself: closed when all of it asks to wait, when the installation must be mended, and when several
attempts in a row brought no clear answer; then one attempt after each pause shows whether it is back.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.delivery import Letter
from afterpilot.record.leasing import after, back_off
from afterpilot.record.tables import lanes

WHOLE = "*"
_IN_A_ROW = 3  # attempts without a clear answer, or places that ask to wait, after which all of the target waits
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds

_OF_THESE = "(CAST(:targets AS text[]) IS NULL OR {}.target = ANY(CAST(:targets AS text[])))"  # NULL: of all of them

# Earlier letters of the same incident, or of the week that is corrected, go to the same place first.
BEHIND = """
  EXISTS (SELECT FROM outbox AS earlier WHERE earlier.incident_id = letter.incident_id AND earlier.target = letter.target
    AND earlier.channel = letter.channel AND earlier.state = 'pending'
    AND (earlier.created_at, earlier.id) < (letter.created_at, letter.id))
  OR letter.kind = 'corrected' AND EXISTS (SELECT FROM reports AS own JOIN reports AS same USING (workflow, week)
    JOIN outbox AS earlier ON earlier.report_id = same.id WHERE own.id = letter.report_id AND earlier.state = 'pending'
    AND (earlier.created_at, earlier.id) < (letter.created_at, letter.id))
"""
# The head of each free lane: gravest, then oldest. Of the lanes those with the gravest head, then those that rested the longest.
_CLAIM = f"""
WITH heads AS (
  SELECT lane.target, lane.channel, head.id FROM lanes AS lane CROSS JOIN LATERAL (
    SELECT letter.id, letter.gravity FROM outbox AS letter
    WHERE letter.target = lane.target AND letter.channel = lane.channel AND letter.state = 'pending'
      AND letter.not_before <= now() AND (letter.leased_until IS NULL OR letter.leased_until < now()) AND NOT ({BEHIND})
    ORDER BY letter.gravity, letter.created_at, letter.id LIMIT 1
  ) AS head
  WHERE lane.channel <> '{WHOLE}' AND lane.free_at <= now() AND {_OF_THESE.format("lane")} AND NOT EXISTS (SELECT FROM lanes AS whole
    WHERE whole.target = lane.target AND whole.channel = '{WHOLE}' AND whole.free_at > now())
  ORDER BY head.gravity, lane.free_at, lane.target, lane.channel LIMIT :limit
  FOR UPDATE OF lane SKIP LOCKED
), taken AS (
  UPDATE lanes SET free_at = now() + :span, lease = :lease, why = '' FROM heads
  WHERE lanes.target = heads.target AND lanes.channel = heads.channel RETURNING heads.id
)
UPDATE outbox AS letter SET lease = :lease, leased_until = now() + :span, attempts = attempts + 1 FROM taken
WHERE letter.id = taken.id AND letter.state = 'pending' AND (letter.leased_until IS NULL OR letter.leased_until < now())
RETURNING letter.id, letter.gravity, letter.created_at
"""  # noqa: S608 - made of constants
_OPEN = """
INSERT INTO lanes (target, channel, free_at) SELECT DISTINCT target, channel, now() FROM outbox AS letter
WHERE state = 'pending' AND NOT EXISTS (SELECT FROM lanes WHERE lanes.target = letter.target AND lanes.channel = letter.channel)
ON CONFLICT DO NOTHING
"""
_DUE = f"""
SELECT CAST(extract(epoch FROM free_at - clock_timestamp()) AS float) FROM (
  SELECT letter.id, letter.kind, letter.target, letter.channel, letter.incident_id, letter.report_id, letter.created_at,
    greatest(letter.not_before, letter.leased_until, lane.free_at, whole.free_at) AS free_at
  FROM outbox AS letter LEFT JOIN lanes AS lane ON lane.target = letter.target AND lane.channel = letter.channel
  LEFT JOIN lanes AS whole ON whole.target = letter.target AND whole.channel = '{WHOLE}'
  WHERE letter.state = 'pending' AND {_OF_THESE.format("letter")} ORDER BY free_at OFFSET 0
) AS letter WHERE NOT ({BEHIND}) LIMIT 1
"""  # noqa: S608 - made of constants
_TO_MEND = f"""
SELECT whole.to_mend FROM lanes AS whole WHERE whole.channel = '{WHOLE}' AND whole.to_mend <> ''
  AND EXISTS (SELECT FROM outbox WHERE outbox.target = whole.target AND outbox.state = 'pending')
ORDER BY whole.target LIMIT 1
"""  # noqa: S608 - made of constants


def open_new(connection: sa.Connection) -> None:
    """Open lanes to the places that letters go to for the first time."""
    connection.execute(sa.text(_OPEN))


def claim(
    connection: sa.Connection, limit: int, lease: uuid.UUID, span: timedelta, targets: Collection[str] | None = None
) -> Sequence[uuid.UUID]:
    """Take up to ``limit`` free lanes and lease the letter at the head of each, in one statement; senders never wait for each other.
    ``targets``: of these alone.
    """
    given = {"limit": limit, "span": span, "lease": lease, "targets": None if targets is None else list(targets)}
    rows = connection.execute(sa.text(_CLAIM), given)
    return [row.id for row in sorted(rows, key=lambda row: (row.gravity, row.created_at))]


def due_in(connection: sa.Connection, targets: Collection[str] | None = None) -> float | None:
    """Seconds until some letter (to these targets) and its lane are both free; None where no letter waits."""
    given = {"targets": None if targets is None else list(targets)}
    seconds: float | None = connection.scalar(sa.text(_DUE), given)
    return seconds


def to_mend(connection: sa.Connection) -> str:
    """What keeps the letters of some target until somebody mends it; empty where nothing does."""
    return connection.scalar(sa.text(_TO_MEND)) or ""


def whole_is_open(target: str) -> sa.ColumnElement[bool]:
    """Whether the target itself takes anything now."""
    closed = (lanes.c.target == target, lanes.c.channel == WHOLE, lanes.c.free_at > sa.func.now())
    return ~sa.exists().where(*closed)


def keep(connection: sa.Connection, letter: Letter, span: timedelta) -> None:
    """The letter stays on its lane."""
    connection.execute(sa.update(lanes).where(*_on_it(letter)).values(free_at=sa.func.now() + span))


def leave(connection: sa.Connection, letter: Letter, *, pace: float) -> None:
    """The letter is off its lane, which rests; a lane that another letter is on by now is left alone."""
    connection.execute(sa.update(lanes).where(*_on_it(letter)).values(free_at=after(pace), lease=None))


def answered(connection: sa.Connection, target: str) -> None:
    """The target has given a clear answer."""
    whole = (lanes.c.target == target, lanes.c.channel == WHOLE)
    failing = sa.or_(lanes.c.failures > 0, lanes.c.to_mend != "")
    connection.execute(sa.update(lanes).where(*whole, failing).values(failures=0, to_mend=""))


def block(connection: sa.Connection, letter: Letter, *, seconds: float, why: str) -> None:
    """The target takes nothing until somebody has mended this; after so long one letter is tried again."""
    leave(connection, letter, pace=0.0)
    _close(connection, letter.target, WHOLE, seconds, why)
    whole = (lanes.c.target == letter.target, lanes.c.channel == WHOLE)
    connection.execute(sa.update(lanes).where(*whole).values(to_mend=why))


def close(connection: sa.Connection, letter: Letter, *, seconds: float, everywhere: bool, why: str) -> None:
    """The place takes nothing for so long; the target neither where it said so, or where several places say so at once."""
    leave(connection, letter, pace=0.0)
    _close(connection, letter.target, letter.channel, seconds, why)
    asked = (
        lanes.c.target == letter.target,
        lanes.c.channel != WHOLE,
        lanes.c.why != "",
        lanes.c.free_at > sa.func.now(),
    )
    if everywhere or (connection.scalar(sa.select(sa.func.count()).where(*asked)) or 0) >= _IN_A_ROW:
        _close(connection, letter.target, WHOLE, seconds, why)


def unclear(connection: sa.Connection, target: str, *, why: str) -> None:
    """Count an attempt without a clear answer; from the third in a row on the target is left alone for a while.

    Attempts that end while it is closed have begun before: they are not counted.
    """
    fresh = insert(lanes).values(target=target, channel=WHOLE, free_at=sa.func.now(), failures=1)
    counted = fresh.on_conflict_do_update(
        index_elements=["target", "channel"],
        set_={"failures": lanes.c.failures + 1},
        where=lanes.c.free_at <= sa.func.now(),
    ).returning(lanes.c.failures)
    failures = connection.scalar(counted) or 0
    if failures >= _IN_A_ROW:
        pause = back_off(failures - _IN_A_ROW + 1, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
        _close(connection, target, WHOLE, pause, why)


def _close(connection: sa.Connection, target: str, channel: str, seconds: float, why: str) -> None:
    until = after(seconds)
    closed = insert(lanes).values(target=target, channel=channel, free_at=until, why=why)
    longest = sa.func.greatest(lanes.c.free_at, until)
    connection.execute(
        closed.on_conflict_do_update(index_elements=["target", "channel"], set_={"free_at": longest, "why": why})
    )


def _on_it(letter: Letter) -> tuple[sa.ColumnElement[bool], ...]:
    return lanes.c.target == letter.target, lanes.c.channel == letter.channel, lanes.c.lease == letter.lease
