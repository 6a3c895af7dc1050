"""Which language a text is in."""

from __future__ import annotations

import pytest

from afterpilot.check.custom.languages import known_languages, language_of
from afterpilot.domain.languages import LANGUAGES


def test_the_languages_of_a_declaration_are_those_of_the_model() -> None:
    """No more and no fewer than the installed model can say."""
    assert known_languages() == LANGUAGES


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The invoice does not match the purchase order.", "en"),
        ("Die Rechnung passt nicht zur Bestellung, bitte prüfen.", "de"),
        ("La facture ne correspond pas au bon de commande.", "fr"),
        ("ok, thanks", None),
        ("4711 0815 2342 1234567890 1234567890", None),
        ("", None),
    ],
)
def test_a_language_is_named_where_there_is_enough_text(text: str, language: str | None) -> None:
    """Twenty letters at least."""
    assert language_of(text) == language


def test_hostile_text_ends_and_raises_nothing() -> None:
    """Megabytes, NUL and halves of surrogate pairs."""
    assert language_of("Please pay the invoice now. " * 400_000) == "en"
    assert language_of("\x00\ud800 Please pay the invoice that we have sent") is not None
