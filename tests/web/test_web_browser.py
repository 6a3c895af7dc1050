"""Every page in a real browser: no complaint in its console, nothing wider than a phone."""

from __future__ import annotations

import chromium
import pytest
from history_site import Site
from serving import served

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium"),
]


def test_status_cards_cut_no_word(site: Site) -> None:
    """From a phone to a desk: no verdict reaches over the edge of its cell, and no name of a workflow breaks inside a word."""
    wide = "[...document.querySelectorAll('.matrix td, .matrix .sum')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    cut = "[...document.querySelectorAll('.matrix .sum')].filter(e => e.scrollHeight > e.clientHeight + 1).length"
    broken = """[...document.querySelectorAll('.matrix .name')].flatMap(e => [...e.childNodes]).filter(node => {
        const range = document.createRange(); range.selectNodeContents(node); return range.getClientRects().length > 1; }).length"""
    with served(site.app) as base, chromium.tab() as tab:
        for width in (360, 700, 1000, 1100, 1260, 1280, 1600):
            tab.open(f"{base}/", width=width)
            assert [tab.value(each) for each in (wide, cut, broken)] == [0, 0, 0], width


def test_pages_in_a_browser(audited: Site) -> None:
    """At the width of a phone and of a desk, in light and dark: styled, no console error, no sideways scrolling."""
    with served(audited.app) as base, chromium.tab() as tab:
        for path in audited.every_page:
            for width, dark in ((390, False), (1280, True)):
                tab.open(base + path, width=width, dark=dark)
                wrong = [said for said in tab.complaints if "404 (Not Found)" not in said or path not in said]
                assert wrong == [], path
                assert tab.value("getComputedStyle(document.querySelector('.top')).display") == "flex", path
                over = tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over == 0, f"{path} is {over} px too wide at {width} px"
