"""What a workflow's gateway is told: whether it may go on calling models. And what people have answered at a cap."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from afterpilot.domain.money import Cap, Money, Period
from afterpilot.domain.run import FLEET
from afterpilot.domain.spend import AtCap, CapRule, CapState, OnUnknown, Stop
from afterpilot.domain.window import Window

STALE_AFTER = timedelta(hours=2, minutes=15)  # also where the spend is looked at by hand or by cron, every hour
RaiseState = Literal["pending", "approved", "refused"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a workflow may go on: ``allowed`` as a whole, ``stopped_models`` those that it may not call all the same.

    ``until`` is when a stop ends by itself; None where it has no such end. ``as_of`` is when the spend was last looked at.
    """

    workflow: str
    allowed: bool
    reason: str
    as_of: datetime
    until: datetime | None = None
    stopped_models: tuple[str, ...] = ()
    caps: tuple[CapState, ...] = ()
    on_unknown: OnUnknown = "allow"
    stop: Stop | None = None
    since: datetime | None = None  # since when it is as it is; None: from this judgement on

    @property
    def stops(self) -> bool:
        """Whether there is anything that the workflow may not do."""
        return not self.allowed or bool(self.stopped_models)


@dataclass(frozen=True, slots=True)
class CapRaise:
    """An answer to the question whether a cap may be raised for one period: to ``limit``, or (refused) not at all.

    ``workflow`` is :data:`FLEET` for a cap over several. ``cap`` is the cap's key. A pending one waits for a second person.
    """

    id: uuid.UUID
    workflow: str
    cap: str
    period: Window
    limit: Money
    reason: str
    state: RaiseState
    asked_by: str
    asked_at: datetime
    second_by: str = ""
    decided_at: datetime | None = None


def answered(states: Sequence[CapState], raises: Sequence[CapRaise], *, now: datetime) -> tuple[CapState, ...]:
    """The caps with what people have said of them: the newest decided answer that still holds counts.

    ``raises`` are those of the workflow and of the fleet. One in another currency, or below what is declared, changes nothing.
    """
    return tuple(_answered(state, raises, now) for state in states)


def _answered(state: CapState, raises: Sequence[CapRaise], now: datetime) -> CapState:
    about = [
        one
        for one in raises
        if one.cap == state.rule.key
        and (one.workflow == FLEET) == state.fleet
        and one.decided_at is not None
        and one.state != "pending"
        and now in one.period
    ]
    if not about:
        return state
    declared = state.rule.cap.limit
    allowed = [one.limit for one in about if one.state == "approved" and one.limit.currency == declared.currency]
    newest = max(about, key=lambda one: one.decided_at or one.asked_at)
    return replace(state, limit=max([declared, *allowed]), refused=newest.state == "refused")


def caps_as_data(states: Sequence[CapState]) -> list[dict[str, Any]]:
    """As the ops database keeps them; :func:`caps_of` reads it again."""
    return [
        {
            "cap": state.rule.key,
            "declared": str(state.rule.cap.limit.amount),
            "limit": str(state.limit.amount),
            "spent": None if state.spent is None else str(state.spent.amount),
            "currency": state.limit.currency,
            "every": state.rule.cap.period,
            "seconds": state.rule.cap.length and int(state.rule.cap.length.total_seconds()),
            "period": [state.period.start.isoformat(), state.period.end.isoformat()],
            "model": state.rule.model,
            "team": state.rule.team,
            "at_cap": state.rule.at_cap,
            "unknown": state.unknown,
            "fleet": state.fleet,
            "refused": state.refused,
        }
        for state in states
    ]


def caps_of(data: Sequence[Mapping[str, Any]]) -> tuple[CapState, ...]:
    """The inverse of :func:`caps_as_data`, without the levels at which people are warned."""
    return tuple(_cap_of(one) for one in data)


def _cap_of(one: Mapping[str, Any]) -> CapState:
    currency: str = one["currency"]
    every: Period = one["every"]
    at_cap: AtCap = one["at_cap"]
    length = timedelta(seconds=one["seconds"]) if one["seconds"] else None
    declared = Cap(Money(Decimal(one["declared"]), currency), every, length)
    start, end = (datetime.fromisoformat(moment) for moment in one["period"])
    return CapState(
        rule=CapRule(declared, (), at_cap, model=one["model"], team=one["team"]),
        period=Window(start, end),
        limit=Money(Decimal(one["limit"]), currency),
        spent=None if one["spent"] is None else Money(Decimal(one["spent"]), currency),
        unknown=one["unknown"],
        fleet=one["fleet"],
        refused=one["refused"],
    )


def stop_as_data(stop: Stop | None) -> dict[str, Any] | None:
    """As the ops database keeps it; :func:`stop_of` reads it again."""
    if stop is None:
        return None
    data = {
        "kind": stop.kind,
        "connection": stop.connection,
        "path": stop.path,
        "keys": list(stop.keys),
        "team": stop.team,
    }
    return {**data, "budget": True} if stop.budget else data  # what was kept before there were budgets reads the same


def stop_of(data: Mapping[str, Any] | None) -> Stop | None:
    """The inverse of :func:`stop_as_data`."""
    return None if data is None else Stop(**{**data, "keys": tuple(data["keys"])})
