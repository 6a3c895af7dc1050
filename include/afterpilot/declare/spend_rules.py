"""Rules that tie the keys of ``spend`` together, of a workflow and of the fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from afterpilot.declare.currencies import CURRENCIES
from afterpilot.declare.problems import Flaw, Path, choices, show_text
from afterpilot.declare.rules import Data, Shared, dig, items, texts
from afterpilot.domain.money import Cap, Money

_LITELLM_COUNTS = "USD"


def spend_flaws(data: Data, shared: Shared) -> Iterator[Flaw]:
    """What of the spend of a ``workflow.yaml`` does not fit together, or not to ``_fleet.yaml``."""
    team = data.get("team")
    if isinstance(team, str) and shared.teams and team not in shared.teams:
        yield _unknown_team(("team",), team, shared.teams)
    spend = data.get("spend")
    if not isinstance(spend, dict):
        return
    yield from _of_evals(data, spend.get("cap"))
    more: list[tuple[Path, Any]] = [(("spend", "more_caps", at), cap) for at, cap in items(spend.get("more_caps"))]
    caps = [(("spend",), spend), *more]
    yield from _caps(caps)
    yield from _models(caps, data)
    yield from _amounts(spend)
    yield from _stop(spend.get("stop"))
    yield from _budget(spend)
    yield from _billed(spend.get("billed"), shared)


def fleet_spend_flaws(data: object) -> Iterator[Flaw]:
    """What of the spend of ``_fleet.yaml`` does not fit together."""
    caps: list[tuple[Path, Any]] = [(("spend", "caps", at), cap) for at, cap in items(dig(data, "spend", "caps"))]
    yield from _caps(caps)
    yield from _second_operator(data, [cap for _, each in caps if (cap := _parsed(dig(each, "cap"))) is not None])
    teams = dig(data, "spend", "teams")
    for path, cap in caps:
        team = dig(cap, "team")
        if isinstance(team, str) and isinstance(teams, dict) and teams and team not in teams:
            yield _unknown_team((*path, "team"), team, list(teams))
    seen: set[str] = set()
    for index, bill in items(dig(data, "spend", "bills")):
        name = dig(bill, "name")
        if isinstance(name, str) and name in seen:
            yield Flaw(("spend", "bills", index, "name"), "names a bill already, further up")
        seen.add(str(name))


def _second_operator(data: object, caps: Sequence[Cap]) -> Iterator[Flaw]:
    """An amount above which two people are asked that no raise could be held against, or that only one person could answer."""
    place = ("spend", "second_person_above")
    amount = _money(dig(data, "spend", "second_person_above"))
    if amount is None:
        return
    if not items(dig(data, "spend", "caps")):
        yield Flaw(place, "stands without spend.caps", "add the caps that it is about")
    elif caps and any(cap.limit.currency != amount.currency for cap in caps):
        yield Flaw(place, "has another currency than spend.caps", "use the same for both")
    elif caps and all(amount < cap.limit for cap in caps):
        yield Flaw(place, "is below all spend.caps, which need no raise up to there", "name more than one of them")
    if len(items(dig(data, "operators"))) == 1:
        yield Flaw(place, "asks two operators, and operators names one", "name another operator")


def _unknown_team(path: Path, team: str, known: Collection[str]) -> Flaw:
    return Flaw(path, f"'{show_text(team)}' is not one of spend.teams in _fleet.yaml", choices(team, sorted(known)))


def _caps(caps: Sequence[tuple[Path, Any]]) -> Iterator[Flaw]:
    """The caps of one owner: one for each period and model, all in one currency, their levels rising."""
    seen: set[tuple[object, ...]] = set()
    currency = ""
    for path, one in caps:
        if not isinstance(one, dict):
            continue
        yield from _levels((*path, "warn_at"), one.get("warn_at"))
        cap = _parsed(one.get("cap"))
        if cap is None:
            continue
        currency = currency or cap.limit.currency
        if cap.limit.currency != currency:
            text = f"is in {cap.limit.currency}, the first cap in {currency}"
            yield Flaw((*path, "cap"), text, "use one currency for all caps")
        key = (cap.every, str(one.get("model") or ""), str(one.get("team") or ""))
        if key in seen:
            yield Flaw((*path, "cap"), f"is a second cap for the same {cap.every}", "keep one of them")
        seen.add(key)


def _levels(path: Path, levels: object) -> Iterator[Flaw]:
    try:
        numbers = [float(share.rstrip(" %")) for _, share in texts(levels)]
    except ValueError:
        return
    if numbers != sorted(set(numbers)):
        yield Flaw(path, "must rise from share to share", "such as [50%, 80%]")


def _models(caps: Sequence[tuple[Path, Any]], data: Data) -> Iterator[Flaw]:
    """A cap of a model that the workflow may not use guards nothing."""
    allowed = [model for _, model in texts(dig(data, "governance", "models_allowed"))]
    for path, one in caps[1:]:
        model = dig(one, "model")
        if isinstance(model, str) and allowed and model not in allowed:
            text = f"'{show_text(model)}' is not one of governance.models_allowed"
            yield Flaw((*path, "model"), text, choices(model, allowed))


def _amounts(spend: Mapping[str, Any]) -> Iterator[Flaw]:
    """What is said in money beside the caps: in their currency, and not below the main one."""
    cap = _parsed(spend.get("cap"))
    if cap is None:
        return
    for key in ("hour_of_work", "second_person_above"):
        amount = _money(spend.get(key))
        if amount is None:
            continue
        if amount.currency != cap.limit.currency:
            yield Flaw(("spend", key), "has another currency than spend.cap", "use the same for both")
        elif key == "second_person_above" and amount < cap.limit:
            yield Flaw(("spend", key), "is below spend.cap, which needs no raise up to there", "name more than the cap")


def _stop(stop: object) -> Iterator[Flaw]:
    if not isinstance(stop, dict):
        return
    places = [key for key in ("call_back", "litellm") if key in stop]
    if not places:
        yield Flaw(("spend", "stop"), "names no place", "one of call_back and litellm")
    if len(places) > 1:
        yield Flaw(("spend", "stop", "litellm"), "stands beside call_back", "keep one of them")
    named = [key for key in ("keys", "team") if stop.get(key)]
    if places == ["litellm"] and not named:
        yield Flaw(("spend", "stop", "litellm"), "names nothing to block", "add `keys`, or a `team`")
    if places == ["call_back"]:
        for key in named:
            yield Flaw(("spend", "stop", key), "belongs to litellm, not to call_back", "remove it")


def _budget(spend: Mapping[str, Any]) -> Iterator[Flaw]:
    """LiteLLM holds one budget in US dollars by the calendar, of one team or of one key, and asks nobody at it."""
    stop = spend.get("stop")
    if not isinstance(stop, dict) or stop.get("budget") is not True:
        return
    path: Path = ("spend", "stop", "budget")
    if "litellm" not in stop:
        yield Flaw(path, "belongs to litellm, not to call_back", "remove it")
        return
    keys = stop.get("keys") or []
    if isinstance(keys, list) and len(keys) + bool(stop.get("team")) > 1:
        yield Flaw(path, "is one, and each key has its own", "name a `team` without `keys`, or one key alone")
    if spend.get("at_cap") in {"tell", "ask_owner"}:
        yield Flaw(path, f"stops at spend.cap, whose at_cap is {spend['at_cap']}", "at_cap: stop, or remove it")
    cap = _parsed(spend.get("cap"))
    if cap is not None and cap.length is not None:
        yield Flaw(path, f"cannot roll over {cap.every}", "a cap a day, week or month, or remove it")
    if cap is not None and cap.limit.currency != _LITELLM_COUNTS:
        yield Flaw(path, f"is in {_LITELLM_COUNTS}, spend.cap in {cap.limit.currency}", "remove it")


def _billed(billed: object, shared: Shared) -> Iterator[Flaw]:
    named: Counter[str] = Counter()
    for index, one in items(billed):
        account = dig(one, "account")
        if not isinstance(account, str):
            continue
        named[account] += 1
        path = ("spend", "billed", index, "account")
        if shared.accounts is not None and account not in shared.accounts:
            text = f"'{show_text(account)}' is not one of spend.bills in _fleet.yaml"
            yield Flaw(path, text, choices(account, sorted(shared.accounts)))
        elif named[account] > 1:
            yield Flaw(path, "stands above already", "list all projects of an account in one place")


def _of_evals(data: Data, cap: object) -> Iterator[Flaw]:
    """The eval budget is a part of the workflow's cap, in its currency."""
    cost, budget = dig(data, "evals", "max_cost"), dig(data, "evals", "cap")
    if isinstance(cap, str) and isinstance(cost, str):
        used = {word for text in (cost, cap.split("/")[0]) for word in text.split()[-1:]}
        if len(used) > 1 and used <= CURRENCIES:
            yield Flaw(("evals", "max_cost"), "has another currency than spend.cap", "use the same for both")
    whole, part = _parsed(cap), _parsed(budget)
    if whole is None or part is None or (whole.every, whole.limit.currency) != (part.every, part.limit.currency):
        return
    if whole.limit < part.limit:
        yield Flaw(("evals", "cap"), "is more than spend.cap, of which it is a part", "lower it, or raise spend.cap")


def _parsed(cap: object) -> Cap | None:
    try:
        return Cap.parse(cap) if isinstance(cap, str) else None
    except ValueError:
        return None


def _money(amount: object) -> Money | None:
    try:
        return Money.parse(amount) if isinstance(amount, str) else None
    except ValueError:
        return None
