"""Spot checks on a real ops database: chances are set once, and only the sample speaks for the rest."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from afterpilot.domain.record import GateDecision, HumanDecision, Record
from afterpilot.domain.sampling import Overrides, Reviewing, Stratum
from afterpilot.domain.window import Window
from afterpilot.record.ops import Ops, connect
from afterpilot.record.tables import human_decisions
from afterpilot.review.sampling import stratum_of

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 18, 9, tzinfo=UTC)
WEEK = Window(datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
RUN = uuid.UUID(int=7)


@pytest.fixture
def ops(ops_url: str) -> Iterator[Ops]:
    """The ops database."""
    engine = connect(ops_url)
    yield Ops(engine)
    engine.dispose()


def filled(ops: Ops, *, released: int, kind: str, picked: int, start: int = 0) -> list[str]:
    """So many released outputs of a kind, the first ones of them spot checks; their keys."""
    keys = [f"{kind}{start + number}" for number in range(released)]
    records = [Record("w", key, AT, {"kind": kind, "text": "word " * 300}) for key in keys]
    decisions = [
        GateDecision("w", key, AT, released=True, reason="spot_check" if number < picked else "passed")
        for number, key in enumerate(keys)
    ]
    with ops.begin() as unit:
        unit.records.write(records, RUN)
        unit.gate.write(decisions, RUN)
    return keys


def decide(
    ops: Ops,
    key: str,
    decision: str,
    *,
    at: datetime = AT + timedelta(hours=2),
    by: str = "",
    seconds: float | None = None,
) -> None:
    """What a person decides on it."""
    with ops.begin() as unit:
        unit.records.write_decisions([HumanDecision("w", key, at, decision)])
        unit.connection.execute(
            sa.update(human_decisions).where(human_decisions.c.key == key).values(decided_by=by, seconds=seconds)
        )


def test_an_output_is_picked_with_the_chance_of_the_stratum_that_it_counts_in(ops: Ops) -> None:
    """Whatever the kind of the field's value: booleans and numbers too have one name where chances are set and looked up."""
    values = ["letter", "", "0", True, False, 0, 12, 1.5, None]
    records = [Record("w", f"k{number}", AT, {"kind": value}) for number, value in enumerate(values)]
    with ops.begin() as unit:
        unit.records.write(records, RUN)
        unit.gate.write([GateDecision("w", one.key, AT, released=True, reason="passed") for one in records], RUN)
        counted = {stratum.name for stratum in unit.spot_checks.strata("w", WEEK, by="kind")}
    assert counted == {stratum_of(value) for value in values}
    assert {"true", "false", "0", "12", "1.5", "letter", ""} == counted


def test_only_spot_checks_that_were_looked_at_count_and_by_their_slice(ops: Ops) -> None:
    """What somebody complained about is an error too, but says nothing about what nobody looked at."""
    letters = filled(ops, released=20, kind="letters", picked=4)
    scans = filled(ops, released=10, kind="scans", picked=5)
    decide(ops, letters[0], "accepted")
    decide(ops, letters[1], "corrected")
    decide(ops, letters[19], "rejected")  # not in the sample
    decide(ops, scans[0], "accepted")
    with ops.begin() as unit:
        assert unit.spot_checks.strata("w", WEEK, by="kind") == [
            Stratum("letters", 20, 4, 2, 1),
            Stratum("scans", 10, 5, 1, 0),
        ]
        assert unit.spot_checks.strata("w", WEEK, by="") == [Stratum("", 30, 9, 3, 1)]


def test_chances_never_change_within_a_period(ops: Ops) -> None:
    """Whoever sets them first, sets them."""
    monday = date(2026, 11, 16)
    with ops.begin() as unit:
        unit.spot_checks.set_rates("w", monday, {"": Decimal("0.1"), "scans": Decimal("0.5")})
        unit.spot_checks.set_rates("w", monday, {"": Decimal("0.9")})
        assert unit.spot_checks.rates("w", monday) == {"": Decimal("0.100000"), "scans": Decimal("0.500000")}
        assert unit.spot_checks.rates("w", date(2026, 11, 23)) == {}


def test_what_was_made_before_the_first_chances_counts_in_no_rate(ops: Ops) -> None:
    """It had no chance; and only where the gate has decided on nothing yet: the chances of a workflow in use speak for all of it."""
    monday, since = date(2026, 11, 16), AT + timedelta(hours=1)
    with ops.begin() as unit:
        unit.spot_checks.set_rates("w", monday, {"": Decimal("0.1")}, since=since)
        unit.spot_checks.set_rates("w", date(2026, 11, 23), {"": Decimal("0.1")}, since=since + timedelta(days=7))
        assert unit.spot_checks.since("w") == since
    filled(ops, released=6, kind="letters", picked=2)
    with ops.begin() as unit:
        later = [GateDecision("w", f"l{n}", since, released=True, reason="spot_check") for n in range(3)]
        unit.gate.write(later, RUN)
        assert unit.spot_checks.strata("w", WEEK, by="") == [Stratum("", 3, 3, 0, 0)]
        unit.gate.write([GateDecision("used", "a", AT, released=True, reason="passed")], RUN)
        unit.spot_checks.set_rates("used", monday, {"": Decimal("0.1")}, since=since)
        assert unit.spot_checks.since("used") is None
        assert unit.spot_checks.strata("used", WEEK, by="") == [Stratum("", 1, 0, 0, 0)]


def test_overrides_of_the_latest_days_and_of_those_before_are_told_apart(ops: Ops) -> None:
    """By when people decided."""
    keys = filled(ops, released=6, kind="letters", picked=0)
    now = AT + timedelta(days=3)
    decide(ops, keys[0], "accepted", at=now - timedelta(days=1))
    decide(ops, keys[1], "corrected", at=now - timedelta(days=2))
    decide(ops, keys[2], "rejected", at=now - timedelta(days=10))
    decide(ops, keys[3], "accepted", at=now - timedelta(days=60))
    with ops.begin() as unit:
        assert unit.spot_checks.overrides("w", now) == Overrides(2, 1, 1, 1)


def test_a_reviewer_is_timed_against_the_length_of_what_was_to_be_read(ops: Ops) -> None:
    """250 words take 25 seconds at 600 a minute; without a time nothing is said of the speed."""
    keys = filled(ops, released=3, kind="letters", picked=3)
    decide(ops, keys[0], "accepted", by="ann", seconds=24)
    decide(ops, keys[1], "accepted", by="ann", seconds=26)
    decide(ops, keys[2], "corrected")
    with ops.begin() as unit:
        found = unit.spot_checks.reviewers("w", WEEK, source_field="text", words_a_minute=600)
    assert found == [
        Reviewing("ann", WEEK.start, decided=2, accepted=2, timed=2, too_fast=1),
        Reviewing("the production system", WEEK.start, decided=1, accepted=0, timed=0, too_fast=0),
    ]
