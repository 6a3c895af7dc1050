"""Reads what all workflows have spent under their caps, in a few statements for the whole fleet, and how fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.decide.spend import BURNING, LEAKING, Calls, Look, Subject, still_open
from afterpilot.domain.allowance import CapRaise, answered
from afterpilot.domain.metered import DaySpan, Metered, Span
from afterpilot.domain.money import Money
from afterpilot.domain.spend import CapRule, CapState
from afterpilot.pipeline.spend_paces import Pace, burn_of, forecast_of, leak_of
from afterpilot.pipeline.spend_reached import with_reached
from afterpilot.record.ops import Unit
from afterpilot.record.spend.paces import Paces, Series, as_date
from afterpilot.spend.burn import USUAL_DAYS
from afterpilot.spend.periods import cap_window, local_day, period_before, period_days, quarter_after
from afterpilot.spend.seasons import MOST_WEEKS

_DAY = timedelta(days=1)
_LONGEST_BURN = timedelta(hours=6, minutes=15)
LONGEST_PERIOD = timedelta(days=32)  # of the calendar: a month, with room for zones
FRESH = timedelta(hours=3)  # how old the newest call may be for its pace to be of any use


@dataclass(frozen=True, slots=True)
class Asked:
    """Caps to look at: a workflow's own, or (``fleet``) those over several. ``members`` are the workflows under each of the fleet's
    caps, None for all that there are.
    """

    subject: Subject
    rules: tuple[CapRule, ...]
    members: tuple[tuple[str, ...] | None, ...] = ()
    standing: frozenset[tuple[str, str]] = frozenset()

    def under(self, at: int) -> tuple[str, ...] | None:
        """The workflows under the cap at this place."""
        return self.members[at] if self.subject.fleet else (self.subject.slug,)


@dataclass(slots=True)
class _Read:
    """What was read: the calls of each cap's period, and series of all workflows that are asked about."""

    calls: Mapping[str, Sequence[Metered]]
    days: Mapping[str, Sequence[Series]]
    quarters: Mapping[str, Sequence[Series]]
    known: tuple[str, ...]
    caps_before: Mapping[tuple[str, datetime], Sequence[Mapping[str, Any]]]
    history: dict[str, Sequence[Series]] = field(default_factory=dict)


def looks_of(
    unit: Unit, asked: Sequence[Asked], raises: Sequence[CapRaise], now: datetime
) -> Mapping[str, tuple[Look, ...]]:
    """Every cap as it stands now, by the slug of whose it is, in the order in which they are declared."""
    read = _read(unit, asked, now)
    said = {
        one.subject.slug: [given for given in raises if one.subject.fleet or given.workflow == one.subject.slug]
        for one in asked
    }
    states = {
        one.subject.slug: answered(
            [_state(one, at, read, now) for at in range(len(one.rules))], said[one.subject.slug], now=now
        )
        for one in asked
    }
    paces = {one.subject.slug: [_pace(one, at, read, now) for at in range(len(one.rules))] for one in asked}
    _read_history(unit, asked, states, paces, read)
    looks = {
        one.subject.slug: tuple(
            _with_before(
                _look(one, at, state, paces[one.subject.slug][at], read), one, at, read, said[one.subject.slug], now
            )
            for at, state in enumerate(states[one.subject.slug])
        )
        for one in asked
    }
    return with_reached(unit, looks, {one.subject.slug: one.subject.zone for one in asked}, now)


def _read(unit: Unit, asked: Sequence[Asked], now: datetime) -> _Read:
    day_spans, spans = _spans(asked, now)
    rows: dict[str, list[Metered]] = defaultdict(list)
    for row in (*unit.metered.days(day_spans), *unit.metered.spans(spans)):
        rows[row.label].append(row)
    paces = Paces(unit.connection)
    known = tuple(paces.workflows())
    days, quarters = {}, {}
    for slug, zone, back in _histories(asked, known):
        today = local_day(now, zone)
        days[slug] = (today - back, today + _DAY)
        quarters[slug] = (quarter_after(now) - FRESH - _LONGEST_BURN, quarter_after(now))
    caps_before = unit.runs.caps_before(set(_ended(asked, rows, now)))
    return _Read(rows, _by_workflow(paces.days(days)), _by_workflow(paces.quarters(quarters)), known, caps_before)


