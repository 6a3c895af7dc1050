"""When a cap was reached: by the sums of days and of quarters of an hour, against a plain walk over the calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from afterpilot.domain.money import Money
from afterpilot.record.spend.metering import settle
from afterpilot.record.spend.reached import Reaching, reached_at
from afterpilot.spend.prices import Prices
from doubles.calls import call

pytestmark = pytest.mark.integration

ONE, OTHER = "one", "other"
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def engine(ops: sa.Engine) -> Iterator[sa.Engine]:
    """Nobody has called anything yet."""
    yield ops
    ops.dispose()


def when(engine: sa.Engine, *caps: Reaching) -> list[datetime | None]:
    """What is read of each."""
    with engine.begin() as connection:
        settle(connection, {OTHER: "Asia/Tokyo"}, Prices([]))
    with engine.connect() as connection:
        found = reached_at(connection, caps)
    return [found.get(number) for number in range(len(caps))]


def month(limit: str, *under: tuple[str, str], currency: str = "USD") -> Reaching:
    """A cap of November."""
    return Reaching(Money(Decimal(limit), currency), under or ((ONE, "gpt-5-mini"),), first=FIRST, last=LAST)


def rolling(limit: str, days: int, end: datetime) -> Reaching:
    """A cap over days that end now."""
    return Reaching(Money(Decimal(limit), "USD"), ((ONE, "gpt-5-mini"),), length=days * DAY, end=end)


def test_the_quarter_whose_calls_used_up_the_cap(engine: sa.Engine) -> None:
    """To the cent: the very call that reaches it counts, and one that is not enough does not."""
    call(
        engine,
        ONE,
        [(at(3, 9, 5), Decimal(4)), (at(9, 14, 20), Decimal(5)), (at(9, 14, 40), Decimal(2)), (at(12), Decimal(9))],
    )
    assert when(engine, month("9"), month("9.01"), month("11"), month("20"), month("20.01")) == [
        at(9, 14, 15),
        at(9, 14, 30),
        at(9, 14, 30),
        at(12),
        None,
    ]


def test_only_what_is_under_the_cap_counts(engine: sa.Engine) -> None:
    """Other models, other workflows, other currencies and calls without a price bring it no nearer."""
    call(engine, ONE, [(at(3), Decimal(4))])
    call(engine, ONE, [(at(4), Decimal(4))], model="other-1", ref="o")
    call(engine, OTHER, [(at(5), Decimal(4))])
    call(engine, ONE, [(at(6), Decimal(4))], currency="EUR", ref="e")
    call(engine, ONE, [(at(7), None)], reason="no price is known", ref="n")
    call(engine, ONE, [(at(8), Decimal(4))], ref="late")
    both = ((ONE, "gpt-5-mini"), (OTHER, "gpt-5-mini"))
    assert when(engine, month("8"), month("8", *both), month("4", currency="EUR"), month("12", *both)) == [
        at(8),
        at(5),
        at(6),
        at(8),
    ]


def test_a_period_begins_anew(engine: sa.Engine) -> None:
    """What was spent in the month before is no part of this one."""
    call(
        engine,
        ONE,
        [(datetime(2026, 10, 31, 23, 50, tzinfo=UTC), Decimal(9)), (at(2), Decimal(5)), (at(6), Decimal(5))],
    )
    assert when(engine, month("10")) == [at(6)]


def test_a_rolling_cap_was_reached_when_it_last_rose_above(engine: sa.Engine) -> None:
    """It may have been reached and kept again before: what counts is the crossing that still holds, with calls that have left since."""
    calls: Sequence[tuple[datetime, Decimal]] = [
        (at(2), Decimal(9)),
        (at(11), Decimal(4)),
        (at(14), Decimal(5)),
        (at(17, 6), Decimal(6)),
    ]
    call(engine, ONE, list(calls))
    # It was kept again after the 9th. Since the 14th it never fell below 9, though 4 have left it.
    assert when(engine, rolling("9", 7, at(18, 12)), rolling("11", 7, at(18, 12))) == [at(14), at(17, 6)]
    assert when(engine, rolling("9", 7, at(5)), rolling("10", 1, at(17, 12))) == [at(2), None]


def test_many_caps_are_read_at_once(engine: sa.Engine) -> None:
    """One statement for those of a calendar and one for each length of the others, however many there are."""
    call(engine, ONE, [(at(3), Decimal(4)), (at(5), Decimal(4))])
    call(engine, OTHER, [(at(4), Decimal(4))])
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    caps = [month("4"), month("8"), month("4", (OTHER, "gpt-5-mini"))] * 20 + [
        rolling("8", 7, at(6)),
        rolling("4", 7, at(6)),
    ]
    found = when(engine, *caps)
    assert found[:3] == [at(3), at(5), at(4)]
    assert found[:60] == found[:3] * 20
    assert found[60:] == [at(5), at(3)]
    assert len([one for one in statements if "WITH caps" in one]) == 2
