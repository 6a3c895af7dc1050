"""Langfuse's observations, over its public API (v2, with a cursor).

Langfuse keeps usage as kinds that do not overlap (``input``, ``input_cached_tokens``, ``output``, ``output_reasoning_tokens``),
unless the total says that what was sent counts the cached ones twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from afterpilot.domain.source import LangfuseReader, Paging, Source
from afterpilot.domain.window import Window
from afterpilot.pull.calls import (
    LONGEST_CALL,
    Call,
    OwnCalls,
    first,
    first_count,
    in_milliseconds,
    looks_into,
    milliseconds,
    within,
)
from afterpilot.pull.http.client import Client
from afterpilot.pull.http.paging import pages
from afterpilot.pull.rows import Row, Tally

_FIELDS = ("core", "basic", "time", "model", "usage", "prompt", "metrics", "trace_context")
_PAGE = 500
_PAGE_WITH_CONTENT = 100
_OBSERVATIONS = "GENERATION"


class Observations:
    """Generations, as Langfuse calls them. What was asked and answered is fetched only where the declaration keeps it."""

    def __init__(self, client: Client, reader: LangfuseReader, source: Source, tally: Tally) -> None:
        self._client, self._reader, self._source, self._tally = client, reader, source, tally
        self._own = OwnCalls(source)

    def rows(self, window: Window) -> Iterator[Row]:
        """The workflow's calls of the window, and others around it. Raises SourceError."""
        early = LONGEST_CALL if self._source.time == "finished_at" else timedelta(0)
        content = looks_into(self._source, ("input", "output"))
        fields = [
            *_FIELDS,
            *(["io"] if content else []),
            *(["metadata"] if looks_into(self._source, ("metadata",)) else []),
        ]
        query = [
            ("fields", ",".join(fields)),
            ("type", _OBSERVATIONS),
            ("fromStartTime", _written(window.start - early)),
            ("toStartTime", _written(window.end)),
            *(("environment", name) for name in self._source.where.get("environment", ())),
        ]
        size = _PAGE_WITH_CONTENT if content else _PAGE
        paging = Paging("cursor", at="$.meta.cursor", parameter="cursor", size_parameter="limit", size=size)
        for page in pages(self._client, self._reader.path, query, rows="$.data[*]", paging=paging):
            for found in page:
                if not isinstance(found, Mapping):
                    self._tally.skipped["row that is no JSON object"] += 1
                elif (row := self._own.row(call_of(found), found)) is not None:
                    yield row


def call_of(row: Mapping[str, Any]) -> Call:
    """An observation under the names of all calls."""
    failed = row.get("level") == "ERROR"
    return {
        "request_id": row.get("id"),
        "trace": row.get("traceId"),
        "started_at": row.get("startTime"),
        "finished_at": row.get("endTime"),
        "operation": str(row.get("type") or "").lower() or None,
        "name": row.get("name"),
        "model": row.get("model"),
        "model_asked": row.get("model"),
        **_counts(row.get("usageDetails")),
        "cost": first(row.get("totalCost"), within(row, "costDetails", "total")),
        "latency_ms": first(
            in_milliseconds(row.get("latency")), milliseconds(row.get("startTime"), row.get("endTime"))
        ),
        "first_token_ms": in_milliseconds(row.get("timeToFirstToken")),
        "status": "failure" if failed else "success",
        "error": row.get("statusMessage") if failed else None,
        "user": row.get("userId"),
        "session": row.get("sessionId"),
        "tags": row.get("tags"),
        "environment": row.get("environment"),
        "prompt_name": row.get("promptName"),
        "prompt_version": row.get("promptVersion"),
        "input": row.get("input"),
        "output": row.get("output"),
    }


def _counts(details: object) -> dict[str, int | None]:
    """Tokens out of usage by kind; None for what is not told."""
    known = (
        {name: count for name, value in details.items() if (count := first_count(value)) is not None}
        if isinstance(details, Mapping)
        else {}
    )
    cached = _sum(known, lambda name: "cache" in name and "creation" not in name and "write" not in name)
    written = _sum(known, lambda name: "cache" in name and ("creation" in name or "write" in name))
    asked = _sum(known, lambda name: name == "input" or (name.startswith("input_") and "cache" not in name))
    answered = _sum(known, lambda name: name == "output" or name.startswith("output_"))
    if asked is not None and known.get("total") != asked + (answered or 0):
        asked += (cached or 0) + (written or 0)
    return {
        "input_tokens": asked,
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": _sum(known, lambda name: "cache" in name and "1h" in name),
        "input_audio_tokens": _sum(known, lambda name: name.startswith("input_") and _is_of(name, "audio")),
        "input_image_tokens": _sum(known, lambda name: name.startswith("input_") and _is_of(name, "image")),
        "output_tokens": answered,
        "output_audio_tokens": _sum(known, lambda name: name.startswith("output_") and _is_of(name, "audio")),
        "reasoning_tokens": _sum(known, lambda name: name.startswith("output_") and "reasoning" in name),
    }


def _is_of(name: str, modality: str) -> bool:
    return modality in name and "cache" not in name


def _sum(known: Mapping[str, int], of: Any) -> int | None:  # noqa: ANN401 - a predicate
    counts = [count for name, count in known.items() if of(name)]
    return sum(counts) if counts else None


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
