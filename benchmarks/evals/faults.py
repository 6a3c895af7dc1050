"""Which fault a request meets: a pure function of case and attempt, so that all tools meet the same ones."""

from __future__ import annotations

import hashlib
from enum import StrEnum

RETRY_AFTER_S = 1.0
SALT = "d"  # of a few tried the one whose first 1,000 cases meet exactly 100 faults


class Fault(StrEnum):
    """What goes wrong with one request."""

    NONE = "none"
    BUSY = "429"
    SERVER = "500"
    CUT = "truncated"
    DROP = "dropped"


SHARES = {Fault.BUSY: 0.05, Fault.SERVER: 0.03, Fault.CUT: 0.01, Fault.DROP: 0.01}


def fault(case: int, attempt: int) -> Fault:
    """The fault of a case's ``attempt``, from 0; each attempt draws anew, with the shares of :data:`SHARES`."""
    digest = hashlib.blake2b(f"{SALT}/{case}/{attempt}".encode(), digest_size=8).digest()
    draw = int.from_bytes(digest) / 2**64
    for kind, share in SHARES.items():
        if draw < share:
            return kind
        draw -= share
    return Fault.NONE
