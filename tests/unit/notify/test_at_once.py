"""Delivery at once: in the background, one at a time, and never in the way of who has the news."""

from __future__ import annotations

import threading

from afterpilot.notify.at_once import AtOnce


def test_news_that_comes_during_a_delivery_is_delivered_by_another_after_it() -> None:
    """Never two at a time, and none is forgotten; ten news meanwhile are one more delivery."""
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)
    under_way, most, times = [0], [0], [0]

    def work(_stop: threading.Event) -> None:
        under_way[0] += 1
        most[0], times[0] = max(most[0], under_way[0]), times[0] + 1
        begun.release()
        go_on.acquire(timeout=20)
        under_way[0] -= 1

    at_once = AtOnce(work)
    at_once.nudge()
    assert begun.acquire(timeout=20)
    for _ in range(10):
        at_once.nudge()
    go_on.release()
    assert begun.acquire(timeout=20)
    go_on.release()
    at_once.finish(20)
    assert (most[0], times[0]) == (1, 2)


def test_a_delivery_that_breaks_costs_nothing_but_a_line_in_the_log() -> None:
    """The next news starts it again."""
    times: list[int] = []

    def work(_stop: threading.Event) -> None:
        times.append(1)
        raise RuntimeError("the database is away")

    at_once = AtOnce(work)
    at_once.nudge()
    at_once.finish(20)
    at_once.nudge()
    at_once.finish(20)
    assert len(times) == 2


def test_one_that_takes_too_long_is_told_to_end() -> None:
    """What it has begun it may finish."""
    ended = threading.Event()

    def work(stop: threading.Event) -> None:
        assert stop.wait(20)
        ended.set()

    at_once = AtOnce(work)
    at_once.nudge()
    at_once.finish(0.01)
    assert ended.wait(20)


def test_without_news_nothing_happens() -> None:
    """There is nothing to wait for either."""
    AtOnce(lambda _: 1 / 0).finish(20)
