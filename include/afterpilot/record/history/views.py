"""Who has looked at something, as the ledger has it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from afterpilot.record.history.paging import Row, all_rows
from afterpilot.record.tables import ledger, subjects

_LOOKS = ("web:evidence:viewed", "web:evidence:downloaded")


def seen_by(connection: sa.Connection, subject: str, *, limit: int = 20) -> Sequence[Row]:
    """The last looks at a subject (``run:<id>``), the newest first: ``at``, ``name`` (None where the person was erased), and
    whether it was ``downloaded``.
    """
    here = ledger.c
    person = sa.and_(here.actor == sa.literal("person:") + sa.cast(subjects.c.id, sa.Text))
    statement = (
        sa.select(here.at, subjects.c.name, (here.action == _LOOKS[1]).label("downloaded"))
        .select_from(ledger.outerjoin(subjects, person))
        .where(here.subject == subject, here.action.in_(_LOOKS))
        .order_by(here.id.desc())
    )
    return all_rows(connection, statement.limit(limit))
