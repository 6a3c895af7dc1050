"""Great Expectations: building expectations by name, and reading what it says of them.

The only module that knows how its results look. Expectations are built one by one from their classes: a suite given as data
drops, with a log line, what it does not understand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.source import FieldType
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check

INDEX = "afterpilot_index"
NO_ROWS_ARE_FINE = "no_rows_are_fine"
_OURS = {"name", "expect", "severity", "meta", NO_ROWS_ARE_FINE}
_COLUMNS = ("column", "column_A", "column_B", "column_list")
_BOUNDS = ("min_value", "max_value")
_NO_ROWS = "Great Expectations found no rows"
_LISTED = 20
_LONGEST = 200
_ABOUT_NULLS = {
    "column_values_to_not_be_null",
    "column_values_to_be_null",
    "column_proportion_of_non_null_values_to_be_between",
    "column_to_exist",
}
# They give no observed value even where they looked at values.
_SETS = ("column_distinct_values_", "table_")


class Named(Protocol):
    """Rows by the names and kinds of their columns; a column that is nothing in particular has no kind."""

    @property
    def columns(self) -> Sequence[str]:
        """The names that a check may use."""
        ...

    def kind(self, column: str) -> FieldType | None:
        """The kind of a column."""
        ...


def build(check: Check, index: int, rows: Named) -> Any:  # noqa: ANN401 - a class of Great Expectations
    """The expectation that a check declares.

    Raises:
        CheckError: there is no such expectation, a column is not kept, or a parameter is wrong.
    """
    for column in named_columns(check):
        if column not in rows.columns:
            raise CheckError(f"{column} is not among the columns that are kept ({', '.join(rows.columns)})")
    made = _class(check.expect)
    params = {name: plain(value) for name, value in check.params.items() if name not in _OURS}
    for bound in _BOUNDS:
        if isinstance(params.get(bound), str) and rows.kind(check.column) == "time":
            params[bound] = _time(params[bound])
    severity = Severity.CRITICAL if check.severity is Severity.UNKNOWN else check.severity
    try:
        return made(**params, severity=severity.value, meta={INDEX: index})
    except Exception as error:  # pydantic's two versions and its own checks raise many kinds
        raise CheckError(f"{check.expect} does not take these parameters: {_brief(error)}") from error


def judged(check: Check, result: Any, key_label: str, *, rows: int, values: int | None) -> Judged:  # noqa: ANN401 - Great Expectations'
    """What Great Expectations says of a check, in our terms.

    ``rows`` is the size of the window, ``values`` how many values the check's column has (None where it has no column). A
    check without anything to look at could not say, although Great Expectations may call it a success.
    """
    error = _exception(result.exception_info)
    if error:
        return could_not(check, error)
    found = dict(result.result)
    elements = found.get("element_count")
    error = _nothing_to_see(check, found, values)
    if error:
        return could_not(check, error, result=trimmed(found))
    listed = found.get("partial_unexpected_index_list") or ()
    keys = tuple(str(row[key_label]) for row in listed if isinstance(row, Mapping))
    return Judged(
        check=check,
        success=bool(result.success),
        observed=observed_words(found) if elements is None else f"{found.get('unexpected_count') or 0} of {elements}",
        elements=rows if elements is None else int(elements),
        failing_total=0 if elements is None else int(found.get("unexpected_count") or 0),
        failing_keys=keys,
        result=trimmed(found),
    )


def could_not(check: Check, error: str, *, result: Mapping[str, Any] | None = None) -> Judged:
    """A check that could not say."""
    return Judged(check, None, "", 0, 0, (), result or {}, error)


def plain(value: Any) -> Any:  # noqa: ANN401 - any parameter
    """A parameter as Great Expectations wants it: plain lists and dicts, floats for decimals."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _class(expect: str) -> Any:  # noqa: ANN401 - a class of Great Expectations
    import great_expectations.expectations as library

    wanted = f"expect_{expect.removeprefix('expect_')}".replace("_", "").lower()
    for name in dir(library):
        if name.lower() == wanted:
            return getattr(library, name)
    from afterpilot.check.custom import expectations as ours

    for name in ours.__all__:
        if name.lower() == wanted:
            return getattr(ours, name)
    raise CheckError(f"Great Expectations has no expectation {expect}")


def named_columns(check: Check) -> list[str]:
    """The columns that must be there for the check to be run."""
    found: list[str] = []
    for name in _COLUMNS:
        value = check.params.get(name, ())
        found.extend([value] if isinstance(value, str) else list(value))
    return found if not check.expect.startswith("table_") and check.expect != "column_to_exist" else []


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CheckError(f"{text!r} is not a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _nothing_to_see(check: Check, found: Mapping[str, Any], values: int | None) -> str:
    if check.expect in _ABOUT_NULLS and found.get("element_count") != 0:
        return ""
    if found.get("element_count") == 0:
        return "no record meets the row_condition" if check.params.get("row_condition") else _NO_ROWS
    if found.get("element_count") is not None and found["element_count"] == found.get("missing_count"):
        return "no values"
    aggregate = "element_count" not in found and not check.expect.startswith(_SETS)
    return "no values" if values == 0 or (aggregate and found.get("observed_value", "") is None) else ""


def _exception(info: Mapping[str, Any] | None) -> str:
    """The error of a check that raised, from one of the two shapes in which it may be told; empty where none did."""
    for part in (info or {}, *(item for item in (info or {}).values() if isinstance(item, Mapping))):
        if part.get("raised_exception") or (part.get("exception_message") and part.get("exception_traceback")):
            return " ".join(str(part.get("exception_message") or "it raised an error").split())[:300]
    return ""


def observed_words(found: Mapping[str, Any]) -> str:
    """What was observed, in short words for people."""
    value = found.get("observed_value")
    if value is None and found.get("partial_unexpected_list"):
        value = found["partial_unexpected_list"]
    shown = _jsonable(value)
    if isinstance(shown, list):
        shown = ", ".join(str(item) for item in shown)
    if isinstance(shown, float):
        shown = f"{shown:.6g}"
    return "" if shown is None else str(shown)[:_LONGEST]


def trimmed(found: Mapping[str, Any]) -> dict[str, Any]:
    """A result as JSON, its lists and texts cut short."""
    return {str(name): _jsonable(value) for name, value in found.items()}


def _jsonable(value: Any) -> Any:  # noqa: ANN401, PLR0911 - any value that a result may hold
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in list(value)[:_LISTED]]
    if hasattr(value, "item") and not isinstance(value, Decimal):  # numpy's scalars
        return _jsonable(value.item())
    return str(value)[:_LONGEST]


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__
