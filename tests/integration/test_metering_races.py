"""Whoever writes, corrects, re-prices and sums calls at the same time: no cent is lost and none is doubled."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from metering_site import AT, ZONES, assert_exact, book, call, count, settled, wrote

from afterpilot.domain.record import Usage
from afterpilot.record.ops import Ops
from afterpilot.record.production.records import Records
from afterpilot.record.spend import metering, repricing
from afterpilot.record.spend.pricing import Pricing, usage_of
from afterpilot.record.tables import usage, usage_changes
from afterpilot.spend.prices import Prices

pytestmark = pytest.mark.integration
SINCE = date(2026, 1, 1)
MANY = (book(), book("0.000009"), book("0.1", "m"))


def repriced(ops: sa.Engine, prices: Prices, zones: dict[str, str] = ZONES) -> None:
    """As the stage of spend does it; then the sums are exact and every call costs what the book says."""
    with Ops(ops).begin() as unit:
        metering.settle(unit.connection, zones, prices)
        repricing.reprice(unit.connection, prices, since=SINCE)
        metering.settle(unit.connection, zones, prices)
    assert_exact(ops, zones)
    with ops.connect() as connection:
        for row in connection.execute(sa.select(usage)):
            assert row.cost == prices.price(usage_of(row), row.at).cost


def test_a_call_that_is_committed_while_its_quarter_is_summed(ops: sa.Engine) -> None:
    """Its mark was not there when the marks were taken: it stays, and the call is in the sums after the next time."""
    wrote(ops, call("a"))
    with ops.begin() as late:
        Records(late).write([call("b", workflow="v")], uuid.uuid4(), pricing=Pricing(book()))
        settled(ops)
    assert count(ops, usage_changes) == 1
    settled(ops)
    assert_exact(ops)


def test_a_call_that_is_being_written_is_priced_anew_the_next_time(ops: sa.Engine) -> None:
    """Nobody waits for its writer; whether he changes it or not, it costs what the book says in the end."""
    wrote(ops, call("a"), call("b"))
    settled(ops)
    now = book("0.000009")
    with ops.begin() as writer:
        Records(writer).write([call("a")], uuid.uuid4(), pricing=Pricing(book()))
        with Ops(ops).begin() as unit:
            (row,) = repricing.reprice(unit.connection, now, since=SINCE)
        assert row.calls == 1
    repriced(ops, now)


def test_who_prices_old_calls_and_who_corrects_them_wait_in_no_circle(ops: sa.Engine) -> None:
    """Both bring a price that nobody had before, for the same call."""
    with Ops(ops).begin() as unit:
        unit.records.write([call("a")], uuid.uuid4())
    with ThreadPoolExecutor() as pool, ops.begin() as writer:
        summing: list[Future[metering.Settled]] = []

        def meanwhile(*given: Any) -> None:
            if "INSERT INTO usage (" in given[2] and not summing:
                summing.append(pool.submit(settled, ops))
                while not summing[0].done() and not _somebody_waits(ops):
                    time.sleep(0.01)

        sa.event.listen(writer, "before_cursor_execute", meanwhile)
        Records(writer).write([call("a", used=Usage("m", 5, 5))], uuid.uuid4(), pricing=Pricing(book()))
        writer.commit()
        assert summing[0].result().priced == 1
    settled(ops)
    assert_exact(ops)


def _somebody_waits(ops: sa.Engine) -> bool:
    with ops.connect() as connection:
        return bool(connection.scalar(sa.text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")))


class Races(RuleBasedStateMachine):
    """Any order of late calls, corrections, moves, other prices, other zones and sums; checked after each sum."""

    ops: sa.Engine
    keys = tuple("abcdef")

    @initialize()
    def empty(self) -> None:
        """Nothing stands on record."""
        with Ops(self.ops).begin() as unit:
            for table in ("usage", "usage_sums", "usage_days", "usage_changes", "usage_zones", "records", "repricings"):
                unit.connection.exec_driver_sql(f"DELETE FROM {table}")
        self.prices, self.zones = book(), dict(ZONES)

    @rule(
        workflow=st.sampled_from(["v", "w"]),
        keys=st.lists(st.sampled_from(keys), min_size=1, max_size=4),
        hours=st.integers(-60, 60),
        minutes=st.integers(0, 59),
        tokens=st.one_of(st.none(), st.integers(0, 10**6)),
        model=st.sampled_from(["m", "n", "x", ""]),
    )
    def write(self, workflow: str, keys: list[str], hours: int, minutes: int, tokens: int | None, model: str) -> None:
        """Calls that are new, late, corrected or moved."""
        at = AT + timedelta(hours=hours, minutes=minutes)
        used = Usage(model, tokens, 10, 5)
        wrote(self.ops, *(call(key, at, used, workflow) for key in keys), prices=self.prices)

    @rule(
        output=st.sampled_from(["0.000002", "0.0000031", "0.1"]),
        models=st.sampled_from([("m", "n"), ("m",), ("m", "n", "x")]),
    )
    def other_prices(self, output: str, models: tuple[str, ...]) -> None:
        """The price list is another one."""
        self.prices = book(output, *models)

    @rule(workflow=st.sampled_from(["v", "w"]), zone=st.sampled_from(["UTC", "America/Havana", "Asia/Tokyo"]))
    def other_zone(self, workflow: str, zone: str) -> None:
        """A declaration names another time zone."""
        self.zones[workflow] = zone

    @rule()
    def reprice(self) -> None:
        """Once sums are made at what the book says, every call costs what the book says."""
        repriced(self.ops, self.prices, self.zones)

    @rule()
    def settle(self) -> None:
        """Sums are exact."""
        settled(self.ops, self.zones, self.prices)
        assert_exact(self.ops, self.zones)


def test_any_order_of_changes_keeps_the_sums(ops: sa.Engine) -> None:
    """Late calls, corrections, other prices and zones, in any order."""
    Races.ops = ops
    run_state_machine_as_test(
        Races,
        settings=settings(
            max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def _writing(ops: sa.Engine, seed: int) -> None:
    """New, late, corrected and moved calls of two workflows."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(25):
        keys = [f"{chance.choice('abcdefgh')}{chance.randrange(6)}" for _ in range(chance.randrange(1, 9))]
        at = AT + timedelta(minutes=chance.randrange(-3000, 3000))
        used = Usage(chance.choice("mn"), chance.randrange(10**6), chance.randrange(1000))
        wrote(ops, *(call(key, at, used, chance.choice("vw")) for key in keys[:1]), prices=chance.choice(MANY))
        workflow = chance.choice("vw")
        wrote(ops, *(call(key, at, used, workflow) for key in keys), prices=chance.choice(MANY))


def _summing(ops: sa.Engine, seed: int, over: threading.Event) -> None:
    """Sums, at one price list and another."""
    chance = random.Random(seed)  # noqa: S311
    while not over.is_set():
        prices = chance.choice(MANY)
        with Ops(ops).begin() as unit:
            metering.settle(unit.connection, ZONES, prices)
            if chance.random() < 0.5:
                repricing.reprice(unit.connection, prices, since=SINCE)


def test_many_at_once_lose_and_double_nothing(ops: sa.Engine) -> None:
    """Four writers that correct and move each other's calls, three who sum and change prices: in the end the sums are exact."""
    failures: list[BaseException] = []
    over = threading.Event()

    def started(work: Callable[..., None], *given: object) -> threading.Thread:
        def run() -> None:
            try:
                work(ops, *given)
            except BaseException as error:  # noqa: BLE001 - judged below
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    others = [started(_summing, seed, over) for seed in range(10, 13)]
    writers = [started(_writing, seed) for seed in range(4)]
    for thread in writers:
        thread.join()
    over.set()
    for thread in others:
        thread.join()
    assert failures == []
    settled(ops)
    assert_exact(ops)
    repriced(ops, MANY[0])
