"""The ops database as one thing: an engine, and a unit of work with every repository on one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.record.allowances import Allowances
from afterpilot.record.baselines import Baselines
from afterpilot.record.bills import Bills
from afterpilot.record.cap_raises import CapRaises
from afterpilot.record.connecting import options, within
from afterpilot.record.declarations import DeclarationVersions
from afterpilot.record.eval_results import EvalResults
from afterpilot.record.eval_usage import EvalUsage
from afterpilot.record.fingerprints import Fingerprints
from afterpilot.record.gate import GateDecisions
from afterpilot.record.incidents import Incidents
from afterpilot.record.judgements import Judgements
from afterpilot.record.ledger import Ledger
from afterpilot.record.metered import MeteredCalls
from afterpilot.record.offers import CaseOffers
from afterpilot.record.outbox import OutboxWriter
from afterpilot.record.records import Records
from afterpilot.record.releases import Releases
from afterpilot.record.reopened import Reopened
from afterpilot.record.reports import Reports
from afterpilot.record.review_queue import ReviewQueue
from afterpilot.record.runs import Runs
from afterpilot.record.samples import Samples
from afterpilot.record.silences import Silences
from afterpilot.record.source_states import SourceStates
from afterpilot.record.spot_checks import SpotChecks
from afterpilot.record.stop_orders import StopOrders
from afterpilot.record.write_backs import WriteBacks


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
