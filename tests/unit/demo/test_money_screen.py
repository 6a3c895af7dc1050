"""The part of the demo's last screen that is about money, on a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from afterpilot.demo.money_screen import Money, shown_money


def test_what_is_wrapped_stands_further_in_than_where_it_began() -> None:
    """A name is found at the left edge of its part alone."""
    file = io.StringIO()
    money = Money([("the invoices of all our offices", None), ("mails", None)], {}, [], None)
    Console(file=file, width=30, color_system=None).print(shown_money(money))
    lines = file.getvalue().splitlines()
    begun = [line.split()[0] for line in lines if not line.startswith("    ")]
    assert begun == ["the", "mails", "bill"]
    assert len(lines) > len(begun)
    assert all(line.startswith("  ") for line in lines)
