"""``afterpilot spend raise``, ``approve`` and ``refuse``: people's answers at a cap, without the page."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.allowance import CapRaise
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.money import Money
from afterpilot.domain.people import Somebody
from afterpilot.domain.run import FLEET, Trigger
from afterpilot.settings import EnvConnections, Settings

if TYPE_CHECKING:
    from datetime import datetime

    from afterpilot.domain.workflow import Workflow
    from afterpilot.pipeline.raise_terms import RaiseTerms
    from afterpilot.record.ops import Unit
    from afterpilot.wiring import Wired

log = logging.getLogger(__name__)
Slug = Annotated[str, typer.Argument(help="The workflow's folder name; _fleet for a cap over several.")]
By = Annotated[str, typer.Option("--by", help="Who says so: the owner, the deputy or an operator, as declared.")]
WhichCap = Annotated[str, typer.Option("--cap", help="Which cap, as `month`; the first that is reached unless said.")]


def raise_cap(
    workflow: Slug,
    *,
    to: Annotated[str, typer.Option("--to", help="The cap from now on until its period ends, such as '500 USD'.")],
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the answer.")],
    cap: WhichCap = "",
    json: AsJson = False,
) -> None:
    """Raise a cap until its period ends; above spend.second_person_above a second person has to approve it.

    Example: afterpilot spend raise invoice_matching --to "500 USD" --by "Dana Ruiz" --reason "quarter end"
    """
    from afterpilot.pipeline.raising import ask_raise

    try:
        limit = Money.parse(to)
    except ValueError as error:
        raise AnswerRefused(str(error)) from error

    def answer(unit: Unit, terms: RaiseTerms, now: datetime) -> CapRaise:
        return ask_raise(unit, terms, limit=limit, cap=cap, by=Somebody(by), reason=reason, now=now)

    _answer(workflow, answer, json=json)


def approve(workflow: Slug, *, by: By, cap: WhichCap = "", json: AsJson = False) -> None:
    """Approve, as the second person, what somebody has asked for.

    Example: afterpilot spend approve invoice_matching --by "Lee Okafor"
    """
    from afterpilot.pipeline.raising import approve_raise

    def answer(unit: Unit, terms: RaiseTerms, now: datetime) -> CapRaise:
        return approve_raise(unit, terms, cap=cap, by=Somebody(by), now=now)

    _answer(workflow, answer, json=json)


def refuse(
    workflow: Slug,
    *,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the answer.")],
    cap: WhichCap = "",
    json: AsJson = False,
) -> None:
    """Say no: to what somebody has asked for, or to a cap that asks the owner; then the workflow stops at it.

    Example: afterpilot spend refuse invoice_matching --by "Lee Okafor" --reason "a loop, not work"
    """
    from afterpilot.pipeline.raising import refuse_raise

    def answer(unit: Unit, terms: RaiseTerms, now: datetime) -> CapRaise:
        return refuse_raise(unit, terms, cap=cap, by=Somebody(by), reason=reason, now=now)

    _answer(workflow, answer, json=json)


def _answer(slug: str, answer: Callable[[Unit, RaiseTerms, datetime], CapRaise], *, json: bool) -> None:
    """Keep it, tell gateways at once where something follows from it, and print what holds now."""
    from afterpilot.pipeline.raise_terms import declared_terms
    from afterpilot.wiring import wire

    wired = wire(Settings.from_environment(), EnvConnections())
    workflow = None if slug == FLEET else wired.workflow(slug)
    terms = declared_terms(workflow, wired.services.fleet)
    with wired.telling():
        with wired.services.ops.begin() as unit:
            done = answer(unit, terms, wired.services.now())
        if done.state != "pending":
            _look_anew(wired, workflow)
        wired.sweep_stops()
    with wired.services.ops.begin() as unit:
        told = None if slug == FLEET else unit.allowances.find(slug)
    if json:
        as_json(
            {
                "id": done.id,
                "workflow": done.workflow,
                "cap": done.cap,
                "limit": done.limit.exact,
                "until": done.period.end.isoformat(),
                "state": done.state,
                "allowed": told.allowed if told else None,
            }
        )
        return
    console.print(_said(done), markup=False, highlight=False)
    if told is not None:
        console.print(f"The gateway is told: {told.reason}", markup=False, highlight=False)


def _look_anew(wired: Wired, workflow: Workflow | None) -> None:
    """Judge the spend with what was answered, so that `afterpilot spend` and the pages show it at once. The answer stands, whatever
    comes of it.
    """
    from afterpilot import pipeline

    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    try:
        if workflow is not None:
            pipeline.spend(wired.services, workflow, trigger=trigger)
        else:
            used = [one for one in wired.declarations.workflows if one.stage != "retired"]
            pipeline.spend_all(wired.services, used, trigger=trigger)
    except Exception:
        log.exception(
            "the answer is kept, but the spend could not be looked at: the DAG spend does so within ten minutes"
        )


def _said(done: CapRaise) -> str:
    until = f"until {done.period.end:%Y-%m-%d %H:%M} UTC"
    if done.state == "approved":
        return f"The cap ({done.cap}) is {done.limit.exact} {until}."
    if done.state == "refused":
        return f"The cap ({done.cap}) is not raised."
    return (
        f"Asked for: the cap ({done.cap}) at {done.limit.exact} {until}. It does not count yet: a second person has to say "
        f"afterpilot spend approve {done.workflow} --by NAME"
    )
