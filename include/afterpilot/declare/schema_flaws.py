"""What a document lacks or has too much of, measured by its schema, in plain sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from afterpilot.declare.keys import keys_of
from afterpilot.declare.problems import EMPTY, Flaw, Path, choices, describe

M = TypeVar("M", bound=BaseModel)

_QUOTED = re.compile(r"'([^']*)'")
_WANTED = {
    "model_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "list_type": "a list",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
}


def validate(schema: type[M], data: Any) -> tuple[M | None, list[Flaw]]:  # noqa: ANN401 - YAML holds anything
    """The document as its schema has it, or None, with everything that is wrong with it."""
    if not isinstance(data, dict):
        found = "is empty" if data is None else f"must be a mapping (key: value), but is {describe(data)}"
        return None, [Flaw((), f"the file {found}", "docs/reference/declaration.md lists its keys")]
    try:
        model, flaws = schema.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        model, flaws = None, [_flaw(schema, detail) for detail in details]
    said = {flaw.path for flaw in flaws}
    flaws += [Flaw(path, EMPTY, "fill it in, or remove the key") for path in _empty(data, ()) if path not in said]
    return (model if not flaws else None), flaws


def keys_at(schema: type[BaseModel], path: Path) -> list[str]:
    """The keys that the mapping at the path may have; empty where any are accepted."""
    model, _ = _followed(schema, path)
    return list(keys_of(model)) if model is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - annotations have no common type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _flaw(schema: type[BaseModel], detail: ErrorDetails) -> Flaw:
    path = tuple(part for part in detail["loc"] if part != "[key]")
    context: Mapping[str, Any] = detail.get("ctx", {})
    found, about = describe(detail["input"]), _about(schema, path)
    match detail["type"]:
        case "wrong":
            text, hint = context["text"], context["hint"]
        case "missing":
            text, hint = "is missing", about
        case "extra_forbidden":
            text, hint = "is not a known key", choices(str(path[-1]), keys_at(schema, path[:-1]))
        case "literal_error":
            hint = choices(str(detail["input"]), _QUOTED.findall(context["expected"]))
            text = f"must be one of the accepted words, but is {found}"
        case "too_short":
            text, hint = f"needs at least {context['min_length']} item", about
        case "greater_than_equal" | "less_than_equal":
            bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
            text, hint = f"must be {bound}, but is {found}", about
        case kind:
            text, hint = f"must be {_WANTED.get(kind, 'something else')}, but is {found}", about
    return Flaw(path, text, hint)


def _about(schema: type[BaseModel], path: Path) -> str:
    """The meaning of a key, as the reference has it."""
    return _followed(schema, path)[1]


def _followed(schema: type[BaseModel], path: Path) -> tuple[type[BaseModel] | None, str]:
    """The mapping at the path, where it has known keys, and the meaning of the last key on the way that has one."""
    model: type[BaseModel] | None = schema
    meaning, names = "", False
    for part in path:
        if not isinstance(part, str) or model is None:
            continue
        if names:  # a key that the declaration itself has named
            names = False
            continue
        field = keys_of(model).get(part)
        meaning = (field.description or "") if field else meaning
        model = _model_in(field.annotation) if field else None
        names = field is not None and get_origin(field.annotation) is dict
    return model, meaning


def _empty(value: Any, path: Path) -> Iterator[Path]:  # noqa: ANN401 - YAML holds anything
    """Places of keys and items without a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        if part is None:
            yield (*path, key)
        else:
            yield from _empty(part, (*path, key))
