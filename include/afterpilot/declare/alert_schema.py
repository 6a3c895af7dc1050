"""The key ``alerts`` of ``workflow.yaml`` and of ``_fleet.yaml``: who is told of what, where and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from afterpilot.declare.alert_values import (
    Addresses,
    Clock,
    DaysOfWeek,
    EscalationText,
    Kinds,
    Moment,
    Places,
    Severities,
    Slugs,
    TargetName,
)
from afterpilot.declare.keys import Keys
from afterpilot.declare.spend_schema import Zone
from afterpilot.declare.values import Connection, Name, Text
from afterpilot.domain import alerting as domain
from afterpilot.domain.verdict import Severity
from afterpilot.domain.working_hours import WorkingHours as Hours


class Target(Keys):
    """A place outside of Slack's workspace, or a webhook into one."""

    kind: Literal["slack_webhook", "email", "webhook", "pagerduty"] = Field(description="what it is")
    connection: Connection = Field(description="its address and secret")
    to: Addresses | None = Field(None, description="who gets the mails; needed where `kind` is `email`")


class WorkingHours(Keys):
    """When people are at work."""

    timezone: Zone = Field("UTC", description="where they are; times of `alerts` are meant there")
    days: DaysOfWeek = Field("mon-fri", validate_default=True, description="working days")
    begin: Clock = Field("08:00", validate_default=True, alias="from", description="when work begins")
    to: Clock = Field("18:00", validate_default=True, description="when it ends; before `from`: on the next day")


class Route(Keys):
    """Where alerts go that fit all of its conditions. The first that fits decides."""

    to: Places = Field(description="where they go; `[]`: nowhere, which needs a `reason` and holds for warnings alone")
    severity: Severities | None = Field(None, description="how grave they are")
    kind: Kinds | None = Field(None, description="what they are about")
    hours: domain.Hours = Field("any", description="when they come up: in working hours, or outside of them")
    go_on: bool = Field(False, alias="continue", description="whether the routes below it are looked at, too")
    reason: Text | None = Field(None, description="why, for those who read it")


class FleetRoute(Route):
    """A route of the fleet."""

    workflow: Slugs | None = Field(None, description="whose they are")


class Escalate(Keys):
    """How long nobody may take an incident up."""

    critical: EscalationText | None = Field(
        None, description="then the deputy is called, as long after that the channel"
    )
    unknown: EscalationText | None = Field(None, description="the same for what could not be checked")
    warning: EscalationText | None = Field(None, description="the same for warnings")


class Digest(Keys):
    """One message a day in each channel."""

    at: Clock = Field("08:30", validate_default=True, description="when it is sent")


class Maintenance(Keys):
    """A time in which alerts are kept; what is still wrong at its end is told then."""

    begin: Moment = Field(alias="from", description="when it begins")
    until: Moment = Field(description="when it ends")
    reason: Text = Field(description="what is done")
    by: Name = Field(description="who answers for it")
    kind: Kinds | None = Field(None, description="kinds of alerts that it is about; all unless said")


class FleetMaintenance(Maintenance):
    """Maintenance of what several workflows use."""

    workflow: Slugs | None = Field(None, description="workflows that it is about; all unless said")


class Alerts(Keys):
    """How a workflow's alerts go out; what it does not say is as the fleet says."""

    routes: list[Route] = Field([], description="looked at before those of `_fleet.yaml`")
    working_hours: WorkingHours | None = Field(None, description="when its people are at work")
    escalate: Escalate | None = Field(None, description="when nobody has taken an incident up")
    digest: Digest | None = Field(None, description="the daily message about what can wait")
    maintenance: list[Maintenance] = Field([], description="times in which its alerts are kept")


class FleetAlerts(Keys):
    """How alerts go out."""

    targets: dict[TargetName, Target] = Field({}, description="places that routes may name")
    routes: list[FleetRoute] = Field([], description="looked at from the first on, after a workflow's own")
    working_hours: WorkingHours | None = Field(None, description="when people are at work")
    escalate: Escalate | None = Field(
        None, description="when nobody has taken an incident up; unless said nobody is called"
    )
    digest: Digest | None = Field(None, description="the daily message about what can wait; unless said at 08:30")
    maintenance: list[FleetMaintenance] = Field([], description="times in which alerts are kept")


def alerting_of(given: Alerts, *, zone: str) -> domain.Alerting:
    """What a workflow declares; ``zone`` is where the fleet works."""
    own = given.working_hours.timezone if given.working_hours else zone
    return domain.Alerting(
        routes=tuple(_route(one) for one in given.routes),
        working_hours=_hours(given.working_hours),
        escalate=_escalate(given.escalate),
        digest_at=given.digest.at if given.digest else None,
        maintenance=tuple(_maintenance(one, own) for one in given.maintenance),
    )


def fleet_alerting_of(given: FleetAlerts) -> domain.Alerting:
    """What the fleet declares."""
    zone = given.working_hours.timezone if given.working_hours else "UTC"
    return domain.Alerting(
        targets=tuple(
            domain.Target(name, one.kind, one.connection, ", ".join(one.to or ()))
            for name, one in given.targets.items()
        ),
        routes=tuple(_route(one, workflows=one.workflow or ()) for one in given.routes),
        working_hours=_hours(given.working_hours),
        escalate=_escalate(given.escalate),
        digest_at=given.digest.at if given.digest else None,
        maintenance=tuple(_maintenance(one, zone, workflows=one.workflow or ()) for one in given.maintenance),
    )


def _route(given: Route, *, workflows: tuple[str, ...] = ()) -> domain.Route:
    return domain.Route(
        to=given.to,
        severities=tuple(Severity(one) for one in given.severity or ()),
        kinds=given.kind or (),
        workflows=workflows,
        hours=given.hours,
        go_on=given.go_on,
        reason=given.reason or "",
    )


def _hours(given: WorkingHours | None) -> Hours | None:
    return Hours(given.timezone, given.days, given.begin, given.to) if given else None


def _escalate(given: Escalate | None) -> dict[Severity, domain.Escalation] | None:
    if given is None:
        return None
    named = {Severity.CRITICAL: given.critical, Severity.UNKNOWN: given.unknown, Severity.WARNING: given.warning}
    return {severity: terms for severity, terms in named.items() if terms is not None}


def _maintenance(given: Maintenance, zone: str, *, workflows: tuple[str, ...] = ()) -> domain.Maintenance:
    """Of an hour that comes twice, it holds from the first to the end of the second."""
    start, end = _utc(given.begin, zone), _utc(given.until, zone, fold=1)
    return domain.Maintenance(start, end, given.reason, given.by, workflows, given.kind or ())


def _utc(moment: datetime, zone: str, *, fold: int = 0) -> datetime:
    known = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone), fold=fold)
    return known.astimezone(UTC)
