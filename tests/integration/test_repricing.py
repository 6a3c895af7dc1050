"""Calls get the price that the book says now, in one statement, as exactly as Python would, and what changed is written down."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.domain.charging import charge
from afterpilot.domain.prices import COUNTS, OF_INPUT, OF_OUTPUT, PLAIN, SORTS, CallDetails, Price
from afterpilot.domain.record import Record, Usage
from afterpilot.domain.workflow import ModelPrice
from afterpilot.record.ops import Ops
from afterpilot.record.plain import as_text
from afterpilot.record.spend import metering, repricing
from afterpilot.record.spend.pricing import Pricing
from afterpilot.record.spend.replaced_prices import Replacement
from afterpilot.record.tables import prices, repricings, usage, usage_sums
from afterpilot.spend.prices import Prices

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 18, 12, 7, tzinfo=UTC)
SINCE = date(2026, 10, 1)
_OLD = Price("m", "old", reason="no price is known for m")

rates = st.dictionaries(
    st.sampled_from(SORTS), st.decimals(0, 100, allow_nan=False, places=9), min_size=0, max_size=len(SORTS)
)
tokens = st.one_of(st.none(), st.integers(-1, 3), st.integers(0, 2_000_000))


@st.composite
def calls(draw: st.DrawFn) -> Usage:
    """Calls of every kind, some of which nobody can price."""
    names = draw(st.lists(st.sampled_from(COUNTS), unique=True, max_size=4))
    counts = tuple((name, draw(st.integers(1, 500))) for name in COUNTS if name in names)
    of_input = sum(count for name, count in counts if name in OF_INPUT)
    of_output = sum(count for name, count in counts if name in OF_OUTPUT)
    given_tokens, output, cached = draw(tokens), draw(tokens), draw(st.one_of(st.just(0), st.integers(0, 5000)))
    if draw(st.booleans()):  # a call that fits, as most do
        given_tokens, output = (given_tokens or 0) + of_input + cached, (output or 0) + of_output
    return Usage("m", given_tokens, output, cached, CallDetails(counts, draw(st.sampled_from(["", "batch"]))))


def price(some: dict[str, Decimal]) -> Price:
    return Price("m", "s", "USD", tuple((sort, some[sort]) for sort in SORTS if sort in some))


_CHARGED = sa.text(
    f"SELECT charged.fits, charged.cost FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS given ({repricing.COLUMNS}), "
    "(SELECT CAST(:input AS bigint) AS input_tokens, CAST(:output AS bigint) AS output_tokens, "
    "  CAST(:cached AS bigint) AS cached_tokens, CAST(:details AS jsonb) AS details) AS call "
    f"CROSS JOIN LATERAL ({repricing.CHARGED}) AS charged"
)


@pytest.fixture(scope="module")
def connection(postgres: Any) -> Any:
    """A connection that nobody writes on."""
    engine = sa.create_engine(postgres.url("postgres"))
    with engine.connect() as found:
        yield found
    engine.dispose()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some=rates, call=calls())
def test_the_database_charges_as_python_does(connection: sa.Connection, some: dict[str, Decimal], call: Usage) -> None:
    """To the last digit; and of a call that has no cost it says that it does not fit."""
    new = price(some)
    row = repricing.as_row(Replacement(_OLD, new, AT, AT))
    details = None if call.details == PLAIN else as_text(call.details.as_json())
    found = connection.execute(
        _CHARGED,
        {
            "given": json.dumps([row]),
            "input": call.input_tokens,
            "output": call.output_tokens,
            "cached": call.cached_tokens,
            "details": details,
        },
    ).one()
    assert (found.cost, found.fits) == ((cost := charge(new, call).cost), cost is not None)


def own(model: str, output: str = "0.000002", **more: Any) -> ModelPrice:
    plain = {"input_tokens": "0.000001", "cached_tokens": "0.0000001", "output_tokens": output}
    return ModelPrice(model, tuple((sort, Decimal(rate)) for sort, rate in plain.items()), "USD", "", **more)


def written(
    ops: sa.Engine, book: Prices, rows: Sequence[tuple[str, datetime, Usage | None]], workflow: str = "w"
) -> None:
    with Ops(ops).begin() as unit:
        records = [Record(workflow, key, at, {}, used) for key, at, used in rows]
        unit.records.write(records, uuid.uuid4(), pricing=Pricing(book))


def repriced(ops: sa.Engine, book: Prices, *, since: date = SINCE) -> Sequence[sa.Row[Any]]:
    """As the stage of spend does it."""
    with Ops(ops).begin() as unit:
        metering.settle(unit.connection, {}, book)
        found = repricing.reprice(unit.connection, book, since=since)
        metering.settle(unit.connection, {}, book)
    assert_exact(ops)
    return found


def assert_exact(ops: sa.Engine) -> None:
    """Sums and days hold what the calls hold."""
    by_price = "sum(cost), count(*) AS calls FROM usage GROUP BY 1, 2, 3, 4"
    with ops.connect() as connection:
        raw = connection.exec_driver_sql(f"SELECT workflow, kind, model, coalesce(price_id, 0), {by_price}")
        expected = {tuple(row) for row in raw}
        for table in ("usage_sums", "usage_days"):
            summed = connection.exec_driver_sql(
                f"SELECT workflow, kind, model, price_id, sum(cost), sum(calls) FROM {table} GROUP BY 1, 2, 3, 4"
            )
            assert {tuple(row) for row in summed} == expected


def costs(ops: sa.Engine) -> list[Decimal | None]:
    with ops.connect() as connection:
        return list(connection.scalars(sa.select(usage.c.cost).order_by(usage.c.workflow, usage.c.ref)))


def test_a_price_that_was_corrected(ops: sa.Engine) -> None:
    """All its calls cost the new price; what changed stands on record by workflow; a second time nothing changes."""
    rows = [(f"k{i}", AT - timedelta(days=i * 20), Usage("m", 1000, 100)) for i in range(3)]
    before, now = Prices([own("m"), own("other")]), Prices([own("m", "0.000005"), own("other")])
    written(ops, before, [*rows, ("other", AT, Usage("other", 10, 10))])
    written(ops, before, rows[:1], "v")
    found = repriced(ops, now)
    assert [(row.workflow, row.calls, row.old_cost, row.new_cost) for row in sorted(found)] == [
        ("v", 1, Decimal("0.0012"), Decimal("0.0015")),
        ("w", 2, Decimal("0.0024"), Decimal("0.0030")),
        ("w", 1, Decimal("0.0012"), Decimal("0.0015")),
    ]
    assert {(row.first_day, row.last_day) for row in found if row.calls == 2} == {
        (date(2026, 10, 9), date(2026, 10, 29))
    }
    assert costs(ops)[1:4] == [Decimal("0.0015")] * 3
    assert repriced(ops, now) == ()
    with ops.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(repricings)) == 3


def test_what_is_older_keeps_its_price(ops: sa.Engine) -> None:
    """Calls before the day from which on prices are looked at."""
    written(ops, Prices([own("m")]), [("a", AT - timedelta(days=1), Usage("m", 0, 1)), ("b", AT, Usage("m", 0, 1))])
    (row,) = repriced(ops, Prices([own("m", "0.000005")]), since=AT.date())
    assert (row.calls, row.first_day) == (1, AT.date())
    assert costs(ops) == [Decimal("0.000002"), Decimal("0.000005")]


def test_a_price_that_comes_later(ops: sa.Engine) -> None:
    """A model without a price gets one; calls that nobody can price get their own reason, in the same go."""
    rows = [
        ("a", AT, Usage("m", 10, 1)),
        ("b", AT, Usage("m", None, 1)),
        ("c", AT, Usage("m", 1, 1, 5)),
        ("d", AT, None),
    ]
    written(ops, Prices(), rows)
    assert costs(ops) == [None] * 4
    repriced(ops, Prices([own("m")]))
    assert costs(ops) == [Decimal("0.000012"), None, None, None]
    with ops.connect() as connection:
        reasons = connection.execute(
            sa.select(usage.c.ref, prices.c.reason)
            .join_from(usage, prices, prices.c.id == usage.c.price_id)
            .order_by(usage.c.ref)
        )
        said = {row.ref: row.reason for row in reasons}
    assert said["a"] == ""
    assert [words in said[key] for key, words in (("b", "how many tokens"), ("c", "more cached"), ("d", "which model"))]
    assert repriced(ops, Prices([own("m")])) == ()


def test_a_price_that_changed_on_a_day(ops: sa.Engine) -> None:
    """Calls before that day keep their cost."""
    day = date(2026, 11, 10)
    rows = [(f"k{i}", datetime(2026, 11, 9 + i, tzinfo=UTC), Usage("m", 0, 1000)) for i in range(3)]
    written(ops, Prices([own("m")]), rows)
    now = Prices([own("m", valid_to=day), own("m", "0.000005", valid_from=day)])
    assert sum(row.calls for row in repriced(ops, now) if row.old_cost != row.new_cost) == 2
    assert costs(ops) == [Decimal("0.002"), Decimal("0.005"), Decimal("0.005")]


def test_calls_around_a_day_on_which_the_price_changed_are_left_alone(ops: sa.Engine) -> None:
    """They have the price of their day: nothing is looked at or locked."""
    day = date(2026, 11, 10)
    book = Prices([own("m", valid_to=day), own("m", "0.000005", valid_from=day)])
    written(ops, book, [(f"k{i}", AT - timedelta(days=i), Usage("m", 0, 1000)) for i in range(15)])
    statements: list[str] = []
    sa.event.listen(ops, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert repriced(ops, book) == ()
    assert not any("UPDATE usage_" in one for one in statements)


def test_a_month_is_priced_anew_in_one_statement(ops: sa.Engine) -> None:
    """However many models and workflows have other prices now."""
    models = [f"m{i}" for i in range(5)]
    for workflow in ("v", "w"):
        rows = [(f"{m}{n}", AT - timedelta(minutes=n), Usage(m, n, 1)) for m in models for n in range(7)]
        written(ops, Prices([own(m) for m in models]), rows, workflow)
    with Ops(ops).begin() as unit:
        metering.settle(unit.connection, {}, Prices())
    statements: list[str] = []
    sa.event.listen(ops, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert len(repriced(ops, Prices([own(m, "0.000007") for m in models]))) == 10
    assert sum("UPDATE usage_" in one for one in statements) == 1
    with ops.connect() as connection:
        assert connection.scalar(sa.select(sa.func.sum(usage_sums.c.cost))) == sum(filter(None, costs(ops)), Decimal(0))
