"""What is not known of the spend: calls without a price, and production that nobody has read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from afterpilot.decide.spend.kinds import STALE, UNKNOWN
from afterpilot.decide.spend.looks import Calls, Look
from afterpilot.decide.spend.words import NAMED, period_words, share_words
from afterpilot.domain.counting import per_cent, plural
from afterpilot.domain.money import Money
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.watching import Tick

_NO_PRICE = "no price is known for "
_LONGEST_MODEL = 100  # characters of a name that anybody may have written
LONGEST_SILENCE = timedelta(hours=26)  # a daily pull that comes a little late is no news


def is_stale(pulled_to: datetime | None, late_by: timedelta, now: datetime) -> bool:
    """Whether production's calls are not known up to about now."""
    return pulled_to is None or pulled_to < now - max(LONGEST_SILENCE, 2 * late_by)


def not_pulled_yet(first: Tick) -> str:
    """The reason where production had no chance to be pulled."""
    return f"not pulled yet, first due at {first.due:%Y-%m-%d %H:%M} UTC"


def stale(slug: str, spent: Money, *, pulled_to: datetime | None, late_by: timedelta) -> Finding:
    """The finding where it is so."""
    title = (
        f"Production calls are known up to {pulled_to:%Y-%m-%d %H:%M} UTC only"
        if pulled_to
        else "Production calls were never pulled: what they cost is not known"
    )
    return Finding(
        workflow=slug,
        stage=Stage.SPEND,
        kind=STALE,
        severity=Severity.UNKNOWN,
        title=title,
        detail="What was called since then is in no sum." if pulled_to else "No call of production is in any sum.",
        evidence={
            "pulled_to": pulled_to.isoformat() if pulled_to else None,
            "allowed_hours": max(LONGEST_SILENCE, 2 * late_by).total_seconds() / 3600,
            "certainty": "the source was not read for longer than it should be",
            "cost": f"at least {spent}; what came since is not known",
            "to_do": "See why the records are not pulled, and mend that; the next run counts what was missed.",
            "examples": [],
        },
    )


def without_workflows(slug: str, team: str) -> Finding:
    """A team's cap that guards nothing, most often because its name is written in two ways."""
    return Finding(
        workflow=slug,
        stage=Stage.SPEND,
        kind=UNKNOWN,
        severity=Severity.UNKNOWN,
        title=f"The cap of the team {team} guards nothing: no workflow belongs to it",
        about=f"team={team}",
        detail="No workflow.yaml says `team: " + team + "`.",
        evidence={
            "certainty": "no declaration that can be used names it",
            "cost": "not known: what the team's workflows spend is under no cap of the team",
            "to_do": "Name the team in its workflows' declarations, or mend or remove the cap in _fleet.yaml.",
            "examples": [],
        },
    )


def unpriced(slug: str, looks: Sequence[Look], silent: Sequence[str] = ()) -> Sequence[Finding]:
    """One finding for all calls whose cost is not known: of the first cap that has some, else of a period before. ``silent`` are
    workflows under the fleet's caps whose production nobody has read.
    """
    for look in looks:
        if look.calls.not_known or silent:
            return (_finding(slug, look.calls, period_words(look.state), silent),)
    for look in looks:
        if look.before is not None and look.before.not_known:
            found = _finding(slug, look.before, f"the {look.state.rule.cap.period} before", ())
            return (replace(found, detail=f"In the {look.state.rule.cap.period} before: {found.detail}"),)
    return ()


def _finding(slug: str, calls: Calls, when: str, silent: Sequence[str]) -> Finding:
    spent, count = calls.spent(), calls.not_known
    reasons = _reasons(calls) + ([f"not read for long: {', '.join(silent[:NAMED])}"] if silent else [])
    share = Decimal(count) / calls.count if calls.count else Decimal(1)
    title = f"The cost of {share_words(share)} of the calls of {when} is not known"
    if not count:
        title = f"The calls of {plural(len(silent), 'workflow')} are not known up to now"
    counted = f"{count:,} of {calls.count:,} calls ({per_cent(share, places=1)}): " if count else ""
    return Finding(
        workflow=slug,
        stage=Stage.SPEND,
        kind=UNKNOWN,
        severity=Severity.UNKNOWN,
        title=title,
        detail=counted + "; ".join(reasons[:NAMED]),
        evidence={
            "calls": count,
            "share": str(share),
            "reasons": reasons,
            "examples": reasons[:NAMED],
            "certainty": f"{count:,} calls have no price in {spent.currency}"
            if count
            else "their production was not read",
            "cost": f"at least {spent}; the rest is not known{_upper_estimate(calls, spent.currency)}",
            "to_do": "Name the model's price in _fleet.yaml, or let the source report model and tokens."
            if count
            else "See the incidents of these workflows.",
        },
        hangs_on=f"price {model}" if (model := _unpriced_model(calls)) and not silent else "",
    )


def _unpriced_model(calls: Calls) -> str:
    """The model that nobody has a price for, where that is the only reason; else an empty text."""
    lines = calls.unknown_lines
    models = {line.model for line in lines}
    same = len(models) == 1 and all(line.cost is None and line.reason.startswith(_NO_PRICE) for line in lines)
    return models.pop()[:_LONGEST_MODEL] if same else ""


def _reasons(calls: Calls) -> list[str]:
    """Why, with the number of calls of each, the most frequent first."""
    counts: dict[str, int] = {}
    for line in calls.unknown_lines:
        why = line.reason if line.cost is None else f"{line.model} is priced in {line.currency}"
        counts[why] = counts.get(why, 0) + line.calls
    return [
        f"{why} ({plural(count, 'call')})" for why, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]


def _upper_estimate(calls: Calls, currency: str) -> str:
    """What those calls would cost at the dearest average of a priced model; empty where nothing is priced."""
    averages = [line.cost / line.calls for line in calls.known_lines if line.cost is not None and line.calls]
    if not calls.not_known or not averages:
        return ""
    return f" (about {Money(max(averages) * calls.not_known, currency)} at the dearest known model)"
