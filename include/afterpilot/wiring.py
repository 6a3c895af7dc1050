"""Builds the collaborators. The only module that knows everything; it imports each when it is built.

A suite from a terminal needs no database, and a stage no Slack: what is not built is not loaded.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from afterpilot.declare import load
from afterpilot.domain.alerting import SLACK
from afterpilot.domain.errors import ConfigurationError, DeclarationError
from afterpilot.domain.ports import (
    AlertConnections,
    Connections,
    DecisionSink,
    EvalRunner,
    InstalledConnections,
    PriceList,
    Transport,
)
from afterpilot.domain.watching import DEAD_MAN, DELIVERY, Looked, beat_of
from afterpilot.domain.workflow import Declarations, Fleet, ScriptedTarget, Workflow
from afterpilot.evaluate.runner import Runner
from afterpilot.settings import Settings
from afterpilot.spend.prices import Prices

if TYPE_CHECKING:
    import sqlalchemy as sa

    from afterpilot.evaluate.client import Client
    from afterpilot.notify.at_once import AtOnce
    from afterpilot.notify.deliver import Delivered
    from afterpilot.notify.interactions import Interactions
    from afterpilot.pipeline import Services
    from afterpilot.pipeline.alert_sweep import SweptAlerts
    from afterpilot.pipeline.stopping import SweptStops
    from afterpilot.pipeline.sweeping import Swept
    from afterpilot.record.delivery import PostgresOutbox

log = logging.getLogger(__name__)

# Where _fleet.yaml cannot be read at all, or names no channel that can be used: its problems still have to reach somebody.
_LAST_CHANNEL = "#afterpilot"
_AT_ONCE_THREADS, _AT_ONCE_WAIT = 4, 1.5  # seconds that a delivery at once waits for a lane or a letter
_NOT_AT_ONCE = ("none", "preview")  # transports
_TO_TELL = 5.0  # seconds that a process stays for what it has to tell, and as long again for what it has begun
_NO_FLEET = Fleet(schedules={}, channel=_LAST_CHANNEL, operators=(), prices_whole=False)


@dataclass(frozen=True, slots=True)
class Wired:
    """Everything for one process: the declarations as they stand now, and the services over them."""

    settings: Settings
    declarations: Declarations
    services: Services
    engine: sa.Engine
    connections: AlertConnections

    def workflow(self, slug: str) -> Workflow:
        """A usable workflow by slug.

        Raises:
            DeclarationError: there is no such folder, or its declaration is broken.
        """
        for folder in self.declarations.folders:
            if folder.slug == slug:
                if folder.workflow is None:
                    raise DeclarationError(f"{slug} is broken: {folder.problems[0]}")
                return folder.workflow
        known = ", ".join(folder.slug for folder in self.declarations.folders) or "none"
        raise DeclarationError(f"there is no workflow {slug!r} (known: {known})")

    def sweep_reviews(self) -> Swept:
        """Look after the review queue: due times, the deputy, write-backs."""
        from afterpilot.pipeline.sweeping import sweep_reviews

        return sweep_reviews(self.services, {one.slug: one for one in self.declarations.workflows})

    def sweep_stops(self) -> SweptStops:
        """End the stops that are over, and carry out orders to stop and to go on."""
        from afterpilot.pipeline.stopping import sweep_stops

        return sweep_stops(self.services, {one.slug: one for one in self.declarations.workflows})

    def sweep_alerts(self) -> SweptAlerts:
        """Tell what is still there after its waiver or its silence is over, call whoever is next, and send what waited for its day."""
        from afterpilot.pipeline.alert_sweep import sweep_alerts

        return sweep_alerts(self.services, {one.slug: one for one in self.declarations.workflows})

    def deliver(self) -> Delivered:
        """Deliver what is due in the outbox, to Slack or to the preview and to the declared targets, within a minute."""
        from afterpilot.notify.deliver import deliver

        known = self.transports()
        # A target whose own lines are broken just now is not gone: its letters wait until _fleet.yaml is mended.
        targets = known if self.declarations.fleet_problems else None
        delivered = deliver(self._outbox(targets), known)
        self._beat(DELIVERY, blocked=delivered.blocked)
        return delivered

    def watch(self, *, paused: Callable[[str], bool] | None = None, own: bool = False) -> Looked:
        """See what is overdue, stuck or broken, tell it, and deliver. ``paused`` says whether a DAG is switched off in Airflow;
        ``own``: it is the watchdog's own pass. Delivery that breaks is one of the things that are told.
        """
        from afterpilot.pipeline.watching import watch

        self._deliver_anyway()
        looked = watch(self.services, {one.slug: one for one in self.declarations.workflows}, paused=paused, own=own)
        self._deliver_anyway()
        return looked

    def call_dead_man(self) -> str:
        """Call the heartbeat's URL, where there is one; what went wrong, empty where nothing did."""
        from afterpilot.notify.dead_man import call

        if not self.settings.heartbeat_url:
            return ""
        error = call(self.settings.heartbeat_url)
        self._beat(DEAD_MAN, error=error)
        return error

    def passed(self, dag_id: str) -> None:
        """Put on record that a DAG has come to its end once more."""
        self._beat(beat_of(dag_id))

    def _deliver_anyway(self) -> None:
        try:
            self.deliver()
        except Exception as error:
            log.exception("the outbox could not be swept")
            self._beat(DELIVERY, blocked=f"the sweep of the outbox breaks off ({type(error).__name__})")

    def _beat(self, name: str, **detail: object) -> None:
        from afterpilot.record.beats import Beats

        with self.engine.begin() as connection:
            Beats(connection).beat(name, at=self.services.now(), detail=detail)

    def deliver_at_once(self) -> AtOnce:
        """From now on whatever this process commits is delivered in the background, as far as it knows how; the sweep takes what that
        leaves: targets whose connection this process does not know, and the preview, as another may know Slack's token.
        """
        from afterpilot.notify.at_once import AtOnce
        from afterpilot.notify.deliver import deliver

        # Here, as connections may be known to the task's own thread alone.
        known = {name: one for name, one in self.transports().items() if one.name not in _NOT_AT_ONCE}

        def work(stop: threading.Event) -> Delivered:
            outbox = self._outbox(known)
            return deliver(outbox, known, threads=_AT_ONCE_THREADS, longest_wait=_AT_ONCE_WAIT, stop=stop)

        at_once = AtOnce(work)
        if known:
            self.services.ops.queued = at_once.nudge
        return at_once

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Deliver in the background what the block commits, and for a few seconds after it; the sweep takes what is left."""
        at_once = self.deliver_at_once()
        try:
            yield
        finally:
            at_once.finish(_TO_TELL)

    def oldest_waiting(self) -> timedelta | None:
        """For how long the oldest unsent message has waited; None where none does."""
        return self._outbox().oldest_waiting()

    def transports(self) -> Mapping[str, Transport]:
        """What delivers to each target; one whose connection is missing holds its letters, and says so."""
        from afterpilot.notify.targets import NotThere, transports_of

        try:
            slack: Transport = self.transport()
        except ConfigurationError as error:
            slack = NotThere(str(error))
        return {**transports_of(self.services.fleet.alerts.targets, self.connections), SLACK: slack}

    def transport(self) -> Transport:
        """Slack where there is a token, else its incoming webhook where there is one, the preview otherwise."""
        if self.settings.slack_token:
            from afterpilot.notify.slack import SlackTransport

            return SlackTransport(
                self.settings.slack_token,
                base_url=self.settings.slack_api_url or None,
                interactive=self.settings.interactive,
            )
        if self.settings.slack_webhook_url:
            from afterpilot.notify.incoming_webhook import IncomingWebhook

            return IncomingWebhook(self.settings.slack_webhook_url, place="SLACK_WEBHOOK_URL")
        from afterpilot.notify.preview import PreviewTransport

        return PreviewTransport()

    def _outbox(self, targets: Collection[str] | None = None) -> PostgresOutbox:
        from afterpilot.record.delivery import PostgresOutbox

        return PostgresOutbox(self.engine, fallback_channel=self.services.fleet.channel, targets=targets)


def wire(
    settings: Settings, connections: InstalledConnections, *, only: str = "", engine: sa.Engine | None = None
) -> Wired:
    """Load the declarations, or only one workflow's, and build the services over the ops database, by its engine if there is one."""
    from afterpilot.check.fleet import FleetChecker
    from afterpilot.check.gate import Gate
    from afterpilot.check.references import SqlReferences
    from afterpilot.check.seen import SeenInRecords
    from afterpilot.notify.messages import Messages
    from afterpilot.pipeline import Services
    from afterpilot.pull.bills import reader_of
    from afterpilot.pull.reads import digest
    from afterpilot.pull.sources import source_of
    from afterpilot.record.ops import Ops, connect
    from afterpilot.review.releasing import ProductionReleaser
    from afterpilot.review.write_back import SourceWriteBack
    from afterpilot.spend.stopping import GatewayStopper

    declarations = load(settings.workflows, only=only)
    fleet = _fleet(declarations)
    engine = engine or connect(settings.database_url)
    prices = Prices(fleet.prices)
    base_url = (settings.base_url or fleet.base_url).rstrip("/")

    def runner(workflow: Workflow) -> EvalRunner:
        if workflow.evals is None:
            raise DeclarationError(f"{workflow.slug} declares no evals")
        if not isinstance(target := workflow.evals.target, ScriptedTarget):
            connections.endpoint(target.connection)  # one that is not there ends the run before it begins
        return suite_runner(connections, prices)

    def write_back(workflow: Workflow) -> DecisionSink:
        if (declared := workflow.review.write_back) is None:
            raise ConfigurationError(f"{workflow.slug} does not declare review.write_back any more")
        return SourceWriteBack(connections.database_url(declared.connection or workflow.source.connection), declared)

    services = Services(
        ops=Ops(engine),
        fleet=fleet,
        messages=Messages(
            base_url=base_url,
            runbook_url=f"{base_url}/afterpilot/runbooks/{{workflow}}" if base_url else "",
            operators=fleet.operators,
            interactive=settings.interactive,
        ),
        source=lambda workflow: source_of(workflow, connections),
        bills=lambda account: reader_of(account, connections),
        checker=FleetChecker(settings.database_url, SqlReferences(connections)),
        gate=Gate(SqlReferences(connections), SeenInRecords(engine)),
        releaser=ProductionReleaser(connections),
        stopper=GatewayStopper(connections),
        write_back=write_back,
        runner=runner,
        reads=lambda reads: digest(connections.database_url(reads.connection), reads.sql),
        prices=prices,
        code_version=settings.code_version,
        now=lambda: datetime.now(UTC),
    )
    return Wired(
        settings=settings, declarations=declarations, services=services, engine=engine, connections=connections
    )


