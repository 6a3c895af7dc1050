"""Whether calls keep the price that they have: those that cost the same, or have no cost for the same reason, and no others."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.domain.charging import charge, stays, unpriced
from afterpilot.domain.prices import COUNTS, SORTS, CallDetails, Price
from afterpilot.domain.record import Usage

_RATES = st.dictionaries(st.sampled_from(SORTS), st.sampled_from([Decimal(0), Decimal("0.01"), Decimal(2)]))
_TOKENS = st.one_of(st.none(), st.integers(-1, 4))


def _price(rates: dict[str, Decimal]) -> Price:
    return Price("m", "s", "USD", tuple((sort, rates[sort]) for sort in SORTS if sort in rates))


_prices = st.one_of(st.builds(_price, _RATES), st.just(Price("m", "s", reason="no price is known for m")))
_details = st.dictionaries(st.sampled_from(COUNTS), st.integers(1, 3), max_size=4).map(
    lambda counts: CallDetails(tuple((sort, counts[sort]) for sort in COUNTS if sort in counts))
)
_calls = st.builds(Usage, st.just("m"), _TOKENS, _TOKENS, st.integers(0, 3), _details)


@settings(deadline=None, max_examples=1000)
@given(_prices, _calls)
def test_nothing_replaces_the_price_that_holds(price: Price, call: Usage) -> None:
    """Whatever a call used: else it would be priced anew each time that somebody looks."""
    found = charge(price, call).price
    assert found is not None
    assert stays(found, price)


@settings(deadline=None, max_examples=1000)
@given(_prices, _prices, _calls)
def test_a_call_keeps_its_price_where_the_new_one_says_the_same(before: Price, now: Price, call: Usage) -> None:
    """No call that would cost something else, or something at all, is left as it is."""
    was, would = charge(before, call), charge(now, call)
    assert was.price is not None
    if stays(was.price, now):
        assert (would.cost, would.currency) == (was.cost, was.currency)


def test_a_sort_of_plain_tokens_that_gets_its_rate() -> None:
    """Calls that lacked it are priced anew, though the new price lacks another sort."""
    before = unpriced(Price("m", "s"), charge(_price({"input_tokens": Decimal(1)}), Usage("m", 0, 1)).unpriced_reason)
    assert "the output tokens of m" in before.reason
    assert not stays(before, _price({"input_tokens": Decimal(1), "output_tokens": Decimal(1)}))
