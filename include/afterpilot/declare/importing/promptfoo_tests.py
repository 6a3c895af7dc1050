"""Tests of a promptfoo configuration: inline, in files, in tables, in scenarios."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from afterpilot.declare.importing.carried import MOST_CASES, read_text, tags_of
from afterpilot.declare.importing.promptfoo_assertions import of_cell
from afterpilot.declare.importing.promptfoo_files import CODE, PREFIX, Config, is_plain
from afterpilot.declare.json_files import NotJson, parse_json
from afterpilot.domain.errors import DeclarationError

_PARTS = frozenset({"description", "vars", "assert", "threshold", "metadata", "options", "id"})
_TABLES = {".csv"}
_MOST_CELL = 1_000_000


@dataclass(frozen=True, slots=True)
class Asserted:
    """An assertion, where it stands, and whether that is in ``defaultTest``."""

    place: str
    item: Any
    by_default: bool = False


@dataclass(frozen=True, slots=True)
class NewTest:
    """A test with one value for each variable; ``place`` is where it stands in the configuration."""

    place: str
    vars: Mapping[str, Any]
    asserts: Sequence[Asserted]
    description: str = ""
    threshold: float | None = None
    tags: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def tests(config: Config, data: Mapping[str, Any], default: Mapping[str, Any]) -> list[NewTest]:
    """All tests of the configuration, scenarios too, each list of values of a variable unfolded."""
    found = list(_all(config, data, default))
    if len(found) > MOST_CASES:
        raise DeclarationError(f"{config.path} means more than {MOST_CASES:,} cases")
    return found


def _all(config: Config, data: Mapping[str, Any], default: Mapping[str, Any]) -> Iterator[NewTest]:
    for place, item in _items(config, data.get("tests"), "tests"):
        yield from _unfolded(config, item, default, place)
    scenarios = data.get("scenarios")
    for number, given in enumerate(scenarios if isinstance(scenarios, list) else []):
        place = f"scenarios[{number}]"
        scenario = config.content(given, place)
        if not isinstance(scenario, dict):
            config.notes.leave(place, "a scenario", "it has no config and tests")
            continue
        settings = list(_items(config, scenario.get("config"), f"{place}.config"))
        asked = list(_items(config, scenario.get("tests"), f"{place}.tests")) or [(place, {})]
        for (there, setting), (where, item) in itertools.product(settings, asked):
            yield from _unfolded(config, _merged(_placed(setting, there), _placed(item, where)), default, where)


def _placed(item: Mapping[str, Any], place: str, *, by_default: bool = False) -> dict[str, Any]:
    """The test with each of its assertions' own place: once they are merged, nobody can count them any more."""
    found = item.get("assert")
    if not isinstance(found, list):
        return {key: value for key, value in item.items() if key != "assert"}
    asserts = (
        one if isinstance(one, Asserted) else Asserted(f"{place}.assert[{index}]", one, by_default)
        for index, one in enumerate(found)
    )
    return {**item, "assert": list(asserts)}


