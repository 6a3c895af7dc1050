"""Who may answer at a cap, above which limit it takes two, and under which name an answer is kept."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.declare.rules import dig
from afterpilot.declare.spend_schema import stored_spend
from afterpilot.domain.money import Money
from afterpilot.domain.people import Somebody
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.spend import FleetSpend
from afterpilot.domain.workflow import Fleet, Workflow
from afterpilot.record.history import declarations
from afterpilot.record.runs import Runs


@dataclass(frozen=True, slots=True)
class RaiseTerms:
    """Who may answer at the caps of a workflow (or of the fleet), and above which limit it takes two."""

    workflow: str
    people: tuple[str, ...]  # owner and deputy, then the operators
    channel: str
    second_above: Money | None = None

    @property
    def who(self) -> str:
        """Those who may answer, in words."""
        return ", ".join(self.people) or "an operator, and _fleet.yaml names none"


def declared_terms(workflow: Workflow | None, fleet: Fleet) -> RaiseTerms:
    """As the declarations have them; without a workflow those of the fleet's caps."""
    operators = tuple(person.name for person in fleet.operators)
    if workflow is None:
        return RaiseTerms(FLEET, operators, fleet.channel, fleet.spend.second_person_above)
    people = (workflow.owner.name, workflow.deputy.name, *operators)
    return RaiseTerms(workflow.slug, people, workflow.channel, workflow.spend.second_person_above)


def stored_terms(connection: sa.Connection, workflow: str) -> RaiseTerms | None:
    """As the ops database has them; None where no such workflow was ever usable."""
    run = Runs(connection).latest(FLEET, Stage.DECLARE)
    evidence = run.evidence if run else {}
    operators = tuple(str(name) for name in evidence.get("operators", ()))
    if workflow == FLEET:
        above = evidence.get("second_person_above")
        return RaiseTerms(FLEET, operators, str(evidence.get("channel", "")), Money.parse(above) if above else None)
    current = declarations.current(connection, workflow)
    version = current and current["usable_sha256"]
    stored = declarations.one_version(connection, workflow, version) if version else None
    if stored is None:
        return None
    document = stored["document"]
    spend = stored_spend(document, FleetSpend())
    named = [str(dig(document, "owner", "name") or ""), str(dig(document, "owner", "deputy", "name") or "")]
    people = (*(name for name in named if name), *operators)
    return RaiseTerms(
        workflow, people, str(document.get("channel") or ""), spend.second_person_above if spend else None
    )


def kept_as(terms: RaiseTerms, by: Somebody) -> str:
    """The login, and the declared name where that says more, as ``u7 (Ola)``: one may answer under either later."""
    if Somebody(by.login).is_one_of(*terms.people):
        return by.login
    return f"{by.login} ({next(name for name in terms.people if by.is_one_of(name))})"


def names_of(kept: str) -> tuple[str, ...]:
    """Login and name of whoever is kept so."""
    login, _, name = kept.removesuffix(")").partition(" (")
    return (kept, login, name) if name else (kept,)
