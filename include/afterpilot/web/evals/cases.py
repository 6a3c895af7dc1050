"""Cases through the last runs: which broke or were fixed since the baseline, which are flaky, which are waived."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from afterpilot.decide.alarm import answerer, flaky
from afterpilot.record.history.paging import Row
from afterpilot.web.evals.reading import counts, passed_share
from afterpilot.web.evals.standing import short_day
from afterpilot.web.reading import day, listed, mapping

NIGHTS = 30  # runs in a strip
MOST = 60  # cases in a list
_HALF = 0.5  # of its epochs: a case that moved by as much has changed sides
_FEW = 2  # runs in a row that it takes to believe one
_STEP, _SIDE = 9, 7  # pixels


@dataclass(frozen=True, slots=True)
class Square:
    """One run of a case, as a square: where it is drawn, its tone, and what it says when pointed at."""

    x: int
    y: int
    side: int
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A case's last outcomes, oldest first, and all of them in words."""

    squares: tuple[Square, ...]
    width: int
    words: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in a list. ``before`` and ``now`` are shares of its epochs that passed, in the baseline and in the newest run."""

    id: str
    before: float | None
    now: float | None
    strip: Strip


@dataclass(frozen=True, slots=True)
class Covered:
    """A case that a tag excuses, and whether it passed in the newest run (None where it was not scored)."""

    case: str
    passed: bool | None


@dataclass(frozen=True, slots=True)
class WaiverRow:
    """A waiver as declared, whether it is over, and the strip of its case; for a tag the cases that it ``covers`` instead."""

    case: str
    tag: str
    until: date | None
    by: str
    why: str
    expired: bool
    strip: Strip | None
    covers: tuple[Covered, ...] = ()


@dataclass(frozen=True, slots=True)
class Sorted:
    """The cases by what an owner has to know of them."""

    broken: tuple[CaseRow, ...] = ()
    slipped: tuple[CaseRow, ...] = ()  # failed in the newest run only: perhaps by chance
    fixed: tuple[CaseRow, ...] = ()
    flaky: tuple[CaseRow, ...] = ()
    failing: tuple[CaseRow, ...] = ()  # in the baseline too
    waivers: tuple[WaiverRow, ...] = field(default=())


def sort_cases(
    rows: Sequence[Row],
    baseline: Mapping[str, float],
    *,
    waivers: object,
    today: date,
    known_flaky: object = None,
    known_broken: Collection[str] = (),
    known_waived: object = None,
) -> Sorted:
    """Sort the cases of the last results (whole rows, oldest first); what the newest valid run has named is known already."""
    rows = rows[-NIGHTS:]
    valid = [row for row in rows if row["valid"]]
    now = mapping(valid[-1]["outcomes"]) if valid else {}
    declared = _waivers(waivers, rows, today, known_waived)
    excused = [row for row in declared if not row.expired]
    waived = {row.case for row in excused if row.case} | {one.case for row in excused for one in row.covers}
    named = {str(mapping(item).get("case", item)) for item in listed(known_flaky)}
    wavering = (named or _flaky(valid, now)) - set(known_broken)
    groups: dict[str, list[CaseRow]] = {name: [] for name in ("broken", "slipped", "fixed", "flaky", "failing")}
    for case in sorted(now):
        share = passed_share(now[case])
        kind = "flaky" if case in wavering else _kind(share, baseline.get(case))
        if kind == "broken" and case not in known_broken and _just_now(_sides(case, valid)):
            kind = "slipped"
        if kind and case not in waived and len(groups[kind]) < MOST:
            groups[kind].append(CaseRow(case, baseline.get(case), share, strip(case, rows)))
    return Sorted(**{name: tuple(found) for name, found in groups.items()}, waivers=declared)


def strip(case: str, rows: Sequence[Row]) -> Strip:
    """The squares of a case: large where it failed, small where it passed, so that colour is not needed."""
    squares = tuple(_square(n, row, mapping(row["outcomes"]).get(case)) for n, row in enumerate(rows))
    failed = sum(square.tone == "bad" for square in squares)
    seen = sum(square.tone in {"bad", "good", "warn"} for square in squares)
    return Strip(squares, max(1, len(squares) * _STEP), _failed_in(failed, seen))


def _failed_in(failed: int, seen: int) -> str:
    if seen == 1:
        return f"{'failed' if failed else 'did not fail'} in the one run that scored it"
    return f"failed in {failed} of the last {seen} runs that scored it" if seen else "no run has scored it"


def _square(place: int, row: Row, outcome: object) -> Square:
    on = short_day(row["at"])
    share = passed_share(outcome)
    if share is None or not row["valid"]:
        return Square(
            place * _STEP,
            2,
            5,
            "none",
            f"{on}: {'not scored' if outcome or not row['valid'] else 'waived, not scored or not there'}",
        )
    passed, scored = listed(outcome)
    if share == 0:
        return Square(place * _STEP, 0, _SIDE + 1, "bad", f"{on}: failed")
    if share == 1:
        return Square(place * _STEP, 2, _SIDE - 2, "good", f"{on}: passed")
    return Square(place * _STEP, 1, _SIDE - 1, "warn", f"{on}: {passed} of {scored} epochs passed")


def _just_now(sides: Sequence[bool]) -> bool:
    """Whether only the newest run failed."""
    return len(sides) < _FEW or sides[-_FEW]


def _kind(now: float | None, before: float | None) -> str:
    if now is None or before is None:
        return ""
    if before - now >= _HALF:
        return "broken"
    if now - before >= _HALF:
        return "fixed"
    return "failing" if now < _HALF else ""


def _flaky(valid: Sequence[Row], cases: Collection[str]) -> set[str]:
    """Cases that waver, by the rule of the run itself, over the runs of the prompt and the model that answered last."""
    answerers = [answerer(mapping(row.get("fingerprint"))) for row in valid]
    same = [mapping(row["outcomes"]) for row, one in zip(valid, answerers, strict=True) if one == answerers[-1]]
    history = {case: [found for run in same if (found := counts(run.get(case))) is not None] for case in cases}
    return {one.case for one in flaky(history)}


def _sides(case: str, valid: Sequence[Row]) -> list[bool]:
    shares = [passed_share(mapping(row["outcomes"]).get(case)) for row in valid]
    return [share >= _HALF for share in shares if share is not None]


def _waivers(waivers: object, rows: Sequence[Row], today: date, known: object) -> tuple[WaiverRow, ...]:
    """Waivers as declared, those that are over first."""
    waived = [mapping(item) for item in listed(known)]
    found = [_waiver(mapping(item), rows, today, waived) for item in listed(waivers)[:MOST]]
    return tuple(sorted(found, key=lambda row: (not row.expired, row.until or date.max, row.case, row.tag)))


def _waiver(
    item: Mapping[str, Any], rows: Sequence[Row], today: date, waived: Sequence[Mapping[str, Any]]
) -> WaiverRow:
    until, case, tag = day(item.get("until")), str(item.get("case") or ""), str(item.get("tag") or "")
    return WaiverRow(
        case=case,
        tag=tag,
        until=until,
        by=str(item.get("by") or "somebody"),
        why=str(item.get("why") or ""),
        expired=until is None or until < today,
        strip=strip(case, rows) if case else None,
        covers=tuple(_covered(one) for one in waived if tag and one.get("tag") == tag),
    )


def _covered(item: Mapping[str, Any]) -> Covered:
    passed = item.get("passed")
    return Covered(str(item.get("case") or ""), passed if isinstance(passed, bool) else None)
