"""Does the model's raw answer say the same as the columns that were made from it?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from afterpilot.check.json_answer import NotReadable, json_answer
from afterpilot.check.words import as_text, is_missing, label, missing, moment, number, phrase, shown, wrong
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.source import FieldType
from afterpilot.domain.workflow import Check

if TYPE_CHECKING:
    from jsonpath import JSONPath


def columns_match_json(check: Check, types: Mapping[str, FieldType]) -> Callable[[Record], Iterator[Discrepancy]]:
    """Each column of ``fields`` has the value at its JSONPath (RFC 9535) in the answer; where neither has one, they agree.

    A number may have its unit behind it in the answer: 101.00 GBP is 101.
    """
    paths = {str(ours): _compiled(str(path)) for ours, path in check.params["fields"].items()}

    def judge(record: Record) -> Iterator[Discrepancy]:
        try:
            answer = json_answer(check, record)
        except NotReadable as unread:
            yield unread.discrepancy
            return
        for ours, path in paths.items():
            yield from _compare(check, record, ours, _at(path, answer), types.get(ours, "text"))

    return judge


def _compare(check: Check, record: Record, ours: str, answered: object, kind: FieldType) -> Iterator[Discrepancy]:
    stored, source = record.data.get(ours), f"the answer in {phrase(check.column)}"
    if is_missing(stored) and is_missing(answered):
        return
    if is_missing(stored):
        yield missing(check, ours, expected=shown(answered), source=source)
    elif is_missing(answered):
        text = f"{source} says nothing, the column says {shown(stored)}"
        yield wrong(check, record, ours, expected="", source=source, text=text)
    elif not _agree(stored, answered, kind):
        text = f"{label(ours)}: the column says {shown(stored)}, {source} says {shown(answered)}"
        yield Discrepancy(check.expect, ours, shown(stored), shown(answered), source, text)


def _agree(stored: object, answered: object, kind: FieldType) -> bool:
    if kind == "number":
        found = number(answered)
        if found is None and isinstance(answered, str):
            found = number(answered.split()[0])
        return found is not None and found == number(stored)
    if kind == "time":
        found_at = moment(answered)
        return found_at is not None and found_at == moment(stored)
    return _plain(stored) == _plain(answered)


def _plain(value: object) -> str:
    text = json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else as_text(value)
    return " ".join((text or "").split()).casefold()


def _at(path: JSONPath, answer: Any) -> object:  # noqa: ANN401 - any JSON value
    """The first value at the path, None where there is none."""
    found = path.match(answer) if isinstance(answer, Mapping | list) else None
    return None if found is None else found.obj


@lru_cache(maxsize=256)
def _compiled(path: str) -> JSONPath:
    from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError  # only where an expectation names a path

    try:
        compiled = JSONPathEnvironment().compile(path)
    except JSONPathError as error:
        raise CheckError(f"{shown(path)} is not a JSONPath: {str(error).splitlines()[0][:100]}") from error
    if not isinstance(compiled, JSONPath):
        raise CheckError(f"{shown(path)} joins several paths; one is needed")
    return compiled
