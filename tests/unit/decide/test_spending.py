"""What a period's spend means against its cap."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.spending import SpendLine, Totals, forecast, judge_spend, still_open
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import CapRule, Spend
from afterpilot.domain.verdict import Finding, Severity, StageResult, Verdict
from afterpilot.domain.window import Window
from doubles.weeks import WORKFLOW

NOVEMBER = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
HALF = datetime(2026, 11, 16, tzinfo=UTC)
CAPPED = replace(
    WORKFLOW, spend=Spend((CapRule(Cap(Money(Decimal(400)), "month"), (Decimal("0.5"), Decimal("0.8")), "ask_owner"),))
)


def line(cost: str | None, *, calls: int = 100, unpriced: int = 0, **more: str) -> SpendLine:
    """Calls of one model that cost so much in all."""
    words = {"kind": "production", "model": "gpt-5-mini", "currency": "USD" if cost else "", "reason": ""} | more
    return SpendLine(**words, calls=calls, unpriced=unpriced, cost=None if cost is None else Decimal(cost))


UNPRICED = line(None, calls=3, unpriced=3, model="new-1", reason="no price is known for new-1")
EUROS = line("2.5", calls=4, currency="EUR", model="house-1")


def judged(
    *lines: SpendLine,
    now: datetime = HALF,
    at_cap: str = "ask_owner",
    pulled_to: datetime | None = HALF,
    before: Totals | None = None,
) -> StageResult:
    """The verdict, whose evidence must be JSON."""
    workflow = replace(CAPPED, spend=replace(CAPPED.spend, at_cap=at_cap))
    result = judge_spend(workflow, Totals(NOVEMBER, lines), now=now, pulled_to=pulled_to, before=before)
    json.dumps(result.evidence, allow_nan=False)
    return result


def only(result: StageResult) -> Finding:
    """The one finding, which must say how sure, what it costs, what to do, and examples."""
    (finding,) = result.findings
    assert all(isinstance(finding.evidence[name], str) for name in ("certainty", "cost", "to_do"))
    assert isinstance(json.loads(json.dumps(finding.evidence))["examples"], list)
    return finding


def test_no_calls_cost_nothing_and_that_is_known() -> None:
    """The one zero that is not UNKNOWN."""
    result = judged()
    assert (result.verdict, result.summary) == (
        Verdict.PASS,
        "no calls in this month yet, the cap is 400.00 USD a month",
    )
    assert result.evidence["crosses_at"] is None


def test_spend_far_below_its_cap_passes_with_its_parts() -> None:
    """Production and evals are told apart."""
    result = judged(line("30"), line("10", kind="eval"))
    assert result.verdict is Verdict.PASS
    assert result.summary == "40.00 USD of 400.00 USD a month spent (10.0%) on 200 calls"
    found = result.evidence
    assert (found["spent"], found["production"], found["evals"], found["currency"]) == ("40", "30", "10", "USD")
    assert result.covered == ("spend.unknown", "spend.stale", "spend.over_cap", "spend.near_cap")


@pytest.mark.parametrize(
    ("spent", "abouts"),
    [
        ("199.99", []),
        ("200", ["2026-11-01/0.5"]),
        ("319.99", ["2026-11-01/0.5"]),
        ("320", ["2026-11-01/0.8", "2026-11-01/0.5"]),
    ],
)
def test_each_level_is_a_warning_of_its_own_and_stands(spent: str, abouts: list[str]) -> None:
    """From the very share on, gravest first; a level is not over because the next one was crossed too."""
    result = judged(line(spent))
    assert result.verdict is (Verdict.WARN if abouts else Verdict.PASS)
    assert [(finding.kind, finding.about) for finding in result.findings] == [("spend.near_cap", one) for one in abouts]


def test_the_title_of_a_level_does_not_follow_the_sum() -> None:
    """A message changes when something does, not with every hour's cents."""
    assert only(judged(line("250"))).title == only(judged(line("260"))).title


def test_a_warning_says_when_the_cap_will_be_reached() -> None:
    """At half of November, 250 of 400 USD: 24 days at that pace."""
    finding = only(judged(line("250")))
    assert finding.title == "Spend has crossed 50% of the cap of 400.00 USD a month"
    assert finding.detail == "250.00 USD so far; at this pace the cap is reached on 2026-11-25 00:00 UTC."
    assert finding.evidence["certainty"] == "certain: every call was priced and summed"
    assert finding.evidence["examples"] == ["production, gpt-5-mini: 250.00 USD for 100 calls"]


