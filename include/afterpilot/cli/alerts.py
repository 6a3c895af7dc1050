"""``afterpilot alerts``: what is told, and what is kept silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from afterpilot.cli.lazy import MARKUP, Later, LazyGroup


class _Alerts(LazyGroup):
    later: ClassVar[Mapping[str, Later]] = {
        "preview": Later(
            "afterpilot.cli.alerts_preview:preview",
            "Show every kind of message that Afterpilot sends, made from data of an example by what makes the real ones.",
        ),
        "silence": Later(
            "afterpilot.cli.silences:silence",
            "Keep alerts for at most 30 days and send none of them. What is still there at the end is told then.",
        ),
        "silences": Later(
            "afterpilot.cli.silences:silences", "List the silences that hold, in the order in which they end."
        ),
        "unsilence": Later(
            "afterpilot.cli.silences:unsilence",
            "End a silence before its time. What it has kept and is still there is told within a minute.",
        ),
        "send-test": Later(
            "afterpilot.cli.alerts_test:send_test",
            "Send one message, marked as a test, to a declared target, and say what the other side answered.",
        ),
    }


app = typer.Typer(
    cls=_Alerts,
    help="What is told, and what is kept silent.\n\n"
    "What a silence keeps is on record with its reason, and told at its end if it is still there.",
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
)


@app.callback()
def _root() -> None:
    """Only so that typer makes a group of it although its commands come later."""
