"""The outcome of a week: figures with their intervals, and UNKNOWN where there are none."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.report.facts import WeeklyOutcome
from afterpilot.report.outcome import weekly_outcome
from doubles.weeks import BUSY, MONDAY, WORKFLOW, counts, facts, life, stages, weeks


def outcome(**more: Any) -> WeeklyOutcome:
    """The outcome of a good week, but for what is given."""
    return weekly_outcome(WORKFLOW, facts(**more))


def with_kpi(**more: Any) -> Any:
    """The workflow with another KPI."""
    return replace(WORKFLOW, kpi=replace(WORKFLOW.kpi, **more))


def test_a_good_week_is_told_in_figures() -> None:
    """Every figure of a week on which all is known."""
    week = outcome()
    assert week.verdict is Verdict.PASS
    assert week.kpi.words == "1.4 min; target 1.2, baseline 6: 96 % of the way there"
    assert week.trend.words == (
        "better than the week before (1.6); 5 weeks since 19 October on average 1.76 (95 % interval 1.38 to 2.14)"
    )
    assert week.alone.words == "170 of 203 (84 %)"
    assert week.people.words == "32 routed (3 still wait); 9 spot checks"
    assert week.overrides.words == "1 of 12 that people looked at (8 %; 95 % interval 1 to 35 %)"
    assert week.cost.words == (
        "0.1006 USD an item (0.1202 handled alone, 0.1135 accepted); "
        "20.43 USD in all: people's time 20.00, production calls 0.4300"
    )
    assert week.saved is not None
    assert week.saved.words == "about 16 hours (6 less 1.4, 203 times)"
    assert week.saved.value == Decimal("933.8")
    assert week.stages == "records, data checks, output checks, reviews, evals, spend PASS"
    assert week.needs == ()


@pytest.mark.parametrize(
    ("value", "better", "words"),
    [
        ("1.2", "lower", "target reached"),
        ("0.9", "lower", "target reached"),
        ("6", "lower", "0 % of the way there"),
        ("6.1", "lower", "worse than the baseline"),
        ("3.6", "lower", "50 % of the way there"),
    ],
)
def test_the_kpi_says_how_far_it_has_come(value: str, better: str, words: str) -> None:
    """Between baseline and target, and beyond either."""
    week = weekly_outcome(with_kpi(better=better), facts(kpi=weeks([value])))
    assert week.kpi.words.endswith(f": {words}")


def test_a_kpi_that_should_rise_is_judged_the_other_way_round() -> None:
    """Higher is better where the declaration says so."""
    rising = with_kpi(better="higher", baseline=Decimal(50), target=Decimal(90), unit="%")
    week = weekly_outcome(rising, facts(kpi=weeks(["70", "60"])))
    assert week.kpi.words == "60 %; target 90, baseline 50: 25 % of the way there"
    assert week.trend.words.startswith("worse than the week before (70)")
    assert week.saved is None


@pytest.mark.parametrize(
    ("measured", "words"), [(1, "1 week measured"), (2, "2 weeks measured"), (3, "3 weeks measured")]
)
def test_too_few_weeks_give_no_interval(measured: int, words: str) -> None:
    """An interval from two weeks would promise what nobody knows."""
    week = outcome(kpi=weeks(["1.5"] * measured))
    assert f"no interval yet ({words}, 4 needed)" in week.trend.words
    assert week.trend.low is None


def test_a_week_without_a_value_is_unknown_and_never_the_week_before() -> None:
    """An old value is not this week's."""
    week = outcome(kpi=weeks(["1.5", "1.4"])[:1])
    assert week.kpi.words == "UNKNOWN: not measured this week"
    assert (week.kpi.value, week.trend.value, week.verdict) == (None, None, Verdict.UNKNOWN)
    assert week.saved is not None
    assert week.saved.value is None
    assert "Minutes per invoice is UNKNOWN: not measured this week" in week.needs


def test_a_later_week_is_no_part_of_a_replayed_report() -> None:
    """A report that is made again after weeks gives the same."""
    later = (*facts().kpi, (MONDAY + timedelta(weeks=1), Decimal(9)))
    assert outcome(kpi=later).trend == outcome().trend


def test_a_kpi_that_could_not_be_read_says_why() -> None:
    """The reason is the first step of mending it."""
    assert outcome(kpi=(), kpi_error="erp: connection refused").kpi.words == "UNKNOWN: erp: connection refused"


def test_a_week_without_outputs_has_no_shares() -> None:
    """Nothing of nothing is not 0 %."""
    week = outcome(counts=(), life=life(outputs=0, alone=0))
    unknown = [week.alone, week.people, week.overrides, week.saved]
    assert all(figure is not None and figure.value is None for figure in unknown)
    assert week.alone.words == "UNKNOWN: no output came through the checks this week"
    assert week.cost.words == "UNKNOWN per item: no outputs; 0.4300 USD in all"
    assert week.verdict is Verdict.UNKNOWN


