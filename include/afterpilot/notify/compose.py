"""Incidents and broken declarations as messages: what broke, since when, how sure, what it costs, who acts, what to click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from afterpilot.domain.causation import cause_in
from afterpilot.domain.counting import plural
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Fact, Link, Message
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Person, Problem
from afterpilot.notify.blocks import HEADER, HERE
from afterpilot.notify.standing import at, badge, duration, lasted, notification, tone, whose
from afterpilot.notify.text import escaped, one_line, size

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
    "watch": "the watchdog",
}
_TO_DO = {
    "declare": "Mend the lines that are named; the next load takes them up by itself.",
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
_TITLE = HEADER - 5  # a longer one stands in the summary in full
_EXAMPLES = 5
_CALLED = ("graver", "reopened", "escalated")  # news that calls somebody even where the incident was taken up


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


def incident_message(
    incident: Incident,
    finding: Finding | None = None,
    *,
    context: Context | None = None,
    news: str = "",
    said: str = "",
) -> Message:
    """The one message of an incident as it stands: opened, still there, acknowledged, waived, or over.

    ``finding`` is what the last run found; without it the incident's own title and detail are used. ``news`` is what has just
    happened to it, as its time line calls it; ``said`` tells it in a sentence.
    """
    given = context or Context()
    severity = finding.severity if finding else incident.severity
    title = finding.title if finding else incident.title
    over = incident.state is IncidentState.RESOLVED
    headed = _title(incident, severity, title)
    detail = "" if over else finding.detail if finding else incident.detail
    return Message(
        tone=tone(incident, severity),
        title=headed if _fits(headed) else f"{headed[: _TITLE - 1].rstrip()}…",
        summary="\n".join(part for part in ("" if _fits(headed) else title, detail) if part),
        notification=notification(incident, severity, title, news=news, said=said),
        facts=_facts_when_over(incident, given) if over else _facts(incident, severity, given),
        details=() if over else _details(incident, severity, given),
        points=() if over else given.examples[:_EXAMPLES],
        links=given.links,
        mention=_called(incident, given, news),
        footer=_footer(incident),
    )


def declaration_message(
    incident: Incident,
    problems: Sequence[Problem | str],
    *,
    context: Context | None = None,
    news: str = "",
    said: str = "",
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
    message = incident_message(
        replace(incident, title=f"{what} ({count})", detail=""), context=given, news=news, said=said
    )
    if incident.state is IncidentState.RESOLVED:
        return message
    return replace(
        message,
        summary="Nothing is pulled, checked or reported from a broken declaration. All others go on.",
        points=tuple(str(problem) for problem in problems),
    )


def _title(incident: Incident, severity: Severity, title: str) -> str:
    return f"{badge(incident, severity)} · {whose(incident.workflow)}: {title}"


def _fits(title: str) -> bool:
    return size(escaped(one_line(title))) <= _TITLE


def _facts(incident: Incident, severity: Severity, given: Context) -> tuple[Fact, ...]:
    waived = incident.state is IncidentState.WAIVED and incident.waived_until is not None
    return (
        Fact("Since", _since(incident)),
        *((Fact("Waived", _waived(incident)),) if waived else ()),
        Fact("Who acts", _who(incident, given)),
        Fact("What to do", given.to_do or _to_do(incident, severity)),
    )


def _details(incident: Incident, severity: Severity, given: Context) -> tuple[Fact, ...]:
    return (
        Fact("How sure", _certainty(incident, severity, given)),
        Fact("What it costs", given.cost or (_UNSEEN if severity is Severity.UNKNOWN else _NOT_KNOWN)),
    )


def _facts_when_over(incident: Incident, given: Context) -> tuple[Fact, ...]:
    over = incident.resolved_at or incident.last_seen_at
    cause = cause_in(incident.detail)
    return (
        Fact("Lasted", f"{at(incident.opened_at)} to {at(over)} ({duration(incident)})"),
        *((Fact("It was", cause),) if cause else ()),
        Fact("How sure", given.certainty or "a run that looks for it did not find it again"),
        Fact("Who acts", "nobody needs to"),
    )


def _called(incident: Incident, given: Context, news: str) -> str:
    """Whom the message calls: the owner, after a first escalation the deputy, after that everybody in the channel."""
    if incident.state is not IncidentState.OPEN and news not in _CALLED:
        return ""
    if incident.escalation > 1:
        return HERE
    person = given.deputy if incident.escalation and given.deputy else given.owner
    return person.slack if person else ""


def _since(incident: Incident) -> str:
    begun = at(incident.opened_at)
    if incident.occurrences <= 1:
        return begun
    return f"{begun}; found in {incident.occurrences} runs over {lasted(incident.last_seen_at - incident.opened_at)}"


def _certainty(incident: Incident, severity: Severity, given: Context) -> str:
    if severity is not Severity.UNKNOWN:
        return given.certainty or _SURE.get(incident.stage, _NOT_KNOWN)
    reason = given.certainty.removeprefix("UNKNOWN: ") or "the check could not say"
    if reason.startswith("certain"):  # of what is seen: that nothing is known
        return reason
    return f"UNKNOWN: {reason}"


def _to_do(incident: Incident, severity: Severity) -> str:
    if severity is Severity.UNKNOWN and incident.stage != "pull":
        return "See in the run why it could not say; until then nobody knows."
    return _TO_DO.get(incident.stage, "Open the run.")


def _who(incident: Incident, given: Context) -> str:
    if given.owner is None:
        return "the team of the folder" if incident.workflow != FLEET else "the operators of the fleet"
    if incident.state is IncidentState.ACKNOWLEDGED and incident.acknowledged_by:
        since = f" since {at(incident.acknowledged_at)}" if incident.acknowledged_at else ""
        owner = f" (owner: {given.owner.name})" if given.owner.name != incident.acknowledged_by else ""
        return f"{incident.acknowledged_by}{since}{owner}"
    if incident.state is IncidentState.WAIVED:
        return f"{given.owner.name}, when the waiver is over"
    if incident.escalation > 1:
        called = f"{given.owner.name}{f' nor {given.deputy.name}' if given.deputy else ''}"
        return f"whoever sees this first: {'neither ' if given.deputy else 'not '}{called} has taken it up in time"
    if incident.escalation and given.deputy:
        return f"{given.deputy.name} (deputy): {given.owner.name} has not taken it up in time"
    return f"{given.owner.name}{f' (deputy: {given.deputy.name})' if given.deputy else ''}"


def _waived(incident: Incident) -> str:
    until = f"until {at(incident.waived_until)}" if incident.waived_until else ""
    reason = f": {incident.waived_reason}" if incident.waived_reason else ""
    return f"{until} by {incident.waived_by or 'somebody'}{reason}"


def _footer(incident: Incident) -> str:
    where = _STAGES.get(incident.stage, incident.stage)
    return f"Afterpilot · {where} · {incident.kind} · incident {str(incident.id)[:8]}"
