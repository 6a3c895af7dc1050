"""Whether a workflow may go on calling models, by how its caps stand; and what its gateway has to be told of a change."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from afterpilot.domain.allowance import STALE_AFTER, Allowance
from afterpilot.domain.spend import CapState, OnUnknown, Stop
from afterpilot.domain.stop_orders import Action, StopOrder
from afterpilot.domain.window import Window

_WITHIN = "The spend is within its caps."
_NEVER = "The spend was never looked at"
_DECLARED = {
    "allow": "the declaration allows calls all the same",
    "refuse": "the declaration refuses calls until it is",
}


@dataclass(frozen=True, slots=True)
class _Held:
    """A cap that stops something: why, and until when at the longest (None: not by the calendar)."""

    state: CapState
    why: str
    until: datetime | None


def allowance(
    workflow: str,
    states: Sequence[CapState],
    *,
    now: datetime,
    on_unknown: OnUnknown = "allow",
    stop: Stop | None = None,
) -> Allowance:
    """What holds from now on.

    A cap that is reached stops the workflow where ``stop`` is declared, or where the owner was asked and said no. Until an
    answer comes the workflow goes on. Spend that is not known is as ``on_unknown`` says; that of a cap over several workflows
    is left to the workflow that it is about. A cap on one model stops that model alone.
    """
    held = [one for state in states if (one := _held(state, on_unknown)) is not None]
    whole = [one for one in held if not one.state.rule.model]
    counted = whole or held
    if states:
        reason = " ".join(one.why for one in counted) or _why_not_stopped(states)
    else:
        reason = f"{_NEVER}: {_DECLARED[on_unknown]}."
    return Allowance(
        workflow=workflow,
        allowed=not whole and (bool(states) or on_unknown == "allow"),
        reason=reason,
        as_of=now,
        until=_last([one.until for one in counted]),
        stopped_models=_models(held),
        caps=tuple(states),
        on_unknown=on_unknown,
        stop=stop,
    )


def ended(before: Allowance, now: datetime) -> Allowance:
    """The same once a stop has ended by itself; what is not over, or has no such end, is left as it is. Models whose own caps
    reach further stay stopped.
    """
    held = [one for state in before.caps if (one := _held(state, before.on_unknown)) is not None]
    end = before.until or _last([_outlived(one, before) for one in held if not one.state.rule.model or before.allowed])
    if not before.stops or end is None or now < end:
        return before
    left = [one for one in held if one.state.rule.model and ((over := _outlived(one, before)) is None or now < over)]
    how = "with its period" if before.until else "as nothing that was seen lies in the cap's stretch any more"
    return replace(
        before,
        allowed=True,
        stopped_models=_models(left),
        reason=" ".join([f"The stop ended {how}, at {moment_words(end)}.", *(one.why for one in left)]),
        until=_last([one.until for one in left]),
        since=end,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """An allowance as a gateway is told it at one moment; ``stale``: the spend was not looked at for too long."""

    allowance: Allowance
    stale: bool


def said(kept: Allowance, now: datetime) -> Said:
    """What a gateway is told now.

    A stop holds until its period ends, a rolling cap's until its stretch holds nothing that was seen, however long ago it was
    judged: what is spent stays spent. Any other word is good for
    :data:`~afterpilot.domain.allowance.STALE_AFTER`, after which it is as ``on_unknown`` says.
    """
    current = ended(kept, now)
    if now - current.as_of <= STALE_AFTER:
        return Said(current, stale=False)
    if current.stops and any(state.reached and _held(state, "allow") is not None for state in current.caps):
        return Said(current, stale=True)
    reason = f"The spend was last looked at on {moment_words(current.as_of)}: {_DECLARED[current.on_unknown]}."
    allowed = current.on_unknown == "allow"
    return Said(replace(current, allowed=allowed, stopped_models=(), reason=reason, until=None), stale=True)


def orders(new: Allowance, last: StopOrder | None, *, now: datetime) -> tuple[StopOrder, ...]:
    """What has to be told so that those who must stop know it, and those who were stopped know that they may go on.

    ``last`` is the order that was given last. LiteLLM's keys and teams cannot be stopped for one model alone.
    """
    standing = last if last is not None and last.action == "stop" else None
    told = replace(new.stop, budget=False) if new.stop else None  # its budget has orders of its own
    wanted = told if new.stops and not (new.allowed and told and told.kind == "litellm") else None
    models = () if not new.allowed else new.stopped_models
    if standing is not None and (standing.target, standing.until, standing.models) == (wanted, new.until, models):
        return ()
    given = []
    if standing is not None and standing.target != wanted:
        given.append(_order("resume", standing.target, new, now))
    if wanted is not None:
        given.append(replace(_order("stop", wanted, new, now), until=new.until, models=models))
    return tuple(given)


def _order(action: Action, target: Stop, new: Allowance, now: datetime) -> StopOrder:
    return StopOrder(uuid.uuid4(), new.workflow, action, target, new.reason, now)


def _held(state: CapState, on_unknown: OnUnknown) -> _Held | None:
    rule = state.rule
    end = None if rule.cap.length is not None else state.period.end
    if state.reached and rule.at_cap == "stop":
        return _Held(state, f"{_reached(state)}; {_stopped(state, 'or the cap is raised')}.", end)
    if state.reached and rule.at_cap == "ask_owner" and state.refused:
        return _Held(state, f"{_reached(state)}, and it is not to be raised; {_stopped(state, 'or it is')}.", end)
    if state.unknown and not state.fleet and on_unknown == "refuse":
        return _Held(
            state, f"A part of the spend under the cap of {_name(state)} is not known: {_DECLARED['refuse']}.", None
        )
    return None


def _last(ends: Sequence[datetime | None]) -> datetime | None:
    """The last of them; None where one has no end, or there is none."""
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _outlived(one: _Held, judged: Allowance) -> datetime | None:
    """When a stop is over whatever has happened since it was judged: with its period, or once a rolling cap's stretch holds nothing
    that was seen. None for one that waits for spend to be known.
    """
    length = one.state.rule.cap.length
    return judged.as_of + length if length is not None and one.state.reached else one.until


def _models(held: Sequence[_Held]) -> tuple[str, ...]:
    return tuple(sorted({one.state.rule.model for one in held} - {""}))


def _why_not_stopped(states: Sequence[CapState]) -> str:
    reached = [state for state in states if state.reached]
    asked = [state for state in reached if state.rule.at_cap == "ask_owner"]
    if asked:
        return f"{_reached(asked[0])}; the owner is asked whether it is raised."
    if reached:
        return f"{_reached(reached[0])}; people are told, nothing is stopped."
    if any(state.unknown and not state.fleet for state in states):
        return f"A part of the spend is not known: {_DECLARED['allow']}."
    return _WITHIN


def _reached(state: CapState) -> str:
    """Of a cap over several workflows no sum is told: it holds what others have spent."""
    sums = "" if state.fleet else f": {state.spent} spent"
    return f"The cap of {_name(state)} is reached{sums}"


def _name(state: CapState) -> str:
    cap = replace(state.rule.cap, limit=state.limit)
    about = f" for {state.rule.model}" if state.rule.model else ""
    return f"{cap}{about}" + (" over several workflows" if state.fleet else "")


def _stopped(state: CapState, otherwise: str) -> str:
    if state.rule.cap.length is not None:
        return f"stopped until less was spent in the last {state.rule.cap.every}, {otherwise}"
    return f"stopped until {moment_words(state.period.end)}, {otherwise}"


def moment_words(moment: datetime) -> str:
    """``2026-11-20 23:00 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def raise_period(state: CapState, now: datetime) -> Window:
    """How long a raise holds: until the cap's period ends; of a rolling cap for its length from now on."""
    length = state.rule.cap.length
    return state.period if length is None else Window(now, now + length)
