"""The verdict on a period's spend: known or not, near the cap or over it, and when it will be crossed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from afterpilot.domain.money import Cap, Money
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

UNKNOWN, STALE, OVER, NEAR = "spend.unknown", "spend.stale", "spend.over_cap", "spend.near_cap"
_NAMED = 5
_LONGEST_SILENCE = timedelta(hours=26)  # a daily pull that comes a little late is no news
_FIRST_DAY = timedelta(days=1)
_KINDS = {"production": "production", "eval": "evals"}
_AT_CAP = {
    "tell": "",
    "ask_owner": "The owner decides whether the cap is raised.",
    "stop": "The workflow is to stop.",
}
_TO_DO = {
    "tell": "See what the money goes to; raise the cap in workflow.yaml or use less.",
    "ask_owner": "Decide: raise the cap in workflow.yaml, or stop the workflow until the next period.",
    "stop": "Stop the workflow until the next period, or raise the cap in workflow.yaml.",
}
_LEAST_SHARE_OF_PERIOD = Decimal("0.1")  # a forecast from less would be a guess


@dataclass(frozen=True, slots=True)
class SpendLine:
    """Calls of one kind (production or eval), model and currency; ``cost`` sums those with a price, None without any."""

    kind: str
    model: str
    currency: str
    reason: str
    calls: int
    unpriced: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a workflow's calls cost in the cap's period so far."""

    period: Window
    lines: tuple[SpendLine, ...]

    @property
    def calls(self) -> int:
        """All calls, priced or not."""
        return sum(line.calls for line in self.lines)

    @property
    def unpriced(self) -> int:
        """Calls whose cost is not known."""
        return sum(line.unpriced for line in self.lines)

    def spent(self, currency: str, kind: str = "") -> Money:
        """What the priced calls in that currency cost, of one kind or of all."""
        costs = (
            line.cost
            for line in self.lines
            if line.cost is not None and line.currency == currency and kind in {"", line.kind}
        )
        return Money(sum(costs, Decimal(0)), currency)


def judge_spend(
    workflow: Workflow, totals: Totals, *, now: datetime, pulled_to: datetime | None, before: Totals | None = None
) -> StageResult:
    """Hold the period's spend against the cap.

    Calls without a price, or priced in another currency than the cap, make it UNKNOWN: the known part may be far below the cap
    while the whole is above. So does production that was not pulled for long (``pulled_to``, None for never). A period without
    any call has cost nothing, which is known where the pull is up to date: then it passes. ``before`` is the period before,
    where its calls may still come in.
    """
    cap = workflow.spend.cap
    spent = totals.spent(cap.limit.currency)
    share = spent.share_of(cap.limit)
    crossing = forecast(spent, cap.limit, totals.period, now)
    outlook = _outlook(spent, cap, totals.period, now, crossing)
    unknown = [*_stale(workflow, spent, now, pulled_to), *_unpriced(workflow, totals, before)]
    against = _against_cap(workflow, totals, spent, share, outlook, whole=not unknown)
    findings = [*unknown, *against, *_before_over(workflow, before)]
    known = f"{spent} of {cap} spent ({share:.1%}) on {totals.calls:,} calls"
    more = f", {totals.unpriced:,} more calls without a known price" if totals.unpriced else ""
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.SPEND,
        summary=known + more
        if totals.calls
        else f"no calls {'known ' if unknown else ''}in this {cap.period} yet, the cap is {cap}",
        findings=tuple(findings),
        evidence={
            "cap": str(cap.limit.amount),
            "currency": cap.limit.currency,
            "period": cap.period,
            "spent": str(spent.amount),
            "share": str(share),
            "production": str(totals.spent(cap.limit.currency, "production").amount),
            "evals": str(totals.spent(cap.limit.currency, "eval").amount),
            "calls": totals.calls,
            "unpriced": totals.unpriced,
            "pulled_to": pulled_to.isoformat() if pulled_to else None,
            "spent_before": str(before.spent(cap.limit.currency).amount) if before else None,
            "crosses_at": crossing.isoformat() if crossing else None,
            "forecast": outlook + (", not counting what has no price" if totals.unpriced else ""),
            "by_model": [_as_dict(line) for line in totals.lines],
        },
        checked=totals.calls,
        nothing_is_fine=not totals.calls,
        # While a part is not known, a cap that was crossed cannot be said to be kept again.
        covered=(UNKNOWN, STALE) if unknown else (UNKNOWN, STALE, OVER, NEAR),
    )


