"""Where an alert goes, by silences, maintenance, routes and hours. Pure: everything it looks at is given.

What comes first decides: a silence, a maintenance window, the workflow's own routes, the fleet's routes, the workflow's
channel. Silences and maintenance keep a message; nothing else keeps one that is critical or UNKNOWN, or makes it wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from afterpilot.domain.alerting import (
    CHANNEL,
    DIGEST,
    DIGEST_AT,
    OWNER,
    SLACK,
    Alert,
    Alerting,
    Destination,
    Maintenance,
    Route,
    Routed,
    Silence,
)
from afterpilot.domain.verdict import Severity
from afterpilot.domain.working_hours import WorkingHours

_GRAVE = (Severity.CRITICAL, Severity.UNKNOWN)
_SLACK_CHANNEL = "#CG"  # how its name or its id begins; a target's name begins with a small letter


def routed(alert: Alert, *, fleet: Alerting, own: Alerting | None, silences: Sequence[Silence], at: datetime) -> Routed:
    """Where it goes now, with the steps that led there. ``own`` is what the workflow itself declares."""
    looked = _Look(alert, fleet, own or Alerting(), at)
    steps: list[str] = []
    silenced = _by_silence(looked, silences, steps) or _by_maintenance(looked, steps)
    to, kept = _by_routes(looked, steps)
    return Routed(to, silenced=silenced or kept, steps=tuple(steps))


def followed(plan: Routed, told: Sequence[Destination], *, anew: bool = False, over: bool = False) -> Routed:
    """The plan for later news of an incident that has been told: where it stands, and, for news that counts ``anew`` (graver, back
    again), where the routes lead by now, too.

    So nothing stands open in one place and is over in another. What is ``over`` is said there even in a silence: an edit of
    what stands.
    """
    if not told:
        return plan
    places = tuple(_once((*told, *plan.to) if anew else told))
    silenced = "" if over else plan.silenced
    return replace(plan, to=places, silenced=silenced, steps=(*plan.steps, "later news goes where it was told"))


def hours_of(fleet: Alerting, own: Alerting | None) -> WorkingHours:
    """The working hours of a workflow: its own, else the fleet's, else those that hold unless something is declared."""
    return (own.working_hours if own else None) or fleet.working_hours or WorkingHours()


def next_digest(fleet: Alerting, own: Alerting | None, at: datetime) -> datetime:
    """When (UTC) the next digest of a workflow's channel is due."""
    return hours_of(fleet, own).next(at, (own.digest_at if own else None) or fleet.digest_at or DIGEST_AT)


@dataclass(frozen=True, slots=True)
class _Look:
    """What is looked at for one alert."""

    alert: Alert
    fleet: Alerting
    own: Alerting
    at: datetime

    @property
    def working(self) -> bool:
        """Whether people are at work."""
        return hours_of(self.fleet, self.own).hold(self.at)

    @property
    def channel(self) -> Destination:
        """The workflow's own channel."""
        return Destination(SLACK, self.alert.channel)


def _by_silence(look: _Look, silences: Sequence[Silence], steps: list[str]) -> str:
    """Why a silence keeps it; empty where none does."""
    for one in silences:
        if one.starts_at <= look.at < one.ends_at and _of(look, (one.workflow,), (one.kind,)):
            why = f"silenced until {_moment(one.ends_at)} by {one.by}: {one.reason}"
            steps.append(f"silences: {why}")
            return why
    steps.append("silences: none holds")
    return ""


def _by_maintenance(look: _Look, steps: list[str]) -> str:
    """Why a declared maintenance window keeps it; empty where none does."""
    windows: list[tuple[str, Maintenance]] = [(look.alert.workflow, one) for one in look.own.maintenance]
    windows += [("the fleet", one) for one in look.fleet.maintenance]
    for whose, one in windows:
        if one.start <= look.at < one.end and _of(look, one.workflows, one.kinds):
            why = f"maintenance until {_moment(one.end)} by {one.by}: {one.reason}"
            steps.append(f"maintenance of {whose}: {why}")
            return why
    steps.append("maintenance: none holds")
    return ""


