"""As of: what was in force for a workflow at a moment of the past."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.domain.run import OF_WORKFLOWS
from afterpilot.record.history import as_of, coverage, status
from afterpilot.record.history import declarations as versions
from afterpilot.record.history.paging import Row
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame

_ONLY_WHERE_SAID = frozenset({"further caps", "a second person above", "reviewers", "model"})
_INCLUSIVE = timedelta(
    microseconds=1
)  # what happened at the very moment had happened; coverage asks until before a moment
_VERSIONS = ("model", "model_answered", "prompt", "cases", "code")


@dataclass(frozen=True, slots=True)
class Declared:
    """The version that was in force: ``known`` says how that is known; ``broken`` is the version that could not be used, if any."""

    version: Row
    known: str
    since: datetime
    at_least: bool  # it may have been in force before ``since``
    broken: str = ""


def router(frame: Frame) -> APIRouter:
    """Routes of what was in force."""
    routes = APIRouter()

    @routes.get("/as-of")
    def page(request: Request) -> HTMLResponse:
        asked, who, now = Asked(request), sight(request), frame.clock()
        at, workflow = moment_asked(asked, now), asked.text("workflow")
        data: dict[str, Any] = {}
        with frame.reading() as connection:
            slugs = status.slugs(connection, only=who.only)
            if workflow:
                who.need(workflow)
                if workflow not in slugs:
                    raise HTTPException(404, "No workflow of this name was ever declared.")
                if not asked.problems:
                    data = _whole(connection, workflow, at)
        return frame.page(
            request,
            "as_of.html",
            title=f"{workflow} as of {at:%Y-%m-%d %H:%M}" if workflow else "As of",
            here="as_of",
            workflow=workflow if data else "",
            asked_for=workflow,
            at=at,
            slugs=slugs,
            problems=asked.problems,
            **data,
        )

    return routes


def moment_asked(asked: Asked, now: datetime) -> datetime:
    """The moment asked for, in UTC where no offset is said; now unless said. What cannot be used is a problem of the question."""
    text = asked.text("at")
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        asked.problems.append(f"at: {text[:60]!r} is not a time such as 2026-11-20T10:00")
        return now
    if at > now:
        asked.problems.append("at: lies ahead, where nothing is known yet")
        return now
    return at


def _whole(connection: sa.Connection, workflow: str, at: datetime) -> dict[str, Any]:
    declared = _declared(connection, workflow, at)
    document: Mapping[str, Any] = declared.version["document"] if declared else {}
    newest = {row["stage"]: row for row in as_of.newest_runs(connection, workflow, [*OF_WORKFLOWS], at)}
    models = _models(document, newest)
    rhythms = coverage.rhythms(connection, at + _INCLUSIVE, at + _INCLUSIVE)
    return {
        "declared": declared,
        "document": document,
        "said": _said(document, rhythms[-1]["schedules"] if rhythms else None),
        "stages_shown": [(stage, newest.get(stage)) for stage in OF_WORKFLOWS],
        "answered": _answered(newest),
        "baseline": as_of.baseline(connection, workflow, at),
        "raises": [(row, raised(row, at)) for row in as_of.raises(connection, workflow, at)],
        "silences": [row for row in as_of.silenced(connection, at) if _fits(row["workflow"], workflow)],
        "maintenance": _list(document, "alerts", "maintenance"),
        "waivers": [one for one in _list(document, "evals", "waivers") if _holds(one, at.date())],
        "incidents": as_of.open_incidents(connection, workflow, at),
        "prices": as_of.valid_prices(connection, models, at),
        "models": models,
        "head": as_of.head(connection, at),
        "loads": as_of.loads(connection, workflow, at),
    }


def _declared(connection: sa.Connection, workflow: str, at: datetime) -> Declared | None:
    """What was in force: what was loaded or confirmed last by then; where that could not be used, the last version that could."""
    loaded, seen = as_of.loaded(connection, workflow, at), as_of.confirmed(connection, workflow, at)
    if loaded is None:
        return None
    known, sha256, since = (
        f"first loaded at {loaded['first_loaded_at']:%Y-%m-%d %H:%M} UTC",
        loaded["sha256"],
        loaded["first_loaded_at"],
    )
    at_least = False
    if seen is not None and seen["finished_at"] >= since:
        known = f"confirmed at {seen['finished_at']:%Y-%m-%d %H:%M} UTC, by the newest load before that moment"
        if seen["sha256"] and seen["sha256"] != sha256:  # a version came back
            sha256 = seen["sha256"]
            changes = [
                row
                for row in coverage.changes(connection, [workflow], since, at + _INCLUSIVE)
                if row["sha256"] == sha256
            ]
            since, at_least = (changes[-1]["at"], False) if changes else (seen["finished_at"], True)
        if not seen["sha256"]:
            known = f"the folder was gone at {seen['finished_at']:%Y-%m-%d %H:%M} UTC; this is its last version"
    version = versions.one_version(connection, workflow, sha256)
    if version is not None and version["usable"]:
        return Declared(version, known, since, at_least)
    usable = as_of.last_usable(connection, workflow, at)
    if usable is None:
        return None
    return Declared(
        usable, f"{known}; that version could not be used", usable["first_loaded_at"], at_least=False, broken=sha256
    )


def raised(row: Row, at: datetime) -> str:
    """How the question of a raise stood then."""
    if row["decided_at"] is not None and row["decided_at"] > at:
        return "pending"
    return str(row["state"])


def _said(document: Mapping[str, Any], crons: Mapping[str, Any] | None) -> Sequence[tuple[str, Any]]:
    """The key facts of a declaration, None where it says nothing."""
    spend, evals, governance = (document.get(name) or {} for name in ("spend", "evals", "governance"))
    owner, review = document.get("owner") or {}, document.get("review") or {}
    schedule = document.get("schedule") or {}
    facts = [
        ("stage", document.get("stage")),
        ("owner", owner.get("name")),
        ("deputy", (owner.get("deputy") or {}).get("name")),
        ("cap", spend.get("cap")),
        ("further caps", [cap.get("cap") for cap in spend.get("more_caps") or () if isinstance(cap, dict)] or None),
        ("at the cap", spend.get("at_cap")),
        ("a second person above", spend.get("second_person_above")),
        ("bar of the evals", evals.get("pass_rate")),
        ("model", (evals.get("model") or {}).get("name") if isinstance(evals.get("model"), dict) else None),
        ("models allowed", governance.get("models_allowed")),
        ("data", governance.get("data")),
        ("accountable", governance.get("accountable")),
        ("retention", governance.get("retention")),
        ("reviewers", review.get("reviewers")),
        ("roll-out", (document.get("rollout") or {}).get("now")),
        ("personal fields", (document.get("source") or {}).get("personal")),
    ]
    facts = [(name, value) for name, value in facts if value is not None or name not in _ONLY_WHERE_SAID]
    for kind, name in schedule.items():
        cron = (crons or {}).get(f"{kind}.{name}")
        facts.append(
            (f"schedule of {kind}", f"{name} ({cron}, UTC)" if cron else f"{name} (its times were not on record)")
        )
    return facts


def _answered(newest: Mapping[str, Row]) -> Sequence[tuple[str, str, Row]]:
    """What answered, by the newest run that says it."""
    found = []
    for name in _VERSIONS:
        told = [row for row in newest.values() if row["versions"].get(name)]
        if told:
            row = max(told, key=lambda one: one["finished_at"])
            found.append((name, str(row["versions"][name]), row))
    return found


def _models(document: Mapping[str, Any], newest: Mapping[str, Row]) -> Sequence[str]:
    evals, governance = document.get("evals") or {}, document.get("governance") or {}
    model = evals.get("model") if isinstance(evals, dict) else None
    allowed = governance.get("models_allowed") if isinstance(governance, dict) else None
    names = [model.get("name")] if isinstance(model, dict) else []
    names += list(allowed) if isinstance(allowed, list) else []
    names += [row["versions"].get(name) for row in newest.values() for name in ("model", "model_answered")]
    return sorted({str(name) for name in names if name})


def _fits(pattern: str, workflow: str) -> bool:
    return not pattern or fnmatch.fnmatchcase(workflow, pattern)


def _list(document: Mapping[str, Any], *path: str) -> Sequence[Mapping[str, Any]]:
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _holds(waiver: Mapping[str, Any], day: date) -> bool:
    try:
        return date.fromisoformat(str(waiver.get("until"))) >= day
    except ValueError:
        return True  # it says no end that can be read
