"""Scorers: what one answer is worth against a case's expected values.

A field of ``""`` is the whole answer, without blanks around it. Otherwise the answer is read as a JSON object (also out of a
```json fence); an answer that cannot be read so, or lacks the field, scores 0: that is the model's failure. A scorer that
cannot do its own work raises :class:`ScorerError`: that is the harness's.

Bounds: a pattern is run on at most 10,000 characters and for at most five seconds (:mod:`afterpilot.domain.patterns`); an answer
beyond either is an error of the harness. A schema's own ``pattern`` keywords have no limit but the answer's length: they are the
team's, as the whole schema is.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Score, ScorerSpec
from afterpilot.domain.patterns import Patterns, PatternTooSlow
from afterpilot.evaluate.answers import Document, as_text, field_of, number, read_json, short

LONGEST_PATTERN_TEXT = 10_000
_MISSING = object()  # the case has no expected value for the field; null is one
_PATTERNS = Patterns()

# A scorer takes the value found, the expected value (or _MISSING) and its parameters; it returns the reason why the value is
# wrong, or "" where it is right.
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
    expected = case.expected.get(spec.field, _MISSING)
    found = _found(spec, answer, expected)
    reason = found.flaw
    if not reason or (expected is _MISSING and _needs_expected(spec)):  # a broken case is not the model's fault
        reason = scorer(found.value, expected, spec.params)
    return Score(scorer=spec.label, value=0.0 if reason else 1.0, passed=not reason, reason=reason)


def score_all(specs: Sequence[ScorerSpec], case: Case, answer: str) -> tuple[Score, ...]:
    """Every scorer's word, in their order. Raises ScorerError where any of them is broken for this case."""
    return tuple(score(spec, case, answer) for spec in specs)


def _found(spec: ScorerSpec, answer: str, expected: object) -> Document:
    """The value that the scorer looks at."""
    if spec.field:
        return field_of(answer, spec.field)
    structured = spec.name == "exact" and expected is not _MISSING and not isinstance(expected, str)
    if spec.name == "json_schema" or structured:
        return read_json(answer)
    return Document(answer.strip())


def _needs_expected(spec: ScorerSpec) -> bool:
    return spec.name in {"exact", "numeric"} or (spec.name == "contains" and "text" not in spec.params)


def _exact(found: Any, expected: Any, _params: Mapping[str, Any]) -> str:  # noqa: ANN401 - any JSON value
    wanted = _needed(expected)
    if isinstance(found, str) and isinstance(wanted, str):
        found, wanted = found.strip(), wanted.strip()
    return "" if _same(found, wanted) else f"{short(found)} instead of {short(wanted)}"


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Equal as JSON: 453 is 453.0, but neither true nor "453"."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _contains(found: Any, expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    wanted = as_text(params["text"] if "text" in params else _needed(expected))
    return "" if wanted in as_text(found) else f"{short(found)} does not contain {short(wanted)}"


def _regex(found: Any, _expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    pattern = params.get("pattern")
    try:
        re.compile(str(pattern) if pattern is not None else "(")
    except (re.error, OverflowError, RecursionError) as error:
        raise ScorerError(f"the pattern {short(pattern)} cannot be used: {error}") from error
    text = as_text(found)
    if len(text) > LONGEST_PATTERN_TEXT:
        raise ScorerError(f"{len(text):,} characters are too many for a pattern ({LONGEST_PATTERN_TEXT:,} at most)")
    try:
        matches = _PATTERNS.search(str(pattern), text)
    except (PatternTooSlow, OSError) as error:
        raise ScorerError(f"the pattern {short(pattern)} could not be tried: {error}") from error
    return "" if matches else f"{short(found)} does not match {pattern}"


def _numeric(found: Any, expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    wanted = number(_needed(expected))
    if wanted is None:
        raise ScorerError(f"the expected value {short(expected)} is not a number")
    try:
        tolerance = Decimal(str(params.get("tolerance", 0)))
    except InvalidOperation as error:
        raise ScorerError(f"the tolerance {short(params.get('tolerance'))} is not a number") from error
    value = number(found)
    if value is None:
        return f"{short(found)} is not a number"
    allowed = f" (tolerance {tolerance})" if tolerance else ""
    return "" if abs(value - wanted) <= tolerance else f"{short(found)} instead of {wanted}{allowed}"


def _one_of(found: Any, _expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    choices = [as_text(choice) for choice in params.get("values", ())]
    if not choices:
        raise ScorerError("the scorer one_of has no values to choose from")
    return "" if as_text(found).strip() in choices else f"{short(found)} is none of {', '.join(choices)}"


def _json_schema(found: Any, _expected: Any, params: Mapping[str, Any]) -> str:  # noqa: ANN401
    import referencing.exceptions

    if params.get("schema") is None:
        raise ScorerError("the scorer json_schema has no schema")
    try:
        error = next(_validator(json.dumps(params["schema"], sort_keys=True)).iter_errors(found), None)
    except (referencing.exceptions.Unresolvable, RecursionError) as trouble:
        raise ScorerError(f"the schema cannot be used: {type(trouble).__name__}") from trouble
    if error is None:
        return ""
    place = ".".join(map(str, error.absolute_path)) or "the answer"
    return f"{place}: {short(error.message)}"


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Any:  # noqa: ANN401 - jsonschema's
    """A compiled validator: building one costs fifty times what using it does. It never fetches what ``$ref`` names."""
    import jsonschema
    import referencing

    document = json.loads(schema)
    kind = jsonschema.validators.validator_for(document, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(document)
    except jsonschema.SchemaError as error:
        raise ScorerError(f"the schema cannot be used: {error.message}") from error
    return kind(document, registry=referencing.Registry())


def _needed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if value is _MISSING:
        raise ScorerError("the case has no expected value for this scorer")
    return value


SCORERS: Mapping[str, Scorer] = {
    "exact": _exact,
    "contains": _contains,
    "regex": _regex,
    "numeric": _numeric,
    "one_of": _one_of,
    "json_schema": _json_schema,
}
