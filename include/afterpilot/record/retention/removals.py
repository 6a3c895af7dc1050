"""What was removed: each removal is a row here and an entry of the ledger, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from afterpilot.domain.ledger import Entry, Subject
from afterpilot.domain.retention import Removal, month_end
from afterpilot.domain.run import FLEET
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.personal import known
from afterpilot.record.tables import removals


class Removals:
    """Within the transaction that removes."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def note(self, one: Removal, *, actor: str, at: datetime) -> None:
        """A month that was dropped, or a batch of rows that was deleted."""
        self._add("dropped" if one.month else "deleted", one, actor=actor)
        payload: dict[str, Any] = {"class": one.data_class, "rows": one.rows, "table": one.table}
        if one.month:
            payload |= {"bytes": one.size, "month": f"{one.month:%Y-%m}"}
            if one.gone is not None:
                payload["gone"] = {"entries": one.gone.entries, "ids": one.gone.ids}
            action, subject = "retention:partition:dropped", f"partition:{one.table}_{one.month:%Y_%m}"
        else:
            payload["before"] = one.before.isoformat() if one.before else None
            action, subject = "retention:rows:deleted", f"table:{one.table}"
        Ledger(self._connection).append(Entry(action, subject, at, one.workflow or FLEET, actor, payload))

    def erased(
        self, kind: str, pseudonym: str, counts: Mapping[str, int], *, workflow: str, actor: str | Subject, at: datetime,
        payload: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Somebody, or an output, was erased: by pseudonym, with how many values went from where."""
        by = known(self._connection, [actor])[actor].pseudonym if isinstance(actor, Subject) else actor
        one = Removal("", "", sum(counts.values()), workflow=workflow)
        self._add("erased", one, actor=by, subject=pseudonym)
        entry = Entry(
            f"retention:{kind}:erased", pseudonym, at, workflow or FLEET, actor, {"counts": dict(counts), **payload}
        )
        Ledger(self._connection).append(entry)

    def _add(
        self, how: Literal["dropped", "deleted", "erased"], one: Removal, *, actor: str, subject: str = ""
    ) -> None:
        self._connection.execute(
            sa.insert(removals).values(
                how=how,
                data_class=one.data_class,
                table_name=one.table,
                month=one.month,
                workflow=one.workflow,
                before=one.before,
                rows=one.rows,
                bytes=one.size,
                subject=subject,
                actor=actor,
            )
        )


def kept_since(connection: sa.Connection, table: str) -> datetime | None:
    """From when on all rows of a partitioned table are there; None where none were ever removed. Before that nothing is known."""
    dropped = sa.select(sa.func.max(removals.c.month)).where(
        removals.c.how == "dropped", removals.c.table_name == table
    )
    month = connection.scalar(dropped)
    return month_end(month) if month else None


def no_calls_before(connection: sa.Connection) -> date | None:
    """The first day of the first month of which all calls are still kept; None where none were ever removed."""
    since = kept_since(connection, "usage_sums")
    return since.date() if since else None
