"""Which released outputs go to people all the same, so that what they find speaks for all of them.

Each output of a stratum has the same chance in a period, drawn from the hash of its key: the same at every attempt, known in
advance to nobody who does not know the key. The chances are set when the period begins, from the periods before it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from afterpilot.domain.intervals import Z95, wilson
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.sampling import Stratum

EVERYTHING_ELSE = ""  # the rate of a stratum that no earlier period had
FEWEST = 5  # outputs of each stratum in a period: fewer say nothing about it
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_UNKNOWN_ERRORS = 0.1  # what is planned with before anything was checked
_DIGITS = Decimal("0.000001")


def period_of(at: datetime, terms: SpotCheck) -> date:
    """The first day of the period that a moment lies in; periods of a week begin on Monday."""
    return (_MONDAY + (at - _MONDAY) // terms.period * terms.period).date()


def stratum_of(value: object) -> str:
    """The stratum of a field's value: the text that PostgreSQL's ``->>`` gives, by which samples are counted; empty for none."""
    if value is None or isinstance(value, str):
        return value or EVERYTHING_ELSE
    return json.dumps(value, ensure_ascii=False, default=str)


def is_picked(workflow: str, key: str, rate: Decimal) -> bool:
    """Whether this output is in the sample: the same answer every time, for ``rate`` of all keys."""
    digest = hashlib.sha256(f"{workflow}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:8]) < rate * 2**64


def rates(terms: SpotCheck, before: Sequence[Stratum], expected: Mapping[str, int]) -> dict[str, Decimal]:
    """The chance of each stratum in the period that begins (0 to 1).

    ``before`` is what earlier periods have found, ``expected`` how many released outputs each stratum had in the last one. A
    fixed share is the same for all. With a precision, the size of the sample is Cochran's for a stratified one with the best
    allocation (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, 5.27), planned with the upper end of each stratum's error
    rate so far.
    """
    if terms.precision is None or not sum(expected.values()):
        return {EVERYTHING_ELSE: terms.share}
    whole = sum(expected.values())
    spread = _spreads(before, expected)
    weighed = {name: expected[name] / whole * spread[name] for name in expected}
    total = sum(weighed.values())
    variance = (float(terms.precision) / Z95) ** 2
    inner = sum(expected[name] / whole * spread[name] ** 2 for name in expected)
    size = total**2 / (variance + inner / whole)
    found = {
        name: _rate(max(FEWEST, wanted), expected[name]) for name, wanted in _allocated(size, weighed, expected).items()
    }
    found[EVERYTHING_ELSE] = found.get(EVERYTHING_ELSE, _rate(math.ceil(size), whole))
    return found


def _allocated(size: float, weighed: Mapping[str, float], expected: Mapping[str, int]) -> dict[str, int]:
    """The sample over the strata by their weights; one that has too few for its part is taken whole, and the others share the
    rest (Cochran 1977, 5.8).
    """
    whole: dict[str, int] = {}
    while True:
        left = {name: weight for name, weight in weighed.items() if name not in whole}
        rest, total = size - sum(whole.values()), sum(left.values())
        wanted = {name: math.ceil(rest * weight / total) if total else 0 for name, weight in left.items()}
        full = {name: expected[name] for name, count in wanted.items() if count > expected[name]}
        if not full:
            return {**whole, **wanted}
        whole |= full


def _spreads(before: Sequence[Stratum], expected: Mapping[str, int]) -> dict[str, float]:
    """The standard deviation of right and wrong that each stratum is planned with."""
    checked = dict.fromkeys(expected, 0)
    errors = dict.fromkeys(expected, 0)
    for stratum in before:
        if stratum.name in checked:
            checked[stratum.name] += stratum.checked
            errors[stratum.name] += stratum.errors
    spreads = {}
    for name, count in checked.items():
        share = min(0.5, wilson(errors[name], count).high) if count else _UNKNOWN_ERRORS
        spreads[name] = math.sqrt(share * (1 - share))
    return spreads


def _rate(wanted: int, population: int) -> Decimal:
    if wanted >= population:
        return Decimal(1)
    return (Decimal(wanted) / population).quantize(_DIGITS)
