"""Both sides of an account: which lines of its bill and which calls belong together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property

from afterpilot.decide.bills.facts import AccountFacts, Facts, Spender
from afterpilot.domain.bills import BillLine, KeptLine, MeteredDay, family
from afterpilot.domain.spend import BillAccount

Key = tuple["Group", date, str]


@dataclass(frozen=True, slots=True)
class Group:
    """Projects and workflows whose spend is compared as one. Without projects: all that no workflow names, by model."""

    projects: frozenset[str]
    workflows: frozenset[str]

    @property
    def name(self) -> str:
        """The projects; empty where none is declared."""
        return ", ".join(sorted(self.projects))


@dataclass(frozen=True, slots=True)
class Cell:
    """A group's bill and calls of one model, of one day or of several."""

    group: Group
    model: str  # its family
    days: tuple[date, ...]
    lines: tuple[BillLine, ...]
    calls: tuple[MeteredDay, ...]

    @property
    def bill(self) -> Decimal:
        """What the lines that tell an amount come to."""
        return sum((line.amount for line in self.lines if line.amount is not None), Decimal(0))

    @property
    def meter(self) -> Decimal:
        """What the calls with a price come to."""
        return sum((one.cost for one in self.calls if one.cost is not None), Decimal(0))

    @property
    def gap(self) -> Decimal:
        """By how much the bill is above the meter."""
        return self.bill - self.meter

    @property
    def unpriced(self) -> int:
        """Calls whose cost nobody knows."""
        return sum(one.calls for one in self.calls if one.cost is None)

    @property
    def name(self) -> str:
        """The model as the bill calls it, else as the calls do."""
        named = (*(line.model for line in self.lines), *(one.model for one in self.calls))
        return next((name for name in named if name), "")

    def beyond(self, account: BillAccount) -> bool:
        """Whether the two sides differ by more than the account tolerates."""
        allowed = account.tolerance * max(abs(self.bill), abs(self.meter))
        return abs(self.gap) >= account.at_least and abs(self.gap) > allowed


