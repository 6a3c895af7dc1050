"""Reads ``_fleet.yaml``: what all workflows share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from afterpilot.declare import schema
from afterpilot.declare.alert_rules import fleet_alert_flaws, fleet_alert_names, fleet_alert_warnings
from afterpilot.declare.convert import UsableFleet, fleet_of
from afterpilot.declare.files import Folder, Unreadable
from afterpilot.declare.placing import placed, secret_flaws
from afterpilot.declare.price_schema import price_flaws
from afterpilot.declare.problems import Path as Place
from afterpilot.declare.rules import Shared, dig, items
from afterpilot.declare.schema_flaws import validate
from afterpilot.declare.spend_rules import fleet_spend_flaws
from afterpilot.declare.yaml_lines import read
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.workflow import Fleet, Problem

FLEET = "_fleet.yaml"
# How deep the smallest part lies that can be left out: one price, one person, one schedule of one kind, one cap, one route.
_DEPTH = {"prices": 2, "operators": 2, "schedules": 3, "spend": 3, "alerts": 3, "ledger": 2, "retention": 2}


def read_fleet(folder: Path) -> tuple[Fleet | None, tuple[Problem, ...], Shared]:
    """The fleet without the parts that cannot be used, what is wrong with its file, and the names that declarations may use of
    it, as far as they can be read. The fleet is None where nothing of the file can be read.
    """
    try:
        document, workflows = read(Folder(folder).read(FLEET)), folders(folder)
    except Unreadable as error:
        return None, (Problem(FLEET, 0, "", str(error), error.hint),), Shared()
    except OSError as error:
        return None, (Problem(FLEET, 0, "", f"its folder cannot be listed: {error.strerror or error}"),), Shared()
    data = document.data
    flaws = [] if document.flaws and data is None else validate(schema.FleetFile, data)[1]
    flaws += [*secret_flaws(data, ()), *price_flaws(data), *fleet_spend_flaws(data), *fleet_alert_flaws(data)]
    # A route for a workflow that was removed must go on for the others.
    problems = placed(FLEET, document, [*flaws, *fleet_alert_names(data, workflows)])
    if not isinstance(data, dict):
        return None, problems, Shared()
    # Of what stands twice the first is kept by the reader, and is judged like the rest.
    unread = [flaw for flaw in document.flaws if not flaw.text.startswith("stands twice")]
    usable = UsableFleet.model_validate(_without(data, (flaw.path for flaw in [*unread, *flaws])))
    places = [flaw.path for flaw in [*document.flaws, *flaws]]
    fleet = fleet_of(usable)
    kept = replace(fleet.retention, whole=_whole("retention", places))
    fleet = replace(fleet, prices_whole=_whole("prices", places), retention=kept)
    return fleet, problems, _names(data, fleet)


def fleet_warnings(folder: Path) -> tuple[Problem, ...]:
    """What in ``_fleet.yaml`` is not wrong, but has no effect as the folder is."""
    try:
        document, workflows = read(Folder(folder).read(FLEET)), folders(folder)
    except (Unreadable, OSError):
        return ()
    flaws = fleet_alert_warnings(document.data, workflows)
    return placed(FLEET, replace(document, flaws=()), flaws)


def folders(folder: Path) -> tuple[str, ...]:
    """The names of the workflows' folders, sorted; names that begin with ``_`` or ``.`` are left alone.

    Raises:
        OSError: the folder cannot be listed.
    """
    return tuple(
        sorted(path.name for path in folder.iterdir() if not path.name.startswith(("_", ".")) and path.is_dir())
    )


def schedules(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """The named schedules for ``records``, ``evals`` and ``report``: name → cron expression in UTC.

    A schedule that cannot be used is left out, and stops no other one: :func:`afterpilot.declare.load` tells of it.

    Raises:
        DeclarationError: nothing of ``_fleet.yaml`` can be read; the message has file, line and reason.
    """
    fleet, problems, _ = read_fleet(folder)
    if fleet is None:
        raise DeclarationError("; ".join(str(problem) for problem in problems))
    found: dict[str, dict[str, str]] = {kind: {} for kind in schema.Schedules.model_fields}
    for name, cron in fleet.schedules.items():
        kind, _, schedule = name.partition(".")
        found[kind][schedule] = cron
    return found


def _whole(part: str, places: Iterable[Place]) -> bool:
    """Whether nothing of a part is lost: a flaw of the document or of one of its keys may be a key that was meant to be this part."""
    return all(len(place) > 1 and place[0] != part for place in places)


def _without(data: Mapping[str, Any], places: Iterable[Place]) -> dict[str, Any]:
    """A copy of the document without the smallest parts that hold these places."""
    kept = deepcopy(dict(data))
    # From the last to the first, so that the items of a list keep their positions; a part of a part that is gone is gone.
    for place in sorted({_part(place) for place in places if place}, key=_position, reverse=True):
        holder: Any = kept
        for key in place[:-1]:
            holder = holder[key] if _holds(holder, key) else None
        if _holds(holder, place[-1]):
            del holder[place[-1]]
    return kept


def _part(place: Place) -> Place:
    return place[: _DEPTH.get(str(place[0]), 1)]


def _position(place: Place) -> tuple[tuple[int, str], ...]:
    return tuple((key, "") if isinstance(key, int) else (-1, key) for key in place)


def _holds(holder: object, key: str | int) -> bool:
    if isinstance(holder, list):
        return isinstance(key, int) and key < len(holder)
    return isinstance(holder, dict) and key in holder


def _names(data: Any, fleet: Fleet) -> Shared:  # noqa: ANN401 - YAML holds anything
    kinds = {kind: dig(data, "schedules", kind) for kind in schema.Schedules.model_fields}
    teams = dig(data, "spend", "teams")
    alerts = {} if data.get("alerts") is None else data["alerts"]
    targets = dig(alerts, "targets") if isinstance(alerts, dict) else False
    return Shared(
        schedules={kind: tuple(named) for kind, named in kinds.items() if isinstance(named, dict)},
        accounts=tuple(str(dig(bill, "name")) for _, bill in items(dig(data, "spend", "bills"))),
        teams=tuple(teams) if isinstance(teams, dict) else (),
        zone=fleet.spend.zone,
        targets=tuple(targets or ()) if targets is None or isinstance(targets, dict) else None,
        alert_zone=fleet.alerts.working_hours.zone if fleet.alerts.working_hours else "UTC",
    )
