"""What spend means against its caps: known or not, crossed or near, burning, leaking, and when it will be."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.spend import Calls, Look, Subject, judge_spend, still_open
from afterpilot.domain.metered import Metered
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.outlook import Burn, Forecast
from afterpilot.domain.spend import AtCap, CapRule, CapState
from afterpilot.domain.verdict import Finding, Severity, StageResult, Verdict
from afterpilot.domain.watching import Tick
from afterpilot.domain.window import Window
from afterpilot.spend.forecast import forecast

NOVEMBER = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
HALF = datetime(2026, 11, 16, tzinfo=UTC)
TODAY = date(2026, 11, 16)
DAY = timedelta(days=1)
LEVELS = (Decimal("0.5"), Decimal("0.8"))
ALL = {f"spend.{kind}" for kind in ("unknown", "stale", "over_cap", "near_cap", "burning", "leaking", "crossing")}
EXPECTED = Forecast(
    40,
    Money(Decimal(455)),
    Money(Decimal(410)),
    Money(Decimal(512)),
    crosses=date(2026, 11, 24),
    earliest=date(2026, 11, 22),
    latest=date(2026, 11, 29),
)
KEPT = Forecast(40, Money(Decimal(300)), Money(Decimal(280)), Money(Decimal(320)))
HOT = Burn(timedelta(hours=1), 14.4, 23.4, Money(Decimal(13)), Money(Decimal(2)), fast=True)
RISING = Burn(3 * DAY, 1.0, 1.7, Money(Decimal(68)), Money(Decimal(30)), fast=False)


def line(
    cost: str | None, *, calls: int = 100, kind: str = "production", model: str = "gpt-5-mini", **more: str
) -> Metered:
    """Calls of one model that cost so much in all."""
    words: dict[str, Any] = {
        "workflow": "refunds",
        "currency": "USD" if cost else "",
        "source": "a list",
        "reason": "",
    } | more
    amount = None if cost is None else Decimal(cost)
    return Metered(
        kind=kind, model=model, calls=calls, cost=amount, input_tokens=0, output_tokens=0, cached_tokens=0, **words
    )


UNPRICED = line(None, calls=3, model="new-1", reason="no price is known for new-1")
EUROS = line("2.5", calls=4, currency="EUR", model="house-1")


def look(
    *lines: Metered,
    at_cap: AtCap = "ask_owner",
    cap: str = "400 USD/month",
    model: str = "",
    limit: str = "",
    **more: object,
) -> Look:
    """A cap with these calls under it."""
    rule = CapRule(Cap.parse(cap), LEVELS, at_cap, model=model)
    length = rule.cap.length
    period = NOVEMBER if length is None else Window(HALF - length, HALF)
    most = Money(Decimal(limit)) if limit else rule.cap.limit
    given = {"forecast": KEPT} | more
    calls = Calls("USD", lines)
    return Look(CapState(rule, period, most, calls.spent()), calls, **given)  # type: ignore[arg-type]


def judged(
    *looks: Look,
    now: datetime = HALF,
    pulled_to: datetime | None = HALF,
    standing: Collection[tuple[str, str]] = (),
    **more: object,
) -> StageResult:
    """The verdict, whose evidence must be JSON."""
    subject = Subject("refunds", pulled_to=pulled_to, late_by=timedelta(hours=2), **more)  # type: ignore[arg-type]
    result = judge_spend(subject, looks, now=now, standing=standing)
    json.dumps(result.evidence, allow_nan=False)
    for finding in result.findings:
        assert all(isinstance(finding.evidence[name], str) for name in ("certainty", "cost", "to_do"))
        json.dumps(finding.evidence, allow_nan=False)
    return result


def only(result: StageResult) -> Finding:
    """The one finding."""
    (finding,) = result.findings
    return finding


def told(result: StageResult) -> list[tuple[str, str]]:
    """What makes the incidents: kind and what it is about."""
    return [(finding.kind, finding.about) for finding in result.findings]


def test_no_calls_cost_nothing_and_that_is_known() -> None:
    """The one zero that is not UNKNOWN."""
    result = judged(look())
    assert (result.verdict, result.summary) == (
        Verdict.PASS,
        "no calls in this month yet, the cap is 400.00 USD a month",
    )
    assert result.evidence["priced_coverage"] is None


def test_spend_far_below_its_cap_passes_with_its_parts() -> None:
    """Production and evals are told apart, and the share of calls with a price stands in every run."""
    result = judged(look(line("30"), line("10", kind="eval")))
    assert result.verdict is Verdict.PASS
    assert result.summary == "40.00 USD of 400.00 USD a month spent (10.0 %) on 200 calls"
    found = result.evidence
    assert (found["spent"], found["production"], found["evals"], found["currency"]) == ("40", "30", "10", "USD")
    assert found["priced_coverage"] == "1"
    assert set(result.covered) == ALL


@pytest.mark.parametrize(
    ("spent", "abouts"),
    [("199.99", []), ("200", ["0.5"]), ("319.99", ["0.5"]), ("320", ["0.8", "0.5"])],
)
def test_each_level_is_a_warning_of_its_own_and_stands(spent: str, abouts: list[str]) -> None:
    """From the very share on, gravest first; one that was told is not over because the next one was crossed too."""
    result = judged(look(line(spent)), standing={("spend.near_cap", "2026-11-01 month/0.5")})
    assert result.verdict is (Verdict.WARN if abouts else Verdict.PASS)
    assert told(result) == [("spend.near_cap", f"2026-11-01 month/{about}") for about in abouts]


def test_of_levels_that_are_crossed_at_once_the_highest_is_told() -> None:
    """One message, not three."""
    assert told(judged(look(line("330")))) == [("spend.near_cap", "2026-11-01 month/0.8")]
    assert told(judged(look(line("430")))) == [("spend.over_cap", "2026-11-01 month")]


def test_titles_do_not_follow_the_sum() -> None:
    """A message changes when something does, not with every ten minutes' cents."""
    for first, second in (("250", "260"), ("401", "430")):
        assert [one.title for one in judged(look(line(first))).findings] == [
            one.title for one in judged(look(line(second))).findings
        ]
    some, more = (judged(look(line("40", calls=97_000 + count), UNPRICED)) for count in (0, 900))
    assert only(some).title == only(more).title
    one, other = (judged(look(line("40"), burn=replace(HOT, rate=rate))) for rate in (21.0, 28.9))
    assert only(one).title == only(other).title