def interactions(settings: Settings, connections: InstalledConnections) -> Interactions:
    """What takes people's answers from Slack. It builds the rest at the first answer, and reads the declarations anew by itself."""
    from afterpilot.notify.interactions import Interactions
    from afterpilot.pipeline.slack_answers import Declared, SlackAnswers

    built: list[Wired] = []

    def read() -> Declared:
        if not built:
            built.append(wire(settings, connections))
            built[0].deliver_at_once()
            return Declared(built[0].services, built[0].declarations.workflows)
        again = load(settings.workflows)
        return Declared(replace(built[0].services, fleet=_fleet(again)), again.workflows)

    return Interactions(
        SlackAnswers(read),
        token=settings.slack_token,
        base_url=settings.slack_api_url,
        clock=lambda: datetime.now(UTC),
    )


def _fleet(declarations: Declarations) -> Fleet:
    """The fleet as it is declared, with a channel in any case."""
    fleet = declarations.fleet or _NO_FLEET
    return fleet if fleet.channel else replace(fleet, channel=_LAST_CHANNEL)


def suite_runner(connections: Connections, prices: PriceList) -> EvalRunner:
    """What runs any suite; its models are asked at these connections."""

    def open_client(concurrency: int) -> Client:
        from afterpilot.evaluate.client import Client  # aiohttp takes a fifth of a second

        return Client(connections, concurrency=concurrency)

    return Runner(open_client, prices)
