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


def test_pages_in_a_browser(site: Site) -> None:
    """At the width of a phone and of a desk, in light and dark: styled, no console error, no sideways scrolling."""
    with served(site.app) as base, chromium.tab() as tab:
        for path in site.paths:
            for width, dark in ((400, False), (1280, True)):
                tab.open(base + path, width=width, dark=dark)
                assert tab.complaints == [], path
                assert tab.value("getComputedStyle(document.querySelector('.top')).display") == "flex", path
                over = tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over == 0, f"{path} is {over} px too wide at {width} px"
