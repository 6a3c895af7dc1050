"""Any two versions of a declaration, held side by side."""

from __future__ import annotations

from audit_site import FIRST, SECOND
from history_site import Site

PAGE = "/declarations/order_replies"


def differences(html: str) -> str:
    return html.split('id="version"', 1)[1].split("The document", 1)[0]


def test_a_version_is_compared_with_any_other(audited: Site) -> None:
    """The older one against the newer one gives the same lines with before and after exchanged."""
    onwards = differences(audited.get(f"{PAGE}?version={SECOND}&against={FIRST}"))
    back = differences(audited.get(f"{PAGE}?version={FIRST}&against={SECOND}"))
    assert onwards.index("20 USD/month") < onwards.index("30 USD/month")
    assert back.index("30 USD/month") < back.index("20 USD/month")
    assert "What differs" in onwards


def test_without_a_choice_it_is_the_version_before(audited: Site) -> None:
    """The page says what the newest version changed; the first one changed nothing."""
    assert "What it changed" in differences(audited.get(PAGE))
    assert "What it changed" not in differences(audited.get(f"{PAGE}?version={FIRST}"))


def test_a_version_that_was_never_loaded(audited: Site) -> None:
    """There is nothing to compare with what was never there."""
    assert audited.client.get(f"/afterpilot{PAGE}?against={'0' * 64}").status_code == 404
