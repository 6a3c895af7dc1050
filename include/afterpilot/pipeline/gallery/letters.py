"""Messages that are about no single incident: the week, the digest, the review queue, answers at a cap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any

from afterpilot.decide.whole_life import whole_life
from afterpilot.domain.incident import IncidentState
from afterpilot.domain.looking import LostColumn
from afterpilot.domain.message import Message
from afterpilot.domain.money import Money
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, Verdict
from afterpilot.domain.whole_life import CallSum, LifeFacts, LifeTerms, OutputSum, PeopleSum, WholeLife
from afterpilot.domain.window import Window
from afterpilot.notify.amended import answered_message
from afterpilot.notify.calling import call_message
from afterpilot.notify.digest import Notice, digest_message
from afterpilot.notify.review import overdue_message
from afterpilot.pipeline.gallery.money import capped
from afterpilot.pipeline.gallery.office import AT, DAY, HOUR, MONDAY, SLUG, WORKFLOW, WRITER
from afterpilot.pipeline.gallery.records import lost_column, missing_numbers
from afterpilot.pipeline.gallery.story import Specimen, incident_of, plain, reply, told
from afterpilot.report.correcting import corrected_figures, corrected_message
from afterpilot.report.facts import StageWeek, WeekCounts, WeekFacts, WeeklyOutcome
from afterpilot.report.message import weekly_message
from afterpilot.report.outcome import weekly_outcome

_STAGES = (Stage.PULL, Stage.CHECK, Stage.GATE, Stage.REVIEW, Stage.EVALUATE, Stage.SPEND)
_AS_OF = datetime.combine(MONDAY + timedelta(days=7), clock(6), tzinfo=UTC)
_LEDGER = f"Ledger: last head {'9f2c41d7' * 8}, 48,210 entries, 2026-11-23 05:58 UTC"
_PICTURE = "9d7a4cf0-51f2-4a63-9f1c-2b4f0a9a7a11"


def letters() -> Iterator[Specimen]:
    """All of them."""
    weekly = "Once a week, on the morning that the schedule names: what the workflow achieved."
    yield plain("weekly", weekly, _week(evaluate=Verdict.FAIL), "weekly")
    yield plain("weekly-good", "The same where all is well: it calls nobody.", _week(), "weekly")
    nothing = weekly_outcome(WORKFLOW, WeekFacts(week=MONDAY, as_of=_AS_OF, kpi_error="the connection erp was refused"))
    yield plain("weekly-unknown", "The same where nothing is known.", _weekly(nothing), "weekly")
    yield _corrected()
    yield plain("digest", "Once a day and channel: all that was too small to be told at once.", _digest(), "digest")
    yield plain(
        "called", "Nobody has taken up many incidents of one channel: one call for all of them.", _called(), "called"
    )
    items = [(f"run-{number}", AT - hours * HOUR) for number, hours in ((10012, 50), (10029, 31), (10051, 20))]
    late = overdue_message(WORKFLOW, items, at=AT, url=WRITER.review_url)
    yield plain(
        "review-overdue", "Outputs wait longer for a person than is declared: the deputy is called.", late, "review"
    )
    yield from _answers()


def _answers() -> Iterator[Specimen]:
    asked = "lee asks to raise the cap of 400.00 USD a month to 600 USD until 1 December 00:00 UTC: month's end brings 90 invoices more. A second person has to approve it."
    base = told("cap-raise-asked", "Somebody answers at a cap: in the message about it, and in its thread.", capped())
    message = answered_message(base.message, SLUG, asked, at=AT)
    yield replace(base, message=message, lines=(reply(message),), news=("opened", "answered"))
    alone = answered_message(
        None,
        SLUG,
        "dana has raised the cap of 400.00 USD a month to 450 USD until 1 December 00:00 UTC: the new supplier",
        at=AT,
    )
    yield plain("cap-raised", "The same where no message about the cap stands.", alone, "answered")


def _digest() -> Message:
    lost = LostColumn("supplier_contact", AT - 20 * HOUR)
    over = {"state": IncidentState.RESOLVED, "resolved_at": AT - 2 * HOUR}
    small = [
        _notice(missing_numbers("2.2", 4)),
        _notice(lost_column(lost), **over),
        _notice(
            replace(missing_numbers(), workflow="email_triage", title="queue is missing in 2 of 61 records (3.3 %)")
        ),
    ]
    return digest_message(small, since=AT - 20 * HOUR, at=AT)


def _called() -> Message:
    slugs = ("contract_review", "email_triage", "invoice_matching", "refund_approval")
    grave = [replace(missing_numbers(), workflow=slug, severity=Severity.CRITICAL) for slug in slugs]
    notices = [_notice(one, severity=one.severity) for one in (*grave, missing_numbers("2.2", 4))]
    people = (WORKFLOW.owner.slack, WORKFLOW.deputy.slack)
    return call_message(notices, calls=people, url=WRITER.open_incidents_url)


def _notice(finding: Finding, **changes: Any) -> Notice:  # noqa: ANN401 - the incident's own fields
    incident = incident_of(replace(finding, severity=Severity.WARNING), at=AT - 5 * HOUR)
    incident = replace(incident, **changes)
    return Notice(finding.workflow, finding.title, WRITER.page(incident), incident)


def _corrected() -> Specimen:
    """Rows that came late change figures of a week that was told already."""
    reported, now = weekly_outcome(WORKFLOW, _facts()), weekly_outcome(WORKFLOW, _facts(late=6))
    changes = corrected_figures(reported.as_dict(), now)
    before, at = _weekly(reported), _AS_OF + DAY
    message = corrected_message(_weekly(now, calls=False), now, changes, at=at)
    first = plain(
        "corrected-week", "Rows or decisions came late, and a figure of that week is another now.", message, "corrected"
    )
    return replace(first, opening=before, lines=(reply(message),), news=("weekly", "corrected"))


def _week(**latest: Verdict) -> Message:
    return _weekly(weekly_outcome(WORKFLOW, _facts(latest=latest)))


def _weekly(outcome: WeeklyOutcome, *, calls: bool = True) -> Message:
    links = WRITER.links(SLUG, run_id=incident_of(missing_numbers()).run_id)
    return weekly_message(
        outcome, links=links, mention=WORKFLOW.owner.slack if calls else "", picture=_PICTURE, ledger=_LEDGER
    )


def _facts(*, late: int = 0, latest: Mapping[str, Verdict] | None = None) -> WeekFacts:
    """A week of 203 invoices, and ``late`` ones that came after it."""
    weeks = [MONDAY - timedelta(weeks=n) for n in range(4, -1, -1)]
    began = datetime.combine(MONDAY + timedelta(days=1), clock(2), tzinfo=UTC)
    counts = WeekCounts(MONDAY, 203 + late, 171 + late, 32, 9, 12, 1)
    return WeekFacts(
        week=MONDAY,
        as_of=_AS_OF,
        kpi=tuple(zip(weeks, map(Decimal, ("2.2", "1.9", "1.7", "1.6", "1.4")), strict=True)),
        counts=(replace(counts, week=MONDAY - timedelta(weeks=1)), counts),
        waiting=3,
        waiting_old=2 if latest else 0,
        life=_life(203 + late),
        stages=tuple(StageWeek(stage, (latest or {}).get(stage, Verdict.PASS), began) for stage in _STAGES),
    )


def _life(outputs: int) -> WholeLife:
    """What the week cost: calls, and six minutes of a person on each of five days."""
    begin = datetime.combine(MONDAY, clock(0), tzinfo=UTC)
    spend = replace(WORKFLOW.spend, volume=Decimal(30_000), hour=Money(Decimal(40)))
    given = LifeFacts(
        Window(begin, begin + timedelta(weeks=1)),
        calls=tuple(CallSum(day, "production", "USD", "", 45, Decimal("0.09")) for day in range(5)),
        people=tuple(PeopleSum(day, 6, 6, Decimal(6)) for day in range(5)),
        outputs=tuple(OutputSum(day, outputs // 5, 34, 36) for day in range(5)),
    )
    terms = LifeTerms.of(SLUG, spend, stage=WORKFLOW.stage, decisions_read=True)
    return whole_life(terms, given)
