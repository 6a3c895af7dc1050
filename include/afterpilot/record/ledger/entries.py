"""The entries of what is written in many places or in great numbers: runs, incidents' time lines, messages, declarations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import ITSELF, Entry, Personal, Subject, actor_of, person
from afterpilot.domain.run import Trigger
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.canonical import stamp
from afterpilot.record.ledger.documents import (
    Row,
    declaration_document,
    hash_of,
    message_document,
    run_document,
)
from afterpilot.record.tables import incident_events, incidents

SEEN = "seen"  # an incident that was found again as it was: the entry of the run that found it says so
_TRIGGER = ("origin", "dag_id", "run_id", "task_id", "map_index", "try_number")


def actor(name: str) -> str | Subject:
    """Who acts: a person, unless it is Afterpilot itself, or nobody is named."""
    return person(name) if name and name != ITSELF else ITSELF


def note_of(by: str, note: str) -> dict[str, Any]:
    """What whoever acts has written, for a payload: sealed where it is a person; nothing where nothing was written."""
    if not note:
        return {}
    return {"note": Personal(note) if isinstance(actor(by), Subject) else note}


def run_recorded(row: Row, findings: Sequence[Row] = ()) -> Entry:
    """The entry of a new run; both as the tables hold them, of findings with one fingerprint the first. They are in its document."""
    trigger = Trigger(**row["trigger"])
    kept = list({one["fingerprint"]: one for one in reversed(findings)}.values())
    return Entry(
        action=f"{row['stage']}:run:recorded",
        subject=f"run:{row['id']}",
        at=row["finished_at"],
        workflow=row["workflow"],
        actor=actor_of(trigger),
        payload={
            "verdict": str(row["verdict"]),
            "stage": str(row["stage"]),
            "window": [stamp(row["window_start"]), stamp(row["window_end"])],
            "versions": row["versions"],
            "trigger": {name: getattr(trigger, name) for name in _TRIGGER},
            "corrects": str(row["corrects"]) if row.get("corrects") else None,
            "findings": dict(Counter(str(one["severity"]) for one in kept)),
            "document": hash_of(run_document(row, kept)),
        },
    )


def on_time_line(connection: sa.Connection, events: Sequence[Mapping[str, Any]], *, about: str = "") -> None:
    """Write rows of ``incident_events``, and an entry for each but those that say :data:`SEEN`.

    What a person has written is sealed under that person's key, and what Afterpilot says of a person under that of ``about``.
    """
    if not events:
        return
    connection.execute(sa.insert(incident_events), list(events))
    told = [event for event in events if event["what"] != SEEN]
    if told:
        which = {event["incident_id"] for event in told}
        found = {row.id: row for row in connection.execute(sa.select(incidents).where(incidents.c.id.in_(which)))}
        Ledger(connection).append_many([_incident(event, found[event["incident_id"]], about) for event in told])


def _incident(event: Mapping[str, Any], row: sa.Row[Any], about: str) -> Entry:
    who, note, run_id = actor(event.get("actor", "")), event.get("note", ""), event.get("run_id")
    opened = event["what"] == "opened"
    personal = person(about) if about else who
    if note and isinstance(personal, Subject):
        note = Personal(note, personal)
    payload = {"kind": row.kind, "severity": row.severity, "run": str(run_id) if run_id else None, "state": row.state}
    if row.waived_until and event["what"] == "waived":
        payload["until"] = stamp(row.waived_until)
    return Entry(
        action=f"alerts:incident:{event['what']}",
        subject=f"incident:{row.id}",
        at=event["at"],
        workflow=row.workflow,
        actor=who,
        payload=payload | ({"title": row.title} if opened else {"note": note} if note else {}),
    )


def message_put(row: Row) -> Entry:
    """The entry of a new message, or of one that is kept and not sent; ``row`` is one of ``outbox``."""
    state = "queued" if row["state"] == "pending" else row["state"]
    return Entry(
        action=f"alerts:message:{state}",
        subject=f"message:{row['id']}",
        at=row["created_at"],
        workflow=row["workflow"],
        payload={**_place(row), "document": hash_of(message_document(row))},
    )


def message_changed(row: Row, state: str, *, at: datetime, source: str = "alerts", **more: Any) -> Entry:  # noqa: ANN401 - any JSON value
    """The entry of what became of a message later."""
    return Entry(
        action=f"{source}:message:{state}",
        subject=f"message:{row['id']}",
        at=at,
        workflow=row["workflow"],
        payload={**_place(row), **more},
    )


def _place(row: Row) -> dict[str, Any]:
    """What it is and where it goes; an e-mail address is personal."""
    channel = row["channel"]
    return {
        "kind": row["kind"],
        "target": row["target"],
        "channel": Personal(channel, person(channel)) if "@" in channel else channel,
        "incident": str(row["incident_id"]) if row["incident_id"] else None,
    }


def declaration_loaded(row: Row) -> Entry:
    """The entry of a new version of a declaration; ``row`` is one of ``declarations``."""
    return Entry(
        action="declare:version:loaded",
        subject=f"declaration:{row['sha256']}",
        at=row["first_loaded_at"],
        workflow=row["workflow"],
        payload={
            "sha256": row["sha256"],
            "usable": row["usable"],
            "path": row["path"],
            "problems": len(row["problems"]),
            "document": hash_of(declaration_document(row)),
        },
    )


def folder_changed(workflow: str, sha256: str, action: str, *, at: datetime, usable: str | None) -> Entry:
    """``declare:version:current``: the folder holds this version now. ``declare:workflow:removed``, ``…:returned``: the folder
    itself. ``usable``: the version that is used from now on, where one can be.
    """
    _, kind, _ = action.split(":")
    return Entry(
        action=action,
        subject=f"declaration:{sha256}" if kind == "version" else f"workflow:{workflow}",
        at=at,
        workflow=workflow,
        payload={"sha256": sha256, "usable_sha256": usable},
    )
