"""``afterpilot alerts send-test``: whether what is declared gets through."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.alerting import SLACK
from afterpilot.domain.delivery import Posted, Transport
from afterpilot.domain.errors import ConfigurationError, DeclarationError
from afterpilot.domain.incident import IncidentState
from afterpilot.domain.message import About, Fact, Message
from afterpilot.domain.verdict import Severity
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

_TEST = "TEST of Afterpilot's alerts: nothing is wrong"


def send_test(
    target: Annotated[str, typer.Argument(help="A target of `alerts.targets` in _fleet.yaml, or slack.")],
    *,
    channel: Annotated[
        str, typer.Option(help="A Slack channel or e-mail addresses; unless given, those that are declared.")
    ] = "",
    json: AsJson = False,
) -> None:
    """Send one message, marked as a test, to a declared target, and say what the other side answered.

    It goes there at once, past the outbox. At PagerDuty it opens an alert of severity info and resolves it right away; whoever is on
    call there may be paged. Connections are read from AIRFLOW_CONN_NAME. Exit status 2 where it does not get through.

    Example: afterpilot alerts send-test duty_mail --channel dana@example.com
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    transport, place = _transport(wired, target), channel or _place(wired, target)
    reference, begun = str(uuid.uuid4()), time.monotonic()
    message = _message(target)
    posted = transport.post(place, message, reference=reference)
    if transport.name == "pagerduty":
        posted = transport.update(posted, _over(message), reference=reference)
    _print(target, posted, transport, seconds=time.monotonic() - begun, json=json)


def _transport(wired: Wired, target: str) -> Transport:
    known = wired.transports()
    if target not in known:
        raise DeclarationError(f"there is no target {target!r} (known: {', '.join(sorted(known))})")
    if known[target].name == "preview":
        raise ConfigurationError("nothing is sent to Slack: neither SLACK_BOT_TOKEN nor SLACK_WEBHOOK_URL is set")
    return known[target]


def _place(wired: Wired, target: str) -> str:
    if target == SLACK:
        return wired.services.fleet.channel
    return next((one.to for one in wired.services.fleet.alerts.targets if one.name == target and one.to), target)


def _message(target: str) -> Message:
    now = datetime.now(UTC)
    return Message(
        tone="info",
        title=_TEST,
        summary="Somebody tries whether alerts arrive here. There is nothing to do.",
        notification=_TEST,
        facts=(Fact("Target", target), Fact("Sent at", f"{now:%Y-%m-%d %H:%M:%S} UTC")),
        footer="Afterpilot · afterpilot alerts send-test",
        about=About(
            incident=str(uuid.uuid4()),
            workflow="afterpilot",
            kind="test",
            severity=str(Severity.INFO),
            state=str(IncidentState.OPEN),
            event="test",
            at=now.isoformat(),
        ),
    )


def _over(message: Message) -> Message:
    about = message.about and replace(message.about, state=str(IncidentState.RESOLVED))
    return replace(message, about=about)


def _print(target: str, posted: Posted, transport: Transport, *, seconds: float, json: bool) -> None:
    answer = posted.answer or f"taken, as {posted.ts}"
    if json:
        as_json({"target": target, "channel": posted.channel, "answer": answer, "seconds": round(seconds, 3)})
        return
    where = "" if posted.channel == target else f", {posted.channel}"
    console.print(
        Text.assemble(("✓ ", "bold green"), f"{target}{where} ({transport.name}) answered in {seconds:.2f} s: {answer}")
    )