@pytest.mark.parametrize(
    ("spent", "day", "words"),
    [
        ("40", 16, "at this pace 80.00 USD by the end of the month"),
        ("0", 16, "at this pace 0.00 USD by the end of the month"),
        ("250", 16, "at this pace the cap is reached on 2026-11-25 00:00 UTC"),
        ("250", 2, "no forecast yet: too little of the month has passed"),
        ("400", 16, "the cap is reached"),
    ],
)
def test_the_forecast_is_told_in_words_or_why_there_is_none(spent: str, day: int, words: str) -> None:
    """In every run, whether or not a level was crossed."""
    now = datetime(2026, 11, day, tzinfo=UTC)
    result = judged(line(spent), now=now, pulled_to=now)
    assert result.evidence["forecast"] == words


@pytest.mark.parametrize("spent", ["400", "512.5"])
@pytest.mark.parametrize(
    ("at_cap", "detail"),
    [("tell", ""), ("ask_owner", "The owner decides whether the cap is raised."), ("stop", "The workflow is to stop.")],
)
def test_at_the_cap_it_is_a_failure_with_what_was_declared(spent: str, at_cap: str, detail: str) -> None:
    """The cap itself is over."""
    result = judged(line(spent), at_cap=at_cap)
    finding, *levels = result.findings
    assert [one.about for one in levels] == ["2026-11-01/0.8", "2026-11-01/0.5"]
    assert (result.verdict, finding.kind, finding.severity) == (Verdict.FAIL, "spend.over_cap", Severity.CRITICAL)
    assert (finding.about, finding.detail) == ("2026-11-01", detail)
    assert result.evidence["crosses_at"] is None


def test_calls_without_a_price_make_it_unknown_below_the_cap() -> None:
    """With their number, their share, why, and what they would cost at the dearest known rate."""
    result = judged(line("40"), UNPRICED)
    finding = only(result)
    assert (result.verdict, finding.kind, finding.severity) == (
        Verdict.UNKNOWN,
        "spend.unknown",
        Severity.UNKNOWN,
    )
    assert finding.title == "The cost of 3 of 103 calls (2.9%) is not known"
    assert finding.detail == "no price is known for new-1"
    assert (
        finding.evidence["cost"]
        == "at least 40.00 USD; the rest is not known (about 1.20 USD at the dearest known model)"
    )
    assert result.summary.endswith("3 more calls without a known price")


@pytest.mark.parametrize(("spent", "kind"), [("200", "spend.near_cap"), ("400", "spend.over_cap")])
def test_calls_without_a_price_are_told_near_and_over_the_cap_too(spent: str, kind: str) -> None:
    """Never green, and never hidden by the graver finding."""
    result = judged(line(spent), UNPRICED)
    assert {finding.kind for finding in result.findings} == {"spend.unknown", kind, "spend.near_cap"}
    assert result.verdict is (Verdict.FAIL if kind == "spend.over_cap" else Verdict.UNKNOWN)
    near = next(finding for finding in result.findings if finding.kind == kind)
    assert "not known" in near.evidence["certainty"]
    assert near.evidence["cost"].endswith("and what is not known")


def test_nothing_but_unpriced_calls_are_unknown_without_an_estimate() -> None:
    """There is nothing to estimate from."""
    finding = only(judged(UNPRICED))
    assert finding.evidence["cost"] == "at least 0.00 USD; the rest is not known"


def test_another_currency_than_the_caps_is_unknown() -> None:
    """It is not added to what is in the cap's currency, and not converted by a guess."""
    result = judged(line("40"), EUROS)
    finding = only(result)
    assert (result.verdict, finding.detail) == (Verdict.UNKNOWN, "house-1 is priced in EUR")
    assert finding.title.startswith("The cost of 4 of 104 calls")
    assert result.evidence["spent"] == "40"


def test_while_something_is_unknown_no_cap_is_said_to_be_kept_again() -> None:
    """A price that was removed must not close the incident of a cap that was crossed."""
    assert judged(line("40"), UNPRICED).covered == ("spend.unknown", "spend.stale")


def test_partly_priced_calls_count_with_what_is_known() -> None:
    """The priced part of a line is summed, the other part is UNKNOWN."""
    result = judged(line("10", calls=100, unpriced=20, reason="the call does not say how many tokens it used"))
    assert result.evidence["spent"] == "10"
    assert only(result).title == "The cost of 20 of 100 calls (20.0%) is not known"


@pytest.mark.parametrize(
    ("spent", "day", "crossing"),
    [
        ("200", 16, None),  # exactly at the end of the month: not within it
        ("300", 16, "2026-11-21"),
        ("40", 4, "2026-12-01"),
        ("100", 4, "2026-11-13"),
        ("300", 3, None),  # two of thirty days say too little
        ("0", 16, None),
        ("400", 16, None),  # crossed already
        ("500", 16, None),
    ],
)
def test_the_forecast_follows_the_pace_so_far(spent: str, day: int, crossing: str | None) -> None:
    """The day on which the cap would be reached, within the period."""
    found = forecast(Money(Decimal(spent)), Money(Decimal(400)), NOVEMBER, datetime(2026, 11, day, tzinfo=UTC))
    if crossing == "2026-12-01":
        assert found is None
    else:
        assert (f"{found:%Y-%m-%d}" if found else None) == crossing


