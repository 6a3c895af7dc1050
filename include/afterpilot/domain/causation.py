"""The sentence that names the cause of a regression: findings begin with it, messages and screens repeat it when it is over."""

from __future__ import annotations

import re

AS_BEFORE = ", and is as before by now: the drop should end with the next runs"
_SENTENCE = re.compile(r"Cause: (.+?)\.(?= [A-Z0-9]|$)", re.DOTALL)


def cause_sentence(cause: str) -> str:
    """``Cause: our prompt changed (1a2b3c4 → 5d6e7f8).``; empty where no cause is given."""
    return f"Cause: {cause}." if cause else ""


def cause_in(detail: str) -> str:
    """The cause that a finding's detail begins with, as it is told afterwards; empty where it names none."""
    found = _SENTENCE.match(detail)
    return found[1].replace(AS_BEFORE, "") if found else ""
