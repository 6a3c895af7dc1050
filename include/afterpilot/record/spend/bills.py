"""Bills as they were read, and what was metered on the same UTC days."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.bills import Bill, BillLine, KeptLine, MeteredDay
from afterpilot.record.tables import bill_days, bill_lines, prices, usage_sums

_BATCH = 5_000
_KEY = ("account", "day", "project", "model", "item")
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "calls")
_TOLD = ("amount", "currency", *_COUNTS)
# New lines, and those that say something else; tells the keys of both.
_UPSERT = sa.text(
    "INSERT INTO bill_lines AS kept (account, day, project, model, item, amount, currency, first_amount, input_tokens, "
    "  output_tokens, cached_tokens, calls, first_seen_at, changed_at) "
    "SELECT :account, day, project, model, item, amount, currency, amount, input_tokens, output_tokens, cached_tokens, calls, "
    "  :at, :at "
    "FROM unnest(CAST(:day AS date[]), CAST(:project AS text[]), CAST(:model AS text[]), CAST(:item AS text[]), "
    "  CAST(:amount AS numeric[]), CAST(:currency AS text[]), CAST(:input_tokens AS numeric[]), "
    "  CAST(:output_tokens AS numeric[]), CAST(:cached_tokens AS numeric[]), CAST(:calls AS numeric[])) "
    "  AS told (day, project, model, item, amount, currency, input_tokens, output_tokens, cached_tokens, calls) "
    "ON CONFLICT (account, day, project, model, item) DO UPDATE SET amount = excluded.amount, currency = excluded.currency, "
    "  input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, "
    "  cached_tokens = excluded.cached_tokens, calls = excluded.calls, changed_at = excluded.changed_at "
    "WHERE (kept.amount, kept.currency, kept.input_tokens, kept.output_tokens, kept.cached_tokens, kept.calls) "
    "  IS DISTINCT FROM (excluded.amount, excluded.currency, excluded.input_tokens, excluded.output_tokens, "
    "  excluded.cached_tokens, excluded.calls) "
    "RETURNING day, project, model, item"
)
_READ = sa.text(
    "INSERT INTO bill_days AS kept (account, day, read_at) SELECT :account, day, :at FROM unnest(CAST(:days AS date[])) AS day "
    "ON CONFLICT (account, day) DO UPDATE SET read_at = greatest(kept.read_at, excluded.read_at)"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reading has changed: lines that are new, that say something else than before, and that are on the bill no more."""

    new: int
    changed: int
    gone: int


