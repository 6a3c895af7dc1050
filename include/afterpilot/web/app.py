"""The FastAPI application: every page behind the gate; only the review queue, and the answers at caps and to incidents, change anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from fastapi.params import Depends

from afterpilot.record.alerts.taken import take
from afterpilot.web import failures
from afterpilot.web.access import Access, Declared
from afterpilot.web.api.allowance import KEPT, AllowanceApi
from afterpilot.web.api.health import HealthApi
from afterpilot.web.api.slack import FromSlack, SlackApi
from afterpilot.web.api.tokens import GatewayTokens
from afterpilot.web.frame import Frame, utc_now
from afterpilot.web.headers import SecurityHeaders
from afterpilot.web.health import Health, Heartbeats
from afterpilot.web.pages import (
    alert_preview,
    as_of,
    assets,
    bundle,
    coverage,
    declarations,
    eval_cases,
    eval_compare,
    evals,
    incidents,
    ledger,
    messages,
    obligations,
    outputs,
    raises,
    retention,
    review,
    runbooks,
    runs,
    samples,
    silences,
    spend,
    status,
)
from afterpilot.web.pages import health as health_page
from afterpilot.web.review import actions
from afterpilot.web.viewing import Views


def create_app(
    engine_factory: Callable[[], sa.Engine],
    *,
    gate: Sequence[Depends],
    login: Callable[[str], str] | None = None,
    prefix: str = "/afterpilot",
    airflow_url: str = "",
    workflows: Path | None = None,
    access: Access | None = None,
    clock: Callable[[], datetime] = utc_now,
    gateway_tokens: Callable[[], GatewayTokens] = GatewayTokens,
    allowances_kept: float = KEPT,
    answering: incidents.Answering | None = None,
    slack: FromSlack | None = None,
    heartbeats: Heartbeats | None = None,
) -> FastAPI:
    """The pages as an application to be mounted, or run alone.

    Args:
        engine_factory: gives the engine on the ops database; asked at the first page, once.
        gate: dependencies that every route has; they raise HTTPException 401 or 403 for those who may not read. There is no
            default: pages that anyone may read have to be asked for with an empty sequence.
        login: makes the address of the login page from the address to come back to; with it, a browser that meets a 401
            is sent there.
        prefix: where the application is mounted, or "" where it runs alone.
        airflow_url: Airflow's base URL for links to its runs; where empty, the Airflow that these pages are mounted in.
        workflows: the folder of the declarations, for the runbooks that lie there.
        access: how it is known who asks; without it nobody is, every page can be read, and nothing changed.
        clock: says what time it is, aware UTC.
        gateway_tokens: who may ask what machines ask, under ``/api/v1``; the gate does not hold there. Unless said nobody may.
        allowances_kept: for how many seconds what gateways are told is kept in memory.
        answering: everything for one workflow, for people's answers to its incidents; without it these pages can only be read.
        slack: how people's answers in Slack are taken, under ``/api/v1/slack``; the gate does not hold there, Slack's signature
            does. Unless said none are.
        heartbeats: when each of Airflow's components was alive last; without it the page of health does not say.
    """
    app = FastAPI(
        title="Afterpilot",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=list(gate),
        redirect_slashes=False,
    )
    frame = Frame(engine_factory, prefix=prefix, airflow_url=airflow_url, clock=clock)
    app.add_middleware(SecurityHeaders)
    app.state.views = Views(frame)
    failures.install(app, frame, login=login)
    health = Health(frame.reading_quickly, heartbeats, clock=clock)
    app.include_router(assets.router(frame))
    known = (access or Access()).reading(Declared(frame.reading))
    app.include_router(_pages(frame, health, workflows, takes_answers=answering is not None), dependencies=known)
    if access is not None:
        app.include_router(_forms(frame, answering), dependencies=[*known, *access.writing])
    # For monitors: the gate does not hold there.
    app.add_route("/api/v1/health", HealthApi(health).answer, methods=["GET"])
    if slack is not None:
        app.mount("/api/v1/slack", SlackApi(slack, take=_taking(frame), clock=clock))
    app.mount("/api/v1", AllowanceApi(frame.reading_quickly, tokens=gateway_tokens, clock=clock, kept=allowances_kept))
    app.include_router(failures.router())  # last: what no page has answered
    return app


def _pages(frame: Frame, health: Health, workflows: Path | None, *, takes_answers: bool) -> APIRouter:
    """All that is read."""
    routes = APIRouter()
    for pages in (
        status,
        runs,
        samples,
        messages,
        outputs,
        declarations,
        review,
        raises,
        retention,
        silences,
        alert_preview,
    ):
        routes.include_router(pages.router(frame))
    for pages in (evals, spend, eval_compare, coverage, as_of, obligations, ledger, bundle):
        routes.include_router(pages.router(frame))
    routes.include_router(incidents.router(frame, takes_answers=takes_answers))
    routes.include_router(eval_cases.router(frame, workflows))
    routes.include_router(runbooks.router(frame, workflows))
    routes.include_router(health_page.router(frame, health))
    return routes


def _forms(frame: Frame, answering: incidents.Answering | None) -> APIRouter:
    """All that people do."""
    routes = APIRouter()
    routes.include_router(actions.router(frame))
    routes.include_router(raises.writing(frame, _telling(answering) if answering is not None else None))
    routes.include_router(silences.writing(frame))
    routes.include_router(retention.writing(frame))
    if answering is not None:
        routes.include_router(incidents.writing(frame, answering))
    return routes


def _telling(answering: incidents.Answering) -> raises.Telling:
    def tell(workflow: str) -> None:
        answering(workflow).services.ops.queued()

    return tell


def _taking(frame: Frame) -> Callable[[str, datetime], bool]:
    def taken(signature: str, at: datetime) -> bool:
        with frame.writing() as connection:
            return take(connection, signature, at=at)

    return taken