def _spans(asked: Sequence[Asked], now: datetime) -> tuple[list[DaySpan], list[Span]]:
    """The stretches of all caps, labelled by whose they are and by their place."""
    days: list[DaySpan] = []
    spans: list[Span] = []
    for one in asked:
        for at, rule in enumerate(one.rules):
            label = f"{one.subject.slug}/{at}"
            under = one.under(at)
            for workflow in (None,) if under is None else under:
                if rule.cap.length is not None:
                    window = cap_window(rule.cap, now)
                    spans.append(Span(workflow, window.start, window.end, label))
                    continue
                period = period_days(rule.cap.period, now, one.subject.zone)
                days.append(DaySpan(workflow, period.first, period.until - _DAY, label))
                if (earlier := _before(one, rule, now)) is not None:
                    days.append(DaySpan(workflow, *earlier, f"{label}/before"))
    return days, spans


def _before(one: Asked, rule: CapRule, now: datetime) -> tuple[date, date] | None:
    """First and last day of the period before, while calls of it may still come in."""
    if rule.cap.length is not None:
        return None
    zone, subject = one.subject.zone, one.subject
    window = cap_window(rule.cap, now, zone)
    pulled_to = now if subject.fleet else subject.pulled_to
    if not still_open(window, subject.late_by, now=now, pulled_to=pulled_to):
        return None
    earlier = period_before(rule.cap.period, window, zone)
    return local_day(earlier.start, zone), local_day(window.start, zone) - _DAY


def _ended(
    asked: Sequence[Asked], rows: Mapping[str, Sequence[Metered]], now: datetime
) -> Iterable[tuple[str, datetime]]:
    """Whose periods that are over have calls, and when each ended."""
    for one in asked:
        for at, rule in enumerate(one.rules):
            if rows.get(f"{one.subject.slug}/{at}/before"):
                yield one.subject.slug, cap_window(rule.cap, now, one.subject.zone).start


def _rule_before(read: _Read, slug: str, end: datetime, rule: CapRule) -> CapRule | None:
    """The cap as it was when its period ended; None where it did not exist, or was in another currency."""
    for cap in read.caps_before.get((slug, end), ()):
        if cap.get("cap") == rule.key and cap.get("currency") == rule.cap.limit.currency:
            return replace(
                rule, cap=replace(rule.cap, limit=Money(Decimal(cap.get("declared") or cap["limit"]), cap["currency"]))
            )
    return None


def _histories(asked: Sequence[Asked], known: Iterable[str]) -> Iterable[tuple[str, str, timedelta]]:
    """Each workflow whose days are needed, with its zone and how far back."""
    needed: dict[str, tuple[str, timedelta]] = {}
    for one in sorted(asked, key=lambda each: each.subject.fleet):  # a workflow's own zone goes first
        back = max(timedelta(weeks=MOST_WEEKS), *(rule.cap.length or timedelta(0) for rule in one.rules), timedelta(0))
        for at in range(len(one.rules)):
            under = one.under(at)
            for slug in known if under is None else under:
                zone, before = needed.get(slug, (one.subject.zone, timedelta(0)))
                needed[slug] = (zone, max(before, back))
    return [(slug, zone, back) for slug, (zone, back) in needed.items()]


def _by_workflow(series: Iterable[Series]) -> Mapping[str, Sequence[Series]]:
    found: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        found[one.workflow].append(one)
    return found


def _state(one: Asked, at: int, read: _Read, now: datetime) -> CapState:
    rule = one.rules[at]
    calls = _calls(one, at, read)
    # A team's cap that no workflow in use is under guards nothing: that little was spent of it is no good news.
    late = one.subject.stale(now) or rule.team in one.subject.nobody
    return CapState(
        rule=rule,
        period=cap_window(rule.cap, now, one.subject.zone),
        limit=rule.cap.limit,
        spent=None if late and not calls.count else calls.spent(),
        unknown=late or bool(calls.not_known),
        fleet=one.subject.fleet,
    )


