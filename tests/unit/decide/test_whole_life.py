"""The whole cost of a workflow's outputs: part by part, for each of them, and for a month at the declared volume."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.whole_life import whole_life
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.whole_life import (
    CALLS,
    EVALS,
    JUDGES,
    PEOPLE,
    CallSum,
    LifeFacts,
    OutputSum,
    PeopleSum,
    Projection,
    WholeLife,
)
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.whole_life import terms_of
from doubles.weeks import BUSY, WORKFLOW

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
MONTH = Decimal("30.4375")
USD = "USD"


def usd(amount: str) -> Money:
    """An amount in USD."""
    return Money(Decimal(amount))


def called(
    cost: str | None, *, kind: str = "production", day: int = 0, calls: int = 100, currency: str = USD
) -> CallSum:
    """Calls of a day; without a cost nobody knows it."""
    return CallSum(
        day, kind, currency if cost else "", "" if cost else "no price", calls, Decimal(cost) if cost else None
    )


def facts(*calls: CallSum, weeks: int = 4, **more: Any) -> LifeFacts:
    """Four weeks; unless said a hundred records on the first day, eighty of them handled alone, ninety accepted."""
    known = {"outputs": (OutputSum(0, 100, 80, 90),), **more}
    return LifeFacts(Window(MONDAY, MONDAY + timedelta(weeks=weeks)), calls=calls, **known)


def costs(life: WholeLife) -> dict[str, Money | None]:
    """What one of each costs."""
    return {each.name: each.cost for each in life.each}


def projection(workflow: Workflow, given: LifeFacts) -> Projection:
    """The projection, which is to be there."""
    found = whole_life(terms_of(workflow), given).projection
    assert found is not None
    return found


def test_all_parts_make_the_cost_of_a_record_of_one_alone_and_of_one_accepted() -> None:
    """Production, evals, judges and people's hours: 3 + 1 + 0.50 + 1.5 h at 40 USD."""
    life = whole_life(
        terms_of(BUSY),
        facts(
            called("3.00"),
            called("1.00", kind="eval"),
            called("0.50", kind="judge"),
            people=(PeopleSum(0, 30, 30, Decimal(90)),),
        ),
    )
    assert {part.name: part.cost for part in life.parts} == {
        CALLS: usd("3.00"),
        EVALS: usd("1.00"),
        JUDGES: usd("0.50"),
        PEOPLE: usd("60"),
    }
    assert life.total == usd("64.50")
    assert costs(life) == {
        "record": usd("0.645"),
        "record handled alone": usd("0.80625"),
        "accepted outcome": Money(Decimal("64.50") / 90),
    }


@pytest.mark.parametrize("kind", ["production", "eval", "judge"])
def test_a_call_without_a_price_makes_the_whole_unknown_and_never_nothing(kind: str) -> None:
    """Whichever part it is of; the known part is told as such."""
    life = whole_life(terms_of(BUSY), facts(called("3.00"), called(None, kind=kind, calls=7)))
    assert life.total is None
    assert life.unknown == "7 of 107 calls have no price"
    assert life.known == usd("3.00")
    assert set(costs(life).values()) == {None}
    assert life.projection is not None
    assert life.projection.calls is None


def test_a_part_of_which_nothing_is_known_has_no_cost() -> None:
    """Not even 0."""
    assert whole_life(terms_of(BUSY), facts(called(None))).part(CALLS).cost is None


def test_currencies_are_never_mixed() -> None:
    """Neither a call's nor an hour's; what is in the cap's currency is known."""
    life = whole_life(terms_of(BUSY), facts(called("3.00"), called("2.00", currency="EUR", kind="eval", calls=5)))
    assert (life.total, life.known) == (None, usd("3.00"))
    assert life.unknown == "5 of 105 calls are priced in EUR"
    in_euros = replace(BUSY, spend=replace(BUSY.spend, hour=Money(Decimal(40), "EUR")))
    life = whole_life(terms_of(in_euros), facts(called("3.00"), people=(PeopleSum(0, 3, 3, Decimal(9)),)))
    assert life.total == usd("3.00")
    assert life.left_out == "people's time: 9 minutes, whose price is in EUR and not in USD"


def test_an_hour_without_a_price_is_left_out_and_said() -> None:
    """The rest of the cost stands, and how long people took."""
    life = whole_life(terms_of(WORKFLOW), facts(called("3.00"), people=(PeopleSum(0, 30, 30, Decimal(300)),)))
    assert life.total == usd("3.00")
    assert life.part(PEOPLE).cost is None
    assert life.left_out == "people's time: 5 hours, whose price is not declared (spend.hour_of_work)"


@pytest.mark.parametrize(("timed", "cost"), [(30, "20"), (27, None), (26, None)])
def test_decisions_without_a_time(timed: int, cost: str | None) -> None:
    """A few count as the mean of the others; of many nobody knows."""
    part = whole_life(terms_of(BUSY), facts(called("3"), people=(PeopleSum(0, 30, timed, Decimal(timed)),))).part(
        PEOPLE
    )
    if timed == 26:
        assert (part.cost, part.unknown) == (None, "4 of 30 decisions have no time")
    else:
        assert part.cost == usd("20")
        assert bool(part.note) is (cost is None)


