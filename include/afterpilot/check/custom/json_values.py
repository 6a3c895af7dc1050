"""JSON in a column: whether it follows a schema, and what stands at a path of it."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from afterpilot.check.custom.outcome import Counted, by_value, figure
from afterpilot.check.custom.parameters import needs
from afterpilot.check.custom.reading import Bounds, Texts
from afterpilot.check.custom.scope import Scope
from afterpilot.check.values import follows_schema, found_in
from afterpilot.check.window import MOST_KEYS
from afterpilot.check.words import as_text, number
from afterpilot.domain.errors import CheckError
from afterpilot.domain.patterns import PatternTooSlow
from afterpilot.domain.ports import Judged
from afterpilot.domain.record import Record
from afterpilot.domain.workflow import Check

BOUNDS = Bounds(rows=1_000_000, characters=1_000_000)
TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_MOST_PLACES = 10_000
_NOT_JSON = "is not JSON"

Judge = Callable[[str], str]  # what is wrong with a text, empty where nothing is


class Unjudged(Exception):
    """A value cannot be judged; the reason is its text."""


def json_schema(check: Check, scope: Scope) -> Judged:
    """Whether a column's texts are JSON that follows the schema, as the output gate judges it; NULLs are not judged.

    Raises:
        CheckError: the schema cannot be used, or too much was not judged.
    """

    def judge(text: str | None) -> str:
        record = Record("", "", scope.end, {check.column: text})
        found = next(follows_schema(check, record), None)
        return found.text if found else ""

    judge(None)  # a schema that is wrong says so, whatever the values
    return _each(check, scope, judge)


def json_path(check: Check, scope: Scope) -> Judged:
    """Whether what stands at a JSONPath (RFC 9535) is there, and is of the ``type``, in the range, in the set and of the form
    that are declared. Where the path leads to several values, all of them must be.

    Raises:
        CheckError: the path or a parameter is wrong, or too much was not judged.
    """
    path, rule = _compiled(str(needs(check, "path"))), _rule(check)
    required = check.params.get("required", True)
    missing = f"has nothing at {check.params['path']}"

    def judge(text: str) -> str:
        try:
            document = json.loads(text, parse_constant=_refuse)
            values = [match.obj for match in itertools.islice(path.finditer(document), _MOST_PLACES + 1)]
        except RecursionError:
            return "is nested too deeply"
        except ValueError:
            return _NOT_JSON
        if len(values) > _MOST_PLACES:
            raise Unjudged(f"the path leads to more than {_MOST_PLACES:,} values")
        if not values:
            return missing if required else ""
        return next((wrong for value in values if (wrong := rule(value))), "")

    return _each(check, scope, judge)


def _each(check: Check, scope: Scope, judge: Judge) -> Judged:
    texts = Texts(scope, check.column, BOUNDS)
    wrong, unjudged, why = 0, 0, ""
    examples: list[tuple[str | None, Any]] = []
    for value in texts:
        try:
            said = judge(value.text) if value.whole else _too_long()
        except (Unjudged, PatternTooSlow, OSError) as error:
            unjudged, why = unjudged + 1, str(error)
            continue
        except RecursionError:
            said = "is nested too deeply"
        if said:
            wrong += 1
            if len(examples) < MOST_KEYS:
                examples.append((value.key, f"{said}: {value.text[:80]}"))
    why = why if unjudged else str(BOUNDS)
    return by_value(check, Counted(texts.rows, texts.missing, wrong, examples, unjudged + texts.left, why))


def _too_long() -> str:
    raise Unjudged(f"longer than {BOUNDS.characters:,} characters")


@functools.lru_cache(maxsize=64)
def _compiled(path: str) -> Any:  # noqa: ANN401 - the library's
    from jsonpath import JSONPathEnvironment, JSONPathError

    try:
        return JSONPathEnvironment().compile(path)
    except (JSONPathError, RecursionError) as error:
        raise CheckError(f"{path[:100]!r} is not a JSONPath") from error


def _rule(check: Check) -> Callable[[Any], str]:
    rules = list(_rules(check))

    def judge(value: Any) -> str:  # noqa: ANN401 - JSON
        return next((words for words, holds in rules if not holds(value)), "")

    return judge


def _rules(check: Check) -> Iterator[tuple[str, Callable[[Any], bool]]]:
    """What must hold for each value, with the words for one for which it does not."""
    params = check.params
    kind, allowed, pattern = params.get("type"), params.get("value_set"), params.get("regex")
    low, high = figure(params, "min_value"), figure(params, "max_value")
    if kind is not None and kind not in TYPES:
        raise CheckError(f"type is {str(kind)[:50]!r}; {', '.join(TYPES)} can be")
    if kind is not None:
        yield f"is no {kind}", lambda value: _is(value, str(kind))
    if low is not None:
        yield f"is below {low:g}", lambda value: (found := _number(value)) is not None and found >= low
    if high is not None:
        yield f"is above {high:g}", lambda value: (found := _number(value)) is not None and found <= high
    if allowed is not None:
        texts = {as_text(one) for one in allowed}
        yield "is none of the set", lambda value: as_text(value) in texts
    if pattern is not None:
        yield "is not of the form", lambda value: isinstance(value, str) and found_in(str(pattern), value)


def _is(value: Any, kind: str) -> bool:  # noqa: ANN401 - JSON
    if kind in {"number", "integer"}:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return numeric and (kind == "number" or isinstance(value, int) or value.is_integer())
    classes = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, classes[kind])


def _number(value: Any) -> Decimal | None:  # noqa: ANN401 - JSON
    """A number, also one that stands in quotes, as outputs of models have them."""
    return number(value) if isinstance(value, int | float | str) else None


def _refuse(constant: str) -> Decimal:
    raise ValueError(f"{constant} is not JSON")
