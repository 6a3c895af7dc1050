"""Gaps between a bill and the meter, as findings: one for each trouble, however many days and projects it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from afterpilot.decide.bills.causes import Cause, money, sum_of
from afterpilot.decide.bills.rows import Drift, Row
from afterpilot.decide.bills.sheets import Cell, Sheet
from afterpilot.domain.counting import plural
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Finding, Severity

GAP, UNCLEAR = "bills.gap", "bills.incomparable"
_NAMED = 5
_MOST = 5  # projects with the same trouble of the same model that are told one by one
_SURE = "certain that the two sides differ; the cause is what was seen with it"
_TO_DO = {
    "unpriced": "Name the model's price in _fleet.yaml, or let the source report model and tokens.",
    "untagged": "Find out what uses the key of this project without telling: declare it as a workflow, or give it a project of its own.",
    "missing_day": "See why the day is missing on one side: the runs of the stage pull, or the provider's console.",
    "project_unknown": "Correct spend.billed in workflow.yaml: `afterpilot bills show` lists the projects that the bill knows.",
    "not_billed": "Look at the day in the provider's console; a bill that comes late is read again for five days.",
    "overcounted": "See whether the workflow calls through another project or account as well: name it under spend.billed.",
    "price": "Compare both unit prices with the contract, and correct the price in _fleet.yaml: earlier calls are priced anew.",
    "tier": "Let the source report the service tier of each call, or name the tier's price in _fleet.yaml.",
    "other_names": "Nothing is lost; let production report the model's name as the provider bills it.",
    "no_tokens": "Compare the number of calls of the model in the provider's console with that of the meter, then its unit price with the price list.",
    "no_model": "Let the source report such calls of tools, or price them under tools in _fleet.yaml.",
    "currency": "State the account's currency and the prices in the same one.",
    "no_amount": "Look at the line in the provider's console; the day is not known until the bill says its amount.",
}


def gaps(sheet: Sheet, rows: Sequence[Row]) -> Iterator[Finding]:
    """One finding for each project, model and cause, with the days on which it was met; a price that is wrong in a hundred projects is
    one finding.
    """
    same: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.causes:
            same[row.cell.model, row.causes[0].kind][row.project].append(row)
    for (model, kind), projects in same.items():
        if len(projects) > _MOST:
            parts = [_Part(sum_of(row.cell for row in own), own[-1].causes) for own in projects.values()]
            yield _joined(sheet, _about(sheet, "many", model, kind), parts)
        else:
            yield from (_gap(sheet, own) for own in projects.values())


def drifted(sheet: Sheet, found: Sequence[Drift]) -> Iterator[Finding]:
    """Small gaps that add up: one finding for each project, model and cause as well, or one for many projects."""
    same: dict[tuple[str, str], list[Drift]] = defaultdict(list)
    for one in found:
        same[one.cell.model, one.causes[0].kind].append(one)
    for (model, kind), own in same.items():
        if len(own) > _MOST:
            parts = [_Part(one.cell, one.causes) for one in own]
            yield _joined(sheet, _about(sheet, "many", model, f"sum {kind}"), parts)
        else:
            yield from (_drifted(sheet, one) for one in own)


@dataclass(frozen=True, slots=True)
class _Part:
    """A project's part of a trouble that many have."""

    cell: Cell
    causes: tuple[Cause, ...]


def _drifted(sheet: Sheet, drift: Drift) -> Finding:
    cell, cause = drift.cell, drift.causes[0]
    days = f"over {plural(len(cell.days), 'day')} to {cell.days[-1]}"
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=GAP,
        severity=Severity.WARNING,
        title=f"{_of(sheet, sheet.shown_group(cell.group), cell.name)}: {_difference(sheet, cell.bill, cell.meter)} {days}",
        about=_about(sheet, cell.group.name, cell.model, f"sum {cause.kind}"),
        detail=f"Each day is within the tolerance; together they are not. {_why(drift.causes)}",
        evidence={
            **_evidence(sheet, cell, drift.causes),
            "days": [str(day) for day in cell.days],
            "bill": str(cell.bill),
            "meter": str(cell.meter),
            "certainty": _SURE,
            "cost": _cost(sheet, cell.gap),
            "examples": [],
        },
    )


