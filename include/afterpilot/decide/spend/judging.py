"""All caps of a workflow, or of the fleet, judged together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from afterpilot.decide.spend.crossings import Told, before_over, burning, crossed, crossing
from afterpilot.decide.spend.kinds import BURNING, CROSSING, LEAKING, NEAR, OVER, STALE, UNKNOWN
from afterpilot.decide.spend.looks import Look
from afterpilot.decide.spend.unknown import is_stale, not_pulled_yet, stale, unpriced, without_workflows
from afterpilot.decide.spend.words import NAMED, cap_words, outlook_words, period_words
from afterpilot.domain.counting import per_cent, plural
from afterpilot.domain.metered import Metered
from afterpilot.domain.money import Money
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.watching import Tick


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose spend it is: a workflow, or the fleet.

    ``pulled_to`` is up to when production's calls are known (None: never pulled); ``silent`` are workflows under the fleet's caps
    of which that is too long ago, ``waiting`` those that had no chance to be pulled yet, ``nobody`` the teams with a cap to which no workflow belongs. ``followed`` says whether the
    newest calls were looked at for their pace; ``first_pull`` is when production is due to be pulled for the first time. ``repriced`` are sentences about prices that have changed what calls cost.
    """

    slug: str
    zone: str = "UTC"
    fleet: bool = False
    pulled_to: datetime | None = None
    late_by: timedelta = timedelta(0)
    first_pull: Tick | None = None
    silent: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    nobody: tuple[str, ...] = ()
    followed: bool = True
    repriced: tuple[str, ...] = ()

    def stale(self, now: datetime) -> bool:
        """Whether calls are missing that should be known by now."""
        return bool(self.silent or self.waiting) if self.fleet else is_stale(self.pulled_to, self.late_by, now)

    def waits(self, now: datetime) -> bool:
        """Whether a workflow's calls are missing only because its first pull is not overdue yet."""
        return self.pulled_to is None and self.first_pull is not None and now < self.first_pull.late_at

    def not_yet(self, now: datetime) -> str:
        """Why calls are missing that nobody could have pulled by now; empty where none is for that reason."""
        if self.waiting:
            return f"{plural(len(self.waiting), 'workflow')} not pulled yet: {', '.join(self.waiting[:NAMED])}"
        return not_pulled_yet(self.first_pull) if self.first_pull is not None and self.waits(now) else ""


def judge_spend(
    subject: Subject, looks: Sequence[Look], *, now: datetime, standing: Collection[tuple[str, str]] = ()
) -> StageResult:
    """Hold what was spent against every cap; the first of ``looks`` is the main one.

    Calls without a price, or priced in another currency than the caps, make it UNKNOWN: the known part may be far below a cap
    while the whole is above. So does production that was not pulled for long, without a finding before the first pull is overdue. A period without any call has cost nothing, which
    is known where the pull is up to date: then it passes. ``standing`` are the findings of earlier runs that are not over, as
    (kind, about).
    """
    main = looks[0]
    told = Told(subject.slug, subject.zone, subject.fleet, standing)
    late, not_yet = subject.stale(now), subject.not_yet(now)
    unknown = [*unpriced(subject.slug, looks, subject.silent)]
    if late and not subject.fleet and not not_yet:
        unknown.insert(0, stale(subject.slug, main.spent, pulled_to=subject.pulled_to, late_by=subject.late_by))
    findings = [*unknown, *(without_workflows(subject.slug, team) for team in subject.nobody)]
    for look in looks:
        whole = not late and not look.calls.not_known
        findings += [*crossed(told, look, whole=whole), *crossing(told, look, whole=whole)]
        findings += before_over(told, look, whole=not (look.before and look.before.not_known))
    known = not unknown and not not_yet
    findings += burning(told, looks, whole=known)
    return StageResult(
        workflow=subject.slug,
        stage=Stage.SPEND,
        summary=_summary(looks, known=known),
        findings=tuple(findings),
        evidence=_evidence(subject, looks),
        checked=max(look.calls.count for look in looks),
        nothing_is_fine=not any(look.calls.count for look in looks),
        covered=_covered(subject, looks, known=known),
        not_yet=not_yet,
    )


def _covered(subject: Subject, looks: Sequence[Look], *, known: bool) -> tuple[str, ...]:
    """What this run could have found. While a part is not known, a cap that was crossed cannot be said to be kept again."""
    kinds = [UNKNOWN, STALE]
    if known:
        kinds += [OVER, NEAR]
        if subject.followed:
            kinds += [BURNING]
        if not any(look.burn for look in looks):
            kinds += [LEAKING]
        # A forecast that could not be made takes no word back; of a cap that was reached in the meantime it has come true.
        if all(look.forecast.expected is not None or look.state.reached for look in _forecast(looks)):
            kinds += [CROSSING]
    return tuple(kinds)


