"""What the calls of evals used: written with the samples, summed against the eval budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.record import Usage
from afterpilot.domain.storable import storable
from afterpilot.domain.window import Window
from afterpilot.record import partitions
from afterpilot.record.tables import usage

_FIELDS = ("ref", "model", "input_tokens", "output_tokens", "cached_tokens", "cost", "currency", "price_version")
_TYPES = ("text", "text", "bigint", "bigint", "bigint", "numeric", "text", "text")
_ADD = (
    f"INSERT INTO usage (workflow, kind, at, {', '.join(_FIELDS)}) "  # noqa: S608 - names of this module alone
    f"SELECT %(workflow)s, 'eval', %(at)s, * "
    f"FROM unnest({', '.join(f'%({name})b::{kind}[]' for name, kind in zip(_FIELDS, _TYPES, strict=True))}) "
    "ON CONFLICT (workflow, kind, ref, at) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class EvalCall:
    """One call to a model: ``ref`` names it. ``cost`` is set where the endpoint itself said it; else it is priced later."""

    ref: str
    usage: Usage | None
    cost: Decimal | None = None
    currency: str = ""


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

    def add(self, workflow: str, calls: Sequence[EvalCall], *, at: datetime) -> None:
        """Write calls in one statement; their partition must be there (:meth:`prepare`)."""
        rows = [_row(call) for call in calls]
        columns = {name: [row[name] for row in rows] for name in _FIELDS}
        self._connection.exec_driver_sql(_ADD, {"workflow": workflow, "at": at, **columns})

    def spent(self, workflow: str, period: Window, *, apart_from: str) -> Spent:
        """What the calls of the period cost, without those whose ``ref`` begins with ``apart_from``."""
        where = (
            usage.c.workflow == workflow,
            usage.c.kind == "eval",
            usage.c.at >= period.start,
            usage.c.at < period.end,
            ~usage.c.ref.startswith(apart_from, autoescape=True),
        )
        sums = (
            sa.select(usage.c.currency, sa.func.sum(usage.c.cost), sa.func.max(usage.c.cost))
            .where(*where, usage.c.cost.is_not(None))
            .group_by(usage.c.currency)
        )
        known = self._connection.execute(sums).all()
        unpriced = sa.select(usage).where(*where, usage.c.cost.is_(None))
        return Spent(
            costs={row[0]: row[1] for row in known},
            dearest={row[0]: row[2] for row in known},
            unpriced=tuple(
                (row.at, Usage(row.model, row.input_tokens, row.output_tokens, row.cached_tokens))
                for row in self._connection.execute(unpriced)
            ),
        )


def _row(call: EvalCall) -> dict[str, Any]:
    used = call.usage or Usage("", None, None)
    return {
        "ref": call.ref,
        "model": storable(used.model),
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cached_tokens": used.cached_tokens,
        "cost": call.cost,
        "currency": call.currency if call.cost is not None else "",
        "price_version": "" if call.cost is None else "as the endpoint said",
    }