def test_records_without_usage_cost_something_that_nobody_knows() -> None:
    """Evals alone are not the cost of what was served."""
    life = whole_life(terms_of(BUSY), facts(called("1", kind="eval")))
    assert (life.total, life.unknown) == (None, "no usage was recorded")


def test_without_records_there_is_no_cost_of_one() -> None:
    """A quiet week has cost what its evals did."""
    life = whole_life(terms_of(BUSY), facts(called("1", kind="eval"), outputs=()))
    assert life.total == usd("1")
    assert set(costs(life).values()) == {None}


def test_a_month_is_the_records_cost_times_the_volume_and_the_evals_of_a_month() -> None:
    """Twice the records, twice the calls, but the same evals."""
    steady = [called("2", day=day) for day in range(28)]
    nights = [called("0.5", kind="eval", day=day) for day in range(28)]
    outputs = tuple(OutputSum(day, 100, 80, 90) for day in range(28))
    found = projection(BUSY, facts(*steady, *nights, outputs=outputs, people=(PeopleSum(3, 1, 1, Decimal(0)),)))
    assert found.calls == usd(str(600 + Decimal("0.5") * MONTH))
    assert found.calls_low == found.calls == found.calls_high  # no day differs from another
    assert found.whole == found.calls
    assert found.basis == "2,800 records on 28 days (2026-11-02 to 2026-11-29)"


def test_evals_that_have_just_begun_are_counted_by_the_week() -> None:
    """One night of a new suite is not thirty in a month."""
    found = projection(BUSY, facts(called("1", day=0), called("7", kind="eval", day=27)))
    assert found.calls == usd(str(300 + MONTH))


def test_people_are_told_apart_from_what_the_cap_is_over() -> None:
    """A cap holds for calls; half an hour of work for a hundred records is dearer than all of them."""
    found = projection(BUSY, facts(called("1"), people=(PeopleSum(0, 30, 30, Decimal(30)),)))
    assert (found.calls, found.whole) == (usd("300"), usd("6300"))
    assert found.calls_low is None  # a day alone has no spread
    assert found.cap == Cap(usd("400"), "month")


def test_days_that_differ_widen_the_interval() -> None:
    """A day of retries does."""
    outputs = tuple(OutputSum(day, 100, 80, 90) for day in range(10))
    calm = projection(BUSY, facts(*(called(f"{2 + day % 2}", day=day) for day in range(10)), outputs=outputs))
    wild = projection(BUSY, facts(*(called(f"{2 + day % 2 * 9}", day=day) for day in range(10)), outputs=outputs))
    widths = [one.calls_high.amount / one.calls_low.amount for one in (calm, wild) if one.calls_low and one.calls_high]
    assert len(widths) == 2
    assert 1 < widths[0] < widths[1]


def test_before_launch_eval_cases_stand_for_records() -> None:
    """Their answers' costs, judges apart, and the spread from case to case."""
    soon = replace(BUSY, stage="experiment")
    cases = tuple(Decimal(cost) for cost in ("0.01", "0.02", "0.03", "0.02"))
    found = projection(
        soon, facts(called("0.08", kind="eval", day=27), outputs=(), case_costs=cases, case_currency=USD)
    )
    assert found.basis == "4 eval cases"
    assert found.calls == usd(str(600 + Decimal("0.08") / 7 * MONTH))
    assert found.calls_low is not None
    assert found.calls_low < usd("600") < (found.calls_high or usd("0"))
    assert found.whole is None


def test_before_launch_shadow_calls_are_better_than_cases() -> None:
    """What records cost is known from records."""
    soon = replace(BUSY, stage="shadow")
    found = projection(soon, facts(called("1"), case_costs=(Decimal(9),), case_currency=USD))
    assert found.calls == usd("300")


def test_nothing_to_project_from_is_unknown() -> None:
    """And a workflow without a volume has no projection at all."""
    assert projection(BUSY, facts(outputs=())).unknown == "no production call and no eval run tells what a record costs"
    assert whole_life(terms_of(WORKFLOW), facts(called("1"))).projection is None


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.decimals("0", "50", places=4), st.integers(0, 120)), min_size=1, max_size=28
    )
)
def test_parts_sum_exactly_and_the_interval_holds_the_middle(days: list[tuple[int, Decimal, int]]) -> None:
    """Whatever the days were: total = sum of the parts, cost of a record times records = total, low ≤ middle ≤ high."""
    life = whole_life(
        terms_of(BUSY),
        facts(
            *(called(str(cost), day=day) for day, (_, cost, _) in enumerate(days)),
            outputs=tuple(OutputSum(day, n, n // 2, n // 2) for day, (n, _, _) in enumerate(days) if n),
            people=tuple(PeopleSum(day, 5, 5, Decimal(m)) for day, (_, _, m) in enumerate(days)),
        ),
    )
    assert life.total is not None
    assert life.total.amount == sum(part.cost.amount for part in life.parts if part.cost)
    found = life.projection
    if found is not None and found.calls and found.calls_low and found.calls_high:
        assert found.calls_low.amount <= found.calls.amount <= found.calls_high.amount
