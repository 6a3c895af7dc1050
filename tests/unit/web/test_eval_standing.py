"""How evals stand, in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from afterpilot.web.evals.age import aged, lasts
from afterpilot.web.evals.answering import changed, events, parts
from afterpilot.web.evals.cases import Covered, sort_cases, strip
from afterpilot.web.evals.charts import cost_chart, evidence_chart, latency_chart, spark
from afterpilot.web.evals.judges import judge_rows
from afterpilot.web.evals.pass_rate import rate_chart
from afterpilot.web.evals.reading import passed_share, pooled, rate_of, share, signed
from afterpilot.web.evals.slices import scorer_rows, slice_rows
from afterpilot.web.evals.standing import Drop, headline, heeding, paired_drop, read_drop, stand, threshold, why
from afterpilot.web.pages.eval_compare import verdicts

START = datetime(2026, 11, 1, 2, tzinfo=UTC)


def result(night: int, **more: Any) -> dict[str, Any]:
    """A run of a night that went well."""
    row = {
        "run_id": night,
        "at": START + timedelta(days=night),
        "valid": True,
        "cases": 10,
        "passed": 9,
        "scored": 10,
        "alarm": "none",
        "evidence": 0.5,
        "cost": 0.02,
        "currency": "USD",
        "latency_p50": 800,
        "latency_p95": 1900,
        "outcomes": {},
        "fingerprint": {"prompt": "p1", "answered": {"model": ["m1"]}},
    }
    return row | more


def nights(case: str, sides: str) -> list[dict[str, Any]]:
    """Runs in which a case passed (+), failed (-) or was not scored (?)."""
    counts = {"+": {case: [1, 1]}, "-": {case: [0, 1]}, "?": {}}
    return [result(n, outcomes=counts[side]) for n, side in enumerate(sides)]


@pytest.mark.parametrize(
    ("newest", "approved", "tone", "state"),
    [
        ({}, True, "PASS", "as the baseline"),
        ({}, False, "UNKNOWN", "no baseline"),
        ({"alarm": ""}, True, "UNKNOWN", "not compared yet"),
        ({"alarm": "watch"}, True, "WARN", "watching"),
        ({"alarm": "alarm"}, True, "FAIL", "alarm"),
        ({"passed": 5}, True, "FAIL", "below its bar"),
        ({"valid": False}, True, "UNKNOWN", "too little was scored"),
        ({"passed": 0, "scored": 0}, True, "UNKNOWN", "too little was scored"),
        ({"passed": 11}, True, "UNKNOWN", "too little was scored"),
    ],
)
def test_only_a_compared_good_run_is_green(newest: dict[str, Any], *, approved: bool, tone: str, state: str) -> None:
    """PASS needs a run that could say, above its bar, compared with an approved baseline."""
    found = stand([result(0), result(1, **newest)], 0.8, approved=approved)
    assert (found.tone, found.state) == (tone, state)


def test_no_run_is_unknown() -> None:
    """Without any result nothing is known."""
    assert stand([], 0.8, approved=True).tone == "UNKNOWN"
    assert "nothing is known" in headline(stand([], 0.8, approved=True), None, bar=0.8)


def test_a_run_that_could_not_begin_is_not_passed_over_for_an_older_good_one() -> None:
    """Unknown with its reason, and what was known last; a warning is no plain green; an open alarm stays one."""
    good = stand([result(0)], 0.8, approved=True)
    crashed = {"last_id": "r", "last_verdict": "UNKNOWN", "last_summary": "the stage could not run"}
    found = heeding(good, crashed)
    assert (found.tone, found.state) == ("UNKNOWN", "the newest run could not say")
    said = headline(found, result(0), bar=0.8, last=crashed["last_summary"])
    assert said.startswith(
        "Unknown: the newest run could not say (the stage could not run). The last that is known is of 1 Nov"
    )
    warned = heeding(good, {**crashed, "last_verdict": "WARN"})
    assert warned.tone == "WARN"
    assert "with a warning" in headline(warned, result(0), bar=0.8)
    assert heeding(good, {**crashed, "last_verdict": "PASS"}) == heeding(good, None) == good
    alarm = stand([result(0, alarm="alarm")], 0.8, approved=True)
    assert heeding(alarm, crashed) == alarm
    assert heeding(stand([], 0.8, approved=True), crashed).tone == "UNKNOWN"


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 2 * * *", 2),
        ("0 * * * *", 2),
        ("0 2 * * mon-fri", 6),
        ("0 2 * * mon", 14),
        ("no cron", 3),
        ("0 2 30 2 *", 3),
    ],
)
def test_a_result_holds_for_two_periods_of_its_schedule(cron: str, days: int) -> None:
    """The period is the longest wait: a weekend counts; three days where the schedule is not known."""
    assert lasts({"evals": "named"}, {"evals.named": cron}) == timedelta(days=days)
    assert lasts(None, {"evals.named": cron}) == lasts({"evals": "other"}, {}) == timedelta(days=3)


def test_an_old_result_is_stale_and_never_green() -> None:
    """Since when, and what was known last; a warning is stale too, and red stays red."""
    holds, late = timedelta(days=2), START + timedelta(days=2, minutes=1)
    good = stand([result(0)], 0.8, approved=True)
    assert aged(good, result(0), holds, now=late - timedelta(minutes=1)) == good
    found = aged(good, result(0), holds, now=late)
    assert (found.tone, found.state, found.since) == ("UNKNOWN", "stale", START + holds)
    said = headline(found, result(0), bar=0.8)
    assert said.startswith(
        "Unknown: stale since 3 Nov, for no run came since. The last that is known is of 1 Nov: 9 of 10"
    )
    watched = stand([result(0, alarm="watch")], 0.8, approved=True)
    assert aged(watched, result(0), holds, now=late).tone == "UNKNOWN"
    alarm = stand([result(0, alarm="alarm")], 0.8, approved=True)
    assert aged(alarm, result(0), holds, now=late) == alarm


def test_an_unknown_night_neither_ends_nor_hides_an_alarm() -> None:
    """A run that could not say leaves the alarm open, since the day it was raised."""
    rows = [result(0), result(1, alarm="alarm"), result(2, valid=False, alarm=""), result(3, valid=False, alarm="")]
    found = stand(rows, None, approved=True)
    assert (found.tone, found.since) == ("FAIL", START + timedelta(days=1))


def test_the_alarm_is_one_sentence_with_size_cases_and_cause() -> None:
    """Since when, how much was lost with its interval, how many broke, and what changed."""
    rows = [result(0), result(1, alarm="alarm", fingerprint={"prompt": "p2", "answered": {"model": ["m1"]}})]
    recorded = {"drop": {"value": 0.056, "low": 0.028, "high": 0.091}, "since_between": ["2026-11-02", "2026-11-03"]}
    said = headline(
        stand(rows, None, approved=True),
        rows[-1],
        bar=None,
        drop=read_drop(recorded, ["a", "b"]),
        cause=why(events(rows), rows, recorded),
    )
    assert said.startswith(
        "Alarm since 2 Nov: worse than the approved baseline by about 6 points (3 to 9), 2 cases broke; our prompt changed on 2 Nov. 9 of 10 cases pass"
    )


def test_a_recorded_cause_is_used_where_no_run_shows_it() -> None:
    """Without a change between the runs at hand, the alarm's own cause line stands, without its details."""
    rows = [result(0), result(1, alarm="alarm")]
    assert (
        why(events(rows), rows, {"cause": "nothing that we record changed: same prompt"})
        == "nothing that we record changed"
    )
    assert why(events(rows), rows, None) == ""


