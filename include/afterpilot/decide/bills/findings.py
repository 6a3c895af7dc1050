"""What is told of an account: gaps, days that nobody read, and spend that nobody owns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from afterpilot.decide.bills.causes import Cause, money
from afterpilot.decide.bills.facts import GRACE, over
from afterpilot.decide.bills.owners import Unowned
from afterpilot.decide.bills.rows import Drift, Row
from afterpilot.decide.bills.sheets import Cell, Sheet
from afterpilot.domain.bills import FLEET
from afterpilot.domain.counting import plural
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity

GAP, UNCLEAR, UNREAD, UNREADABLE, UNOWNED = (
    "bills.gap",
    "bills.incomparable",
    "bills.unread",
    "bills.unreadable",
    "bills.unowned",
)
KINDS = (GAP, UNCLEAR, UNREAD, UNREADABLE, UNOWNED)
_NAMED = 5
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
    "no_model": "Let the source report such calls of tools, or price them under tools in _fleet.yaml.",
    "currency": "State the account's currency and the prices in the same one.",
    "no_amount": "Look at the line in the provider's console; the day is not known until the bill says its amount.",
    "unexplained": "Compare the day in the provider's console with `afterpilot bills show`, line by line.",
}


def gaps(sheet: Sheet, rows: Sequence[Row]) -> Iterator[Finding]:
    """One finding for each project, model and cause, with the days on which it was met."""
    same: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.causes:
            same[row.project, row.cell.model, row.causes[0].kind].append(row)
    for own in same.values():
        yield _gap(sheet, own)


def drifted(sheet: Sheet, drift: Drift) -> Finding:
    """Small gaps that add up."""
    cell, cause = drift.cell, drift.causes[0]
    days = f"over {plural(len(cell.days), 'day')} to {cell.days[-1]}"
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=GAP,
        severity=Severity.WARNING,
        title=f"{_of(sheet, cell.group.name, cell.name)}: {_difference(sheet, cell.bill, cell.meter)} {days}",
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
    bill, meter = (sum((getattr(row, side) or Decimal(0) for row in rows), Decimal(0)) for side in ("bill", "meter"))
    days = f"on {last.day}" if len(rows) == 1 else f"on {len(rows)} days to {last.day}"
    what = "bill and meter cannot be compared" if cause.unknown else _difference(sheet, bill, meter)
    later = "" if last.state == "final" else f" The bill of {last.day} may still be corrected."
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNCLEAR if cause.unknown else GAP,
        severity=Severity.UNKNOWN if cause.unknown else Severity.WARNING,
        title=f"{_of(sheet, last.project, last.model)}: {what} {days}",
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


def unread(sheet: Sheet) -> Iterator[Finding]:
    """Days whose bill nobody has read, although they are over for longer than a bill takes."""
    told = sheet.told
    if told.trouble:
        yield _unreadable(sheet)
    missing = [
        day
        for day in sheet.facts.days
        if day not in told.read and over(day) <= sheet.facts.now - GRACE and day >= _begin(sheet)
    ]
    if not missing:
        return
    last = max(told.read, default=None)
    known = f"the newest day that was read is {last}" if last else "no day was ever read"
    yield Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNREAD,
        severity=Severity.UNKNOWN,
        title=f"The bill of {sheet.account.name} is not known for {_listed(missing)}: {known}",
        about=sheet.account.name,
        detail=told.trouble or "The provider was asked and did not answer for them.",
        evidence={
            "account": sheet.account.name,
            "days": [str(day) for day in missing],
            "read_to": str(last) if last else None,
            "certainty": "a bill that was not read says nothing, not even zero",
            "cost": "not known for these days",
            "to_do": "Mend the connection, then run `afterpilot bills`: days that were missed are read for five weeks.",
            "examples": [],
        },
    )


def _unreadable(sheet: Sheet) -> Finding:
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNREADABLE,
        severity=Severity.UNKNOWN,
        title=f"The bill of {sheet.account.name} cannot be read",
        about=sheet.account.name,
        detail=sheet.told.trouble,
        evidence={
            "account": sheet.account.name,
            "certainty": sheet.told.trouble,
            "cost": "not known; days that were read before stand as they were",
            "to_do": f"Mend the connection {sheet.account.connection}: its password must be an admin key that may read costs and usage.",
            "examples": [],
        },
    )


def nobodys(sheet: Sheet, found: Sequence[Unowned]) -> Iterator[Finding]:
    """Projects that cost something and belong to no workflow."""
    for one in found:
        if one.amount < sheet.account.at_least:
            continue
        named = one.project or "no project"
        proposed = f"Perhaps {one.owner}'s, of {one.person}" if one.owner else "No owner can be proposed"
        days = f"On {one.first}" if one.first == one.last else f"From {one.first} to {one.last}"
        yield Finding(
            workflow=FLEET,
            stage=Stage.BILLS,
            kind=UNOWNED,
            severity=Severity.WARNING,
            title=f"{money(one.amount, one.currency)} of {named} on the bill of {sheet.account.name} belong to no workflow",
            about=f"{sheet.account.name} {one.project}",
            detail=f"{days}. {proposed}: {one.why}.",
            evidence={
                "account": sheet.account.name,
                **unowned_as_dict(one),
                "certainty": "certain that no workflow names the project; the owner is a proposal",
                "cost": f"{money(one.amount, one.currency)} since {one.first}",
                "to_do": f"Name the project under spend.billed of its workflow, e.g. {one.owner}."
                if one.owner
                else "Ask in the provider's console who made the project; declare it, or close it.",
                "examples": [f"models: {', '.join(one.models)}"] if one.models else [],
            },
        )


def unowned_as_dict(one: Unowned) -> dict[str, Any]:
    """For the evidence."""
    return {
        "project": one.project,
        "amount": str(one.amount),
        "currency": one.currency,
        "models": list(one.models),
        "first_day": str(one.first),
        "last_day": str(one.last),
        "proposed_owner": one.owner,
        "proposed_because": one.why,
    }


def _begin(sheet: Sheet) -> date:
    """Since when the account's bill is expected: a new one is read as far back as is looked, an unread one as well."""
    return min(sheet.told.read, default=sheet.facts.first)


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


def _listed(days: Sequence[date]) -> str:
    if len(days) == 1:
        return str(days[0])
    whole = (days[-1] - days[0]).days + 1 == len(days)
    return f"{days[0]} to {days[-1]}" if whole else f"{len(days)} days from {days[0]} to {days[-1]}"