def test_a_warning_says_what_is_expected() -> None:
    """The forecast with its interval, and the day."""
    finding = only(judged(look(line("250"), forecast=KEPT)))
    assert finding.title == "Spend has crossed 50 % of the cap of 400.00 USD a month"
    assert finding.detail == (
        "250.00 USD so far; 300.00 USD expected by the end of the month (280.00 to 320.00, 80 % interval)."
    )
    assert finding.evidence["certainty"] == "certain: every call was priced and summed"
    assert finding.evidence["examples"] == ["production, gpt-5-mini: 250.00 USD for 100 calls"]


def test_a_cap_that_will_be_reached_is_told_before_it_is() -> None:
    """With the day and its interval; its certainty is that of a forecast."""
    result = judged(look(line("190"), forecast=EXPECTED))
    finding = only(result)
    assert (finding.kind, finding.about, finding.severity) == ("spend.crossing", "2026-11-01 month", Severity.WARNING)
    assert finding.title == "Spend is expected to reach the cap of 400.00 USD a month around 24 November"
    assert "between 22 November and 29 November" in finding.detail
    assert finding.evidence["certainty"].startswith("a forecast from 40 days")
    assert result.evidence["crosses_at"] == "2026-11-24"


def test_a_forecast_that_was_told_stands_until_it_is_clearly_wrong() -> None:
    """No message for each up and down about the cap itself."""
    near = replace(EXPECTED, expected=Money(Decimal(390)), crosses=None, latest=None)
    standing = {("spend.crossing", "2026-11-01 month")}
    assert told(judged(look(line("190"), forecast=near))) == []
    assert told(judged(look(line("190"), forecast=near), standing=standing)) == [*standing]
    far = replace(near, expected=Money(Decimal(370)))
    assert told(judged(look(line("190"), forecast=far), standing=standing)) == []


def test_without_a_forecast_none_is_taken_back() -> None:
    """Too little history is said, and an earlier word stands."""
    result = judged(look(line("190"), forecast=Forecast(3, reason="spend is known for 3 of the 14 days")))
    assert result.evidence["forecast"] == "no forecast: spend is known for 3 of the 14 days"
    assert "spend.crossing" not in result.covered


