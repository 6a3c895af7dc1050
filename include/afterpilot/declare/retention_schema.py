"""The key ``retention`` of ``_fleet.yaml``: how long each class of data is kept."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from afterpilot.declare.keys import Keys
from afterpilot.declare.values import MAX_DAYS, Wrong, days_of, typed
from afterpilot.domain.retention import CLASSES, LEGAL_MINIMUM, OF_CAPS, Retention

_YEARS = re.compile(r"(\d{1,3}) ?y", re.ASCII)
_DAYS_A_YEAR = 366  # whatever years these are, it is kept no shorter


def kept_days(value: Any) -> int:  # noqa: ANN401 - YAML holds anything
    """Read ``400d`` or ``2y`` as days.

    Raises:
        Wrong: it is neither, or longer than ten years.
    """
    match = _YEARS.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return days_of(value)
    days = int(match.group(1)) * _DAYS_A_YEAR
    if not 0 < days <= MAX_DAYS:
        raise Wrong(f"must be at least 1y and at most {MAX_DAYS // _DAYS_A_YEAR}y")
    return days


def _log(value: Any) -> int:  # noqa: ANN401
    if (days := kept_days(value)) < LEGAL_MINIMUM:
        why = f"at least {LEGAL_MINIMUM}d: six months, by articles 19 and 26 of the EU AI Act"
        raise Wrong(f"is shorter than logs have to be kept: {days} days", why)
    return days


def _usage(value: Any) -> int:  # noqa: ANN401
    if (days := _log(value)) < OF_CAPS:
        raise Wrong(f"is shorter than caps may reach back: {days} days", f"at least {OF_CAPS}d")
    return days


Kept = Annotated[int, *typed(kept_days, "whole days or years, such as `400d` or `2y`")]
LogKept = Annotated[int, *typed(_log, f"whole days or years, at least `{LEGAL_MINIMUM}d`")]
UsageKept = Annotated[int, *typed(_usage, f"whole days or years, at least `{OF_CAPS}d`")]


def _says(name: str) -> str:
    one = CLASSES[name]
    return f"{one.holds}; unless said {f'`{one.days}d`' if one.days else 'for good'}"


class FleetRetention(Keys):
    """How long each class of data is kept."""

    records: Kept | None = Field(
        None, description=f"{_says('records')}; `governance.retention` of a workflow says otherwise for its own"
    )
    usage: UsageKept | None = Field(None, description=_says("usage"))
    samples: LogKept | None = Field(None, description=_says("samples"))
    runs: LogKept | None = Field(None, description=_says("runs"))
    messages: LogKept | None = Field(None, description=_says("messages"))
    reviews: LogKept | None = Field(None, description=_says("reviews"))
    ledger: LogKept | None = Field(None, description=_says("ledger"))


def retention_of(document: FleetRetention | None, *, whole: bool) -> Retention:
    """In the domain's words."""
    said = document.model_dump(exclude_none=True) if document else {}
    return Retention(said, whole=whole)
