"""Builds the services over the declarations and the ops database; each is imported when it is built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from afterpilot.declare import load
from afterpilot.declare.problems import nearest
from afterpilot.domain.connections import Connections, InstalledConnections
from afterpilot.domain.errors import ConfigurationError, DeclarationError
from afterpilot.domain.ports import DecisionSink, EvalRunner, PriceList
from afterpilot.domain.retention import Retention
from afterpilot.domain.workflow import Declarations, Fleet, ScriptedTarget, Workflow
from afterpilot.evaluate.runner import Runner
from afterpilot.settings import Settings
from afterpilot.spend.prices import Prices
from afterpilot.wiring.delivering import Delivering

if TYPE_CHECKING:
    import sqlalchemy as sa

    from afterpilot.evaluate.client import Client
    from afterpilot.pipeline.alert_sweep import SweptAlerts
    from afterpilot.pipeline.sealing import SealedNow
    from afterpilot.pipeline.stopping import SweptStops
    from afterpilot.pipeline.sweeping import Swept
    from afterpilot.record.ledger.signing_keys import SigningKey


# Where _fleet.yaml cannot be read at all, or names no channel that can be used: its problems still have to reach somebody.
_LAST_CHANNEL = "#afterpilot"
_NO_FLEET = Fleet(
    schedules={}, channel=_LAST_CHANNEL, operators=(), prices_whole=False, retention=Retention(whole=False)
)


@dataclass(frozen=True, slots=True)
class Wired(Delivering):
    """Everything for one process: its workflows, what looks after them, and what delivers."""

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
        known = [folder.slug for folder in self.declarations.folders]
        near = f"did you mean {meant}? " if (meant := nearest(slug, known)) else ""
        raise DeclarationError(f"there is no workflow {slug!r} ({near}known: {', '.join(known) or 'none'})")

    def sweep_reviews(self) -> Swept:
        """Look after the review queue: due times, the deputy, write-backs."""
        from afterpilot.pipeline.sweeping import sweep_reviews

        return sweep_reviews(self.services, {one.slug: one for one in self.declarations.workflows})

    def sweep_stops(self) -> SweptStops:
        """End the stops that are over, and carry out orders to stop and to go on."""
        from afterpilot.pipeline.stopping import sweep_stops

        return sweep_stops(self.services, {one.slug: one for one in self.declarations.workflows})

    def seal(self) -> SealedNow:
        """Seal what is new in the ledger, and publish its head where that is due."""
        from afterpilot.pipeline.sealing import seal

        return seal(self.services, self.ledger_key, self.connections.filesystem)

    def ledger_key(self) -> SigningKey | None:
        """What heads are signed with; None where the installation has no key. Raises ConfigurationError where it cannot be used."""
        from afterpilot.record.ledger.signing_keys import read_key

        return read_key(self.settings.ledger_key, self.settings.ledger_key_file)

    def sweep_alerts(self) -> SweptAlerts:
        """Tell what is still there after its waiver or its silence is over, call whoever is next, and send what waited for its day."""
        from afterpilot.pipeline.alert_sweep import sweep_alerts

        return sweep_alerts(self.services, {one.slug: one for one in self.declarations.workflows})


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
    fleet = usable_fleet(declarations)
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


def usable_fleet(declarations: Declarations) -> Fleet:
    """The fleet as it is declared, with a channel in any case."""
    fleet = declarations.fleet or _NO_FLEET
    return fleet if fleet.channel else replace(fleet, channel=_LAST_CHANNEL)


def suite_runner(connections: Connections, prices: PriceList) -> EvalRunner:
    """What runs any suite; its models are asked at these connections."""

    def open_client(concurrency: int) -> Client:
        from afterpilot.evaluate.client import Client  # aiohttp takes a fifth of a second

        return Client(connections, concurrency=concurrency)

    return Runner(open_client, prices)
