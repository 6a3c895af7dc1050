"""Where a workflow's production records lie, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

FieldType = Literal["text", "number", "time", "boolean"]


@dataclass(frozen=True, slots=True)
class UsageColumns:
    """Source columns that hold a call's usage; ``model`` and the token counts are column names, or empty."""

    model: str = ""
    input_tokens: str = ""
    output_tokens: str = ""
    cached_tokens: str = ""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Where the production system keeps what people decided: table and columns, and the words it uses for each outcome."""

    table: str
    key: str
    time: str
    decision: str
    minutes: str = ""
    note: str = ""
    corrected_fields: Mapping[str, str] = field(default_factory=dict)  # what it should have been: source field → column
    accepted: tuple[str, ...] = ("accepted",)
    corrected: tuple[str, ...] = ("corrected",)
    rejected: tuple[str, ...] = ("rejected",)


@dataclass(frozen=True, slots=True)
class Source:
    """The table that the workflow's production records are pulled from."""

    connection: str
    table: str
    key: str
    time: str
    late_by: timedelta
    history: timedelta  # how far back the very first pull reaches
    fields: Mapping[str, FieldType]  # the columns that are kept, by name, with their types
    personal: tuple[str, ...] = ()  # kept columns whose content is redacted when written
    usage: UsageColumns = field(default_factory=UsageColumns)
    decisions: Decisions | None = None
