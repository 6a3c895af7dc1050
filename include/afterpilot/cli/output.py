"""How the commands print: for people by default, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from afterpilot.domain.errors import AfterpilotError
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
# A sentence stays one line: the terminal wraps it, and a program can search it. ``seal:key:added`` is no picture of a key.
console = Console(soft_wrap=True, emoji=False)

_STYLE = {
    Verdict.PASS: ("✓", "green"),
    Verdict.WARN: ("!", "yellow"),
    Verdict.FAIL: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "magenta"),
}


def verdict(value: Verdict) -> Text:
    """A verdict by sign, word and colour."""
    mark, style = _STYLE[value]
    return Text(f"{mark} {value}", style=f"bold {style}")


def as_json(data: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(data, indent=2, default=str))


def day(text: str, option: str) -> datetime:
    """The midnight (UTC) at which a day such as 2026-11-01 begins. Raises AfterpilotError, which names the option, where it is none."""
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), UTC)
    except ValueError:
        raise AfterpilotError(f"{option}: {text!r} is no day such as 2026-11-01") from None


def run_as_dict(run: Run) -> dict[str, Any]:
    """A run for programs."""
    return {
        "id": str(run.id),
        "workflow": run.workflow,
        "stage": str(run.stage),
        "verdict": str(run.verdict),
        "summary": run.summary,
        "reasons": list(run.reasons),
        "window": [run.window.start.isoformat(), run.window.end.isoformat()],
        "versions": dict(run.versions),
        "finished_at": run.finished_at.isoformat(),
    }


def exit_status(verdicts: Sequence[Verdict]) -> int:
    """0 where all is good (a warning is), 1 where something failed, 2 where something could not be judged."""
    if Verdict.FAIL in verdicts:
        return 1
    return 2 if Verdict.UNKNOWN in verdicts or not verdicts else 0
