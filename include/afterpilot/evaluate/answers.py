"""A model's answer as text, as JSON, and as a number."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
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
_LONGEST_NUMBER = 1_000  # characters of a text in which a number is looked for


@dataclass(frozen=True, slots=True)
class Document:
    """An answer read as JSON; ``flaw`` says why it could not be, in the model's disfavour."""

    value: Any
    flaw: str = ""


@functools.lru_cache(maxsize=512)
def read_json(answer: str) -> Document:
    """The answer as JSON, also out of a ```json fence. Nobody may change what is returned: it is shared."""
    text = answer.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE) and len(text) >= 2 * len(_FENCE):
        text = text[len(_FENCE) : -len(_FENCE)].removeprefix("json")
    try:
        return Document(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        return Document(None, f"the answer is not JSON: {short(answer)}" if text else "the answer is empty")


def field_of(answer: str, name: str) -> Document:
    """One field of an answer that is a JSON object."""
    whole = read_json(answer)
    if whole.flaw:
        return whole
    if not isinstance(whole.value, Mapping):
        return Document(None, f"the answer is not a JSON object: {short(answer)}")
    if name not in whole.value:
        return Document(None, f"the answer has no field {name}")
    return Document(whole.value[name])


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
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return repr(text if len(text) <= most else f"{text[:most]}…")


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
