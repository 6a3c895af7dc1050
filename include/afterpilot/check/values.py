"""Checks of one output by itself: present, in a range, in a set, of a form, of a schema."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from afterpilot.check.json_answer import NotReadable, json_answer
from afterpilot.check.words import any_number, either, is_missing, label, missing, moment, number, shown, wrong
from afterpilot.domain.errors import CheckError
from afterpilot.domain.patterns import Patterns, PatternTooSlow
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.schema_patterns import ecma, keywords
from afterpilot.domain.workflow import Check

if TYPE_CHECKING:
    import jsonschema
    from jsonschema.protocols import Validator

_MOST_ERRORS = 5
_PATTERNS = Patterns(seconds=2.0)  # the gate judges many outputs in a row


def not_null(check: Check, record: Record) -> Iterator[Discrepancy]:
    """The output has a value there."""
    if is_missing(record.data.get(check.column)):
        yield missing(check, check.column)


def between(check: Check, record: Record) -> Iterator[Discrepancy]:
    """The value lies between both bounds, which belong to the range."""
    value = record.data.get(check.column)
    if is_missing(value):
        yield missing(check, check.column)
        return
    low, high = check.params.get("min_value"), check.params.get("max_value")
    bounds = [bound for bound in (low, high) if bound is not None]
    if not bounds:
        raise CheckError(f"{check.expect} of {check.column} needs min_value, max_value or both")
    timed = isinstance(bounds[0], str | datetime)
    found = moment(value) if timed else number(value)
    if found is None:
        what = "time" if timed else "number"
        yield wrong(check, record, check.column, expected=f"a {what}", text=f"{shown(value)!r} is not a {what}")
        return
    for bound, is_low in ((low, True), (high, False)):
        limit = None if bound is None else _limit(check, bound, timed=timed)
        if limit is not None and (found < limit if is_low else found > limit):
            side, most = ("below", "least") if is_low else ("above", "most")
            text = f"{shown(value)} is {side} {shown(bound)}, the {most} that is allowed"
            yield wrong(check, record, check.column, expected=f"at {most} {shown(bound)}", text=text)


def in_set(check: Check, record: Record) -> Iterator[Discrepancy]:
    """The value is one of the set."""
    value, allowed = record.data.get(check.column), list(check.params.get("value_set") or ())
    if not allowed:
        raise CheckError(f"{check.expect} of {check.column} needs a value_set")
    if is_missing(value):
        yield missing(check, check.column, expected=either(allowed))
    elif value not in allowed and number(value) not in [number(item) for item in allowed if number(item) is not None]:
        names = either(allowed[:10])
        yield wrong(check, record, check.column, expected=names, text=f"{shown(value)!r} is not {names}")


def matches(check: Check, record: Record) -> Iterator[Discrepancy]:
    """The text matches the regular expression somewhere, as Great Expectations looks for it in PostgreSQL: ``$`` is the end of
    the text, not the place before a last line break.

    Raises:
        CheckError: the pattern is wrong.
        PatternTooSlow: it takes longer than two seconds on this text.
        OSError: the process for patterns does not run.
    """
    value, pattern = record.data.get(check.column), str(check.params.get("regex", ""))
    if is_missing(value):
        yield missing(check, check.column)
        return
    try:
        found = found_in(ecma(pattern), str(value))
    except re.error as error:
        raise CheckError(f"the regex of {check.column} is wrong: {error}") from error
    if not found:
        text = f"{shown(value)!r} does not have the form {pattern}"
        yield wrong(check, record, check.column, expected=pattern, text=text)


def follows_schema(check: Check, record: Record) -> Iterator[Discrepancy]:
    """The raw answer is JSON that follows the schema."""
    from referencing.exceptions import Unresolvable

    validator = _validator(check)
    try:
        answer = json_answer(check, record)
    except NotReadable as unread:
        yield unread.discrepancy
        return
    try:
        errors = sorted(validator.iter_errors(answer), key=lambda error: list(map(str, error.absolute_path)))
    except (Unresolvable, re.error) as failure:
        raise CheckError(f"the schema for {check.column} cannot be used: {type(failure).__name__}") from failure
    for error in errors[:_MOST_ERRORS]:
        yield _schema_discrepancy(check, error)


def _schema_discrepancy(check: Check, error: jsonschema.ValidationError) -> Discrepancy:
    answer: Any = error.instance
    rule, asked = str(error.validator), cast("Any", error.validator_value)
    field = ".".join(str(part) for part in error.absolute_path) or check.column
    if rule == "required":
        return missing(check, next((name for name in asked if error.message.startswith(repr(name))), field))
    if rule == "additionalProperties":
        said, wanted = either(_unasked(answer, cast("Mapping[str, Any]", error.schema)), "and"), "no other fields"
        text = f"the answer has fields that nobody asked for: {said}"
    else:
        said = shown(answer)
        wanted = _WANTED[rule].format(shown(asked)) if rule in _WANTED else shown(error.message)
        text = f"{said!r} is not {wanted}" if rule in _WANTED else wanted
    return Discrepancy(check.expect, field, said, wanted, "", f"{label(field)}: {text}")


def _unasked(answer: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """The fields that a schema without additional ones knows neither by name nor by form."""
    names = [name for name in answer if name not in schema.get("properties", {})]
    return [name for name in names if not any(found_in(ecma(one), name) for one in schema.get("patternProperties", {}))]


_WANTED = {
    "pattern": "of the form {}",
    "type": "of type {}",
    "enum": "one of {}",
    "const": "{}",
    "minLength": "at least {} characters long",
    "maxLength": "at most {} characters long",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "format": "a valid {}",
}


def _validator(check: Check) -> Validator:
    from jsonschema import SchemaError  # a tenth of a second, which a command without a schema does without

    schema = check.params.get("schema")
    if not isinstance(schema, Mapping | bool):
        raise CheckError(f"{check.expect} of {check.column} has no schema")
    try:
        return _compiled(json.dumps(schema, sort_keys=True))
    except SchemaError as error:
        raise CheckError(f"the schema for {check.column} is wrong: {shown(error.message)}") from error


@functools.lru_cache(maxsize=64)
def _compiled(text: str) -> Validator:
    """A checked validator: to check a schema takes fifty times as long as to check an answer by it."""
    import jsonschema
    import referencing

    schema = json.loads(text)
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    kind.check_schema(schema)
    # An empty registry: a reference to another address is never fetched.
    own = keywords(kind.VALIDATORS, found_in, jsonschema.ValidationError)
    bounded = jsonschema.validators.extend(kind, own)  # type: ignore[no-untyped-call]
    validator: Validator = bounded(schema, registry=referencing.Registry())
    return validator


def found_in(pattern: str, text: str) -> bool:
    """Whether a pattern matches somewhere in a text.

    Raises:
        PatternTooSlow: it takes longer than two seconds on this text.
        OSError: the process for patterns does not run.
        re.error: the pattern is wrong.
    """
    re.compile(pattern)  # what does not compile would end the process for patterns
    try:
        return _PATTERNS.search(pattern, text)
    except OSError as error:
        _see_that_patterns_run(error)
        raise


def _see_that_patterns_run(error: OSError) -> None:
    """A text on which the process dies is that output's own trouble; one that does not even start is the gate's.

    Raises:
        CheckError: nothing can be searched at all.
    """
    try:
        _PATTERNS.search("a", "a")
    except (OSError, PatternTooSlow):
        raise CheckError(f"regular expressions cannot be tried: {error}") from error


def _limit(check: Check, bound: Any, *, timed: bool) -> Any:  # noqa: ANN401 - a number or a time
    limit = moment(bound) if timed else any_number(bound)
    if limit is None:
        raise CheckError(f"{check.expect} of {check.column}: {shown(bound)} is no bound")
    return limit
