"""The key ``release`` of a declaration: how production learns what the gate and people decided."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from afterpilot.declare.keys import Keys
from afterpilot.declare.problems import Flaw, describe
from afterpilot.declare.rules import dig
from afterpilot.declare.values import Column, Connection, Name, Table, Wrong, text_of, typed
from afterpilot.domain import review as domain

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~/?=&%:@+,;!-]*")
_LONGEST = 300
WAITING = "waiting"


def _path(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    text, hint = text_of(value, most=_LONGEST), "such as /release/{key}; the connection has the address"
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - {"key", "workflow"})
    if unknown:
        raise Wrong(f"{describe(text)} has the unknown placeholder {{{unknown[0]}}}", "{key} and {workflow} are known")
    bare = _PLACEHOLDER.sub("x", text)
    if not _PATH.fullmatch(bare) or {".", ".."} & set(re.split(r"[/?]", bare)):
        raise Wrong(f"{describe(text)} is not a path", hint)
    return text


ReleasePath = Annotated[str, *typed(_path, "path that begins with /, may hold `{key}` and `{workflow}`")]


class StatusColumn(Keys):
    """A word in the output's own row."""

    table: Table | None = Field(None, description="holds a row for each output; the source's own unless said")
    key: Column | None = Field(None, description="the same values as the source's key; that column unless said")
    column: Column = Field(description="holds the status")
    released: Name = Field(description="word for: may be used")
    held: Name | None = Field(None, description="word for: a person looks at it; without one the row stays as it is")
    waiting: Annotated[str, *typed(lambda value: text_of(value, most=100) if value != "" else "", "text")] = Field(
        WAITING,
        description='word of a row that the gate has not decided on, `""` where it is empty; any other word is never written over',
    )
    connection: Connection | None = Field(
        None, description="a connection that may update the table; the source's own unless said"
    )


class CallBack(Keys):
    """One POST for each output."""

    connection: Connection = Field(description="the HTTP service; its password goes along as a bearer token")
    path: ReleasePath = Field(description="for an output that may be used, such as `/release/{key}`")
    held: ReleasePath | None = Field(None, description="for one that a person looks at; without it nobody is told")


class Release(Keys):
    """One of the two; without `release`, production reads the view `released_outputs` of the ops database."""

    column: StatusColumn | None = Field(None, description="a status column that is updated")
    call_back: CallBack | None = Field(None, description="an HTTP service that is told")


def release_of(given: Release | None, *, table: str, key: str) -> domain.Release | None:
    """The declared release; ``table`` and ``key`` are the source's."""
    if given is None:
        return None
    column, call_back = given.column, given.call_back
    return domain.Release(
        connection=(column.connection or "") if column else "",
        column=domain.StatusColumn(
            table=column.table or table,
            key=column.key or key,
            column=column.column,
            released=column.released,
            held=column.held or "",
            waiting=column.waiting,
        )
        if column
        else None,
        call_back=domain.CallBack(call_back.connection, call_back.path, call_back.held or "") if call_back else None,
    )


def stored_release(document: Mapping[str, Any]) -> domain.Release | None:
    """The release of a declaration that was loaded before, from its document; None where this version cannot read it."""
    try:
        given = Release.model_validate(document["release"]) if document.get("release") else None
    except ValidationError:
        return None
    table, key = (dig(document, "source", name) for name in ("table", "key"))
    return release_of(given, table=str(table or ""), key=str(key or ""))


def release_flaws(data: Mapping[str, Any]) -> Iterator[Flaw]:
    """What under ``release`` does not fit together."""
    section = data.get("release")
    if not isinstance(section, dict):
        return
    kinds = [kind for kind in ("column", "call_back") if isinstance(section.get(kind), dict)]
    if len(kinds) != 1 and not set(section) - {"column", "call_back"} - set(kinds):
        text = "names both a status column and a call-back" if kinds else "names no way"
        yield Flaw(("release",), text, "keep one of: column, call_back; without `release`, production reads a view")
    if "column" in kinds:
        yield from _column_flaws(section["column"], data)


def _column_flaws(column: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Flaw]:
    words = {"waiting": column.get("waiting", WAITING), "released": column.get("released"), "held": column.get("held")}
    seen: dict[str, str] = {}
    for name, word in words.items():
        if isinstance(word, str) and seen.setdefault(word.strip(), name) != name:
            place = name if name in column else seen[word.strip()]
            text = f"{describe(word)} is the word for {seen[word.strip()] if place == name else name} too"
            yield Flaw(("release", "column", place), text, "each state needs a word of its own")
    if dig(data, "source", "table") is None and isinstance(data.get("source"), dict):
        for name, what in (("connection", "database"), ("table", "table")):
            if name not in column:
                text = f"lacks the {name}: the source is no table, so there is no {what} of its own"
                yield Flaw(("release", "column"), text, f"add `{name}`")
    if (
        column.get("column") == dig(data, "source", "key")
        and "table" not in column
        and column.get("column") is not None
    ):
        yield Flaw(("release", "column", "column"), "is the source's key", "name the column that holds the status")
