"""What the calls of evals used and cost: written with the samples, summed against the eval budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from afterpilot.domain.ports import PriceBook
from afterpilot.domain.record import Usage
from afterpilot.domain.storable import storable
from afterpilot.domain.window import Window
from afterpilot.record import partitions
from afterpilot.record.plain import as_text
from afterpilot.record.spend.prices import KEEP, as_rows, note_new
from afterpilot.record.spend.pricing import Pricing, usage_of
from afterpilot.record.spend.quarters import quarter_of
from afterpilot.record.tables import prices, usage

_FIELDS = ("kind", "ref", "model", "input_tokens", "output_tokens", "cached_tokens", "details", "price_id", "cost")
_TYPES = ("text", "text", "text", "bigint", "bigint", "bigint", "jsonb", "bigint", "numeric")
# Prices, calls and the mark of their quarter in one statement: it stands between two questions to a model.
_ADD = (
    f"WITH priced AS ({KEEP.format(given='%(prices)s::text')} RETURNING id), written AS ("  # noqa: S608 - names of this module alone
    f"  INSERT INTO usage (workflow, at, {', '.join(_FIELDS)}) SELECT %(workflow)s, %(at)s, * "
    f"  FROM unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in zip(_FIELDS, _TYPES, strict=True))}) "
    "  ON CONFLICT (workflow, at, kind, ref) DO NOTHING RETURNING ref), marked AS ("
    "  INSERT INTO usage_changes (workflow, quarter) SELECT %(workflow)s, %(quarter)s WHERE EXISTS (SELECT FROM written)) "
    "SELECT id FROM priced"
)


@dataclass(frozen=True, slots=True)
class EvalCall:
    """One call to a model: ``ref`` names it. ``cost`` is set where the endpoint itself said it; else the price list's word stands.

    ``kind`` is ``eval`` for what the workflow's own target was asked, ``judge`` for what scorers asked of judges and embeddings.
    """

    ref: str
    usage: Usage | None
    cost: Decimal | None = None
    currency: str = ""
    kind: Literal["eval", "judge"] = "eval"


@dataclass(frozen=True, slots=True)
class Spent:
    """What a period's eval calls have cost: their known costs by currency, how many these are, and the calls to be priced."""

    costs: dict[str, Decimal]
    dearest: dict[str, Decimal]
    unpriced: tuple[tuple[datetime, Usage], ...]


class EvalUsage:
    """The usage of eval calls, of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def prepare(self, began_at: datetime) -> None:
        """Make the partition that the calls of a run need."""
        partitions.ensure(self._connection, "usage", [began_at])

    def add(self, workflow: str, calls: Sequence[EvalCall], *, at: datetime, book: PriceBook) -> None:
        """Write calls with their prices in one statement; their partition must be there (:meth:`prepare`)."""
        pricing = Pricing(book)
        rows = [_row(call, at, pricing) for call in calls]
        columns = {name: [row[name] for row in rows] for name in _FIELDS}
        taken = pricing.taken()
        given = {"workflow": workflow, "at": at, "quarter": quarter_of(at), "prices": as_rows(taken)}
        note_new(self._connection, taken, self._connection.exec_driver_sql(_ADD, {**given, **columns}).scalars().all())

    def spent(self, workflow: str, period: Window, *, apart_from: str) -> Spent:
        """What the calls of the period cost, without those whose ``ref`` begins with ``apart_from``."""
        where = (
            usage.c.workflow == workflow,
            usage.c.kind.in_(("eval", "judge")),
            usage.c.at >= period.start,
            usage.c.at < period.end,
            ~usage.c.ref.startswith(apart_from, autoescape=True),
        )
        sums = (
            sa.select(prices.c.currency, sa.func.sum(usage.c.cost), sa.func.max(usage.c.cost))
            .join_from(usage, prices, prices.c.id == usage.c.price_id)
            .where(*where, usage.c.cost.is_not(None))
            .group_by(prices.c.currency)
        )
        known = self._connection.execute(sums).all()
        unpriced = sa.select(usage).where(*where, usage.c.cost.is_(None))
        return Spent(
            costs={row[0]: row[1] for row in known},
            dearest={row[0]: row[2] for row in known},
            unpriced=tuple((row.at, usage_of(row)) for row in self._connection.execute(unpriced)),
        )


def _row(call: EvalCall, at: datetime, pricing: Pricing) -> dict[str, Any]:
    used = call.usage or Usage("", None, None)
    used = replace(used, model=storable(used.model))
    price, cost = pricing.of(used, at) if call.cost is None else (pricing.said(used.model, call.currency), call.cost)
    return {
        "kind": call.kind,
        "ref": call.ref,
        "model": used.model,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cached_tokens": used.cached_tokens,
        "details": None if used.details.plain else as_text(used.details.as_json()),
        "price_id": price,
        "cost": cost,
    }
