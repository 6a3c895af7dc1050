"""Alerts as the stages queue them: incidents that open with details, turn graver, change and end, in as many channels as asked for."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa

from afterpilot.domain.message import Fact, Link, Message
from afterpilot.domain.verdict import Severity
from afterpilot.record.alerts.outbox import OutboxWriter
from afterpilot.record.tables import incidents, outbox

FALLBACK = "#afterpilot"
_SEVERITIES = (Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING, Severity.INFO)
_NEWS = ("graver", "incident", "resolved")


def channel(number: int) -> str:
    """A channel's name."""
    return f"#team-{number:03}"


def ids(channels: int) -> dict[str, str]:
    """The channels of the workspace by name."""
    return {channel(n)[1:]: f"C{n:08}" for n in range(channels)} | {FALLBACK[1:]: "C0FALLBCK"}


@dataclass
class Alerts:
    """Makes alerts; the same seed makes the same ones. ``opened`` is the share of new incidents, ``details`` of those with details;
    ``_open`` are incidents that are not over, with where they are told.
    """

    channels: int
    seed: int = 7
    opened: float = 0.8
    details: float = 0.5
    _made: int = 0
    _open: list[tuple[uuid.UUID, str, Severity]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin at the seed."""
        self._chance = random.Random(self.seed)  # noqa: S311 - no secret

    def put(self, connection: sa.Connection, count: int) -> None:
        """Queue so many alerts within the caller's transaction."""
        for _ in range(count):
            self._put(connection)

    def _put(self, connection: sa.Connection) -> None:
        self._made += 1
        if not self._open or self._chance.random() < self.opened:
            what, about = "incident", self._opened(connection)
        else:
            what = self._chance.choice(_NEWS)
            place = self._chance.randrange(len(self._open))
            about = self._open.pop(place) if what == "resolved" else self._open[place]
        incident_id, where, severity = about
        OutboxWriter(connection).put(
            self._message(what), dedupe_key=f"alert/{self.seed}/{self._made}", workflow="w", kind=what, channel=where,
            incident_id=incident_id, severity=severity,
        )  # fmt: skip

    def _opened(self, connection: sa.Connection) -> tuple[uuid.UUID, str, Severity]:
        severity = self._chance.choices(_SEVERITIES, (1, 1, 4, 4))[0]
        about = (uuid.uuid4(), channel(self._chance.randrange(self.channels)), severity)
        at = datetime.now(UTC)
        values = {"workflow": "w", "stage": "check", "kind": "quality", "severity": str(severity), "title": "rows"}
        times = {"opened_at": at, "last_seen_at": at}
        connection.execute(sa.insert(incidents).values(id=about[0], fingerprint=str(about[0]), **values, **times))
        self._open.append(about)
        return about

    def _message(self, what: str) -> Message:
        text = f"alert {self._made}: {what}"
        with_details = self._chance.random() < self.details
        return Message(
            tone="critical",
            title=f"w: {text}",
            summary="12 of 203 invoices have no order; 2 % are allowed.",
            notification=text,
            facts=(Fact("Since", "2026-11-20 14:00 UTC"), Fact("Who acts", "Dana Ruiz")),
            details=(Fact("How sure", "certain: every row of the window was looked at"),) if with_details else (),
            points=("row 17: no order", "row 21: no order") if with_details else (),
            links=(Link("Open the run", "https://airflow.example.com/afterpilot/runs/1", primary=True),),
            mention="U02AB3CD4",
        )


@dataclass(frozen=True)
class Owed:
    """What committed letters must have led to: each of these references posted once, and no message standing differently at the end.

    ``texts`` are the last words about each incident, by the reference of its first message.
    """

    posts: frozenset[str]
    texts: dict[str, str]
    states: Counter[str]

    @classmethod
    def read(cls, connection: sa.Connection) -> Owed:
        """From the outbox as it is kept: what is there was committed."""
        rows = connection.execute(sa.select(outbox).order_by(outbox.c.created_at, outbox.c.id)).all()
        firsts: dict[uuid.UUID, str] = {}
        texts: dict[str, str] = {}
        posts: set[str] = set()
        for row in rows:
            if row.state == "superseded":
                continue
            posts |= set(_posts(row, first=row.incident_id not in firsts))
            first = firsts.setdefault(row.incident_id, str(row.id))
            texts[first] = row.message["notification"]
        return cls(frozenset(posts), texts, Counter(row.state for row in rows))


def _posts(row: sa.Row[tuple[object, ...]], *, first: bool) -> Iterator[str]:
    if first:
        yield str(row.id)
        if row.message["details"]:
            yield f"{row.id}/details"
    elif row.kind in _NEWS and row.kind != "incident":
        yield f"{row.id}/reply"


def found(
    owed: Owed, posted: Counter[str], texts: dict[str, str]
) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """References that were never posted, those that were posted more than once or that nobody asked for, and messages that do not
    stand as the last news said.
    """
    lost = sorted(owed.posts - posted.keys())
    doubled = sorted(one for one, times in posted.items() if times > 1 or one not in owed.posts)
    stale = sorted(first for first, text in owed.texts.items() if texts.get(first) != text)
    return lost, doubled, stale
