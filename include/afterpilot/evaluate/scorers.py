"""Scorers: what one answer is worth against a case's expected values.

A field of ``""`` is the whole answer. Otherwise the answer is read as a JSON object (also inside a ```json fence); an answer
that cannot be read so, or lacks the field, scores 0: that is the model's failure. A scorer that cannot do its own work raises
:class:`ScorerError`: that is the harness's.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Score, ScorerSpec

MAX_REGEX_TEXT = 10_000  # characters: a bound on what a slow pattern can be made to chew
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d[\d,' ]*(?:\.\d+)?|[-+]?\.\d+")
_SHOWN = 80

# A scorer takes the value found, the expected value (None where the case has none) and its parameters; it returns the reason why
# the value is wrong, or "" where it is right.
Scorer = Callable[[Any, Any, Mapping[str, Any]], str]


class ScorerError(TargetError):
    """A scorer could not do its work: a bad pattern, a bad schema, no expected value. Not the model's failure."""


def score(spec: ScorerSpec, case: Case, answer: str) -> Score:
    """One scorer's word on one answer; ``value`` is 1 or 0.

    Raises:
        ScorerError: the scorer itself is broken for this case.
    """
    scorer = SCORERS.get(spec.name)
    if scorer is None:
        raise ScorerError(f"there is no scorer {spec.name!r} (known: {', '.join(sorted(SCORERS))})")
    found, reason = _found(answer, spec)
    if not reason:
        reason = scorer(found, case.expected.get(spec.field), spec.params)
    return Score(scorer=spec.label, value=0.0 if reason else 1.0, passed=not reason, reason=reason)


def _found(answer: str, spec: ScorerSpec) -> tuple[Any, str]:
    """The value that the scorer looks at, or the reason why the answer does not have it."""
    if spec.field == "" and spec.name != "json_schema":
        return answer.strip(), ""
    try:
        document = json.loads(_FENCE.sub(r"\1", answer))
    except (ValueError, RecursionError):
        return None, f"the answer is not JSON: {_short(answer)}"
    if spec.field == "":
        return document, ""
    if not isinstance(document, dict) or spec.field not in document:
        return None, f"the answer has no field {spec.field}"
    return document[spec.field], ""


def _exact(found: Any, expected: Any, _params: Mapping[str, Any]) -> str:  # noqa: ANN401 - any JSON value
    wanted = _needed(expected)
    if isinstance(found, str) and isinstance(wanted, str):
        same = found.strip() == wanted.strip()
    else:
        same = type(found) is type(wanted) and found == wanted
    return "" if same else f"{_short(found)} instead of {_short(wanted)}"


def _contains(found: Any, expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    wanted = str(_needed(params.get("text", expected)))
    return "" if wanted.casefold() in str(found).casefold() else f"{_short(found)} does not contain {_short(wanted)}"


def _regex(found: Any, _expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    try:
        pattern = re.compile(str(_needed(params.get("pattern"))))
    except re.error as error:
        raise ScorerError(f"the pattern cannot be used: {error}") from error
    return "" if pattern.search(str(found)[:MAX_REGEX_TEXT]) else f"{_short(found)} does not match {pattern.pattern}"


def _numeric(found: Any, expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    wanted = number(_needed(expected))
    if wanted is None:
        raise ScorerError(f"the expected value {_short(expected)} is not a number")
    value = number(found)
    if value is None:
        return f"{_short(found)} is not a number"
    tolerance = Decimal(str(params.get("tolerance", 0)))
    return "" if abs(value - wanted) <= tolerance else f"{value} instead of {wanted} (tolerance {tolerance})"


def _one_of(found: Any, expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    choices = [str(choice) for choice in params.get("values", ())]
    said = str(found).strip()
    if choices and said not in choices:
        return f"{_short(found)} is none of {', '.join(choices)}"
    return "" if expected is None or said == str(expected).strip() else f"{_short(said)} instead of {_short(expected)}"


def _json_schema(found: Any, _expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    validator = _validator(json.dumps(_needed(params.get("schema")), sort_keys=True))
    error = next(iter(validator.iter_errors(found)), None)
    return (
        "" if error is None else f"{'.'.join(map(str, error.absolute_path)) or 'the answer'}: {_short(error.message)}"
    )


def number(value: Any) -> Decimal | None:  # noqa: ANN401 - any JSON value
    """A number, or the first one in a text such as ``"1,453.60 GBP"`` (comma, blank and ' between thousands); else None."""
    if isinstance(value, bool) or value is None:
        return None
    match = _NUMBER.search(str(value)) if isinstance(value, str) else None
    text = re.sub(r"[,' ]", "", match.group()) if match else str(value)
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Any:  # noqa: ANN401 - jsonschema's
    """A compiled validator: building one costs fifty times what using it does."""
    import jsonschema

    document = json.loads(schema)
    kind = jsonschema.validators.validator_for(document)
    try:
        kind.check_schema(document)
    except jsonschema.SchemaError as error:
        raise ScorerError(f"the schema cannot be used: {error.message}") from error
    return kind(document)


def _needed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if value is None:
        raise ScorerError("the case has no expected value for this scorer")
    return value


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


SCORERS: Mapping[str, Scorer] = {
    "exact": _exact,
    "contains": _contains,
    "regex": _regex,
    "numeric": _numeric,
    "one_of": _one_of,
    "json_schema": _json_schema,
}
