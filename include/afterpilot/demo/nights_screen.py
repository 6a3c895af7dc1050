"""The eval nights on the demo's last screen: a block for each run, and the newest regression with its cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from rich.console import Group, RenderableType
from rich.text import Text

from afterpilot.domain.causation import cause_in
from afterpilot.domain.counting import plural
from afterpilot.record.tables import case_offers, eval_results, incidents

_NIGHTS = 30
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Nights:
    """The newest eval runs of a workflow, oldest first, and the newest regression with what it says of its cause."""

    results: Sequence[sa.Row[Any]]
    regression: sa.Row[Any] | None
    offers: int


def read_nights(connection: sa.Connection, workflow: str) -> Nights:
    """A workflow's nights as they are kept."""
    newest = sa.select(eval_results).where(eval_results.c.workflow == workflow).order_by(eval_results.c.at.desc())
    alarm = sa.select(incidents).where(incidents.c.workflow == workflow, incidents.c.kind == "evals.regressed")
    waiting = sa.select(sa.func.count()).where(case_offers.c.workflow == workflow, case_offers.c.state == "offered")
    return Nights(
        results=list(reversed(connection.execute(newest.limit(_NIGHTS)).all())),
        regression=connection.execute(alarm.order_by(incidents.c.opened_at.desc()).limit(1)).first(),
        offers=connection.scalar(waiting) or 0,
    )


def shown_nights(workflow: str, nights: Nights) -> Group:
    """They on a line, and below it the regression and the corrections that wait."""
    counted = Text(f"  {plural(len(nights.results), 'run')}", style="dim")
    lines: list[RenderableType] = [Text.assemble((f"  {workflow:<18}", "bold"), *map(_night, nights.results), counted)]
    if (found := nights.regression) is not None:
        lines += _regression(found)
    if nights.offers:
        wait = "waits to become a case" if nights.offers == 1 else "wait to become cases"
        offers = plural(nights.offers, "correction")
        lines.append(Text(f"    {offers} by people {wait}: afterpilot evals corrections {workflow}"))
    return Group(*lines)


def _regression(found: sa.Row[Any]) -> list[RenderableType]:
    """A regression that stands, in red with its detail; one that is over in the past tense, with its days and its cause."""
    if found.resolved_at is None:
        return [
            Text.assemble(("    ✗ ", "red"), f"{found.title}, not over yet"),
            Text(f"      {found.detail}", style="dim"),
        ]
    began, over = found.opened_at.astimezone(UTC), found.resolved_at.astimezone(UTC)
    month = "" if (began.year, began.month) == (over.year, over.month) else f" {began:%B}"
    days = f"{over.day} {over:%B}" if began.date() == over.date() else f"{began.day}{month} to {over.day} {over:%B}"
    was = f"{found.title[:1].lower()}{found.title[1:]}".rsplit(" since ", 1)[0]
    cause = cause_in(found.detail)
    return [Text.assemble(("    ✓ ", "green"), f"{days}: {was}", f"; cause: {cause}" if cause else "", ". It is over.")]


def _night(result: sa.Row[Any]) -> tuple[str, str]:
    """One run as a block whose height is the share of cases that pass, red while an alarm stands; ``?`` where it is UNKNOWN."""
    if not result.valid or not result.scored:
        return "?", "magenta"
    height = round(result.passed / result.scored * (len(_BLOCKS) - 1))
    return _BLOCKS[height], "red" if result.alarm == "alarm" else "green"
