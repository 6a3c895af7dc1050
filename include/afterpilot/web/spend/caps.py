"""Caps as a run of spend has judged them. Evidence may be of another version: what cannot be read is left out, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.allowance import STALE_AFTER
from afterpilot.domain.counting import plural
from afterpilot.web.evals.standing import short_day
from afterpilot.web.reading import amount, day, listed, mapping
from afterpilot.web.text import money

REACHED, UNKNOWN, WARNED, KEPT = "FAIL", "UNKNOWN", "WARN", "PASS"
RANKS = {REACHED: 0, UNKNOWN: 1, WARNED: 2, KEPT: 4}
_TWO_DAYS = 48  # hours
_WIDEST = Decimal(2)  # of the cap: as far as a bar goes


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected by the end of the period, with the 80 % interval; ``words`` also where nothing is."""

    words: str
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    crosses: date | None = None
    earliest: date | None = None
    latest: date | None = None


@dataclass(frozen=True, slots=True)
class CapBar:
    """A bar in percent of its width: what is spent, the forecast's interval, the cap and the levels of warning."""

    spent: float
    tone: str
    cap: float
    levels: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class CapView:
    """A cap as it stands. ``unpriced`` are calls whose cost is not known: what is spent is a lower bound then."""

    key: str
    every: str
    limit: Decimal
    declared: Decimal
    currency: str
    spent: Decimal | None
    unknown: bool
    model: str = ""
    team: str = ""
    at_cap: str = ""
    unpriced: int = 0
    coverage: Decimal | None = None
    warn_at: tuple[Decimal, ...] = ()
    outlook: Outlook = Outlook("")
    burns: tuple[str, ...] = ()
    reached_on: date | None = None  # by the calendar of the cap

    @property
    def share(self) -> Decimal | None:
        """What is known to be spent, over the cap."""
        return None if self.spent is None else self.spent / self.limit

    @property
    def tone(self) -> str:
        """The verdict on this cap alone: UNKNOWN is never good."""
        share = self.share
        if share is not None and share >= 1:
            return REACHED
        if self.unknown or share is None:
            return UNKNOWN
        near = any(share >= level for level in self.warn_at)
        return WARNED if near or self.outlook.crosses or self.burns else KEPT

    @property
    def name(self) -> str:
        """``400.00 USD a month for gpt-5``."""
        about = f" for {self.model}" if self.model else ""
        whose = f" of the team {self.team}" if self.team else ""
        rolling = self.every[:1].isdigit()
        return f"{money(self.limit, self.currency, exact=True)} {'in' if rolling else 'a'} {self.every}{whose}{about}"

    @property
    def words(self) -> str:
        """What is spent of it, in words."""
        if self.spent is None or self.share is None:
            return f"unknown of {money(self.limit, self.currency, exact=True)}"
        least = "at least " if self.unknown or self.unpriced else ""
        of = money(self.limit, self.currency, exact=True)
        return f"{least}{money(self.spent, self.currency)} of {of} ({_tenths(self.share)})"

    @property
    def bar(self) -> CapBar | None:
        """The bar; None where nothing is known that could be drawn."""
        share = self.share
        if share is None:
            return None
        ends = [Decimal(1), share] + [end / self.limit for end in (self.outlook.high,) if end is not None]
        whole = min(max(ends), _WIDEST)

        def place(value: Decimal) -> float:
            return round(float(min(value / whole, Decimal(1)) * 100), 2)

        low, high = (
            None if end is None or self.tone == REACHED else place(end / self.limit)
            for end in (self.outlook.low, self.outlook.high)
        )
        tone = {REACHED: "bad", WARNED: "warn"}.get(self.tone, "plain")
        return CapBar(place(share), tone, place(Decimal(1)), tuple(place(one) for one in self.warn_at), low, high)


def caps_at(run: Mapping[str, Any] | None, now: datetime) -> tuple[CapView, ...]:
    """The caps as the newest run has judged them, the main one first. Where it is too old to go by, what came since is not known."""
    if run is None:
        return ()
    old = too_old(run, now)
    return tuple(replace(cap, unknown=cap.unknown or old) for cap in caps_of(run["evidence"]))


def too_old(run: Mapping[str, Any], now: datetime) -> bool:
    """Whether a run of spend is one that should have been followed by another."""
    return bool(now - run["finished_at"] > STALE_AFTER)


