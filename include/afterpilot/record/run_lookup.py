"""How a run and its findings are found by the run's id: by way of ``run_ids``, which knows the month to look into."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from afterpilot.record.tables import findings, run_ids, runs

RunId = uuid.UUID | sa.ColumnElement[Any] | None


def finished_at(which: RunId) -> sa.ScalarSelect[Any]:
    """When the run was finished; NULL for one that there never was."""
    place = run_ids.alias()
    return sa.select(place.c.finished_at).where(place.c.id == which).scalar_subquery()


def is_run(which: RunId, table: sa.FromClause = runs) -> sa.ColumnElement[bool]:
    """The row of ``runs`` (or an alias of it) with this id."""
    return sa.and_(table.c.finished_at == finished_at(which), table.c.id == which)


def found_by(which: RunId, table: sa.FromClause = findings) -> sa.ColumnElement[bool]:
    """The rows of ``findings`` (or an alias of it) of the run with this id."""
    return sa.and_(table.c.at == finished_at(which), table.c.run_id == which)


def among(which: Collection[uuid.UUID]) -> sa.FromClause:
    """``runs`` joined with its directory, for a statement over the runs with these ids."""
    place = (
        sa.select(run_ids.c.id, run_ids.c.finished_at)
        .where(run_ids.c.id == sa.any_(sa.cast(list(which), sa.ARRAY(sa.UUID))))
        .subquery("place")
    )
    return place.join(runs, sa.and_(runs.c.finished_at == place.c.finished_at, runs.c.id == place.c.id))
