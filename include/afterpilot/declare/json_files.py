"""JSON that can be kept: no repeated keys, no infinite numbers, no text that a database refuses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_REFUSED = re.compile(r"[\x00\ud800-\udfff]")


class NotJson(ValueError):
    """The text is not JSON that can be kept; ``line`` counts from 1."""

    def __init__(self, text: str, line: int = 1) -> None:
        super().__init__(text)
        self.line = line


def parse_json(text: str) -> Any:  # noqa: ANN401 - JSON holds anything
    """Read JSON.

    Raises:
        NotJson: with a clause that says why.
    """
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
        if _REFUSED.search(text) or "\\u" in text:
            _storable(value)
    except json.JSONDecodeError as error:
        raise NotJson(f"is not valid JSON: {error.msg} in column {error.colno}", error.lineno) from error
    except RecursionError as error:
        raise NotJson("is nested too deeply") from error
    except NotJson:
        raise
    except ValueError as error:
        raise NotJson("holds a number with too many digits") from error
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise NotJson(f"has the key {next(name for name in names if names.count(name) > 1)[:60]!r} twice")
    return found


def _constant(name: str) -> float:
    raise NotJson(f"holds {name}, which is not a number that can be used")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson("holds a number that is too large")
    return number


def _storable(value: Any) -> None:  # noqa: ANN401 - JSON holds anything
    if isinstance(value, str):
        if _REFUSED.search(value):
            raise NotJson("holds a control character or half a character")
    elif isinstance(value, dict):
        for key, part in value.items():
            _storable(key)
            _storable(part)
    elif isinstance(value, list):
        for part in value:
            _storable(part)


@lru_cache(maxsize=512)
def json_schema(text: str) -> Mapping[str, Any]:
    """Read a JSON schema that needs nothing from elsewhere.

    Raises:
        NotJson: it is not JSON, or not a schema.
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    schema = parse_json(text)
    if not isinstance(schema, dict):
        raise NotJson("is not a JSON schema: it must be an object")
    kind: Any = validator_for(schema)  # its type knows nothing of format checkers
    try:
        _no_references(schema)
        kind.check_schema(schema, format_checker=kind.FORMAT_CHECKER)
    except SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path)[:60]
        raise NotJson(f"is not a JSON schema: look at {place or 'its top'}") from error
    except RecursionError as error:
        raise NotJson("is nested too deeply") from error
    return schema


def _no_references(value: Any) -> None:  # noqa: ANN401 - JSON holds anything
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict):
        target = value.get("$ref")
        if isinstance(target, str) and not target.startswith("#"):
            raise NotJson("refers to another schema, which is not fetched: copy it in")
    for part in parts:
        _no_references(part)
