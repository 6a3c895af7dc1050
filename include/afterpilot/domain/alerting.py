"""Who is told of what, where, and when; and what became of each message."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Literal

from afterpilot.domain.verdict import Severity
from afterpilot.domain.working_hours import WorkingHours

SLACK = "slack"  # the workspace of the bot token: the target of whatever names no other
CHANNEL = "channel"  # as a destination: the workflow's own channel
DIGEST = "digest"  # as a destination: the workflow's own channel, once a day
OWNER = "owner"  # as a destination: a mail to the workflow's owner
DIGEST_AT = time(8, 30)  # unless something else is declared; in the zone of the working hours

TargetKind = Literal["slack", "slack_webhook", "email", "webhook", "pagerduty"]
Hours = Literal["any", "working", "off"]


class Fate(StrEnum):
    """What became of a message.

    pending → sent or dead. ``digest`` waits to be put into a daily message, ``digested`` was. ``silenced``: a silence, a
    maintenance window or a waiver held. ``suppressed``: another incident explains it. ``superseded``: newer news came first.
    """

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    DIGEST = "digest"
    DIGESTED = "digested"
    SILENCED = "silenced"
    SUPPRESSED = "suppressed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Target:
    """A declared place outside the workflow's channel. ``connection`` holds its address and secret, ``to`` the channel or
    the e-mail addresses, with commas between them.
    """

    name: str
    kind: TargetKind
    connection: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Where what it matches goes. Empty conditions match anything; ``kinds`` and ``workflows`` may hold ``*``.

    The first route that matches decides, unless it says ``go_on``: then the ones below it are looked at too. One to nowhere
    says why in ``reason``.
    """

    to: tuple[str, ...]  # names of targets, ``channel``, ``digest``, ``owner`` or a Slack channel; empty: nowhere
    severities: tuple[Severity, ...] = ()
    kinds: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    hours: Hours = "any"
    go_on: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Escalation:
    """How long nobody may take an incident up: then the deputy is called, and as long after that the channel."""

    after: timedelta
    hours: Hours = "any"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A declared time in which alerts of these kinds and workflows are kept and not sent."""

    start: datetime
    end: datetime
    reason: str
    by: str
    workflows: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alerting:
    """How alerts go out, as the fleet or one workflow declares it. ``escalate`` is by severity; one that is not named is never
    escalated. None: what the fleet says.
    """

    targets: tuple[Target, ...] = ()
    routes: tuple[Route, ...] = ()
    working_hours: WorkingHours | None = None
    escalate: Mapping[Severity, Escalation] | None = None
    digest_at: time | None = None
    maintenance: tuple[Maintenance, ...] = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which what a person has named is kept and not sent."""

    id: uuid.UUID
    workflow: str
    kind: str
    by: str
    reason: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """News about an incident, as far as routes look at it. ``channel`` is where the workflow's people are, ``owner`` the e-mail
    address of its owner where it is known.
    """

    workflow: str
    kind: str
    severity: Severity
    channel: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """One copy of a message: the target, the place there (a channel, addresses; the target's name where it has but one place),
    and until when it waits for the day's digest, if it does.
    """

    target: str
    channel: str
    digest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """What the routes say of an alert: its destinations, why it is not sent at all where it is not, and how that came about,
    a line for each thing that was looked at.
    """

    to: tuple[Destination, ...]
    silenced: str = ""
    steps: tuple[str, ...] = field(default=())