@given(
    st.decimals("0.01", "1000", places=2),
    st.integers(0, 30 * 24 * 60),
)
def test_a_forecast_lies_in_what_is_left_of_the_period(spent: Decimal, minutes: int) -> None:
    """Never in the past, never after the period."""
    now = NOVEMBER.start + timedelta(minutes=minutes)
    crossing = forecast(Money(spent), Money(Decimal(400)), NOVEMBER, now)
    assert crossing is None or now < crossing < NOVEMBER.end


@given(
    st.lists(
        st.builds(
            line,
            st.one_of(st.none(), st.decimals("0", "100000", places=6).map(str)),
            calls=st.integers(1, 10**9),
            currency=st.sampled_from(["USD", "EUR"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_not_known_is_never_green(lines: list[SpendLine]) -> None:
    """Whatever else was spent."""
    known = [
        replace(one, currency="" if one.cost is None else one.currency, unpriced=one.calls if one.cost is None else 0)
        for one in lines
    ]
    result = judged(*known)
    if any(one.cost is None or one.currency == "EUR" for one in known):
        assert result.verdict in {Verdict.UNKNOWN, Verdict.FAIL}
        assert "spend.unknown" in {finding.kind for finding in result.findings}
    else:
        assert "spend.unknown" not in {finding.kind for finding in result.findings}


OCTOBER = Window(datetime(2026, 10, 1, tzinfo=UTC), NOVEMBER.start)
SLOW = replace(CAPPED, source=replace(CAPPED.source, late_by=timedelta(hours=20)))


@pytest.mark.parametrize("pulled_to", [None, HALF - timedelta(hours=26, seconds=1)])
@pytest.mark.parametrize("lines", [(), (line("40"),)])
def test_calls_that_were_not_pulled_for_long_are_not_known(
    pulled_to: datetime | None, lines: tuple[SpendLine, ...]
) -> None:
    """Nothing read is not nothing spent; a cap that was crossed is not said to be kept."""
    result = judged(*lines, pulled_to=pulled_to)
    finding = only(result)
    assert (result.verdict, finding.kind, finding.about) == (Verdict.UNKNOWN, "spend.stale", "")
    assert ("known up to 2026-11-14 21:59 UTC only" if pulled_to else "never pulled") in finding.title
    assert "spend.over_cap" not in result.covered


def test_a_pull_within_the_bound_is_up_to_date() -> None:
    """26 hours, or twice what the source declares its rows may be late by."""
    assert judged(line("40"), pulled_to=HALF - timedelta(hours=26)).verdict is Verdict.PASS
    late = judge_spend(SLOW, Totals(NOVEMBER, ()), now=HALF, pulled_to=HALF - timedelta(hours=40))
    assert late.verdict is Verdict.PASS


def test_a_stale_sum_over_the_cap_is_over_it_all_the_same() -> None:
    """What is known is enough for that."""
    result = judged(line("400"), pulled_to=None)
    assert [finding.kind for finding in result.findings][:2] == ["spend.stale", "spend.over_cap"]
    assert result.verdict is Verdict.FAIL


def test_the_period_before_is_judged_by_its_own_cap() -> None:
    """Late calls that cross it are an incident of that period, beside a new one that has spent little."""
    result = judged(line("40"), before=Totals(OCTOBER, (line("400"),)))
    finding = only(result)
    assert (finding.kind, finding.about, result.verdict) == ("spend.over_cap", "2026-10-01", Verdict.FAIL)
    assert judged(line("40"), before=Totals(OCTOBER, (line("399"),))).verdict is Verdict.PASS


def test_unpriced_calls_of_the_period_before_stay_unknown() -> None:
    """A new month does not make the last one known."""
    finding = only(judged(line("40"), before=Totals(OCTOBER, (line("1"), UNPRICED))))
    assert (finding.kind, finding.about) == ("spend.unknown", "")
    assert finding.detail.startswith("In the month before: ")


@pytest.mark.parametrize(
    ("hours", "pulled", "open_still"),
    [(1, 1, True), (23.9, 23.9, True), (24, 24, False), (30, 19, True), (30, 20, False), (30, None, True)],
)
def test_how_long_the_period_before_is_looked_at(hours: float, pulled: float | None, *, open_still: bool) -> None:
    """For a day, and until everything that may come late was pulled."""
    now, pulled_to = (None if at is None else NOVEMBER.start + timedelta(hours=at) for at in (hours, pulled))
    assert now is not None
    assert still_open(SLOW, NOVEMBER, now=now, pulled_to=pulled_to) is open_still
