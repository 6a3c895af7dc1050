"""Sums of calls hold what the calls hold, to the last digit: late calls, corrections, other zones, any sums of money."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metering_site import AT, ZONES, assert_exact, book, call, count, settled, wrote

from afterpilot.domain.metered import DaySpan, Span
from afterpilot.domain.record import Usage
from afterpilot.record.evals.usage import EvalCall
from afterpilot.record.ops import Ops
from afterpilot.record.spend import metering
from afterpilot.record.tables import usage, usage_changes, usage_days, usage_sums, usage_zones

pytestmark = pytest.mark.integration


def test_what_was_written_is_summed_once(ops: sa.Engine) -> None:
    """By quarter, kind, model and price; a second time there is nothing to do."""
    wrote(
        ops,
        call("a"),
        call("b"),
        call("c", AT + timedelta(minutes=10)),
        call("d", used=Usage("x", 5, 5)),
        call("e", used=None),
    )
    with Ops(ops).begin() as unit:
        unit.eval_usage.prepare(AT)
        said = EvalCall("said", Usage("m", 1, 1), Decimal("0.07"), "EUR")
        unit.eval_usage.add("w", [EvalCall("one", Usage("m", 10, 1)), said], at=AT, book=book())
    found = settled(ops)
    assert (found.quarters, found.days, found.workflows, found.priced) == (2, 1, 1, 0)
    assert_exact(ops)
    assert count(ops, usage_sums) == 6
    assert settled(ops) == metering.Settled()


def test_a_late_call_and_corrections(ops: sa.Engine) -> None:
    """A late call, other tokens, another time in another quarter, day and month: the sums follow, and nothing stands twice."""
    wrote(ops, call("a"), call("b"), call("c"))
    settled(ops)
    wrote(ops, call("late", AT - timedelta(days=3)))
    wrote(
        ops, call("a", used=Usage("m", 7, 7)), call("b", AT + timedelta(minutes=9)), call("c", AT + timedelta(days=2))
    )
    settled(ops)
    assert_exact(ops)
    assert count(ops, usage) == 4


def test_calls_without_a_price_are_priced_when_they_are_summed(ops: sa.Engine) -> None:
    """As they were written before there were prices."""
    with Ops(ops).begin() as unit:
        unit.records.write([call("a"), call("b"), call("c", used=None)], uuid.uuid4())
    assert settled(ops).priced == 3
    assert_exact(ops)
    with ops.connect() as connection:
        assert connection.scalar(sa.select(sa.func.sum(usage_sums.c.cost))) == 2 * Decimal("0.0015")


def test_calls_without_a_price_are_read_once(ops: sa.Engine) -> None:
    """However many they are: each more than one statement can price would be read again with all before it."""
    rows = [call(f"k{i}", AT - timedelta(seconds=i)) for i in range(metering.BATCH + 1)]
    with Ops(ops).begin() as unit:
        unit.records.write(rows, uuid.uuid4())
    statements: list[str] = []
    sa.event.listen(ops, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert settled(ops).priced == len(rows)
    assert sum("SKIP LOCKED" in one for one in statements) == 1
    assert sum("UPDATE usage SET" in one for one in statements) == 2
    assert_exact(ops)


def test_much_at_once_is_summed_in_several_transactions(ops: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes its share of the marks; when there are no more, the sums are exact."""
    with Ops(ops).begin() as unit:
        rows = [call(f"k{i}", AT - timedelta(minutes=15 * i)) for i in range(40)]
        unit.records.write(rows, uuid.uuid4())
    monkeypatch.setattr(metering, "MOST_MARKS", 14)
    assert [settled(ops).more for _ in range(3)] == [True, True, False]
    assert_exact(ops)


def test_another_time_zone_makes_all_days_anew(ops: sa.Engine) -> None:
    """Also where no call is new; other workflows are left alone."""
    wrote(ops, *(call(f"k{i}", AT - timedelta(hours=7 * i)) for i in range(20)))
    wrote(ops, call("other", workflow="v"))
    settled(ops)
    moved = {**ZONES, "w": "Pacific/Auckland"}
    assert settled(ops, moved).days == 7
    assert_exact(ops, moved)
    assert settled(ops, moved) == metering.Settled()
    with ops.connect() as connection:
        assert dict(connection.execute(sa.select(usage_zones.c.workflow, usage_zones.c.zone)).all()) == moved


