"""Where the heads of the ledger are told outside of its database, beside the weekly messages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

EVERY_DAY = timedelta(days=1)
_PLACE = re.compile(r"([a-z][a-z0-9+]*)://(?:([A-Za-z0-9_.-]+)@)?(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or the prefix of an object store, as declared: ``file:///srv/heads``, ``s3://connection@bucket/prefix``."""

    declared: str
    scheme: str
    connection: str
    path: str

    @classmethod
    def of(cls, text: str) -> Place:
        """Read it.

        Raises:
            ValueError: it is no such place, or a path that does not begin at the root.
        """
        match = _PLACE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no place such as file:///srv/heads or s3://bucket/prefix")
        scheme, connection, path = match.groups()
        if scheme == "file" and not connection and not path.startswith("/"):
            raise ValueError("a path begins at the root: file:///srv/heads")
        return cls(text, scheme, connection or "", path.rstrip("/") or "/")


@dataclass(frozen=True, slots=True)
class Publishing:
    """Where heads are written to, and how often."""

    places: tuple[Place, ...] = ()
    every: timedelta = EVERY_DAY
