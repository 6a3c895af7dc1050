"""Values of a source's declaration: fields that lie deeper in a row, paging, queries, paths of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from afterpilot.declare.eval_values import json_path
from afterpilot.declare.problems import choices, describe
from afterpilot.declare.values import Wrong, column_name, one_of, text_of, typed
from afterpilot.domain.source import FieldType, Paging

TYPES: tuple[str, ...] = get_args(FieldType)
TEMPLATES = (
    "start",
    "end",
    "start | unix",
    "end | unix",
    "start | unix_ms",
    "end | unix_ms",
    "start | date",
    "end | date",
)

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.$\[\]-]{0,99}")
_FILES = re.compile(r"(?:[a-z][a-z0-9+]{0,20}://(?:[A-Za-z0-9_.-]{1,100}@)?|/)[^\x00]{1,800}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_PAGING: Mapping[str, tuple[str, ...]] = {  # what each way of paging may have besides, the first word naming it
    "cursor": ("as", "limit", "size"),
    "page": ("first", "limit", "size", "total"),
    "offset": ("limit", "size", "total"),
    "link": ("limit", "size"),
    "next": ("limit", "size"),
}
_MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class FieldOf:
    """A kept field: its type, and the JSONPath where it is no plain name of the row."""

    type: FieldType
    path: str = ""


def _field(value: Any) -> FieldOf:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, str):
        return FieldOf(one_of(*TYPES)(value))  # type: ignore[arg-type]
    if not isinstance(value, dict):
        raise Wrong(f"must be a type, but is {describe(value)}", choices("", TYPES))
    for key in value:
        if key not in {"type", "from"}:
            raise Wrong(f"has the unknown key {describe(str(key))}", choices(str(key), ["type", "from"]))
    for key in ("type", "from"):
        if key not in value:
            raise Wrong(f"lacks the key '{key}'", "such as {type: text, from: $.a.b}")
    return FieldOf(one_of(*TYPES)(value["type"]), json_path(value["from"]))  # type: ignore[arg-type]


def column_or_path(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    """A plain name, or a JSONPath. Raises Wrong."""
    return json_path(value) if isinstance(value, str) and value.startswith("$") else column_name(value)


def _parameter(value: Any) -> str:  # noqa: ANN401
    text = text_of(value, most=100)
    if not _PARAMETER.fullmatch(text):
        raise Wrong(f"{describe(text)} is not a parameter of a query", "letters, digits and _, such as cursor")
    return text


def _paging(value: Any) -> Paging:  # noqa: ANN401
    if not isinstance(value, dict):
        raise Wrong(f"must be a mapping, but is {describe(value)}", "such as {cursor: $.next, as: cursor}")
    ways = [way for way in _PAGING if way in value]
    if len(ways) != 1:
        raise Wrong("needs exactly one of " + ", ".join(_PAGING), "such as {cursor: $.next, as: cursor}")
    way: Any = ways[0]
    for key in value:
        if key not in {way, *_PAGING[way]}:
            raise Wrong(f"has the unknown key {describe(str(key))}", choices(str(key), [way, *_PAGING[way]]))
    if ("limit" in value) != ("size" in value):
        raise Wrong("has only one of limit and size", "limit names the parameter, size says how many rows")
    return Paging(
        way,
        at=_at(way, value[way]),
        parameter=_parameter(value[way]) if way in {"page", "offset"} else _cursor(value) if way == "cursor" else "",
        first=_whole(value.get("first", 1), "first", 0, 1),
        size_parameter=_parameter(value["limit"]) if "limit" in value else "",
        size=_whole(value["size"], "size", 1, _MOST_ROWS) if "size" in value else 0,
        total=json_path(value["total"]) if "total" in value else "",
    )


def _at(way: str, value: Any) -> str:  # noqa: ANN401
    """Where a page tells of the next one: a JSONPath, or the relation of a Link header."""
    if way == "link":
        return text_of(value, most=40)
    return json_path(value) if way in {"cursor", "next"} else ""


def _cursor(value: dict[str, Any]) -> str:
    if "as" not in value:
        raise Wrong("lacks the key 'as'", "the parameter that takes the cursor")
    return _parameter(value["as"])


def _whole(value: Any, name: str, least: int, most: int) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Wrong(f"'{name}' must be a whole number from {least} to {most:,}, but is {describe(value)}")
    return value


def _query(value: Any) -> str:  # noqa: ANN401
    """A query parameter's value; what stands in ``{{ }}`` is one of ``TEMPLATES``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = text_of(value)
    for name in _TEMPLATE.findall(text):
        if " | ".join(part.strip() for part in name.split("|")) not in TEMPLATES:
            raise Wrong(f"{describe(name.strip())} cannot be filled in", choices(name.strip(), TEMPLATES))
    return text


def _files(value: Any) -> str:  # noqa: ANN401
    text = text_of(value, most=1_000)
    if not _FILES.fullmatch(text):
        hint = "a path that begins with /, or an address such as s3://connection@bucket/runs/*.jsonl"
        raise Wrong(f"{describe(text)} is not a path of files", hint)
    for name in _TEMPLATE.findall(text):
        if name.strip() != "date":
            raise Wrong(f"{describe(name.strip())} cannot be filled in", "only {{ date }} can: each day of the window")
    return text


def _auth(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict) and list(value) == ["header"]:
        name = text_of(value["header"], most=60)
        if not _HEADER.fullmatch(name):
            raise Wrong(f"{describe(name)} is not a header's name", "such as X-API-Key")
        return f"header {name}"
    hint = "bearer, basic, none, or {header: X-API-Key}"
    if isinstance(value, str) and value in {"bearer", "basic", "none"}:
        return value
    raise Wrong(f"must be a way to show the connection's secret, but is {describe(value)}", hint)


def _wanted(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    values = value if isinstance(value, list) else [value]
    if not values:
        raise Wrong("is empty", "a text, or a list of them")
    return tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else text_of(one) for one in values)


def _separator(value: Any) -> str:  # noqa: ANN401
    if (isinstance(value, str) and len(value) == 1 and value.isprintable()) or value == "\t":
        return str(value)
    raise Wrong(f"must be one character, but is {describe(value)}", "such as ;")


Field_ = Annotated[FieldOf, *typed(_field, "`text`, `number`, `time`, `boolean`, or `{type: text, from: $.a.b}`")]
ColumnOrPath = Annotated[str, *typed(column_or_path, "name, or JSONPath such as `$.usage.input`")]
PagingOf = Annotated[Paging, *typed(_paging, "mapping, see docs/sources.md")]
QueryName = Annotated[str, *typed(_parameter, "parameter")]
QueryValue = Annotated[str, *typed(_query, "text; `{{ start }}` and `{{ end }}` are the window")]
FilesPath = Annotated[str, *typed(_files, "path, or `s3://connection@bucket/path/*.jsonl`")]
Auth = Annotated[str, *typed(_auth, "`bearer`, `basic`, `none`, or `{header: X-API-Key}`")]
Wanted = Annotated[tuple[str, ...], *typed(_wanted, "text, or list of texts")]
Separator = Annotated[str, *typed(_separator, "one character")]
RowsPath = Annotated[str, *typed(json_path, "JSONPath, such as `$.data[*]`")]
