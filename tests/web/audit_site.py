"""A history with schedules, gaps, raises and approvals, for the pages that auditors come for."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sample_data
import sqlalchemy as sa
from sample_data import NOW, add_run, finding

from afterpilot.domain.ledger import Entry, person
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Severity
from afterpilot.domain.watching import OVERDUE, WATCH
from afterpilot.record import tables
from afterpilot.record.ledger import signing_keys
from afterpilot.record.ledger.sealing import seal
from afterpilot.record.ops import Ops, Unit

ORDERS, OLD = "order_replies", "old_letters"
FIRST, SECOND, SPOILT = (hashlib.sha256(word).hexdigest() for word in (b"orders 1", b"orders 2", b"orders 3"))
BEGAN = NOW - timedelta(days=5)
CHANGED = NOW - timedelta(days=2)
CRONS = {"records.six_hourly": "5 */6 * * *", "evals.nightly": "0 2 * * *", "report.monday": "0 6 * * mon"}
QUALITY = [
    {"expect": "column_values_to_not_be_null", "column": "order_no", "severity": "critical"},
    {"expect": "fresh_within", "column": "finished_at", "max_age": "3d"},
    {"expect": "language_is", "column": "body", "languages": ["en"]},
]
DOCUMENT: Mapping[str, Any] = {
    "workflow": ORDERS,
    "purpose": "Answer questions about orders",
    "stage": "limited",
    "owner": {"name": "Mara Lindqvist", "slack": "U0MARA000", "deputy": {"name": "Jon Reyes", "slack": "U0JON0000"}},
    "channel": "#orders",
    "source": {"connection": "shop", "table": "replies", "personal": ["customer"]},
    "outputs": [{"expect": "json_schema", "file": "output.schema.json"}],
    "quality": QUALITY,
    "evals": {"model": {"connection": "model", "name": "smollm2-135m"}, "cases": "cases.jsonl", "pass_rate": "80%"},
    "spend": {"cap": "20 USD/month", "warn_at": ["80%"], "at_cap": "ask_owner"},
    "schedule": {"records": "six_hourly", "evals": "nightly", "report": "monday"},
    "governance": {
        "data": ["orders"],
        "models_allowed": ["smollm2-135m"],
        "retention": "400d",
        "accountable": "Mara Lindqvist",
    },
    "rollout": {"now": "20%", "fallback": "People answer"},
}


@dataclass(slots=True)
class Kept:
    """The ids of what was written, by a telling name."""

    runs: dict[str, uuid.UUID] = field(default_factory=dict)
    incident: uuid.UUID | None = None
    raised: uuid.UUID | None = None


def build(engine: sa.Engine, *, now: datetime = NOW) -> Kept:
    """Write it beside the sample history: declared five days ago, changed two days ago, one night without any pull."""
    kept = Kept()
    with engine.begin() as connection:
        _declare(connection, now)
    with Ops(engine).begin() as unit:
        add_run(unit, FLEET, Stage.DECLARE, now - timedelta(days=20), evidence={"schedules": CRONS, "sha256": ""})
        _runs(unit, kept, now)
        _trouble(unit, kept, now)
        _approvals(unit, kept)
    return kept


def _declare(connection: sa.Connection, now: datetime) -> None:
    newer = {
        **DOCUMENT,
        "spend": {**DOCUMENT["spend"], "cap": "30 USD/month"},
        "rollout": {"now": "50%", "fallback": "People answer"},
    }
    old = {
        "workflow": OLD,
        "stage": "retired",
        "owner": {"name": "Kofi Adu", "slack": "U0KOFI000"},
        "schedule": DOCUMENT["schedule"],
    }
    rows = [
        (ORDERS, FIRST, DOCUMENT, BEGAN),
        (ORDERS, SECOND, newer, CHANGED),
        (OLD, FIRST, old, now - timedelta(days=40)),
    ]
    for slug, sha256, document, at in rows:
        values = {
            "workflow": slug,
            "sha256": sha256,
            "usable": True,
            "document": document,
            "path": f"include/workflows/{slug}",
        }
        connection.execute(sa.insert(tables.declarations).values(**values, first_loaded_at=at))
    for slug, sha256 in ((ORDERS, SECOND), (OLD, FIRST)):
        values = {"workflow": slug, "sha256": sha256, "usable_sha256": sha256, "loaded_at": now}
        connection.execute(sa.insert(tables.current_declarations).values(**values))


def _version(at: datetime) -> Mapping[str, str]:
    return {"declaration": SECOND if at >= CHANGED else FIRST}


def _runs(unit: Unit, kept: Kept, now: datetime) -> None:
    """Each schedule of five days; the pull and what follows it are missing on the night to the 19th."""
    hour = timedelta(hours=1)
    moment = BEGAN.replace(minute=0)
    while moment < now:
        if moment.hour % 2 == 0:
            at = moment + timedelta(minutes=9)
            confirmed = {"sha256": _version(at)["declaration"]}
            kept.runs["declare"] = add_run(unit, ORDERS, Stage.DECLARE, at, evidence=confirmed, versions=_version(at))
            kept.runs["spend"] = add_run(unit, ORDERS, Stage.SPEND, at, evidence=_SPENT, versions=_version(at))
        if moment.hour % 6 == 0 and not _night(moment):
            _records(unit, kept, moment + timedelta(minutes=6))
        if moment.hour == 2:
            _nightly(unit, kept, moment + timedelta(minutes=4))
        if moment.hour == 5:
            add_run(unit, ORDERS, Stage.REVIEW, moment + timedelta(minutes=21), versions=_version(moment))
        moment += hour


_SPENT = {"spent": "3.10", "cap": "20.00", "currency": "USD", "period": "month"}


def _night(moment: datetime) -> bool:
    return moment.day == 19 and moment.hour in {0, 6}


def _records(unit: Unit, kept: Kept, at: datetime) -> None:
    quiet = at.day == 17
    judged = [
        {
            "expect": one["expect"],
            "column": one["column"],
            "parameters": "",
            "success": None if quiet or place == 2 else True,
        }
        for place, one in enumerate(QUALITY[:2])
    ]
    evidence = {"expectations": judged, "judged": 0 if quiet else 2}
    version = _version(at)
    kept.runs["pull"] = add_run(unit, ORDERS, Stage.PULL, at, summary="40 records pulled", versions=version)
    checked = 0 if quiet else 2
    kept.runs["check"] = add_run(
        unit, ORDERS, Stage.CHECK, at + timedelta(minutes=1), evidence=evidence, checked=checked, versions=version
    )
    kept.runs["gate"] = add_run(
        unit, ORDERS, Stage.GATE, at + timedelta(minutes=2), evidence={"released": 38, "routed": 2}, versions=version
    )


def _nightly(unit: Unit, kept: Kept, at: datetime) -> None:
    bad = [
        finding(
            ORDERS,
            Stage.EVALUATE,
            "evals.below_bar",
            Severity.CRITICAL,
            "75.0 % of the cases passed; at least 80 % must",
        )
    ]
    versions = {
        **_version(at),
        "model": "smollm2-135m",
        "model_answered": "smollm2-135m",
        "prompt": "a" * 64,
        "cases": "b" * 64,
    }
    failed = bad if at.day == 20 else ()
    kept.runs["evaluate"] = add_run(
        unit, ORDERS, Stage.EVALUATE, at, summary="33 of 40 cases passed", findings=failed, versions=versions
    )


def _trouble(unit: Unit, kept: Kept, now: datetime) -> None:
    """The watchdog said that the pull was overdue, until it ran again; and a task of the next morning had failed."""
    opened = datetime(2026, 11, 19, 1, 45, tzinfo=now.tzinfo)
    overdue = finding(
        ORDERS,
        Stage.PULL,
        OVERDUE,
        Severity.UNKNOWN,
        "No verdict of the stage pull since 2026-11-18 18:06 UTC",
        about="pull",
    )
    overdue = type(overdue)(**{**{name: getattr(overdue, name) for name in overdue.__slots__}, "stage": WATCH})
    incident = unit.incidents.open(overdue, run_id=None, at=opened)
    kept.incident = incident.id
    unit.incidents.resolve(incident, run_id=None, at=opened + timedelta(hours=10, minutes=21))
    failed = {"dag_id": "records.six_hourly", "task_id": "records_path.pull", "run_id": "scheduled__19", "map_index": 0}
    error = "SourceError: shop does not answer"
    unit.connection.execute(
        sa.insert(tables.task_failures).values(
            **failed, at=opened.replace(hour=6, minute=9), workflows=[ORDERS], error=error, over_at=now
        )
    )


def _approvals(unit: Unit, kept: Kept) -> None:
    """A baseline, a raise of the cap by two people, a silence, and a price."""
    unit.baselines.approve(
        ORDERS, [kept.runs["evaluate"]], by="Mara Lindqvist", note="first good week", at=NOW - timedelta(hours=11)
    )
    kept.raised = uuid.uuid4()
    month = NOW.replace(day=1, hour=0, minute=0)
    unit.connection.execute(
        sa.insert(tables.cap_raises).values(
            id=kept.raised, workflow=ORDERS, cap="20 USD/month", period_start=month, period_end=month + timedelta(days=30),
            amount=Decimal(45), currency="USD", reason="a campaign", state="approved", asked_by="Mara Lindqvist",
            asked_at=NOW - timedelta(days=3), second_by="Jon Reyes", decided_at=NOW - timedelta(days=3) + timedelta(hours=1),
        )
    )  # fmt: skip
    unit.silences.begin(
        workflow=ORDERS,
        kind="evals.*",
        by="Jon Reyes",
        reason="a known drop",
        at=NOW - timedelta(hours=6),
        until=NOW + timedelta(hours=6),
    )


def everything(engine: sa.Engine) -> tuple[sample_data.Sampled, Kept]:
    """The sample history and this one in one database."""
    both = sample_data.build(engine), build(engine)
    seal(engine, signing_keys.parsed(base64.b64encode(bytes(range(32))), "a test"))
    with Ops(engine).begin() as unit:  # what is newer than the head
        unit.ledger.append(
            Entry(
                "alerts:silence:begun",
                "silence:1",
                NOW,
                workflow=ORDERS,
                actor=person("Jon Reyes"),
                payload={"kind": "evals.*"},
            )
        )
    return both
