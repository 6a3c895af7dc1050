"""People answer at a cap: it is raised for this period, by one person or by two, or it is not.

What they say counts at once: what the gateway is told is decided anew in the same transaction, which also queues a line in the
thread of the incident.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from afterpilot.decide.allowing import moment_words, raise_period
from afterpilot.declare.values import MAX_AMOUNT
from afterpilot.domain.allowance import CapRaise, answered
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.money import Money
from afterpilot.domain.people import Somebody
from afterpilot.domain.run import FLEET
from afterpilot.domain.spend import CapState
from afterpilot.domain.storable import storable
from afterpilot.pipeline.allowing import settle_anew
from afterpilot.pipeline.raise_terms import RaiseTerms, kept_as, names_of
from afterpilot.pipeline.telling import tell_answer
from afterpilot.pull.patterns import masked
from afterpilot.record.ops import Unit, unit_of

LONGEST_REASON = 1000


def caps_now(connection: sa.Connection, workflow: str, now: datetime) -> Sequence[CapState]:
    """The caps that can be answered about, as they stand with what was answered: those of a workflow, or of the fleet."""
    unit = unit_of(connection)
    slugs = list(unit.allowances.under_fleet_caps()) if workflow == FLEET else [workflow]
    kept = sorted(unit.allowances.find_each(slugs).values(), key=lambda one: one.as_of, reverse=True)
    found: dict[str, CapState] = {}
    for one in kept:  # the newest word on each: a workflow that is retired has last been told of another month
        own = [state for state in one.caps if state.fleet == (workflow == FLEET)]
        found |= {state.rule.key: state for state in own if state.rule.key not in found}
    return answered(list(found.values()), unit.cap_raises.holding(workflow, now), now=now)


def ask_raise(
    unit: Unit, terms: RaiseTerms, *, limit: Money, cap: str, by: Somebody, reason: str, now: datetime
) -> CapRaise:
    """Raise a cap until its period ends, or (above the declared limit) ask a second person to. ``cap`` is its key; empty: the
    first that is reached, else the first.

    Raises:
        AnswerRefused: the text says why not.
    """
    reason = _said(terms, by, reason)
    unit.allowances.lock(terms.workflow)
    state = _cap(unit, terms.workflow, cap, now)
    _enough(state, limit)
    if waiting := _pending(unit, terms.workflow, state, now):
        raise AnswerRefused(
            f"{waiting.asked_by} has asked to raise it to {waiting.limit.exact}: that has to be approved or refused first."
        )
    above = terms.second_above
    two = above is not None and (above.currency != limit.currency or above < limit)
    one = CapRaise(
        id=uuid.uuid4(),
        workflow=terms.workflow,
        cap=state.rule.key,
        period=raise_period(state, now),
        limit=limit,
        reason=reason,
        state="pending" if two else "approved",
        asked_by=kept_as(terms, by),
        asked_at=now,
        decided_at=None if two else now,
    )
    unit.cap_raises.add(one)
    until = moment_words(one.period.end)
    if two:
        text = f"{by.login} asks to raise the cap of {_name(state)} to {limit.exact} until {until}: {reason} A second person has to approve it."
    else:
        text = f"{by.login} has raised the cap of {_name(state)} to {limit.exact} until {until}: {reason}"
    _counts(unit, terms, one, text, now)
    return one


def approve_raise(unit: Unit, terms: RaiseTerms, *, cap: str, by: Somebody, now: datetime) -> CapRaise:
    """A second person agrees to what somebody has asked for.

    Raises:
        AnswerRefused: nothing waits, or it is not for this person to approve.
    """
    _may(terms, by)
    unit.allowances.lock(terms.workflow)
    one = _waiting(unit, terms.workflow, cap, now)
    if by.is_one_of(*names_of(one.asked_by)):
        raise AnswerRefused("Whoever has asked cannot approve it: a second person has to.")
    if not unit.cap_raises.decide(
        one.id, "approved", by=kept_as(terms, by), at=now
    ):  # pragma: no cover - the lock is held
        raise AnswerRefused("Somebody else was first.")
    until = moment_words(one.period.end)
    text = f"{by.login} has approved what {one.asked_by} asked for: the cap ({one.cap}) is {one.limit.exact} until {until}."
    done = replace(one, state="approved", second_by=kept_as(terms, by), decided_at=now)
    _counts(unit, terms, done, text, now)
    return done


def refuse_raise(unit: Unit, terms: RaiseTerms, *, cap: str, by: Somebody, reason: str, now: datetime) -> CapRaise:
    """Say no: to what somebody has asked for, or to the question that a cap with ``ask_owner`` asks; then the workflow stops.

    Raises:
        AnswerRefused: there is no such question, or it is not for this person to answer.
    """
    reason = _said(terms, by, reason)
    unit.allowances.lock(terms.workflow)
    state = _cap(unit, terms.workflow, cap, now)
    waiting = _pending(unit, terms.workflow, state, now)
    if waiting is not None:
        second = "" if by.is_one_of(*names_of(waiting.asked_by)) else kept_as(terms, by)
        unit.cap_raises.decide(waiting.id, "refused", by=second, at=now)
        done = replace(waiting, state="refused", second_by=second, decided_at=now)
        text = f"{by.login} has refused to raise the cap of {_name(state)} to {waiting.limit.exact}: {reason}"
    else:
        if state.rule.at_cap != "ask_owner":
            raise AnswerRefused(f"The cap of {_name(state)} asks nobody: at_cap is {state.rule.at_cap}.")
        done = CapRaise(
            id=uuid.uuid4(),
            workflow=terms.workflow,
            cap=state.rule.key,
            period=raise_period(state, now),
            limit=state.limit,
            reason=reason,
            state="refused",
            asked_by=kept_as(terms, by),
            asked_at=now,
            decided_at=now,
        )
        unit.cap_raises.add(done)
        text = f"{by.login} says no: the cap of {_name(state)} is not raised, and the workflow stops at it: {reason}"
    _counts(unit, terms, done, text, now)
    return done


def _counts(unit: Unit, terms: RaiseTerms, one: CapRaise, text: str, now: datetime) -> None:
    if one.state != "pending":
        settle_anew(unit, terms.workflow, now)
    tell_answer(unit, terms, one, text, at=now)


def _said(terms: RaiseTerms, by: Somebody, reason: str) -> str:
    """The reason as it may be kept."""
    _may(terms, by)
    kept = masked(" ".join(storable(reason).split()))[:LONGEST_REASON]
    if not kept:
        raise AnswerRefused("Say why: it is kept with the answer.")
    return kept if kept[-1] in ".!?" else f"{kept}."


def _may(terms: RaiseTerms, by: Somebody) -> None:
    if not by.login or not by.is_one_of(*terms.people):
        raise AnswerRefused(f"{by.login or 'Nobody'} may not answer here: that is for {terms.who}.")


def _cap(unit: Unit, workflow: str, cap: str, now: datetime) -> CapState:
    states = caps_now(unit.connection, workflow, now)
    if not states:
        raise AnswerRefused(f"The spend of {workflow} was not looked at yet: no cap is known.")
    chosen = next((one for one in states if one.reached), states[0])
    if cap:
        named = [one for one in states if one.rule.key == cap]
        if not named:
            known = ", ".join(one.rule.key for one in states)
            raise AnswerRefused(f"{workflow} has no cap {cap[:60]!r} (known: {known}).")
        chosen = named[0]
    if chosen.rule.cap.length is None and now >= chosen.period.end:
        raise AnswerRefused(f"A new {chosen.rule.cap.period} has begun, and its spend was not looked at yet.")
    return chosen


def _enough(state: CapState, limit: Money) -> None:
    """Whether it is a raise, and one that lets the workflow go on."""
    if limit.currency != state.limit.currency:
        raise AnswerRefused(f"The cap is in {state.limit.currency}, not in {limit.currency}.")
    if not state.limit < limit:
        raise AnswerRefused(f"The cap is {state.limit.exact} already: raise it to more.")
    if limit.amount > MAX_AMOUNT:
        raise AnswerRefused("That is more money than there is.")
    if state.spent is not None and not state.spent < limit:
        raise AnswerRefused(f"{state.spent.exact} is spent already: raise it to more.")


def _pending(unit: Unit, workflow: str, state: CapState, now: datetime) -> CapRaise | None:
    about = [one for one in unit.cap_raises.holding(workflow, now) if one.workflow == workflow]
    return next((one for one in about if one.state == "pending" and one.cap == state.rule.key), None)


def _waiting(unit: Unit, workflow: str, cap: str, now: datetime) -> CapRaise:
    """The raise that waits for a second person."""
    about = [one for one in unit.cap_raises.holding(workflow, now) if one.workflow == workflow]
    waiting = [one for one in about if one.state == "pending" and cap in {"", one.cap}]
    if not waiting:
        raise AnswerRefused("Nothing waits for a second person.")
    return waiting[0]


def _name(state: CapState) -> str:
    about = f" for {state.rule.model}" if state.rule.model else ""
    return f"{replace(state.rule.cap, limit=state.limit)}{about}"
