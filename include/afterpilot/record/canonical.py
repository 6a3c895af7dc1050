"""Canonical JSON (RFC 8785): the same document is the same bytes, whoever writes it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import rfc8785

from afterpilot.domain.storable import storable_json
from afterpilot.record.plain import plain

_EXACT = 2**53 - 1  # JSON's numbers are doubles: a larger whole number would lose digits


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The value's canonical form, UTF-8. Decimals, times and whole numbers beyond 2**53 are written as text."""
    try:
        return rfc8785.dumps(value)
    except ValueError:
        return rfc8785.dumps(_exact(storable_json(plain(value))))


def digest(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(value)).digest()


def stamp(moment: datetime) -> str:
    """A moment as entries and documents write it: ``2026-11-22T03:51:12.123456Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _exact(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {str(key): _exact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    return value
