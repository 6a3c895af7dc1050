"""One message about all that could wait for a day: by workflow, gravest first, and what is over meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from afterpilot.domain.counting import plural
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Fact, Message
from afterpilot.domain.verdict import Severity
from afterpilot.notify.standing import lasted, whose

_A_DAY = timedelta(hours=30)  # a digest that is some hours late is still one of yesterday's


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that could wait: its incident as it stands now, or what its message said; ``url`` leads to it, or is empty."""

    workflow: str
    title: str
    url: str = ""
    incident: Incident | None = None


def digest_message(notices: Sequence[Notice], *, since: datetime, at: datetime) -> Message:
    """The digest of one channel. There must be a notice; ``since`` is when the first of them came up."""
    gravest = {slug: min(map(_gravity, group)) for slug, group in _by_workflow(notices).items()}
    ordered = sorted(notices, key=lambda one: (gravest[one.workflow], one.workflow, _gravity(one), one.title))
    when = "since yesterday" if at - since <= _A_DAY else f"since {since.astimezone(UTC):%Y-%m-%d}"
    title = f"{plural(len(notices), 'notice')} {when}"
    counted = {slug: _count(list(group)) for slug, group in groupby(ordered, key=lambda one: one.workflow)}
    return Message(
        tone="info",
        title=title,
        summary="None of them was grave enough to be told at once.",
        notification=f"{title}: {', '.join(f'{whose(slug)} {count}' for slug, count in counted.items())}",
        facts=(Fact("By workflow", ", ".join(f"{whose(slug)} {count}" for slug, count in counted.items())),),
        points=tuple(f"{whose(one.workflow)}: {one.title} ({_state(one.incident, at)})" for one in ordered),
        point_urls=tuple(one.url for one in ordered),
        footer="Afterpilot · daily digest · alerts.routes to: digest",
    )


def _by_workflow(notices: Sequence[Notice]) -> dict[str, list[Notice]]:
    found: dict[str, list[Notice]] = {}
    for one in notices:
        found.setdefault(one.workflow, []).append(one)
    return found


def _gravity(notice: Notice) -> int:
    """The lowest is the gravest; what is over comes last."""
    incident = notice.incident
    if incident is None:
        return -Severity.INFO.gravity
    return 1 if incident.state is IncidentState.RESOLVED else -incident.severity.gravity


def _count(notices: Sequence[Notice]) -> str:
    over = sum(one.incident is not None and one.incident.state is IncidentState.RESOLVED for one in notices)
    return f"{len(notices)}, {over} of them over" if over else str(len(notices))


def _state(incident: Incident | None, at: datetime) -> str:
    if incident is None:
        return "no incident"
    if incident.state is IncidentState.RESOLVED:
        return f"over, it lasted {lasted((incident.resolved_at or at) - incident.opened_at)}"
    said = f"{incident.severity}, for {lasted(at - incident.opened_at)}"
    if incident.state is IncidentState.ACKNOWLEDGED:
        return f"{said}, {incident.acknowledged_by} has it"
    return f"{said}, waived" if incident.state is IncidentState.WAIVED else said
