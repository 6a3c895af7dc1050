"""A model's answer as text, as JSON, and as a number."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isinf
from typing import Any

_FENCE = "```"
_NUMBER = re.compile(
    r"""
    (?:(?<![\w.,])(?P<sign>[-+\u2212]))?              # the dash of INV-3101 is no minus
    (?:
        (?P<continental>[0-9]{1,3}(?:[.'\u2019\u00a0\u202f\ ][0-9]{3})+),(?P<cents>[0-9]+)            # 1.453,60
      | (?P<grouped>[0-9]{1,3}(?:[,'\u2019\u00a0\u202f\ ][0-9]{3})+)(?![0-9])(?P<rest>\.[0-9]+)?     # 1,453.60
      | (?P<comma>[0-9]+),(?P<after>[0-9]{4,}|[0-9]{1,2})                                             # 453,60
      | (?P<plain>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?P<exponent>[eE][-+]?[0-9]{1,3}(?!\w))?
    )
    (?P<more>[.,]?[0-9])?                              # 1.2.3 and 1,453,60 are no numbers
    """,
    re.VERBOSE,
)
_BETWEEN = re.compile(r"[^0-9]")
MOST_DEPTH = 64
_LONGEST_NUMBER = 1_000  # characters of a text in which a number is looked for


@dataclass(frozen=True, slots=True)
class Document:
    """An answer read as JSON; ``flaw`` says why it could not be, in the model's disfavour."""

    value: Any
    flaw: str = ""


class Answer:
    """A model's answer, read as JSON when that is first asked for, and once only. Nobody may change what it gives out."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._document: Document | None = None

    def json(self) -> Document:
        """The whole answer as JSON, see :func:`read_json`."""
        if self._document is None:
            self._document = read_json(self.text)
        return self._document

    def field(self, name: str) -> Document:
        """One field of an answer that is a JSON object."""
        whole = self.json()
        if whole.flaw:
            return whole
        if not isinstance(whole.value, Mapping):
            return Document(None, f"the answer is not a JSON object: {short(self.text)}")
        if name not in whole.value:
            return Document(None, f"the answer has no field {name}")
        return Document(whole.value[name])


def read_json(answer: str) -> Document:
    """The answer as JSON, also out of a ```json fence.

    It is read strictly. A key that stands twice, NaN, infinity, a number beyond what a float holds, an integer of thousands of
    digits, and nesting deeper than 64 are flaws: which of two values was meant nobody can know, and the rest is no JSON that
    another program could be trusted to read.
    """
    text = answer.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE) and len(text) >= 2 * len(_FENCE):
        text = text[len(_FENCE) : -len(_FENCE)].removeprefix("json")
    try:
        value = _DECODER.decode(text)
    except _Strict as flaw:
        return Document(None, f"the answer is not JSON to rely on: {flaw}")
    except (ValueError, RecursionError):
        return Document(None, f"the answer is not JSON: {short(answer)}" if text.strip() else "the answer is empty")
    if text.count("[") + text.count("{") > MOST_DEPTH and depth(value) > MOST_DEPTH:
        return Document(None, f"the answer is not JSON to rely on: it is nested deeper than {MOST_DEPTH}")
    return Document(value)


def depth(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """How deep a value is nested, level by level: a function that calls itself could not cope with what this looks for."""
    level, deep = [value], 0
    while level := [item for item in level if isinstance(item, list | dict)]:
        deep += 1
        level = [part for item in level for part in (item.values() if isinstance(item, dict) else item)]
    return deep


def number(value: Any) -> Decimal | None:  # noqa: ANN401 - any JSON value
    """A JSON number as it is, or the first number in a text such as ``"453.60 GBP"``; None where there is none.

    Thousands may stand apart by a comma, an apostrophe or a blank in groups of three: ``1,453.60`` and ``1 453.60`` are
    1453.60. A comma that is not before exactly three digits is a decimal comma: ``453,60`` is 453.60, ``1.453,60`` is 1453.60,
    but ``1,453`` is 1453 and ``1.453`` is 1.453. What is neither (``1.2.3``, ``1,453,60``) is no number.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        exact = Decimal(str(value))
        return exact if exact.is_finite() else None
    if not isinstance(value, str):
        return None
    match = _NUMBER.search(value[:_LONGEST_NUMBER])
    return None if match is None or match["more"] else _exact(match)


def _exact(match: re.Match[str]) -> Decimal:
    found = match.groupdict(default="")
    if found["continental"]:
        text = f"{_BETWEEN.sub('', found['continental'])}.{found['cents']}"
    elif found["grouped"]:
        text = _BETWEEN.sub("", found["grouped"]) + found["rest"]
    elif found["comma"]:
        text = f"{found['comma']}.{found['after']}"
    else:
        text = found["plain"] + found["exponent"]
    return Decimal(f"{'' if found['sign'] in {'', '+'} else '-'}{text}")


def short(value: Any, most: int = 80) -> str:  # noqa: ANN401 - any JSON value
    """A value as people may see it in a sentence: in quotes, on one line, cut where it is long."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):  # what came from elsewhere may hold itself, or be nested too deep
        text = f"a {type(value).__name__}"
    return repr(text if len(text) <= most else f"{text[:most]}…")


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class _Strict(Exception):
    """What is against the rules of this reader."""


def _no_constant(name: str) -> None:
    raise _Strict(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise _Strict(f"the number {short(digits)} is too large")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Strict(f"the key {short(twice)} stands twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite, parse_constant=_no_constant)
