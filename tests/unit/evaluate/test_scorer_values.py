"""Scorers of texts, numbers, dates and limits in their longer forms."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_score import asked, reply, scored

from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.evaluate.scorers import ScorerError
from afterpilot.evaluate.scorers.dates import read_date

DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2999, 12, 31))


@pytest.mark.parametrize(
    ("name", "answer", "expected", "params", "passed"),
    [
        ("exact", "Yes", {}, {"value": "yes", "ignore_case": True}, True),
        ("exact", "Yes", {"": "no"}, {"value": "Yes"}, True),
        ("one_of", "A", {}, {"values": ("a",), "ignore_case": True}, True),
        ("one_of", "a", {"": "b"}, {"values": ("a", "b")}, False),
        ("one_of", "b", {"": "b"}, {"values": ("a", "b")}, True),
        ("contains", "one two", {}, {"all": ("one", "two")}, True),
        ("contains", "one", {}, {"all": ("one", "two")}, False),
        ("contains", "one", {}, {"any": ("one", "two")}, True),
        ("contains", "three", {}, {"any": ("one", "two")}, False),
        ("contains", "ONE", {}, {"text": "one", "ignore_case": True}, True),
        ("contains", "one", {}, {"text": "one", "any": ("two",)}, False),
        ("contains", "sorry", {}, {"text": "sorry", "negate": True}, False),
        ("contains", "gladly", {}, {"text": "sorry", "negate": True}, True),
        ("numeric", "101", {"": 100}, {"relative": 0.01}, True),
        ("numeric", "101.1", {"": 100}, {"relative": 0.01}, False),
        ("numeric", "-99", {"": -100}, {"relative": 0.01}, True),
        ("numeric", "102", {"": 100}, {"relative": 0.01, "tolerance": 2}, True),
        ("date", "4 March 2026", {"": "2026-03-04"}, {}, True),
        ("date", "2026-03-06", {"": "2026-03-04"}, {"tolerance": 2}, True),
        ("date", "2026-03-07", {"": "2026-03-04"}, {"tolerance": 2}, False),
        ("date", "04/03/2026", {"": "2026-03-04"}, {"order": "day_first"}, True),
        ("date", "04/03/2026", {"": "2026-03-04"}, {"order": "month_first"}, False),
        ("date", "04/03/2026", {"": "2026-03-04"}, {}, False),
        ("date", "soon", {"": "2026-03-04"}, {}, False),
        ("is_json", '{"a": 1}', {}, {}, True),
        ("is_json", '{"a": 1, "a": 2}', {}, {}, False),
        ("is_json", "sorry", {}, {"negate": True}, True),
        ("is_json", "```json\n{}\n```", {}, {}, True),
        ("is_json", "```json\n{}\n```", {}, {"fence": False}, False),
        ("json_schema", "```json\n{}\n```", {}, {"schema": {"type": "object"}, "fence": False}, False),
        ("json_schema", "{}", {}, {"schema": {"type": "object"}, "fence": False}, True),
        ("latency", "a", {}, {"most_ms": 10}, True),
        ("latency", "a", {}, {"most_ms": 9.5}, False),
    ],
)
def test_values_are_compared_as_the_parameters_say(
    name: str, answer: str, expected: dict[str, Any], params: dict[str, Any], *, passed: bool
) -> None:
    """Each parameter on an answer that it lets pass or fails; a reason stands where it fails."""
    found = scored(name, answer, expected, **params)
    assert (found.passed, bool(found.reason)) == (passed, not passed)


def test_a_negated_scorer_does_not_pass_an_answer_that_it_could_not_read() -> None:
    """An answer without the field contains nothing forbidden, but is wrong all the same."""
    assert not scored("contains", "no JSON", {}, "note", text="sorry", negate=True).passed
    assert scored("contains", {"note": "fine"}, {}, "note", text="sorry", negate=True).passed


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2026-03-04", "", date(2026, 3, 4)),
        ("due 2026/3/4.", "", date(2026, 3, 4)),
        ("2026-03-04T23:59:00+02:00", "", date(2026, 3, 4)),
        ("20260304", "", date(2026, 3, 4)),
        ("March 4, 2026", "", date(2026, 3, 4)),
        ("the 4th of march 2026", "", date(2026, 3, 4)),
        ("04-Mar-2026", "", date(2026, 3, 4)),
        ("4. Mar. 2026", "", date(2026, 3, 4)),
        ("Sept 4 2026", "", date(2026, 9, 4)),
        ("14.03.2026", "", date(2026, 3, 14)),
        ("03/14/2026", "", date(2026, 3, 14)),
        ("03/03/2026", "", date(2026, 3, 3)),
        ("04.03.26", "day_first", date(2026, 3, 4)),
        ("04.03.26", "", None),
        ("03/04/2026", "", None),
        ("14/03/2026", "month_first", None),
        ("2026-02-30", "", None),
        ("2026-13-01", "", None),
        ("1.2.3", "", None),
        ("٢٠٢٦-٠٣-٠٤", "", None),
    ],
)
def test_a_date_is_read_where_it_can_be_one_day_only(text: str, order: str, day: date | None) -> None:
    """Years first, names of months, digits by order; what could be two days is none."""
    assert read_date(text, order) == day


@given(DAYS)
def test_a_day_survives_every_way_to_write_it(day: date) -> None:
    """Six ways to write a day are read as that day."""
    for text in (
        day.isoformat(),
        f"{day:%Y}/{day.month}/{day.day}",
        f"{day:%d %B} {day.year}",
        f"{day:%b} {day.day}, {day.year}",
    ):
        assert read_date(text) == day, text
    assert read_date(f"{day:%d.%m}.{day.year}", "day_first") == day
    assert read_date(f"{day:%m/%d}/{day.year}", "month_first") == day


@given(st.text(max_size=80), st.sampled_from(["", "day_first", "month_first"]))
def test_any_text_is_a_day_or_none(text: str, order: str) -> None:
    """Nothing that a model may say raises."""
    found = read_date(text, order)
    assert found is None or isinstance(found, date)


@given(
    st.decimals(min_value=-(10**6), max_value=10**6, places=2),
    st.decimals(min_value=-(10**6), max_value=10**6, places=2),
    st.decimals(min_value=0, max_value=100, places=2),
)
def test_a_tolerance_works_in_both_directions(one: Decimal, other: Decimal, tolerance: Decimal) -> None:
    """What is near enough to a number has that number near enough, and any number is near itself."""
    forth = scored("numeric", str(one), {"": str(other)}, tolerance=str(tolerance))
    back = scored("numeric", str(other), {"": str(one)}, tolerance=str(tolerance))
    assert forth.passed == back.passed == (abs(one - other) <= tolerance)
    assert scored("numeric", str(one), {"": str(one)}).passed


def test_a_cost_is_held_against_its_limit_and_an_unknown_one_is_nobodys_fault() -> None:
    """At the limit it passes, a millionth beyond it fails; without a price nobody can tell."""
    spec, case = ScorerSpec("cost", "", {"most": 0.01}), Case("c", {}, {})
    assert asked(spec, case, reply("a"), cost=Decimal("0.01")).passed
    assert not asked(spec, case, reply("a"), cost=Decimal("0.010001")).passed
    with pytest.raises(ScorerError, match="unknown"):
        asked(spec, case, reply("a"))


@pytest.mark.parametrize(
    ("name", "expected", "params"),
    [
        ("date", {"": "03/04/2026"}, {}),
        ("date", {"": "never"}, {}),
        ("date", {"": "2026-03-04"}, {"tolerance": -1}),
        ("numeric", {"": 1}, {"relative": "NaN"}),
        ("latency", {}, {}),
        ("cost", {}, {"most": "cheap"}),
        ("refusal", {}, {"expected": "yes"}),
    ],
)
def test_terms_that_make_no_sense_are_the_harness_s_fault(
    name: str, expected: dict[str, Any], params: dict[str, Any]
) -> None:
    """An expected value or a parameter that cannot be used raises, whatever the answer is."""
    with pytest.raises(ScorerError):
        asked(ScorerSpec(name, "", params), Case("c", {}, expected), reply("2026-03-04"))
