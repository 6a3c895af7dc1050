"""Which prices of summed calls are not what the book says now, and what replaces them, from when to when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from afterpilot.domain.ports import PriceBook
from afterpilot.domain.prices import CallDetails, Price
from afterpilot.record.spend import prices
from afterpilot.record.spend.pricing import AS_SAID

_DAY = timedelta(days=1)
_IN_USE = sa.text(
    "SELECT price_id, min(day) AS first, max(day) AS last FROM usage_days WHERE day >= :since GROUP BY price_id"
)
# Sums with an old price that may hold calls of the stretch of time in which it is replaced.
PLACED = "price_id = {id} AND at > since - interval '15 minutes' AND at < until"
_STANDING = sa.text(
    "SELECT number FROM unnest(CAST(:ids AS bigint[]), CAST(:sinces AS timestamptz[]), CAST(:untils AS timestamptz[])) "  # noqa: S608
    "  WITH ORDINALITY AS given (id, since, until, number) CROSS JOIN LATERAL "  # one look into the index for each
    f"  (SELECT FROM usage_sums WHERE {PLACED.format(id='id')} ORDER BY at LIMIT 1) AS standing"
)


@dataclass(frozen=True, slots=True)
class Replacement:
    """The ``new`` price of calls that had the ``old`` one, from ``since`` to before ``until``."""

    old: Price
    new: Price
    since: datetime
    until: datetime


def replaced(connection: sa.Connection, book: PriceBook, *, since: date) -> Sequence[Replacement]:
    """The prices of summed calls since that day that are not what the book says now, with what replaces them."""
    used = {row.price_id: row for row in connection.execute(_IN_USE, {"since": since - _DAY})}
    known = prices.read(connection, used)
    found = [
        one
        for id_, price in sorted(known.items())
        if price.source != AS_SAID
        for one in _replaced(book, price, max(used[id_].first - _DAY, since), used[id_].last + 2 * _DAY)
    ]
    return _standing(connection, found)


def _standing(connection: sa.Connection, found: Sequence[Replacement]) -> Sequence[Replacement]:
    """Those that calls wait for. Around a day on which a price changes, calendars alone would always show some: calls of before
    have the old price, and rightly so.
    """
    given = {"ids": [one.old.id for one in found]}
    given |= {f"{name}s": [getattr(one, name) for one in found] for name in ("since", "until")}
    return [found[number - 1] for number in sorted(connection.scalars(_STANDING, given))] if found else ()


def midnight(day: date) -> datetime:
    """When the day begins, in UTC."""
    return datetime.combine(day, time(), UTC)


def _replaced(book: PriceBook, price: Price, first: date, last: date) -> Iterator[Replacement]:
    """One price, in each stretch of time in which the book says the same."""
    moment, end = midnight(first), midnight(last)
    how = CallDetails((), price.tier, price.region, price.provider)
    while moment < end:
        until = min(book.linear(price.model, moment, how=how).until or end, end)
        for new in book.replacements(price, moment):
            if new != price:
                yield Replacement(price, new, moment, until)
        moment = until
