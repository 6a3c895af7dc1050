"""Incidents and broken declarations as messages: what broke, since when, how sure, what it costs, who acts, what to click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from afterpilot.domain.causation import cause_in
from afterpilot.domain.counting import plural
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Fact, Link, Message, Tone
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Person, Problem

_TONES: dict[Severity, Tone] = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.UNKNOWN: "unknown",
    Severity.INFO: "info",
}
_VERDICTS: dict[Tone, str] = {"critical": "FAIL", "warning": "WARN", "unknown": "UNKNOWN", "info": "note"}
_STAGES = {
    "declare": "the declaration",
    "pull": "reading the production records",
    "check": "data checks",
    "gate": "output checks before use",
    "review": "the review queue",
    "evaluate": "evals against the live model",
    "spend": "spend against the cap",
    "bills": "the providers' bills against the meter",
    "report": "the weekly report",
}
_TO_DO = {
    "declare": "Mend the lines named below; the next load takes them up by itself.",
    "pull": "See why the source cannot be read. Nothing is lost: the next run reads what was missed.",
    "check": "See which rows fail and why, and mend the source or what feeds it.",
    "gate": "Decide on the outputs that wait; see what they have in common.",
    "evaluate": "See which cases broke and what changed: model, prompt or cases.",
    "spend": "See what the money goes to before the cap is reached.",
    "bills": "Compare the day in the provider's console with `afterpilot bills show`.",
    "report": "See why the figures could not be put together.",
}
# How sure a finding of each stage is by the way in which it is made, where the finding itself does not say.
_SURE = {
    "declare": "certain: the files were read",
    "pull": "certain: every row was read",
    "check": "certain: every row of the window was looked at",
    "gate": "certain: each output was looked at",
    "spend": "certain: every known call was counted",
    "bills": "certain: what the bill says was compared with what was metered",
}
_NOT_KNOWN = "not known"
_UNSEEN = "not known; what goes wrong meanwhile is not seen"
_TITLE = 140  # of an incident; a longer one stands in the summary in full
_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a message says beyond the incident itself; plain data, all of it optional.

    ``certainty`` says how sure the finding is ("measured on 24 cases, 95 % interval 63 to 93 %"), ``cost`` what the trouble
    costs ("29 invoices wait, about 3 hours of clerks' time"). Where they are empty, the message says what follows from the
    stage, or that it is not known.
    ``examples`` are up to five short lines of evidence. ``to_do`` replaces the stage's own advice. ``links`` are absolute.
    """

    owner: Person | None = None
    deputy: Person | None = None
    certainty: str = ""
    cost: str = ""
    to_do: str = ""
    examples: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


def incident_message(incident: Incident, finding: Finding | None = None, *, context: Context | None = None) -> Message:
    """The one message of an incident as it stands: opened, still there, or resolved.

    ``finding`` is what the last run found; without it the incident's own title and detail are used.
    """
    given = context or Context()
    if incident.state is IncidentState.RESOLVED:
        return _resolved(incident, given)
    severity = finding.severity if finding else incident.severity
    detail = finding.detail if finding else incident.detail
    tone = _TONES[severity]
    title = finding.title if finding else incident.title
    again = incident.occurrences > 1
    return Message(
        tone=tone,
        title=f"{incident.workflow}: {_short(title)}",
        summary=_summary(title, detail),
        notification=f"{_VERDICTS[tone]} {'still: ' if again else ''}{incident.workflow}: {title}",
        facts=(
            Fact("Since", _since(incident)),
            Fact("How sure", _certainty(incident, severity, given)),
            Fact("What it costs", given.cost or (_UNSEEN if severity is Severity.UNKNOWN else _NOT_KNOWN)),
            Fact("Who acts", _who(incident, given)),
            Fact("What to do", given.to_do or _to_do(incident, severity)),
        ),
        points=given.examples[:_EXAMPLES],
        links=given.links,
        mention=given.owner.slack if given.owner else "",
        footer=_footer(incident),
    )


def declaration_message(
    incident: Incident, problems: Sequence[Problem | str], *, context: Context | None = None
) -> Message:
    """The message of a declaration that cannot be used, with every problem by file and line."""
    count = plural(len(problems), "problem")
    what = "the shared settings cannot be used" if incident.workflow == FLEET else "the declaration cannot be used"
    given = replace(
        context or Context(),
        cost=(
            "schedules, prices and people of the fleet are missing until it is mended"
            if incident.workflow == FLEET
            else "the workflow is not watched until it is mended"
        ),
    )
    message = incident_message(replace(incident, title=f"{what} ({count})", detail=""), context=given)
    if incident.state is IncidentState.RESOLVED:
        return message
    return replace(
        message,
        summary="Nothing is pulled, checked or reported from a broken declaration. All others go on.",
        points=tuple(str(problem) for problem in problems),
    )


def lasted(span: timedelta) -> str:
    """A span of time in its two largest units, e.g. ``3 h 12 min``."""
    minutes = max(int(span.total_seconds() // 60), 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else "less than a minute"


def at(moment: datetime) -> str:
    """A moment as people read it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _resolved(incident: Incident, given: Context) -> Message:
    over = incident.resolved_at or incident.last_seen_at
    cause = cause_in(incident.detail)
    return Message(
        tone="good",
        title=f"{incident.workflow}: over: {_short(incident.title)}",
        summary=_summary(incident.title, ""),
        notification=f"Over {incident.workflow}: {incident.title}",
        facts=(
            Fact("Lasted", f"{at(incident.opened_at)} to {at(over)} ({lasted(over - incident.opened_at)})"),
            *((Fact("It was", cause),) if cause else ()),
            Fact("How sure", given.certainty or "a run that looks for it did not find it again"),
            Fact("Who acts", "nobody needs to"),
        ),
        links=given.links,
        footer=_footer(incident),
    )


def _since(incident: Incident) -> str:
    begun = at(incident.opened_at)
    if incident.occurrences <= 1:
        return begun
    return f"{begun}; found in {incident.occurrences} runs over {lasted(incident.last_seen_at - incident.opened_at)}"


def _certainty(incident: Incident, severity: Severity, given: Context) -> str:
    if severity is not Severity.UNKNOWN:
        return given.certainty or _SURE.get(incident.stage, _NOT_KNOWN)
    reason = given.certainty.removeprefix("UNKNOWN: ") or "the check could not say"
    return f"UNKNOWN: {reason}"


def _to_do(incident: Incident, severity: Severity) -> str:
    if severity is Severity.UNKNOWN and incident.stage != "pull":
        return "See in the run why it could not say; until then nobody knows."
    return _TO_DO.get(incident.stage, "Open the run.")


def _who(incident: Incident, given: Context) -> str:
    if given.owner is None:
        return "the team of the folder" if incident.workflow != FLEET else "the operators of the fleet"
    deputy = f" (deputy: {given.deputy.name})" if given.deputy else ""
    taken = f"; taken up by {incident.acknowledged_by}" if incident.acknowledged_by else ""
    return f"{given.owner.name}{deputy}{taken}"


def _short(title: str) -> str:
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1].rstrip()}…"


def _summary(title: str, detail: str) -> str:
    """The detail; a title that had to be cut comes first, in full."""
    return "\n".join(part for part in (title if len(title) > _TITLE else "", detail) if part)


def _footer(incident: Incident) -> str:
    where = _STAGES.get(incident.stage, incident.stage)
    return f"Afterpilot · {where} · {incident.kind} · incident {str(incident.id)[:8]}"
