"""Lists of the workflows that somebody sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

Only = Collection[str] | None  # the workflows to be shown; None: all


def among(workflow: sa.ColumnElement[str], only: Only) -> sa.ColumnElement[bool]:
    """The condition of rows of these workflows; of none where there are none."""
    return sa.true() if only is None else workflow.in_(sorted(only))


def narrowed(workflow: str, only: Only) -> Mapping[str, Sequence[str]]:
    """The workflows of a list by its column: the one asked for, as far as it is one of these; nothing where all are meant."""
    if only is None:
        return {"workflow": [workflow]} if workflow else {}
    return {"workflow": sorted({workflow} & set(only) if workflow else set(only))}
