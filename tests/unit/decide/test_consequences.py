"""Which trouble of a workflow explains which."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from afterpilot.decide.consequences import RULES, causes
from afterpilot.decide.lasting import Silent, accounted_for, lasting, lasts
from afterpilot.decide.sharing import shared
from afterpilot.domain.incident import Hanging, Incident, IncidentState
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity, StageResult

AT = datetime(2026, 11, 1, tzinfo=UTC)
RUN = uuid.UUID(int=7)


def incident(kind: str, *, severity: Severity = Severity.UNKNOWN, workflow: str = "w", hangs_on: str = "") -> Incident:
    return Incident(
        id=uuid.uuid4(),
        fingerprint=kind,
        workflow=workflow,
        stage="pull" if kind.startswith("pull") else "check",
        kind=kind,
        severity=severity,
        state=IncidentState.OPEN,
        title=kind,
        detail="",
        opened_at=AT,
        last_seen_at=AT,
        occurrences=1,
        run_id=RUN,
        hangs_on=hangs_on,
    )


def cause_of(follows: Incident, cause: Incident, *, found: tuple[Incident, ...]) -> Incident | None:
    tied = causes([cause, follows], {one.id for one in found})
    return tied[follows.id].incident if follows.id in tied else None


@pytest.mark.parametrize(
    ("cause", "follows"),
    [
        ("pull.source_unreadable", "quality.fresh_within"),
        ("pull.source_unreadable", "report.incomplete"),
        ("pull.did_not_run", "spend.stale"),
        ("evals.target_out_of_reach", "evals.incomplete"),
        ("evals.target_out_of_reach", "evaluate.did_not_run"),
        ("declaration.broken", "watch.overdue"),
        ("declaration.gone", "gate.unknown_lasts"),
    ],
)
def test_a_certain_cause_explains_what_follows(cause: str, follows: str) -> None:
    """Where what follows is found while its cause stands; never the other way round."""
    one, other = incident(cause), incident(follows)
    assert cause_of(other, one, found=(other,)) is one
    assert cause_of(one, other, found=(one, other)) is None


@pytest.mark.parametrize(
    ("cause", "follows"),
    [
        ("pull.source_unreadable", "quality.column_values_to_not_be_null"),
        ("pull.source_unreadable", "spend.over_cap"),
        ("evals.target_out_of_reach", "evals.below_bar"),
        ("declaration.broken", "spend.over_cap"),
        ("pull.did_not_run", "report.incomplete"),
        ("quality.fresh_within", "quality.fresh_within"),
    ],
)
def test_what_is_merely_likely_stands_for_itself(cause: str, follows: str) -> None:
    """Trouble that may well have another reason is told."""
    one, other = incident(cause), incident(follows)
    assert cause_of(other, one, found=(one, other)) is None


def test_a_late_cause_explains_only_by_rules_that_allow_it() -> None:
    """Data that was old before the source broke is trouble of its own; a model out of reach explains the suite that failed."""
    source, old = incident("pull.source_unreadable"), incident("quality.fresh_within")
    assert cause_of(old, source, found=(source,)) is None
    model, suite = incident("evals.target_out_of_reach"), incident("evals.incomplete")
    assert cause_of(suite, model, found=(model,)) is model


def test_a_tie_holds_on_while_its_cause_stands() -> None:
    """A run that finds neither leaves it."""
    source = incident("pull.source_unreadable")
    old = replace(incident("quality.fresh_within"), cause_id=source.id)
    assert cause_of(old, source, found=()) is source


def test_a_lost_column_explains_what_could_not_be_judged_for_it() -> None:
    """Not a failure, and not trouble with another column."""
    lost = incident("pull.column_lost", severity=Severity.CRITICAL, hangs_on="column erp.invoices.total")
    unjudged = incident("quality.column_values_to_be_between", hangs_on="column erp.invoices.total")
    assert cause_of(unjudged, lost, found=(unjudged,)) is lost
    failed = replace(unjudged, severity=Severity.CRITICAL)
    assert cause_of(failed, lost, found=(failed,)) is None
    other = replace(unjudged, hangs_on="column erp.invoices.supplier")
    assert cause_of(other, lost, found=(other,)) is None


def test_one_bad_night_of_evals_is_one_trouble() -> None:
    """The regression explains the low rate of the same run, unless it is the lesser one; of different runs neither does."""
    low = incident("evals.below_bar", severity=Severity.CRITICAL)
    worse = incident("evals.regressed", severity=Severity.CRITICAL)
    both = (low, worse)
    assert cause_of(low, worse, found=both) is worse
    assert cause_of(worse, low, found=both) is None
    lesser = replace(worse, severity=Severity.WARNING)
    assert cause_of(low, lesser, found=(low, lesser)) is None
    assert cause_of(lesser, low, found=(low, lesser)) is low
    earlier = replace(worse, run_id=uuid.UUID(int=6))
    assert causes([low, earlier], {low.id, earlier.id}) == {}


def test_nothing_explains_itself_by_a_detour() -> None:
    """The rules that do not look at the run make no circle."""
    edges = {(cause, name) for rule in RULES if not rule.same_run for cause in rule.cause for name in rule.follows}
    reached = dict.fromkeys({cause for cause, _ in edges}, frozenset[str]())
    for _ in edges:
        reached = {
            one: frozenset(name for cause, name in edges if cause == one or cause in seen) | seen
            for one, seen in reached.items()
        }
    assert not [one for one, seen in reached.items() if one in seen]


def test_unknown_that_lasts_is_found_after_three_runs_and_a_day() -> None:
    """Not sooner, not by a run with a finding or with something to say; the finding says since when and what to do."""
    silent = StageResult("w", "check", "not run: no records")
    day = Silent(2, AT - timedelta(days=1))
    assert lasts(silent, day, at=AT)
    assert not lasts(silent, Silent(1, AT - timedelta(days=3)), at=AT)
    assert not lasts(silent, Silent(50, AT - timedelta(hours=23)), at=AT)
    assert not lasts(silent, Silent(0, None), at=AT)
    assert not lasts(replace(silent, checked=1), day, at=AT)
    told = Finding("w", "check", "quality.no_rows", Severity.UNKNOWN, "no rows")
    assert not lasts(replace(silent, findings=(told,)), day, at=AT)
    finding = lasting(silent, day, at=AT)
    assert (finding.kind, finding.severity) == ("check.unknown_lasts", Severity.UNKNOWN)
    assert finding.title == "The stage check has said nothing since 2026-10-31: UNKNOWN in every run"
    assert "no records" in finding.detail
    assert "See whether production still writes records" in finding.evidence["to_do"]


def test_an_incident_that_says_why_accounts_for_the_silence() -> None:
    """One of the stage that could not say, or one that explains it; neither its own nor another stage's."""
    silent = StageResult("w", "check", "")
    assert accounted_for(silent, [incident("quality.no_rows")])
    assert accounted_for(silent, [incident("pull.source_unreadable")])
    cause = incident("pull.rows_skipped", severity=Severity.WARNING)
    explained = replace(incident("quality.no_rows"), cause_id=cause.id)
    assert accounted_for(silent, [explained, cause])
    assert not accounted_for(silent, [explained])
    assert not accounted_for(silent, [incident("check.unknown_lasts")])
    assert not accounted_for(silent, [incident("pull.rows_skipped", severity=Severity.WARNING)])
    assert not accounted_for(silent, [incident("quality.not_null", severity=Severity.CRITICAL)])


def test_what_many_hang_on_is_told_with_ten_of_their_names() -> None:
    """As grave as the gravest, and never fewer than have hung on it."""
    many = [incident("pull.source_unreadable", workflow=f"w{n:02d}", hangs_on="source erp") for n in range(12)]
    finding = shared("source erp", Hanging.of(many), ever=0)
    assert (finding.workflow, finding.stage, finding.kind) == (FLEET, "pull", "shared.source")
    assert finding.kind == "shared.source"
    assert finding.title == "The source erp cannot be read: 12 workflows hang on it"
    assert finding.detail == "w00, w01, w02, w03, w04, w05, w06, w07, w08, w09 and 2 more."
    assert finding.severity is Severity.UNKNOWN
    fewer = shared("source erp", Hanging.of(many[:2]), ever=12)
    assert (fewer.title, fewer.detail) == (finding.title, "Still w00, w01.")
    assert fewer.fingerprint == finding.fingerprint
