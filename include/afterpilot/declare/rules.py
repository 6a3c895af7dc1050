"""Rules that tie several keys together. They read the raw document, so that one wrong key does not hide the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from afterpilot.declare.problems import Flaw, Path, choices, show_text
from afterpilot.declare.source_rules import key_or_time, source_flaws, types_of

Data = Mapping[str, Any]
# The names of schedules for records, evals and report, as far as _fleet.yaml can be read.
ScheduleNames = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Shared:
    """What a declaration may name of ``_fleet.yaml``, as far as that can be read. ``accounts`` is None where it cannot.

    Without any of ``teams``, every team is known. ``zone`` is the calendar of workflows that name none, ``alert_zone`` where
    people work. ``targets`` are places of alerts, None where they cannot be read.
    """

    schedules: ScheduleNames = field(default_factory=dict)
    accounts: Collection[str] | None = None
    teams: Collection[str] = ()
    zone: str = "UTC"
    targets: Collection[str] | None = None
    alert_zone: str = "UTC"


_OF_TEXT = {"json_path", "json_schema", "language_is", "length_between", "sources_fresh"}


def dig(data: Any, *path: str) -> Any:  # noqa: ANN401 - YAML holds anything
    """The value at a path of keys, or None where there is none."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def texts(value: Any) -> list[tuple[int, str]]:  # noqa: ANN401 - YAML holds anything
    """The texts of a list with their positions; none where it is no list."""
    return [
        (index, item) for index, item in enumerate(value if isinstance(value, list) else []) if isinstance(item, str)
    ]


def items(value: Any) -> list[tuple[int, Any]]:  # noqa: ANN401 - YAML holds anything
    """The items of a list with their positions; none where it is no list."""
    return list(enumerate(value)) if isinstance(value, list) else []


def rule_flaws(data: Data, *, folder: str, schedules: ScheduleNames) -> Iterator[Flaw]:
    """Everything that does not fit together. ``schedules`` lacks what cannot be read in the fleet's file."""
    yield from _name(data, folder)
    yield from _people(data)
    yield from _kpi(data)
    yield from source_flaws(data)
    yield from _columns(data)
    yield from _schedules(data, schedules)


def _name(data: Data, folder: str) -> Iterator[Flaw]:
    slug = data.get("workflow")
    if isinstance(slug, str) and slug != folder:
        yield Flaw(("workflow",), f"'{show_text(slug)}' is not the folder's name '{folder}'", "they must be the same")


def _people(data: Data) -> Iterator[Flaw]:
    for key in ("slack", "name"):
        owner, deputy = dig(data, "owner", key), dig(data, "owner", "deputy", key)
        if isinstance(owner, str) and isinstance(deputy, str) and owner.casefold() == deputy.casefold():
            yield Flaw(("owner", "deputy", key), "the deputy is the owner", "name somebody else")
            return


def _kpi(data: Data) -> Iterator[Flaw]:
    better, baseline, target = (dig(data, "kpi", key) for key in ("better", "baseline", "target"))
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (baseline, target)):
        return
    if (better == "lower" and target >= baseline) or (better == "higher" and target <= baseline):
        yield Flaw(("kpi", "target"), f"{target} is not {better} than the baseline {baseline}", "look at `better` too")


def _columns(data: Data) -> Iterator[Flaw]:
    fields = dig(data, "source", "fields")
    if not isinstance(fields, dict) or not fields:
        return
    own = [name for which in ("key", "time") if (name := key_or_time(data, which))]
    known = {"outputs": [*fields], "quality": [*fields, *(name for name in own if name not in fields)]}
    personal = {name for _, name in texts(dig(data, "source", "personal"))}
    types = types_of(data)
    if time := key_or_time(data, "time"):
        types[time] = "time"
    for section in ("outputs", "quality"):
        checks = data.get(section)
        for index, check in enumerate(checks if isinstance(checks, list) else []):
            if not isinstance(check, dict):
                continue
            for path, column in _named(check, (section, index)):
                if column not in known[section]:
                    yield Flaw(
                        path, f"'{show_text(column)}' is not one of source.fields", choices(column, known[section])
                    )
                elif section == "outputs" and column in personal:
                    yield Flaw(path, f"'{column}' is redacted when written, so it cannot be checked")
            yield from _types(check, (section, index), types)


def _named(check: dict[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    """The columns of ours that a check names."""
    for key in ("column", "column_A", "column_B"):
        if isinstance(check.get(key), str) and check.get("expect") != "column_to_exist":
            yield (*path, key), check[key]
    if isinstance(against := check.get("against"), str) and against != "decisions":
        yield (*path, "against"), against
    for key in ("columns", "column_list"):
        if not str(check.get("expect", "")).startswith("table_"):
            for index, column in texts(check.get(key)):
                yield (*path, key, index), column
    if check.get("expect") in ("match_reference", "columns_match_json"):
        for key in ("key", "fields"):
            for column in check[key] if isinstance(check.get(key), dict) else {}:
                yield (*path, key, column), column


def _types(check: dict[str, Any], path: Path, types: Mapping[str, str]) -> Iterator[Flaw]:
    expect, column = check.get("expect"), check.get("column")
    kind = types.get(column, "") if isinstance(column, str) else ""
    if expect == "fresh_within" and kind not in {"", "time"}:
        yield Flaw((*path, "column"), f"fresh_within needs a field of type time, but '{column}' is {show_text(kind)}")
    if expect == "percentile_between" and kind not in {"", "number"}:
        text = f"percentile_between needs a field of type number, but '{column}' is {show_text(kind)}"
        yield Flaw((*path, "column"), text)
    if expect == "distribution_like" and kind == "time":
        yield Flaw((*path, "column"), f"'{column}' is a time; a number, text or boolean has a distribution")
    if str(expect) in _OF_TEXT and kind not in {"", "text"}:
        yield Flaw((*path, "column"), f"{expect} needs a field of type text, but '{column}' is {show_text(kind)}")
    bounds = [check.get(key) for key in ("min_value", "max_value")]
    numeric = any(isinstance(bound, (int, float)) for bound in bounds)
    if bounds == [None, None]:
        return
    if expect == "column_values_to_be_between" and kind in {"text", "boolean", "time" if numeric else "number"}:
        wanted = "number" if numeric else "time"
        yield Flaw(
            (*path, "column"), f"these bounds need a field of type {wanted}, but '{column}' is {show_text(kind)}"
        )


def _schedules(data: Data, schedules: ScheduleNames) -> Iterator[Flaw]:
    named = data.get("schedule")
    if not isinstance(named, dict):
        return
    if isinstance(data.get("evals"), dict) and "evals" not in named:
        yield Flaw(("schedule", "evals"), "is missing, but there is an eval suite")
    for key in ("records", "evals", "report"):
        name = named.get(key)
        known = schedules.get(key)
        if known is not None and isinstance(name, str) and name not in known:
            text = f"'{show_text(name)}' is not one of schedules.{key} in _fleet.yaml"
            yield Flaw(("schedule", key), text, choices(name, sorted(known)))
