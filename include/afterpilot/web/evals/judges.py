"""Where the judges stand: as the newest run recorded it, else counted from what they said of answers that people decided on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from afterpilot.domain.intervals import wilson
from afterpilot.domain.judging import FLOOR, LEAST_LABELS
from afterpilot.record.history.paging import Row
from afterpilot.web.reading import listed, mapping, number

Span = tuple[float, float]
_PROBATION = "on probation"
_NO_LABELS = "No person's decision has been compared with its word yet."


@dataclass(frozen=True, slots=True)
class JudgeRow:
    """A judge: None where there is too little to say. ``trusted`` is None where no run has recorded whether it may decide."""

    judge: str
    scorer: str
    labels: int
    trusted: bool | None
    why: str
    agreement: float | None = None
    agreement_interval: Span | None = None
    kappa: float | None = None
    kappa_interval: Span | None = None
    floor: float = FLOOR
    least: int = LEAST_LABELS


def judge_rows(recorded: object, labelled: Sequence[Row], fingerprint: object = None) -> tuple[JudgeRow, ...]:
    """The judges as recorded, else as counted; the run's fingerprint says which scorer is which judge, and on probation."""
    rows = [_recorded(mapping(item)) for item in listed(recorded) if mapping(item)]
    if rows:
        return tuple(rows)
    words: dict[str, list[Row]] = {}
    for row in labelled:
        words.setdefault(row["judge"], []).append(row)
    used = {str(value): name for name, value in mapping(mapping(fingerprint).get("judges")).items()}
    counted = [_counted(judge, found, used) for judge, found in words.items()]
    unmeasured = [
        value for value in used if _PROBATION in value and not any(value.startswith(one[:12]) for one in words)
    ]
    return (*counted, *(JudgeRow("", used[value], 0, trusted=False, why=_NO_LABELS) for value in unmeasured))


def _recorded(item: Mapping[str, Any]) -> JudgeRow:
    trusted = item.get("trusted")
    return JudgeRow(
        judge=str(item.get("judge", "")),
        scorer=str(item.get("scorer", "")),
        labels=int(number(item.get("labels")) or 0),
        trusted=trusted if isinstance(trusted, bool) else None,
        why=str(item.get("why", "")),
        agreement=number(item.get("agreement")),
        agreement_interval=_span(item.get("agreement_interval")),
        kappa=number(item.get("kappa")),
        kappa_interval=_span(item.get("kappa_interval")),
        floor=number(item.get("floor")) or FLOOR,
    )


def _counted(judge: str, rows: Sequence[Row], used: Mapping[str, str]) -> JudgeRow:
    agreed = sum(row["passed"] == row["label"] for row in rows)
    rate = wilson(agreed, len(rows))
    value = next((value for value in used if value.startswith(judge[:12])), None)
    return JudgeRow(
        judge=judge,
        scorer=used[value] if value else "",
        labels=len(rows),
        trusted=None if value is None else _PROBATION not in value,
        why="" if value else "The newest run did not use it.",
        agreement=rate.value,
        agreement_interval=(rate.low, rate.high),
    )


def _span(value: object) -> Span | None:
    ends = [number(part) for part in listed(value)]
    return (ends[0], ends[1]) if len(ends) == 2 and ends[0] is not None and ends[1] is not None else None  # noqa: PLR2004
