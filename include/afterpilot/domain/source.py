"""Where a workflow's production records lie, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

FieldType = Literal["text", "number", "time", "boolean"]


@dataclass(frozen=True, slots=True)
class UsageColumns:
    """Where a row holds a call's usage; columns or JSONPaths (``$.…``), or empty."""

    model: str = ""
    input_tokens: str = ""
    output_tokens: str = ""
    cached_tokens: str = ""
    details: Mapping[str, str] = field(default_factory=dict)  # by the names of domain.prices.COUNTS and WORDS

    @property
    def places(self) -> tuple[str, ...]:
        """All columns and paths that are named, in the order of the fields."""
        plain = (self.model, self.input_tokens, self.output_tokens, self.cached_tokens)
        return tuple(place for place in (*plain, *self.details.values()) if place)


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
    connection: str = ""  # of the database that holds the table; the source's unless said


PagingKind = Literal["none", "cursor", "page", "offset", "link", "next"]
FileFormat = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True, slots=True)
class Paging:
    """How the pages of a service follow each other.

    ``at`` is the JSONPath of the next cursor or address in a page, ``parameter`` the query's parameter for cursor, page or
    offset, ``size`` the rows asked for in one page as ``size_parameter`` (0: what the service gives), ``total`` the JSONPath
    of how many pages (``page``) or rows (``offset``) there are.
    """

    kind: PagingKind = "none"
    at: str = ""
    parameter: str = ""
    first: int = 1
    size_parameter: str = ""
    size: int = 0
    total: str = ""


@dataclass(frozen=True, slots=True)
class HttpReader:
    """A JSON API: ``rows`` is the JSONPath of a page's rows; texts of ``query`` may hold ``{{ start }}`` and ``{{ end }}``.

    ``auth`` says where the connection's secret goes: ``bearer``, ``basic``, ``none``, or ``header NAME``.
    """

    path: str
    rows: str
    query: Mapping[str, str] = field(default_factory=dict)
    paging: Paging = field(default_factory=Paging)
    auth: str = "bearer"


@dataclass(frozen=True, slots=True)
class FilesReader:
    """Files, here or in an object store; the path may hold ``*`` and ``{{ date }}``."""

    path: str
    format: FileFormat
    separator: str = ","


@dataclass(frozen=True, slots=True)
class LiteLlmTable:
    """LiteLLM's spend logs, in the proxy's own database (the source's connection and table)."""


@dataclass(frozen=True, slots=True)
class LiteLlmApi:
    """LiteLLM's spend logs, over the proxy's API."""

    path: str = "/spend/logs/v2"


@dataclass(frozen=True, slots=True)
class LangfuseReader:
    """Langfuse's observations, over its public API."""

    path: str = "/api/public/v2/observations"


@dataclass(frozen=True, slots=True)
class OtelReader:
    """OpenTelemetry spans in OTLP JSON files; the path as in :class:`FilesReader`."""

    path: str


Reader = HttpReader | FilesReader | LiteLlmTable | LiteLlmApi | LangfuseReader | OtelReader


@dataclass(frozen=True, slots=True)
class Source:
    """Where the workflow's production records are pulled from: a table, unless ``reader`` says what else.

    ``connection`` is empty and ``table`` the path where files are read.
    """

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
    reader: Reader | None = None
    paths: Mapping[str, str] = field(default_factory=dict)  # of kept fields that lie deeper in a row: field → JSONPath
    where: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # the workflow's own rows: name or JSONPath → any of

    @property
    def name(self) -> str:
        """The place in words: ``erp.ai_invoice_runs``, ``crm_api/v1/runs``, ``s3://logs/runs/*.jsonl``."""
        between = "" if not self.connection or self.table.startswith("/") else "."
        return f"{self.connection}{between}{self.table}"
