"""Raw answers of a model against the columns that were made from them, and forms that end where PostgreSQL ends them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from afterpilot.check.answers import columns_match_json
from afterpilot.check.values import follows_schema, matches
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check

AT = datetime(2026, 11, 16, 9, tzinfo=UTC)
TYPES: Mapping[str, Any] = {"total": "number", "supplier": "text", "paid_at": "time", "urgent": "boolean"}


def found(answer: object, fields: Mapping[str, str], **columns: object) -> list[Discrepancy]:
    """What differs between the answer and the columns."""
    check = Check("columns_match_json", Severity.CRITICAL, {"column": "raw", "fields": fields})
    return list(columns_match_json(check, TYPES)(Record("w", "r1", AT, {"raw": answer, **columns})))


@pytest.mark.parametrize(
    ("answer", "path", "column", "stored"),
    [
        ('{"total": 101}', "$.total", "total", "101.00"),
        ('{"total": "101.00 GBP"}', "$.total", "total", "101"),
        ('{"lines": [{"sum": 5}, {"sum": 6}]}', "$.lines[1].sum", "total", "6"),
        ('{"supplier": "Weber  metall"}', "$.supplier", "supplier", "weber Metall"),
        ('{"at": "2026-11-16T10:00:00+01:00"}', "$.at", "paid_at", "2026-11-16T09:00:00Z"),
        ('{"urgent": true}', "$.urgent", "urgent", True),
        ('{"supplier": null}', "$.supplier", "supplier", None),
        ("{}", "$.supplier", "supplier", ""),
        ({"supplier": "x"}, "$.supplier", "supplier", "x"),
    ],
)
def test_the_same_in_another_form_agrees(answer: object, path: str, column: str, stored: object) -> None:
    """Numbers by value, also with a unit behind them; texts but for blanks and capitals; times by the moment; nothing by nothing."""
    assert found(answer, {column: path}, **{column: stored}) == []


@pytest.mark.parametrize(
    ("answer", "stored", "text"),
    [
        ('{"total": 101}', "1010", "Total: the column says 1010, the answer in raw says 101"),
        ('{"total": "about 5"}', "5", "Total: the column says 5, the answer in raw says about 5"),
        ('{"total": 5}', None, "Total is missing; the answer in raw says 5"),
        ("{}", "5", "Total: the answer in raw says nothing, the column says 5"),
        ("[]", "5", "Total: the answer in raw says nothing, the column says 5"),
        ("5 GBP", "5", "Raw: the answer is not JSON: 5 GBP"),
        ('{"total": 5, "total": 6}', "6", "Raw: the answer says total more than once: 5 and 6"),
        ("", "5", "Raw is missing"),
    ],
)
def test_a_difference_is_told_in_words(answer: str, stored: object, text: str) -> None:
    """Both sides are named."""
    assert [one.text for one in found(answer, {"total": "$.total"}, total=stored)] == [text]


def test_a_path_that_is_none_is_the_checks_fault() -> None:
    """The gate cannot run; no output is blamed."""
    with pytest.raises(CheckError, match="is not a JSONPath"):
        found("{}", {"total": "$.["}, total="5")


@pytest.mark.parametrize("answer", ['{"a": 1, "a": 1}', '{"b": {"a": 1, "a": 2}}', '[{"a": 1, "a": 2}]'])
def test_a_field_that_is_said_twice_follows_no_schema(answer: str) -> None:
    """However deep: which of them a reader takes nobody knows."""
    check = Check("json_schema", Severity.CRITICAL, {"column": "raw", "schema": True})
    (one,) = follows_schema(check, Record("w", "r1", AT, {"raw": answer}))
    assert one.text.startswith("Raw: the answer says a more than once: 1 and ")


@pytest.mark.parametrize(
    ("regex", "text", "fits"),
    [
        ("^PO-[0-9]{5}$", "PO-12345", True),
        ("^PO-[0-9]{5}$", "PO-12345\n", False),
        (r"^5\$$", "5$", True),
        (r"^5\$$", "5$\n", False),
        ("^[$]$", "$", True),
        ("(a|b$)", "xb\n", False),
    ],
)
def test_a_form_ends_where_the_text_ends(regex: str, text: str, fits: bool) -> None:  # noqa: FBT001
    """A line break behind it is not of the form, as in PostgreSQL."""
    check = Check("column_values_to_match_regex", Severity.CRITICAL, {"column": "x", "regex": regex})
    assert (list(matches(check, Record("w", "r1", AT, {"x": text}))) == []) is fits
