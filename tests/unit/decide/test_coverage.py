"""Coverage: what was due by what was declared at the time, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from afterpilot.decide.coverage import (
    Answer,
    Due,
    Era,
    Ran,
    Rhythm,
    answered,
    cell,
    grid,
    promised,
    standing_on,
)
from afterpilot.decide.coverage_gaps import Reason, stretches, why
from afterpilot.declare.cron import due_after
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = Rhythm(NOON - timedelta(days=30), {"records.hourly": "5 * * * *", "evals.nightly": "0 2 * * *"})
DECLARED = Era(NOON - timedelta(days=30), "in force", {"records": "hourly", "evals": "nightly"})


def dues(*eras: Era, hours: int = 6, rhythms: Sequence[Rhythm] = (HOURLY,), stage: Stage = Stage.PULL) -> list[Due]:
    found = promised(eras, rhythms, (NOON, NOON + hours * HOUR), due_after)
    return [due for due in found if due.stage is stage]


def ran(at: datetime, verdict: Verdict = Verdict.PASS, stage: Stage = Stage.PULL, *, scheduled: bool = True) -> Ran:
    return Ran(stage, verdict, at, at + timedelta(minutes=2), scheduled)


def test_each_tick_of_a_schedule_is_due() -> None:
    """A schedule at five past promises a verdict of each of its stages in each hour, and none of other stages."""
    assert [due.at.hour for due in dues(DECLARED)] == [12, 13, 14, 15, 16, 17]
    assert len(dues(DECLARED, stage=Stage.GATE)) == 6
    assert dues(DECLARED, stage=Stage.EVALUATE) == []


def test_a_schedule_counts_from_when_it_was_declared() -> None:
    """What a workflow promises changes at the moment at which its declaration does; nothing is due before there was one."""
    assert [due.at.hour for due in dues(Era(NOON + 4 * HOUR, "in force", {"records": "hourly"}))] == [16, 17]
    gone = Era(NOON + 2 * HOUR, "gone")
    assert [due.at.hour for due in dues(DECLARED, gone)] == [12, 13]


def test_a_rhythm_counts_from_when_it_was_loaded() -> None:
    """Where the fleet's schedule changes from hourly to every two hours, both hold in their time."""
    slower = Rhythm(NOON + 2 * HOUR, {"records.hourly": "5 */2 * * *"})
    assert [due.at.hour for due in dues(DECLARED, rhythms=(HOURLY, slower))] == [12, 13, 14, 16]


def test_a_broken_declaration_still_promises() -> None:
    """While a declaration is broken, what the last usable one promised stays due: nobody may miss it."""
    broken = Era(NOON, "broken", {"records": "hourly"})
    found = dues(broken)
    assert len(found) == 6
    assert {due.standing for due in found} == {"broken"}


def test_runs_answer_what_was_due() -> None:
    """Five runs in six hours leave one verdict that did not run, in its own hour."""
    due = dues(DECLARED)
    answers, more = answered(
        due, [ran(one.at + timedelta(minutes=1)) for one in due if one.at.hour != 14], NOON + 9 * HOUR
    )
    assert [answer.due.at.hour for answer in answers if answer.missed] == [14]
    assert more == ()


def test_a_late_run_answers_its_own_hour() -> None:
    """A run that begins after the next was due is the earlier one's, where the next one has its own."""
    due = dues(DECLARED, hours=2)
    answers, _ = answered(
        due, [ran(due[1].at + timedelta(minutes=1)), ran(due[1].at + timedelta(minutes=2))], NOON + 9 * HOUR
    )
    assert [answer.missed for answer in answers] == [False, False]


def test_what_is_run_again_by_hand_makes_up_for_no_hour_that_was_missed() -> None:
    """Neither does the second of the hourly verdicts on a declaration, of which one is due every two hours."""
    runs = [ran(NOON + 65 * timedelta(minutes=1)), ran(NOON + 90 * timedelta(minutes=1), scheduled=False)]
    answers, more = answered(dues(DECLARED, hours=2), runs, NOON + 9 * HOUR)
    assert [answer.missed for answer in answers] == [True, False]
    assert len(more) == 1
    hourly = [ran(NOON + hours * HOUR + timedelta(minutes=9), stage=Stage.DECLARE) for hours in (2, 3)]
    answers, more = answered(dues(DECLARED, hours=4, stage=Stage.DECLARE), hourly, NOON + 9 * HOUR)
    assert [answer.missed for answer in answers] == [True, False]