def _calls(one: Asked, at: int, read: _Read, what: str = "") -> Calls:
    rule = one.rules[at]
    lines = read.calls.get(f"{one.subject.slug}/{at}{what}", ())
    return Calls(rule.cap.limit.currency, tuple(line for line in lines if rule.covers(line.model)))


def _summed(series: Mapping[str, Sequence[Series]], slugs: Iterable[str], rule: CapRule) -> dict[int, float]:
    """Workflows' series of the models and the currency of a cap, added up."""
    found: dict[int, float] = {}
    for slug in slugs:
        for one in series.get(slug, ()):
            if one.currency == rule.cap.limit.currency and rule.covers(one.model):
                for at, cost in one.costs.items():
                    found[at] = found.get(at, 0.0) + cost
    return found


def _pace(one: Asked, at: int, read: _Read, now: datetime) -> Pace:
    """The newest quarters and the days under a cap; the newest quarter is the last that has a call or was read."""
    rule, under = one.rules[at], one.under(at)
    slugs = read.known if under is None else under
    quarters = _summed(read.quarters, slugs, rule)
    pulled_to = one.subject.pulled_to
    seen = pulled_to if pulled_to is not None and now - FRESH <= pulled_to <= now else now - FRESH
    newest = max([int(quarter_after(seen).timestamp()) // 900, *(quarter + 1 for quarter in quarters)])
    days = {as_date(day): cost for day, cost in _summed(read.days, slugs, rule).items()}
    return Pace(quarters, newest, days, local_day(now, one.subject.zone))


def _read_history(
    unit: Unit,
    asked: Sequence[Asked],
    states: Mapping[str, Sequence[CapState]],
    paces: Mapping[str, Sequence[Pace]],
    read: _Read,
) -> None:
    """Two weeks of quarters of an hour of those workflows alone that burn too fast: whether that is usual. Of those that were told
    of nobody asks again.
    """
    wanted: dict[str, tuple[datetime, datetime]] = {}
    for one in asked:
        for at, (state, pace) in enumerate(zip(states[one.subject.slug], paces[one.subject.slug], strict=True)):
            if (BURNING, "") in one.standing or not pace.hot(state, told=False):
                continue  # what was told of stands, usual or not
            under = one.under(at)
            end = pace.moment
            for slug in read.known if under is None else under:
                wanted[slug] = (end - USUAL_DAYS * _DAY - _LONGEST_BURN, end)
    read.history.update(_by_workflow(Paces(unit.connection).quarters(wanted)))


def _look(one: Asked, at: int, state: CapState, pace: Pace, read: _Read) -> Look:
    rule, calls = one.rules[at], _calls(one, at, read)
    under = one.under(at)
    told = {kind for kind, _ in one.standing}
    history = _summed(read.history, read.known if under is None else under, rule)
    return Look(
        state=state,
        calls=calls,
        burn=burn_of(state, pace, history, told=BURNING in told),
        leak=leak_of(state, pace, told=LEAKING in told),
        forecast=forecast_of(state, pace, calls.spent(), one.subject.zone),
    )


def _with_before(look: Look, one: Asked, at: int, read: _Read, raises: Sequence[CapRaise], now: datetime) -> Look:
    """With the period before, as long as that may change, and its cap as it was declared and raised then. A cap that was declared
    later does not judge it.
    """
    rule, zone = one.rules[at], one.subject.zone
    if (earlier := _before(one, rule, now)) is None:
        return look
    window = period_before(rule.cap.period, cap_window(rule.cap, now, zone), zone)
    before = _calls(one, at, read, "/before")
    if (then := _rule_before(read, one.subject.slug, window.end, rule)) is None:
        return replace(look, before=before)
    declared = replace(look.state, rule=then, period=window, limit=then.cap.limit)
    (state,) = answered([declared], raises, now=window.end - timedelta(microseconds=1))
    return replace(look, before=before, began_before=earlier[0], rule_before=then, limit_before=state.limit)
