"""The prices that calls had: written with the calls, never changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import Entry
from afterpilot.domain.prices import SORTS, Price
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.tables import prices

_TYPES = {
    "id": "bigint",
    "model": "text",
    "source": "text",
    "currency": "text",
    "reason": "text",
    "tier": "text",
    "region": "text",
    "provider": "text",
    "valid_from": "date",
    "valid_to": "date",
    "from_input_tokens": "bigint",
    "to_input_tokens": "bigint",
    "rates": "jsonb",
    "note": "text",
}
_NAMES = ", ".join(_TYPES)
# In the order of their ids, so that two writers of the same new prices wait for each other and never in a circle. ``{given}``
# stands for a parameter with the text of :func:`as_rows`.
KEEP = (
    f"INSERT INTO prices ({_NAMES}) SELECT {_NAMES} FROM jsonb_to_recordset(CAST({{given}} AS jsonb)) "  # noqa: S608
    f"AS given ({', '.join(f'{name} {kind}' for name, kind in _TYPES.items())}) ORDER BY id ON CONFLICT (id) DO NOTHING"
)
_KEEP = sa.text(f"{KEEP.format(given=':given')} RETURNING id")


def keep(connection: sa.Connection, some: Iterable[Price]) -> None:
    """Write prices that calls of this transaction have; those that are known stay as they are. Once in a transaction."""
    given = list(some)
    if given:
        note_new(connection, given, connection.scalars(_KEEP, {"given": as_rows(given)}).all())


def note_new(connection: sa.Connection, some: Iterable[Price], ids: Collection[int]) -> None:
    """The entries of prices that were not known before: of those with these ids."""
    if ids:
        at, by_id = datetime.now(UTC), {price.id: price for price in some}
        Ledger(connection).append_many(
            [Entry("spend:price:added", f"price:{one}", at, payload=_row(by_id[one])) for one in sorted(ids)]
        )


def as_rows(some: Iterable[Price]) -> str:
    """Prices as the JSON that :data:`KEEP` takes."""
    return json.dumps([_row(price) for price in some])


def read(connection: sa.Connection, ids: Collection[int]) -> Mapping[int, Price]:
    """Those of the prices that are on record, by id."""
    rows = connection.execute(sa.select(prices).where(prices.c.id.in_(sorted(ids))))
    return {row.id: _price(row) for row in rows}


def _row(price: Price) -> dict[str, Any]:
    row = {name: getattr(price, name) for name in _TYPES}
    days = {name: row[name] and row[name].isoformat() for name in ("valid_from", "valid_to")}
    return {**row, **days, "rates": {sort: format(rate, "f") for sort, rate in price.rates}}


def _price(row: Any) -> Price:  # noqa: ANN401 - a row of ``prices``
    values = {name: getattr(row, name) for name in _TYPES if name not in {"id", "rates"}}
    return Price(**values, rates=tuple((sort, Decimal(row.rates[sort])) for sort in SORTS if sort in row.rates))
