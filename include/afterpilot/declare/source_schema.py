"""The keys of `source`, for each kind of place that production records lie in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from afterpilot.declare.eval_values import UrlPath
from afterpilot.declare.keys import Keys
from afterpilot.declare.source_values import (
    Auth,
    ColumnOrPath,
    Field_,
    FilesPath,
    PagingOf,
    QueryName,
    QueryValue,
    RowsPath,
    Separator,
    Wanted,
)
from afterpilot.declare.values import Column, Connection, Duration, Name, SomeTime, Table, Words
from afterpilot.domain.source import FieldType, FileFormat

Kind = Literal["sql", "http", "files", "litellm", "litellm_api", "langfuse", "otel"]
_LATE = "how late a row may still arrive"
_CALLS = "what is kept of each call, with its type: names of docs/sources.md, or `{type: text, from: $.a.b}`"
_OWN = "which rows are the workflow's own: name or JSONPath → one of these texts"
_SINCE = "how far back the first pull reaches"


P = TypeVar("P")  # what names a place


class UsageOf(Keys, Generic[P]):
    """Where a row holds what its call used."""

    model: P = Field(description="the model's name, as prices know it")
    input_tokens: P = Field(description="tokens of the request, cached ones included")
    output_tokens: P = Field(description="tokens of the answer")
    cached_tokens: P | None = Field(None, description="those of the request that were read from a cache")
    cache_write_tokens: P | None = Field(None, description="those that were written to a cache for minutes")
    cache_write_1h_tokens: P | None = Field(None, description="those that were written to a cache for an hour")
    input_audio_tokens: P | None = Field(None, description="those of the request that are sound, and not cached")
    cache_audio_read_tokens: P | None = Field(None, description="cached ones that are sound; not in `cached_tokens`")
    input_image_tokens: P | None = Field(None, description="those of the request that are images, and not cached")
    output_audio_tokens: P | None = Field(None, description="those of the answer that are sound")
    output_image_tokens: P | None = Field(None, description="those of the answer that are images")
    web_searches: P | None = Field(None, description="how often the model searched the web")
    storage_searches: P | None = Field(None, description="how often it searched stored files")
    code_executions: P | None = Field(None, description="how often it ran code in a sandbox")
    seconds: P | None = Field(None, description="how long the call took, for prices by the hour")
    audio_seconds: P | None = Field(None, description="how long the sound was, for prices by the hour of sound")
    tier: P | None = Field(None, description="the provider's service tier, such as `batch`")
    region: P | None = Field(None, description="where it ran, for models that cost more in some regions")
    provider: P | None = Field(None, description="who ran the model, where that is not its maker")


UsageColumns = UsageOf[Column]
UsagePlaces = UsageOf[ColumnOrPath]


class Decisions(Keys):
    """Where the production system keeps what people decided."""

    connection: Connection | None = Field(None, description="the database that holds it; the source's unless said")
    table: Table = Field(description="a row for each decision")
    key: Column = Field(description="refers to the source's key")
    time: Column = Field(description="when it was decided")
    decision: Column = Field(description="holds one of the words below")
    minutes: Column | None = Field(None, description="minutes of human time that it took")
    note: Column | None = Field(None, description="what the person noted")
    corrected_fields: dict[Column, Column] = Field({}, description="what it should have been: one of `fields` → column")
    accepted: list[Name] = Field(["accepted"], min_length=1, description="words for: used as it was")
    corrected: list[Name] = Field(["corrected"], description="words for: used after a correction")
    rejected: list[Name] = Field(["rejected"], description="words for: not used")


class SqlSource(Keys):
    """A table in any database that SQLAlchemy speaks to."""

    kind: Kind = Field("sql", description="where the records lie; the other kinds stand below")
    connection: Connection = Field(description="the database, by name; never an address or a password")
    table: Table = Field(description="one row for each unit of work")
    key: Column = Field(description="what makes a row unique")
    time: Column = Field(description="when the row was finished, with its time zone")
    late_by: Duration = Field("0m", validate_default=True, description=_LATE)
    history: SomeTime = Field("28d", validate_default=True, description=_SINCE)
    fields: dict[Column, FieldType] = Field(min_length=1, description="columns that are kept, each with its type")
    personal: list[Column] = Field([], description="those of `fields` that are redacted when written")
    usage: UsageColumns | None = Field(None, description="columns for cost; without them the cost is unknown")
    decisions: Decisions | None = Field(None, description="what people decided on the rows")


class _Rows(Keys):
    """What rows of JSON, CSV or Parquet share."""

    kind: Kind
    key: Column = Field(description="what makes a row unique: a name of the row, or one of `fields`")
    time: Column = Field(description="when the row was finished: a name of the row, or one of `fields`")
    late_by: Duration = Field("0m", validate_default=True, description=_LATE)
    history: SomeTime = Field("28d", validate_default=True, description=_SINCE)
    fields: dict[Column, Field_] = Field(min_length=1, description="what is kept, each with its type")
    personal: list[Column] = Field([], description="those of `fields` that are redacted when written")
    where: dict[ColumnOrPath, Wanted] = Field({}, description=_OWN)
    usage: UsagePlaces | None = Field(None, description="where the cost comes from; without it the cost is unknown")
    decisions: Decisions | None = Field(None, description="what people decided on the rows, in a database")


class HttpSource(_Rows):
    """A JSON API over HTTP."""

    connection: Connection = Field(description="the service, by name; the connection's password is its token")
    path: UrlPath = Field(description="below the connection's address")
    rows: RowsPath = Field(description="where a page holds its rows")
    query: dict[QueryName, QueryValue] = Field({}, description="parameters of the query")
    paging: PagingOf | None = Field(None, description="how the next page is asked for; none unless said")
    auth: Auth = Field("bearer", validate_default=True, description="how the token is shown")


class FilesSource(_Rows):
    """Files, on this machine or in an object store."""

    path: FilesPath = Field(description="where they lie; `*` stands for any name, `{{ date }}` for each day")
    format: FileFormat | None = Field(None, description="told by the path's end unless said")
    separator: Separator = Field(",", validate_default=True, description="between the columns of a CSV")


class _Calls(Keys):
    """What the places share that AI traffic lies in."""

    kind: Kind
    key: Column = Field("request_id", description="what makes a call unique")
    time: Column = Field("started_at", description="`started_at` or `finished_at`")
    late_by: Duration = Field(
        "1h", validate_default=True, description="how long a call may take, and its log to arrive"
    )
    history: SomeTime = Field("28d", validate_default=True, description=_SINCE)
    fields: dict[Column, Field_] = Field(min_length=1, description=_CALLS)
    personal: list[Column] = Field([], description="those of `fields` that are redacted when written")
    where: dict[ColumnOrPath, Wanted] = Field({}, description=_OWN)
    decisions: Decisions | None = Field(None, description="what people decided on the calls, in a database")


class LiteLlmSource(_Calls):
    """The spend logs in the database of a LiteLLM proxy."""

    connection: Connection = Field(description="the proxy's database")
    table: Table = Field("LiteLLM_SpendLogs", validate_default=True, description="the spend logs")


class LiteLlmApiSource(_Calls):
    """The spend logs of a LiteLLM proxy, over its API."""

    connection: Connection = Field(description="the proxy; the connection's password is an admin's key")


class LangfuseSource(_Calls):
    """Observations of Langfuse, over its public API."""

    connection: Connection = Field(description="Langfuse; the public key as login, the secret key as password")


class OtelSource(_Calls):
    """Spans of OpenTelemetry's GenAI conventions in OTLP JSON files."""

    path: FilesPath = Field(description="where the files lie; `*` stands for any name, `{{ date }}` for each day")
    time: Column = Field("finished_at", description="`started_at` or `finished_at`")


class UnknownSource(Keys):
    """A source of a kind that is not known: nothing else can be said about its keys."""

    model_config = ConfigDict(extra="allow")

    kind: Kind


SOURCES: Mapping[str, type[Keys]] = {
    "sql": SqlSource,
    "http": HttpSource,
    "files": FilesSource,
    "litellm": LiteLlmSource,
    "litellm_api": LiteLlmApiSource,
    "langfuse": LangfuseSource,
    "otel": OtelSource,
}
CALLS = ("litellm", "litellm_api", "langfuse", "otel")
Source = Annotated[Any, Words("mapping")]


def kind_of(source: object) -> str:
    """The kind that a source declares, as far as it can be told: ``sql`` unless said."""
    kind = source.get("kind", "sql") if isinstance(source, dict) else "sql"
    return kind if isinstance(kind, str) else ""
