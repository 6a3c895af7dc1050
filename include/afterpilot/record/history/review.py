"""What waits for people, and what they decided."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.sql.selectable import LateralFromClause

from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Query, Row, fetch, moment, one_row
from afterpilot.record.tables import human_decisions, review_items, write_backs

_ITEM = review_items.c
# An item that the sweep has not met yet has no due time: it stands where most of its age stand.
DUE = sa.func.coalesce(_ITEM.due_at, _ITEM.opened_at + sa.cast(timedelta(hours=24), sa.Interval))


@dataclass(frozen=True, slots=True)
class Counts:
    """The queue in figures: items that wait, those beyond their time, those of the asked person, and what was decided since."""

    waiting: int
    overdue: int
    mine: int
    decided: int
    decided_by_me: int


@dataclass(frozen=True, slots=True)
class Mine:
    """A person, by the login and by all names (lower case, words apart by one blank) that items may be assigned to."""

    login: str
    names: Collection[str]

    def of(self, at: datetime) -> sa.ColumnElement[bool]:
        """Items that the person holds, or that are assigned to them."""
        assigned = sa.func.regexp_replace(sa.func.lower(_ITEM.assigned_to), "[^[:alnum:]]+", " ", "g")
        held = sa.and_(_ITEM.reserved_by == self.login, _ITEM.reserved_until > at)
        return sa.or_(held, assigned.in_(list(self.names))) if self.login else sa.false()


def list_items(
    connection: sa.Connection,
    *,
    workflow: str = "",
    state: str = "",
    reason: str = "",
    run: uuid.UUID | None = None,
    mine: sa.ColumnElement[bool] | None = None,
    only: Only = None,
    after: str = "",
    limit: int = 50,
) -> Page:
    """Review items with the newest human decision on each, if any, and ``due``.

    ``state`` waiting gives those without a decision, the oldest due first; decided or empty (all) gives the newest first.
    ``reason`` is failed_check, spot_check or empty. Raises ValueError for a cursor that is none.
    """
    statement = _with_decision().where(among(_ITEM.workflow, only))
    for column, value in ((_ITEM.workflow, workflow), (_ITEM.reason, reason), (_ITEM.run_id, run)):
        if value:
            statement = statement.where(column == value)
    if mine is not None:
        statement = statement.where(mine)
    if state == "waiting":
        statement = statement.where(_ITEM.decided_at.is_(None))
        keys = [Key("due", DUE, moment), Key("workflow", _ITEM.workflow), Key("key", _ITEM.key)]
        return fetch(connection, statement, keys=keys, after=after, limit=limit)
    if state == "decided":
        statement = statement.where(_ITEM.decided_at.is_not(None))
    keys = [
        Key("at", _ITEM.at, moment, newest_first=True),
        Key("workflow", _ITEM.workflow, newest_first=True),
        Key("key", _ITEM.key, newest_first=True),
    ]
    return fetch(connection, statement, keys=keys, after=after, limit=limit)


def one_item(connection: sa.Connection, workflow: str, key: str) -> Row | None:
    """An item with its newest decision and what became of its write-back (``back_state``, ``back_error``), or None."""
    decision = _newest()
    statement = (
        _with_decision(decision)
        .add_columns(
            decision.c.origin,
            decision.c.corrected,
            write_backs.c.state.label("back_state"),
            write_backs.c.error.label("back_error"),
            write_backs.c.not_before.label("back_again"),
        )
        .outerjoin(
            write_backs,
            sa.and_(
                write_backs.c.workflow == _ITEM.workflow,
                write_backs.c.key == _ITEM.key,
                write_backs.c.decided_at == decision.c.decided_at,
            ),
        )
        .where(_ITEM.workflow == workflow, _ITEM.key == key)
    )
    return one_row(connection, statement)


def counts(
    connection: sa.Connection, *, workflow: str, mine: Mine, at: datetime, since: datetime, only: Only = None
) -> Counts:
    """The queue in figures, of one workflow or (empty) of all."""
    waiting = sa.select(sa.func.count(), sa.func.count().filter(at > DUE), sa.func.count().filter(mine.of(at))).where(
        _ITEM.decided_at.is_(None), among(_ITEM.workflow, only)
    )
    by_me = sa.and_(_ITEM.decided_by == mine.login, _ITEM.decided_by != "")
    done = sa.select(sa.func.count(), sa.func.count().filter(by_me)).where(
        _ITEM.decided_at >= since, among(_ITEM.workflow, only)
    )
    if workflow:
        waiting, done = waiting.where(_ITEM.workflow == workflow), done.where(_ITEM.workflow == workflow)
    return Counts(*connection.execute(waiting).one(), *connection.execute(done).one())


def next_item(
    connection: sa.Connection,
    *,
    by: str,
    at: datetime,
    workflow: str = "",
    mine: sa.ColumnElement[bool] | None = None,
    only: Only = None,
    beyond: tuple[str, str] | None = None,
    back: bool = False,
) -> tuple[str, str] | None:
    """The next undecided item that nobody else holds, as (workflow, key), the oldest due first; None where there is none.

    It is the one after (with ``back``: before) ``beyond``; at the end of the queue it goes on at the other end. The row is
    locked until the transaction ends, and rows that others have locked are passed over: two people at once get two items.
    """
    statement = sa.select(_ITEM.workflow, _ITEM.key).where(
        among(_ITEM.workflow, only),
        _ITEM.decided_at.is_(None),
        sa.or_(_ITEM.reserved_by.in_(["", by]), _ITEM.reserved_until <= at),
    )
    if workflow:
        statement = statement.where(_ITEM.workflow == workflow)
    if mine is not None:
        statement = statement.where(mine)
    place = (DUE, _ITEM.workflow, _ITEM.key)
    order = [column.desc() if back else column.asc() for column in place]
    if beyond is not None:
        here = sa.select(DUE).where(_ITEM.workflow == beyond[0], _ITEM.key == beyond[1])
        stands = sa.tuple_(here.scalar_subquery(), sa.literal(beyond[0]), sa.literal(beyond[1]))
        further = sa.tuple_(*place) < stands if back else sa.tuple_(*place) > stands
        statement = statement.where(sa.tuple_(_ITEM.workflow, _ITEM.key) != sa.tuple_(*map(sa.literal, beyond)))
        order = [further.desc().nulls_last(), *order]
    found = connection.execute(statement.order_by(*order).limit(1).with_for_update(skip_locked=True)).first()
    return (found.workflow, found.key) if found else None


def _newest() -> LateralFromClause:
    return (
        sa.select(human_decisions)
        .where(human_decisions.c.workflow == _ITEM.workflow, human_decisions.c.key == _ITEM.key)
        .order_by(human_decisions.c.decided_at.desc())
        .limit(1)
        .lateral("decision")
    )


def _with_decision(decision: LateralFromClause | None = None) -> Query:
    newest = _newest() if decision is None else decision
    item = [column for column in review_items.c if column.name not in {"decided_at", "decided_by"}]
    return sa.select(
        *item,
        DUE.label("due"),
        sa.func.coalesce(newest.c.decided_at, _ITEM.decided_at).label("decided_at"),
        sa.func.coalesce(sa.func.nullif(_ITEM.decided_by, ""), newest.c.decided_by, "").label("decided_by"),
        newest.c.decision,
        newest.c.minutes,
        newest.c.note,
    ).outerjoin(newest, _ITEM.decided_at.is_not(None))