def _gap(sheet: Sheet, rows: Sequence[Row]) -> Finding:
    last, cause = rows[-1], rows[-1].causes[0]
    bill, meter = _sum(rows, "bill"), _sum(rows, "meter")
    days = f"on {last.day}" if len(rows) == 1 else f"on {len(rows)} days to {last.day}"
    what = "bill and meter cannot be compared" if cause.unknown else _difference(sheet, bill, meter)
    later = "" if last.state == "final" else f" The bill of {last.day} may still be corrected."
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNCLEAR if cause.unknown else GAP,
        severity=Severity.UNKNOWN if cause.unknown else Severity.WARNING,
        title=f"{_of(sheet, sheet.shown_group(last.cell.group), last.model)}: {what} {days}",
        about=_about(sheet, last.project, last.cell.model, cause.kind),
        detail=_why(last.causes) + later,
        evidence={
            **_evidence(sheet, last.cell, last.causes),
            "days": [_as_dict(row) for row in rows],
            "certainty": cause.text if cause.unknown else _SURE,
            "cost": "not known: the two sides cannot be compared" if cause.unknown else _cost(sheet, bill - meter),
            "examples": [_example(sheet, row) for row in rows[-_NAMED:]],
        },
    )


def _joined(sheet: Sheet, about: str, found: Sequence[_Part]) -> Finding:
    """The same trouble of many projects, those with the largest gaps first."""
    parts = sorted(found, key=lambda part: (-abs(part.cell.gap), part.cell.group.name))
    worst, unknown = parts[0], parts[0].causes[0].unknown
    bill, meter = (sum((getattr(part.cell, side) for part in parts), Decimal(0)) for side in ("bill", "meter"))
    what = "bill and meter cannot be compared" if unknown else _difference(sheet, bill, meter)
    last = max(day for part in parts for day in part.cell.days)
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNCLEAR if unknown else GAP,
        severity=Severity.UNKNOWN if unknown else Severity.WARNING,
        title=f"{_of(sheet, '', worst.cell.name)}: {what} in {len(parts)} projects, up to {last}",
        about=about,
        detail=f"The largest gap is that of {sheet.shown_group(worst.cell.group)}. {_why(worst.causes)}",
        evidence={
            **_evidence(sheet, worst.cell, worst.causes),
            "project": "",
            "projects": [_part(part.cell) for part in parts],
            "workflows": sorted({slug for part in parts for slug in part.cell.group.workflows}),
            "certainty": worst.causes[0].text if unknown else _SURE,
            "cost": "not known: the two sides cannot be compared" if unknown else _cost(sheet, bill - meter),
            "examples": [
                f"{part.cell.group.name}: {_difference(sheet, part.cell.bill, part.cell.meter)}"
                for part in parts[:_NAMED]
            ],
        },
    )


def _part(cell: Cell) -> dict[str, str]:
    return {
        "project": cell.group.name,
        "bill": str(cell.bill),
        "meter": str(cell.meter),
        "last_day": str(cell.days[-1]),
    }


def _sum(rows: Sequence[Row], side: str) -> Decimal:
    """What is known of a side."""
    return sum((getattr(row, side) or Decimal(0) for row in rows), Decimal(0))


def _of(sheet: Sheet, project: str, model: str) -> str:
    return ", ".join(part for part in (sheet.account.name, project, model) if part)


def _about(sheet: Sheet, project: str, model: str, cause: str) -> str:
    return f"{sheet.account.name}/{project}/{model}/{cause}"


def _difference(sheet: Sheet, bill: Decimal, meter: Decimal) -> str:
    side = "above" if bill > meter else "below"
    return f"the bill is {money(abs(bill - meter), sheet.account.currency)} {side} the meter"


def _why(found: Sequence[Cause]) -> str:
    also = f" Seen as well: {'; '.join(one.text for one in found[1:])}." if found[1:] else ""
    return f"Likely cause: {found[0].text}.{also}"


def _evidence(sheet: Sheet, cell: Cell, found: Sequence[Cause]) -> dict[str, Any]:
    return {
        "account": sheet.account.name,
        "project": cell.group.name,
        "workflows": sorted(cell.group.workflows),
        "model": cell.name,
        "cause": found[0].kind,
        "causes": [one.text for one in found],
        "to_do": _TO_DO[found[0].kind],
    }


def _cost(sheet: Sheet, gap: Decimal) -> str:
    what = "billed beyond what was metered" if gap > 0 else "metered beyond what was billed"
    return f"{money(abs(gap), sheet.account.currency)} {what}"


def _as_dict(row: Row) -> dict[str, Any]:
    told = {name: None if (value := getattr(row, name)) is None else str(value) for name in ("bill", "meter", "gap")}
    return {"day": str(row.day), **told, "unpriced": row.unpriced, "state": row.state, "cause": row.causes[0].text}


def _example(sheet: Sheet, row: Row) -> str:
    currency = sheet.account.currency
    bill, meter = ("not known" if value is None else money(value, currency) for value in (row.bill, row.meter))
    return f"{row.day}: bill {bill}, meter {meter}"
