"""What has changed in a week that was reported already, and the message that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from afterpilot.domain.message import Message
from afterpilot.report.facts import Figure, WeeklyOutcome
from afterpilot.report.numbers import day

_MOST = 4  # changes in the line that people are notified with


@dataclass(frozen=True, slots=True)
class Corrected:
    """One figure of a reported week that is another now, both in words."""

    name: str
    was: str
    now: str

    def __str__(self) -> str:
        """What is another now; parts between semicolons that read alike are left out."""
        was, now = self.was.split("; "), self.now.split("; ")
        gone = [one for one in was if one not in now] or was
        new = [one for one in now if one not in was] or now
        return f"{self.name}: {'; '.join(gone)} → {'; '.join(new)}"


def corrected_figures(reported: Mapping[str, Any], outcome: WeeklyOutcome) -> tuple[Corrected, ...]:
    """The figures that read otherwise than in the report that was kept (``WeeklyOutcome.as_dict()``).

    The words are rounded: what they do not show is no correction. A figure that was known and cannot be told now is none
    either: it would take a fact back without another in its place.
    """
    figures = {
        outcome.kpi_name: ("kpi", outcome.kpi),
        "handled alone": ("alone", outcome.alone),
        "overridden": ("overrides", outcome.overrides),
        "wrong when alone": ("errors", outcome.errors),
        "cost": ("cost", outcome.cost),
    }
    found = [_figure(name, reported.get(key) or {}, now) for name, (key, now) in figures.items()]
    found.append(_routed(reported, outcome))
    if (was := reported.get("stages", "")) != outcome.stages:
        found.append(Corrected("checks", was, outcome.stages))
    return tuple(one for one in found if one is not None)


def corrected_message(
    message: Message, outcome: WeeklyOutcome, changes: Sequence[Corrected], *, at: datetime
) -> Message:
    """The week's message as it stands now; its notification is the line in the thread, and calls nobody."""
    said = "; ".join(str(one) for one in changes[:_MOST])
    more = f"; and {len(changes) - _MOST} more" if len(changes) > _MOST else ""
    return replace(
        message,
        title=f"{message.title} (corrected)",
        notification=f"Corrected: {outcome.workflow}, week of {day(outcome.week)}: {said}{more}",
        points=(*(f"Corrected: {one}" for one in changes), *message.points),
        mention="",
        footer=f"{message.footer} · corrected {at:%Y-%m-%d %H:%M} UTC",
    )


def _figure(name: str, was: Mapping[str, Any], now: Figure) -> Corrected | None:
    if now.value is None or was.get("words") == now.words:
        return None
    return Corrected(name, str(was.get("words") or "not reported"), now.words)


def _routed(reported: Mapping[str, Any], outcome: WeeklyOutcome) -> Corrected | None:
    """Outputs sent to people; how many of these still wait changes by itself and is no correction."""
    facts = reported.get("facts") or {}
    before = next((one for one in facts.get("counts", ()) if one.get("week") == outcome.week.isoformat()), None)
    counts = outcome.facts.this_week
    if counts is None or before is None or before.get("routed") == counts.routed:
        return None
    return Corrected("to people", f"{before.get('routed'):,} routed", f"{counts.routed:,} routed")
