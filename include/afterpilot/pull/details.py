"""What a call used beyond plain tokens, and how it was made, out of whatever a source says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

from afterpilot.domain.prices import COUNTS, NO_COUNT, PLAIN, SECONDS, WORD, CallDetails, tier_of
from afterpilot.pull.values import decimal, tokens

# Clients of these name them whoever answers, and the model's name says as much.
ANYBODY = frozenset({"openai", "anthropic"})
LONGEST_SECONDS = 10**9
_WORD = re.compile(WORD)


def details_of(found: Mapping[str, object]) -> CallDetails:
    """Of values by the names of :data:`COUNTS` and :data:`~afterpilot.domain.prices.WORDS`. What is told and is no count becomes
    -1, and a tier that is no word is one that no list has, so that the call has no price instead of one that is too low. Of
    seconds, of which only some prices ask, and of other words it says nothing.
    """
    told = {name: value for name, value in found.items() if value is not None}
    if not told:
        return PLAIN
    counts = tuple((sort, count) for sort in COUNTS if sort in told and (count := _count(sort, told[sort])))
    region, provider = (_word(told.get(name)) for name in ("region", "provider"))
    return CallDetails(counts, tier_of(told.get("tier")), region, "" if provider.lower() in ANYBODY else provider)


def _count(sort: str, value: object) -> int | Decimal | None:
    if value == "":
        return None
    odd = isinstance(value, Mapping | list | bool)
    if sort not in SECONDS:
        count = None if odd else tokens(value)
        return NO_COUNT if count is None else count
    if odd:
        return None
    number = Decimal(str(value.total_seconds())) if isinstance(value, timedelta) else decimal(value)
    if number is None or not 0 < number <= LONGEST_SECONDS:
        return None
    thousandths = int((number * 1_000).to_integral_value(ROUND_CEILING))
    return thousandths // 1_000 if thousandths % 1_000 == 0 else Decimal(thousandths).scaleb(-3)


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
