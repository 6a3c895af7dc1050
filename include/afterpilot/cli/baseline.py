"""``afterpilot baseline``: which eval runs later ones are compared with."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

from afterpilot import pipeline
from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.counting import plural
from afterpilot.pipeline import Approval, Standing
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

app = typer.Typer(help="The eval runs that later ones are compared with.", no_args_is_help=True)
_NAMED = 10


@app.command()
def approve(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    *,
    by: Annotated[str, typer.Option(help="Who approves it; kept on record.")],
    note: Annotated[str, typer.Option(help="Why.")] = "",
    run: Annotated[uuid.UUID | None, typer.Option("--run", help="The eval run; the newest one unless given.")] = None,
    json: AsJson = False,
) -> None:
    """Approve an eval run of a workflow as its baseline. A run that is UNKNOWN is no baseline.

    Earlier runs of the same suite, prompt and model count with it (at most 30 in all): they show which cases waver. It says how
    the run stands against the baseline before, and what the suite can detect.
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    declared = wired.workflow(workflow)
    done = pipeline.approve(wired.services, declared, by=by, note=note, run_id=run)
    standing = pipeline.standing(wired.services, declared)
    if json:
        as_json(
            {"run": str(done.run.id), "runs": len(done.runs), "against_former": _report(done), **_detects(standing)}
        )
        return
    _print(f"Run {done.run.id} ({done.run.summary}) is the baseline of {workflow} from now on.")
    if len(done.runs) > 1:
        _print(f"With it count {len(done.runs) - 1} earlier runs that say the same.")
    for line in _report(done):
        _print(line)
    _print(_detects(standing)["detects"])


@app.command()
def show(workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")], *, json: AsJson = False) -> None:
    """Show the approved baseline of a workflow: who approved it and when, how many cases passed, what the suite can detect."""
    wired = wire(Settings.from_environment(), EnvConnections())
    standing = pipeline.standing(wired.services, wired.workflow(workflow))
    if standing is None:
        console.print(f"{workflow} has no approved baseline: `afterpilot baseline approve {workflow} --by NAME`")
        raise typer.Exit(1)
    if json:
        as_json(
            {
                "run": str(standing.baseline.run_id),
                "runs": [str(one) for one in standing.baseline.runs],
                "approved_by": standing.baseline.approved_by,
                "approved_at": standing.baseline.approved_at.isoformat(),
                "note": standing.baseline.note,
                "passed": standing.passed,
                "cases": standing.cases,
                **_terms(standing),
                **_detects(standing),
            }
        )
        return
    approval = standing.baseline
    _print(f"Run {approval.run_id}: {standing.passed} of {plural(standing.cases, 'case')} passed.")
    why = f": {approval.note}" if approval.note else ""
    _print(
        f"Approved by {approval.approved_by} at {approval.approved_at:%Y-%m-%d %H:%M} UTC, {plural(len(approval.runs), 'run')}{why}"
    )
    _print(_detects(standing)["detects"])
    if terms := _terms(standing):
        _print(_in_words(terms))


def _report(done: Approval) -> list[str]:
    """How the run stands against the baseline before, and which cases changed."""
    lines = [done.report]
    compared = done.compared
    for word, cases in (("Broke", compared.broken), ("Fixed", compared.fixed)) if compared else ():
        more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
        lines += [f"{word}: {', '.join(cases[:_NAMED])}{more}."] if cases else []
    return lines


def _detects(standing: Standing | None) -> dict[str, str]:
    return {"detects": standing.detects if standing else ""}


def _terms(standing: Standing) -> dict[str, Any]:
    """What the alarm reckons with."""
    if standing.terms is None:
        return {}
    settings = standing.terms.settings
    return {
        "run_days_per_year": settings.run_days,
        "alarm_at": settings.threshold,
        "wobble": settings.wobble,
        "wobble_measured": standing.terms.measured,
    }


def _in_words(terms: dict[str, Any]) -> str:
    source = "measured over the fleet" if terms["wobble_measured"] else "assumed: too few quiet days are known"
    return (
        f"The suite runs on {terms['run_days_per_year']:.0f} days of a year, so the alarm is at evidence {terms['alarm_at']:,.0f}; "
        f"days differ by {terms['wobble']:.2f} logits ({source})."
    )


def _print(text: str) -> None:
    console.print(text, highlight=False, markup=False)
