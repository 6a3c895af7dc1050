"""What is overdue, by pure rules: times and records in, judgement out."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.overdue import (
    AFTER_OUTAGE,
    AWAY_AFTER,
    Awake,
    dead_since,
    last_late,
    overdue_verdicts,
    passed,
    verdict_overdue,
)
from afterpilot.declare.cron import due_after, due_before
from afterpilot.domain.run import Stage
from afterpilot.domain.watching import Beat, Expected, PassState, Seen, Tick

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LONG_AWAKE = Awake(NOON - 100 * HOUR, NOON - 100 * HOUR)
CRONS = (
    "* * * * *",
    "*/10 * * * *",
    "5 * * * *",
    "20 5 * * *",
    "0 7 * * mon",
    "0 9 * * 1-5",
    "30 4 1 * *",
    "0 0 29 2 *",
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds it


@given(cron=st.sampled_from(CRONS), now=moments)
def test_the_newest_time_that_is_late_is_found(cron: str, now: datetime) -> None:
    """Its grace is over; that of the next one is not, and both are times of the schedule."""
    ticks = list(itertools.islice(due_before(cron, now), 40))
    tick = last_late(iter(ticks), now)
    assert tick is not None
    assert tick.late_at <= now
    assert tick.due in ticks
    later = [one for one in ticks if one > tick.due]
    assert all(Tick(one, one - before).late_at > now for one, before in itertools.pairwise([*later, tick.due]))


@given(cron=st.sampled_from(CRONS), now=moments)
def test_the_times_to_come_are_those_that_will_have_been(cron: str, now: datetime) -> None:
    """After the moment, soonest first, none left out: looked back on from the third they are the same."""
    ahead = list(itertools.islice(due_after(cron, now), 3))
    back = list(itertools.takewhile(lambda due: due > now, due_before(cron, ahead[-1])))
    assert ahead == back[::-1]


@given(cron=st.sampled_from(CRONS), now=moments)
def test_grace_is_a_quarter_of_the_period_and_at_least_fifteen_minutes(cron: str, now: datetime) -> None:
    """What runs every minute has fifteen minutes, what runs each day six hours."""
    tick = last_late(due_before(cron, now), now)
    assert tick is not None
    assert tick.late_at - tick.due == max(15 * MINUTE, tick.period / 4)


@pytest.mark.parametrize(
    ("cron", "newest"),
    [
        ("5 * * * *", "2026-11-18 11:05"),
        ("0 7 * * mon", "2026-11-16 07:00"),
        ("0 7 31 * *", "2026-10-31 07:00"),
        ("0 7 13 * fri", "2026-11-13 07:00"),
        ("*/7 12 * * *", "2026-11-18 12:00"),
    ],
)
def test_times_go_back_from_the_moment(cron: str, newest: str) -> None:
    """The newest first, the moment itself included."""
    found = list(itertools.islice(due_before(cron, NOON), 5))
    assert f"{found[0]:%Y-%m-%d %H:%M}" == newest
    assert found == sorted(found, reverse=True)


def test_what_is_no_cron_expression_is_refused() -> None:
    """An error with what is wrong."""
    with pytest.raises(ValueError, match="5"):
        next(due_before("hourly", NOON))


def seen(
    stage: Stage = Stage.PULL, *, last: datetime | None = None, promised: bool = True, slug: str = "w", ago: int = 60
) -> Seen:
    """A verdict that was due so many minutes before noon, by an hourly schedule."""
    return Seen(Expected(slug, stage, "records.hourly", Tick(NOON - ago * MINUTE, HOUR)), last, promised)


@pytest.mark.parametrize(
    ("one", "late"),
    [
        (seen(), True),
        (seen(last=NOON - 61 * MINUTE), True),
        (seen(last=NOON - 60 * MINUTE), False),
        (seen(promised=False), False),
        (seen(ago=15), True),
        (seen(ago=14), False),
    ],
)
def test_a_verdict_is_overdue_by_its_own_schedule(one: Seen, *, late: bool) -> None:
    """Nothing since it was due, promised already then, and the grace is over."""
    assert bool(overdue_verdicts([one], now=NOON, awake=LONG_AWAKE)) is late


def test_of_a_path_the_first_stage_is_overdue() -> None:
    """What follows cannot be there; another workflow and another schedule stand for themselves."""
    rows = [seen(stage, slug=slug) for slug in ("a", "b") for stage in (Stage.PULL, Stage.CHECK, Stage.GATE)]
    found = overdue_verdicts(rows, now=NOON, awake=LONG_AWAKE)
    assert [(one.expected.workflow, one.expected.stage) for one in found] == [("a", Stage.PULL), ("b", Stage.PULL)]


@pytest.mark.parametrize(("minutes", "late"), [(29, False), (30, True)])
def test_after_an_outage_there_is_time_to_catch_up(minutes: int, *, late: bool) -> None:
    """Half an hour."""
    awake = Awake(NOON - 100 * HOUR, NOON - minutes * MINUTE)
    assert bool(overdue_verdicts([seen()], now=NOON, awake=awake)) is late
    assert timedelta(minutes=30) == AFTER_OUTAGE


def test_what_was_never_switched_on_is_not_overdue() -> None:
    """One that ran before and is switched off now is."""
    off = {"records.hourly"}
    never, before = seen(), seen(last=NOON - 9 * HOUR)
    assert overdue_verdicts([never], now=NOON, awake=LONG_AWAKE, paused=off) == ()
    assert overdue_verdicts([before], now=NOON, awake=LONG_AWAKE, paused=off) == (before,)


@pytest.mark.parametrize(
    ("last", "first", "paused", "state"),
    [
        (NOON - MINUTE, NOON - 9 * HOUR, False, PassState.GOOD),
        (NOON - 2 * HOUR, NOON - 9 * HOUR, False, PassState.OVERDUE),
        (NOON - 2 * HOUR, NOON - 9 * HOUR, True, PassState.OVERDUE),
        (None, NOON - 9 * HOUR, False, PassState.OVERDUE),
        (None, NOON - 9 * HOUR, True, PassState.PAUSED),
        (None, NOON - MINUTE, False, PassState.WAITING),
        (None, None, False, PassState.WAITING),
    ],
)
def test_how_a_dag_stands(last: datetime | None, first: datetime | None, state: PassState, *, paused: bool) -> None:
    """By its last pass; one that never passed is overdue only if it had to since it is watched."""
    beat = Beat("dag:spend", last) if last else None
    awake = Awake(first, first)
    one = passed("spend", "0 * * * *", Tick(NOON - HOUR, HOUR), beat, awake=awake, paused=paused, now=NOON)
    assert one.state is state


@pytest.mark.parametrize(
    ("watchdog", "deliver", "dead"), [(60, 50, True), (60, 1, False), (1, 60, False), (1, 1, False), (None, 60, False)]
)
def test_the_scheduler_is_dead_when_neither_passes(watchdog: int | None, deliver: int, *, dead: bool) -> None:
    """One of them alone may be paused or red by itself."""
    tick = Tick(NOON - 20 * MINUTE, MINUTE)
    rows = [
        passed(
            name,
            "* * * * *",
            tick,
            Beat(name, NOON - ago * MINUTE) if ago is not None else None,
            awake=LONG_AWAKE,
            paused=False,
            now=NOON,
        )
        for name, ago in (("watchdog", watchdog), ("deliver", deliver))
    ]
    assert dead_since(rows) == (NOON - deliver * MINUTE if dead else None)


@given(gaps=st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_the_watchdog_knows_since_when_it_watches_without_a_gap(gaps: list[int]) -> None:
    """Each gap of more than twenty minutes begins anew; the first pass stays the first."""
    now, awake, last = NOON, Awake(), None
    begun = NOON
    for gap in gaps:
        awake = awake.after(last, now)
        assert awake == Awake(NOON, begun)
        last, now = now, now + gap * MINUTE
        begun = now if gap * MINUTE > AWAY_AFTER else begun


def test_the_words_stay_the_same_while_nothing_changes() -> None:
    """An edit for each pass would be noise: they hold no time that goes on."""
    one, later = seen(last=NOON - 9 * HOUR), seen(last=NOON - 9 * HOUR, ago=0)
    first, second = (verdict_overdue(it, "5 * * * *", paused=False) for it in (one, later))
    assert (first.title, first.detail) == (second.title, second.detail)
    assert first.fingerprint == second.fingerprint
    assert first.title == "No verdict of the stage pull since 2026-11-18 03:00 UTC"
    assert first.detail.endswith("; check and gate wait for it.")
