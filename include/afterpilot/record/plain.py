"""Values as JSON can hold them, for columns of documents."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.storable import storable_json


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value as JSON can hold it: decimals and times become text, keys become strings."""
    text = json.dumps(value, default=_as_json, allow_nan=False)
    data = json.loads(text)
    return storable_json(data) if "\\u0000" in text or "\\ud" in text else data


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The value as the text of a JSON document that the database takes; see :func:`plain`."""
    text = json.dumps(value, default=_as_json, allow_nan=False)
    return json.dumps(storable_json(json.loads(text))) if "\\u0000" in text or "\\ud" in text else text


def _as_json(value: object) -> object:
    if isinstance(value, Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be kept as evidence")
