"""How fast an endpoint is asked, on a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from afterpilot.evaluate.pace import Pace, TooLong


class Time:
    """Passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        """Everybody waits for the same moment."""
        self.now = max(self.now, self.now + seconds)
        await asyncio.sleep(0)


def paced(most: int) -> tuple[Pace, Time]:
    """A pace and its time."""
    clock = Time()
    return Pace(most, now=lambda: clock.now, sleep=clock.sleep), clock


def run(work: Coroutine[Any, Any, None]) -> None:
    """On a loop of its own."""
    asyncio.run(asyncio.wait_for(work, 10))


async def settle() -> None:
    """Let everybody come as far as they can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_no_more_enter_than_may() -> None:
    """The next one comes in when one leaves, in turn."""

    async def work() -> None:
        pace, _ = paced(2)
        order: list[int] = []

        async def one(number: int) -> None:
            await pace.enter(10)
            order.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(4)]
        await settle()
        assert order == [0, 1]
        pace.leave()
        await settle()
        assert order == [0, 1, 2]
        pace.leave()
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3]

    run(work())


def test_a_window_of_refusals_halves_once_and_a_window_of_answers_adds_one() -> None:
    """All that were under way at the cut belong to it; later ones cut again; one is always left; the start is the most."""

    async def work() -> None:
        pace, _ = paced(8)
        began = [await pace.enter(10) for _ in range(8)]
        for ticket in began:
            pace.slower(ticket)
            pace.leave()
        assert pace.limit == 4
        for _ in range(4):
            pace.well()
        assert pace.limit == 5
        for _ in range(6):
            pace.slower(await pace.enter(10))
            pace.leave()
        assert pace.limit == 1
        for _ in range(100):
            pace.well()
        assert pace.limit == 8

    run(work())


def test_nobody_enters_before_the_gate_opens() -> None:
    """Not those who wait already, nor those who come; a later moment holds, an earlier one does not shorten it."""

    async def work() -> None:
        pace, clock = paced(2)
        entered: list[float] = []

        async def one() -> None:
            await pace.enter(100)
            entered.append(clock.now)
            pace.leave()

        await pace.enter(100)
        await pace.enter(100)
        waiting = [asyncio.create_task(one()) for _ in range(3)]
        await settle()
        pace.shut(30)
        pace.shut(5)
        pace.leave()
        pace.leave()
        await asyncio.gather(*waiting, one())
        assert min(entered) >= 30

    run(work())


def test_a_gate_that_stays_shut_too_long_lets_everybody_know() -> None:
    """Those who queue behind are not forgotten."""

    async def work() -> None:
        pace, clock = paced(1)
        await pace.enter(10)
        waiting = [asyncio.create_task(pace.enter(10)) for _ in range(3)]
        await settle()
        pace.shut(60)
        pace.leave()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(error) for error in found] == ["the server asks for a pause of 60 s"] * 3
        with pytest.raises(TooLong):
            await pace.enter(60)
        assert clock.now == 0
        await pace.enter(60.1)

    run(work())


def test_a_turn_that_nobody_takes_any_more_goes_to_the_next() -> None:
    """Whoever was cancelled just then, or while waiting, blocks nobody."""

    async def work() -> None:
        pace, _ = paced(1)
        await pace.enter(10)
        first, second, third = (asyncio.create_task(pace.enter(10)) for _ in range(3))
        await settle()
        second.cancel()
        pace.leave()
        first.cancel()
        await asyncio.wait_for(third, 5)
        assert first.cancelled()
        assert second.cancelled()

    run(work())


def test_one_refusal_among_many_answers_is_not_a_full_endpoint() -> None:
    """The second of two in a row is, and so is a quarter of the latest answers; one in twenty never."""
    pace, _ = paced(8)
    assert not pace.refused()
    assert pace.refused()
    rare, _ = paced(8)
    told = []
    for number in range(400):
        if number % 20 == 19:
            told.append(rare.refused())
        else:
            rare.well()
    assert not any(told)
    for _ in range(7):
        rare.refused()
    assert rare.refused()
