"""What a reader asks for in an address is checked before it reaches a query."""

from __future__ import annotations

from datetime import date

import pytest
from fastapi import Request

from afterpilot.web.filters import Asked


def asked(value: str) -> Asked:
    return Asked(Request({"type": "http", "query_string": f"from={value}".encode(), "headers": []}))


@pytest.mark.parametrize("value", ["0001-01-01", "1899-12-31", "9901-01-01", "9999-12-31", "2016-12-32"])
def test_a_day_from_which_no_other_can_be_counted_is_a_problem(value: str) -> None:
    found = asked(value)
    assert found.day("from") is None
    assert found.problems


@pytest.mark.parametrize("value", ["1900-01-01", "2026-11-20", "9900-12-31"])
def test_any_other_day_is_taken(value: str) -> None:
    assert asked(value).day("from") == date.fromisoformat(value)
