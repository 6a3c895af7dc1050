"""The cap is held whatever comes in whatever order, and nothing stays reserved."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.domain.money import Money
from afterpilot.evaluate.admission import GIVE_UP_AFTER, Admission
from afterpilot.evaluate.budget import Budget, Capped
from afterpilot.evaluate.costs import Unpriced

amounts = st.decimals(min_value=0, max_value=10, places=3)


@st.composite
def calls(draw: st.DrawFn) -> tuple[Decimal, Decimal | None, int]:
    """The most that a call can cost, what it costs in truth (None: nobody knows), and how many turns of the loop it takes."""
    most = draw(amounts)
    cost = draw(st.none() | st.decimals(min_value=0, max_value=1, places=3).map(lambda share: share * most))
    return most, cost, draw(st.integers(0, 5))


pieces = st.lists(st.tuples(amounts, st.lists(calls(), min_size=1, max_size=3), st.booleans()), max_size=25)


class Watched(Budget):
    """Notes the most that was ever spent and reserved together."""

    highest = Decimal(0)

    def watch(self) -> None:
        """Look now."""
        self.highest = max(self.highest, self.spent + self.reserved)
        assert self.reserved >= 0


@settings(max_examples=150, deadline=None)
@given(cap=amounts, work=pieces, workers=st.integers(1, 6))
def test_the_cap_is_never_exceeded_and_nothing_stays_reserved(cap: Decimal, work: list, workers: int) -> None:
    """Whatever was foreseen for a piece, whatever its calls cost, in whatever order they end, one after the other or at once."""
    budget = Watched(Money(cap))
    paid: list[Decimal] = []
    admission = Admission(work, budget=budget, most=lambda piece: piece[0])

    async def call(reservation, most, cost, turns) -> None:
        try:
            await reservation.begin(most)
        except Capped:
            return
        budget.watch()
        for _ in range(turns):
            await asyncio.sleep(0)
        reservation.end(most, cost)
        paid.append(most if cost is None else cost)
        budget.watch()

    async def worker() -> None:
        while (following := await admission.next()) is not None:
            (_, its_calls, at_once), reservation = following
            budget.watch()
            with reservation:
                if at_once:
                    await asyncio.gather(*(call(reservation, *one) for one in its_calls))
                else:
                    for one in its_calls:
                        await call(reservation, *one)

    async def run() -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(worker() for _ in range(workers)))

    asyncio.run(run())
    assert budget.highest <= cap
    assert budget.spent == sum(paid)
    assert budget.reserved == 0
    assert bool(admission.left) == bool(admission.stopped)


@settings(max_examples=100, deadline=None)
@given(work=st.lists(amounts, max_size=30), workers=st.integers(1, 6))
def test_all_is_done_where_the_cap_has_room_for_all(work: list[Decimal], workers: int) -> None:
    """No piece is held back for longer than it must be."""
    budget = Budget(Money(sum(work, Decimal(0))))
    admission = Admission(work, budget=budget, most=lambda most: most)
    done: list[Decimal] = []

    async def worker() -> None:
        while (following := await admission.next()) is not None:
            most, reservation = following
            with reservation:
                await reservation.begin(most)
                await asyncio.sleep(0)
                reservation.end(most, None)
            done.append(most)

    async def run() -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(worker() for _ in range(workers)))

    asyncio.run(run())
    assert sorted(done) == sorted(work)
    assert (admission.left, admission.stopped) == ([], "")
    assert budget.spent == sum(work)


def test_a_call_cancelled_while_it_waits_gives_back_what_it_took() -> None:
    """Nothing is lost from its piece's reservation."""

    async def run() -> Budget:
        budget = Budget(Money(Decimal(10)))
        one, other = await budget.reserve(Decimal(4)), await budget.reserve(Decimal(6))
        assert one is not None
        assert other is not None
        with one, other:
            await other.begin(Decimal(6))
            waiting = asyncio.create_task(one.begin(Decimal(5)))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await one.begin(Decimal(4))
            one.end(Decimal(4), Decimal(1))
            other.end(Decimal(6), Decimal(2))
        return budget

    budget = asyncio.run(run())
    assert (budget.spent, budget.reserved) == (Decimal(3), Decimal(0))


def test_more_than_was_foreseen_waits_for_what_others_give_back() -> None:
    """And is refused only where no call under way could give anything back."""

    async def run() -> None:
        budget = Budget(Money(Decimal(10)))
        one, other = await budget.reserve(Decimal(4)), await budget.reserve(Decimal(6))
        assert one is not None
        assert other is not None
        with other:
            with one:
                await other.begin(Decimal(6))
                waiting = asyncio.create_task(one.begin(Decimal(5)))
                await asyncio.sleep(0)
                assert not waiting.done()
                other.end(Decimal(6), Decimal(5))
                await waiting
                one.end(Decimal(5), Decimal(5))
            with pytest.raises(Capped, match=r"cap of 10\.00 USD"):
                await other.begin(Decimal(1))

    asyncio.run(run())


def test_a_piece_without_a_price_stops_all() -> None:
    """It is not handed out, and neither is what comes after it."""

    def most(piece: str) -> Decimal:
        if piece == "unpriced":
            raise Unpriced("no price is known for x")
        return Decimal(0)

    async def run() -> Admission[str]:
        admission = Admission(["good", "unpriced", "after"], budget=Budget(Money(Decimal(1))), most=most)
        first = await admission.next()
        assert first is not None
        assert first[0] == "good"
        assert await admission.next() is None
        return admission

    admission = asyncio.run(run())
    assert (admission.left, admission.stopped) == (["unpriced", "after"], "no price is known for x")


def test_an_unbroken_row_of_failures_stops_all_and_one_success_breaks_it() -> None:
    """The first reason stands."""
    admission = Admission(["x"], budget=Budget(Money(Decimal(1))), most=lambda _: Decimal(0))
    for error in ["gone"] * (GIVE_UP_AFTER - 1) + [""] + ["gone"] * (GIVE_UP_AFTER - 1):
        admission.finished(error)
    assert admission.stopped == ""
    admission.finished("HTTP 401")
    admission.finished("later")
    assert admission.stopped == f"{GIVE_UP_AFTER} cases in a row failed, the last one with: HTTP 401"