def _merged(default: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """A test on top of what holds for all: variables, metadata and options by key, assertions one after the other."""
    whole = {**default, **item}
    for key in ("vars", "metadata", "options"):
        parts = [one[key] for one in (default, item) if isinstance(one.get(key), dict)]
        if parts:
            whole[key] = {name: value for part in parts for name, value in part.items()}
    parts = [one["assert"] for one in (default, item) if isinstance(one.get("assert"), list)]
    if parts:
        whole["assert"] = [one for part in parts for one in part]
    return whole


def _items(config: Config, found: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401 - YAML holds anything
    """The tests of a list, of a file, or of a list of files, each with its place."""
    if isinstance(found, str):
        yield from _of_files(config, found, place)
        return
    for index, item in enumerate(found if isinstance(found, list) else []):
        where = f"{place}[{index}]"
        if isinstance(item, str):
            yield from _of_files(config, item, where)
        elif isinstance(item, dict) and "path" in item and "vars" not in item:
            config.notes.leave(
                where, str(item["path"]), "a program makes these tests, and programs are not run by an import"
            )
        elif isinstance(item, dict):
            yield where, item
        else:
            config.notes.leave(where, "a test", "it is no mapping")


def _of_files(config: Config, reference: str, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    name = reference.removeprefix(PREFIX)
    ending = Path(name.split(":", 1)[0].split("#", 1)[0]).suffix.lower()
    if "://" in name or ending in CODE or ending in {".xlsx", ".xls"}:
        why = "only YAML, JSON, JSON lines and CSV files are read, and no program is run by an import"
        config.notes.leave(place, reference, why)
        return
    for path in config.files(reference, place):
        try:
            yield from _of_file(config, path)
        except (DeclarationError, csv.Error) as error:
            config.notes.leave(place, reference, str(error))


def _of_file(config: Config, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix.lower() in _TABLES:
        yield from _rows(config, path)
        return
    if path.suffix.lower() == ".jsonl":
        found: list[Any] = []
        for number, line in enumerate(read_text(path).split("\n"), 1):
            try:
                found += [parse_json(line)] if line.strip() else []
            except NotJson as error:
                raise DeclarationError(f"{path.name}:{number}: {error}") from error
    else:
        data = config.data(path)
        found = data if isinstance(data, list) else [data]
    for index, item in enumerate(found):
        if isinstance(item, dict):
            yield f"{path.name}[{index}]", item
        else:
            config.notes.leave(f"[{index}]", "a test", "it is no mapping", file=path.name)


def _rows(config: Config, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a table: a column for each variable, and those that begin with two underscores for the rest."""
    csv.field_size_limit(_MOST_CELL)
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    for column in reader.fieldnames or ():
        if column.strip().startswith(("__prefix", "__suffix", "__config", "__metric", "__provider")):
            config.notes.leave("the header", column.strip(), "there is no such column here", file=path.name)
    for row in reader:
        place = f"{path.name} line {reader.line_num}"
        cells = {str(key).strip(): value for key, value in row.items() if key is not None and isinstance(value, str)}
        item: dict[str, Any] = {"vars": {}, "assert": [], "metadata": {}}
        for key, value in cells.items():
            if key.startswith("__expected"):
                item["assert"] += of_cell(value)
            elif key == "__description":
                item["description"] = value
            elif key == "__threshold" and value.strip():
                item["threshold"] = _number(value)
            elif key.startswith("__metadata:"):
                name = key.removeprefix("__metadata:")
                parts = [part.strip() for part in value.split(",")] if name.endswith("[]") else value
                item["metadata"][name.removesuffix("[]")] = parts
            elif not key.startswith("__"):
                item["vars"][key] = value
        yield place, item


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _threshold(config: Config, found: Any, place: str) -> float | None:  # noqa: ANN401 - YAML holds anything
    """The score from which on a test passes; None where all its assertions must, which is what 0 means too."""
    if found is None or (found == 0 and not isinstance(found, bool)):
        return None
    if isinstance(found, (int, float)) and not isinstance(found, bool) and 0 < found <= 1:
        return found
    why = "it is no share from 0 to 1: every assertion of the test must pass instead"
    config.notes.leave(f"{place}.threshold", f"threshold {found}", why)
    return None


def _unfolded(config: Config, item: Mapping[str, Any], default: Mapping[str, Any], place: str) -> Iterator[NewTest]:
    """A test for each combination of the values of its variables; a list of values means one test for each."""
    given = item.get("options")
    without = isinstance(given, dict) and given.get("disableDefaultAsserts") is True
    usual = _placed({**default, "assert": []} if without else default, "defaultTest", by_default=True)
    whole = _merged(usual, _placed(item, place))
    for key in item:
        if key not in _PARTS:
            config.notes.leave(f"{place}.{key}", key, "tests have no such part here")
    values = {
        key: config.content(value, f"{place}.vars.{key}")
        for key, value in _mapping(config, whole.get("vars"), place).items()
    }
    if any(not is_plain(value) for value in values.values() if isinstance(value, str)):
        config.notes.leave(f"{place}.vars", "a variable", "its template is not read: it stays as it is written")
    options = whole.get("options") if isinstance(whole.get("options"), dict) else {}
    unfold = not (isinstance(options, dict) and options.get("disableVarExpansion") is True)
    lists = [value if unfold and isinstance(value, list) and value else [value] for value in values.values()]
    metadata, threshold = whole.get("metadata"), _threshold(config, whole.get("threshold"), place)
    for number, combined in enumerate(itertools.islice(itertools.product(*lists), MOST_CASES + 1), 1):
        here = f"{place} ({number})" if any(len(one) > 1 for one in lists) else place
        yield NewTest(
            place=here,
            vars=dict(zip(values, combined, strict=True)),
            asserts=[_moved(one, place, here) for one in whole.get("assert", ())],
            description=str(whole.get("description") or ""),
            threshold=threshold,
            tags=tuple(tags_of(metadata)) if isinstance(metadata, dict) else (),
            options=options if isinstance(options, dict) else {},
        )


def _moved(one: Asserted, place: str, here: str) -> Asserted:
    """The assertion of a test at its place among the several that a test was unfolded to."""
    return replace(one, place=here + one.place.removeprefix(place)) if one.place.startswith(f"{place}.assert[") else one


def _mapping(config: Config, found: Any, place: str) -> dict[str, Any]:  # noqa: ANN401 - YAML holds anything
    values = config.content(found, f"{place}.vars")
    if isinstance(values, dict):
        return values
    if values is not None:
        config.notes.leave(f"{place}.vars", "the variables", "they are no mapping")
    return {}
