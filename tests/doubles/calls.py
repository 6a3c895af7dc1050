"""Calls that were made, as the ops database keeps them: with a price, or without one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from afterpilot.domain.prices import Price
from afterpilot.record import partitions
from afterpilot.record.spend import prices
from afterpilot.record.spend.quarters import mark, quarter_of

_ADD = sa.text(
    "INSERT INTO usage (workflow, at, kind, ref, model, input_tokens, output_tokens, price_id, cost) "
    "SELECT :workflow, at, :kind, :refs || number, :model, 0, 0, :price_id, cost "
    "FROM unnest(CAST(:ats AS timestamptz[]), CAST(:costs AS numeric[])) WITH ORDINALITY AS each (at, cost, number)"
)


def price_of(model: str, *, currency: str = "USD", reason: str = "") -> Price:
    """A price as the endpoint said it, which no price book replaces; with a reason none."""
    return Price(model, "as the endpoint said", "" if reason else currency, reason=reason)


def call(
    engine: sa.Engine,
    workflow: str,
    costs: Iterable[tuple[datetime, Decimal | None]],
    *,
    model: str = "gpt-5-mini",
    currency: str = "USD",
    kind: str = "production",
    reason: str = "",
    ref: str = "call",
) -> None:
    """Write calls at these moments; a reason goes with costs of None."""
    given = list(costs)
    with engine.begin() as connection:
        ats = [at for at, _ in given]
        partitions.ensure(connection, "usage", ats)
        price = price_of(model, currency=currency, reason=reason)
        prices.keep(connection, [price])
        columns = {"ats": ats, "costs": [cost for _, cost in given], "price_id": price.id, "refs": f"{ref}-"}
        connection.execute(_ADD, {"workflow": workflow, "kind": kind, "model": model, **columns})
        mark(connection, workflow, {quarter_of(at) for at in ats})