def still_open(workflow: Workflow, period: Window, *, now: datetime, pulled_to: datetime | None) -> bool:
    """Whether calls of the period before ``period`` may still come in, or came in so lately that nobody has judged them."""
    complete = period.start + workflow.source.late_by
    return now < period.start + _FIRST_DAY or pulled_to is None or pulled_to < complete


def _stale(workflow: Workflow, spent: Money, now: datetime, pulled_to: datetime | None) -> Sequence[Finding]:
    """One finding where production's calls are not known up to about now."""
    allowed = max(_LONGEST_SILENCE, 2 * workflow.source.late_by)
    if pulled_to is not None and pulled_to >= now - allowed:
        return ()
    title = (
        f"Production calls are known up to {pulled_to:%Y-%m-%d %H:%M} UTC only"
        if pulled_to
        else "Production calls were never pulled: what they cost is not known"
    )
    return (
        Finding(
            workflow=workflow.slug,
            stage=Stage.SPEND,
            kind=STALE,
            severity=Severity.UNKNOWN,
            title=title,
            detail="What was called since then is in no sum." if pulled_to else "No call of production is in any sum.",
            evidence={
                "pulled_to": pulled_to.isoformat() if pulled_to else None,
                "allowed_hours": allowed.total_seconds() / 3600,
                "certainty": "the source was not read for longer than it should be",
                "cost": f"at least {spent}; what came since is not known",
                "to_do": "See why the records are not pulled, and mend that; the next run prices what was missed.",
                "examples": [],
            },
        ),
    )


def _before_over(workflow: Workflow, before: Totals | None) -> Sequence[Finding]:
    """The cap of the period before, should it have been crossed: late calls may do so after its end."""
    if before is None:
        return ()
    cap = workflow.spend.cap
    spent = before.spent(cap.limit.currency)
    share = spent.share_of(cap.limit)
    if share < 1:
        return ()
    outlook = f"the {cap.period} is over"
    whole = not _unknown(workflow, before, spent)
    return [one for one in _against_cap(workflow, before, spent, share, outlook, whole=whole) if one.kind == OVER]


def _unpriced(workflow: Workflow, totals: Totals, before: Totals | None) -> Sequence[Finding]:
    """What is not known of this period; where all of it is, what is not known of the period before."""
    currency = workflow.spend.cap.limit.currency
    if found := _unknown(workflow, totals, totals.spent(currency)):
        return found
    late = _unknown(workflow, before, before.spent(currency)) if before else ()
    since = f"In the {workflow.spend.cap.period} before: "
    return tuple(replace(finding, detail=since + finding.detail) for finding in late)


def forecast(spent: Money, cap: Money, period: Window, now: datetime) -> datetime | None:
    """When the cap will be crossed if spend goes on at the period's pace so far; None where that is not within the period,
    where too little of the period has passed to say, or where it was crossed already.
    """
    passed = Decimal((now - period.start).total_seconds())
    whole = Decimal(period.length.total_seconds())
    if not 0 < spent.amount < cap.amount or passed < _LEAST_SHARE_OF_PERIOD * whole:
        return None
    seconds = passed * cap.amount / spent.amount
    return period.start + timedelta(seconds=float(seconds)) if seconds < whole else None


def _outlook(spent: Money, cap: Cap, period: Window, now: datetime, crossing: datetime | None) -> str:
    """The forecast in words, or why there is none."""
    passed, whole = (Decimal(span.total_seconds()) for span in (now - period.start, period.length))
    if spent.amount >= cap.limit.amount:
        return "the cap is reached"
    if crossing is not None:
        return f"at this pace the cap is reached on {crossing:%Y-%m-%d %H:%M} UTC"
    if passed < _LEAST_SHARE_OF_PERIOD * whole:
        return f"no forecast yet: too little of the {cap.period} has passed"
    return f"at this pace {Money(spent.amount * whole / passed, spent.currency)} by the end of the {cap.period}"


