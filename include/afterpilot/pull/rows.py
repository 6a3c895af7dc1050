"""From rows of any shape to records: what is declared is kept, the rest is counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.domain.prices import PLAIN, CallDetails
from afterpilot.domain.record import Record, Usage
from afterpilot.domain.source import FieldType
from afterpilot.domain.storable import storable
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pull.details import details_of
from afterpilot.pull.json_values import NotJson, dumps
from afterpilot.pull.paths import finder
from afterpilot.pull.values import LONGEST_KEY, LONGEST_MODEL, NotFinite, decimal, kept, moment, tokens

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# From which size on a number of time is no longer seconds, milliseconds, microseconds: the year 5138 in the finer unit's terms.
_FINER = ((Decimal(10) ** 11, 1), (Decimal(10) ** 14, 1_000), (Decimal(10) ** 17, 1_000_000))
_SHORTEST_NUMBER = 9  # digits: what is shorter may be a day, such as 20261116
_WORDS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
_MOST_DIGITS = 400


@dataclass(slots=True)
class Tally:
    """What could not be taken, by reason, and what was met and is no error."""

    skipped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``values`` by plain name, ``whole`` what JSONPaths look into, ``usage`` where the reader knows it already."""

    values: Mapping[str, Any]
    whole: Any
    usage: Usage | None = None


Getter = Callable[[Row], Any]


class Own:
    """Tells the workflow's own rows from those of others in the same place, by the declaration's ``where``."""

    def __init__(self, where: Mapping[str, tuple[str, ...]]) -> None:
        self._wanted = [(getter(place), frozenset(values)) for place, values in where.items()]

    def holds(self, row: Row) -> bool:
        """Whether each place holds one of the texts that are wanted there; a list does where one of its items is."""
        return all(_any_of(get(row), wanted) for get, wanted in self._wanted)


class Records:
    """Makes records of rows. ``texts`` says that every value is a text, as in a CSV: empty is then missing."""

    def __init__(self, workflow: Workflow, tally: Tally, *, texts: bool = False) -> None:
        source = workflow.source
        self._absent = {name for name in source.fields if name not in source.paths}
        self._made = 0
        self._slug, self._tally, self._texts = workflow.slug, tally, texts
        self._names = (source.key, source.time)
        self._getters = {name: getter(source.paths.get(name, name)) for name in (*self._names, *source.fields)}
        self._fields = [(name, kind, self._getters[name]) for name, kind in source.fields.items()]
        usage = source.usage
        counted = {
            "model": usage.model,
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.cached_tokens,
        }
        self._usage = {what: self._place(place) for what, place in counted.items() if place}
        self._details = {what: self._place(place) for what, place in usage.details.items()}

    def _place(self, place: str) -> Getter:
        return self._getters.get(place) or getter(place)

    def record(self, row: Row, window: Window) -> Record | None:
        """The record of a row that lies in the window; None for others, and for those that cannot be taken."""
        key_name, time_name = self._names
        said = self._getters[time_name](row)
        if said is None or said == "":
            self._tally.noted[f"rows without {time_name} lie in no window"] += 1
            return None
        at = time_of(said)
        if at is None:
            self._tally.skipped[f"row whose {time_name} is no time"] += 1
            return None
        if at not in window:
            return None
        key = self._getters[key_name](row)
        if key is None or isinstance(key, (Mapping, list)) or not str(key).strip():
            self._tally.skipped[f"row without {key_name}"] += 1
            return None
        if len(str(key)) > LONGEST_KEY or storable(str(key)) != str(key):
            reason = f"row whose {key_name} is longer than {LONGEST_KEY} characters or holds what no database takes"
            self._tally.skipped[reason] += 1
            return None
        self._made += 1
        if self._absent:
            self._absent -= row.values.keys()
        data = {name: self._value(name, kind, get(row)) for name, kind, get in self._fields}
        return Record(self._slug, str(key), at, data, row.usage or self._used(row))

    def ended(self) -> None:
        """All rows were read: a field that none of them had is noted, since JSON leaves out what it does not know."""
        for name in self._absent if self._made else ():
            self._tally.noted[f"no row has {name}"] += self._made

    def _value(self, name: str, kind: FieldType, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if self._texts:
            value = _typed(value, kind)
        elif isinstance(value, (Mapping, list)):
            try:
                value = dumps(value)
            except NotJson as error:
                self._tally.noted[f"{name} cannot be kept, {error}: kept as missing"] += 1
                return None
        elif kind == "time" and value is not None and not isinstance(value, datetime):
            value = time_of(value) or value
        try:
            found = kept(value, kind)
        except NotFinite:
            self._tally.noted[f"{name} is not a finite number: kept as missing"] += 1
            return None
        return found if not isinstance(found, str) or (found.isascii() and "\x00" not in found) else storable(found)

    def _used(self, row: Row) -> Usage | None:
        if not self._usage and not self._details:
            return None
        found = {what: get(row) for what, get in self._usage.items()}
        details = details_of({what: get(row) for what, get in self._details.items()})
        return usage_of(found.get("model"), found.get("input"), found.get("output"), found.get("cached"), details)


def _any_of(value: Any, wanted: frozenset[str]) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, (list, tuple)):
        return any(_any_of(one, wanted) for one in value if not isinstance(one, (list, tuple)))
    if isinstance(value, bool):
        return ("true" if value else "false") in wanted
    return value is not None and not isinstance(value, Mapping) and str(value) in wanted


def usage_of(
    model: object, input_tokens: object, output_tokens: object, cached_tokens: object, details: CallDetails = PLAIN
) -> Usage:
    """What a call used. Cached tokens that were not reported count as 0: it is then priced without the discount, never too
    low.
    """
    told = [
        None if isinstance(value, (Mapping, list)) else value
        for value in (model, input_tokens, output_tokens, cached_tokens)
    ]
    name = storable(str(told[0] or "")).strip()[:LONGEST_MODEL]
    return Usage(name, tokens(told[1]), tokens(told[2]), tokens(told[3]) or 0, details)


def getter(place: str) -> Getter:
    """What reads a plain name or a JSONPath out of a row."""
    if not place.startswith("$"):
        return lambda row: row.values.get(place)
    find = finder(place)
    return lambda row: find(row.whole)


def time_of(value: object) -> datetime | None:
    """The value as an aware UTC time: a time, an ISO 8601 text, or a number since 1970 in seconds, milliseconds, microseconds
    or nanoseconds, which its size tells apart.
    """
    if isinstance(value, str) and not (value.strip().isdigit() and len(value.strip()) >= _SHORTEST_NUMBER):
        return moment(value)
    if isinstance(value, (int, float, Decimal, str)):
        number = decimal(value)
        return None if number is None else _since_1970(number)
    return moment(value)


def _since_1970(number: Decimal) -> datetime | None:
    unit = next((unit for least, unit in _FINER if abs(number) < least), 1_000_000_000)
    try:
        return _EPOCH + timedelta(microseconds=int(number * 1_000_000 / unit))
    except OverflowError:
        return None


def _typed(value: object, kind: FieldType) -> object:
    """A CSV's text as its type has it; what does not fit stays a text, for the check to find."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    if kind == "number" and len(text) <= _MOST_DIGITS and (number := decimal(text)) is not None:
        if abs(number.adjusted()) > _MOST_DIGITS:
            return value
        return int(number) if text.lstrip("+-").isdigit() else number
    if kind == "boolean":
        return _WORDS.get(text.lower(), value)
    return (time_of(text) or value) if kind == "time" else value
