"""Spend that belongs to no workflow, and who may own it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import SequenceMatcher

from afterpilot.decide.bills.causes import money
from afterpilot.decide.bills.facts import Spender
from afterpilot.decide.bills.sheets import Sheet
from afterpilot.domain.bills import BillLine, family
from afterpilot.domain.counting import plural

_PART = re.compile(r"[^a-z0-9]+")
_EMPTY = {"proj", "project", "team", "wrkspc", "workspace", "prod", "production", "dev", "ai", "the", "default"}
_LIKE = 0.8  # of difflib's ratio: names that differ by a letter or two, or by the order of their parts


@dataclass(frozen=True, slots=True)
class Unowned:
    """What a project that no workflow names cost. ``owner`` is a workflow's slug, empty where nobody can be proposed; ``why`` is
    the evidence for it. ``amount`` is what is known; ``unknown`` lines have none. ``name`` is what the account
    calls the project, empty where that is not known, or no other word than the project itself.
    """

    project: str
    amount: Decimal
    currency: str
    models: tuple[str, ...]
    first: date
    last: date
    owner: str
    person: str
    why: str
    unknown: int = 0
    name: str = ""

    @property
    def shown(self) -> str:
        """The project for people: with its name where the account has one."""
        return f"{self.name} ({self.project})" if self.name else self.project

    @property
    def cost(self) -> str:
        """In words, with what is not known."""
        more = f"{plural(self.unknown, 'line')} without an amount" if self.unknown else ""
        known = money(self.amount, self.currency) if self.amount or not more else ""
        return " and ".join(filter(None, (known, more)))


def unowned(sheet: Sheet) -> tuple[Unowned, ...]:
    """All of an account, the dearest first."""
    lines: dict[tuple[str, str], list[BillLine]] = defaultdict(list)
    for one in sheet.unowned:
        if not one.line.is_usage:
            lines[one.line.project, one.line.currency].append(one.line)
    found = [_unowned(sheet, project, own) for (project, _), own in lines.items()]
    return tuple(sorted(found, key=lambda one: (-one.amount, one.project)))


def _unowned(sheet: Sheet, project: str, lines: Sequence[BillLine]) -> Unowned:
    models = tuple(sorted({line.model for line in lines if line.model}))
    name = sheet.told.names.of.get(project, "")
    days = [line.day for line in lines]
    owner, why = next(
        _proposals(sheet, name or project, models), (None, "no workflow calls these models or is called like that")
    )
    return Unowned(
        project=project,
        amount=sum((line.amount or Decimal(0) for line in lines), Decimal(0)),
        currency=lines[0].currency,
        models=models,
        first=min(days),
        last=max(days),
        owner=owner.slug if owner else "",
        person=owner.person if owner else "",
        why=why,
        unknown=sum(line.amount is None for line in lines),
        name="" if name == project else name,
    )


def _proposals(sheet: Sheet, project: str, models: Sequence[str]) -> Iterator[tuple[Spender, str]]:
    """Workflows that may own it, with the reason, the best first."""
    workflows = {flow.slug: flow for flow in sheet.facts.workflows}
    for flow in workflows.values():
        if project and flow.team and flow.team.casefold() == project.casefold():
            yield flow, f"the team of {flow.slug} is {flow.team}"
    for flow in workflows.values():
        if alike := _alike(project, flow.slug):
            yield flow, alike
    calls: dict[str, int] = defaultdict(int)
    for model in models:
        for slug, number in sheet.metered_by.get(family(model), {}).items():
            calls[slug] += number
    for slug in sorted(calls, key=lambda one: (-calls[one], one)):
        if slug in workflows and calls[slug]:
            named = ", ".join(models[:3])
            only = f"only {slug} calls {named}" if len(calls) == 1 else f"{slug} calls {named} most"
            yield workflows[slug], only


def _alike(project: str, slug: str) -> str:
    """Why two names are alike; empty where they are not."""
    one, other = _parts(project), _parts(slug)
    if shared := sorted(one & other):
        return f"{project} and {slug} share {', '.join(shared)}"
    joined = ["".join(sorted(parts)) for parts in (one, other)]
    if all(joined) and SequenceMatcher(None, joined[0], joined[1]).ratio() >= _LIKE:
        return f"{project} is nearly called like {slug}"
    return ""


def _parts(name: str) -> set[str]:
    """The words of a name that say something."""
    return {part for part in _PART.split(name.casefold()) if len(part) > 2} - _EMPTY  # noqa: PLR2004 - shorter ones say nothing
