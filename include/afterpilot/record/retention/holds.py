"""Holds: what must not be removed for now, whatever its age. They are set and ended, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.ledger import Entry, Personal, person
from afterpilot.domain.retention import Hold
from afterpilot.domain.run import FLEET
from afterpilot.domain.storable import storable
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.tables import holds

_SHORTEST, _MOST = 4, 1000  # digits of an id that somebody types; holds that are listed


class Holds:
    """Within a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, hold: Hold) -> None:
        """Set a hold; from now on the database itself refuses to drop what it covers."""
        self._connection.execute(
            sa.insert(holds).values(
                id=hold.id,
                workflow=hold.workflow,
                from_at=hold.start,
                to_at=hold.end,
                reason=storable(hold.reason),
                set_by=storable(hold.set_by),
                set_at=hold.set_at,
            )
        )
        span = {"from": _day(hold.start), "to": _day(hold.end), "reason": Personal(hold.reason)}
        self._tell("retention:hold:set", hold, hold.set_by, hold.set_at, span)

    def release(self, which: str, *, by: str, reason: str, at: datetime) -> tuple[Hold, bool]:
        """End a hold by its id or the first digits of it; False where it had ended already.

        Raises:
            AnswerRefused: no hold has such an id, or several have.
        """
        hold = self._named(which)
        statement = sa.update(holds).where(holds.c.id == hold.id, holds.c.ended_at.is_(None))
        ended = statement.values(ended_at=at, ended_by=storable(by), ended_reason=storable(reason))
        if not self._connection.execute(ended).rowcount:
            return hold, False
        self._tell("retention:hold:released", hold, by, at, {"reason": Personal(reason)})
        return self._named(str(hold.id)), True

    def all(self, *, ended: bool = False) -> Sequence[Hold]:
        """The holds that stand, the oldest first; those that have ``ended`` too, if asked for."""
        statement = sa.select(holds).order_by(holds.c.set_at, holds.c.id).limit(_MOST)
        if not ended:
            statement = statement.where(holds.c.ended_at.is_(None))
        return [_hold(row) for row in self._connection.execute(statement).mappings()]

    def released(self, since: datetime) -> Sequence[Hold]:
        """Those that were released since a moment, the newest first."""
        statement = sa.select(holds).where(holds.c.ended_at >= since).order_by(holds.c.ended_at.desc(), holds.c.id)
        return [_hold(row) for row in self._connection.execute(statement.limit(_MOST)).mappings()]

    def _named(self, which: str) -> Hold:
        wanted = which.strip().lower()
        if len(wanted) < _SHORTEST or set(wanted) - set("0123456789abcdef-"):
            raise AnswerRefused(f"{which!r} is no id of a hold: at least its first {_SHORTEST} digits are needed")
        text = sa.cast(holds.c.id, sa.Text)
        rows = (
            self._connection.execute(sa.select(holds).where(text.startswith(wanted, autoescape=True)).limit(2))
            .mappings()
            .all()
        )
        if len(rows) != 1:
            found = "several holds begin with" if rows else "no hold has the id"
            raise AnswerRefused(f"{found} {which!r}: `afterpilot hold list --all` shows them")
        return _hold(rows[0])

    def _tell(self, action: str, hold: Hold, by: str, at: datetime, payload: Mapping[str, object]) -> None:
        entry = Entry(action, f"hold:{hold.id}", at, hold.workflow or FLEET, person(by), payload)
        Ledger(self._connection).append(entry)


def _hold(given: Mapping[Any, Any]) -> Hold:
    return Hold(
        id=given["id"],
        workflow=given["workflow"],
        start=given["from_at"],
        end=given["to_at"],
        reason=given["reason"],
        set_by=given["set_by"],
        set_at=given["set_at"],
        ended_at=given["ended_at"],
        ended_by=given["ended_by"],
        ended_reason=given["ended_reason"],
    )


def _day(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
