"""How long workflows say that their records are kept, and what the fleet said last."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from afterpilot.domain.retention import Retention
from afterpilot.domain.run import FLEET, Stage
from afterpilot.record.declarations import USABLE
from afterpilot.record.tables import current_declarations, declarations, runs


def declared(connection: sa.Connection) -> Mapping[str, str]:
    """What the last usable declaration of each workflow says, as it says it; also of those whose folder is gone."""
    said = declarations.c.document["governance"]["retention"].astext
    rows = connection.execute(sa.select(current_declarations.c.workflow, said).select_from(USABLE)).all()
    return {workflow: text or "" for workflow, text in sorted(rows)}


def of_fleet(connection: sa.Connection) -> Retention | None:
    """What ``_fleet.yaml`` said when it was loaded last; None where that is not known."""
    newest = (
        sa.select(runs.c.evidence["retention"])
        .where(runs.c.workflow == FLEET, runs.c.stage == str(Stage.DECLARE))
        .order_by(runs.c.finished_at.desc())
        .limit(1)
    )
    said = connection.scalar(newest)
    if not isinstance(said, dict):
        return None
    return Retention({name: int(days) for name, days in said["days"].items()}, whole=bool(said["whole"]))
