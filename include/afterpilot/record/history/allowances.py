"""Allowances, as gateways ask for them."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa

from afterpilot.domain.spend import OnUnknown
from afterpilot.record.declarations import USABLE
from afterpilot.record.tables import current_declarations, declarations


def declared_on_unknown(connection: sa.Connection, workflow: str) -> OnUnknown | None:
    """What a workflow declares for spend that is not known; None for one that is not there, or was never usable."""
    here = current_declarations.c
    statement = (
        sa.select(declarations.c.document["spend"]["on_unknown"].astext)
        .select_from(USABLE)
        .where(here.workflow == workflow, here.present)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return cast("OnUnknown", row[0]) if row[0] in {"allow", "refuse"} else "allow"
