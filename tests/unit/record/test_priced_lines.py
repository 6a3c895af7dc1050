"""Lines that are priced many at once have the price and the cost that the price book finds for each call alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import Usage
from afterpilot.domain.record_lines import line_of, values_of
from afterpilot.domain.workflow import ModelPrice
from afterpilot.record.spend.priced_lines import PricedLines
from afterpilot.record.spend.pricing import Pricing
from afterpilot.spend.prices import Prices

AT = datetime(2026, 11, 10, tzinfo=UTC)
_PLAIN = {
    "input_tokens": Decimal("0.0000013"),
    "cached_tokens": Decimal("0.00000007"),
    "output_tokens": Decimal("0.000002"),
}


def own(model: str, rates: dict[str, Decimal], **more: Any) -> ModelPrice:
    return ModelPrice(model, tuple(rates.items()), "USD", "", **more)


# Dated, with a fee, free, without a rate for cached tokens, by the hour.
BOOK = Prices(
    [
        own("dated", _PLAIN, valid_to=AT.date()),
        own("dated", {**_PLAIN, "output_tokens": Decimal(3)}, valid_from=AT.date()),
        own("fee", {**_PLAIN, "call": Decimal("0.01")}),
        own("free", dict.fromkeys(_PLAIN, Decimal(0))),
        own("uncached", {sort: rate for sort, rate in _PLAIN.items() if sort != "cached_tokens"}),
        own("machine", {"seconds": Decimal("0.0005")}),
    ]
)
# By size (gemini), by the time of the day (deepseek), unknown, without a name, with signs that COPY escapes.
MODELS = [
    "dated",
    "fee",
    "free",
    "uncached",
    "machine",
    "gemini-2.5-pro",
    "deepseek-chat",
    "nobody-knows",
    "",
    "a\\b\tc",
]
counts = st.one_of(st.none(), st.integers(-1, 3), st.integers(0, 500_000))


@st.composite
def calls(draw: st.DrawFn) -> tuple[datetime, Usage]:
    """A call near a change of prices; some of them nobody can price."""
    at = AT + timedelta(seconds=draw(st.integers(-100_000, 100_000)))
    fits = draw(st.booleans())
    used, answered, cached = draw(counts), draw(counts), draw(st.integers(0, 5))
    details = draw(st.sampled_from([CallDetails(), CallDetails((("seconds", 7),)), CallDetails(tier="batch")]))
    if fits:
        used, answered = (used or 0) + cached + 1, (answered or 0) + 1
    return at, Usage(draw(st.sampled_from(MODELS)), used, answered, cached, details)


@settings(deadline=None, max_examples=300)
@given(st.lists(calls(), min_size=1, max_size=20), st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]))
def test_a_line_is_priced_as_the_book_prices_its_call(
    given_calls: list[tuple[datetime, Usage]], zone: timezone
) -> None:
    """Whatever came before it, and in whatever zone its time is written."""
    pricing = Pricing(BOOK)
    lines = PricedLines(pricing, AT)
    used = {}
    for at, usage in given_calls:
        numbers = (usage.input_tokens, usage.output_tokens, usage.cached_tokens)
        details = None if usage.details.plain else json.dumps(usage.details.as_json())
        call = line_of([usage.model, *(None if n is None else str(n) for n in numbers), details]).split(b"\t")
        _, *found = values_of(lines.call(at.astimezone(zone).isoformat().encode(), *call))
        expected = BOOK.price(usage, at)
        assert expected.price is not None
        used[expected.price.id] = expected.price
        assert found[:5] == values_of(b"\t".join(call))
        assert (int(found[5] or 0), found[6] and Decimal(found[6])) == (expected.price.id, expected.cost)
    assert lines.late == sum(at < AT for at, _ in given_calls)
    assert lines.quarters == {at.replace(minute=at.minute // 15 * 15, second=0) for at, _ in given_calls}
    assert used.items() <= {price.id: price for price in pricing.taken()}.items()


def test_prices_that_were_used_are_given_out_once() -> None:
    """Each batch keeps those that it used, also where an earlier one did."""
    pricing = Pricing(BOOK)
    for _ in range(2):
        PricedLines(pricing, None).call(b"2026-11-10 09:00:00+00", b"fee", b"10", b"1", b"0", b"\\N")
        assert [price.model for price in pricing.taken()] == ["fee"]
    assert pricing.taken() == []


def test_without_prices_a_line_has_none() -> None:
    """Calls are priced when they are summed, then."""
    assert PricedLines(None, None).call(b"2026-11-10 09:00:00+00", b"m", b"1", b"2", b"0", b"\\N") == (
        b"\tm\t1\t2\t0\t\\N\t\\N\t\\N"
    )


@pytest.mark.parametrize("at", [b"10000-01-01 00:00:00+00", b"2026-11-10 09:00:00+00 BC"])
def test_a_time_that_python_does_not_know_is_an_error(at: bytes) -> None:
    """It would be summed in another year."""
    with pytest.raises(ValueError, match=r"isoformat|offset"):
        PricedLines(None, None).call(at, b"m", b"1", b"2", b"0", b"\\N")
