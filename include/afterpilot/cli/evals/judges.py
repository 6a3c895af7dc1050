"""``afterpilot evals judges``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from afterpilot import pipeline
from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.decide.judging import Drift, as_evidence
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import CheckError
from afterpilot.domain.intervals import percent
from afterpilot.domain.judging import Standing
from afterpilot.pipeline import Calibration
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

_SHORT = 12  # of a judge's hash


def judges(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    *,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Ask each judge about outputs that people have decided on, newest first."),
    ] = False,
    most: Annotated[
        int, typer.Option(min=1, max=10_000, help="With --calibrate: about so many outputs each, at most.")
    ] = 100,
    json: AsJson = False,
) -> None:
    """Show where the judges of a workflow stand: their agreement with people, and whether they may decide.

    A judge decides from 50 people's decisions on, where the lower end of the 95 % interval of Cohen's kappa is not below its
    floor. What --calibrate asks is paid from the eval budget, and is done before each scheduled eval run as well.
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    declared = wired.workflow(workflow)
    if declared.evals is None:
        raise CheckError(f"{workflow} declares no evals")
    done = pipeline.calibrate(wired.services, declared, most=most) if calibrate else ()
    standings = pipeline.judge_standings(wired.services, declared)
    drifts = {drift.judge: drift for drift in pipeline.judge_drifts(wired.services, declared)}
    if json:
        as_json(
            {
                "judges": [{**as_evidence(one), "drift": _drift(drifts.get(one.judge))} for one in standings],
                "calibrated": [_calibration(one) for one in done],
            }
        )
        return
    if not standings:
        _print(f"No scorer of {workflow} is a judge.")
    for one in done:
        _print(_told(one))
    for standing in standings:
        _show(standing, drifts.get(standing.judge))


def _show(one: Standing, drift: Drift | None) -> None:
    _print(f"{one.scorer} ({one.judge[:_SHORT]}): {'trusted' if one.trusted else 'on probation'}. {one.why}")
    agreement = "unknown" if one.agreement is None else percent(one.agreement)
    _print(
        f"    labels {one.labels}; agreement {agreement}{_span(one.agreement_interval, shares=True)}; "
        f"kappa {'unknown' if one.kappa is None else f'{one.kappa:.2f}'}{_span(one.kappa_interval)}; floor {one.floor:.2f}"
    )
    _print(f"    {drift.line}" if drift else "    no drift is known")


def _span(interval: tuple[float, float] | None, *, shares: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (percent(end) if shares else f"{end:.2f}" for end in interval)
    return f" (95 % {low} to {high})"


def _told(one: Calibration) -> str:
    unusable = f", {one.unusable} of them without a usable word" if one.unusable else ""
    left = "".join(f"; {plural(count, 'record')} left out: {why}" for why, count in one.left_out.items())
    return f"{one.scorer} judged {plural(one.judged, 'output')} that people have decided on{unusable}{left}" + (
        f"; {one.why}" if one.why else ""
    )


def _calibration(one: Calibration) -> Mapping[str, Any]:
    return {
        "scorer": one.scorer,
        "judge": one.judge,
        "judged": one.judged,
        "unusable": one.unusable,
        "left_out": dict(one.left_out),
        "why": one.why,
    }


def _drift(drift: Drift | None) -> Mapping[str, Any] | None:
    if drift is None:
        return None
    turned: Mapping[str, Sequence[str]] = {"to_fail": drift.moved.to_fail, "to_pass": drift.moved.to_pass}
    return {"since": drift.since.isoformat(), "answers": drift.moved.answers, **turned, "p_value": drift.moved.p_value}


def _print(text: str) -> None:
    console.print(text, highlight=False, markup=False)
