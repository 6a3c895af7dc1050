"""Reads ``_fleet.yaml``: what all workflows share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from afterpilot.declare import schema
from afterpilot.declare.convert import fleet_of
from afterpilot.declare.files import Folder, Unreadable
from afterpilot.declare.placing import placed, secret_flaws
from afterpilot.declare.problems import Flaw
from afterpilot.declare.rules import ScheduleNames, dig
from afterpilot.declare.schema_flaws import validate
from afterpilot.declare.yaml_lines import read
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.workflow import Fleet, Problem

FLEET = "_fleet.yaml"


def read_fleet(folder: Path) -> tuple[Fleet | None, tuple[Problem, ...], ScheduleNames]:
    """The fleet, what is wrong with its file, and the names of its schedules as far as they can be read."""
    try:
        document = read(Folder(folder).read(FLEET))
    except Unreadable as error:
        return None, (Problem(FLEET, 0, "", str(error), error.hint),), {}
    data = document.data
    model, flaws = (None, []) if document.flaws and data is None else validate(schema.FleetFile, data)
    problems = placed(FLEET, document, [*flaws, *secret_flaws(data, ()), *_repeated_prices(data)])
    names = _names(data)
    if model is None or problems:
        return None, problems, names
    return fleet_of(model), (), names


def schedules(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """The named schedules for ``records``, ``evals`` and ``report``: name → cron expression in UTC.

    Reads that part of ``_fleet.yaml`` alone, so that a wrong price does not stop the schedules.

    Raises:
        DeclarationError: it cannot be read; the message has file, line and reason.
    """
    try:
        document = read(Folder(folder).read(FLEET))
    except Unreadable as error:
        raise DeclarationError(f"{FLEET}: {error}") from error
    if not isinstance(document.data, dict):
        flaws = [] if document.flaws else validate(schema.FleetFile, document.data)[1]
        raise DeclarationError("; ".join(str(problem) for problem in placed(FLEET, document, flaws)))
    model, found = validate(schema.Schedules, document.data.get("schedules"))
    if model is None:
        flaws = [Flaw(("schedules", *flaw.path), flaw.text, flaw.hint, flaw.line) for flaw in found]
        raise DeclarationError("; ".join(str(problem) for problem in placed(FLEET, document, flaws)))
    return {"records": model.records, "evals": model.evals, "report": model.report}


def _names(data: Any) -> ScheduleNames:  # noqa: ANN401 - YAML holds anything
    kinds = {kind: dig(data, "schedules", kind) for kind in schema.Schedules.model_fields}
    return {kind: tuple(named) for kind, named in kinds.items() if isinstance(named, dict)}


def _repeated_prices(data: Any) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    seen: set[str] = set()
    prices = dig(data, "prices")
    for index, price in enumerate(prices if isinstance(prices, list) else []):
        name = dig(price, "model")
        if isinstance(name, str) and name in seen:
            yield Flaw(("prices", index, "model"), "has a price already, further up")
        seen.add(str(name))
