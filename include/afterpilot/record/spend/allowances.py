"""Allowances: what the gateway of each workflow is told, one row for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from afterpilot.domain.allowance import STALE_AFTER, Allowance, caps_as_data, caps_of, stop_as_data, stop_of
from afterpilot.domain.storable import storable
from afterpilot.record.tables import allowances


class Allowances:
    """The allowances of all workflows, within a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, workflow: str) -> None:
        """Let no other transaction change what this workflow may do, until this one ends."""
        self._connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(hashtext('allowances'), hashtext(:workflow))"), {"workflow": workflow}
        )

    def find(self, workflow: str) -> Allowance | None:
        """What was judged last; None where nothing was."""
        return find_allowance(self._connection, workflow)

    def lock_each(self, workflows: Sequence[str]) -> None:
        """The same for many workflows, in the order of their names."""
        statement = sa.text(
            "SELECT pg_advisory_xact_lock(hashtext('allowances'), hashtext(workflow)) "
            "FROM (SELECT unnest(CAST(:workflows AS text[])) AS workflow ORDER BY 1) AS named"
        )
        self._connection.execute(statement, {"workflows": sorted(workflows)})

    def find_each(self, workflows: Sequence[str]) -> Mapping[str, Allowance]:
        """What was judged last of many workflows, as far as anything was."""
        statement = sa.select(allowances).where(allowances.c.workflow.in_(list(workflows)))
        return {row.workflow: _allowance(row) for row in self._connection.execute(statement)}

    def put(self, *given: Allowance) -> None:
        """Keep each in place of what was judged before."""
        if not given:
            return
        statement = insert(allowances).values([_values(one) for one in given])
        replaced = {name: statement.excluded[name] for name in ("allowed", "reason", "said", "since", "as_of", "until")}
        self._connection.execute(statement.on_conflict_do_update(index_elements=["workflow"], set_=replaced))

    def ended(self, now: datetime) -> Sequence[str]:
        """The workflows whose stop may have ended by itself, and nobody has told so yet: its period is over, or it has none and was
        judged too long ago.
        """
        stops = sa.or_(~allowances.c.allowed, allowances.c.said["stopped_models"] != sa.cast([], JSONB))
        old = sa.and_(allowances.c.until.is_(None), allowances.c.as_of <= now - STALE_AFTER, stops)
        statement = sa.select(allowances.c.workflow).where(sa.or_(allowances.c.until <= now, old))
        return self._connection.scalars(statement.order_by(allowances.c.workflow)).all()

    def under_fleet_caps(self) -> Sequence[str]:
        """The workflows that a cap over several of them concerns."""
        several = allowances.c.said.contains({"caps": [{"fleet": True}]})
        return self._connection.scalars(
            sa.select(allowances.c.workflow).where(several).order_by(allowances.c.workflow)
        ).all()


def find_allowance(connection: sa.Connection, workflow: str) -> Allowance | None:
    """What was judged last of a workflow; None where nothing was."""
    row = connection.execute(sa.select(allowances).where(allowances.c.workflow == workflow)).one_or_none()
    return None if row is None else _allowance(row)


def _values(allowance: Allowance) -> dict[str, Any]:
    return {
        "workflow": allowance.workflow,
        "allowed": allowance.allowed,
        "reason": storable(allowance.reason),
        "said": {
            "caps": caps_as_data(allowance.caps),
            "stopped_models": list(allowance.stopped_models),
            "on_unknown": allowance.on_unknown,
            "stop": stop_as_data(allowance.stop),
        },
        "since": allowance.since or allowance.as_of,
        "as_of": allowance.as_of,
        "until": allowance.until,
    }


def _allowance(row: sa.Row[Any]) -> Allowance:
    said = row.said
    return Allowance(
        workflow=row.workflow,
        allowed=row.allowed,
        reason=row.reason,
        as_of=row.as_of,
        until=row.until,
        stopped_models=tuple(said["stopped_models"]),
        caps=caps_of(said["caps"]),
        on_unknown=said["on_unknown"],
        stop=stop_of(said["stop"]),
        since=row.since,
    )
