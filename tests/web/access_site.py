"""The pages with people of every role, over a small history of two workflows with different owners."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import sample_data
import sample_evals
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from sqlalchemy.dialects.postgresql import insert

from afterpilot.record import tables
from afterpilot.web.access import Access, Role, Sight
from afterpilot.web.api.tokens import GatewayTokens, hash_of
from afterpilot.web.app import create_app

ROLES = ("nobody", "auditor", "owner", "other", "engineer")
LOGINS = {
    "auditor": ("ada.auditor", Role.AUDITOR),
    "owner": ("dana.ruiz", Role.OWNER),  # of invoice_matching
    "other": ("sam.idowu", Role.OWNER),  # of email_triage
    "engineer": ("erin.engineer", Role.ENGINEER),
    "stranger": ("nina.nobody", Role.OWNER),  # whom no declaration names
}
ALSO = {"dana.ruiz": ("mara.lindqvist@example.com",)}  # the address of support_replies' owner
PREFIX = "/afterpilot"
MINE, THEIRS, REPLIES = sample_data.INVOICES, sample_data.TRIAGE, sample_evals.REPLIES


def logged_in(request: Request) -> Sight:
    """Who asks, by header. Raises HTTPException 401 for nobody."""
    if request.headers.get("x-role") not in LOGINS:
        raise HTTPException(401, "Not authenticated")
    login, role = LOGINS[request.headers["x-role"]]
    return Sight(login, also=ALSO.get(login, ()), role=role)


def may_change(request: Request) -> None:
    """Airflow's own gate of what is changed. Raises HTTPException 403 for auditors."""
    if logged_in(request).role is Role.AUDITOR:
        raise HTTPException(403, "Forbidden")


class AccessSite:
    """The application, mounted, and the ids of what it shows."""

    def __init__(self, engine: sa.Engine, workflows: Path) -> None:
        self.engine = engine
        self.kept = sample_data.build(engine)
        for slug in (MINE, THEIRS):
            (workflows / slug).mkdir(parents=True)
            (workflows / slug / "runbook.md").write_text(f"# {slug}\n", encoding="utf-8")
        self.inner = create_app(
            lambda: engine,
            gate=[Depends(logged_in)],
            access=Access(logged_in, gate=[Depends(may_change)]),
            workflows=workflows,
            gateway_tokens=lambda: GatewayTokens.parse(hash_of("a" * 40)),
            clock=lambda: sample_data.NOW,
            answering=_no_answers,
        )
        self.app = FastAPI()
        self.app.mount(PREFIX, self.inner)
        self.names = self._names()

    def client(self, role: str, **headers: str) -> TestClient:
        """A browser in which somebody of that role is logged in, on a page of this site."""
        known = {"x-role": role, "Sec-Fetch-Site": "same-origin", "Accept": "text/html", **headers}
        return TestClient(self.app, follow_redirects=False, headers=known, raise_server_exceptions=False)

    def views(self) -> list[dict[str, Any]]:
        """The entries of the ledger about looks at evidence, in their order."""
        here = tables.ledger.c
        statement = sa.select(tables.ledger).where(here.action.like("web:evidence:%")).order_by(here.id)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _names(self) -> dict[str, str]:
        with self.engine.begin() as connection:
            zone = insert(tables.usage_zones).values(workflow=MINE, zone="UTC")
            connection.execute(zone.on_conflict_do_nothing())
            silence = connection.scalar(
                sa.insert(tables.silences)
                .values(
                    workflow=MINE,
                    by="dana.ruiz",
                    reason="The ERP is being moved",
                    starts_at=sample_data.NOW - timedelta(hours=1),
                    ends_at=sample_data.NOW + timedelta(hours=8),
                )
                .returning(tables.silences.c.id)
            )
            outbox, items = tables.outbox.c, tables.review_items.c
            entries = tables.ledger.c
            entry, about = connection.execute(
                sa.select(entries.id, entries.subject).where(entries.workflow == MINE).order_by(entries.id).limit(1)
            ).one()
            message = connection.scalar(sa.select(outbox.id).where(outbox.workflow == MINE).limit(1))
            waiting = sa.select(items.key).where(items.workflow == MINE, items.decided_at.is_(None))
            key = connection.scalar(waiting.order_by(items.key).limit(1))
            sample = tables.samples.c
            case, epoch = connection.execute(
                sa.select(sample.case_id, sample.epoch).where(sample.run_id == self.kept.runs["evaluate"]).limit(1)
            ).one()
        return {
            "run": str(self.kept.runs["check"]),
            "evaluated": str(self.kept.runs["evaluate"]),
            "incident": str(self.kept.incidents["po_number"]),
            "report": str(self.kept.reports["weekly"]),
            "silence": str(silence),
            "message": str(message),
            "entry": str(entry),
            "entry_subject": str(about),
            "key": str(key),
            "case": case,
            "epoch": str(epoch),
            "workflow": MINE,
            "replies": REPLIES,
            "lost": str(uuid.uuid4()),
        }


def _no_answers(workflow: str) -> Any:
    raise AssertionError(f"nobody's answer to {workflow} was to be taken")
