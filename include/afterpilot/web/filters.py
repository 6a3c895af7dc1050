"""What a reader asks for in an address: filters and paging, checked before they reach a query."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from fastapi import Request
from starlette.exceptions import HTTPException

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.record.history.runs import RunFilter
from afterpilot.web.access import sight

_DAY_LENGTH = len("2026-11-20")
_EARLIEST, _LATEST = (
    date(1900, 1, 1),
    date(9900, 12, 31),
)  # with room for what is counted from a day, in both directions


@dataclass(slots=True)
class Asked:
    """The query of a request, read field by field; ``problems`` tells what could not be understood."""

    request: Request
    problems: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """A free text, trimmed."""
        return self.request.query_params.get(name, "").strip()

    def choice(self, name: str, allowed: Collection[str], *, default: str = "") -> str:
        """One of a few words; an empty text means any."""
        value = self.request.query_params.get(name, default).strip()
        if value and value not in allowed:
            self.problems.append(f"{name}: {value[:60]!r} is none of {', '.join(sorted(allowed))}")
        return value

    def day(self, name: str) -> date | None:
        """A day as 2026-11-20."""
        value = self.text(name)
        if not value:
            return None
        try:
            found = date.fromisoformat(value)
        except ValueError:
            found = date.min
        if _EARLIEST <= found <= _LATEST:
            return found
        self.problems.append(f"{name}: {value[:60]!r} is not a day such as 2026-11-20")
        return None

    def moment(self, name: str, *, whole_day: bool = False) -> datetime | None:
        """A day as 2026-11-20, whose time may stand in a field of its own (``from_time``), or a moment as 2026-11-20T14:30Z; in UTC
        unless it says otherwise. A day alone is its beginning, or its end where it belongs to the span as a ``whole_day``.
        """
        text, at = self.text(name), self.text(f"{name}_time")
        try:
            if len(text) > _DAY_LENGTH or at:
                found = datetime.fromisoformat(text if len(text) > _DAY_LENGTH else f"{text}T{at}")
                return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            shown = f"{text} {at}".strip()[:60]
            self.problems.append(
                f"{name}: {shown!r} is no day such as 2026-11-20 and no moment such as 2026-11-20T14:30"
            )
            return None
        day = self.day(name)
        return _midnight(day + timedelta(days=1) if whole_day else day) if day else None

    @property
    def after(self) -> str:
        """The cursor of the page asked for."""
        return self.text("after")


def run_filter(asked: Asked) -> RunFilter:
    """The filter of the list of runs, of the workflows that whoever asks sees. A day at the end of the span belongs to it, a moment
    does not.
    """
    since, until = asked.moment("from"), asked.moment("to", whole_day=True)
    if since and until and since >= until:
        asked.problems.append("from: is not before the end of the span")
    return RunFilter(
        workflow=asked.text("workflow"),
        stage=asked.choice("stage", [str(stage) for stage in Stage]),
        verdict=asked.choice("verdict", [str(verdict) for verdict in Verdict]),
        actor=asked.text("actor"),
        since=since,
        until=until,
        only=sight(asked.request).only,
    )


def identity(text: str) -> uuid.UUID:
    """An id from an address. Raises HTTPException 404 for what cannot be one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise HTTPException(404, "This is not the id of anything kept here.") from None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
