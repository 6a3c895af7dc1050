"""Rules that tie the keys of a source together. They read the raw document, as :mod:`afterpilot.declare.rules` does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from afterpilot.declare.problems import Flaw, Path, choices, show_text
from afterpilot.declare.source_schema import CALLS, SOURCES, kind_of
from afterpilot.declare.values import Wrong, duration
from afterpilot.domain.calls import CALL_FIELDS
from afterpilot.domain.source import FileFormat

_DATABASES = ("sql", "litellm")  # whose connection is a database
_ENDINGS: Mapping[str, FileFormat] = {
    "csv": "csv",
    "tsv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
}
_ENDING = re.compile(r"\.([a-z]+)(?:\.gz)?$", re.IGNORECASE)


def source_flaws(data: Mapping[str, Any]) -> Iterator[Flaw]:
    """Everything about the source that does not fit together."""
    source = data.get("source")
    if not isinstance(source, dict):
        return
    kind = kind_of(source)
    yield from _kept(source)
    yield from _words(source)
    yield from _lateness(source)
    if kind in SOURCES and kind not in _DATABASES:
        yield from _connections(data, source)
    if kind in CALLS:
        yield from _calls(source)
    if kind == "files" and "format" not in source and isinstance(path := source.get("path"), str) and not _ending(path):
        yield Flaw(("source", "path"), "does not tell what the files are", "name the `format`: csv, jsonl or parquet")


def types_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The type of each kept field, as far as it is declared."""
    source = data.get("source")
    fields = source.get("fields") if isinstance(source, dict) else None
    types = {}
    for name, given in fields.items() if isinstance(fields, dict) else ():
        kind = given.get("type") if isinstance(given, dict) else given
        if isinstance(kind, str):
            types[name] = kind
    return types


def key_or_time(data: Mapping[str, Any], which: Literal["key", "time"]) -> str:
    """The name of the source's key or time, declared or by default; empty where it cannot be told."""
    source = data.get("source")
    if not isinstance(source, dict):
        return ""
    model = SOURCES.get(kind_of(source))
    field = model.model_fields.get(which) if model else None
    given = source.get(which, None if field is None or field.is_required() else field.default)
    return given if isinstance(given, str) else ""


def format_of(path: str) -> FileFormat:
    """What the files of a path are, by its end. A path that the rules passed has a known one."""
    return _ending(path) or "jsonl"


def _ending(path: str) -> FileFormat | None:
    found = _ENDING.search(path)
    return _ENDINGS.get(found[1].lower()) if found else None


def _kept(source: Mapping[str, Any]) -> Iterator[Flaw]:
    fields = source.get("fields")
    names = list(fields) if isinstance(fields, dict) else []
    if not names:
        return
    personal = source.get("personal")
    for index, column in enumerate(personal if isinstance(personal, list) else []):
        if isinstance(column, str) and column not in names:
            yield _not_kept(("source", "personal", index), column, names)
    decisions = source.get("decisions")
    corrected = decisions.get("corrected_fields") if isinstance(decisions, dict) else None
    for column in corrected if isinstance(corrected, dict) else ():
        if column not in names:
            yield _not_kept(("source", "decisions", "corrected_fields", column), column, names)


def _not_kept(path: Path, column: str, names: list[str]) -> Flaw:
    return Flaw(path, f"'{show_text(column)}' is not one of source.fields", choices(column, names))


def _words(source: Mapping[str, Any]) -> Iterator[Flaw]:
    """No word of a decision may mean two things."""
    decisions = source.get("decisions")
    seen: dict[str, str] = {}
    for outcome in ("accepted", "corrected", "rejected"):
        words = decisions.get(outcome) if isinstance(decisions, dict) else None
        for index, word in enumerate(words if isinstance(words, list) else []):
            if isinstance(word, str) and seen.setdefault(word, outcome) != outcome:
                text = f"'{show_text(word)}' stands under {seen[word]} too"
                yield Flaw(("source", "decisions", outcome, index), text)


def _lateness(source: Mapping[str, Any]) -> Iterator[Flaw]:
    try:
        late, history = (duration(source.get(key)) for key in ("late_by", "history"))
    except Wrong:
        return
    if history < late:
        yield Flaw(("source", "history"), "reaches back less than late_by")


def _connections(data: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[Flaw]:
    """Decisions and KPI are read with SQL, and decisions written: where the records come from elsewhere, they name a database."""
    hint = "an Airflow connection to a database, such as erp"
    decisions, kpi = source.get("decisions"), data.get("kpi")
    if isinstance(decisions, dict) and "connection" not in decisions:
        yield Flaw(("source", "decisions", "connection"), "is missing, but the source is no database", hint)
    if isinstance(kpi, dict) and "connection" not in kpi:
        yield Flaw(("kpi", "connection"), "is missing, but the source is no database", hint)
    review = data.get("review")
    written = review.get("write_back") if isinstance(review, dict) else None
    read = decisions.get("table") if isinstance(decisions, dict) else None
    if isinstance(written, dict) and "connection" not in written and written.get("table") != read:
        yield Flaw(("review", "write_back", "connection"), "is missing, but the source is no database", hint)


def _calls(source: Mapping[str, Any]) -> Iterator[Flaw]:
    """Names that calls of models are known by."""
    known = list(CALL_FIELDS)
    fields = source.get("fields")
    for name, given in fields.items() if isinstance(fields, dict) else ():
        if not isinstance(given, str) or not isinstance(name, str):
            continue
        if name not in CALL_FIELDS:
            text = f"'{show_text(name)}' is nothing that is known of a call"
            hint = f"{choices(name, known)}; for anything else: {{type: {show_text(given)}, from: $.a.b}}"
            yield Flaw(("source", "fields", name), text, hint)
        elif given != CALL_FIELDS[name].type:
            yield Flaw(("source", "fields", name), f"is of type {CALL_FIELDS[name].type}")
    where = source.get("where")
    for name in where if isinstance(where, dict) else ():
        if isinstance(name, str) and name not in CALL_FIELDS and not name.startswith("$"):
            text = f"'{show_text(name)}' is nothing that is known of a call"
            yield Flaw(("source", "where", name), text, choices(name, known))
    times = [name for name, one in CALL_FIELDS.items() if one.type == "time"]
    if isinstance(time := source.get("time"), str) and time not in times:
        yield Flaw(("source", "time"), f"'{show_text(time)}' is no time of a call", choices(time, times))
    if isinstance(key := source.get("key"), str) and key not in CALL_FIELDS and not _deeper(fields, key):
        yield Flaw(("source", "key"), f"'{show_text(key)}' is nothing that is known of a call", choices(key, known))


def _deeper(fields: object, name: str) -> bool:
    return isinstance(fields, dict) and isinstance(fields.get(name), dict)
