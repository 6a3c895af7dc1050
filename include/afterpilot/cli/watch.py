"""``afterpilot watch``: one pass of the watchdog from outside Airflow, so that a dead scheduler is told by somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.counting import plural
from afterpilot.settings import EnvConnections, Settings

if TYPE_CHECKING:
    from datetime import datetime

    from afterpilot.domain.watching import Looked


def watch(*, json: AsJson = False) -> None:
    """Look from outside Airflow at what must keep happening, tell what is overdue, stuck or broken, and deliver it.

    For cron, on another machine than Airflow's best: a dead scheduler tells nothing.

    Exit status: 0 all is good, 1 something is overdue, stuck or broken, 2 it could not look, or nothing
    has ever passed here.

    Example: */10 * * * * afterpilot watch --json
    """
    from afterpilot.wiring import wire

    looked = wire(Settings.from_environment(), EnvConnections()).watch()
    if json:
        as_json(_document(looked))
    else:
        _print(looked)
    if all(one.last is None for one in looked.passes):
        raise typer.Exit(2)  # nothing has ever passed here: that is no good state, and no bad one
    raise typer.Exit(0 if looked.good else 1)


def _print(looked: Looked) -> None:
    from rich.table import Table

    table = Table("what", "last pass (UTC)", "due (UTC)", "state", box=None, header_style="bold")
    for row in _rows(looked):
        table.add_row(*(row[name] for name in ("what", "last", "due", "state")))
    console.print(table)
    for line in _lines(looked):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _rows(looked: Looked) -> Sequence[Mapping[str, str]]:
    dags = [
        {
            "what": one.dag_id,
            "last": _at(one.last),
            "due": _at(one.due),
            "state": f"{one.state}, paused in Airflow" if one.paused and one.state != "paused" else str(one.state),
        }
        for one in looked.passes
    ]
    return dags + [
        {
            "what": f"{one.expected.workflow}: {one.expected.stage}",
            "last": _at(one.last) if one.last or one.never else "not for a year",
            "due": _at(one.expected.tick.due),
            "state": "overdue",
        }
        for one in looked.overdue
    ]


def _lines(looked: Looked) -> Sequence[str]:
    box = looked.outbox
    lines = (
        [] if any(one.last for one in looked.passes) else ["Nothing has ever passed here: are the DAGs switched on?"]
    )
    lines += [f"{len(looked.overdue)} of {plural(looked.judged, 'verdict')} overdue."]
    if looked.dead_since is not None:
        lines.append(f"Airflow has started nothing since {_at(looked.dead_since)} UTC.")
    if looked.catching_up:
        lines.append("The watchdog has just begun or was away: what waited has half an hour to catch up.")
    if box.blocked:
        lines.append(f"Nothing can be sent until this is mended: {box.blocked}")
    if box.waiting:
        lines.append(f"{plural(box.waiting, 'message')} due, the oldest for {str(box.oldest).partition('.')[0]}.")
    if box.dead:
        lines.append(f"{box.dead} refused for good in the last hour, the last for {box.dead_where}: {box.dead_why}")
    lines += [f"The task {one.task_id} of {one.dag_id} failed at {_at(one.at)} UTC." for one in looked.failures]
    return lines + [f"Airflow cannot load {file}: {error}" for file, error in looked.broken_dags.items()]


def _document(looked: Looked) -> Mapping[str, Any]:
    box = looked.outbox
    return {
        "at": looked.at,
        "good": looked.good,
        "scheduler_dead_since": looked.dead_since,
        "verdicts": looked.judged,
        "rows": [
            {"what": one.dag_id, "last": one.last, "due": one.due, "state": str(one.state), "paused": one.paused}
            for one in looked.passes
        ],
        "overdue": [
            {
                "workflow": one.expected.workflow,
                "stage": str(one.expected.stage),
                "schedule": one.expected.schedule,
                "last": one.last,
                "due": one.expected.tick.due,
            }
            for one in looked.overdue
        ],
        "outbox": {
            "oldest_seconds": box.oldest.total_seconds() if box.oldest else None,
            "due": box.waiting,
            "dead": box.dead,
            "blocked": box.blocked,
        },
        "failed_tasks": [{"dag": one.dag_id, "task": one.task_id, "run": one.run_id} for one in looked.failures],
        "broken_dags": dict(looked.broken_dags),
    }


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"
