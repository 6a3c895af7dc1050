"""What a team's own endpoint says that an answer cost stands in its currency, also where it is nothing."""

from __future__ import annotations

import uuid
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from path_site import NOW, SLUG, Site

from afterpilot.domain.evals import Sample
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import JsonTarget
from afterpilot.pipeline.evals.keeping import Keeper
from afterpilot.pipeline.evals.locking import Lock

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("said", ["0", "0.25"])
def test_a_cost_that_was_said_has_the_endpoints_currency(
    said: str, tmp_path: Path, ops_url: str, empty_database: str
) -> None:
    """An answer that was free is no call in an unknown currency, which would make a cap UNKNOWN."""
    site = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    wired = site.wired()
    workflow = next(one for one in wired.declarations.workflows if one.slug == SLUG)
    assert workflow.evals is not None
    target = JsonTarget("double", "bot", "/ask", {}, "$.text", cost="$.cost", currency="EUR")
    lock = Lock(wired.services.ops, SLUG)
    assert lock.take()
    keep = Keeper(
        wired.services,
        replace(workflow, evals=replace(workflow.evals, target=target)),
        uuid.uuid4(),
        began=NOW,
        attempt=NOW,
        asked="suite",
        lock=lock,
    )
    keep([Sample("c", 0, "yes", (), usage=Usage("bot", None, None), cost=Decimal(said), attempts=1)])
    lock.close()
    (row,) = site.rows("SELECT cost, currency, source FROM usage JOIN prices ON prices.id = price_id")
    assert (row["cost"], row["currency"], row["source"]) == (Decimal(said), "EUR", "as the endpoint said")
