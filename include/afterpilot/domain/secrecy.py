"""What another system said, fit to be shown: without the secret that it may have repeated."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

HIDDEN = "***"


def hidden(text: str, *secrets: str) -> str:
    """The text without these secrets, also where they stand as in an address; the longest first, as one may hold another."""
    forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))} - {""}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def in_brief(text: str, *secrets: str, most: int) -> str:
    """On one line of so many characters, without the secrets. Cut last: a cut before might leave a part of a secret."""
    return " ".join(hidden(text, *secrets).split())[:most]
