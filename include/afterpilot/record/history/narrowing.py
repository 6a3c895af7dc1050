"""Lists of the workflows that somebody sees."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

Only = Collection[str] | None  # the workflows to be shown; None: all


def among(workflow: sa.ColumnElement[str], only: Only) -> sa.ColumnElement[bool]:
    """The condition of rows of these workflows; of none where there are none."""
    return sa.true() if only is None else workflow.in_(sorted(only))
