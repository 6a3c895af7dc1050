"""Checks of outputs against another table: is it known there, and does that table say the same?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from afterpilot.check.references import Repeated
from afterpilot.check.words import either, is_missing, label, missing, number, phrase, plain_number, shown, wrong
from afterpilot.domain.errors import AfterpilotError, CheckError
from afterpilot.domain.ports import ReferenceTables
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.source import FieldType
from afterpilot.domain.workflow import Check

Found = Callable[[Record], Iterator[Discrepancy]]

_MOST_SEARCHED = 20  # keys of a batch for which a near one is looked up
_LONGEST_KEY = 24
_ENOUGH = 2  # fields that must agree before a near key is named


@dataclass(frozen=True, slots=True)
class _Pair:
    """A field of the output and the column it has to agree with."""

    ours: str
    theirs: str
    numeric: bool
    tolerance: Decimal


def in_table(check: Check, records: Sequence[Record], references: ReferenceTables) -> Found:
    """The value is a key of the table. One query for all records."""
    column, key = check.column, str(check.params["key"])
    rows = _rows(check, references, key, [record.data.get(column) for record in records], [key])
    name = _name(check)

    def judge(record: Record) -> Iterator[Discrepancy]:
        value = record.data.get(column)
        if is_missing(value):
            yield missing(check, column)
        elif _key(value) not in rows:
            text = f"{shown(value)!r} is not in the {name}"
            yield wrong(check, record, column, expected=f"a value in the {name}", source=name, text=text)

    return judge


def match_reference(
    check: Check, records: Sequence[Record], references: ReferenceTables, types: Mapping[str, FieldType]
) -> Found:
    """The row with the same key exists, has an accepted status and agrees in all fields. One query for all records, and
    one more for near keys where some are not found.
    """
    return _Reference(check, records, references, types).judge


class _Reference:
    """The rows that a batch of outputs refers to."""

    def __init__(
        self, check: Check, records: Sequence[Record], references: ReferenceTables, types: Mapping[str, FieldType]
    ) -> None:
        ((self._ours, self._theirs),) = check.params["key"].items()
        self._check = check
        self._pairs = _pairs(check, types)
        status = check.params.get("status") or {}
        self._status: str = status.get("column", "")
        self._accepted = list(status.get("accept", ()))
        self._name = _name(check)
        self._subject = str(check.params.get("subject", "the output"))
        self._unit = next((pair for pair in self._pairs if pair.ours.endswith("currency")), None)
        columns = list(
            dict.fromkeys([*(pair.theirs for pair in self._pairs), *([self._status] if self._status else [])])
        )
        keys = [record.data.get(self._ours) for record in records]
        self._rows = _rows(check, references, self._theirs, keys, columns)
        lost = [key for key in map(_key, keys) if key and key not in self._rows][:_MOST_SEARCHED]
        near = {variant for key in lost for variant in _variants(key)}
        self._near = _rows(check, references, self._theirs, sorted(near), columns) if near else {}

    def judge(self, record: Record) -> Iterator[Discrepancy]:
        value = record.data.get(self._ours)
        if is_missing(value):
            yield missing(self._check, self._ours)
            return
        row = self._rows.get(_key(value))
        if row is None:
            yield self._unknown(record, _key(value))
            return
        if isinstance(row, Repeated):
            text = f"more than one {self._name} has the {phrase(self._theirs)} {shown(value)}"
            expected = f"one {self._name} of that {phrase(self._theirs)}"
            yield wrong(self._check, record, self._ours, expected=expected, source=self._name, text=text)
            return
        source = f"{self._name} {shown(value)}"
        if self._status and shown(row[self._status]) not in map(shown, self._accepted):
            stands, wanted = shown(row[self._status]) or "without a status", either(self._accepted)
            text = f"{source} is {stands}, not {wanted}"
            yield wrong(self._check, record, self._ours, expected=wanted, source=source, text=text)
        for pair in self._pairs:
            yield from self._compare(pair, record, row, source)

    def _compare(self, pair: _Pair, record: Record, row: Mapping[str, Any], source: str) -> Iterator[Discrepancy]:
        said, expected = record.data.get(pair.ours), row[pair.theirs]
        theirs = self._with_unit(pair, expected, row, theirs=True)
        if is_missing(expected):
            text = f"{source} has nothing to compare with"
            yield wrong(self._check, record, pair.ours, expected="", source=source, text=text)
        elif is_missing(said):
            yield missing(self._check, pair.ours, expected=theirs, source=source)
        elif not _agree(pair, said, expected):
            ours = self._with_unit(pair, said, record.data, theirs=False)
            text = f"{label(pair.ours)}: {self._subject} says {ours}, {source} says {theirs}"
            yield Discrepancy(self._check.expect, pair.ours, ours, theirs, source, text)

    def _with_unit(self, pair: _Pair, value: object, row: Mapping[str, Any], *, theirs: bool) -> str:
        """An amount with its currency, where the compared fields hold one."""
        amount = number(value) if pair.numeric else None
        text = shown(value) if amount is None else plain_number(amount)
        if not pair.numeric or self._unit is None:
            return text
        unit = shown(row.get(self._unit.theirs if theirs else self._unit.ours))
        return f"{text} {unit}".strip()

    def _unknown(self, record: Record, key: str) -> Discrepancy:
        text = f"there is no {self._name} {shown(key)}"
        close = self._nearest(record, key)
        if close is not None:
            near, same = close
            text = f"{text}; {self._name} {near} has the same {either([phrase(field) for field in same], 'and')}"
        expected = f"a {self._name} that exists"
        return wrong(self._check, record, self._ours, expected=expected, source=self._name, text=text)

    def _nearest(self, record: Record, key: str) -> tuple[str, list[str]] | None:
        """A key one slip away whose row agrees with the output in all fields but one, and with at least two; only if it is
        the only one.
        """
        agreeing = {
            near: [pair.ours for pair in self._pairs if _agree(pair, record.data.get(pair.ours), row[pair.theirs])]
            for near, row in ((variant, self._near.get(variant)) for variant in _variants(key))
            if row is not None and not isinstance(row, Repeated)
        }
        enough = max(_ENOUGH, len(self._pairs) - 1)
        good = [(near, same) for near, same in agreeing.items() if len(same) >= enough]
        return good[0] if len(good) == 1 else None


def _agree(pair: _Pair, said: object, expected: object) -> bool:
    if is_missing(said) or is_missing(expected):
        return False
    if pair.numeric:
        ours, theirs = number(said), number(expected)
        return ours is not None and theirs is not None and abs(ours - theirs) <= pair.tolerance
    return " ".join(str(said).split()).casefold() == " ".join(str(expected).split()).casefold()


def _pairs(check: Check, types: Mapping[str, FieldType]) -> list[_Pair]:
    pairs = []
    for ours, theirs in check.params["fields"].items():
        column = theirs["column"] if isinstance(theirs, Mapping) else theirs
        given = theirs.get("tolerance") if isinstance(theirs, Mapping) else None
        tolerance = number(given) or Decimal(0)
        pairs.append(_Pair(ours, str(column), types.get(ours) == "number" or given is not None, tolerance))
    return pairs


def _rows(
    check: Check, references: ReferenceTables, key: str, values: Iterable[object], columns: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """The table's rows by key, as text, in one query."""
    wanted = sorted({_key(value) for value in values if not is_missing(value)})
    if not wanted:
        return {}
    table, connection = str(check.params["table"]), str(check.params["connection"])
    try:
        rows = references.rows(connection, table, key, wanted, columns)
    except AfterpilotError as error:
        raise CheckError(f"{table} cannot be looked up: {error}") from error
    return {_key(value): row for value, row in rows.items()}


def _key(value: object) -> str:
    return str(value).strip()


def _name(check: Check) -> str:
    return str(check.params.get("name") or str(check.params["table"]).rpartition(".")[2].replace("_", " "))


def _variants(key: str) -> set[str]:
    """What the key may have been before one slip: a digit wrong, missing or too many, or two signs swapped."""
    if len(key) > _LONGEST_KEY:
        return set()
    ends = range(len(key))
    wrong_digit = {key[:i] + digit + key[i + 1 :] for i in ends if key[i].isdigit() for digit in "0123456789"}
    swapped = {key[:i] + key[i + 1] + key[i] + key[i + 2 :] for i in ends[:-1]}
    shorter = {key[:i] + key[i + 1 :] for i in ends if key[i].isdigit()}
    longer = {key[:i] + digit + key[i:] for i in ends if key[i].isdigit() for digit in "0123456789"}
    added = {key + digit for digit in "0123456789"} if key[-1:].isdigit() else set()
    return {variant for variant in wrong_digit | swapped | shorter | longer | added if variant.strip()} - {key}