def test_the_paired_drop_has_an_interval_over_cases() -> None:
    """Ten cases of which one broke: 10 points, from less than none to more than twenty."""
    before = {str(n): 1.0 for n in range(10)}
    found = paired_drop(before, before | {"0": 0.0}, ["0"])
    assert found is not None
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - 1.96 * 0.1, abs=1e-3)
    assert paired_drop({"a": 1.0}, {"a": 0.0}, []) is None
    assert str(Drop(0.011, 0.0, 0.02)) == "worse than the approved baseline by about 1 point (0 to 2)"


def test_broken_flaky_and_chance_are_told_apart() -> None:
    """A change that stays is broken; turning again and again is flaky; one failure in the newest run is neither."""
    stories = {
        "broke": "++++++++----",
        "once": "+++++++++++-",
        "flaky": "+-+--+-++-+-",
        "fixed": "--------++++",
        "same": "-" * 12,
    }
    rows = [result(n, outcomes={c: [int(s[n] == "+"), 1] for c, s in stories.items()}) for n in range(12)]
    baseline = {"broke": 1.0, "once": 1.0, "flaky": 0.6, "fixed": 0.0, "same": 0.0}
    found = sort_cases(rows, baseline, waivers=None, today=date(2026, 11, 13))
    kinds = {
        name: [row.id for row in getattr(found, name)] for name in ("broken", "slipped", "flaky", "fixed", "failing")
    }
    assert kinds == {
        "broken": ["broke"],
        "slipped": ["once"],
        "flaky": ["flaky"],
        "fixed": ["fixed"],
        "failing": ["same"],
    }


