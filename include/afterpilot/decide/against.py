"""A run held against the approved baseline: what the comparison says, and what could not be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from afterpilot.decide.alarm import Alarm
from afterpilot.decide.causes import Causes

if TYPE_CHECKING:
    from decimal import Decimal

ENOUGH_IN_COMMON = 0.5  # of the suite's cases; with fewer the comparison says too little, and that is a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The baseline (``run``, approved ``at`` a time ``by`` somebody) and what was seen against it.

    ``common`` of the suite's ``cases`` are the same as at the approval and can be compared; ``scorers_changed`` says why none
    can. ``alarm`` is None where nothing could be compared. ``passed_then`` is case → it passed in the newest approved run that has it.
    ``passing_since`` is case → the first day of the runs, up to this one, in all of which it passed.
    ``confirmed`` is whether the regression holds over the whole fleet of ``fleet`` workflows. ``before`` and ``after`` are
    answers by case, of the last good run ``good_run`` and of this one. ``rounds`` counts the same-day re-runs of ``reruns``
    samples, whose cost is None where any has no price. ``wobble`` is the standard deviation of days in logits that the alarm
    reckoned with, and ``wobble_measured`` whether it is the fleet's own; ``smallest_drop`` is the share of the cases that it looks
    for. ``terms_changed`` names the alarm's terms that are declared otherwise now than at the approval, whose terms hold.
    """

    run: str
    at: datetime
    by: str
    cases: int
    common: int
    scorers_changed: bool = False
    alarm: Alarm | None = None
    passed_then: Mapping[str, bool] = field(default_factory=dict)
    passing_since: Mapping[str, date] = field(default_factory=dict)
    causes: Causes | None = None
    confirmed: bool = False
    fleet: int = 1
    good_run: str = ""
    good_day: date | None = None
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 0
    reruns: int = 0
    rerun_cost: Decimal | None = None
    wobble: float | None = None
    wobble_measured: bool = False
    smallest_drop: float | None = None
    terms_changed: tuple[str, ...] = ()

    @property
    def due(self) -> bool:
        """Whether a new approval is due: the suite, or what the alarm is told, is not the approved one any more."""
        return self.scorers_changed or self.common < self.cases or bool(self.terms_changed)

    @property
    def too_little(self) -> bool:
        """Whether so little can be compared that a regression would go unseen."""
        return self.scorers_changed or self.common < ENOUGH_IN_COMMON * self.cases