def _unknown(workflow: Workflow, totals: Totals, spent: Money) -> Sequence[Finding]:
    """One finding for all calls whose cost in the cap's currency is not known."""
    lost = [line for line in totals.lines if line.unpriced]
    foreign = [line for line in totals.lines if line.cost is not None and line.currency != spent.currency]
    if not lost and not foreign:
        return ()
    count = sum(line.unpriced for line in lost) + sum(line.calls - line.unpriced for line in foreign)
    share = Decimal(count) / Decimal(totals.calls)
    reasons = sorted(
        {line.reason for line in lost} | {f"{line.model} is priced in {line.currency}" for line in foreign}
    )
    return (
        Finding(
            workflow=workflow.slug,
            stage=Stage.SPEND,
            kind=UNKNOWN,
            severity=Severity.UNKNOWN,
            title=f"The cost of {count:,} of {totals.calls:,} calls ({share:.1%}) is not known",
            detail="; ".join(reasons),
            evidence={
                "calls": count,
                "share": str(share),
                "reasons": reasons,
                "examples": reasons[:_NAMED],
                "certainty": f"{count:,} calls have no price in {spent.currency}",
                "cost": f"at least {spent}; the rest is not known" + _upper_estimate(totals, count, spent),
                "to_do": "Name the model's price in _fleet.yaml, or let the source report model and tokens.",
            },
        ),
    )


def _upper_estimate(totals: Totals, count: int, spent: Money) -> str:
    """What the unpriced calls would cost at the dearest average of a priced model; empty where nothing is priced."""
    averages = [
        line.cost / (line.calls - line.unpriced)
        for line in totals.lines
        if line.cost is not None and line.calls > line.unpriced and line.currency == spent.currency
    ]
    return f" (about {Money(max(averages) * count, spent.currency)} at the dearest known model)" if averages else ""


def _against_cap(
    workflow: Workflow, totals: Totals, spent: Money, share: Decimal, outlook: str, *, whole: bool
) -> Sequence[Finding]:
    """The cap itself and every level that was crossed, gravest first.

    Each is an incident of its own, and stands until the period ends: that the next level was crossed too is no good news
    about this one. The titles of the levels hold no sum, so that their messages change only when something does.
    """
    cap = workflow.spend.cap
    began = f"{totals.period.start:%Y-%m-%d}"
    evidence = {
        "certainty": "certain: every call was priced and summed"
        if whole
        else "certain for the known part alone; there is more whose cost is not known",
        "cost": f"{spent} of {cap}" + ("" if whole else ", and what is not known"),
        "to_do": _TO_DO[workflow.spend.main.at_cap]
        if share >= 1
        else "See what the money goes to. Expected work: raise the cap in workflow.yaml before it is reached.",
        "examples": _dearest(totals, spent.currency),
    }
    over = Finding(
        workflow=workflow.slug,
        stage=Stage.SPEND,
        kind=OVER,
        severity=Severity.CRITICAL,
        title=f"Spend is over the cap: {spent} of {cap} ({share:.0%})",
        about=began,
        detail=_AT_CAP[workflow.spend.main.at_cap],
        evidence=evidence,
    )
    levels = sorted((level for level in workflow.spend.main.warn_at if share >= level), reverse=True)
    near = [
        Finding(
            workflow=workflow.slug,
            stage=Stage.SPEND,
            kind=NEAR,
            severity=Severity.WARNING,
            title=f"Spend has crossed {level:.0%} of the cap of {cap}",
            about=f"{began}/{level}",
            detail=f"{spent} so far; {outlook}.",
            evidence=evidence,
        )
        for level in levels
    ]
    return [over, *near] if share >= 1 else near


def _dearest(totals: Totals, currency: str) -> list[str]:
    """What the money went to, dearest first."""
    priced = sorted(
        ((line.cost, line) for line in totals.lines if line.cost is not None and line.currency == currency),
        key=lambda pair: -pair[0],
    )
    return [
        f"{_KINDS.get(line.kind, line.kind)}, {line.model}: {Money(cost, currency)} for {line.calls - line.unpriced:,} calls"
        for cost, line in priced[:_NAMED]
    ]


def _as_dict(line: SpendLine) -> dict[str, object]:
    return {
        "kind": line.kind,
        "model": line.model,
        "calls": line.calls,
        "unpriced": line.unpriced,
        "cost": None if line.cost is None else f"{line.cost} {line.currency}",
        "reason": line.reason,
    }
