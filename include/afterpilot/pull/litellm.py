"""LiteLLM's spend logs: the proxy's own table, or its API. A row is the same in both (``LiteLLM_SpendLogs`` of its schema).

LiteLLM counts cached tokens in ``prompt_tokens``. A call that the proxy answered from its own cache cost nothing, whatever its
tokens. A good call with no tokens at all was not counted (a stream without usage): its usage is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from afterpilot.domain.prices import tier_of
from afterpilot.domain.record import Usage
from afterpilot.domain.source import LiteLlmApi, Paging, Source
from afterpilot.domain.window import Window
from afterpilot.pull.calls import (
    LONGEST_CALL,
    Call,
    OwnCalls,
    answer_of,
    first,
    first_count,
    looks_into,
    milliseconds,
    used,
    within,
)
from afterpilot.pull.database import demand, engine_of, existing_columns, reading, table_of
from afterpilot.pull.http.client import Client
from afterpilot.pull.http.paging import pages
from afterpilot.pull.json_values import NotJson, loads
from afterpilot.pull.rows import Row, Tally
from afterpilot.pull.shape import bound

TIMES = {"started_at": "startTime", "finished_at": "endTime"}
NEEDED = ("request_id", "startTime", "endTime", "model", "prompt_tokens", "completion_tokens")
_CONTENT = {"input": ("messages", "proxy_server_request"), "output": ("response",)}
_JSON = ("metadata", "request_tags", "messages", "response", "proxy_server_request")
_PLAIN = {"model": "model", "operation": "call_type", "provider": "custom_llm_provider"}
_METADATA = re.compile(r"\$\.metadata\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", re.ASCII)
_PAGE = 100  # the most that the API gives
_BATCH = 1_000


class SpendLogTable:
    """Spend logs in the proxy's database; versions of the table with fewer columns are read as well."""

    def __init__(self, engine_or_url: sa.Engine | str, source: Source) -> None:
        self._given, self._source = engine_or_url, source
        self._own = OwnCalls(source)

    def rows(self, window: Window) -> Iterator[Row]:
        """The workflow's calls of the window, oldest first. Raises SourceError."""
        with reading(engine_of(self._given)) as connection:
            types = existing_columns(connection, self._source.table)
            demand(self._source.table, types, NEEDED)
            wanted = [name for name in types if self._read(name)]
            place = table_of(self._source.table, types)
            at = place.c[TIMES[self._source.time]]
            inside = (at >= bound(window.start, at.type), at < bound(window.end, at.type))
            own = chosen(place, self._source) if connection.dialect.name == "postgresql" else []
            columns = (place.c[name] for name in wanted)
            statement = sa.select(*columns).where(*inside, *own).order_by(at, place.c.request_id)
            streaming = connection.execution_options(stream_results=True, yield_per=_BATCH)
            for found in streaming.execute(statement).mappings():
                row = _row(self._own, dict(found))
                if row is not None:
                    yield row

    def _read(self, column: str) -> bool:
        """Whether the column is read: what people asked and got answered only where the declaration keeps it."""
        for name, columns in _CONTENT.items():
            if column in columns:
                return looks_into(self._source, (name, column))
        return True


class SpendLogApi:
    """Spend logs over the proxy's API."""

    def __init__(self, client: Client, reader: LiteLlmApi, source: Source, tally: Tally) -> None:
        self._client, self._reader, self._source, self._tally = client, reader, source, tally
        self._own = OwnCalls(source)

    def rows(self, window: Window) -> Iterator[Row]:
        """The workflow's calls of the window, and others around it. Raises SourceError."""
        early = LONGEST_CALL if self._source.time == "finished_at" else timedelta(0)
        query = [
            ("start_date", _written(window.start - early)),
            ("end_date", _written(window.end + timedelta(seconds=1))),
            ("sort_by", "startTime"),
            ("sort_order", "asc"),
        ]
        # Newer proxies cap the total that they tell: only an empty page is an end.
        paging = Paging("page", parameter="page", size_parameter="page_size", size=_PAGE)
        for page in pages(self._client, self._reader.path, query, rows="$.data[*]", paging=paging):
            for found in page:
                if not isinstance(found, Mapping):
                    self._tally.skipped["row that is no JSON object"] += 1
                elif (row := _row(self._own, found)) is not None:
                    yield row