def test_a_case_does_not_waver_because_the_prompt_did() -> None:
    """Runs of another prompt are another history: a case that only its failing nights' prompt breaks is not flaky."""
    rows = [row | {"fingerprint": {"prompt": f"p{n % 2}"}} for n, row in enumerate(nights("c", "+-" * 10))]
    assert sort_cases(rows, {"c": 1.0}, waivers=None, today=date(2026, 11, 21)).flaky == ()
    same = [row | {"fingerprint": {"prompt": "p"}} for row in rows]
    assert [row.id for row in sort_cases(same, {"c": 1.0}, waivers=None, today=date(2026, 11, 21)).flaky] == ["c"]


def test_what_the_alarm_names_is_broken_at_once() -> None:
    """A case that the alarm has named needs no second failing run, and is never put down as flaky."""
    rows = nights("c", "+-+--+-++-+-")
    found = sort_cases(rows, {"c": 1.0}, waivers=None, today=date(2026, 11, 13), known_broken=("c",))
    assert [row.id for row in found.broken] == ["c"]


def test_a_waiver_excuses_until_its_day_and_then_no_more() -> None:
    """The day itself still counts; the day after it is over and stands first; one without a day is over."""
    rows = nights("c", "++--")
    waivers = [{"case": "c", "until": "2026-11-05", "by": "Dana", "why": "x"}, {"tag": "t", "by": 7, "until": "soon"}]
    held = sort_cases(rows, {"c": 1.0}, waivers=waivers, today=date(2026, 11, 5))
    assert not held.broken
    assert [row.expired for row in held.waivers] == [True, False]
    over = sort_cases(rows, {"c": 1.0}, waivers=waivers, today=date(2026, 11, 6))
    assert [row.id for row in over.broken] == ["c"]
    assert all(row.expired for row in over.waivers)


def test_a_waiver_by_tag_covers_what_the_run_excused_by_it() -> None:
    """And nothing else; nothing where no run has said so; what is no waiver in the evidence is passed over."""
    waived = [{"case": "c", "tag": "t", "passed": False}, {"case": "d", "tag": "u"}, {"case": "e"}, "odd"]
    waivers = [{"tag": "t", "until": "2026-11-05"}, {"case": "e", "until": "2026-11-05"}]
    found = sort_cases(nights("c", "++--"), {"c": 1.0}, waivers=waivers, today=date(2026, 11, 5), known_waived=waived)
    assert [row.covers for row in found.waivers if row.tag] == [(Covered("c", passed=False),)]
    assert [row.covers for row in found.waivers if row.case] == [()]
    assert not found.broken
    unsaid = sort_cases(nights("c", "++--"), {"c": 1.0}, waivers=waivers, today=date(2026, 11, 5))
    assert [row.id for row in unsaid.broken] == ["c"]


def test_a_comparison_counts_a_case_as_its_run_did() -> None:
    """All epochs must pass unless the reducer said otherwise; what it could not say, and what makes no sense, is left out."""
    outcomes = {"a": [3, 3], "b": [2, 3], "c": [2, 3], "d": [1, 3], "e": [0, 0], "f": [3, 3]}
    row = result(0, outcomes=outcomes, verdicts={"b": True, "d": None, "f": "odd"})
    assert verdicts(row) == {"a": True, "b": True, "c": False}


