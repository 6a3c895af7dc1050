"""The review queue in a real browser: a day's work by keyboard alone, and the same without any script."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import chromium
import pytest
import review_site
import sqlalchemy as sa
from review_site import INVOICES
from serving import served

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium"),
]
ITEM = f"/review/item?workflow={INVOICES}&key="


@pytest.fixture(scope="module")
def tab() -> Iterator[chromium.Tab]:
    """One browser for all of them."""
    with chromium.tab() as opened:
        yield opened


@pytest.fixture
def base(ops: sa.Engine, tab: chromium.Tab) -> Iterator[str]:
    """Six items that wait, and Dana at the screen."""
    review_site.fill(ops)
    with served(review_site.mounted(ops)) as address:
        tab.call("Network.setCookie", name="user", value="dana", url=address)
        yield address
        tab.open("about:blank", width=1280)


def decisions(engine: sa.Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        statement = "SELECT key, decision, note FROM human_decisions ORDER BY decided_at"
        return [(row.key, row.decision, row.note) for row in connection.execute(sa.text(statement))]


def held(engine: sa.Engine) -> list[str]:
    """The items that Dana has."""
    with engine.connect() as connection:
        statement = "SELECT key FROM review_items WHERE reserved_by = 'dana' ORDER BY key"
        return list(connection.scalars(sa.text(statement)))


def test_a_day_by_keyboard(base: str, ops: sa.Engine, tab: chromium.Tab) -> None:
    """Start, correct, reject, accept, go on, see the keys, leave: not one click, and no complaint of the browser."""
    tab.open(f"{base}/review", width=1280)
    tab.press("s")
    tab.until("location.search.includes('key=run-0000')")
    tab.press("c")
    assert tab.value("document.activeElement.name") == "field.total"
    tab.write("435.60")
    assert tab.value("document.querySelector('input[name=decision]:checked').value") == "corrected"
    tab.press("Enter")
    tab.until("location.search.includes('key=run-0001')")
    assert "run-0000" in tab.value("document.querySelector('[role=status]').textContent")
    tab.press("r")
    tab.write("no such supplier")
    tab.press("Enter")
    tab.until("location.search.includes('key=run-0002')")
    tab.press("a", "Enter")
    tab.until("location.search.includes('key=run-0003')")
    assert held(ops) == ["run-0003"]
    tab.press("n")
    tab.until("location.search.includes('key=run-0004')")
    tab.press("p")
    tab.until("location.search.includes('key=run-0003')")
    assert held(ops) == ["run-0003"]
    tab.press("?")
    assert tab.value("document.getElementById('keys').open") is True
    tab.press("Escape")
    assert tab.value("document.getElementById('keys').open") is False
    tab.press("Escape")
    tab.until("location.pathname.endsWith('/review')")
    assert held(ops) == []
    assert decisions(ops) == [
        ("run-0000", "corrected", ""),
        ("run-0001", "rejected", "no such supplier"),
        ("run-0002", "accepted", ""),
    ]
    assert tab.complaints == []


def test_a_rejection_without_a_reason_waits_for_it(base: str, ops: sa.Engine, tab: chromium.Tab) -> None:
    """The next keys are the reason, whatever letters it has: never another decision."""
    tab.open(base + ITEM + "run-0000", width=1280)
    tab.until("document.getElementById('hold').hidden")
    tab.press("r", "Escape", "Enter")
    tab.until("document.getElementById('problems') !== null")
    assert tab.value("document.activeElement.id") == "reason"
    tab.press(*"ace npj")
    assert tab.value("document.getElementById('reason').value") == "ace npj"
    tab.press("Enter")
    tab.until("location.search.includes('key=run-0001')")
    assert decisions(ops) == [("run-0000", "rejected", "ace npj")]


def test_keys_do_nothing_while_somebody_types(base: str, ops: sa.Engine, tab: chromium.Tab) -> None:
    """A reason with the letters a, c, j and ? is a reason; Escape leaves the field first; Enter without a choice saves nothing."""
    tab.open(base + ITEM + "run-0000", width=1280)
    tab.until("document.getElementById('hold').hidden")
    tab.press("e", *"jack?")
    assert tab.value("document.getElementById('reason').value") == "jack?"
    tab.press("Escape")
    assert tab.value("document.activeElement.tagName") == "BODY"
    assert tab.value("document.getElementById('reason').value") == "jack?"
    tab.press("Enter")
    assert "Choose one" in tab.until("document.getElementById('problems') && document.body.textContent")
    assert tab.value("document.getElementById('reason').value") == "jack?"
    assert decisions(ops) == []


def test_opening_reserves_and_going_away_frees(base: str, ops: sa.Engine, tab: chromium.Tab) -> None:
    """Also by a link from elsewhere; whoever closes the page gives the item back."""
    tab.open(base + ITEM + "run-0003", width=1280)
    tab.until("document.getElementById('until').textContent.includes('UTC')")
    assert held(ops) == ["run-0003"]
    tab.open(f"{base}/runs", width=1280)
    tab.until("true")
    for _ in range(100):
        if not held(ops):
            break
        tab.value("0")
    assert held(ops) == []


def test_without_script_everything_can_be_done(base: str, ops: sa.Engine, tab: chromium.Tab) -> None:
    """Reading, taking, deciding, going on: links and forms suffice."""
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(f"{base}/review", width=1280)
        click(tab, "#start button")
        tab.until("location.search.includes('key=run-0000')")
        assert held(ops) == ["run-0000"]
        click(tab, "input[value=rejected] + span")
        tab.value("document.getElementById('reason').focus()")
        tab.write("wrong")
        click(tab, "#decide .button.primary")
        tab.until("location.search.includes('key=run-0001')")
        click(tab, "#leave button")
        tab.until("location.pathname.endsWith('/review')")
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert decisions(ops) == [("run-0000", "rejected", "wrong")]
    assert held(ops) == []


def test_the_pages_fit_a_phone_and_a_desk(base: str, tab: chromium.Tab) -> None:
    """In light and dark: styled, no complaint, no sideways scrolling."""
    for path in ("/review", "/review?state=all", ITEM + "run-0000", ITEM + "run-0003", ITEM + "run-0002"):
        for width, dark in ((360, False), (1280, True)):
            tab.open(base + path, width=width, dark=dark)
            assert tab.complaints == [], path
            over = tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over == 0, f"{path} is {over} px too wide at {width} px"


def click(tab: chromium.Tab, selector: str) -> None:
    """Click in the middle of an element."""
    box = tab.value(
        f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
        " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        tab.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)


def test_an_address_has_no_secret(base: str, ops: sa.Engine, tab: chromium.Tab) -> None:
    """The token travels in the form alone, never in an address that a log or a referrer would keep."""
    tab.open(f"{base}/review", width=1280)
    tab.press("s")
    tab.until("location.search.includes('key=')")
    assert "token" not in urlsplit(tab.value("location.href")).query
