"""How a source's values are kept."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.pull.values import NotFinite, decimal, kept, moment, tokens


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15))
def test_no_cent_is_lost(amount: Decimal) -> None:
    """A decimal comes back from JSON exactly as it was, in digits that PostgreSQL can cast."""
    text = json.loads(json.dumps(kept(amount, "number")))
    assert Decimal(text) == amount
    assert "E" not in str(text).upper()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_float_is_changed(number: float) -> None:
    """A float comes back as the same float."""
    assert float(kept(number, "number")) == number


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (math.nan, "number"),
        (-math.inf, "number"),
        (Decimal("NaN"), "number"),
        ("nan", "number"),
        ("-Infinity", "number"),
        ("infinity", "time"),
    ],
)
def test_what_is_not_finite_is_refused(value: object, kind: str) -> None:
    """NaN and infinity are no values."""
    with pytest.raises(NotFinite):
        kept(value, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, "number", None),
        (7, "number", 7),
        ("4,50", "number", "4,50"),  # not a number: the check finds it
        (True, "number", True),
        (0, "boolean", False),
        ("yes", "boolean", "yes"),
        (2, "boolean", "2"),
        (date(2026, 11, 16), "time", "2026-11-16T00:00:00+00:00"),
        ("2026-11-16 10:00:00+09", "time", "2026-11-16T01:00:00+00:00"),
        ("soon", "time", "soon"),
        ({"a": Decimal("1.5")}, "text", '{"a": "1.5"}'),
        (b"\xff", "text", "\ufffd"),
        (Decimal("1E+3"), "text", "1000"),
        (timedelta(minutes=2), "text", "120 s"),
        (12, "text", "12"),
    ],
)
def test_values_by_type(value: object, kind: str, expected: object) -> None:
    """Each value has one plain form; what does not fit its type is kept for the check to find."""
    assert kept(value, kind) == expected  # type: ignore[arg-type]


def test_a_time_without_a_zone_is_utc() -> None:
    """And one with a zone becomes UTC."""
    naive = datetime(2026, 11, 16, 10)  # noqa: DTZ001 - the point of the test
    assert moment(naive) == datetime(2026, 11, 16, 10, tzinfo=UTC)
    assert moment(naive.replace(tzinfo=timezone(timedelta(hours=9)))) == datetime(2026, 11, 16, 1, tzinfo=UTC)
    assert moment("never") is None
    assert moment(datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (0, 0), (-1, None), ("12", 12), (1.5, None), (True, None), ("1e9999999", None), (1e20, None)],
)
def test_tokens_that_were_not_reported_are_none(value: object, expected: int | None) -> None:
    """Nothing, a negative count and half a token are no report."""
    assert tokens(value) == expected


def test_a_decimal_is_finite_or_none() -> None:
    """NaN is none."""
    assert decimal("NaN") is None
    assert decimal(" 1.50 ") == Decimal("1.50")
