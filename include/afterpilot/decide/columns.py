"""What has become of a source's columns since they were declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from afterpilot.domain.looking import ChangedType, Columns, KnownColumn, LostColumn
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Workflow

_LOST = "the source has lost the column "


def known_columns(
    known: Mapping[str, KnownColumn], columns: Columns, declared: Mapping[str, str]
) -> tuple[Mapping[str, KnownColumn], tuple[ChangedType, ...]]:
    """The columns with the types that count as right, and those that have another one now.

    A type is right that the column had when it was first seen, or when its declared kind was changed last. A column that is
    lost keeps its type, so that it is noticed where it comes back as something else.
    """
    kept = {name: one for name, one in known.items() if name in columns.missing}
    changed = []
    for name, now in columns.types.items():
        before, kind = known.get(name), declared.get(name, "")
        kept[name] = before if before is not None and before.declared == kind else KnownColumn(now, kind)
        if kept[name].type != now:
            changed.append(ChangedType(name, kept[name].type, now))
    return kept, tuple(changed)


def lost_columns(
    known: Mapping[str, datetime], columns: Columns, *, since: datetime
) -> tuple[tuple[LostColumn, ...], datetime | None]:
    """The lost columns, each with the moment from which on rows lack it (``since`` where it is lost only now); and the moment
    from which on rows have to be read again because a column is back, or not declared any more.
    """
    lost = tuple(LostColumn(name, known.get(name, since), instead) for name, instead in columns.missing.items())
    back = [moment for name, moment in known.items() if name not in columns.missing]
    return lost, min(back, default=None)


def withheld(judged: Sequence[Judged], lost: Mapping[str, datetime], *, until: datetime) -> Sequence[Judged]:
    """The judged expectations, without a verdict for those that look at a column which the source has lost: that all its
    values are missing says nothing about the workflow. ``until`` is the end of the judged window.
    """
    gone = {name for name, since in lost.items() if since < until}
    return [_withheld(one, named) if (named := sorted(gone & _columns(one))) else one for one in judged]


def hangs_on_column(connection: str, table: str, name: str) -> str:
    """What all trouble with a column hangs on."""
    return f"column {connection}.{table}.{name}".replace(" .", " ")


def hangs_on_lost(workflow: Workflow, error: str) -> str:
    """The same for an expectation without a verdict; empty where its error names no single lost column."""
    name = error.removeprefix(_LOST)
    if name == error or ", " in name:
        return ""
    return hangs_on_column(workflow.source.connection, workflow.source.table, name)


def _columns(one: Judged) -> set[str]:
    params = one.check.params
    pair = [params.get(name) for name in ("column_A", "column_B")]
    listed = [*params.get("column_list", ()), *params.get("columns", ())]
    return {str(name) for name in (one.check.column, *pair, *listed) if name}


def _withheld(one: Judged, lost: Sequence[str]) -> Judged:
    return replace(
        one,
        success=None,
        observed="",
        failing_total=0,
        failing_keys=(),
        result={},
        error=f"{_LOST}{', '.join(lost)}",
    )
