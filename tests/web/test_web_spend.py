"""What the pages of spend say of a month: sums, caps, forecasts, and above all what is not known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import chromium
import pytest
import sample_data
import sample_spend
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, mounted
from outline import outline
from sample_spend import INVOICES, LETTERS, REPLIES, SILENT, TRIAGE
from serving import served

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres
from afterpilot.record import tables
from afterpilot.record.history import spend
from afterpilot.web.text import money
from doubles.kept_runs import put_runs

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def spent(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> Iterator[sa.Engine]:
    """A database with a month of spend; nobody may write to it."""
    engine = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    sample_spend.build(engine)
    yield engine
    engine.dispose()


def get(engine: sa.Engine, path: str, **options: Any) -> str:
    response = TestClient(mounted(engine, **options)).get(f"/afterpilot{path}", headers=BROWSER)
    assert response.status_code == 200, response.text
    return response.text


def text_of(html: str) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def section(html: str, name: str) -> str:
    """A section of a page by the id of its heading."""
    start = html.index(f'id="{name}"')
    return html[start : html.index("</section>", start)]


def row_of(html: str, workflow: str) -> str:
    """A workflow's row in the list of all."""
    rows = re.findall(r'<tr><th scope="row" class="named">.*?</tr>', html, re.DOTALL)
    return next(row for row in rows if f">{workflow}<" in row.replace("<wbr>", ""))


def test_what_needs_attention_stands_first(spent: sa.Engine) -> None:
    """What is stopped, then what is not known with the fullest cap before the others, then what nobody has judged."""
    page = get(spent, "/spend")
    order = [name.replace("<wbr>", "") for name in re.findall(r'class="named"><a href="[^"]*">(.*?)</a>', page)]
    assert order == [REPLIES, INVOICES, TRIAGE, LETTERS, SILENT]
    assert "stopped" in row_of(page, REPLIES)
    assert "reached" in row_of(page, REPLIES)
    assert "no run of spend yet" in row_of(page, SILENT)


def test_nothing_unknown_is_green_or_nought(spent: sa.Engine) -> None:
    """Calls without a price make sums lower bounds, are hatched in chart and bar, and are counted; no cap over them passes."""
    page = get(spent, "/spend")
    row = row_of(page, TRIAGE)
    assert "verdict PASS" not in row
    assert 'fill="url(#hatch)"' in row
    assert "at least 4.32 EUR and 60.71 USD" in text_of(row)
    assert "89 %, 10 calls without" in text_of(row)
    assert "The cost of 10 calls is not known (hatched)" in page
    one = get(spent, f"/spend/{TRIAGE}")
    assert "10 of 93 calls. They are in no sum" in one
    reasons = text_of(section(one, "unpriced"))
    assert "no price is known for nobody-knows-1 nobody-knows-1 5" in reasons
    assert "the call to gpt-5 does not say how many tokens it used gpt-5 5" in reasons
    assert "2 calls without a known cost" in one
    assert 'class="c-second"' in one  # the sum's line is dotted once it is a lower bound


def test_what_nobody_has_looked_at_for_hours_is_not_known(spent: sa.Engine) -> None:
    """A cap that was kept then is not said to be kept now; one that was reached stays so."""
    fresh, later = get(spent, "/spend"), get(spent, "/spend", clock=lambda: sample_data.NOW + timedelta(hours=3))
    assert "too long ago to go by" not in text_of(fresh)
    assert "Last looked at 3 h ago : too long ago to go by" in text_of(row_of(later, LETTERS))
    assert "stopped" in row_of(later, REPLIES)
    one = text_of(get(spent, f"/spend/{LETTERS}", clock=lambda: sample_data.NOW + timedelta(hours=3)))
    assert "Unknown: the spend was last looked at 3 h ago" in one


def test_sums_are_those_of_the_meter(spent: sa.Engine) -> None:
    """By model, by kind and by day: each list adds up to what was metered, every currency by itself."""
    page = get(spent, f"/spend/{REPLIES}")
    with spent.connect() as connection:
        rows = [
            row
            for row in spend.by_workflow(connection, date(2026, 11, 1), date(2026, 11, 30))
            if row["workflow"] == REPLIES
        ]
        lines = spend.of_workflow(connection, REPLIES, date(2026, 11, 1), date(2026, 11, 30))
    sums = {row["currency"]: row["cost"] for row in rows}
    for currency, cost in sums.items():
        assert sum((line["cost"] for line in lines if line["currency"] == currency), Decimal(0)) == cost
        assert money(cost, currency) in text_of(page)
    kinds = {
        kind: sum((one["cost"] for one in lines if one["kind"] == kind and one["currency"] == "USD"), Decimal(0))
        for kind in ("eval", "judge")
    }
    said = text_of(section(page, "kinds"))
    assert f"evals {money(kinds['eval'], 'USD')}" in said
    assert f"judges {money(kinds['judge'], 'USD')}" in said


