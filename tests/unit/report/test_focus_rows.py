"""Rows of FOCUS: quantity times unit price is the cost, and all rows of a price are what its calls cost, to the last digit."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.prices import SORTS, Price
from afterpilot.report.focus import Owned, rows
from afterpilot.report.focus_columns import COLUMNS
from afterpilot.report.focus_files import SCALE, as_text, write
from afterpilot.report.meters import DayUse, meters

DAY, MONTH = date(2026, 3, 29), date(2026, 3, 1)
RATES = {
    "input_tokens": Decimal("0.00000125"),
    "cached_tokens": Decimal("0.000000125"),
    "output_tokens": Decimal("0.00001"),
}


def use(cost: str | None, rates: dict[str, Decimal] | None = None, **more: Any) -> DayUse:
    price = Price("m", "s", "USD", tuple((RATES if rates is None else rates).items()), region=more.pop("region", ""))
    given = {"workflow": "w", "day": DAY, "kind": "production", "model": "m", "price_id": 5, "calls": 3} | more
    sums = {"input_tokens": Decimal(1000), "output_tokens": Decimal(200), "cached_tokens": Decimal(400)}
    return DayUse(price=price, cost=None if cost is None else Decimal(cost), **(sums | given))


def names(one: DayUse) -> list[tuple[str, str]]:
    return [(meter.name, as_text(meter.cost)) for meter in meters(one)]


def test_plain_calls_have_a_row_for_each_meter() -> None:
    """Input without what was cached, cached input, output; each at its own price for a million."""
    assert names(use("0.0028")) == [
        ("Input tokens", "0.00075"),
        ("Cached input tokens", "0.00005"),
        ("Output tokens", "0.002"),
    ]
    assert [(as_text(one.quantity), one.unit, as_text(one.rate)) for one in meters(use("0.0028"))] == [
        ("0.0006", "1000000 Tokens", "1.25"),
        ("0.0004", "1000000 Tokens", "0.125"),
        ("0.0002", "1000000 Tokens", "10.0"),
    ]


def test_a_fee_for_each_call_is_a_meter() -> None:
    """So many requests at so much."""
    assert names(use("0.0328", RATES | {"call": Decimal("0.01")}))[-1] == ("Calls", "0.03")


def test_what_the_sums_of_tokens_cannot_tell_apart_is_one_meter() -> None:
    """Caches written are part of the input's sum and have a rate of their own: output and cached input stand apart, the rest together."""
    rates = RATES | {"cache_write_tokens": Decimal("0.0000015625")}
    assert names(use("0.003", rates)) == [
        ("Cached input tokens", "0.00005"),
        ("Output tokens", "0.002"),
        ("All that was used", "0.00095"),
    ]


def test_a_cost_that_the_endpoint_told_is_one_meter() -> None:
    """Its price has no rates; what was consumed are the calls."""
    (meter,) = meters(use("0.5", {}))
    assert (meter.cost, meter.quantity, meter.consumed, meter.consumed_unit) == (Decimal("0.5"), 1, 3, "Requests")


amounts = st.decimals(0, 10**9, places=21, allow_nan=False)


@given(
    cost=amounts,
    rates=st.dictionaries(st.sampled_from(SORTS), amounts, max_size=6),
    tokens=st.tuples(*[st.integers(0, 10**12)] * 3),
    calls=st.integers(1, 10**9),
)
def test_the_meters_of_a_price_always_add_up_to_its_cost(
    cost: Decimal, rates: dict[str, Decimal], tokens: tuple[int, int, int], calls: int
) -> None:
    """Whatever the rates and sums: to the last digit, and none is below 0."""
    given, output, cached = map(Decimal, tokens)
    one = use(str(cost), rates, calls=calls, input_tokens=given + cached, output_tokens=output, cached_tokens=cached)
    found = meters(one)
    with localcontext() as exact:
        exact.prec = 80
        assert sum(meter.cost for meter in found) == cost
        assert all(meter.cost >= 0 and meter.quantity * meter.rate == meter.cost for meter in found)


def test_calls_without_a_known_cost_make_no_row() -> None:
    """The day's other rows count them; a day of such calls alone has none."""
    found = list(rows(iter([use("0.0028"), use(None, calls=7)]), {}, month=MONTH))
    assert [row["x_UnpricedCallsOfDay"] for row in found] == [7, 7, 7]
    assert list(rows(iter([use(None)]), {}, month=MONTH)) == []


def test_a_row_is_as_the_specification_has_it() -> None:
    """All columns and no other; the day in UTC, an hour shorter when the clocks go forward; nothing else may be null."""
    owned = {"w": Owned("Europe/London", "finance", "Dana Ruiz", "openai")}
    row = next(rows(iter([use("0.0028", region="eu-west", provider="OpenAI")]), owned, month=MONTH))
    assert list(row) == list(COLUMNS)
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
        datetime(2026, 3, 29, tzinfo=UTC),
        datetime(2026, 3, 29, 23, tzinfo=UTC),
    )
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 31, 23, tzinfo=UTC),
    )
    assert {name for name, value in row.items() if value is None} == {
        "ChargeClass", "InvoiceId", "ResourceId", "ResourceName", "ResourceType", "SkuPriceDetails",
    }  # fmt: skip
    assert json.loads(str(row["Tags"])) == {
        "workflow": "w", "team": "finance", "owner": "Dana Ruiz", "kind": "production", "model": "m",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_appears_when_it_is_whole(tmp_path: Path, form: Any) -> None:
    """Rows that break off leave neither a part nor the file of before in pieces."""

    def broken() -> Any:
        yield from rows(iter([use("0.0028")]), {}, month=MONTH)
        raise OSError("gone")

    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(OSError, match="gone"):
        write(broken(), path, form)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "before"


def test_nothing_is_rounded_into_parquet(tmp_path: Path) -> None:
    """An amount with more digits than its decimals hold is an error that names the column."""
    small = use(f"1E-{SCALE + 1}", {})
    with pytest.raises(ValueError, match="BilledCost"):
        write(rows(iter([small]), {}, month=MONTH), tmp_path / "a.parquet", "parquet")
    assert write(rows(iter([small]), {}, month=MONTH), tmp_path / "a.csv", "csv") == 1
