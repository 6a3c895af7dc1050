"""``afterpilot evals corrections``."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from afterpilot import pipeline
from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.errors import CheckError
from afterpilot.pipeline.corrections import OPEN
from afterpilot.record.evals.offers import Offer
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

_SHOWN = 100  # characters of a value


def corrections(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    *,
    accept: Annotated[
        list[str] | None, typer.Option(help="Add the case of this record to the folder; may be given several times.")
    ] = None,
    accept_all: Annotated[bool, typer.Option("--accept-all", help="Add every case that waits.")] = False,
    decline: Annotated[list[str] | None, typer.Option(help="Do not; the offer stays on record with the note.")] = None,
    by: Annotated[str, typer.Option(help="Who decides; kept on record.")] = "",
    note: Annotated[str, typer.Option(help="Why; needed to decline.")] = "",
    every: Annotated[bool, typer.Option("--all", help="List those that were answered too, and duplicates.")] = False,
    json: AsJson = False,
) -> None:
    """Show which of people's corrections could become eval cases, and accept or decline them.

    Accepting adds lines to the cases of the workflow's folder, which is the truth: commit them, and have them reviewed like any
    other change. The next eval run asks them.
    Example: afterpilot evals corrections invoice_matching --accept inv-000017 --by "Dana Ruiz"
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    _require(accept=accept, accept_all=accept_all, decline=decline, by=by, note=note)
    declared, services = wired.workflow(workflow), wired.services
    accepted: list[Offer] = []
    if accept or accept_all:
        keys = [] if accept_all else accept or []
        accepted += pipeline.accept_offers(services, declared, keys, by=by, note=note)
    declined = [
        one for key in decline or () for one in pipeline.decline_offer(services, declared, key, by=by, note=note)
    ]
    listed = _listed(wired, workflow, every=every)
    if json:
        as_json(
            {
                "accepted": [one.key for one in accepted],
                "declined": [one.key for one in declined],
                "offers": [_as_dict(one) for one in listed],
            }
        )
        return
    _tell(wired, workflow, accepted, declined, listed, every=every)


def _require(*, accept: list[str] | None, accept_all: bool, decline: list[str] | None, by: str, note: str) -> None:
    if (accept or accept_all or decline) and not by.strip():
        raise CheckError("say who decides: --by NAME")
    if decline and not note.strip():
        raise CheckError("say why it is declined: --note TEXT")
    if decline and (accept_all or set(decline) & set(accept or ())):
        raise CheckError("the same record cannot be accepted and declined")


def _listed(wired: Wired, workflow: str, *, every: bool) -> Sequence[Offer]:
    declared = wired.workflow(workflow)
    if declared.evals is None or declared.evals.corrections is None or not declared.evals.corrections.expected:
        raise CheckError(f"{workflow} does not declare evals.corrections.expected: no correction can become a case")
    pipeline.offer_cases(wired.services, declared)
    return pipeline.offers(wired.services, declared, states=() if every else OPEN)


def _tell(
    wired: Wired,
    workflow: str,
    accepted: Sequence[Offer],
    declined: Sequence[Offer],
    listed: Sequence[Offer],
    *,
    every: bool,
) -> None:
    if accepted:
        folder = wired.workflow(workflow).path
        _print(f"{len(accepted)} added to the cases in {folder}: {', '.join(one.case['id'] for one in accepted)}")
    if declined:
        _print(f"{len(declined)} declined: {', '.join(one.key for one in declined)}")
    if (accepted or declined) and not every:
        left = sum(one.state == "offered" for one in listed)
        _print(f"{left} {'waits' if left == 1 else 'wait'}")
        return
    for one in listed:
        _print(f"{one.key}: {one.state}, corrected {one.decided_at:%Y-%m-%d}{_answered(one)}")
        for name, value in one.case.get("vars", {}).items():
            _print(f"    {name}: {_brief(value)}")
        _print(f"    right: {_brief(one.case.get('expected', ''))}")
    waiting = sum(one.state == "offered" for one in listed)
    if waiting:
        _print(
            f"{waiting} {'waits' if waiting == 1 else 'wait'}: --accept KEY or --accept-all, --decline KEY --note WHY, each with --by NAME"
        )
    elif not listed:
        _print(f"No correction of {workflow} waits to become a case.")


def _answered(one: Offer) -> str:
    who = f" by {one.decided_by}" if one.decided_by else ""
    when = f" on {one.answered_at:%Y-%m-%d}" if one.answered_at else ""
    return f"{who}{when}" + (f" ({one.note})" if one.note else "")


def _brief(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = value if isinstance(value, str) else json_text.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _as_dict(one: Offer) -> Mapping[str, Any]:
    return {
        "key": one.key,
        "state": one.state,
        "corrected_at": one.decided_at.isoformat(),
        "case": one.case,
        "by": one.decided_by,
        "answered_at": one.answered_at.isoformat() if one.answered_at else None,
        "note": one.note,
    }


def _print(text: str) -> None:
    console.print(text, highlight=False, markup=False)
