"""From a checked source to the domain's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from afterpilot.declare import source_schema as schema
from afterpilot.declare.keys import Keys
from afterpilot.declare.source_rules import format_of
from afterpilot.declare.source_values import FieldOf
from afterpilot.domain.prices import COUNTS, WORDS
from afterpilot.domain.source import (
    Decisions,
    FieldType,
    FilesReader,
    HttpReader,
    LangfuseReader,
    LiteLlmApi,
    LiteLlmTable,
    OtelReader,
    Paging,
    Reader,
    Source,
    UsageColumns,
)


def source_of(document: Keys) -> Source:
    """The source of a declaration without problems."""
    declared: Any = document
    reader = _reader(declared)
    fields: Mapping[str, FieldType | FieldOf] = declared.fields
    return Source(
        connection=getattr(declared, "connection", ""),
        table=getattr(declared, "table", "") or getattr(declared, "path", "") or getattr(reader, "path", ""),
        key=declared.key,
        time=declared.time,
        late_by=declared.late_by,
        history=declared.history,
        fields={name: one.type if isinstance(one, FieldOf) else one for name, one in fields.items()},
        personal=tuple(declared.personal),
        usage=_usage(getattr(declared, "usage", None)),
        decisions=_decisions(declared.decisions) if declared.decisions else None,
        reader=reader,
        paths={name: one.path for name, one in fields.items() if isinstance(one, FieldOf) and one.path},
        where=dict(getattr(declared, "where", {})),
    )


def _reader(declared: Any) -> Reader | None:  # noqa: ANN401 - one of the kinds
    match declared:
        case schema.HttpSource():
            paging = declared.paging or Paging()
            return HttpReader(declared.path, declared.rows, dict(declared.query), paging, declared.auth)
        case schema.FilesSource():
            return FilesReader(declared.path, declared.format or format_of(declared.path), declared.separator)
        case schema.OtelSource():
            return OtelReader(declared.path)
    return _FIXED[type(declared)]() if type(declared) in _FIXED else None


_FIXED: Mapping[type[Keys], type[LiteLlmTable | LiteLlmApi | LangfuseReader]] = {
    schema.LiteLlmSource: LiteLlmTable,
    schema.LiteLlmApiSource: LiteLlmApi,
    schema.LangfuseSource: LangfuseReader,
}


def _usage(usage: schema.UsageColumns | schema.UsagePlaces | None) -> UsageColumns:
    if usage is None:
        return UsageColumns()
    given = {name: place for name in (*COUNTS, *WORDS) if (place := getattr(usage, name))}
    return UsageColumns(usage.model, usage.input_tokens, usage.output_tokens, usage.cached_tokens or "", given)


def _decisions(decisions: schema.Decisions) -> Decisions:
    return Decisions(
        table=decisions.table,
        key=decisions.key,
        time=decisions.time,
        decision=decisions.decision,
        minutes=decisions.minutes or "",
        note=decisions.note or "",
        corrected_fields=dict(decisions.corrected_fields),
        accepted=tuple(decisions.accepted),
        corrected=tuple(decisions.corrected),
        rejected=tuple(decisions.rejected),
        connection=decisions.connection or "",
    )
