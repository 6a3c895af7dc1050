"""The whole cost of a workflow's outputs, from what it called, what its evals called, and the time that people took."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from afterpilot.decide.projecting import projected
from afterpilot.domain.counting import plural
from afterpilot.domain.money import Money
from afterpilot.domain.whole_life import (
    CALLS,
    EVALS,
    JUDGES,
    PEOPLE,
    CallSum,
    Each,
    LifeFacts,
    LifeTerms,
    Part,
    WholeLife,
)

_KINDS = {CALLS: "production", EVALS: "eval", JUDGES: "judge"}
_ENOUGH_TIMED = Decimal("0.9")  # of the decisions: then the mean of these stands for the few that nobody timed
_HOUR = Decimal(60)


def whole_life(terms: LifeTerms, facts: LifeFacts, *, recent: LifeFacts | None = None) -> WholeLife:
    """The cost of the window in the main cap's currency; ``recent`` is the longer window that the projection rests on.

    What is priced in another currency is not known in this one. Whole is what has no unknown call; people's time is part of it
    where an hour has a price and decisions their time, else it is left out, and that is said.
    """
    currency = terms.spend.cap.limit.currency
    calls = [_calls(name, facts, currency) for name in _KINDS]
    people = people_part(terms, facts)
    known = sum((part.cost.amount for part in (*calls, people) if part.cost), Decimal(0))
    unknown = _unknown(facts, currency)
    total = None if unknown else Money(known, currency)
    records, alone, accepted = (
        sum(getattr(day, name) for day in facts.outputs) for name in ("records", "alone", "accepted")
    )
    return WholeLife(
        workflow=terms.workflow,
        window=facts.window,
        before_launch=terms.before_launch,
        parts=(*calls, people),
        known=Money(known, currency),
        total=total,
        unknown=unknown,
        left_out=f"people's time: {people.unknown}" if people.unknown else "",
        each=(
            _each("record", records, total, unknown or "no output came through the checks"),
            _each("record handled alone", alone, total, unknown or "none was handled alone"),
            _each("accepted outcome", accepted, total, unknown or "none was accepted yet"),
        ),
        projection=projected(terms, recent or facts, people_part(terms, recent or facts)),
    )


def people_part(terms: LifeTerms, facts: LifeFacts) -> Part:
    """What the time of people cost who decided on outputs in the window."""
    hour, cap = terms.spend.hour, terms.spend.cap.limit
    decisions, timed = (sum(getattr(day, name) for day in facts.people) for name in ("decisions", "timed"))
    minutes = sum((day.minutes for day in facts.people), Decimal(0))
    if not decisions:
        if not terms.decisions_read and facts.outputs:
            return Part(PEOPLE, None, 0, unknown="nobody says what people decide (source.decisions)")
        return Part(PEOPLE, Money(Decimal(0), cap.currency), 0, Decimal(0), note="no decision")
    if timed < decisions * _ENOUGH_TIMED:
        why = f"{decisions - timed:,} of {plural(decisions, 'decision')} have no time"
        return Part(PEOPLE, None, decisions, minutes, unknown=why)
    note = ""
    if timed < decisions:
        note = f"{decisions - timed:,} of {decisions:,} decisions have no time and count as the mean of the others"
        minutes = minutes * decisions / timed
    if hour is None:
        why = f"{_lasting(minutes)}, whose price is not declared (spend.hour_of_work)"
        return Part(PEOPLE, None, decisions, minutes, unknown=why, note=note)
    if hour.currency != cap.currency:
        why = f"{_lasting(minutes)}, whose price is in {hour.currency} and not in {cap.currency}"
        return Part(PEOPLE, None, decisions, minutes, unknown=why, note=note)
    return Part(PEOPLE, Money(minutes / _HOUR * hour.amount, cap.currency), decisions, minutes, note=note)


def _calls(name: str, facts: LifeFacts, currency: str) -> Part:
    """The calls of one kind: their known cost, and why there is more."""
    own = [row for row in facts.calls if row.kind == _KINDS[name]]
    priced = [row.cost for row in own if row.cost is not None and row.currency == currency]
    count = sum(row.calls for row in own)
    nothing = name == CALLS and not own and any(day.records for day in facts.outputs)
    why = "no usage was recorded" if nothing else _unpriced(own, currency)
    cost = Money(sum(priced, Decimal(0)), currency) if priced or not (own or nothing) else None
    return Part(name, cost, count, unknown=why)


def _unknown(facts: LifeFacts, currency: str) -> str:
    """Why the cost of all calls together is not known; empty where it is."""
    served = any(day.records for day in facts.outputs)
    if not facts.calls or (served and not any(row.kind == _KINDS[CALLS] for row in facts.calls)):
        return "no usage was recorded"
    return _unpriced(facts.calls, currency)


def _unpriced(rows: Sequence[CallSum], currency: str) -> str:
    whole = sum(row.calls for row in rows)
    lost = sum(row.calls for row in rows if row.cost is None)
    foreign = {row.currency: 0 for row in rows if row.cost is not None and row.currency != currency}
    for row in rows:
        if row.currency in foreign and row.cost is not None:
            foreign[row.currency] += row.calls
    said = [f"{lost:,} of {plural(whole, 'call')} have no price"] if lost else []
    said += [f"{calls:,} of {plural(whole, 'call')} are priced in {other}" for other, calls in sorted(foreign.items())]
    return "; ".join(said)


def _each(name: str, count: int, total: Money | None, unknown: str) -> Each:
    if total is None or not count:
        return Each(name, count, None, unknown)
    return Each(name, count, Money(total.amount / count, total.currency))


def _lasting(minutes: Decimal) -> str:
    return f"{minutes:,.0f} minutes" if minutes < 2 * _HOUR else f"{minutes / _HOUR:,.0f} hours"
