"""What calls cost: the price that a call had, and what it used beyond plain tokens.

A price is linear: so much for each unit of each sort. What differs by day, by the size of the request, by service tier or by
region is another price. A price never changes; what replaces it has another id.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

# What a call may use besides plain input, cached input and output, by genai-prices' names. No token counts twice: those of the
# request that stand here are part of ``input_tokens`` and no part of ``cached_tokens``; those of the answer are part of
# ``output_tokens``.
OF_INPUT = (
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "cache_audio_read_tokens",
    "input_image_tokens",
)
OF_OUTPUT = ("output_audio_tokens", "output_image_tokens")
TOOLS = ("web_searches", "storage_searches", "code_executions")  # billed by the call
SECONDS = ("seconds", "audio_seconds")  # of a machine of one's own, of sound
WORDS = ("tier", "region", "provider")  # what a call says besides of how it was made
COUNTS = (*OF_INPUT, *OF_OUTPUT, *TOOLS, *SECONDS)
TOKENS = ("input_tokens", "cached_tokens", "output_tokens", *OF_INPUT, *OF_OUTPUT)
NO_COUNT = -1  # of a sort that was told, but not as a count: such a call has no price
# The sorts that a price may have a rate for. "call" is a fee for each call.
SORTS = ("input_tokens", "cached_tokens", "output_tokens", *COUNTS, "call")
# Words of a tier, a region or a provider that a server named: nothing that could be a person's. For SQL as well.
WORD = r"[A-Za-z][A-Za-z0-9_./:-]{0,59}"
BLANKS = " \t\n\r\f\v"
_WORD = re.compile(WORD)


@dataclass(frozen=True, slots=True)
class CallDetails:
    """What a call used beyond plain tokens, and how it was made: all that its price may depend on besides model, time and size.

    ``counts`` holds those of :data:`COUNTS` that are above 0, by name, or
    :data:`NO_COUNT`: whole numbers, seconds to the millisecond. ``tier`` is the provider's word: batch, flex, priority,
    fast; empty for the standard one, :data:`UNREADABLE` where it is no word. ``region`` and ``provider`` are empty where nobody said.
    """

    counts: tuple[tuple[str, int | Decimal], ...] = ()
    tier: str = ""
    region: str = ""
    provider: str = ""

    @property
    def plain(self) -> bool:
        """Whether there is nothing to say."""
        return self == PLAIN

    def as_json(self) -> dict[str, Any]:
        """As it is stored; empty for a plain call."""
        named = {"tier": self.tier, "region": self.region, "provider": self.provider}
        counts = {sort: count if isinstance(count, int) else float(count) for sort, count in self.counts}
        return {**counts, **{name: value for name, value in named.items() if value}}

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> CallDetails:
        """What was stored."""
        given = stored or {}
        counts = tuple((name, _whole(given[name])) for name in COUNTS if given.get(name))
        return cls(counts, *(str(given.get(name) or "") for name in WORDS))


PLAIN = CallDetails()
# What says that a call was of the standard tier, in small letters; every other word is a tier with a price of its own, or with none.
STANDARD = frozenset({"", "default", "standard", "auto", "on_demand", "none", "null"})
UNREADABLE = "unreadable"  # the tier of calls that tell one in anything but a word: no list of prices has it


def tier_of(said: object) -> str:
    """A service tier by the provider's word, in small letters: empty where nothing or a word of :data:`STANDARD` is said, and
    :data:`UNREADABLE` where what is said is no :data:`WORD`, for that may be any tier.
    """
    if said is None:
        return ""
    word = said.strip(BLANKS) if isinstance(said, str) else UNREADABLE
    if word and not _WORD.fullmatch(word):
        return UNREADABLE
    return "" if word.lower() in STANDARD else word.lower()


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit of each sort costs for calls of a model, or the ``reason`` why nobody knows.

    ``rates`` holds (sort of :data:`SORTS`, amount for one unit), in the order of SORTS. It holds for calls from ``valid_from``
    to before ``valid_to`` (days in UTC; None: open) whose request has at least ``from_input_tokens`` and fewer than
    ``to_input_tokens``. ``source`` names the list: ``genai-prices 0.2.3``, ``own price list``, ``as the endpoint said``.
    """

    model: str
    source: str
    currency: str = ""
    rates: tuple[tuple[str, Decimal], ...] = ()
    reason: str = ""
    tier: str = ""
    region: str = ""
    provider: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    from_input_tokens: int = 0
    to_input_tokens: int | None = None
    note: str = ""

    @property
    def id(self) -> int:
        """63 bits of the hash of all that it says: the same price has the same id everywhere."""
        said = {name: getattr(self, name) for name in self.__slots__}
        text = json.dumps(said, sort_keys=True, default=_written)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def _whole(count: object) -> int | Decimal:
    number = Decimal(str(count))
    return int(number) if number == number.to_integral_value() else number


def _written(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
