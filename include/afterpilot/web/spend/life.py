"""The whole cost of one workflow's outputs, for its page of spend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from psycopg.errors import QueryCanceled

from afterpilot.declare.spend_schema import stored_spend
from afterpilot.domain.spend import FleetSpend
from afterpilot.domain.whole_life import Each, LifeTerms, Part, WholeLife
from afterpilot.pipeline.whole_life import WEEKS, last_weeks, life_of
from afterpilot.record.history.paging import Row
from afterpilot.record.ops import unit_of
from afterpilot.report.numbers import number
from afterpilot.report.whole_life import NAMES, part_words, projection_words

_LONGEST = "5s"  # for one statement: people wait for the page


@dataclass(frozen=True, slots=True)
class Line:
    """A part, or one of something, in words; ``unknown`` marks a cost that nobody knows."""

    name: str
    cost: str
    words: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class LifeView:
    """The whole cost in words. ``month`` is empty where no volume is declared; ``slow``: it takes too long to sum for a page."""

    weeks: int
    parts: Sequence[Line]
    total: Line
    each: Sequence[Line]
    month: str = ""
    basis: str = ""
    before_launch: bool = False
    slow: bool = False


def whole_life_of(connection: sa.Connection, declared: Row | None, now: datetime) -> LifeView | None:
    """The last weeks' whole cost by what has been summed; None where the declaration cannot be read or nothing happened."""
    spend = stored_spend({"spend": declared["spend"]}, FleetSpend()) if declared else None
    if declared is None or spend is None:
        return None
    terms = LifeTerms.of(
        declared["workflow"], spend, stage=declared["stage"] or "", decisions_read=bool(declared["decisions"])
    )
    try:
        with _hurried(connection):
            life = life_of(unit_of(connection), terms, last_weeks(now, WEEKS))
    except sa.exc.OperationalError as error:
        if not isinstance(error.orig, QueryCanceled):
            raise
        return LifeView(WEEKS, (), Line("", "", ""), (), slow=True)
    if not any(part.count for part in life.parts) and not life.each[0].count:
        return None
    return _view(life)


@contextlib.contextmanager
def _hurried(connection: sa.Connection) -> Iterator[None]:
    """A stretch of the transaction in which no statement may take long: outputs are counted one by one."""
    before = connection.exec_driver_sql("SHOW statement_timeout").scalar_one()
    with connection.begin_nested():
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_LONGEST}'")
        yield
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{before}'")


def _view(life: WholeLife) -> LifeView:
    left = f"without {life.left_out}" if life.left_out else ""
    whole = str(life.total) if life.total is not None else f"at least {life.known}"
    projection = life.projection
    month = f"At {number(projection.volume)} records a month: {projection_words(projection)}" if projection else ""
    return LifeView(
        weeks=WEEKS,
        parts=[_part(part) for part in life.parts],
        total=Line("in all", whole, "; ".join(word for word in (life.unknown, left) if word), life.total is None),
        each=[_each(each) for each in life.each],
        month=month,
        basis=projection.basis if projection else "",
        before_launch=life.before_launch,
    )


def _part(part: Part) -> Line:
    least = f"at least {part.cost}" if part.cost is not None and part.cost.amount else "unknown"
    cost = str(part.cost) if part.cost is not None and not part.unknown else least
    words = "; ".join(word for word in (part_words(part), part.unknown) if word)
    return Line(NAMES[part.name], cost, words, bool(part.unknown))


def _each(each: Each) -> Line:
    cost = str(each.cost) if each.cost is not None else "unknown"
    return Line(f"one {each.name}", cost, f"{each.count:,} of them", each.cost is None)
