"""Scorers of JSON as such: is_json and json_schema."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from afterpilot.evaluate.answers import read_json, short
from afterpilot.evaluate.scorers.child import validate, validator
from afterpilot.evaluate.scorers.process import Broken, TooSlow
from afterpilot.evaluate.scorers.question import Flawed, Question, Result, ScorerError, verdict
from afterpilot.evaluate.scorers.regexes import PROCESS, SECONDS, is_quick

LONGEST = 10_000  # characters of an answer that is validated in this process
_MOST_REFS = 1_000  # definitions that are looked at for one value, one inside the other
# What may take longer than the answer is long: comparing all items with each other, and schemas that name themselves.
_SLOW = frozenset({"uniqueItems", "$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems"})


def is_json(question: Question) -> Result:
    """The answer is JSON as :func:`~afterpilot.evaluate.answers.read_json` reads it; so is the text in its field."""
    try:
        _bare(question)
        found = question.found(as_json=True)
    except Flawed as flaw:
        return verdict(str(flaw))
    return verdict(read_json(found).flaw if question.spec.field and isinstance(found, str) else "")


async def json_schema(question: Question) -> Result:
    """The answer, or its field, follows the schema. Its first flaw is the reason.

    A schema that can take long runs in a child with a limit of time, and any schema does on a long answer: so do its patterns, of
    which none runs here unless it is quick whatever the text (see :mod:`afterpilot.evaluate.scorers.regexes`).
    """
    if question.param("schema") is None:
        raise ScorerError("the scorer json_schema has no schema")
    schema = _text_of(question.spec.params)
    patterns = _usable(schema)
    _bare(question)
    found = question.found(as_json=True)
    length = len(question.answer.text)
    if patterns is not None and length <= LONGEST and is_quick(patterns, length):
        flaw = _validated(schema, found)
    else:
        flaw = await _validated_apart(schema, found)
    if flaw is None:
        return verdict("")
    place, message = flaw
    return verdict(f"{'.'.join(map(str, place)) or 'the answer'}: {short(message)}")


def _bare(question: Question) -> None:
    """Raises Flawed where the answer stands in a code fence and must not."""
    if question.param("fence") is False and question.answer.text.lstrip().startswith("```"):
        raise Flawed("the answer stands in a code fence")


def _validated(schema: str, value: Any) -> list[Any] | None:  # noqa: ANN401 - any JSON value
    try:
        return validate(schema=schema, value=value)
    except Exception as error:
        raise ScorerError(f"the schema cannot be used: {type(error).__name__}") from error


async def _validated_apart(schema: str, value: Any) -> list[Any] | None:  # noqa: ANN401 - any JSON value
    try:
        said: list[Any] | None = await asyncio.to_thread(
            PROCESS.do, "validate", seconds=SECONDS, schema=schema, value=value
        )
    except (TooSlow, Broken) as error:
        raise ScorerError(f"the schema cannot be used: {error}") from error
    return said


_TEXTS: dict[int, tuple[Any, str]] = {}
_MOST_TEXTS = 256


def _text_of(params: Any) -> str:  # noqa: ANN401 - a mapping
    """The schema as text, by which all else is remembered; the text itself by the object, which is kept so that its id stays its own."""
    schema = params["schema"]
    known = _TEXTS.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_TEXTS) >= _MOST_TEXTS:
            _TEXTS.clear()
        known = _TEXTS[id(schema)] = (schema, json.dumps(schema, sort_keys=True))
    return known[1]


@functools.lru_cache(maxsize=64)
def _usable(schema: str) -> tuple[str, ...] | None:
    """The schema's patterns; None where it may take long by itself. Raises ScorerError where it cannot be used."""
    document = json.loads(schema)
    try:
        validator(schema)
        objects = list(_objects(document))
        patterns = [one["pattern"] for one in objects if isinstance(one.get("pattern"), str)]
        for one in objects:
            patterns += one["patternProperties"] if isinstance(one.get("patternProperties"), dict) else ()
        for pattern in patterns:
            re.compile(pattern)
    except Exception as error:
        raise ScorerError(f"the schema cannot be used: {getattr(error, 'message', error)}") from error
    slow = any(_SLOW & one.keys() for one in objects) or _unfolds(document)
    return None if slow else tuple(patterns)


def _objects(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    """Each object of a schema, at any depth: what is none of its keywords is among them too, and makes it no quicker."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _objects(part)


def _unfolds(document: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether following each ``$ref`` may take long: it leads in a circle, to too many places, or elsewhere than to a definition."""
    definitions = {
        f"#/{place}/{name}": _refs(part)
        for place in ("$defs", "definitions")
        for name, part in (document.get(place, {}) if isinstance(document, dict) else {}).items()
    }
    steps: dict[str, int] = {}  # of a definition with all that it leads to
    waiting = set(_refs(document))
    while waiting:
        ended = {name for name in waiting if name in definitions and steps.keys() >= set(definitions[name])}
        for name in ended:
            steps[name] = 1 + sum(steps[inner] for inner in definitions[name])
            if steps[name] > _MOST_REFS:
                return True
        if not ended:
            return True
        waiting -= ended
    return False


def _refs(part: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    return [str(one["$ref"]) for one in _objects(part) if "$ref" in one]