def test_the_forecast_is_drawn_and_said(spent: sa.Engine) -> None:
    """The month's sum has its cap, the band of the interval and its middle; a month that is over has none."""
    with spent.connect() as connection:
        outlook = spend.latest(connection, [INVOICES])[INVOICES]["evidence"]["caps"][0]["forecast"]
    page = get(spent, f"/spend/{INVOICES}")
    assert outlook["expected"] is not None
    assert outlook["words"] in page
    assert 'class="c-band"' in page
    assert 'class="c-expected"' in page
    assert "cap 260.00 USD" in page
    before = get(spent, f"/spend/{INVOICES}?month=2026-10")
    assert "Now, and not in 2026-10: " in text_of(before)
    assert "Now, and not in" not in text_of(get(spent, f"/spend/{INVOICES}"))
    assert 'class="c-band"' not in before
    assert f"{INVOICES} in 2026-10" in text_of(before)


def test_the_charts_share_one_table_of_their_days(spent: sa.Engine) -> None:
    """With each model's part, the day's cost and the month so far, which ends at the month's sum."""
    page = get(spent, f"/spend/{INVOICES}")
    assert page.count("The figures as a table") == 1
    assert "The days as a table" not in page
    table = page[page.index('aria-label="Spend by day"') :].split("</table>")[0]
    heads = re.findall(r'<th scope="col">(.*?)</th>', table)
    assert (heads[0], heads[-4:]) == ("Day", ["Cost", "Month so far", "Calls", "Without a price"])
    rows = [[text_of(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in table.split("</tr>")[1:-1]]
    assert {len(row) for row in rows} == {len(heads)}
    assert all(any(cell.endswith(("USD", "EUR")) for cell in row[1:-4]) for row in rows[:-1])
    assert rows[-1][0] == "The month"
    assert rows[-2][-3] == rows[-1][-4]


def test_a_bill_stands_against_the_meter_day_by_day(spent: sa.Engine) -> None:
    """A day that was not read is unknown, one that was read and has no line cost nothing."""
    page = section(get(spent, f"/spend/{INVOICES}"), "bill-1")
    rows = {found[0]: text_of(found[1]) for found in re.findall(r"<tr><td>(2026-\d\d-\d\d)</td>(.*?)</tr>", page)}
    assert rows["2026-11-11"].startswith("not read")
    assert rows["2026-11-11"].endswith("unknown")
    assert rows["2026-11-07"].startswith("0.00 USD")
    assert rows["2026-11-02"].startswith("7.41 USD")
    assert max(rows) == "2026-11-19"  # today's bill is not out yet
    assert "2 days without a known bill" in text_of(page)


def test_prices_corrections_and_answers_are_shown(spent: sa.Engine) -> None:
    """Which prices the calls had, what a correction changed, and who raised the cap."""
    page = get(spent, f"/spend/{INVOICES}")
    prices = text_of(section(page, "prices"))
    assert "from 200,001 input tokens on" in prices
    assert "own price list contract of 2026" in prices
    assert "6.12 USD own price list 4.90 USD" in text_of(section(page, "repriced"))
    assert "approved by lee.okafor" in text_of(section(page, "told"))
    assert f'href="/afterpilot/spend/{INVOICES}/raise"' in page


def test_spend_that_nobody_owns_has_a_proposed_owner(spent: sa.Engine) -> None:
    """From the newest reconciliation, with its share and why."""
    page = text_of(section(get(spent, "/spend"), "bills"))
    assert "openai 30.20 USD 91 % 100 % 2026-11-18" in page
    assert "proj_lab gpt-5 2.60 USD 2026-11-03 to 2026-11-17 email_triage the only workflow" in page


@pytest.mark.parametrize("path", ["/spend", f"/spend/{INVOICES}"])
@pytest.mark.parametrize("month", ["november", "2026-13", "2026-11-01", "0001-01", "9999-12"])
def test_a_month_that_is_none_is_said_to_be_none(spent: sa.Engine, path: str, month: str) -> None:
    """The page says so, and shows the month of today."""
    page = get(spent, f"{path}?month={month}")
    assert "is not a month such as 2026-11" in page
    assert '<option value="2026-11" selected>' in page


def test_a_month_without_calls_says_so(spent: sa.Engine) -> None:
    """Nothing is drawn for it, and it costs nothing."""
    assert "No call of this month is kept" in get(spent, f"/spend/{INVOICES}?month=2026-08")
    assert "nothing metered" in text_of(get(spent, "/spend?month=2026-08"))


def test_a_workflow_that_never_was_is_not_found(spent: sa.Engine) -> None:
    """404, and the fleet's own address leads to the page of all."""
    client = TestClient(mounted(spent), follow_redirects=False)
    assert client.get("/afterpilot/spend/nobody", headers=BROWSER).status_code == 404
    assert client.get("/afterpilot/spend/_fleet").headers["location"] == "/afterpilot/spend"


@pytest.mark.parametrize("path", ["/spend", f"/spend/{INVOICES}", f"/spend/{TRIAGE}", f"/spend/{SILENT}"])
def test_pages_are_well_formed_and_their_charts_have_words(spent: sa.Engine, path: str) -> None:
    """Elements are closed in order and stand where they may; each picture has a name."""
    page = outline(get(spent, path))
    assert (page.crossed, page.misplaced, page.open) == ([], [], [])
    assert all(page.values("svg", "aria-label"))


def test_what_others_named_is_shown_as_text(ops: sa.Engine) -> None:
    """Models, reasons and workflows are words of other systems: nothing of them becomes markup."""
    evil = '<b onclick="x">"&'
    at = sample_data.NOW - timedelta(days=2)
    from doubles import metered_calls

    row = {
        "at": at,
        "ref": "1",
        "kind": evil,
        "model": evil,
        "input_tokens": 1,
        "output_tokens": 1,
        "cached_tokens": 0,
        "details": None,
    }
    with ops.begin() as connection:
        metered_calls.write(connection, [{"workflow": evil, **row}])
        metered_calls.build(connection, {}, now=sample_data.NOW)
        sample_spend.declare(connection, evil, team=evil)
    for path in ("/spend", "/spend/%3Cb%20onclick=%22x%22%3E%22&"):
        page = get(ops, path)
        assert "<b onclick" not in page
        assert "&lt;b onclick" in page


def test_the_page_of_all_takes_as_many_queries_for_a_thousand_workflows_as_for_ten(ops: sa.Engine) -> None:
    """The number of statements does not grow with the fleet; a hundred workflows are shown, and the rest is counted."""
    statements: list[str] = []
    sa.event.listen(ops, "before_cursor_execute", lambda *given: statements.append(given[2]))
    counts = []
    for first, end in ((0, 10), (10, 1000)):
        with ops.begin() as connection:
            _many(connection, range(first, end))
        statements.clear()
        page = get(ops, "/spend")
        counts.append(len([one for one in statements if one.lstrip().upper().startswith(("SELECT", "WITH"))]))
    assert counts[0] == counts[1] <= 10
    assert page.count('class="named"') == 100
    assert "900 more workflows" in page


def _many(connection: sa.Connection, numbers: range) -> None:
    days = [date(2026, 11, 1) + timedelta(days=n) for n in range(20)]
    sums = {
        "price_id": 0,
        "calls": 5,
        "input_tokens": 100,
        "output_tokens": 10,
        "cached_tokens": 0,
        "kind": "production",
        "model": "m",
    }
    evidence = {
        "caps": [
            {
                "cap": "month",
                "limit": "10",
                "declared": "10",
                "currency": "USD",
                "every": "month",
                "spent": "3",
                "unknown": False,
            }
        ]
    }
    times = dict.fromkeys(("window_start", "window_end", "started_at", "finished_at"), sample_data.NOW)
    slugs = [f"w{number:04}" for number in numbers]
    connection.execute(
        sa.insert(tables.usage_days),
        [{"workflow": slug, "day": day, "cost": Decimal(1), **sums} for slug in slugs for day in days],
    )
    run = {"stage": "spend", "verdict": "PASS", "summary": "", "evidence": evidence, **times}
    put_runs(connection, *({"workflow": slug, **run} for slug in slugs))
    for slug in slugs[:20]:
        sample_spend.declare(connection, slug)


@pytest.mark.browser
@pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium")
def test_pages_of_spend_in_a_browser(spent: sa.Engine) -> None:
    """From a phone to a desk, in light and dark: no complaint, no sideways scrolling, charts as wide as their cards, hatching seen."""
    drawn = "[...document.querySelectorAll('svg.panel')].every(e => e.getBoundingClientRect().width > 200)"
    hatched = "document.querySelectorAll('#hatch rect').length"
    with served(mounted(spent)) as base, chromium.tab() as tab:
        for path in ("/spend", f"/spend/{INVOICES}", f"/spend/{TRIAGE}", f"/spend/{SILENT}"):
            for width, dark in ((360, False), (400, True), (800, False), (1280, True), (1600, False)):
                tab.open(base + path, width=width, dark=dark)
                assert tab.complaints == [], path
                over = tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over == 0, f"{path} is {over} px too wide at {width} px"
                assert tab.value(drawn), path
                assert tab.value(hatched) == 2
