"""What went over the wire, the errors that carry it, and what is common to all replies."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isinf
from typing import Any

from afterpilot.domain.errors import TargetError, TargetRefused
from afterpilot.domain.prices import COUNTS, CallDetails, tier_of
from afterpilot.domain.record import Usage
from afterpilot.domain.storable import storable, storable_json
from afterpilot.evaluate.answers import depth

_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{4})")
_NEWEST = "-latest"
_MOST_TOKENS = 10**12  # of one call; what is more is no count, and no database could hold its price
_MOST_DEPTH = 500  # of a body; what is nested deeper cannot be written down again
_KEPT = 2_000  # characters of a body that is no answer
_LEAST_SECRET = 8  # characters; a server that wants no key is given one such as "none", which is a word like any other
_HIDDEN = "[key]"
_ESCAPED = re.compile(rb"\\u00([2-7][0-9a-fA-F])")  # a letter of ASCII, as some servers write + and quotes


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was sent and received, as far as there is any; ``attempts`` is 0 where no reply came that costs anything."""

    request: Mapping[str, Any] = field(default_factory=dict)
    response: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    attempts: int = 0


class Unanswered(TargetError):
    """No usable answer came; a later run may get one."""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


class Refused(TargetRefused):
    """The server said no for good, or another model answered; ``exchange`` holds what was said."""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


class Unreadable(Exception):
    """A reply that cannot be used; another attempt may bring a better one. ``exchange`` is what is known of it."""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


class Secret:
    """A key, and how to keep it out of what a server says."""

    def __init__(self, key: str) -> None:
        escaped = json.dumps(key)[1:-1]
        forms = {key, escaped, escaped.replace("/", "\\/")} if len(key) >= _LEAST_SECRET else ()
        self._texts = tuple(forms)
        self._bytes = tuple(form.encode("utf-8", "replace") for form in forms)

    def hide(self, content: bytes) -> bytes:
        """The bytes with ``[key]`` in the key's place."""
        for form in self._bytes:
            if form in content:
                content = content.replace(form, _HIDDEN.encode())
        return content

    def hide_escaped(self, content: bytes) -> bytes:
        """The same in a body that is kept as the text that it is, also where JSON escapes letters of the key."""
        content = self.hide(content)
        if self._bytes and b"\\u00" in content:
            plain = _ESCAPED.sub(lambda letter: bytes((int(letter[1], 16),)), content)
            if (hidden := self.hide(plain)) != plain:
                return hidden
        return content

    def hide_in(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """The same in a JSON value's texts, where a key that was written with escapes comes to light."""
        if isinstance(value, str):
            for form in self._texts:
                value = value.replace(form, _HIDDEN)
            return value
        if isinstance(value, list):
            return list(map(self.hide_in, value))  # as in storable_json: what is nested deep needs half the stack
        if isinstance(value, dict):
            return dict(zip(map(self.hide_in, value), map(self.hide_in, value.values()), strict=True))
        return value


NO_SECRET = Secret("")


def no_answer(status: int, content: bytes) -> dict[str, Any]:
    """What is kept of a reply that is no answer: its status, and the beginning of its body."""
    return {"status": status, "body": storable(content[: 4 * _KEPT].decode("utf-8", "replace"))[:_KEPT]}


def document(content: bytes, secret: Secret = NO_SECRET) -> dict[str, Any]:
    """A reply's body as a JSON object that can be kept anywhere: no database takes infinity, or what is nested without end.

    Raises:
        Unreadable: it is not one.
    """
    content = secret.hide(content)
    try:
        body = _parsed(content)
        if b"\\u" in content or b"\\/" in content:
            body = secret.hide_in(storable_json(body))
    except (ValueError, RecursionError) as error:
        raise Unreadable(
            "the reply is not JSON", Exchange(response=no_answer(200, secret.hide_escaped(content)))
        ) from error
    if not isinstance(body, dict):
        raise Unreadable("the reply is not a JSON object", Exchange(response=no_answer(200, content)))
    return body


def same_model(asked: str, answered: str) -> bool:
    """Whether the answer came from the model that was asked.

    A dated version of it is the same one (``gpt-5-mini-2026-08-01`` for ``gpt-5-mini``, ``x-2411`` for ``x-latest``), and so
    is one where only one side names the maker (``openai/gpt-5-mini``).
    """
    if asked == answered:
        return True
    asked_maker, _, asked_name = asked.rpartition("/")
    maker, _, name = answered.rpartition("/")
    if asked_maker and maker and asked_maker != maker:
        return False
    if name == asked_name:
        return True
    family = asked_name.removesuffix(_NEWEST)
    return name.startswith(family) and bool(_DATE.fullmatch(name.removeprefix(family)))


def count(value: object) -> int | None:
    """A number of tokens; None for what cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
        return value
    return None


def counted(
    model: str,
    given: int | None,
    output: int | None,
    cached: int | None,
    details: Mapping[str, object] | None = None,
    *,
    tier: object = "",
) -> Usage | None:
    """What a call used; None where neither side was counted: no call uses 0 tokens. More cached ones than were given are none.

    ``details`` are counts by the names of :data:`afterpilot.domain.prices.COUNTS`, ``tier`` is the provider's word.
    """
    if not given and not output:
        return None
    known = tuple((sort, number) for sort in COUNTS if (number := count((details or {}).get(sort))))
    how = CallDetails(known, tier_of(tier))
    return Usage(model, given, output, cached if cached and cached <= (given or 0) else 0, how)


def together(first: Usage | None, second: Usage | None) -> Usage | None:
    """What two calls used; what one of them does not say is not known of both. Of calls of two tiers nobody knows the price."""
    if first is None or second is None or first.details.tier != second.details.tier:
        return None
    used = Counter(dict(first.details.counts)) + Counter(dict(second.details.counts))
    return Usage(
        second.model,
        _sum(first.input_tokens, second.input_tokens),
        _sum(first.output_tokens, second.output_tokens),
        first.cached_tokens + second.cached_tokens,
        replace(second.details, counts=tuple((sort, used[sort]) for sort in COUNTS if used[sort])),
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - any JSON value
    body = json.loads(content, parse_float=_finite, parse_constant=_no_constant)
    if content.count(b"[") + content.count(b"{") > _MOST_DEPTH and depth(body) > _MOST_DEPTH:
        raise ValueError(f"it is nested deeper than {_MOST_DEPTH}")
    return body


def _finite(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise ValueError(f"{digits[:20]} is too large")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
