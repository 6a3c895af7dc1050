"""Slices and scorers of a run as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from afterpilot.domain.intervals import Interval, wilson
from afterpilot.web.reading import mapping, number

MOST = 60


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A name with its counted share and the share's interval (None where nothing was counted); ``before`` is the share in the
    baseline, 0 to 1.
    """

    name: str
    passed: int
    of: int
    rate: Interval | None
    before: float | None = None
    mean: float | None = None
    advisory: bool = False


def slice_rows(slices: object, baseline: Sequence[object]) -> tuple[ShareRow, ...]:
    """The tags of the cases, the weakest first, each beside its share over all approved runs together: one run alone would show
    how a flaky case happened to end in it.
    """
    earlier = [mapping(run) for run in baseline]
    rows = [
        _row(name, mapping(item), before=_together([mapping(run.get(name)) for run in earlier]))
        for name, item in mapping(slices).items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.rate.value if row.rate else 2.0, row.name))[:MOST])


def scorer_rows(scorers: object) -> tuple[ShareRow, ...]:
    """The scorers, those that decide first and of them the weakest first."""
    rows = [_row(name, mapping(item)) for name, item in mapping(scorers).items()]
    return tuple(sorted(rows, key=lambda row: (row.advisory, row.rate.value if row.rate else 2.0, row.name))[:MOST])


def _row(name: str, item: Mapping[str, Any], *, before: float | None = None) -> ShareRow:
    passed, of = number(item.get("passed")) or 0, number(item.get("of")) or 0
    return ShareRow(
        name=name,
        passed=int(passed),
        of=int(of),
        rate=_rate(item),
        before=before,
        mean=number(item.get("mean")),
        advisory=item.get("advisory") is True,
    )


def _together(items: Sequence[Mapping[str, Any]]) -> float | None:
    counted = [item for item in items if _rate(item) is not None]
    of = sum(number(item["of"]) or 0 for item in counted)
    return sum(number(item["passed"]) or 0 for item in counted) / of if of else None


def _rate(item: Mapping[str, Any]) -> Interval | None:
    passed, of = number(item.get("passed")), number(item.get("of"))
    if passed is None or of is None or not 0 <= passed <= of or of < 1:
        return None
    return wilson(int(passed), int(of))
