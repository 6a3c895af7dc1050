"""The form at a cap in a real browser: people who are no administrators ask, approve, refuse, and are refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import chromium
import pytest
import sqlalchemy as sa
from raise_site import Desk
from review_site import INVOICES, Clock, mounted
from serving import served

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium"),
]
OWNER, DEPUTY = "dana.ruiz", "lee.okafor"


class Screen:
    """One browser that people use after each other."""

    def __init__(self, tab: chromium.Tab, base: str) -> None:
        self.tab = tab
        self.base = base

    def at(self, person: str, slug: str = INVOICES, *, width: int = 1280) -> str:
        """Somebody logs in and opens the form; gives what they read."""
        self.tab.call("Network.clearBrowserCookies")
        self.tab.call("Network.setCookie", name="user", value=person, url=self.base)
        self.tab.open(f"{self.base}/spend/{slug}/raise", width=width)
        assert self.tab.complaints == []
        over = self.tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over == 0, f"{over} px too wide at {width} px"
        return self.text

    @property
    def text(self) -> str:
        """What can be read now."""
        return " ".join(str(self.tab.value("document.body.innerText")).split())

    @property
    def buttons(self) -> list[str]:
        """What can be pressed."""
        return list(self.tab.value("[...document.querySelectorAll('button')].map(e => e.innerText)"))

    def fills(self, **fields: str) -> None:
        """Type into the fields of these ids."""
        for name, text in fields.items():
            self.tab.value(f"document.getElementById('{name}').focus()")
            self.tab.write(text)

    def presses(self, button: str) -> str:
        """Press a button and read the page that comes."""
        self.tab.value("window.before = true")
        self.tab.value(f"[...document.querySelectorAll('button')].find(e => e.innerText == '{button}').click()")
        self.tab.until("!window.before")
        return self.text


@pytest.fixture
def desk(ops: sa.Engine) -> Iterator[Desk]:
    """A workflow whose month is over its cap; to more than 800 USD it takes two."""
    made = Desk(ops)
    made.judged("450")
    yield made
    ops.dispose()


@pytest.fixture
def screen(desk: Desk) -> Iterator[Screen]:
    """The browser."""
    with served(mounted(desk.engine, Clock())) as base, chromium.tab() as tab:
        yield Screen(tab, base)


def test_the_owner_asks_and_the_deputy_approves(desk: Desk, screen: Screen) -> None:
    """Each reads what they need: how the cap stands, that it takes two, who has asked and why; on a phone as well."""
    page = screen.at(OWNER)
    assert "400.00 USD a month: 450.00 USD spent: reached" in page
    assert "to more than 800.00 USD a second person has to approve it" in page
    assert screen.buttons == ["Raise it", "Say no: stop at the cap"]
    screen.fills(to="900 USD", reason="quarter end")
    page = screen.presses("Raise it")
    assert "Your request is kept. A second person has to approve it." in page
    assert "You have asked for this: somebody else of Dana Ruiz, Lee Okafor has to approve it." in page
    assert screen.buttons == ["Take it back"]
    page = screen.at(DEPUTY, width=400)
    assert "dana.ruiz asks to raise the cap (month) to 900.00 USD" in page
    assert "quarter end" in page
    assert screen.buttons == ["Approve", "Refuse"]
    page = screen.presses("Approve")
    assert "The cap is raised, and counts at once." in page
    assert "approved by lee.okafor" in page
    assert desk.answers() == [("approved", Decimal(900), OWNER, DEPUTY)]


def test_the_deputy_refuses_with_a_reason(desk: Desk, screen: Screen) -> None:
    """Without one nothing is kept, and the page says why."""
    screen.at(OWNER)
    screen.fills(to="900 USD", reason="quarter end")
    screen.presses("Raise it")
    screen.at(DEPUTY)
    assert "Say why: it is kept with the answer." in screen.presses("Refuse")
    screen.fills(**{"why-1": "a loop, not work"})
    assert "The cap is not raised." in screen.presses("Refuse")
    assert desk.answers() == [("refused", Decimal(900), OWNER, DEPUTY)]


def test_the_owner_takes_a_request_back(desk: Desk, screen: Screen) -> None:
    """Their own request they cannot approve, but end."""
    screen.at(OWNER)
    screen.fills(to="900 USD", reason="quarter end")
    screen.presses("Raise it")
    screen.fills(**{"why-1": "it was a loop"})
    assert "The cap is not raised." in screen.presses("Take it back")
    assert desk.answers() == [("refused", Decimal(900), OWNER, "")]


def test_others_read_who_may_and_find_no_button(desk: Desk, screen: Screen) -> None:
    """Neither on a workflow's form nor on the fleet's; an owner is no operator."""
    desk.operators("Sam Whitfield", "Ola Berg", second_above="8000 USD")
    for person, slug, who in [
        ("mallory", INVOICES, "Dana Ruiz, Lee Okafor, Sam Whitfield, Ola Berg"),
        (OWNER, "_fleet", "Sam Whitfield, Ola Berg"),
    ]:
        page = screen.at(person, slug)
        assert f"You are logged in as {person} and are not among those who may answer" in page
        assert f"Who may answer: {who}" in page
        assert screen.buttons == []
    page = screen.at("sam.whitfield", "_fleet")
    assert "to more than 8,000.00 USD a second person has to approve it" in page
    assert screen.buttons == ["Raise it"]
    assert desk.answers() == []
