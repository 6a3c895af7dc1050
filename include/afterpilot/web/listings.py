"""The lists that can be taken as files, and what a row of each holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from afterpilot.domain.message import Message
from afterpilot.record.history.paging import Row
from afterpilot.web.letters import letters
from afterpilot.web.list_files import Document, Listing

_RUN = ("id", "finished_at", "workflow", "stage", "verdict", "summary", "reasons", "window_start", "window_end")
_RUN_MORE = ("started_at", "actor", "corrects", "corrected", "versions")
_TRIGGER = ("origin", "dag_id", "task_id", "run_id", "map_index", "try_number")
_INCIDENT = ("id", "opened_at", "workflow", "stage", "kind", "severity", "state", "title", "detail", "last_seen_at")
_INCIDENT_MORE = ("resolved_at", "occurrences", "reopened", "flapping", "acknowledged_by", "acknowledged_at")
_WAIVED = ("waived_until", "waived_by", "waived_reason", "cause_id", "run_id", "last_message")
_MESSAGE = ("id", "created_at", "workflow", "kind", "title", "summary", "fate", "why", "target", "channel", "sent_at")
_MESSAGE_MORE = ("attempts", "error", "transport", "incident_id", "report_id")
_DECISION = ("workflow", "key", "why", "findings", "since", "due", "decision", "decided_at", "decided_by", "minutes")
_DECISION_MORE = ("note", "assigned_to", "run_id")
_ENTRY = ("id", "recorded_at", "at", "action", "workflow", "subject", "actor", "name", "payload_sha256", "payload")
_COVERED = ("workflow", "day", "stage", "standing", "due", "ran", "passed", "warned", "failed", "unknown")
_COVERED_MORE = ("did_not_run", "still_to_come", "ran_besides", "all_runs_counted")


def _run_cells(one: Document) -> Document:
    trigger = one["trigger"] if isinstance(one["trigger"], Mapping) else {}
    return {**one, **{f"trigger_{name}": trigger.get(name) for name in _TRIGGER}}


def _incident(row: Row) -> Document:
    return {name: row["told" if name == "last_message" else name] for name in (*_INCIDENT, *_INCIDENT_MORE, *_WAIVED)}


def _message(row: Row) -> Document:
    (letter,) = letters([row])
    message: Message | None = letter.message
    told = {
        "title": message.title if message else "",
        "summary": message.summary if message else "",
        "fate": letter.state,
    }
    kept = {name: row[name] for name in (*_MESSAGE, *_MESSAGE_MORE) if name not in told}
    return {**kept, **told, "message": row["message"]}


def _decision(row: Row) -> Document:
    renamed: dict[str, Any] = {"why": row["reason"], "since": row["at"]}
    renamed["findings"] = [found.get("text", "") for found in row["discrepancies"] or ()]
    return {name: renamed[name] if name in renamed else row[name] for name in (*_DECISION, *_DECISION_MORE)}


def _entry(row: Row) -> Document:
    hashed = bytes(row["payload_hash"]).hex()
    kept = {name: row[name] for name in _ENTRY if name not in {"payload_sha256", "payload"}}
    return {**kept, "payload_sha256": hashed, "payload": _document(row["payload"])}


def _document(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _entry_cells(one: Document) -> Document:
    return {**one, "payload": json.dumps(one["payload"], ensure_ascii=False, separators=(",", ":"), sort_keys=True)}


RUNS = Listing(
    "runs",
    "run",
    (*_RUN, *_RUN_MORE, *(f"trigger_{name}" for name in _TRIGGER)),
    lambda row: (("runs", row["id"]), {}),
    cells=_run_cells,
    at="finished_at",
)
INCIDENTS = Listing(
    "incidents",
    "incident",
    (*_INCIDENT, *_INCIDENT_MORE, *_WAIVED),
    lambda row: (("incidents", row["id"]), {}),
    document=_incident,
    at="opened_at",
)
MESSAGES = Listing(
    "messages",
    "message",
    (*_MESSAGE, *_MESSAGE_MORE),
    lambda row: (("messages", row["id"]), {}),
    document=_message,
    at="created_at",
    step=200,
)
DECISIONS = Listing(
    "review",
    "item",
    (*_DECISION, *_DECISION_MORE),
    lambda row: (("review", "item"), {"workflow": row["workflow"], "key": row["key"]}),
    document=_decision,
    at="at",
)
LEDGER = Listing(
    "ledger",
    "entry",
    _ENTRY,
    lambda row: (("ledger", row["id"]), {}),
    document=_entry,
    cells=_entry_cells,
    at="recorded_at",
)
COVERAGE = Listing(
    "coverage",
    "row",
    (*_COVERED, *_COVERED_MORE),
    lambda row: (("coverage",), {"workflow": row["workflow"], "from": row["day"], "to": row["day"]}),
    at="workflow",
)
