"""What looks like a secret is found in any text."""

from __future__ import annotations

import pytest

from afterpilot.declare.secrecy import lines_with_secrets, looks_secret


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-a1b2c3d4e5f6",
        "sk-ant-api03-abcdefgh1234",
        "xoxb-123456-abcdef",
        "xapp-1-A0123456",
        "hooks.slack.com/services/T0000/B0000/abc",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ASIA" + "ABCDEFGHIJKLMNOP",
        "AIza" + "a" * 32,
        *(f"gh{kind}_abcdefghijklmnop1234" for kind in "pousr"),
        "github_pat" + "_abcdefghijklmnop",
        "glpat" + "-abcdefghijklmnop12",
        "hf_abcdefghijklmnop1234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "postgresql://app:hunter2@db/shop",
        "Bearer abcdef0123456789abcdef",
    ],
)
def test_each_form_is_found_inside_a_text(secret: str) -> None:
    """The quick look at a few marks misses none of the forms."""
    assert looks_secret(f"before {secret} behind")
    assert lines_with_secrets(f"fine\n{secret}\nfine") == [2]


@pytest.mark.parametrize("text", ["", "risk-free", "https://example.com/a", "Bearer of news", "a fox-hunt", "ask sk-"])
def test_plain_words_are_none(text: str) -> None:
    """People write about risks and addresses."""
    assert not looks_secret(text)