def test_a_strip_tells_size_and_words_besides_colour() -> None:
    """Failed squares are larger, unscored ones are of neither kind, and the words count them."""
    found = strip("c", nights("c", "+-?"))
    assert [square.tone for square in found.squares] == ["good", "bad", "none"]
    assert found.squares[1].side > found.squares[0].side
    assert found.words == "failed in 1 of the last 2 runs that scored it"


def test_changes_are_what_both_runs_recorded() -> None:
    """A part that was not recorded, or is unknown, is no change; of what answered only what is new counts."""
    old = {
        "prompt": "a",
        "answered": {"model": ["m1", "m2"]},
        "data": {"index": "1", "prices": "unknown: no connection"},
    }
    new = {"prompt": "b", "answered": {"model": ["m2"]}, "data": {"index": "1", "prices": "2"}, "judges": {"j": "1"}}
    assert [part.key for part in changed(old, new)] == ["prompt"]
    moved = changed(old, {**new, "answered": {"model": ["m3"]}})
    assert [(part.key, part.now) for part in moved] == [("prompt", "b"), ("answered", "model m3")]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("85%", 0.85),
        (0.85, 0.85),
        ("5pp", 0.05),
        ("0.9", 0.9),
        (None, None),
        ("150%", None),
        (True, None),
        ("nan", None),
    ],
)
def test_shares_are_read_as_declared(value: object, read: float | None) -> None:
    """A share with a per cent sign, in points or plain; anything else is no share."""
    assert share(value) == (pytest.approx(read) if read is not None else None)


@pytest.mark.parametrize("outcome", [None, [], [1], [2, 1], [0, 0], ["x", 1], "ab", [-1, 1], {"a": 1}])
def test_odd_outcomes_are_not_scored(outcome: object) -> None:
    """What is no count of passed and scored epochs says nothing."""
    assert passed_share(outcome) is None
    assert pooled([{"c": outcome}, outcome]) == {}


def test_charts_leave_out_what_is_unknown() -> None:
    """An unknown night is a gap in every line, never a zero, and stands as a question mark."""
    rows = [
        result(0),
        result(1),
        result(2, valid=False, evidence=None, cost=None, latency_p50=None),
        result(3),
        result(4),
    ]
    chart = rate_chart(rows, bar=0.8, baselines=[(rows[0]["at"], "b")], events=())
    assert [shape.kind for shape in chart.paths] == ["band", "line", "band", "line"]
    assert [shape.kind for shape in chart.dots] == ["dot", "dot", "gap", "dot", "dot"]
    assert "1 of them unknown" in chart.words
    assert sum(shape.kind == "line" for shape in cost_chart(rows, "USD").paths) == 2
    assert sum(shape.kind == "line" for shape in latency_chart(rows).paths) == 2
    assert sum(shape.kind == "line" for shape in evidence_chart(rows, 3650).paths) == 2
    assert [shape.kind for shape in spark(rows)] == ["line", "line", "gap", "last"]


def test_charts_of_one_run_and_of_none_that_could_say() -> None:
    """A single run is drawn in the middle; runs that could not say draw no line and break nothing."""
    one = rate_chart([result(0)], bar=None, baselines=(), events=())
    assert [shape.x for shape in one.dots] == [50.0]
    none = rate_chart([result(n, valid=False) for n in range(2)], bar=None, baselines=(), events=())
    assert none.paths == ()
    assert "none of which could be judged" in none.words
    assert cost_chart([result(0, cost=None)], "").words == "The cost of no run is known."


def test_the_span_of_an_alarm_is_drawn_to_its_end() -> None:
    """An alarm that is over ends at the run that said so; an open one reaches to now, over unknown nights."""
    alarms = ["none", "alarm", "alarm", "none", "alarm"]
    chart = rate_chart([result(n, alarm=word) for n, word in enumerate(alarms)], bar=None, baselines=(), events=())
    assert [span.title for span in chart.spans] == ["alarm from 2 Nov to 4 Nov", "alarm from 5 Nov to now"]