def test_a_run_answers_nothing_that_comes_later() -> None:
    """A run before anything was due answers none of it."""
    due = dues(DECLARED, hours=1)
    answers, more = answered(due, [ran(NOON)], NOON + 9 * HOUR)
    assert [answer.missed for answer in answers] == [True]
    assert len(more) == 1


def test_unknown_hides_behind_no_pass() -> None:
    """Of several runs of what was due once, the gravest counts."""
    due = dues(DECLARED, hours=1)
    runs = [ran(due[0].at), ran(due[0].at + timedelta(minutes=9), Verdict.UNKNOWN)]
    answers, more = answered(due, runs, NOON + 9 * HOUR)
    assert answers[0].verdict is Verdict.UNKNOWN
    assert len(more) == 1


def test_what_is_not_late_is_pending() -> None:
    """A verdict that is due, and whose grace is not over, did not fail to run."""
    due = dues(DECLARED, hours=1)
    assert answered(due, [], due[0].at + timedelta(minutes=10))[0][0].pending
    assert answered(due, [], due[0].at + timedelta(minutes=16))[0][0].missed


def test_a_cell_sums_to_what_was_due() -> None:
    """What passed, warned, failed, is UNKNOWN, waits and did not run make up what was expected; runs besides are apart."""
    due = dues(DECLARED)
    verdicts = [*Verdict, None, None]
    found = cell(
        [
            Answer(one, verdict, pending=place == 5)
            for place, (one, verdict) in enumerate(zip(due, verdicts, strict=True))
        ],
        3,
    )
    assert (found.expected, found.ran, found.missed, found.pending, found.more) == (6, 4, 1, 1, 3)
    assert found.word == "missed"


def test_unknown_is_not_ran() -> None:
    """A day whose verdicts are UNKNOWN is called that, whatever else passed."""
    due = dues(DECLARED, hours=2)
    assert cell([Answer(due[0], Verdict.PASS), Answer(due[1], Verdict.UNKNOWN)]).word == "unknown"
    assert cell([], standing="not declared").word == "not declared"
    assert cell([]).word == "none due"


def test_a_grid_has_the_day_on_which_it_was_due() -> None:
    """A verdict counts on the day on which it was due, in UTC."""
    due = dues(DECLARED)
    found = grid(answered(due, [], NOON + 9 * HOUR)[0], [ran(NOON + 12 * HOUR)])
    assert found[date(2026, 11, 20), Stage.PULL].missed == 6
    assert found[date(2026, 11, 21), Stage.PULL].more == 1


def test_what_did_not_run_in_a_row_is_one_stretch() -> None:
    """Two hours missed together are one stretch, with when it ran again; the last one is not over."""
    due = dues(DECLARED)
    answers, _ = answered(due, [ran(one.at) for one in due if one.at.hour in {12, 15, 16}], NOON + 9 * HOUR)
    newest, older = stretches(answers)
    assert (older.first.hour, older.last.hour, older.times, older.until) == (13, 14, 2, due[3].at)
    assert (newest.first.hour, newest.times, newest.until) == (17, 1, None)


def test_reasons_are_of_the_time_and_the_stage() -> None:
    """A reason on record explains a stretch where it held meanwhile and is of its stage or of all; its own stage comes first."""
    (stretch,) = stretches(answered(dues(DECLARED, hours=1), [], NOON + 9 * HOUR)[0])
    fits, general = Reason(NOON, None, "task failed", "pull"), Reason(NOON, NOON + HOUR, "scheduler dead")
    others = [Reason(NOON, None, "of another", "spend"), Reason(NOON - 2 * HOUR, NOON - HOUR, "over before")]
    assert why(stretch, [general, *others, fits]) == (fits, general)


def test_a_day_has_the_standing_of_its_end() -> None:
    """A day on which a workflow was declared is a day with it; one before is not declared."""
    eras = [Era(NOON, "in force"), Era(NOON + 48 * HOUR, "retired")]
    assert standing_on(eras, NOON - 30 * HOUR, NOON - 6 * HOUR) == "not declared"
    assert standing_on(eras, NOON - 6 * HOUR, NOON + 18 * HOUR) == "in force"
    assert standing_on(eras, NOON + 40 * HOUR, NOON + 64 * HOUR) == "retired"
