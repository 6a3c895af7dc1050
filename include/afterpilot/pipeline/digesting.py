"""The sweep that puts all that could wait in a place into one message a day, and all calls of a moment into one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from afterpilot.domain.alerting import Fate
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Workflow
from afterpilot.notify.calling import call_message
from afterpilot.notify.digest import Notice, digest_message
from afterpilot.pipeline.explaining import explained_by
from afterpilot.pipeline.keeping import kept_by
from afterpilot.pipeline.one_by_one import Swept, one_by_one
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.digests import Digests, Place, Waiting
from afterpilot.record.ops import Unit


def send_digests(services: Services, known: Mapping[str, Workflow]) -> Swept:
    """Queue the digest or the call of each place where one is due, and return how many; ``known`` are the workflows by slug.

    Each is one transaction with the messages that it takes the place of: cut off, it is made again; made twice at once, the
    second finds nothing.
    """
    at = services.now()
    with services.ops.begin() as unit:
        places = Digests(unit.connection).due(at)
    return one_by_one(lambda place: _send(services, known, place), places, named=lambda place: f"digest of {place}")


def _send(services: Services, known: Mapping[str, Workflow], place: Place) -> bool:
    at = services.now()
    with services.ops.begin() as unit:
        taken = _told(services, unit, known, Digests(unit.connection).take(place, at), calls=place.calls)
        if not taken:
            return False
        whose = taken[0].workflow if len({one.workflow for one in taken}) == 1 else FLEET
        queue = _call if place.calls else _digest
        queue(services, unit, place, whose, taken)
    return True


def _digest(services: Services, unit: Unit, place: Place, whose: str, taken: Sequence[Waiting]) -> None:
    unit.outbox.put(
        digest_message(_notices(services, taken), since=taken[0].created_at, at=services.now()),
        dedupe_key=f"digest/{place.target}/{place.channel}/{taken[0].id}",
        workflow=whose,
        kind="digest",
        channel=place.channel,
        target=place.target,
        severity=Severity.INFO,
    )


def _call(services: Services, unit: Unit, place: Place, whose: str, taken: Sequence[Waiting]) -> None:
    mentions = {one.message.mention for one in taken}
    unit.outbox.put(
        call_message(_notices(services, taken), calls=mentions, url=services.messages.open_incidents_url),
        dedupe_key=f"called/{place.target}/{place.channel}/{taken[0].id}",
        workflow=whose,
        kind="called",
        channel=place.channel,
        target=place.target,
        severity=max((one.incident.severity for one in taken if one.incident), key=lambda one: one.gravity),
        not_before=services.now(),  # by which the next call there is told how long ago this one was
    )


def _told(
    services: Services, unit: Unit, known: Mapping[str, Workflow], taken: Sequence[Waiting], *, calls: bool
) -> Sequence[Waiting]:
    """Those that are told now: a silence that has begun meanwhile, a waiver or a cause keeps a notice that has waited, too; nobody is
    called about what somebody has by now, or what is over.
    """
    at = services.now()
    silences = unit.silences.holding(at)

    def why_kept(incident: Incident) -> tuple[Fate, str] | None:
        if calls and incident.state in (IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED):
            return Fate.SUPERSEDED, f"it is {incident.state} by now"
        return _kept(incident, kept_by(services, silences, known.get(incident.workflow), incident, at=at))

    kept = {one.incident.id: why_kept(one.incident) for one in taken if one.incident is not None}
    told = []
    for one in taken:
        why = kept[one.incident.id] if one.incident is not None else None
        if why is None:
            told.append(one)
        else:
            Digests(unit.connection).keep(one, *why)
    return told


def _kept(incident: Incident, silenced: str) -> tuple[Fate, str] | None:
    """What becomes of a notice that is not told, and why; None for one that is."""
    if incident.cause_id is not None:
        return Fate.SUPPRESSED, explained_by(incident.cause_id)
    if incident.state is IncidentState.WAIVED and incident.waived_until is not None:
        return Fate.SILENCED, f"waived until {incident.waived_until:%Y-%m-%d %H:%M} UTC by {incident.waived_by}"
    return (Fate.SILENCED, silenced) if silenced else None


def _notices(services: Services, taken: Sequence[Waiting]) -> Sequence[Notice]:
    """One for each incident, as it stands now, and one for each message without any."""
    newest = {one.incident.id if one.incident else one.id: one for one in taken}
    return [
        Notice(
            one.workflow,
            one.incident.title if one.incident else one.message.title,
            services.messages.page(one.incident) if one.incident else "",
            one.incident,
        )
        for one in newest.values()
    ]