class Sheet:
    """One account: the groups, what each was billed and called on each day by model, and the lines that are nobody's."""

    def __init__(self, facts: Facts, told: AccountFacts) -> None:
        self.facts, self.told, self.account = facts, told, told.account
        self.groups = tuple(_groups(self.account, facts.workflows))
        self._of_project = {project: group for group in self.groups for project in group.projects}
        self._rest = next((group for group in self.groups if not group.projects), None)
        self._projects = {one.line.project for one in told.lines}
        self._called = {family(one.model) for one in facts.metered}
        self.billed = {model for one in told.lines if (model := self._model(one.line))}
        self.lines: dict[Key, list[BillLine]] = defaultdict(list)
        self.calls: dict[Key, list[MeteredDay]] = defaultdict(list)
        self.unbilled: dict[tuple[Group, date], list[MeteredDay]] = defaultdict(list)
        self.unowned: list[KeptLine] = []
        self._sort_lines()
        self._sort_calls()

    def cells(self) -> Iterable[Cell]:
        """One for each group, day and model that either side has."""
        for group, day, model in sorted({*self.lines, *self.calls}, key=lambda key: (key[1], key[0].name, key[2])):
            key = (group, day, model)
            yield Cell(group, model, (day,), tuple(self.lines.get(key, ())), tuple(self.calls.get(key, ())))

    def of_days(self, group: Group, days: Sequence[date], *, unbilled: bool = False) -> Cell:
        """All models of a group together; ``unbilled``: with the calls of its workflows to models that the account never bills."""
        own = [(group, day, model) for day in days for model in self._models.get((group, day), ())]
        lines = tuple(line for key in own for line in self.lines.get(key, ()))
        calls = tuple(one for key in own for one in self.calls.get(key, ()))
        more = tuple(one for day in days for one in self.unbilled.get((group, day), ())) if unbilled else ()
        return Cell(group, "", tuple(days), lines, (*calls, *more))

    @cached_property
    def _models(self) -> Mapping[tuple[Group, date], set[str]]:
        found: dict[tuple[Group, date], set[str]] = defaultdict(set)
        for group, day, model in (*self.lines, *self.calls):
            found[group, day].add(model)
        return found

    @cached_property
    def metered_by(self) -> Mapping[str, Mapping[str, int]]:
        """Which workflows call each model, and how often in the span."""
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for one in self.facts.metered:
            found[family(one.model)][one.workflow] += one.calls
        return found

    def begins(self, group: Group) -> date | None:
        """The day of a group's first call ever; None where there is none."""
        days = [self.facts.metered_since[slug] for slug in group.workflows if slug in self.facts.metered_since]
        return min(days, default=None)

    def shown(self, project: str) -> str:
        """A project for people: with the name that the account has for it, if that is known, and its id."""
        name = self.told.names.of.get(project, "")
        return f"{name} ({project})" if name and name != project else project

    def shown_group(self, group: Group) -> str:
        """The projects of a group for people."""
        return ", ".join(self.shown(project) for project in sorted(group.projects))

    def known(self, group: Group) -> bool:
        """Whether the bill shows any of a group's projects."""
        return not group.projects or bool(group.projects & self._projects)

    def _sort_lines(self) -> None:
        rest = self._rest
        loose = [one for one in self.told.lines if one.line.project not in self._of_project]
        of_rest = {model for one in loose if (model := self._model(one.line))}
        called = {
            family(one.model) for one in self.facts.metered if rest is not None and one.workflow in rest.workflows
        }
        self.by_model = of_rest & called
        projects = {one.line.project for one in loose if self._model(one.line) in self.by_model}
        for one in self.told.lines:
            line, group = one.line, self._of_project.get(one.line.project)
            model = self._model(line)
            if group is None and (model in self.by_model or (not model and line.project in projects)):
                group = rest
            if group is None:
                self.unowned.append(one)
            else:
                self.lines[group, line.day, model].append(line)

    def _model(self, line: BillLine) -> str:
        """The family of a line's model. A bill may name a model of embeddings or sound as an item, and no usage with it."""
        if line.model or line.is_usage:
            return family(line.model)
        item = family(line.item)
        return item if item in self._called else ""

    def _sort_calls(self) -> None:
        """The calls that this account bills: those of models that it bills at all. Where it does not even show the projects that
        a workflow names, and the workflow names no other account, all of the workflow's.
        """
        alone = {flow.slug for flow in self.facts.workflows if len({one.account for one in flow.billed}) == 1}
        group_of = {slug: group for group in self.groups for slug in group.workflows}
        for one in self.facts.metered:
            if (group := group_of.get(one.workflow)) is None:
                continue
            model = family(one.model)
            models = self.billed if group.projects else self.by_model
            if model in models or (one.workflow in alone and not self.known(group)):
                self.calls[group, one.day, model].append(one)
            else:
                self.unbilled[group, one.day].append(one)


def _groups(account: BillAccount, workflows: Sequence[Spender]) -> Iterable[Group]:
    """Workflows that share a project are one group: nobody can say whose part of it is whose."""
    found: list[tuple[set[str], set[str]]] = []
    rest: set[str] = set()
    for flow in workflows:
        own = [one for one in flow.billed if one.account == account.name]
        projects = {project for one in own for project in one.projects}
        if not projects:
            if own or not flow.billed:
                rest.add(flow.slug)
            continue
        shared = [group for group in found if group[0] & projects]
        found = [group for group in found if group not in shared]
        found.append((projects.union(*(one[0] for one in shared)), {flow.slug}.union(*(one[1] for one in shared))))
    yield from (Group(frozenset(projects), frozenset(slugs)) for projects, slugs in found)
    if rest:
        yield Group(frozenset(), frozenset(rest))