def test_a_zone_that_the_database_does_not_know_stops_nobody(ops: sa.Engine, caplog: pytest.LogCaptureFixture) -> None:
    """It is told of, and the sums of all are made; the workflow's days are in UTC."""
    wrote(ops, call("a"))
    wrote(ops, call("a", workflow="v"))
    zones = {"v": "Mars/Olympus_Mons", "w": "Asia/Tokyo"}
    assert settled(ops, zones).workflows == 2
    assert "v: the ops database does not know the time zone Mars/Olympus_Mons" in caplog.text
    assert_exact(ops, {"w": "Asia/Tokyo"})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.lists(st.integers(-3 * 24 * 60, 3 * 24 * 60), min_size=1, max_size=12, unique=True),
    zone=st.sampled_from(
        ["America/Havana", "Africa/Cairo", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
    ),
    change=st.sampled_from(
        ["2026-10-25 00:00", "2026-11-01 05:00", "2026-03-08 05:00", "2026-04-24 00:00", "2026-04-05 00:00"]
    ),
)
def test_days_are_those_of_the_calendar(ops: sa.Engine, minutes: Sequence[int], zone: str, change: str) -> None:
    """Around changes of clocks, some of them at midnight: each call is in the day that its place's calendar shows."""
    begin = datetime.fromisoformat(f"{change}+00:00")
    with Ops(ops).begin() as unit:
        for table in (usage, usage_sums, usage_days, usage_changes):
            unit.connection.execute(sa.delete(table))
        unit.connection.exec_driver_sql("DELETE FROM records")
    wrote(ops, *(call(f"k{minute}", begin + timedelta(minutes=minute)) for minute in minutes))
    settled(ops, {"w": zone})
    assert_exact(ops, {"w": zone})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**6)), min_size=1, max_size=30)
)
def test_sums_are_exact(ops: sa.Engine, tokens: list[tuple[int, int, int]]) -> None:
    """The sum of the sums is the sum of the costs that Python finds for each call, however large and small they are."""
    with Ops(ops).begin() as unit:
        for table in (usage, usage_sums, usage_days, usage_changes):
            unit.connection.execute(sa.delete(table))
        unit.connection.exec_driver_sql("DELETE FROM records")
    used = [Usage("m", cached + fresh, output, cached) for fresh, output, cached in tokens]
    wrote(ops, *(call(f"k{i}", AT + timedelta(minutes=11 * i), one) for i, one in enumerate(used)))
    settled(ops)
    expected = sum((book().price(one, AT).cost or Decimal(0) for one in used), Decimal(0))
    with ops.connect() as connection:
        for table in (usage, usage_sums, usage_days):
            assert connection.scalar(sa.select(sa.func.sum(table.c.cost))) == expected


def test_spans_are_read_apart_and_together(ops: sa.Engine) -> None:
    """Of one workflow or of all, by time or by the days of each calendar, each with its own label."""
    wrote(ops, call("a"), call("b", AT - timedelta(hours=1)), call("n", used=Usage("x", 1, 1)))
    wrote(ops, call("a", workflow="v"))
    settled(ops)
    hour, end = AT.replace(minute=0), AT.replace(minute=0) + timedelta(hours=1)
    with Ops(ops).begin() as unit:
        found = unit.metered.spans([Span("w", hour, end, "hour"), Span(None, hour - timedelta(hours=5), end, "all")])
        assert [(one.label, one.workflow, one.model, one.calls, one.cost) for one in found] == [
            ("hour", "w", "m", 1, Decimal("0.0015")),
            ("hour", "w", "x", 1, None),
            ("all", "v", "m", 1, Decimal("0.0015")),
            ("all", "w", "m", 2, Decimal("0.0030")),
            ("all", "w", "x", 1, None),
        ]
        assert {one.reason for one in found if one.model == "x"} == {"no price is known for x"}
        day = date(2026, 10, 31)
        assert [
            (one.workflow, one.day, one.calls) for one in unit.metered.days([DaySpan(None, day, day)], each_day=True)
        ] == [
            ("w", day, 2),
            ("w", day, 1),
        ]
        assert unit.metered.days([DaySpan("v", day, day + timedelta(days=1))])[0].calls == 1
        assert unit.metered.spans([]) == ()