class Bills:
    """The bills of all accounts. What a line said first stays beside what it says now."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def keep(self, account: str, bill: Bill, *, at: datetime) -> Kept:
        """Keep what was read. Reading the same again changes nothing but when the days were read last.

        A line that a day does not have any more cost nothing after all: its amount becomes 0.
        """
        self._lock(account)
        before = self._keys(account, bill.days)
        changed: set[tuple[Any, ...]] = set()
        for first in range(0, len(bill.lines), _BATCH):
            columns = _columns(account, bill.lines[first : first + _BATCH], at)
            changed |= {tuple(row) for row in self._connection.execute(_UPSERT, columns)}
        gone = before - {(line.day, line.project, line.model, line.item) for line in bill.lines}
        emptied = sum(self._empty(account, key, at) for key in gone)
        self._connection.execute(_READ, {"account": account, "days": list(bill.days), "at": at})
        new = len(changed - before)
        return Kept(new=new, changed=len(changed) - new, gone=emptied)

    def read(self, account: str, first: date, end: date) -> Mapping[date, datetime]:
        """Which UTC days from ``first`` to before ``end`` were read, and when last."""
        here = bill_days.c
        inside = (here.account == account, here.day >= first, here.day < end)
        return {row.day: row.read_at for row in self._connection.execute(sa.select(bill_days).where(*inside))}

    def lines(self, account: str, first: date, end: date) -> Sequence[KeptLine]:
        """All lines of these days, by day, project, model and item."""
        here = bill_lines.c
        inside = (here.account == account, here.day >= first, here.day < end)
        order = (here.day, here.project, here.model, here.item)
        found = self._connection.execute(sa.select(bill_lines).where(*inside).order_by(*order)).mappings()
        return [_kept(row) for row in found]

    def metered(self, first: date, end: date) -> Sequence[MeteredDay]:
        """The calls of all workflows on these UTC days, by day, workflow, model and price."""
        sums, day = usage_sums.c, sa.cast(sa.func.timezone("UTC", usage_sums.c.at), sa.Date).label("day")
        parts = (sums.calls, sums.input_tokens, sums.output_tokens, sums.cached_tokens, sums.cost)
        added = (
            sa.select(
                day, sums.workflow, sums.model, sums.price_id, *(sa.func.sum(part).label(part.name) for part in parts)
            )
            .where(sums.at >= _midnight(first), sums.at < _midnight(end))
            .group_by(day, sums.workflow, sums.model, sums.price_id)
            .subquery()
        )
        told = (prices.c.currency, prices.c.reason, prices.c.tier, prices.c.rates)
        statement = sa.select(added, *told).outerjoin(prices, prices.c.id == added.c.price_id)
        order = (added.c.day, added.c.workflow, added.c.model, added.c.price_id)
        return [_metered(row) for row in self._connection.execute(statement.order_by(*order)).mappings()]

    def first_metered(self, workflows: Collection[str]) -> Mapping[str, date]:
        """The UTC day of the first call of each workflow that has one."""
        found = {}
        for slug in workflows:  # the first row of an index each; one statement for all would read all
            own = usage_sums.c.workflow == slug
            first = self._connection.scalar(sa.select(sa.func.min(usage_sums.c.at)).where(own))
            if first is not None:
                found[slug] = first.astimezone(UTC).date()
        return found

    def _lock(self, account: str) -> None:
        """Two readings of an account at once would both take a line for the first."""
        self._connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"bill/{account}"}
        )

    def _keys(self, account: str, days: Collection[date]) -> set[tuple[Any, ...]]:
        here = bill_lines.c
        statement = sa.select(here.day, here.project, here.model, here.item)
        return {
            tuple(row) for row in self._connection.execute(statement.where(here.account == account, here.day.in_(days)))
        }

    def _empty(self, account: str, key: tuple[Any, ...], at: datetime) -> int:
        """1 where the line cost something until now, 0 where it was empty before."""
        here = bill_lines.c
        own = zip((here.day, here.project, here.model, here.item), key, strict=True)
        some = [sa.and_(here.currency != "", here.amount.is_distinct_from(0)), *(here[name] > 0 for name in _COUNTS)]
        nothing = {name: sa.case((here[name].is_(None), sa.null()), else_=0) for name in _COUNTS}
        amount = sa.case((here.currency == "", sa.null()), else_=0)
        statement = sa.update(bill_lines).where(here.account == account, *(column == value for column, value in own))
        told = statement.where(sa.or_(*some)).values(amount=amount, changed_at=at, **nothing)
        return self._connection.execute(told).rowcount


def _columns(account: str, lines: Sequence[BillLine], at: datetime) -> dict[str, Any]:
    """The lines column by column: one array each."""
    told = {name: [getattr(line, name) for line in lines] for name in (*_KEY[1:], *_TOLD)}
    return {**told, "account": account, "at": at}


def _kept(row: sa.RowMapping) -> KeptLine:
    line = BillLine(**{name: row[name] for name in (*_KEY[1:], *_TOLD)})
    return KeptLine(line, row["first_amount"], row["changed_at"])


def _metered(row: sa.RowMapping) -> MeteredDay:
    return MeteredDay(
        day=row["day"],
        workflow=row["workflow"],
        model=row["model"],
        calls=int(row["calls"]),
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_tokens=row["cached_tokens"],
        cost=row["cost"],
        currency=row["currency"] or "",
        reason=row["reason"] or "",
        tier=row["tier"] or "",
        rates={sort: Decimal(rate) for sort, rate in (row["rates"] or {}).items()},
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
