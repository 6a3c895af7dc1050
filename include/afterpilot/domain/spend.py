"""What workflows may spend: caps, what happens at them, and what the bill calls the workflow's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from afterpilot.domain.money import Cap, Money
from afterpilot.domain.window import Window

AtCap = Literal["tell", "ask_owner", "stop"]
OnUnknown = Literal["allow", "refuse"]
BillKind = Literal["openai", "anthropic", "litellm"]
_DATED = re.compile(r"[-@]\d{4}-?\d{2}-?\d{2}")  # gpt-5-2025-08-07, claude-sonnet-4@20250514


@dataclass(frozen=True, slots=True)
class CapRule:
    """A cap, the shares of it at which somebody is told, and what happens when it is reached.

    Of a workflow it holds for all its calls, or for those of ``model``. Of the fleet it holds for everything, for the workflows
    of ``team``, for the calls of ``model``, or for both together.
    """

    cap: Cap
    warn_at: tuple[Decimal, ...]
    at_cap: AtCap
    model: str = ""
    team: str = ""

    @property
    def key(self) -> str:
        """What tells it from the other caps of its owner, and stays when its amount changes: ``month``, ``day model=gpt-5``."""
        named = (("model", self.model), ("team", self.team))
        return " ".join([self.cap.every, *(f"{name}={value}" for name, value in named if value)])

    def covers(self, model: str) -> bool:
        """Whether it holds for calls that report this model: any where it names none, else the one it names, whichever provider's
        name stands before it and whichever version's date behind.
        """
        if not self.model:
            return True
        reported, named = (name.casefold().rpartition("/")[2] for name in (model, self.model))
        return reported == named or (reported.startswith(named) and bool(_DATED.fullmatch(reported[len(named) :])))


@dataclass(frozen=True, slots=True)
class CapState:
    """How a cap stands: its period (of a rolling one the stretch up to now), what may be spent in it, and what was.

    ``limit`` is the declared one, or what a person has raised it to. ``spent`` is the known part, None where nothing is known;
    ``unknown`` says that there is more whose cost nobody knows. ``fleet`` marks a cap over several workflows. ``refused``: asked
    whether it may be raised, people have said no.
    """

    rule: CapRule
    period: Window
    limit: Money
    spent: Money | None
    unknown: bool = False
    fleet: bool = False
    refused: bool = False

    @property
    def reached(self) -> bool:
        """Whether what is known alone has used it up."""
        return self.spent is not None and not self.spent < self.limit


@dataclass(frozen=True, slots=True)
class Stop:
    """Who is told when a workflow is to stop, and when it may go on.

    ``kind`` is ``call_back`` (a signed POST to ``path`` of the connection), or ``litellm`` (its keys or team are blocked; with
    ``budget`` the main cap is its own budget of the team or key, too).
    """

    kind: Literal["call_back", "litellm"]
    connection: str
    path: str = ""
    keys: tuple[str, ...] = ()  # hashed keys, as LiteLLM shows them
    team: str = ""  # LiteLLM's team id
    budget: bool = False


@dataclass(frozen=True, slots=True)
class Billed:
    """Which lines of a bill are a workflow's own: the account's name in ``_fleet.yaml``, and projects (OpenAI), workspaces
    (Anthropic), or ids of teams (LiteLLM). Without any: what no workflow names, by model.
    """

    account: str
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spend:
    """What production and evals of a workflow may cost together. ``caps`` has at least one; the first is the main one.

    ``zone`` is the IANA name of the calendar that days, weeks and months go by. ``volume`` is the records a month that the
    workflow is built for. ``hour`` is what an hour of a person's time costs. A raise of a cap to more than
    ``second_person_above`` needs two people. ``on_unknown`` is what a gateway is told while the spend is not known.
    """

    caps: tuple[CapRule, ...]
    zone: str = "UTC"
    team: str = ""
    volume: Decimal | None = None
    hour: Money | None = None
    second_person_above: Money | None = None
    on_unknown: OnUnknown = "allow"
    stop: Stop | None = None
    billed: tuple[Billed, ...] = ()

    @property
    def main(self) -> CapRule:
        """The cap that reports and budgets speak of."""
        return self.caps[0]

    @property
    def cap(self) -> Cap:
        """The main cap."""
        return self.main.cap


@dataclass(frozen=True, slots=True)
class BillAccount:
    """A provider's account whose bill is pulled each day. ``tolerance`` is the share by which meter and bill may differ, and
    ``at_least`` the smallest difference that is worth a word.
    """

    name: str
    kind: BillKind
    connection: str
    tolerance: Decimal = Decimal("0.02")
    at_least: Decimal = Decimal(1)
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class FleetSpend:
    """Caps over several workflows, and the accounts whose bills are reconciled. A raise of one of these caps to more than
    ``second_person_above`` needs two operators.
    """

    caps: tuple[CapRule, ...] = ()
    zone: str = "UTC"
    bills: tuple[BillAccount, ...] = ()
    teams: Mapping[str, str] = field(default_factory=dict)  # team → channel
    second_person_above: Money | None = None
