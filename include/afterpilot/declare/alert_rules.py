"""Rules that tie the keys of ``alerts`` together, of a workflow and of the fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from afterpilot.declare.alert_kinds import fits_a_kind, meant_kind
from afterpilot.declare.problems import Flaw, Path, choices, show_text
from afterpilot.declare.rules import Data, Shared, dig, items, texts
from afterpilot.domain.alerting import CHANNEL, DIGEST, OWNER, SLACK
from afterpilot.domain.run import FLEET

_RESERVED = (CHANNEL, DIGEST, OWNER, SLACK)
_GRAVE = ("critical", "unknown")
_FURTHEST = timedelta(hours=14)  # from UTC, of all zones: what a time without an offset may be off by
_CONDITIONS = ("severity", "kind", "hours", "workflow")
_NEVER_KEPT = "what is critical or could not be checked is always told at once"


def alert_flaws(data: Data, shared: Shared) -> Iterator[Flaw]:
    """What of the alerts of a ``workflow.yaml`` does not fit together, or not to ``_fleet.yaml``."""
    yield from _routes(dig(data, "alerts", "routes"), shared.targets)
    yield from _maintenance(dig(data, "alerts", "maintenance"))
    yield from _kinds(data)
    for index, route in items(dig(data, "alerts", "routes")):
        if OWNER in _several(dig(route, "to")) and dig(data, "owner", "email") is None:
            yield Flaw(
                ("alerts", "routes", index, "to"),
                "names the owner, whose e-mail address is not known",
                "add owner.email",
            )


def fleet_alert_flaws(data: object) -> Iterator[Flaw]:
    """What of the alerts of ``_fleet.yaml`` does not fit together, so that it cannot be used."""
    targets = dig(data, "alerts", "targets")
    named = targets if isinstance(targets, dict) else {}
    for name, target in named.items():
        if name in _RESERVED:
            yield Flaw(("alerts", "targets", name), "is a word that routes use already", "choose another name")
        mail, path = dig(target, "kind") == "email", ("alerts", "targets", name, "to")
        if mail and dig(target, "to") is None:
            yield Flaw(path, "is missing", "the e-mail addresses that it goes to")
        elif not mail and dig(target, "kind") is not None and dig(target, "to") is not None:
            yield Flaw(path, "belongs to e-mail; other connections name their place themselves", "remove it")
    mails = {name for name, target in named.items() if dig(target, "kind") == "email"}
    yield from _routes(dig(data, "alerts", "routes"), set(map(str, named)), mails=mails)
    yield from _maintenance(dig(data, "alerts", "maintenance"))


def fleet_alert_names(data: object, workflows: Collection[str]) -> Iterator[Flaw]:
    """Kinds and workflows that the alerts of ``_fleet.yaml`` name and that there are not; what else stands beside them holds."""
    yield from _kinds(data)
    for path, name in _named(data, "workflow"):
        if "*" not in name and name not in {FLEET, *workflows}:
            yield Flaw(path, f"'{show_text(name)}' is no workflow of this folder", choices(name, sorted(workflows)))


def fleet_alert_warnings(data: object, workflows: Collection[str]) -> Iterator[Flaw]:
    """What of the alerts of ``_fleet.yaml`` has no effect yet: patterns of workflows that none fits, though one may come."""
    for path, pattern in _named(data, "workflow"):
        if "*" in pattern and not any(fnmatchcase(name, pattern) for name in (FLEET, *workflows)):
            yield Flaw(path, f"'{show_text(pattern)}' fits no workflow that there is", "right if one is still to come")


def _kinds(data: object) -> Iterator[Flaw]:
    for path, kind in _named(data, "kind"):
        if not fits_a_kind(kind):
            fits = "fits no kind of alert" if "*" in kind else "is no kind of alert"
            yield Flaw(path, f"'{show_text(kind)}' {fits}", meant_kind(kind))


def _named(data: object, key: str) -> Iterator[tuple[Path, str]]:
    """The names and patterns under a key of the routes and of the maintenance, with their places."""
    for part in ("routes", "maintenance"):
        for index, one in items(dig(data, "alerts", part)):
            value, path = dig(one, key), ("alerts", part, index, key)
            if isinstance(value, str):
                yield path, value
            for position, text in texts(value):
                yield (*path, position), text


def _routes(routes: Any, targets: Collection[str] | None, *, mails: Collection[str] | None = None) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    """``targets`` is None where the fleet's cannot be read, ``mails`` where it does not matter whether one sends mail."""
    taken = 0
    for index, route in items(routes):
        path: Path = ("alerts", "routes", index)
        if not isinstance(route, dict):
            continue
        if taken:
            hint = "move it up, or give that one a condition"
            yield Flaw(path, f"is never looked at: the route {taken} takes all", hint)
        flaws = [*_places(path, route, targets)]
        if mails is not None and not mails and OWNER in _several(route.get("to")):
            flaws.append(Flaw((*path, "to"), "names the owner, but no target sends mail", "add one of kind email"))
        yield from flaws
        if not flaws and not taken and _takes_all(route):
            taken = index + 1


def _takes_all(route: Data) -> bool:
    return "to" in route and route.get("continue") is not True and not any(key in route for key in _CONDITIONS)


def _places(path: Path, route: Data, targets: Collection[str] | None) -> Iterator[Flaw]:
    to, grave = route.get("to"), [one for one in _several(route.get("severity")) if one in _GRAVE]
    if to == []:
        if "reason" not in route:
            yield Flaw((*path, "reason"), "is missing", "why nobody is to be told of it")
        if route.get("continue") is True:
            yield Flaw((*path, "continue"), "leads on from a route that leads nowhere", "remove it")
    if grave and (to == [] or DIGEST in _several(to)):
        yield Flaw(
            (*path, "severity"), f"names '{grave[0]}', but {_NEVER_KEPT}", "declare maintenance for a known trouble"
        )
    for name in _several(to):
        known = {*_RESERVED[:-1], *(targets or ())}
        if targets is not None and name not in known and name[:1] not in {"#", "C", "G"}:
            text = f"'{show_text(name)}' is not one of alerts.targets in _fleet.yaml"
            yield Flaw((*path, "to"), text, choices(name, sorted(known)))


def _maintenance(windows: Any) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    for index, window in items(windows):
        start, end = (_moment(dig(window, key)) for key in ("from", "until"))
        if start is None or end is None:
            continue
        apart = timedelta() if (start.tzinfo is None) == (end.tzinfo is None) else _FURTHEST
        if _as_utc(start) - _as_utc(end) >= apart:
            yield Flaw(("alerts", "maintenance", index, "until"), "is not after `from`")


def _as_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _several(value: object) -> list[str]:
    """The texts of one value or a list of them."""
    given = value if isinstance(value, list) else [value]
    return [one for one in given if isinstance(one, str)]
