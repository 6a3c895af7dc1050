"""``afterpilot slack``: answers from Slack for those whose pages cannot be reached from outside."""

from __future__ import annotations

import logging
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from afterpilot.cli.output import console
from afterpilot.domain.errors import ConfigurationError
from afterpilot.settings import EnvConnections, Settings

app = typer.Typer(help="Take the answers that people give in Slack.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `listen` a command of its own."""


@app.command()
def listen(
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop after the first answer.")] = False,
    alive: Annotated[
        Path | None, typer.Option("--alive", help="Touch this file every few seconds while Slack is connected.")
    ] = None,
) -> None:
    """Take clicks on Acknowledge and Waive through Socket Mode, until it is stopped: Slack needs no way in.

    Needs SLACK_APP_TOKEN (scope connections:write) and SLACK_BOT_TOKEN. docs/deployment.md says how the Slack app is set up.

    Example: afterpilot slack listen
    """
    from afterpilot.notify.socket import SocketMode
    from afterpilot.record.alerts.taken import take
    from afterpilot.record.ops import connect
    from afterpilot.wiring import interactions

    settings = Settings.from_environment()
    if not settings.slack_app_token or not settings.slack_token:
        raise ConfigurationError(
            "Socket Mode needs SLACK_APP_TOKEN, a token of the Slack app with the scope connections:write, and SLACK_BOT_TOKEN"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    engine = connect(settings.database_url)

    def new(envelope: str) -> bool:
        with engine.begin() as connection:
            return take(connection, envelope, at=datetime.now(UTC))

    answers = interactions(settings, EnvConnections())
    socket = SocketMode(
        settings.slack_app_token, answer=answers.answer, take=new, base_url=settings.slack_api_url, once=once
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: socket.stop())
    try:
        socket.listen(
            connected=lambda: console.print("Listening for answers from Slack."),
            alive=lambda: alive.touch() if alive else None,
        )
    finally:
        answers.close()
