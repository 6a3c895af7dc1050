"""An incident as its page shows it: what is wrong, who has it, what to do, and all that happened, in one stream."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.incident import IncidentState
from afterpilot.domain.run import FLEET
from afterpilot.pipeline.silencing import keeps
from afterpilot.record.history import declarations, incidents, silences
from afterpilot.record.history.paging import Row
from afterpilot.record.history.timeline import Moment, stream
from afterpilot.web.access import Sight
from afterpilot.web.letters import Shown, named_letters

_CHARTS = {  # of the stages that have a page with a chart
    "evaluate": ("evals", "Its evals, with the chart"),
    "spend": ("spend", "Its spend, with the chart"),
}
_SAID = ("What to do", "What it costs", "How sure")  # what only the message says


@dataclass(frozen=True, slots=True)
class People:
    """Who answers for a workflow, as its last usable declaration has it; empty texts where none is known."""

    owner: str = ""
    deputy: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """All that the page shows."""

    row: Row
    people: People
    timeline: Sequence[Moment]
    more_events: bool
    newest: Shown | None
    evidence: Row | None
    cause: Row | None
    explains: Sequence[Row]
    beside: Sequence[Row]
    others: Sequence[Row]
    silence: Row | None
    who: Sight
    takes_answers: bool

    @property
    def over(self) -> bool:
        """Whether it is resolved."""
        return bool(self.row["state"] == IncidentState.RESOLVED)

    @property
    def may(self) -> bool:
        """Whether whoever asks may answer."""
        return self.takes_answers and self.who.may_operate

    @property
    def why_not(self) -> str:
        """Why whoever asks may not answer, in words; empty where they may."""
        if self.may:
            return ""
        if not self.who.login or not self.takes_answers:
            return "Nobody is logged in here, so this page can only be read."
        return f"You are logged in as {self.who.login} and may not change runs in Airflow, so for you this page can only be read."

    @property
    def mine(self) -> bool:
        """Whether whoever asks has it already."""
        return self.row["state"] == "acknowledged" and self.who.somebody.is_one_of(self.row["acknowledged_by"])

    def lasted(self, now: datetime) -> timedelta:
        """For how long it has been there, or was."""
        length: timedelta = (self.row["resolved_at"] or now) - self.row["opened_at"]
        return max(length, timedelta())

    @property
    def said(self) -> Mapping[str, str]:
        """What the newest message says of it: what to do, what it costs, how sure it is; empty texts where it does not."""
        message = self.newest.message if self.newest else None
        facts = (*message.facts, *message.details) if message else ()
        found = {fact.label: fact.value for fact in facts}
        return {label: found.get(label, "") for label in _SAID}

    @property
    def examples(self) -> Sequence[str]:
        """A few lines of evidence, as the message has them."""
        message = self.newest.message if self.newest else None
        return message.points if message else ()

    @property
    def chart(self) -> tuple[str, str] | None:
        """The page with the chart of its stage, and what the link says."""
        return _CHARTS.get(self.row["stage"]) if self.row["workflow"] != FLEET else None


def view(connection: sa.Connection, which: uuid.UUID, who: Sight, now: datetime, *, takes_answers: bool) -> View | None:
    """Read it; None where there is no such incident."""
    row = who.of(incidents.one_incident(connection, which))
    if row is None:
        return None
    events = incidents.events_of(connection, which)
    # One message may be about many incidents: that of others, or of all together, tells of them.
    messages = [one for one in incidents.messages_of(connection, which) if who.sees(one["workflow"])]
    shown = named_letters(connection, messages)
    return View(
        row=row,
        people=_people(connection, row["workflow"]),
        timeline=stream(events, messages),
        more_events=len(events) >= incidents.MOST_EVENTS,
        newest=next((one for one in shown if one.message), next(iter(shown), None)),
        evidence=incidents.evidence_of(connection, row),
        cause=who.of(incidents.one_incident(connection, row["cause_id"])) if row["cause_id"] else None,
        explains=incidents.explained_by(connection, which, only=who.only),
        beside=incidents.hanging_on(connection, row, only=who.only),
        others=incidents.others_like_it(connection, row["fingerprint"], which),
        silence=next(
            (one for one in silences.holding(connection, now) if keeps(one["workflow"], one["kind"], row)), None
        ),
        who=who,
        takes_answers=takes_answers,
    )


def _people(connection: sa.Connection, workflow: str) -> People:
    current = declarations.current(connection, workflow)
    version = (current["usable_sha256"] or current["sha256"]) if current else None
    stored = declarations.one_version(connection, workflow, version) if version else None
    document = stored["document"] if stored else None
    if not isinstance(document, dict):
        return People()
    owner = document.get("owner")
    return People(
        _name(owner), _name(owner.get("deputy")) if isinstance(owner, dict) else "", _text(document.get("channel"))
    )


def _name(person: Any) -> str:  # noqa: ANN401 - a declaration that is broken may hold anything
    return _text(person.get("name")) if isinstance(person, dict) else ""


def _text(value: Any) -> str:  # noqa: ANN401 - as above
    return value if isinstance(value, str) else ""