def call_of(row: Mapping[str, Any]) -> Call:
    """A row of the spend logs under the names of all calls."""
    meta, request = within(row, "metadata"), within(row, "proxy_server_request")
    usage, more = within(meta, "usage_object"), within(meta, "additional_usage_values")
    split, written = within(meta, "cost_breakdown"), within(usage, "cache_creation")
    asked, answered = tuple(within(usage, name) for name in ("prompt_tokens_details", "completion_tokens_details"))
    counted = bool(row.get("prompt_tokens") or row.get("completion_tokens")) or row.get("status") == "failure"
    whole = row.get("completionStartTime") == row.get("endTime")
    return {
        "request_id": row.get("request_id"),
        "trace": first(row.get("session_id")),
        "started_at": row.get("startTime"),
        "finished_at": row.get("endTime"),
        "operation": row.get("call_type"),
        "provider": first(row.get("custom_llm_provider")),
        "model": row.get("model"),
        "model_asked": first(row.get("model_group"), row.get("model")),
        "input_tokens": row.get("prompt_tokens") if counted else None,
        "cached_tokens": first_count(
            within(asked, "cached_tokens"),
            within(usage, "cache_read_input_tokens"),
            within(more, "prompt_tokens_details", "cached_tokens"),
            within(more, "cache_read_input_tokens"),
        ),
        "cache_write_tokens": first_count(
            within(usage, "cache_creation_input_tokens"),
            within(asked, "cache_write_tokens"),
            within(asked, "cache_creation_tokens"),
            within(more, "cache_creation_input_tokens"),
        ),
        "cache_write_1h_tokens": first_count(
            within(asked, "cache_creation_token_details", "ephemeral_1h_input_tokens"),
            within(written, "ephemeral_1h_input_tokens"),
        ),
        "input_audio_tokens": first_count(within(asked, "audio_tokens")),
        "input_image_tokens": first_count(within(asked, "image_tokens")),
        "output_tokens": row.get("completion_tokens") if counted else None,
        "output_audio_tokens": first_count(within(answered, "audio_tokens")),
        "reasoning_tokens": first_count(within(answered, "reasoning_tokens")),
        "web_searches": first_count(
            within(usage, "server_tool_use", "web_search_requests"), within(asked, "web_search_requests")
        ),
        "tier": tier_of(first(within(split, "service_tier"), within(usage, "service_tier"))) or None,
        "region": first(within(split, "vertex_location"), within(split, "data_residency")),
        "cost": row.get("spend"),
        "latency_ms": first(row.get("request_duration_ms"), milliseconds(row.get("startTime"), row.get("endTime"))),
        "first_token_ms": None if whole else milliseconds(row.get("startTime"), row.get("completionStartTime")),
        "status": first(row.get("status"), within(meta, "status")),
        "error": within(meta, "error_information", "error_message"),
        "user": first(row.get("end_user"), row.get("user")),
        "session": first(row.get("session_id")),
        "team": first(within(meta, "user_api_key_team_alias"), row.get("team_id")),
        "key_name": within(meta, "user_api_key_alias"),
        "tags": row.get("request_tags"),
        "input": first(row.get("messages"), within(request, "messages"), within(request, "input")),
        "output": answer_of(first(row.get("response"))),
    }


def chosen(place: sa.TableClause, source: Source) -> list[sa.ColumnElement[bool]]:
    """What PostgreSQL can tell of the workflow's own calls; never less than :class:`OwnCalls` lets through."""
    conditions: list[sa.ColumnElement[bool]] = []
    for name, values in source.where.items():
        column = place.c.get(_PLAIN.get(name, ""))
        if column is not None:
            conditions.append(column.in_(values))
        elif name == "tags" and (tags := place.c.get("request_tags")) is not None and isinstance(tags.type, JSONB):
            told = (tags.contains([value]) for value in values)
            conditions.append(sa.or_(*told, sa.func.jsonb_typeof(tags) != "array"))
        elif (meta := _METADATA.fullmatch(name)) and isinstance(place.c.get("metadata", sa.column("")).type, JSONB):
            inner = place.c.metadata[tuple(meta[1].split("."))]
            other = (sa.func.jsonb_typeof(inner) == "array", sa.func.jsonb_typeof(place.c.metadata) != "object")
            conditions.append(sa.or_(inner.astext.in_(values), *other))
    return conditions


def _row(own: OwnCalls, found: Mapping[str, Any]) -> Row | None:
    row = {name: _json(value) if name in _JSON else value for name, value in found.items()}
    call = call_of(row)
    hit = str(row.get("cache_hit")).casefold() == "true"
    return own.row(call, row, usage=Usage(used(call).model, 0, 0) if hit else None)


def _json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON column: some versions and databases keep it as text."""
    if not isinstance(value, str):
        return value
    try:
        return loads(value)
    except NotJson:
        return value


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
