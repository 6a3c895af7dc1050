"""A kept answer as JSON, or what is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from afterpilot.check.words import either, is_missing, missing, shown, wrong
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.workflow import Check


class NotReadable(Exception):
    """The answer is not there, or no JSON that all readers would take for the same."""

    def __init__(self, discrepancy: Discrepancy) -> None:
        super().__init__(discrepancy.text)
        self.discrepancy = discrepancy


class _RepeatedName(Exception):
    """An object of the answer has a field twice, of which some readers take the first and some the last."""


def json_answer(check: Check, record: Record) -> Any:  # noqa: ANN401 - any JSON value
    """The answer in the check's column.

    Raises:
        NotReadable: with the discrepancy, where there is none to read.
    """
    value = record.data.get(check.column)
    if is_missing(value):
        raise NotReadable(missing(check, check.column))
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=_refuse, object_pairs_hook=_each_once)
    except _RepeatedName as error:
        found = wrong(check, record, check.column, expected="each field once", text=str(error))
    except (ValueError, RecursionError):
        text = f"the answer is not JSON: {shown(value)}"
        found = wrong(check, record, check.column, expected="JSON", text=text)
    raise NotReadable(found)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        said = either([shown(value) for name, value in pairs if name == twice], "and")
        raise _RepeatedName(f"the answer says {shown(twice)} more than once: {said}")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
