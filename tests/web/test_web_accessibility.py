"""Every page by axe in a real browser: WCAG 2.2 A and AA, in light and dark, at a desk and on a phone."""

from __future__ import annotations

import re

import axe
import chromium
import pytest
from history_site import Site
from serving import served

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium"),
    pytest.mark.skipif(axe.npm() is None, reason="npm is not installed: apt-get install npm"),
]
COLOURS = ("color-contrast",)
VIEWS = ((1280, False, axe.RULES), (390, False, axe.RULES), (1280, True, COLOURS), (390, True, COLOURS))


@pytest.mark.parametrize(("width", "dark", "rules"), VIEWS)
def test_no_page_breaks_a_rule(audited: Site, width: int, dark: bool, rules: tuple[str, ...]) -> None:  # noqa: FBT001
    """No page of the history has anything that axe calls a violation. In the dark only the colours are others."""
    broken: dict[str, list[str]] = {}
    with served(audited.app) as base, chromium.tab() as tab:
        for path in audited.every_page:
            tab.open(base + path, width=width, dark=dark)
            if found := axe.violations(tab, rules):
                broken[path] = found
    assert broken == {}


def test_axe_finds_what_is_wrong(audited: Site) -> None:
    """A picture without words, grey on grey and a field without a name are found: the test can fail."""
    with served(audited.app) as base, chromium.tab() as tab:
        tab.open(f"{base}/ledger", width=1280)
        tab.value(
            "document.querySelector('main').insertAdjacentHTML('beforeend',"
            ' \'<img src="icon.svg"><p style="color:#bbb;background:#ccc">grey</p><input>\')'
        )
        found = {one.split(" ", 1)[0] for one in axe.violations(tab)}
    assert {"image-alt", "label"} <= found


def test_every_route_of_a_page_is_looked_at(audited: Site) -> None:
    """Each route that answers with a page has an address among those that axe looks at."""
    told = [re.sub(r"\?.*", "", path) for path in audited.every_page]
    missed = [route for route in audited.routes if not any(re.fullmatch(route, path) for path in told)]
    assert missed == []
