"""The key ``spend`` of ``workflow.yaml`` and of ``_fleet.yaml``: caps, what happens at them, and whose bill it is."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import Field, ValidationError

from afterpilot.declare.keys import Keys
from afterpilot.declare.problems import describe, nearest
from afterpilot.declare.rules import dig
from afterpilot.declare.values import (
    CapText,
    Channel,
    Connection,
    MoneyText,
    Name,
    Share,
    SomeShare,
    Wrong,
    connection_name,
    matching,
    text_of,
    typed,
)
from afterpilot.domain import spend as domain
from afterpilot.domain.money import WHOLE_NUMBER

_VOLUME = re.compile(rf"^({WHOLE_NUMBER}) ?records ?/ ?month$", re.ASCII)
_MOST_RECORDS = Decimal(10) ** 12
_path = matching(r"/(?!/)[A-Za-z0-9._~/?=&%:@+,;!-]*", "a path", "such as /ai/stop", most=300)


@cache
def _zones() -> frozenset[str]:
    """The names of the IANA database; a machine's own settings are none of them."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


def _zone(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    name = text_of(value, most=100)
    if name in _zones():
        return name
    meant = nearest(name, _zones())
    hint = f"did you mean '{meant}'?" if meant else "an IANA name, such as Europe/London"
    raise Wrong(f"{describe(name)} is not a time zone", hint)


def _volume(value: Any) -> Decimal:  # noqa: ANN401
    match = _VOLUME.match(value.strip()) if isinstance(value, str) else None
    if not match:
        raise Wrong(f"{describe(value)} is not a volume", "such as 30000 records/month")
    volume = Decimal(match.group(1).replace(",", "").replace("_", ""))
    if not 0 < volume <= _MOST_RECORDS:
        raise Wrong("is more than there can be" if volume else "must be above 0")
    return volume


def _switch(value: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise Wrong(f"{describe(value)} is neither true nor false")
    return value


def _place(value: Any) -> tuple[str, str]:  # noqa: ANN401
    """Read ``desk:/ai/stop``: a connection's name, and a path there."""
    name, colon, path = text_of(value, most=400).partition(":")
    if not colon or not path.startswith("/") or path.startswith("//"):
        raise Wrong(f"{describe(value)} is not a connection with a path", "such as desk:/ai/stop; never an address")
    if {".", ".."} & set(re.split(r"[/?]", path)):
        raise Wrong(f"{describe(path)} is not a path", "without . and ..")
    return connection_name(name), _path(path)


Zone = Annotated[str, *typed(_zone, "IANA name, such as `Europe/London`")]
Volume = Annotated[Decimal, *typed(_volume, "records a month, such as `30000 records/month`")]
Switch = Annotated[bool, *typed(_switch, "`true` or `false`")]
PlaceText = Annotated[tuple[str, str], *typed(_place, "connection and path, such as `desk:/ai/stop`")]


class OneMoreCap(Keys):
    """A cap beside the main one."""

    cap: CapText = Field(description="the most; rolling where it says `60 USD/7 days` or `5 USD/24 hours`")
    warn_at: list[SomeShare] = Field(
        ["80%"], validate_default=True, min_length=1, description="shares of it at which somebody is told"
    )
    at_cap: domain.AtCap = Field("tell", description="what happens when it is reached")
    model: Name | None = Field(
        None, description="it holds for calls of this model alone, its dated versions among them"
    )


class FleetCap(OneMoreCap):
    """A cap over several workflows."""

    team: Name | None = Field(None, description="it holds for this team's workflows alone, as their `team` says")


class Stop(Keys):
    """Who is told to stop, and to go on; besides, the allowance API always says it."""

    call_back: PlaceText | None = Field(None, description="gets a signed POST")
    litellm: Connection | None = Field(None, description="LiteLLM's proxy, whose keys or team are blocked")
    keys: list[Name] = Field([], description="LiteLLM's hashed keys; they or a `team` go with `litellm`")
    team: Name | None = Field(None, description="LiteLLM's id of a team")
    budget: Switch | None = Field(
        None,
        description="whether `spend.cap` is LiteLLM's own budget of that team or key, too: the proxy itself holds it",
    )


class Billed(Keys):
    """What of a provider's bill is the workflow's own."""

    account: Name = Field(description="name of one of `spend.bills` in `_fleet.yaml`")
    projects: list[Name] = Field(
        [],
        description="projects (OpenAI), workspaces (Anthropic), ids of teams (LiteLLM); unless said, what no workflow names, by model",
    )


class Spend(Keys):
    """What production and evals together may cost."""

    cap: CapText = Field(description="the most for each day, week or month, or rolling: `60 USD/7 days`")
    warn_at: list[SomeShare] = Field(
        ["50%", "80%"], validate_default=True, min_length=1, description="shares of the cap at which the owner is told"
    )
    at_cap: domain.AtCap = Field(description="what happens when the cap is reached")
    more_caps: list[OneMoreCap] = Field([], description="caps beside it, for other periods or for one model")
    timezone: Zone | None = Field(
        None, description="calendar of days, weeks and months; unless said the one in `_fleet.yaml`, else UTC"
    )
    volume: Volume | None = Field(None, description="records that it is built for, to project its cost on")
    hour_of_work: MoneyText | None = Field(None, description="what an hour of a person's time costs")
    second_person_above: MoneyText | None = Field(None, description="raising a cap above this needs a second person")
    on_unknown: domain.OnUnknown = Field("allow", description="what gateways are told while the spend is not known")
    stop: Stop | None = Field(None, description="who is told when the workflow is to stop")
    billed: list[Billed] = Field([], description="whose bill its calls are on")


class Bill(Keys):
    """A provider's bill, pulled each day and held against the meter."""

    name: Name = Field(description="what declarations call it")
    kind: domain.BillKind = Field(description="whose it is")
    connection: Connection = Field(description="the provider's API, with a key that may read costs")
    tolerance: Share = Field("2%", validate_default=True, description="by how much bill and meter may differ")
    at_least: MoneyText = Field(
        "1 USD", validate_default=True, description="smallest difference that is told; its currency is the bill's"
    )


class FleetSpend(Keys):
    """What holds for several workflows."""

    timezone: Zone = Field("UTC", description="calendar of the fleet's caps, and of workflows that name none")
    caps: list[FleetCap] = Field([], description="caps over all workflows, a team's, or one model's calls")
    teams: dict[Name, Channel] = Field({}, description="team → channel for its caps; with any, no other team is known")
    bills: list[Bill] = Field([], description="bills that are held against the meter")
    second_person_above: MoneyText | None = Field(
        None, description="raising one of these caps above this needs a second operator"
    )


def spend_of(given: Spend, *, team: str, zone: str) -> domain.Spend:
    """The declared spend; ``zone`` is the fleet's."""
    main = domain.CapRule(given.cap, tuple(given.warn_at), given.at_cap)
    return domain.Spend(
        caps=(main, *(_cap_rule(cap) for cap in given.more_caps)),
        zone=given.timezone or zone,
        team=team,
        volume=given.volume,
        hour=given.hour_of_work,
        second_person_above=given.second_person_above,
        on_unknown=given.on_unknown,
        stop=_stop(given.stop) if given.stop else None,
        billed=tuple(domain.Billed(one.account, tuple(one.projects)) for one in given.billed),
    )


def stored_spend(document: Mapping[str, Any], fleet: domain.FleetSpend) -> domain.Spend | None:
    """The spend of a declaration that was loaded before, from its document; None where this version cannot read it."""
    try:
        given = Spend.model_validate(document.get("spend"))
    except ValidationError:
        return None
    return spend_of(given, team=str(dig(document, "team") or ""), zone=fleet.zone)


def fleet_spend_of(given: FleetSpend) -> domain.FleetSpend:
    """The fleet's own caps and bills."""
    bills = (
        domain.BillAccount(
            one.name, one.kind, one.connection, one.tolerance, one.at_least.amount, one.at_least.currency
        )
        for one in given.bills
    )
    caps = (_cap_rule(cap, team=cap.team or "") for cap in given.caps)
    return domain.FleetSpend(tuple(caps), given.timezone, tuple(bills), dict(given.teams), given.second_person_above)


def _cap_rule(given: OneMoreCap, *, team: str = "") -> domain.CapRule:
    return domain.CapRule(given.cap, tuple(given.warn_at), given.at_cap, model=given.model or "", team=team)


def _stop(given: Stop) -> domain.Stop:
    if given.call_back is not None:
        return domain.Stop("call_back", *given.call_back)
    return domain.Stop(
        "litellm", given.litellm or "", keys=tuple(given.keys), team=given.team or "", budget=bool(given.budget)
    )