def test_an_unpriced_call_makes_the_cost_unknown() -> None:
    """A sum that leaves calls out is no sum."""
    week = outcome(life=life(unpriced=12))
    assert week.cost.words == "UNKNOWN: 12 of 227 calls have no price; at least 0.4300 USD"
    assert week.cost.value is None
    assert week.verdict is Verdict.UNKNOWN
    assert week.needs == ("Spend is UNKNOWN: 12 of 227 calls have no price; at least 0.4300 USD",)


def test_outputs_without_usage_have_an_unknown_cost() -> None:
    """Work that was done cost something."""
    assert outcome(life=life(None)).cost.words == "UNKNOWN: no usage was recorded"


def test_a_tiny_cost_is_told_by_the_thousand() -> None:
    """What is not free is never shown as 0."""
    words = outcome(life=life("0.0043")).cost.words
    assert words.startswith("0.0212 USD for 1,000 items")
    assert "0.0043 USD in all, without people's time: 30 minutes" in words
    assert outcome(life=life("0.00000001")).cost.words.startswith("0.000000049 USD for 1,000 items; ")


def test_a_month_at_the_declared_volume_stands_beside_the_cap() -> None:
    """What the cap is over is told apart from what people's time adds."""
    week = weekly_outcome(BUSY, facts(life=life(workflow=BUSY)))
    assert week.month is not None
    assert week.month.words == (
        "3,019 USD (2,959 to 3,080); models alone 63.5 USD (56.3 to 71.8), cap 400 USD; "
        "from 203 records on 5 days (2026-11-16 to 2026-11-22)"
    )
    assert outcome().month is None


def test_outputs_that_nobody_looked_at_have_an_unknown_override_rate() -> None:
    """Blind acceptance is not agreement."""
    week = outcome(counts=(counts(judged=0, overridden=0),))
    assert week.overrides.words == "UNKNOWN: nobody has looked at an output that was handled alone"
    assert week.needs == ("Nobody has looked at anything that was handled alone: do the spot checks",)


def test_time_lost_is_not_time_saved() -> None:
    """A workflow that costs more time than before says so."""
    week = outcome(kpi=weeks(["6.5"]))
    assert week.saved is not None
    assert week.saved.words == "none: 102 minutes more than at the baseline"
    assert week.needs == ("Minutes per invoice is worse than before the launch: 6.5 against 6",)


@pytest.mark.parametrize("unit", ["minor incidents", "%", "USD", "hours", ""])
def test_only_minutes_are_counted_as_minutes(unit: str) -> None:
    """No time is saved where none is measured."""
    assert weekly_outcome(with_kpi(unit=unit), facts()).saved is None


def test_failing_stages_come_first_in_what_needs_the_owner() -> None:
    """Three points, gravest first, and how many more there are."""
    week = outcome(
        stages=stages(check=Verdict.WARN, evaluate=Verdict.FAIL, spend=Verdict.UNKNOWN),
        waiting=9,
        waiting_old=6,
        counts=(counts(judged=40, overridden=20),),
    )
    assert week.needs == (
        "Evals FAIL since Tuesday 17 November",
        "Decide on 6 review items older than two days",
        "Spend UNKNOWN since Tuesday 17 November",
        "2 more in the run history",
    )
    assert week.verdict is Verdict.FAIL
    assert week.people.words == "32 routed (9 still wait, 6 of them for over two days); 9 spot checks"
    assert week.stages == (
        "evals FAIL since 17 November; spend UNKNOWN since 17 November; data checks WARN since 17 November; "
        "records, output checks, reviews PASS"
    )


def test_a_stage_that_did_not_run_is_unknown() -> None:
    """No run is no PASS."""
    week = outcome(stages=tuple(stage for stage in stages() if stage.stage != Stage.EVALUATE))
    assert week.verdict is Verdict.UNKNOWN
    assert week.stages.startswith("evals UNKNOWN: not run this week; records")
    assert week.needs == ("Evals did not run this week",)


def test_a_stage_that_is_not_declared_is_not_missed() -> None:
    """A workflow without evals owes none."""
    without = replace(WORKFLOW, evals=None, outputs=(), quality=())
    ran = tuple(stage for stage in stages() if stage.stage in {Stage.PULL, Stage.SPEND})
    assert weekly_outcome(without, facts(stages=ran)).verdict is Verdict.PASS


def test_a_rate_of_overrides_that_is_surely_high_is_named() -> None:
    """One override of twelve may be chance, eight of forty are not."""
    assert outcome(counts=(counts(judged=40, overridden=8),)).needs == (
        "People overrode 20 % of what they looked at: see why",
    )


def test_figures_can_be_kept_as_json_without_rounding() -> None:
    """What the outbox and the report keep is what was measured."""
    kept = json.loads(json.dumps(outcome().as_dict()))
    assert kept["kpi"]["value"] == "1.4"
    assert kept["facts"]["kpi"][0] == ["2026-10-19", "2.2"]
    assert kept["facts"]["counts"][-1]["outputs"] == 203
    assert kept["facts"]["life"]["known"] == {"amount": "20.4300", "currency": "USD"}
    assert kept["facts"]["stages"][0]["latest"] == "PASS"
    assert kept["verdict"] == "PASS"
    assert kept["saved"]["value"] == "933.8"


def test_the_same_facts_give_the_same_outcome() -> None:
    """A report can be replayed."""
    assert outcome() == outcome()
