"""The reference of declarations is written from the schema and is current."""

from __future__ import annotations

from pathlib import Path

from afterpilot.declare.expectations import GATE, MEANINGS, OWN_QUALITY, QUALITY, parameters
from afterpilot.declare.reference import page
from afterpilot.domain.scorers import KINDS, SCORERS, SHARED

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "declaration.md"


def test_the_page_is_current() -> None:
    """Anyone who changes a key writes the page anew: python -m afterpilot.declare.reference > docs/reference/declaration.md."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_expectation_and_scorer_stands_in_it() -> None:
    """By name, in backticks."""
    text = page()
    assert [name for name in (*GATE, *QUALITY) if f"`{name}`" not in text] == []
    assert [name for name in SCORERS if f"`{{{name}: " not in text] == []
    assert [name for name in (*SHARED, *KINDS) if name not in text] == []


def test_every_parameter_has_a_kind() -> None:
    """No parameter goes unchecked, and each of our own expectations has a meaning."""
    for table in (GATE, QUALITY):
        for expect in table:
            assert all(parameters(expect, table).values()), expect
    assert MEANINGS.keys() == GATE.keys() | OWN_QUALITY.keys()