@pytest.mark.parametrize("spent", ["400", "432.5"])
@pytest.mark.parametrize(
    ("at_cap", "detail", "to_do"),
    [
        ("tell", "", "raise the cap"),
        ("ask_owner", "The owner decides whether the cap is raised.", "Decide"),
        ("stop", "The workflow is to stop.", "It is stopped until the period ends"),
    ],
)
def test_at_the_cap_it_is_a_failure_with_what_was_declared(spent: str, at_cap: AtCap, detail: str, to_do: str) -> None:
    """The cap itself is reached, and people read how it is raised."""
    standing = {("spend.near_cap", f"2026-11-01 month/{level}") for level in LEVELS}
    result = judged(look(line(spent), at_cap=at_cap, forecast=EXPECTED), standing=standing)
    finding, *levels = result.findings
    assert [one.about for one in levels] == ["2026-11-01 month/0.8", "2026-11-01 month/0.5"]
    assert (result.verdict, finding.kind, finding.severity) == (Verdict.FAIL, "spend.over_cap", Severity.CRITICAL)
    assert finding.title == "Spend has reached the cap of 400.00 USD a month"
    assert finding.detail == f"{Money(Decimal(spent))} so far. {detail}".strip()
    assert to_do in finding.evidence["to_do"]
    assert "afterpilot spend raise refunds" in finding.evidence["to_do"]


def test_far_over_the_cap_is_said_in_steps() -> None:
    """A tenth of the cap each, so that the message is edited now and then."""
    titles = [judged(look(line(spent))).findings[0].title for spent in ("439", "441", "478", "800")]
    assert titles == [
        "Spend has reached the cap of 400.00 USD a month",
        "Spend has reached the cap of 400.00 USD a month: over 110 % of it",
        "Spend has reached the cap of 400.00 USD a month: over 110 % of it",
        "Spend has reached the cap of 400.00 USD a month: 200 % of it",
    ]


def test_a_raised_cap_is_the_one_that_counts() -> None:
    """For levels, for the cap itself, and in words."""
    result = judged(look(line("450"), limit="600"))
    assert told(result) == [("spend.near_cap", "2026-11-01 month/0.5")]
    assert only(result).title == "Spend has crossed 50 % of the cap of 600.00 USD a month (raised)"
    assert (result.evidence["caps"][0]["declared"], result.evidence["caps"][0]["limit"]) == ("400", "600")


def test_every_cap_is_judged_for_itself() -> None:
    """A model's day may be over while the month is far from it."""
    day = look(line("30", model="gpt-5"), cap="20 USD/day", model="gpt-5", at_cap="tell")
    result = judged(look(line("40")), day)
    assert result.verdict is Verdict.FAIL
    assert told(result)[0] == ("spend.over_cap", "2026-11-01 day model=gpt-5")
    assert "Spend has reached the cap of 20.00 USD a day for gpt-5: 150 % of it" in result.reasons
    assert result.summary.endswith("; 150.0 % of the cap of 20.00 USD a day for gpt-5")
    assert [cap["cap"] for cap in result.evidence["caps"]] == ["month", "day model=gpt-5"]


def test_a_rolling_cap_has_no_period_in_its_name_and_stands_near_its_level() -> None:
    """What goes up and down about a level is one incident."""
    over = ("spend.over_cap", "7 days")
    assert told(judged(look(line("60"), cap="60 USD/7 days")))[0] == over
    assert over not in told(judged(look(line("58"), cap="60 USD/7 days")))
    assert over in told(judged(look(line("58"), cap="60 USD/7 days"), standing={over}))
    assert over not in told(judged(look(line("56"), cap="60 USD/7 days"), standing={over}))


def test_a_runaway_is_a_failure_although_the_cap_is_far() -> None:
    """One finding for all caps, that of the one that is used up the fastest, with what is left of it."""
    slower = look(line("40"), burn=replace(HOT, rate=15.0), cap="5000 USD/month", model="gpt-5")
    result = judged(look(line("140"), burn=HOT), slower)
    finding = only(result)
    assert (result.verdict, finding.kind, finding.about) == (Verdict.FAIL, "spend.burning", "")
    assert finding.title == (
        "Spend is running away: more than 20 times what the cap of 400.00 USD a month allows, over the last hour"
    )
    assert finding.detail == (
        "13.00 USD in the last hour, for which the cap allows 0.5556 USD; at its dearest such a time usually costs 2.00 USD; "
        "what is left of the cap, 260.00 USD, lasts 20 hours at this pace."
    )


