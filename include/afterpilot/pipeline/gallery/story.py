"""A message of the gallery with its thread: what was told first, and what came after it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Message
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding
from afterpilot.pipeline.gallery.office import AT, CHANNELS, WORKFLOW, WRITER

_IDS = uuid.UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")


@dataclass(frozen=True, slots=True)
class Specimen:
    """One kind of message.

    Args:
        name: short and stable: the part of the page's address, and the name of its golden files.
        when: one sentence for whoever gets it: when it comes, and what follows.
        channel: where it stands.
        kind: the incident's kind; of a message without an incident its kind in the outbox.
        message: as it stands in the channel now.
        opening: as it was posted first: its details are the first reply in the thread.
        lines: the later replies in the thread.
        news: what has happened to it, in the words of its time line, and its kind in the outbox.
    """

    name: str
    when: str
    channel: str
    kind: str
    message: Message
    opening: Message
    lines: tuple[Message, ...] = ()
    news: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to an incident: the news, the changes that it makes, the sentence that a person or a sweep adds; ``silent`` edits
    make no line in the thread.
    """

    news: str
    changes: dict[str, object] = field(default_factory=dict)
    said: str = ""
    finding: Finding | None = None
    silent: bool = False


def incident_of(finding: Finding, *, at: datetime = AT) -> Incident:
    """The incident that a finding opens."""
    return Incident(
        id=uuid.uuid5(_IDS, f"{finding.workflow}/{finding.fingerprint}"),
        fingerprint=finding.fingerprint,
        workflow=finding.workflow,
        stage=str(finding.stage),
        kind=finding.kind,
        severity=finding.severity,
        state=IncidentState.OPEN,
        title=finding.title,
        detail=finding.detail,
        opened_at=at,
        last_seen_at=at,
        occurrences=1,
        run_id=None if finding.stage == "watch" else uuid.uuid5(_IDS, finding.title),
        hangs_on=finding.hangs_on,
    )


def told(name: str, when: str, finding: Finding, *steps: Step) -> Specimen:
    """The message about a finding, from its opening on, through each step."""
    incident = incident_of(finding)
    opening = message = _composed(incident, Step("opened", finding=finding))
    lines = []
    for step in steps:
        incident = replace(incident, **step.changes)  # type: ignore[arg-type] # a step names the incident's own fields
        known = step.finding or (None if incident.state is IncidentState.RESOLVED else finding)
        message = _composed(incident, replace(step, finding=known))
        if not step.silent:
            lines.append(reply(message, calls=step.news in _CALLS))
    return Specimen(
        name=name,
        when=when,
        channel=CHANNELS.get(finding.workflow, WORKFLOW.channel),
        kind=finding.kind,
        message=message,
        opening=opening,
        lines=tuple(lines),
        news=("opened", *(step.news for step in steps)),
    )


def plain(name: str, when: str, message: Message, kind: str, *, channel: str = WORKFLOW.channel) -> Specimen:
    """A message that is about no incident."""
    return Specimen(name, when, channel, kind, message, message, news=(kind,))


def reply(message: Message, *, calls: bool = False) -> Message:
    """The line in the thread about an edit, as delivery makes it of the edited message."""
    text = message.notification
    return Message(
        tone=message.tone, title="", summary=text, notification=text, mention=message.mention if calls else ""
    )


def later(hours: float, *, occurrences: int) -> dict[str, object]:
    """An incident that was found again."""
    return {"last_seen_at": AT + timedelta(hours=hours), "occurrences": occurrences}


def over(hours: float) -> Step:
    """The run that does not find it any more."""
    return Step("resolved", {"state": IncidentState.RESOLVED, "resolved_at": AT + timedelta(hours=hours)})


_CALLS = ("graver", "reopened", "escalated", "waiver_over", "silence_over")


def _composed(incident: Incident, step: Step) -> Message:
    known = None if incident.workflow == FLEET or incident.stage == "declare" else WORKFLOW
    return WRITER.incident(
        incident, step.finding, workflow=known, run_id=incident.run_id, news=step.news, said=step.said
    )


def only(findings: Sequence[Finding], kind: str) -> Finding:
    """The one finding of that kind. Raises LookupError where there is none."""
    found = next((one for one in findings if one.kind == kind), None)
    if found is None:
        raise LookupError(f"no finding of the kind {kind} was made")
    return found
