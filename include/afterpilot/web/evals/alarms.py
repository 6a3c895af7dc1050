"""The alarms of a workflow's past: from when to when, how large the drop was, on which evidence, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from afterpilot.record.history.paging import Row
from afterpilot.web.evals.shapes import short
from afterpilot.web.evals.standing import Drop, read_drop, threshold
from afterpilot.web.reading import mapping, number

MOST = 12  # alarms in the list
SURE = 30  # times the threshold: beyond it, how much more says nothing more


@dataclass(frozen=True, slots=True)
class Span:
    """The runs of one alarm, oldest first, and the first run after it (None while it is open)."""

    rows: tuple[Row, ...]
    after: Row | None

    @property
    def end(self) -> datetime:
        """When a run first said that it is over; while it is open, when a run said last that it is not."""
        return (self.after or self.rows[-1])["at"]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm in the list: the run that raised it, when it was over (None while it is open), the drop as its newest run recorded
    it, which is what its incident says, and ``at_first`` where an earlier one said otherwise; the cause, the evidence in words, and
    its incident (None where none is kept).
    """

    at: datetime
    run_id: Any
    over: datetime | None
    over_run: Any
    drop: Drop | None
    at_first: Drop | None
    evidence: str
    false_alarms_per_year: float | None
    cause: str
    incident: Row | None


def spans(rows: Sequence[Row]) -> tuple[Span, ...]:
    """The alarms among results that stand oldest first; a run that could not say neither raises nor ends one."""
    found: list[Span] = []
    under: list[Row] = []
    for row in (row for row in rows if row["valid"]):
        if row["alarm"] == "alarm":
            under.append(row)
        elif under:
            found.append(Span(tuple(under), row))
            under = []
    return (*found, Span(tuple(under), None)) if under else tuple(found)


def alarm_rows(
    past: Sequence[Span], recorded: Mapping[Any, object], incidents: Mapping[Any, Row], evals: object
) -> tuple[AlarmRow, ...]:
    """The alarms, the newest first. ``recorded`` is what each run said of its regression, ``incidents`` those of regressions, both
    by run.
    """
    return tuple(_row(span, recorded, incidents, evals) for span in reversed(past[-MOST:]))


def in_words(evidence: float | None, limit: float) -> str:
    """Evidence against the threshold at which an alarm is raised."""
    if evidence is None:
        return f"Evidence not recorded; the threshold is {short(limit)}"
    if evidence > SURE * limit:
        return f"Evidence far beyond the threshold: {short(limit)}"
    where = "above" if evidence >= limit else "below"
    return f"Evidence {short(evidence)} at its highest, {where} the threshold: {short(limit)}"


def _row(span: Span, recorded: Mapping[Any, object], incidents: Mapping[Any, Row], evals: object) -> AlarmRow:
    strongest_first = sorted(span.rows, key=lambda row: number(row["evidence"]) or 0.0, reverse=True)
    said = [mapping(recorded.get(row["run_id"])) for row in strongest_first]
    drops = [drop for row in span.rows if (drop := read_drop(recorded.get(row["run_id"]), ()))]
    rates = (number(one.get("false_alarms_per_year")) for one in said)
    causes = (one.get("cause") for one in said)
    first, after = span.rows[0], span.after
    return AlarmRow(
        at=first["at"],
        run_id=first["run_id"],
        over=after["at"] if after else None,
        over_run=after["run_id"] if after else None,
        drop=drops[-1] if drops else None,
        at_first=drops[0] if drops and drops[0].points != drops[-1].points else None,
        evidence=in_words(
            number(strongest_first[0]["evidence"]), threshold(next((one for one in said if one), None), evals)
        ),
        false_alarms_per_year=next((rate for rate in rates if rate), None),
        cause=next((cause for cause in causes if isinstance(cause, str) and cause), ""),
        incident=next((incidents[row["run_id"]] for row in span.rows if row["run_id"] in incidents), None),
    )
