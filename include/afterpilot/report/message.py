"""The week's outcome as a message that can be read in ten seconds."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.domain.message import Fact, Link, Message, Tone
from afterpilot.domain.verdict import Verdict
from afterpilot.report.facts import WeeklyOutcome
from afterpilot.report.numbers import day, number, percent
from afterpilot.report.whole_life import title

_TONES: dict[Verdict, Tone] = {
    Verdict.PASS: "good",
    Verdict.WARN: "warning",
    Verdict.FAIL: "critical",
    Verdict.UNKNOWN: "unknown",
}


def weekly_message(
    outcome: WeeklyOutcome, *, links: Sequence[Link] = (), mention: str = "", picture: str = "", ledger: str = ""
) -> Message:
    """The message. ``picture`` is the id of the report whose chart goes with it, ``mention`` the owner's Slack id, ``ledger`` the line
    that tells the ledger's last head.
    """
    summary = _summary(outcome)
    return Message(
        tone=_TONES[outcome.verdict],
        title=f"{outcome.workflow}: week of {day(outcome.week)}",
        summary=summary,
        notification=f"{outcome.workflow}, week of {day(outcome.week)}: {summary}",
        facts=_facts(outcome),
        points=outcome.needs or ("Nothing needs you.",),
        links=tuple(links),
        mention=mention if outcome.needs else "",
        footer=f"Afterpilot · the week: {outcome.verdict} · figures as of {outcome.facts.as_of:%Y-%m-%d %H:%M} UTC"
        + (f" · {ledger}" if ledger else ""),
        picture=picture,
        picture_alt=_picture_alt(outcome),
    )


def _facts(outcome: WeeklyOutcome) -> tuple[Fact, ...]:
    """Nine at most (Slack shows ten); what is not known is said once."""
    facts = [Fact(outcome.kpi_name.capitalize(), outcome.kpi.words)]
    if outcome.trend.value is not None:
        facts.append(Fact("Trend", outcome.trend.words))
    facts.append(Fact("Handled alone", outcome.alone.words))
    if outcome.alone.value is not None:
        facts.append(Fact("To people", outcome.people.words))
        # What people came to look at for a reason says little about the rest; the spot checks speak for all of it.
        if outcome.errors.value is None:
            facts.append(Fact("Overridden", outcome.overrides.words))
        else:
            facts.append(Fact("Wrong when alone", outcome.errors.words))
    facts.append(Fact("Cost", outcome.cost.words))
    life = outcome.facts.life
    if outcome.month is not None and life is not None and life.projection is not None:
        facts.append(Fact(title(life.projection), outcome.month.words))
    if outcome.saved is not None and outcome.saved.value is not None:
        facts.append(Fact("Time saved", outcome.saved.words))
    return (*facts, Fact("Checks", outcome.stages or "UNKNOWN: nothing ran"))


def _summary(outcome: WeeklyOutcome) -> str:
    counts = outcome.facts.this_week
    if counts is None:
        return "UNKNOWN: no output came through the checks this week."
    share = f" ({percent(outcome.alone.value)})" if outcome.alone.value is not None else ""
    handled = (
        f"{counts.alone:,} of {counts.outputs:,} handled alone{share}, {counts.outputs - counts.alone:,} by people"
    )
    if outcome.kpi.value is None:
        return f"{handled}; {outcome.kpi_name} is UNKNOWN."
    return f"{handled}; {outcome.kpi_name} {number(outcome.kpi.value)} against a target of {number(outcome.target)}."


def _picture_alt(outcome: WeeklyOutcome) -> str:
    return (
        f"{outcome.kpi_name} by week against baseline {number(outcome.baseline)} and target {number(outcome.target)}, "
        "and below it the items of each week: those handled alone, and those handled by people"
    )
