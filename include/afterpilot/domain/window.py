"""The half-open span of time that a run covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """``start`` ≤ t < ``end``, both aware UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs aware times")
        if self.start > self.end:
            raise ValueError(f"a window cannot end ({self.end}) before it starts ({self.start})")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def __str__(self) -> str:
        return f"{self.start.astimezone(UTC):%Y-%m-%d %H:%M} to {self.end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.end - self.start

    def reaching_back(self, allowance: timedelta) -> Window:
        """The same window begun earlier by ``allowance``, so that late rows are seen."""
        return Window(self.start - allowance, self.end)
