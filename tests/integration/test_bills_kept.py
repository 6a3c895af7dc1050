"""Bills on record, whatever is read in whatever order: the newest reading of each day counts, once."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.domain.bills import Bill, BillLine
from afterpilot.record.ops import Ops

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
DAYS = [date(2026, 11, day) for day in (1, 2, 3)]
_accounts = itertools.count()

money = st.none() | st.decimals(min_value=-5, max_value=1000, places=9)
names = st.tuples(st.sampled_from(["a", "b", ""]), st.sampled_from(["gpt-4o", ""]))
readings = st.lists(
    st.dictionaries(st.sampled_from(DAYS), st.dictionaries(names, money, max_size=4), max_size=3),
    min_size=1,
    max_size=5,
)


def bill(told: dict[date, dict[tuple[str, str], Decimal | None]]) -> Bill:
    """A bill of these days."""
    lines = [
        BillLine(day, project, model, f"{model}, input", amount, "USD")
        for day, own in told.items()
        for (project, model), amount in own.items()
    ]
    return Bill(tuple(lines), frozenset(told))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=readings)
def test_the_newest_reading_of_a_day_is_what_it_cost(ops: sa.Engine, told: list[dict]) -> None:
    """Added up without a cent lost or doubled; and the first amount of each line is that of its first reading."""
    account = f"account {next(_accounts)}"
    newest: dict = {}
    first: dict = {}
    changed: dict = {}
    now: dict = {}
    for n, one in enumerate(told):
        at = NOON + n * timedelta(hours=1)
        with Ops(ops).begin() as unit:
            unit.bills.keep(account, bill(one), at=at)
        newest |= one
        for day, own in one.items():
            for name, amount in own.items():
                first.setdefault((day, *name), amount)
            for key in [key for key in first if key[0] == day]:
                amount = own.get(key[1:], Decimal(0))
                if key not in now or now[key] != amount:
                    changed[key] = at
                now[key] = amount
    with Ops(ops).begin() as unit:
        kept = unit.bills.lines(account, DAYS[0], DAYS[-1] + timedelta(days=1))
        read = unit.bills.read(account, DAYS[0], DAYS[-1] + timedelta(days=1))
    assert set(read) == set(newest)
    found = {(one.line.day, one.line.project, one.line.model): one for one in kept}
    assert {key: one.line.amount for key, one in found.items()} == now
    assert {key: one.first_amount for key, one in found.items()} == first
    assert {key: one.changed_at for key, one in found.items()} == changed
    for day, own in newest.items():
        assert sum(one.line.amount or 0 for one in kept if one.line.day == day) == sum(
            value or 0 for value in own.values()
        )


def test_two_readings_at_once_double_nothing(ops: sa.Engine) -> None:
    """The DAG and a person at the command line: both are kept, one after the other."""
    told = {day: {("a", "gpt-4o"): Decimal(n), ("b", ""): Decimal("0.1")} for n, day in enumerate(DAYS)}

    def keep(n: int) -> int:
        with Ops(ops).begin() as unit:
            return unit.bills.keep("both", bill(told), at=NOON + n * timedelta(seconds=1)).new

    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(keep, range(8)))
    assert sorted(new) == [0] * 7 + [6]
    with ops.connect() as connection:
        whole = connection.execute(sa.text("SELECT count(*), sum(amount) FROM bill_lines")).one()
    assert tuple(whole) == (6, Decimal("3.3"))
