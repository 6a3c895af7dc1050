"""A workflow as its team declares it, after its YAML was read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.verdict import Severity

LifeStage = Literal["experiment", "shadow", "limited", "live", "retired"]
FieldType = Literal["text", "number", "time", "boolean"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who answers for something; ``slack`` is a Slack user id."""

    name: str
    slack: str


@dataclass(frozen=True, slots=True)
class Kpi:
    """The one business metric. ``sql`` returns (week_start date, value number) for each week, from the source connection."""

    name: str
    kind: Literal["revenue", "cost", "speed", "risk"]
    baseline: Decimal
    target: Decimal
    better: Literal["lower", "higher"]
    unit: str
    sql: str


@dataclass(frozen=True, slots=True)
class UsageColumns:
    """Source columns that hold a call's usage; ``model`` and the token counts are column names, or empty."""

    model: str = ""
    input_tokens: str = ""
    output_tokens: str = ""
    cached_tokens: str = ""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Where the production system keeps what people decided: table and columns, and the words it uses for each outcome."""

    table: str
    key: str
    time: str
    decision: str
    minutes: str = ""
    note: str = ""
    accepted: tuple[str, ...] = ("accepted",)
    corrected: tuple[str, ...] = ("corrected",)
    rejected: tuple[str, ...] = ("rejected",)


@dataclass(frozen=True, slots=True)
class Source:
    """The table that the workflow's production records are pulled from."""

    connection: str
    table: str
    key: str
    time: str
    late_by: timedelta
    history: timedelta  # how far back the very first pull reaches
    fields: Mapping[str, FieldType]  # the columns that are kept, by name, with their types
    personal: tuple[str, ...] = ()  # kept columns whose content is redacted when written
    usage: UsageColumns = field(default_factory=UsageColumns)
    decisions: Decisions | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """An expectation as declared: its snake_case name and its parameters. ``file`` parameters are already loaded."""

    expect: str
    severity: Severity
    params: Mapping[str, Any]

    @property
    def column(self) -> str:
        """The column it is about, or empty."""
        return str(self.params.get("column", ""))


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """The model under test: an Airflow connection for address and key, a model name, and the prompt in production."""

    connection: str
    name: str
    prompt: Prompt
    response_schema: Mapping[str, Any] | None = None
    temperature: float = 0.0
    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Evals:
    """The eval suite of a workflow."""

    model: ModelTarget
    cases: tuple[Case, ...]
    scorers: tuple[ScorerSpec, ...]
    epochs: int
    max_cost: Money
    concurrency: int
    pass_rate: Decimal  # the least share of cases that must pass, 0 to 1
    largest_drop: Decimal  # the largest tolerated drop of the pass rate against the approved baseline, 0 to 1
    sha256: str  # of the cases file


@dataclass(frozen=True, slots=True)
class Spend:
    """The cap on production and eval spend together, and the shares of it at which the owner is told."""

    cap: Cap
    warn_at: tuple[Decimal, ...]
    at_cap: Literal["tell", "ask_owner", "stop"]


@dataclass(frozen=True, slots=True)
class Workflow:
    """One AI feature in production, as declared in its folder."""

    slug: str
    purpose: str
    stage: LifeStage
    owner: Person
    deputy: Person
    channel: str
    kpi: Kpi
    source: Source
    outputs: tuple[Check, ...]
    spot_check: Decimal  # share of released outputs that a person looks at all the same, 0 to 1
    quality: tuple[Check, ...]
    evals: Evals | None
    spend: Spend
    schedules: Mapping[str, str]  # records, evals, report → schedule name of _fleet.yaml
    governance: Mapping[str, Any]
    rollout: Mapping[str, Any]
    sha256: str  # of all files of the folder that the declaration names
    path: str  # the folder, as given to the loader


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """A team's own price for a model that no public list knows, per million tokens."""

    model: str
    input_per_million: Decimal
    output_per_million: Decimal
    cached_per_million: Decimal
    currency: str
    note: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all workflows share: named schedules (cron expressions in UTC), the fallback channel, own prices, public links."""

    schedules: Mapping[str, str]
    channel: str
    operators: tuple[Person, ...]
    prices: tuple[ModelPrice, ...] = ()
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a declaration, where, and what would be right."""

    file: str
    line: int
    key: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        head = f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"
        return f"{head} ({self.hint})" if self.hint else head


@dataclass(frozen=True, slots=True)
class Loaded:
    """One folder as loaded: the workflow, or the problems that keep it from being used; never both."""

    slug: str
    path: str
    workflow: Workflow | None
    problems: tuple[Problem, ...]
    sha256: str
    document: Mapping[str, Any]  # the YAML as data, for the record; empty where it cannot even be read


@dataclass(frozen=True, slots=True)
class Declarations:
    """Everything that the workflows folder holds. ``fleet`` is None where nothing of ``_fleet.yaml`` can be read."""

    fleet: Fleet | None
    fleet_problems: tuple[Problem, ...]
    folders: tuple[Loaded, ...]

    @property
    def workflows(self) -> tuple[Workflow, ...]:
        """The usable ones, by slug."""
        return tuple(folder.workflow for folder in self.folders if folder.workflow is not None)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, in the order of the folders."""
        return self.fleet_problems + tuple(problem for folder in self.folders for problem in folder.problems)