def _by_routes(look: _Look, steps: list[str]) -> tuple[tuple[Destination, ...], str]:
    """The places that the routes name, and why it is kept where one of them leads nowhere."""
    found: list[Destination] = []
    for name, route in _routes(look):
        if misfit := _misfit(look, route):
            steps.append(f"{name}: no, {misfit}")
            continue
        if not route.to and look.alert.severity not in _GRAVE:
            steps.append(f"{name}: leads nowhere: {route.reason}")
            if not found:
                return (look.channel,), f"{name} leads nowhere: {route.reason}"
            break
        places = _places(look, name, route, steps)
        found += places
        if not route.go_on:
            break
    if not found:
        steps.append(f"unless a route decides: the workflow's channel {look.alert.channel}")
        found = [look.channel]
    return tuple(_once(found)), ""


def _routes(look: _Look) -> Iterator[tuple[str, Route]]:
    for whose, routes in ((look.alert.workflow, look.own.routes), ("the fleet", look.fleet.routes)):
        for number, route in enumerate(routes, 1):
            yield f"route {number} of {whose}", route


def _misfit(look: _Look, route: Route) -> str:
    """The first condition of a route that does not hold, in words; empty where all do."""
    alert = look.alert
    if route.severities and alert.severity not in route.severities:
        return f"it is for {' or '.join(route.severities)}"
    if route.kinds and not _any(alert.kind, route.kinds):
        return f"it is for the kinds {', '.join(route.kinds)}"
    if route.workflows and not _any(alert.workflow, route.workflows):
        return f"it is for the workflows {', '.join(route.workflows)}"
    if route.hours != "any" and (route.hours == "working") != look.working:
        return f"it is for {'working hours' if route.hours == 'working' else 'the time outside working hours'}"
    return ""


def _places(look: _Look, name: str, route: Route, steps: list[str]) -> list[Destination]:
    """The places of a route that decides. One that cannot be told there, or must not wait, goes to the channel."""
    to: list[Destination] = []
    said: list[str] = []
    for word in route.to or (CHANNEL,):
        place, note = _place(look, word)
        to += [place] if place else []
        said.append(note)
    steps.append(f"{name}: yes, to {'; '.join(said) if route.to else 'the channel: it is too grave to be kept'}")
    return to


def _place(look: _Look, word: str) -> tuple[Destination | None, str]:
    """Where a word of a route leads, and how that is said; None where it leads nowhere."""
    if word == CHANNEL:
        return look.channel, f"the channel {look.alert.channel}"
    if word == DIGEST:
        return _in_digest(look)
    if word == OWNER:
        return _by_mail(look)
    if word[0] in _SLACK_CHANNEL:
        return Destination(SLACK, word), word
    target = next((one for one in look.fleet.targets if one.name == word), None)
    if target is None:
        return None, f"{word}, which is no target"
    return Destination(word, target.to or word), f"{word} ({target.kind})"


def _in_digest(look: _Look) -> tuple[Destination, str]:
    if look.alert.severity in _GRAVE:
        return look.channel, f"the channel {look.alert.channel} (it is too grave for the digest)"
    due = next_digest(look.fleet, look.own, look.at)
    return replace(look.channel, digest_at=due), f"the digest of {_moment(due)} in {look.alert.channel}"


def _by_mail(look: _Look) -> tuple[Destination | None, str]:
    """The owner's own address, by the first target that sends mail."""
    mail = next((one.name for one in look.fleet.targets if one.kind == "email"), "")
    if not mail or not look.alert.owner:
        return None, "its owner, whom no mail can reach"
    return Destination(mail, look.alert.owner), f"its owner by {mail}"


def _once(places: Sequence[Destination]) -> Iterator[Destination]:
    """Each place once; what is told at once does not wait there for a digest too."""
    best: dict[tuple[str, str], Destination] = {}
    for one in places:
        known = best.get((one.target, one.channel))
        if known is None or (known.digest_at is not None and one.digest_at is None):
            best[one.target, one.channel] = one
    yield from best.values()


def _of(look: _Look, workflows: Sequence[str], kinds: Sequence[str]) -> bool:
    return _any(look.alert.workflow, workflows) and _any(look.alert.kind, kinds)


def _any(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern fits; none, or an empty one, fits any name."""
    return not patterns or any(not pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