def caps_of(evidence: object) -> tuple[CapView, ...]:
    """The caps in the evidence of a run, the main one first."""
    said = mapping(evidence)
    found = [_cap(mapping(one)) for one in listed(said.get("caps"))]
    if not found and "cap" in said:
        found = [_only(said)]
    return tuple(cap for cap in found if cap is not None)


def _tenths(share: Decimal) -> str:
    """As a run's summary says it, with one digit behind the point: one share is never told as two."""
    return percent(share) if share < Decimal("0.1") else f"{share * 100:,.1f} %"


def percent(share: Decimal) -> str:
    """A share in percent, with a digit behind the point where it is below ten."""
    value = share * 100
    if 0 < value < Decimal("0.1"):
        return "below 0.1 %"
    return f"{value:.1f} %" if value < 10 and value != int(value) else f"{value:,.0f} %"  # noqa: PLR2004 - ten


def coverage_words(coverage: Decimal | None, unpriced: int = 0) -> str:
    """The share of calls that have a price; never 100 % where some have none."""
    if coverage is None:
        return "no calls"
    text = percent(coverage)
    if unpriced and text == "100 %":
        text = "almost 100 %"
    return text + (f", {plural(unpriced, 'call')} without" if unpriced else "")


def _cap(one: Mapping[str, Any]) -> CapView | None:
    limit = amount(one.get("limit"))
    if not limit:
        return None
    unpriced = one.get("unpriced")
    return CapView(
        key=str(one.get("cap") or ""),
        every=str(one.get("every") or ""),
        limit=limit,
        declared=amount(one.get("declared")) or limit,
        currency=str(one.get("currency") or ""),
        spent=amount(one.get("spent")),
        unknown=bool(one.get("unknown")),
        model=str(one.get("model") or ""),
        team=str(one.get("team") or ""),
        at_cap=str(one.get("at_cap") or ""),
        unpriced=unpriced if isinstance(unpriced, int) else 0,
        coverage=amount(one.get("priced_coverage")),
        warn_at=tuple(level for level in map(amount, listed(one.get("warn_at"))) if level is not None),
        outlook=_outlook(mapping(one.get("forecast"))),
        burns=tuple(_burn(mapping(burn)) for burn in listed(one.get("burn"))),
        reached_on=day(one.get("reached_at")),
    )


def _only(said: Mapping[str, Any]) -> CapView | None:
    """The one cap that runs of earlier versions told of."""
    limit = amount(said.get("cap"))
    if not limit:
        return None
    unpriced = amount(said.get("unpriced")) or Decimal(0)
    return CapView(
        key=str(said.get("period") or ""),
        every=str(said.get("period") or ""),
        limit=limit,
        declared=limit,
        currency=str(said.get("currency") or ""),
        spent=amount(said.get("spent")),
        unknown=unpriced > 0,
        unpriced=int(unpriced),
        outlook=Outlook(str(said.get("forecast") or "") if amount(said.get("forecast")) is None else ""),
    )


def _outlook(said: Mapping[str, Any]) -> Outlook:
    expected, low, high = (amount(said.get(name)) for name in ("expected", "low", "high"))
    crosses, earliest, latest = (day(said.get(name)) for name in ("crosses", "earliest", "latest"))
    words = str(said.get("words") or said.get("reason") or "")
    return Outlook(words, expected, low, high, crosses, earliest, latest)


def _burn(said: Mapping[str, Any]) -> str:
    rate, hours = amount(said.get("rate")), amount(said.get("hours"))
    if rate is None or hours is None:
        return "faster than it lasts"
    return f"{rate.normalize():f} times as fast as it lasts, over {_span(hours)}"


def _span(hours: Decimal) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours.normalize():f} h" if hours < _TWO_DAYS else f"{hours / 24:.0f} days"


def crossing_words(cap: CapView) -> str:
    """The day on which the cap was or will be reached, with its interval; empty where that is not expected."""
    if cap.tone == REACHED:
        return f"reached on {short_day(cap.reached_on)}" if cap.reached_on else "reached"
    outlook = cap.outlook
    if outlook.crosses is None:
        return f"perhaps from {short_day(outlook.earliest)} on" if outlook.earliest else ""
    ends: Sequence[date | None] = (outlook.earliest, outlook.latest)
    if ends[0] is None or ends[0] == ends[1]:
        return f"reached around {short_day(outlook.crosses)}"
    until = short_day(ends[1]) if ends[1] else "after the period"
    return f"reached around {short_day(outlook.crosses)} ({short_day(ends[0])} to {until})"
