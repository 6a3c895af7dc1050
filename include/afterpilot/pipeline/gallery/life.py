"""The life of one incident: each state in which its message may stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from afterpilot.domain.incident import IncidentState
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.notify.amended import because_of_it, explained_message
from afterpilot.pipeline.gallery.models import worse
from afterpilot.pipeline.gallery.office import AT, DANA, DAY, HOUR, LEE
from afterpilot.pipeline.gallery.records import missing_numbers, stale_data, unreadable
from afterpilot.pipeline.gallery.story import Specimen, Step, incident_of, later, over, told

_TAKEN = {"state": IncidentState.ACKNOWLEDGED, "acknowledged_by": DANA.name, "acknowledged_at": AT + 0.2 * HOUR}
_UNTIL = AT + 3 * DAY
_WAIVED = {
    "state": IncidentState.WAIVED,
    "waived_by": LEE.name,
    "waived_until": _UNTIL,
    "waived_reason": "the ERP is moved this week",
}
_OPEN = {"state": IncidentState.OPEN}


def life() -> Iterator[Specimen]:
    """From its opening to its end."""
    finding, warning = missing_numbers(), replace(missing_numbers("2.5", 5), severity=Severity.WARNING)
    yield told(
        "opened-critical", "A trouble that does damage now was found for the first time. It calls the owner.", finding
    )
    yield told("opened-warning", "A trouble that will do damage if nobody looks.", warning)
    yield told("opened-unknown", "A check could not say. Nobody knows, which is not the same as good.", unreadable())
    yield told(
        "still-there",
        "Later runs find it again: the message is edited and nobody is called anew.",
        finding,
        Step("changed", later(4.2, occurrences=5), silent=True),
    )
    yield told(
        "graver",
        "It has become worse: told in the thread, and the owner is called again.",
        warning,
        Step("graver", {**later(1, occurrences=2), "severity": Severity.CRITICAL}, finding=finding),
    )
    yield told("acknowledged", "Somebody has it: nobody else is called.", finding, _taken())
    yield told("waived", "It may wait until a date, with a reason. It is not told before.", finding, _waived())
    again = Step(
        "waiver_over", {**_OPEN, **later(72, occurrences=64)}, f"the waiver of {LEE.name} is over, it is still there"
    )
    yield told("waiver-over", "The waiver has ended and the trouble has not.", finding, _waived(), again)
    told_now = Step("silence_over", later(3, occurrences=4), "the silence is over, it is still there")
    yield told("silence-over", "A silence has ended; what it kept and is still there is told.", finding, told_now)
    yield from _calls(finding)
    yield from _ends(finding)


def _calls(finding: Finding) -> Iterator[Specimen]:
    waited = "nobody has taken it up within 15 min"
    deputy = Step(
        "escalated", {**later(1, occurrences=2), "escalation": 1}, f"{waited}: {LEE.name}, the deputy, is called"
    )
    channel = Step(
        "escalated", {**later(1, occurrences=2), "escalation": 2}, f"{waited}: everybody in the channel is called"
    )
    yield told("escalated-deputy", "Nobody took it up in time: the deputy is called.", finding, deputy)
    yield told(
        "escalated-channel", "The deputy did not either: whoever is in the channel is called.", finding, deputy, channel
    )


def _ends(finding: Finding) -> Iterator[Specimen]:
    yield told("resolved", "A run that looks for it did not find it again.", finding, _taken(), over(3.2))
    regressed = worse()
    yield told("resolved-regression", "A regression that is over repeats what it was.", regressed, over(49))
    back = Step("reopened", {**_OPEN, **later(5, occurrences=6), "resolved_at": None, "reopened": 1})
    yield told(
        "reopened", "It is back within a day of its end: the same message, open again.", finding, over(3.2), back
    )
    often = {**_OPEN, **later(9, occurrences=11), "resolved_at": None, "reopened": 3, "flapping": True}
    flaps = Step("flapping", often, "it comes and goes: it is over only after 3 good runs in a row")
    yield told(
        "flapping",
        "It came and went three times in a day; it is over only when it stays away.",
        finding,
        over(3.2),
        back,
        over(7),
        flaps,
    )
    lone = Step("unexplained", {**later(2, occurrences=3)}, "what explained it is over, and it is still there")
    yield told("unexplained", "What explained it is over, and it is not: now it is told for itself.", finding, lone)
    yield from _ties()


def _ties() -> Iterator[Specimen]:
    """What another incident explains, and that other one: both messages say so."""
    cause = incident_of(unreadable())
    stale = stale_data()
    before = told(
        "explained", "Another incident explains it: it is edited, calls nobody, and goes with its cause.", stale
    )
    said = f"{cause.title} (incident {str(cause.id)[:8]}): nothing new was read"
    yield replace(before, message=explained_message(before.message, said), news=("opened", "explained"))
    more = Step("explains", later(2, occurrences=3), silent=True)
    whole = told("explains", "It explains others: they are not sent, and its message names them.", unreadable(), more)
    facts = (
        *whole.message.facts,
        *because_of_it([stale.title, "No new record: 2 expectations had nothing to look at"]),
    )
    yield replace(whole, message=replace(whole.message, facts=facts))


def _taken() -> Step:
    return Step("acknowledged", dict(_TAKEN), f"{DANA.name} has taken it up: the import of the ERP hangs, I am on it")


def _waived() -> Step:
    return Step(
        "waived",
        dict(_WAIVED),
        f"{LEE.name} has waived it until {_UNTIL:%Y-%m-%d %H:%M} UTC: the ERP is moved this week",
    )
