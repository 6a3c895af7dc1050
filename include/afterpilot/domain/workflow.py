"""A workflow as its team declares it, after its YAML was read and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from afterpilot.domain.alerting import Alerting
from afterpilot.domain.evals import Case, Reducer, ScorerSpec, Waiver
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.publishing import Publishing
from afterpilot.domain.retention import Retention
from afterpilot.domain.review import Release, Review, SpotCheck
from afterpilot.domain.source import Source
from afterpilot.domain.spend import FleetSpend, Spend
from afterpilot.domain.verdict import Severity

LifeStage = Literal["experiment", "shadow", "limited", "live", "retired"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who answers for something; ``slack`` is a Slack user id, ``email`` an address where it is known."""

    name: str
    slack: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Kpi:
    """The one business metric. ``sql`` returns (week_start date, value number) for each week, from ``connection``: the source's where none is said."""

    name: str
    kind: Literal["revenue", "cost", "speed", "risk"]
    baseline: Decimal
    target: Decimal
    better: Literal["lower", "higher"]
    unit: str
    sql: str
    connection: str = ""


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
    """A model: an Airflow connection for address and key, a name, and the prompt in production.

    ``api`` is the shape of the provider's API: OpenAI-compatible chat completions or responses, or Anthropic messages.
    ``tools`` are in OpenAI's function shape (``{"name", "description", "parameters"}``).
    """

    connection: str
    name: str
    prompt: Prompt
    response_schema: Mapping[str, Any] | None = None
    temperature: float = 0.0
    max_tokens: int = 256
    api: Literal["chat", "responses", "messages"] = "chat"
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class JsonTarget:
    """A team's own workflow behind HTTP: a JSON request with ``{{ variables }}``, and JSONPaths (RFC 9535) into its reply.

    ``name`` is the model's that it uses, for prices and fingerprints. Where ``cost`` leads to what the endpoint itself says a
    call cost, that is in ``currency``. ``sources`` leads to the ids of what was retrieved, best first.
    """

    connection: str
    name: str
    path: str
    request: Any
    answer: str
    model: str = ""
    input_tokens: str = ""
    output_tokens: str = ""
    cost: str = ""
    currency: str = ""
    sources: str = ""
    tool_calls: str = ""
    most_cost: Money | None = None  # of one call, where it cannot be known from tokens: holds the run's cap


@dataclass(frozen=True, slots=True)
class ScriptedTarget:
    """Answers from a file, by case id, at no cost: for dry runs, and for judging answers that exist already."""

    name: str
    answers: Mapping[str, str]


Target = ModelTarget | JsonTarget | ScriptedTarget


@dataclass(frozen=True, slots=True)
class AlarmTerms:
    """What the regression alarm promises: at most so many false alarms a year, and to look for drops of this size (0 to 1)."""

    false_alarms_per_year: Decimal = Decimal("0.1")
    smallest_drop: Decimal = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Reads:
    """Data that the workflow reads (an index, a price list): one SELECT whose result changes when the data does."""

    connection: str
    sql: str


@dataclass(frozen=True, slots=True)
class Corrections:
    """How a person's correction of a record becomes a case, and where a judge finds the answer that a person has decided on.

    ``vars`` is prompt variable → record's field; a variable that is not named is the field of its name. ``expected`` is
    answer's field (``""``: the whole answer) → record's field, or a template of several, ``{total} {currency}``. ``answer`` is
    the record's field that holds the model's answer as it came; where it is empty, the answer is put together as ``expected``
    says.
    """

    vars: Mapping[str, str]
    expected: Mapping[str, str]
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Evals:
    """The eval suite of a workflow, or of a suite file of its own.

    ``cap`` is the workflow's eval budget for a period, ``max_cost`` that of one run. ``sha256`` is of the cases' file with
    their images, ``declaration`` of everything else in the suite that can change a score; prompt, model and judges apart.
    """

    target: Target
    cases: tuple[Case, ...]
    scorers: tuple[ScorerSpec, ...]
    epochs: int
    max_cost: Money
    concurrency: int
    pass_rate: Decimal  # the least share of cases that must pass, 0 to 1
    sha256: str
    reducer: Reducer = field(default_factory=Reducer)
    pass_score: Decimal | None = (
        None  # a sample passes when the weighted mean of its scores reaches it; else when all pass
    )
    alarm: AlarmTerms = field(default_factory=AlarmTerms)
    waivers: tuple[Waiver, ...] = ()
    reads: tuple[Reads, ...] = ()
    corrections: Corrections | None = None
    cap: Cap | None = None
    declaration: str = ""

    @property
    def prompt_sha256(self) -> str:
        """Hash of what is asked besides the cases: the prompt, or a team's own request template."""
        if isinstance(self.target, ModelTarget):
            return self.target.prompt.sha256
        text = json.dumps(self.target.request, sort_keys=True) if isinstance(self.target, JsonTarget) else ""
        return hashlib.sha256(text.encode()).hexdigest()


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
    spot_check: SpotCheck
    quality: tuple[Check, ...]
    evals: Evals | None
    spend: Spend
    schedules: Mapping[str, str]  # records, evals, report → schedule name of _fleet.yaml
    governance: Mapping[str, Any]
    rollout: Mapping[str, Any]
    sha256: str  # of all files of the folder that the declaration names
    path: str  # the folder, as given to the loader
    release: Release | None = None  # None: what passes is released on our record alone
    review: Review = field(default_factory=Review)
    alerts: Alerting | None = None  # None: as the fleet says


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """A team's own price for a model: of a contract, or for a machine of its own. ``rates`` holds what one unit of each sort
    costs (:data:`afterpilot.domain.prices.SORTS`); it holds from one day to before another (UTC; None: open), for one service
    tier or for all.
    """

    model: str
    rates: tuple[tuple[str, Decimal], ...]
    currency: str
    note: str
    valid_from: date | None = None
    valid_to: date | None = None
    tier: str = ""

    @classmethod
    def per_million(
        cls, model: str, given: Decimal, output: Decimal, cached: Decimal, currency: str, note: str = ""
    ) -> ModelPrice:
        """The price of a model that is priced by plain tokens alone, for a million of each sort."""
        rates = {"input_tokens": given, "cached_tokens": cached, "output_tokens": output}
        return cls(model, tuple((sort, rate / 1_000_000) for sort, rate in rates.items()), currency, note)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all workflows share: named schedules (cron expressions in UTC), the fallback channel, own prices, public links.

    ``prices_whole`` is False where some of the declared prices cannot be read.
    """

    schedules: Mapping[str, str]
    channel: str
    operators: tuple[Person, ...]
    prices: tuple[ModelPrice, ...] = ()
    base_url: str = ""
    spend: FleetSpend = field(default_factory=FleetSpend)
    prices_whole: bool = True
    alerts: Alerting = field(default_factory=Alerting)
    retention: Retention = field(default_factory=Retention)
    publishing: Publishing = field(default_factory=Publishing)


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
