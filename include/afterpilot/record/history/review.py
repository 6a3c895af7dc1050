"""What waits for people, and what they decided."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from afterpilot.record.history.paging import Key, Page, fetch, moment
from afterpilot.record.tables import human_decisions, review_items


def list_items(
    connection: sa.Connection,
    *,
    workflow: str = "",
    state: str = "",
    reason: str = "",
    run: uuid.UUID | None = None,
    after: str = "",
    limit: int = 50,
) -> Page:
    """Review items with the newest human decision on each, if any.

    ``state`` waiting gives those without a decision, oldest first; decided or empty (all) gives the newest first.
    ``reason`` is failed_check, spot_check or empty. Raises ValueError for a cursor that is none.
    """
    here = review_items
    decision = (
        sa.select(human_decisions)
        .where(human_decisions.c.workflow == here.c.workflow, human_decisions.c.key == here.c.key)
        .order_by(human_decisions.c.decided_at.desc())
        .limit(1)
        .lateral("decision")
    )
    statement = sa.select(
        here, decision.c.decision, decision.c.decided_at, decision.c.minutes, decision.c.note
    ).outerjoin(decision, sa.true())
    for column, value in ((here.c.workflow, workflow), (here.c.reason, reason), (here.c.run_id, run)):
        if value:
            statement = statement.where(column == value)
    if state == "waiting":
        statement = statement.where(decision.c.decision.is_(None))
    elif state == "decided":
        statement = statement.where(decision.c.decision.is_not(None))
    newest_first = state != "waiting"
    keys = [
        Key("at", here.c.at, moment, newest_first=newest_first),
        Key("workflow", here.c.workflow, newest_first=newest_first),
        Key("key", here.c.key, newest_first=newest_first),
    ]
    return fetch(connection, statement, keys=keys, after=after, limit=limit)
