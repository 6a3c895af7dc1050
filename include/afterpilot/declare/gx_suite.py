"""Reads a suite in Great Expectations' own JSON form.

Great Expectations drops an expectation whose type or severity it does not know, with a log line. Here each is an error with
its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from afterpilot.declare.expectations import OWN_IN_SUITES, SEVERITIES, parameters
from afterpilot.declare.files import MAX_CASES_BYTES, Folder, Unreadable
from afterpilot.declare.gx_table import GX_EXPECTATIONS, LEFT_OUT
from afterpilot.declare.json_files import NotJson, parse_json
from afterpilot.declare.parameters import flaws_of
from afterpilot.declare.parameters_together import together_flaws
from afterpilot.declare.placing import placed
from afterpilot.declare.problems import Flaw, Path, choices, describe
from afterpilot.declare.yaml_lines import Document, read
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check, Problem

EMPTY_IS_FINE = "no_rows_are_fine"

_SUITE_KEYS = ("name", "expectations", "id", "meta", "notes", "suite_parameters", "data_asset_type")
_KEYS = ("type", "kwargs", "severity", "meta", "id", "notes", "description", "rendered_content", "expectation_context")
# Great Expectations writes them into what it saves; they say nothing of what is expected.
_SAID_BY_GX = ("batch_id", "catch_exceptions", "condition_parser", "notes", "description", "windows")
_BOOLEANS = {"strict_min", "strict_max", "or_equal", "ties_okay", "double_sided", "exact_match", "strictly"}


@dataclass(frozen=True, slots=True)
class SuiteExpectation:
    """One expectation of a suite: the check, and what its author noted for himself."""

    check: Check
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GxSuite:
    """A suite as read: its expectations, or the problems that keep it from being used; never both."""

    name: str
    expectations: tuple[SuiteExpectation, ...]
    problems: tuple[Problem, ...]


def load_gx_suite(path: FilePath) -> GxSuite:
    """The suite of a JSON file; what is wrong with it stands in the problems, with file and line."""
    try:
        raw = Folder(path.parent, what="that folder").text(path.name, limit=MAX_CASES_BYTES)
        data = parse_json(raw)
    except Unreadable as error:
        return GxSuite(path.stem, (), (Problem(path.name, 0, "", str(error), error.hint),))
    except NotJson as error:
        return GxSuite(path.stem, (), (Problem(path.name, error.line, "", str(error)),))
    flaws = list(_suite_flaws(data))
    if flaws:
        lines = read(raw.encode())  # JSON is YAML, as a rule; where it is not, the place is told without its line
        return GxSuite(path.stem, (), placed(path.name, Document(data, lines.lines, ()), flaws))
    return GxSuite(
        str(data.get("name") or path.stem), tuple(_expectation(one) for one in data.get("expectations") or ()), ()
    )


def known_types() -> dict[str, str]:
    """The parameters of every expectation that a suite may name, by its name without ``expect_``."""
    return {**GX_EXPECTATIONS, **OWN_IN_SUITES}


def _expectation(said: Mapping[str, Any]) -> SuiteExpectation:
    meta = dict(said.get("meta") or {})
    params = {
        name: value
        for name, value in (said.get("kwargs") or {}).items()
        if value is not None and name not in _SAID_BY_GX
    }
    if meta.get(EMPTY_IS_FINE) is True:
        params[EMPTY_IS_FINE] = True
    severity = Severity(said.get("severity") or Severity.CRITICAL)
    return SuiteExpectation(Check(str(said["type"]).removeprefix("expect_"), severity, params), meta)


def _suite_flaws(data: Any) -> Iterator[Flaw]:  # noqa: ANN401 - JSON holds anything
    if not isinstance(data, dict):
        yield Flaw((), f"must be an object with `expectations`, but is {describe(data)}")
        return
    for key in data:
        if key not in _SUITE_KEYS:
            old = "that is the form of Great Expectations 0.x" if key == "expectation_suite_name" else ""
            yield Flaw((key,), "is not a key of a suite", old or choices(key, _SUITE_KEYS))
    if data.get("suite_parameters"):
        yield Flaw(("suite_parameters",), "parameters of a suite are not read", "write the values out")
    expectations = data.get("expectations")
    if not isinstance(expectations, list) or not expectations:
        yield Flaw(("expectations",), "must be a list with at least one expectation")
        return
    for index, one in enumerate(expectations):
        yield from _expectation_flaws(one, ("expectations", index))


def _expectation_flaws(one: Any, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - JSON holds anything
    if not isinstance(one, dict):
        yield Flaw(path, f"must be an object with `type` and `kwargs`, but is {describe(one)}")
        return
    for key in one:
        if key not in _KEYS:
            old = "Great Expectations 0.x wrote expectation_type for type" if key == "expectation_type" else ""
            yield Flaw((*path, key), "is not a key of an expectation", old or choices(key, _KEYS))
    severity = one.get("severity")
    if severity is not None and severity not in SEVERITIES:
        hint = choices(str(severity), SEVERITIES)
        yield Flaw((*path, "severity"), f"must be one of the accepted words, but is {describe(severity)}", hint)
    for key in ("kwargs", "meta"):
        if one.get(key) is not None and not isinstance(one[key], dict):
            yield Flaw((*path, key), f"must be an object, but is {describe(one[key])}")
            return
    yield from _type_flaws(one, path)


def _type_flaws(one: Mapping[str, Any], path: Path) -> Iterator[Flaw]:
    known, kind = known_types(), one.get("type")
    names = [f"expect_{name}" for name in known]
    if kind is None:
        yield Flaw((*path, "type"), "is missing", "such as expect_column_values_to_not_be_null")
    elif isinstance(kind, str) and kind.removeprefix("expect_") in LEFT_OUT:
        yield Flaw((*path, "type"), f"{describe(kind)} cannot be asked here: {LEFT_OUT[kind.removeprefix('expect_')]}")
    elif not isinstance(kind, str) or kind not in names:
        hint = choices(str(kind), names).removesuffix("docs/reference/declaration.md lists them").strip()
        yield Flaw((*path, "type"), f"{describe(kind)} is not a known expectation", hint)
    else:
        yield from _kwargs_flaws(one.get("kwargs") or {}, kind, known[kind.removeprefix("expect_")], (*path, "kwargs"))


def _kwargs_flaws(kwargs: Mapping[str, Any], kind: str, wanted: str, path: Path) -> Iterator[Flaw]:
    accepted, expect = [name.removesuffix("?") for name in wanted.split()], kind.removeprefix("expect_")
    for name in wanted.split():
        if not name.endswith("?") and kwargs.get(name) is None:
            yield Flaw(path, f"{name} is missing: {kind} needs it")
    for name, value in kwargs.items():
        if name in accepted:
            yield from _value_flaws(name, value, (*path, name))
            yield from _own_flaws(expect, name, value, (*path, name))
        elif name not in _SAID_BY_GX:
            yield Flaw((*path, name), f"is not a parameter of {kind}", choices(name, accepted))
    if expect in OWN_IN_SUITES:
        yield from together_flaws(dict(kwargs), expect, path, ranged="min_value?" in wanted)
        return
    bounds = {"min_value?", "max_value?"} & set(wanted.split())
    if bounds and "threshold" not in wanted and all(kwargs.get(name[:-1]) is None for name in bounds):
        yield Flaw(path, f"{kind} needs min_value, max_value or both")


def _own_flaws(expect: str, name: str, value: Any, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - JSON holds anything
    """What is wrong with a parameter of an expectation of ours, which is read as in a declaration."""
    if expect not in OWN_IN_SUITES or name == "mostly" or (isinstance(value, dict) and "$PARAMETER" in value):
        return
    kinds = {word.removesuffix("?"): kind for word, kind in parameters(expect, OWN_IN_SUITES).items()}
    if value is not None:
        yield from flaws_of(value, path, kinds[name])


def _value_flaws(name: str, value: Any, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - JSON holds anything
    """What is wrong with a value, whatever the data; the rest is for the engine, which knows the columns."""
    if isinstance(value, dict) and "$PARAMETER" in value:
        yield Flaw(path, "parameters of a suite are not read", "write the value out")
    elif name == "mostly" and not (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1):
        yield Flaw(path, f"must be a share from 0 to 1, but is {describe(value)}", "such as 0.98")
    elif name in _BOOLEANS and value is not None and not isinstance(value, bool):
        yield Flaw(path, f"must be true or false, but is {describe(value)}")
    elif name in {"column", "column_A", "column_B"} and not (isinstance(value, str) and value):
        yield Flaw(path, f"must name a column, but is {describe(value)}")
