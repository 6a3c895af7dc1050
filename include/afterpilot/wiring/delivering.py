"""What one process delivers with: a transport for each target, the outbox, and the watchdog, who delivers by itself."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from afterpilot.domain.alerting import SLACK
from afterpilot.domain.connections import InstalledConnections
from afterpilot.domain.delivery import Transport
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.watching import DEAD_MAN, DELIVERY, Looked, beat_of
from afterpilot.domain.workflow import Declarations
from afterpilot.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from afterpilot.notify.at_once import AtOnce
    from afterpilot.notify.deliver import Delivered
    from afterpilot.pipeline import Services
    from afterpilot.record.alerts.delivery import PostgresOutbox

log = logging.getLogger(__name__)

_AT_ONCE_THREADS, _AT_ONCE_WAIT = 4, 1.5  # seconds that a delivery at once waits for a lane or a letter
_NOT_AT_ONCE = ("none", "preview")  # transports
_TO_TELL = 5.0  # seconds that a process stays for what it has to tell, and as long again for what it has begun


@dataclass(frozen=True, slots=True)
class Delivering:
    """The declarations as they stand now, the services over them, and what delivers what these have to tell."""

    settings: Settings
    declarations: Declarations
    services: Services
    engine: sa.Engine
    connections: InstalledConnections

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
            # Where the database is away this raises, and that is all there is to say.
            self._beat(DELIVERY, blocked=f"the sweep of the outbox breaks off ({type(error).__name__})")
            log.exception("the outbox could not be swept")

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
        from afterpilot.record.alerts.delivery import PostgresOutbox

        return PostgresOutbox(self.engine, fallback_channel=self.services.fleet.channel, targets=targets)