def test_a_leak_is_a_warning_and_nothing_beside_a_runaway() -> None:
    """While money runs away nobody is told that it also leaks, nor that the leak is over."""
    finding = only(judged(look(line("140"), leak=RISING)))
    assert (finding.kind, finding.severity) == ("spend.leaking", Severity.WARNING)
    assert (
        finding.title
        == "Spend of the last 3 days is more than 1.5 times what the cap of 400.00 USD a month allows for them"
    )
    result = judged(look(line("140"), leak=RISING, burn=HOT))
    assert told(result) == [("spend.burning", "")]
    assert "spend.leaking" not in result.covered


def test_a_leak_of_a_cap_that_is_expected_to_be_reached_is_no_second_message() -> None:
    """Unless it was told before: then it is not over."""
    leaking = look(line("140"), leak=RISING, forecast=EXPECTED)
    assert told(judged(leaking)) == [("spend.crossing", "2026-11-01 month")]
    assert ("spend.leaking", "") in told(judged(leaking, standing={("spend.leaking", "")}))


def test_a_pace_that_was_not_looked_at_takes_no_alarm_back() -> None:
    """Nothing was pulled for hours: the runaway may go on."""
    assert "spend.burning" not in judged(look(line("40")), followed=False).covered


def test_calls_without_a_price_make_it_unknown_below_the_cap() -> None:
    """With their number, their share, why, and what they would cost at the dearest known rate."""
    result = judged(look(line("40"), UNPRICED))
    finding = only(result)
    assert (result.verdict, finding.kind, finding.severity) == (Verdict.UNKNOWN, "spend.unknown", Severity.UNKNOWN)
    assert finding.title == "The cost of about 3 % of the calls of this month is not known"
    assert finding.detail == "3 of 103 calls (2.9 %): no price is known for new-1 (3 calls)"
    assert finding.evidence["cost"] == (
        "at least 40.00 USD; the rest is not known (about 1.20 USD at the dearest known model)"
    )
    assert result.summary.endswith("3 more calls without a known price in USD")
    assert Decimal(result.evidence["priced_coverage"]) == Decimal(100) / 103


def test_a_day_s_cap_has_no_forecast_and_says_what_looks_at_it_instead() -> None:
    """In a sentence that can be read after what was spent."""
    reason = forecast(
        {}, limit=Money(Decimal(20)), spent=Money(Decimal(1)), first=TODAY, until=TODAY + DAY, today=TODAY
    )
    words = judged(look(line("12"), cap="20 USD/day", forecast=reason)).findings[0].detail
    assert words == "12.00 USD so far; no forecast: it counts whole days, and this cap is of one; see the burn rate."


@pytest.mark.parametrize(("spent", "kind"), [("200", "spend.near_cap"), ("400", "spend.over_cap")])
def test_calls_without_a_price_are_told_near_and_over_the_cap_too(spent: str, kind: str) -> None:
    """Never green, and never hidden by the graver finding."""
    result = judged(look(line(spent), UNPRICED))
    assert [finding.kind for finding in result.findings] == ["spend.unknown", kind]
    assert result.verdict is (Verdict.FAIL if kind == "spend.over_cap" else Verdict.UNKNOWN)
    near = next(finding for finding in result.findings if finding.kind == kind)
    assert "not known" in near.evidence["certainty"]
    assert near.evidence["cost"].endswith("and what is not known")


def test_nothing_but_unpriced_calls_are_unknown_without_an_estimate() -> None:
    """There is nothing to estimate from."""
    finding = only(judged(look(UNPRICED)))
    assert finding.evidence["cost"] == "at least 0.00 USD; the rest is not known"
    assert finding.title == "The cost of all of the calls of this month is not known"


def test_another_currency_than_the_caps_is_unknown() -> None:
    """It is not added to what is in the cap's currency, and not converted by a guess; what costs nothing has no currency."""
    result = judged(look(line("40"), EUROS))
    finding = only(result)
    assert (result.verdict, finding.evidence["reasons"]) == (Verdict.UNKNOWN, ["house-1 is priced in EUR (4 calls)"])
    assert result.evidence["spent"] == "40"
    assert judged(look(line("40"), replace(EUROS, cost=Decimal(0)))).verdict is Verdict.PASS


def test_unpriced_calls_under_another_cap_are_unknown_too() -> None:
    """Of a month with a call without a price, although the main cap's day has none."""
    result = judged(look(line("1"), cap="400 USD/day"), look(line("40"), UNPRICED, cap="900 USD/month"))
    assert told(result) == [("spend.unknown", "")]


