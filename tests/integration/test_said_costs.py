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
from afterpilot.spend.listed_prices import LIBRARY

pytestmark = pytest.mark.integration


SAID = "as the endpoint said"


@pytest.mark.parametrize(
    ("said", "cost", "kept"),
    [
        ("0", "0", (Decimal(0), "EUR", SAID)),
        ("0.25", "0.25", (Decimal("0.25"), "EUR", SAID)),
        ("0.25", None, (Decimal("0.25"), "EUR", SAID)),  # a judge of it has no price
        (None, "0.00045", (Decimal("0.00045"), "USD", LIBRARY)),
    ],
)
def test_a_cost_that_was_said_has_the_endpoints_currency(
    said: str | None, cost: str | None, kept: tuple[object, ...], tmp_path: Path, ops_url: str, empty_database: str
) -> None:
    """An answer that was free is no call in an unknown currency, which would make a cap UNKNOWN; what was not said is the list's."""
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
    whole, own = (None if amount is None else Decimal(amount) for amount in (cost, said))
    usage = Usage("gpt-5-mini", 1000, 100)
    keep([Sample("c", 0, "yes", (), usage=usage, cost=whole, attempts=1, said_cost=own)])
    lock.close()
    (row,) = site.rows("SELECT cost, currency, source FROM usage JOIN prices ON prices.id = price_id")
    assert (row["cost"], row["currency"], row["source"]) == kept