def _forecast(looks: Sequence[Look]) -> Sequence[Look]:
    """Those caps that a forecast can be made for at all: of more than a day."""
    return [look for look in looks if look.state.period.length > timedelta(hours=25)]


def _summary(looks: Sequence[Look], *, known: bool) -> str:
    main, calls = looks[0], looks[0].calls
    cap = cap_words(main.state)
    if not calls.count:
        said = (
            f"no calls {'' if known else 'known '}in {period_words(main.state)} yet, {cap.replace('cap of', 'cap is')}"
        )
    else:
        of = cap.removeprefix("the cap of ")
        said = f"{main.spent} of {of} spent ({per_cent(main.share, places=1)}) on {plural(calls.count, 'call')}"
    if calls.not_known:
        said += f", {plural(calls.not_known, 'more call')} without a known price in {calls.currency}"
    nearest = max(looks, key=lambda look: look.share)
    if nearest is not main and nearest.share > main.share:
        said += f"; {per_cent(nearest.share, places=1)} of {cap_words(nearest.state)}"
    return said


def _evidence(subject: Subject, looks: Sequence[Look]) -> dict[str, Any]:
    main, calls = looks[0], looks[0].calls
    rule, currency = main.state.rule, calls.currency
    crosses = main.forecast.crosses
    return {
        "cap": str(main.state.limit.amount),
        "currency": currency,
        "period": rule.cap.every,
        "zone": subject.zone,
        "spent": str(main.spent.amount),
        "share": str(main.share),
        "production": str(calls.spent("production").amount),
        "evals": str(calls.spent("eval").amount),
        "calls": calls.count,
        "unpriced": calls.not_known,
        "priced_coverage": None if calls.coverage is None else str(calls.coverage),
        "pulled_to": subject.pulled_to.isoformat() if subject.pulled_to else None,
        "spent_before": str(main.before.spent().amount) if main.before else None,
        "crosses_at": crosses.isoformat() if crosses and not main.state.reached else None,
        "forecast": outlook_words(main) + (", not counting what has no price" if calls.not_known else ""),
        "caps": [_cap(look) for look in looks],
        "by_model": [_line(line) for line in calls.lines] if not subject.fleet else [],
        "repriced": list(subject.repriced),
    }


def _cap(look: Look) -> dict[str, Any]:
    """One cap as JSON-serialisable data, for pages and the command line."""
    state, given = look.state, look.forecast
    burns = [burn for burn in (look.burn, look.leak) if burn is not None]
    return {
        "cap": state.rule.key,
        "limit": str(state.limit.amount),
        "declared": str(state.rule.cap.limit.amount),
        "currency": state.limit.currency,
        "every": state.rule.cap.every,
        "model": state.rule.model,
        "team": state.rule.team,
        "at_cap": state.rule.at_cap,
        "warn_at": [str(level) for level in state.rule.warn_at],
        "period": [state.period.start.isoformat(), state.period.end.isoformat()],
        "spent": str(look.spent.amount),
        "share": str(look.share),
        "calls": look.calls.count,
        "unpriced": look.calls.not_known,
        "priced_coverage": None if look.calls.coverage is None else str(look.calls.coverage),
        "unknown": state.unknown,
        "reached_at": look.reached_at.isoformat() if look.reached_at else None,
        "forecast": {
            "expected": _amount(given.expected),
            "low": _amount(given.low),
            "high": _amount(given.high),
            "crosses": given.crosses.isoformat() if given.crosses else None,
            "earliest": given.earliest.isoformat() if given.earliest else None,
            "latest": given.latest.isoformat() if given.latest else None,
            "days": given.days,
            "reason": given.reason,
            "words": outlook_words(look),
        },
        "burn": [
            {"hours": burn.window / timedelta(hours=1), "rate": round(burn.rate, 2), "spent": str(burn.spent.amount)}
            for burn in burns
        ],
    }


def _amount(money: Money | None) -> str | None:
    return None if money is None else str(money.amount)


def _line(line: Metered) -> dict[str, object]:
    return {
        "kind": line.kind,
        "model": line.model,
        "calls": line.calls,
        "unpriced": line.unpriced,
        "cost": None if line.cost is None else f"{line.cost} {line.currency}",
        "reason": line.reason,
    }