def test_while_something_is_unknown_no_cap_is_said_to_be_kept_again() -> None:
    """A price that was removed must not close the incident of a cap that was crossed."""
    assert judged(look(line("40"), UNPRICED)).covered == ("spend.unknown", "spend.stale")


@given(
    st.lists(
        st.builds(
            line,
            st.one_of(st.none(), st.decimals("0.000001", "100000", places=6).map(str)),
            calls=st.integers(1, 10**9),
            currency=st.sampled_from(["USD", "EUR"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_not_known_is_never_green(lines: list[Metered]) -> None:
    """Whatever else was spent."""
    result = judged(look(*lines))
    if any(one.cost is None or one.currency == "EUR" for one in lines):
        assert result.verdict in {Verdict.UNKNOWN, Verdict.FAIL}
        assert "spend.unknown" in {finding.kind for finding in result.findings}
    else:
        assert "spend.unknown" not in {finding.kind for finding in result.findings}


@pytest.mark.parametrize("pulled_to", [None, HALF - timedelta(hours=26, seconds=1)])
@pytest.mark.parametrize("lines", [(), (line("40"),)])
def test_calls_that_were_not_pulled_for_long_are_not_known(
    pulled_to: datetime | None, lines: tuple[Metered, ...]
) -> None:
    """Nothing read is not nothing spent; a cap that was crossed is not said to be kept."""
    result = judged(look(*lines), pulled_to=pulled_to)
    finding = only(result)
    assert (result.verdict, finding.kind, finding.about) == (Verdict.UNKNOWN, "spend.stale", "")
    assert ("known up to 2026-11-14 21:59 UTC only" if pulled_to else "never pulled") in finding.title
    assert "spend.over_cap" not in result.covered


def test_a_pull_within_the_bound_is_up_to_date() -> None:
    """26 hours, or twice what the source declares its rows may be late by."""
    assert judged(look(line("40")), pulled_to=HALF - timedelta(hours=26)).verdict is Verdict.PASS
    slow = Subject("refunds", pulled_to=HALF - timedelta(hours=40), late_by=timedelta(hours=20))
    assert judge_spend(slow, [look()], now=HALF).verdict is Verdict.PASS


FIRST = Tick(HALF, timedelta(hours=1))  # of the pulls, each hour; fifteen minutes of grace


@pytest.mark.parametrize("lines", [(), (line("40"),)])
def test_before_the_first_pull_is_overdue_nothing_is_told_and_nothing_is_green(lines: tuple[Metered, ...]) -> None:
    """UNKNOWN with its reason, no finding; no cap is said to be kept."""
    for now in (HALF - timedelta(minutes=50), HALF + timedelta(minutes=14, seconds=59)):
        result = judged(look(*lines), pulled_to=None, first_pull=FIRST, now=now)
        assert (result.verdict, result.findings) == (Verdict.UNKNOWN, ())
        assert result.reasons == (f"not pulled yet, first due at {HALF:%Y-%m-%d %H:%M} UTC",)
        assert "spend.over_cap" not in result.covered
        assert "spend.near_cap" not in result.covered


def test_once_the_first_pull_is_overdue_it_is_told() -> None:
    """And a workflow that was pulled once is judged by that, whenever its first pull was due."""
    late = HALF + timedelta(minutes=15)
    result = judged(look(), pulled_to=None, first_pull=FIRST, now=late)
    assert (only(result).kind, result.reasons) == ("spend.stale", (only(result).title,))
    long_ago = HALF - timedelta(hours=27)
    assert only(judged(look(), pulled_to=long_ago, first_pull=FIRST)).kind == "spend.stale"
    assert judged(look(), pulled_to=HALF, first_pull=FIRST).verdict is Verdict.PASS


def test_what_is_found_before_the_first_pull_is_told() -> None:
    """Evals alone may cross a cap, or have no price."""
    crossed = judged(look(line("400")), pulled_to=None, first_pull=FIRST)
    assert ([one.kind for one in crossed.findings], crossed.verdict) == (["spend.over_cap"], Verdict.FAIL)
    assert crossed.reasons[-1].startswith("not pulled yet")
    assert only(judged(look(UNPRICED), pulled_to=None, first_pull=FIRST)).kind == "spend.unknown"


def test_a_cap_of_the_fleet_waits_for_the_first_pulls() -> None:
    """UNKNOWN without a finding; one that is overdue is told."""
    waiting = judge_spend(Subject("_fleet", fleet=True, waiting=("refunds", "triage")), [look(line("4"))], now=HALF)
    assert (waiting.verdict, waiting.findings) == (Verdict.UNKNOWN, ())
    assert waiting.reasons == ("2 workflows not pulled yet: refunds, triage",)
    both = Subject("_fleet", fleet=True, waiting=("refunds",), silent=("triage",))
    result = judge_spend(both, [look(line("4"))], now=HALF)
    assert only(result).title == "The calls of 1 workflow are not known up to now"
    assert "refunds" not in only(result).detail


def test_a_stale_sum_over_the_cap_is_over_it_all_the_same() -> None:
    """What is known is enough for that."""
    result = judged(look(line("400")), pulled_to=None)
    assert [finding.kind for finding in result.findings][:2] == ["spend.stale", "spend.over_cap"]
    assert result.verdict is Verdict.FAIL


def test_the_period_before_is_judged_by_its_own_cap() -> None:
    """Late calls that cross it are an incident of that period, beside a new one that has spent little."""
    late: dict[str, Any] = {"before": Calls("USD", (line("400"),)), "began_before": date(2026, 10, 1)}
    result = judged(look(line("40"), **late))
    finding = only(result)
    assert (finding.kind, finding.about, result.verdict) == ("spend.over_cap", "2026-10-01 month", Verdict.FAIL)
    assert finding.title == "Spend of the month before has reached the cap of 400.00 USD a month"
    assert judged(look(line("40"), **{**late, "before": Calls("USD", (line("399"),))})).verdict is Verdict.PASS


def test_unpriced_calls_of_the_period_before_stay_unknown() -> None:
    """A new month does not make the last one known."""
    before: dict[str, Any] = {"before": Calls("USD", (line("1"), UNPRICED)), "began_before": date(2026, 10, 1)}
    finding = only(judged(look(line("40"), **before)))
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
    assert still_open(NOVEMBER, timedelta(hours=20), now=now, pulled_to=pulled_to) is open_still


def test_a_cap_of_the_fleet_over_workflows_that_nobody_reads_is_unknown() -> None:
    """It names them; once it is crossed by what is known, it is crossed."""
    fleet = Subject("_fleet", fleet=True, silent=("refunds", "triage"))
    result = judge_spend(fleet, [look(line("40"))], now=HALF)
    assert (result.verdict, only(result).title) == (Verdict.UNKNOWN, "The calls of 2 workflows are not known up to now")
    assert "refunds, triage" in only(result).detail
    assert judge_spend(fleet, [look(line("400"))], now=HALF).verdict is Verdict.FAIL


def test_a_cap_of_the_fleet_names_the_dearest_workflows() -> None:
    """And how its cap is raised."""
    lines = (
        line("350", workflow="refunds"),
        line("60", workflow="triage"),
        line("50", workflow="refunds", model="gpt-5"),
    )
    result = judge_spend(Subject("_fleet", fleet=True), [look(*lines)], now=HALF)
    evidence = result.findings[0].evidence
    assert evidence["examples"] == ["refunds: 400.00 USD for 200 calls", "triage: 60.00 USD for 100 calls"]
    assert "afterpilot spend raise _fleet" in evidence["to_do"]


@pytest.mark.parametrize(
    ("named", "reported", "covered"),
    [
        ("gpt-5", "gpt-5", True),
        ("gpt-5", "gpt-5-2025-08-07", True),
        ("gpt-5", "openai/gpt-5-2025-08-07", True),
        ("claude-sonnet-4", "claude-sonnet-4@20250514", True),
        ("GPT-5", "gpt-5", True),
        ("gpt-5", "gpt-5-mini", False),
        ("gpt-5", "gpt-50", False),
        ("gpt-5-mini", "gpt-5", False),
        ("", "whatever", True),
    ],
)
def test_a_models_cap_holds_for_its_dated_versions(named: str, reported: str, *, covered: bool) -> None:
    """And for no other model of a like name."""
    assert CapRule(Cap.parse("1 USD/day"), LEVELS, "tell", model=named).covers(reported) is covered


def test_what_was_priced_anew_is_said() -> None:
    """In the run that did it."""
    result = judged(look(line("40")), repriced=("gpt-5: 3 calls priced anew, 1 before, 2 now",))
    assert result.evidence["repriced"] == ["gpt-5: 3 calls priced anew, 1 before, 2 now"]
