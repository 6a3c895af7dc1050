"""The ops database as one thing: an engine, and a unit of work with every repository on one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.record.alerts.incidents import Incidents
from afterpilot.record.alerts.outbox import OutboxWriter
from afterpilot.record.alerts.silences import Silences
from afterpilot.record.connecting import options, within
from afterpilot.record.declarations import DeclarationVersions
from afterpilot.record.evals.baselines import Baselines
from afterpilot.record.evals.fingerprints import Fingerprints
from afterpilot.record.evals.judgements import Judgements
from afterpilot.record.evals.offers import CaseOffers
from afterpilot.record.evals.results import EvalResults
from afterpilot.record.evals.samples import Samples
from afterpilot.record.evals.usage import EvalUsage
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.production.records import Records
from afterpilot.record.production.reopened import Reopened
from afterpilot.record.production.source_states import SourceStates
from afterpilot.record.reports import Reports
from afterpilot.record.review.gate import GateDecisions
from afterpilot.record.review.queue import ReviewQueue
from afterpilot.record.review.releases import Releases
from afterpilot.record.review.spot_checks import SpotChecks
from afterpilot.record.review.write_backs import WriteBacks
from afterpilot.record.runs import Runs
from afterpilot.record.spend.allowances import Allowances
from afterpilot.record.spend.bills import Bills
from afterpilot.record.spend.cap_raises import CapRaises
from afterpilot.record.spend.metered import MeteredCalls
from afterpilot.record.spend.stop_orders import StopOrders


@dataclass(frozen=True, slots=True)
class Unit:
    """The repositories of one transaction."""

    connection: sa.Connection
    declarations: DeclarationVersions
    runs: Runs
    records: Records
    source_states: SourceStates
    reopened: Reopened
    gate: GateDecisions
    releases: Releases
    review: ReviewQueue
    write_backs: WriteBacks
    spot_checks: SpotChecks
    samples: Samples
    eval_usage: EvalUsage
    metered: MeteredCalls
    eval_results: EvalResults
    baselines: Baselines
    bills: Bills
    fingerprints: Fingerprints
    judgements: Judgements
    offers: CaseOffers
    incidents: Incidents
    allowances: Allowances
    cap_raises: CapRaises
    stop_orders: StopOrders
    silences: Silences
    outbox: OutboxWriter
    reports: Reports
    ledger: Ledger


class Ops:
    """The ops database. ``queued`` is called after each commit of letters that may be sent at once."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.queued: Callable[[], None] = _nobody

    @contextlib.contextmanager
    def begin(self) -> Iterator[Unit]:
        """A transaction: all of it is kept when the block ends well, none of it otherwise."""
        with self.engine.begin() as connection:
            unit = unit_of(connection)
            yield unit
        if unit.outbox.queued:
            self.queued()


def _nobody() -> None:
    """The sweep of the outbox finds them."""


def unit_of(connection: sa.Connection) -> Unit:
    """Every repository on a connection that the caller has begun a transaction on."""
    return Unit(
        connection=connection,
        declarations=DeclarationVersions(connection),
        runs=Runs(connection),
        records=Records(connection),
        source_states=SourceStates(connection),
        reopened=Reopened(connection),
        gate=GateDecisions(connection),
        releases=Releases(connection),
        review=ReviewQueue(connection),
        write_backs=WriteBacks(connection),
        spot_checks=SpotChecks(connection),
        samples=Samples(connection),
        eval_usage=EvalUsage(connection),
        metered=MeteredCalls(connection),
        eval_results=EvalResults(connection),
        baselines=Baselines(connection),
        bills=Bills(connection),
        fingerprints=Fingerprints(connection),
        judgements=Judgements(connection),
        offers=CaseOffers(connection),
        incidents=Incidents(connection),
        allowances=Allowances(connection),
        cap_raises=CapRaises(connection),
        stop_orders=StopOrders(connection),
        silences=Silences(connection),
        outbox=OutboxWriter(connection),
        reports=Reports(connection),
        ledger=Ledger(connection),
    )


def connect(url: str) -> sa.Engine:
    """An engine on the ops database: UTC, a few connections, each checked before use."""
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        pool_size=3,
        connect_args={
            "options": options(url, "timezone=UTC", "statement_timeout=120000"),
            "application_name": "afterpilot",
            **within(url),
        },
    )
