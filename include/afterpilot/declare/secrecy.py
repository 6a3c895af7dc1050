"""Values that look like secrets. They are refused, never repeated in a message, and never kept."""

from __future__ import annotations

import re

HIDDEN = "(hidden)"
HINT = "name a connection instead, and keep the secret there"

_SECRET = re.compile(
    r"""
      \bsk-(?=[A-Za-z_-]{0,80}\d)[A-Za-z0-9_-]{8,}           # OpenAI, Anthropic and their likes
    | \b(?:xox[a-z]|xapp)-[A-Za-z0-9-]{6,}                   # Slack tokens
    | hooks\.slack\.com/services/[A-Za-z0-9/]{10,}           # Slack webhooks
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                          # AWS
    | \bAIza[0-9A-Za-z_-]{30,}                               # Google
    | \b(?:gh[pousr]_|github_pat_|glpat-|hf_)[A-Za-z0-9_-]{16,}
    | \beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.       # JSON web tokens
    | -----BEGIN\ [A-Z ]{0,30}PRIVATE\ KEY
    | [A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/@:]{0,200}:[^\s/@]{1,200}@   # a URL with a password
    | \bBearer\ [A-Za-z0-9._~+/-]{16,}
    """,
    re.VERBOSE,
)
# One of these stands in each of them: a text without any need not be searched, which is a hundred times slower.
_MARKS = (
    *("sk-", "xox", "xapp-", "hooks.slack.com", "AKIA", "ASIA", "AIza", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    *("github_pat_", "glpat-", "hf_", "eyJ", "-----BEGIN", "://", "Bearer "),
)


def looks_secret(text: str) -> bool:
    """Whether a part of the text has the form of a key, a token or a URL with a password."""
    return may_hold_secret(text) and _SECRET.search(text) is not None


def may_hold_secret(text: str) -> bool:
    """Whether any part of the text is worth a closer look; where it is not, no line of it looks secret."""
    return any(mark in text for mark in _MARKS)


def lines_with_secrets(text: str) -> list[int]:
    """The numbers of the lines, from 1, that hold something that looks secret."""
    return [number for number, line in enumerate(text.splitlines(), 1) if looks_secret(line)]