def test_the_threshold_is_the_recorded_one_else_the_declared() -> None:
    """Run-days between two false alarms, where no run has said at which evidence it would have called."""
    assert threshold({"alarm_at": 99.0}, None) == 99.0
    assert threshold(None, {"alarm": {"false_alarms_per_year": "0.5"}}) == 730.0
    assert threshold({"alarm_at": "x"}, {"alarm": "odd"}) == 3650.0


def test_slices_and_scorers_stand_by_weakness() -> None:
    """The weakest first, advisory scorers last, what cannot be counted without a share."""
    found = slice_rows({"a": {"passed": 9, "of": 10}, "b": {"passed": 1, "of": 10}, "odd": {"passed": 3, "of": 0}}, [])
    assert [(row.name, row.rate is None) for row in found] == [("b", False), ("a", False), ("odd", True)]
    scorers = scorer_rows({"judge": {"passed": 0, "of": 5, "advisory": True}, "exact": {"passed": 5, "of": 5}, "x": 3})
    assert [row.name for row in scorers] == ["exact", "x", "judge"]


def test_a_slice_stands_beside_all_approved_runs() -> None:
    """A flaky case that passed in one approved run and failed in the next is half of the baseline, not all of it."""
    approved = [{"a": {"passed": 1, "of": 1}}, {"a": {"passed": 0, "of": 1}}, {"a": {"passed": 5, "of": 1}}, None]
    found = slice_rows({"a": {"passed": 0, "of": 1}, "new": {"passed": 1, "of": 1}}, approved)
    assert [(row.name, row.before) for row in found] == [("a", 0.5), ("new", None)]


def test_what_a_suite_goes_without_is_not_unknown() -> None:
    """No judge and no data are declared to be none; what was not recorded stays empty, which a page calls unknown."""
    told = {part.key: part.now for part in parts({"judges": {}, "data": {}, "answered": {}})}
    assert told == {"judges": "none", "data": "nothing declared", "answered": ""}
    (broken,) = parts({"data": {"db query 1": "unknown: no connection"}})
    assert "unknown" in broken.now


def test_a_difference_has_a_minus_and_no_sign_for_nothing() -> None:
    """A hyphen is no minus, and what rounds to nothing has no sign."""
    assert [signed(points) for points in (-25, 3.04, -0.04)] == ["\N{MINUS SIGN}25.0", "+3.0", "0.0"]
    assert str(Drop(0.03, -0.02, 0.08)) == "worse than the approved baseline by about 3 points (\N{MINUS SIGN}2 to 8)"


def test_one_run_is_not_called_runs() -> None:
    """A single run is told of in the singular, whether it could say something or not."""
    assert rate_chart([result(0)], bar=0.8, baselines=(), events=()).words.startswith("1 run, of 1 Nov 2026: 90 %")
    assert rate_chart([result(0, valid=False)], bar=None, baselines=(), events=()).words.startswith(
        "1 run, which could"
    )
    assert strip("a", [result(0, outcomes={"a": [0, 1]})]).words == "failed in the one run that scored it"


def test_judges_are_trusted_only_where_that_is_recorded() -> None:
    """A recorded standing is shown as it is; counted agreement alone makes no judge a trusted one."""
    assert judge_rows([{"scorer": "j", "trusted": "yes", "labels": 3}], ())[0].trusted is None
    words = [{"judge": "f" * 64, "passed": True, "label": True, "subject": str(n), "at": START} for n in range(4)]
    counted = judge_rows(None, words, {"judges": {"helpful": f"{'f' * 12} on probation"}})
    assert [(row.scorer, row.labels, row.trusted, row.agreement) for row in counted] == [("helpful", 4, False, 1.0)]
    assert judge_rows(None, words)[0].trusted is None


def test_a_rate_needs_a_run_that_could_say() -> None:
    """An invalid run has no rate, however many cases it passed."""
    assert rate_of(result(0, valid=False)) is None
    assert rate_of(result(0)) is not None
