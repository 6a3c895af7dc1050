"""A workflow with thousands of models: a page that can be read, on which nothing is lost, and all of it as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from decimal import Decimal

import pytest
import sample_data
import sample_spend
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, mounted

from afterpilot.domain.prices import Price
from afterpilot.record import tables
from afterpilot.record.spend import prices
from doubles.kept_runs import put_runs

pytestmark = pytest.mark.integration

MANY, SHOWN = 5_000, 50
SLUG = "many_models"


@pytest.fixture
def many(ops: sa.Engine) -> sa.Engine:
    """Five thousand models on one day, each dearer than the one before; of every tenth of them the cost of three calls is unknown."""
    with ops.begin() as connection:
        sample_spend.declare(connection, SLUG)
        _called(connection)
    return ops


def _called(connection: sa.Connection) -> None:
    names = [f"model-{number:04}" for number in range(1, MANY + 1)]
    known = [
        Price(name, "own price list", "USD", (("input_tokens", Decimal(number)),))
        for number, name in enumerate(names, 1)
    ]
    unknown = [Price(name, "", "", reason=f"no price is known for {name} at that time") for name in names[::10]]
    prices.keep(connection, [*known, *unknown])
    row = {
        "workflow": SLUG,
        "day": date(2026, 11, 3),
        "kind": "production",
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": 0,
    }
    priced = [
        row | {"model": one.model, "price_id": one.id, "calls": 2, "cost": Decimal(number) / 100}
        for number, one in enumerate(known, 1)
    ]
    lost = [row | {"model": one.model, "price_id": one.id, "calls": 3, "cost": None} for one in unknown]
    connection.execute(sa.insert(tables.usage_days), [*priced, *lost])
    connection.execute(sa.insert(tables.usage_zones).values(workflow=SLUG, zone="UTC"))


def client(engine: sa.Engine) -> TestClient:
    """The pages."""
    return TestClient(mounted(engine), headers=BROWSER)


def text_of(markup: str) -> str:
    """Its words."""
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def section(page: str, name: str) -> str:
    """The part of the page under a heading."""
    return page[page.index(f'aria-labelledby="{name}"') :].split("</section>", maxsplit=1)[0]


def test_the_dearest_models_and_the_sum_of_all_others(many: sa.Engine) -> None:
    """The page stays small; shown and others add up to the month, and what nobody knows is counted among the others."""
    page = client(many).get(f"/afterpilot/spend/{SLUG}").text
    assert len(page) < 200_000
    models = text_of(section(page, "models"))
    assert "model-5000 50.00 USD" in models
    assert models.count("model-") == SHOWN
    rest = Decimal(sum(range(1, MANY - SHOWN + 1))) / 100
    unknown = 3 * len([number for number in range(1, MANY - SHOWN + 1) if number % 10 == 1])
    assert f"4,950 other models at least {rest:,.2f} USD" in models
    assert f"{2 * (MANY - SHOWN) + unknown:,} {unknown:,} without a price" in models
    assert "4,950 other prices" in text_of(section(page, "prices"))
    reasons = text_of(section(page, "unpriced"))
    assert reasons.count("no price is known for") == SHOWN
    assert "450 more reasons and models various 1,350" in reasons


def test_all_models_as_a_file(many: sa.Engine) -> None:
    """Every one with its cost, its calls and those without a price; the columns add up to the month's sums."""
    answer = client(many).get(f"/afterpilot/spend/{SLUG}/models.csv?month=2026-11")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{SLUG}-2026-11-models.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == MANY
    assert rows[0]["model"] == "model-5000"
    assert sum(Decimal(row["cost"]) for row in rows) == Decimal(sum(range(1, MANY + 1))) / 100
    assert sum(int(row["calls_without_a_price"]) for row in rows) == 3 * MANY // 10
    assert sum(int(row["calls"]) for row in rows) == 2 * MANY + 3 * MANY // 10


def test_a_file_never_calculates_what_others_named(ops: sa.Engine) -> None:
    """A model may call itself anything; in a spreadsheet it stays a name, and an unknown cost an empty cell."""
    evil = '=HYPERLINK("https://evil.example")'
    price = Price(evil, "", "", reason="no price is known")
    row = {
        "workflow": "w",
        "day": date(2026, 11, 3),
        "kind": "production",
        "input_tokens": 1,
        "output_tokens": 1,
        "cached_tokens": 0,
    }
    with ops.begin() as connection:
        prices.keep(connection, [price])
        connection.execute(
            sa.insert(tables.usage_days), [row | {"model": evil, "price_id": price.id, "calls": 1, "cost": None}]
        )
        connection.execute(sa.insert(tables.usage_zones).values(workflow="w", zone="UTC"))
    (found,) = csv.DictReader(io.StringIO(client(ops).get("/afterpilot/spend/w/models.csv").text))
    assert (found["model"], found["cost"], found["calls_without_a_price"]) == (f"'{evil}", "", "1")
    assert client(ops).get("/afterpilot/spend/nobody/models.csv").status_code == 404


def test_a_cap_that_is_reached_says_when_it_was(ops: sa.Engine) -> None:
    """On the page of all the day, on its own the quarter of an hour; neither says a day on which it will be."""
    words = "the cap was reached on 19 November between 14:15 and 14:30 GMT"
    cap = {
        "cap": "month", "limit": "10", "declared": "10", "currency": "USD", "every": "month", "spent": "12", "unknown": False,
        "reached_at": "2026-11-19T14:15:00+00:00", "forecast": {"expected": "16", "low": "15", "high": "17", "crosses": "2026-11-19", "words": words},
    }  # fmt: skip
    times = dict.fromkeys(("window_start", "window_end", "started_at", "finished_at"), sample_data.NOW)
    with ops.begin() as connection:
        sample_spend.declare(connection, SLUG)
        run = {"workflow": SLUG, "stage": "spend", "verdict": "FAIL", "summary": "", "evidence": {"caps": [cap]}}
        put_runs(connection, {**run, **times})
    assert "reached on 19 Nov" in text_of(client(ops).get("/afterpilot/spend").text)
    page = text_of(client(ops).get(f"/afterpilot/spend/{SLUG}").text)
    assert words in page
    assert "reached around" not in page
