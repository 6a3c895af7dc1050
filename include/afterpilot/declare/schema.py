"""The keys of ``workflow.yaml`` and ``_fleet.yaml``: strict, closed and frozen.

Field names are the keys; their descriptions are the reference (docs/reference/declaration.md). Lists of checks
are read by :mod:`afterpilot.declare.expectations`, whose keys depend on the name; the suite's part is
:mod:`afterpilot.declare.eval_schema`.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from afterpilot.declare.alert_schema import Alerts, FleetAlerts
from afterpilot.declare.alert_values import Address
from afterpilot.declare.eval_schema import Evals
from afterpilot.declare.keys import Keys
from afterpilot.declare.ledger_schema import FleetLedger
from afterpilot.declare.price_schema import PriceEntry
from afterpilot.declare.release_schema import Release
from afterpilot.declare.retention_schema import FleetRetention
from afterpilot.declare.review_schema import Review
from afterpilot.declare.source_schema import SOURCES, SqlSource, UnknownSource, kind_of
from afterpilot.declare.spend_schema import FleetSpend, Spend
from afterpilot.declare.spot_check_schema import SpotCheckTerms
from afterpilot.declare.values import (
    BaseUrl,
    Channel,
    Connection,
    Cron,
    Days,
    FileName,
    Limit,
    Name,
    Number,
    ScheduleName,
    Share,
    SlackUser,
    Slug,
    Text,
    Words,
)
from afterpilot.domain.workflow import LifeStage

Check = Annotated[Any, Words("check, see below")]


class Person(Keys):
    """Somebody who answers for something."""

    name: Name = Field(description="first and last name")
    slack: SlackUser = Field(description="whom Slack mentions")
    email: Address | None = Field(None, description="where routes to `owner` send mail")


class Owner(Person):
    """The one accountable person, and who stands in."""

    deputy: Person = Field(description="somebody else, who is asked when the owner does not answer")


class Kpi(Keys):
    """The one business metric."""

    name: Name = Field(description="what is measured, such as `minutes_per_invoice`")
    kind: Literal["revenue", "cost", "speed", "risk"] = Field(description="what it is tied to")
    baseline: Number = Field(description="value before the workflow existed")
    target: Number = Field(description="value agreed before launch")
    better: Literal["lower", "higher"] = Field(description="which direction is good")
    unit: Name = Field(description="such as `min` or `EUR`")
    sql: FileName = Field(description="one SELECT that returns a row for each week: the week's first day, the value")
    connection: Connection | None = Field(None, description="the database to ask; the source's unless said")


class Schedule(Keys):
    """Names of schedules in `_fleet.yaml`."""

    records: Name = Field(description="pull, check, and the check of outputs before use")
    evals: Name | None = Field(None, description="the eval suite; needed where there is one")
    report: Name = Field(description="the outcome message")


class Governance(Keys):
    """Who answers for it, and what may be used."""

    data: list[Text] = Field(min_length=1, description="kinds of data that the model sees")
    models_allowed: list[Name] = Field(min_length=1, description="models that may see it")
    retention: Days = Field(description="how long records are kept")
    accountable: Name | None = Field(None, description="who answers for the output; the owner unless said")


class Promotion(Keys):
    """When the next stage is reached."""

    override_rate: Limit = Field(description="share of outputs that people changed or refused")
    weeks: Annotated[int, Words("whole number")] = Field(ge=1, le=104, description="for how many weeks in a row")


class Rollout(Keys):
    """How far the workflow is rolled out, and the way back."""

    now: Share = Field(description="share of the work that it handles")
    promote_when: Promotion | None = Field(None, description="entry criteria of the next stage")
    fallback: Text = Field(description="how the work is done without the model")


class WorkflowFile(Keys):
    """``workflow.yaml``."""

    workflow: Slug = Field(description="the workflow's name, the same as its folder's")
    purpose: Text = Field(description="what it does, in one sentence")
    stage: LifeStage = Field(description="how far it is; `limited` and `live` need a runbook.md")
    owner: Owner = Field(description="who answers for it")
    team: Name | None = Field(None, description="whose it is, for caps of teams in `_fleet.yaml`")
    channel: Channel = Field(description="where its messages go")
    kpi: Kpi = Field(description="the business metric")
    source: SqlSource = Field(description="its production records")
    outputs: list[Check] = Field(min_length=1, description="checked on each output before it is used")
    spot_check: Share = Field(
        "5%",
        validate_default=True,
        description="share of passing outputs that a person looks at; or a mapping, see below",
    )
    release: Release | None = Field(
        None, description="how production learns what may be used; unless given it reads the view `released_outputs`"
    )
    review: Review | None = Field(None, description="how people look at what is routed to them")
    quality: list[Check] = Field(min_length=1, description="expectations on each window of records")
    evals: Evals | None = Field(None, description="the eval suite")
    spend: Spend = Field(description="the cost cap")
    alerts: Alerts | None = Field(
        None, description="who is told of what, where and when; as `_fleet.yaml` says unless given"
    )
    schedule: Schedule = Field(description="when it runs")
    governance: Governance = Field(description="who and what is allowed")
    rollout: Rollout = Field(description="how it is rolled out")


@cache
def workflow_file(kind: str, *, terms: bool = False) -> type[WorkflowFile]:
    """``workflow.yaml`` with a source of that kind; with ``terms`` its spot checks are a mapping."""
    source = SOURCES.get(kind, UnknownSource)
    described = Field(description=str(WorkflowFile.model_fields["source"].description))
    model = create_model("WorkflowFile", __base__=WorkflowFile, source=(source, described))
    if not terms:
        return model
    asked = Field(description=str(WorkflowFile.model_fields["spot_check"].description))
    return create_model("WorkflowFile", __base__=model, spot_check=(SpotCheckTerms, asked))


def file_for(data: object) -> type[WorkflowFile]:
    """What a ``workflow.yaml`` is read as: its source's kind decides, and how its spot checks are written."""
    given = data if isinstance(data, dict) else {}
    return workflow_file(kind_of(given.get("source")), terms=isinstance(given.get("spot_check"), dict))


class Schedules(Keys):
    """Named schedules, for each thing that is scheduled: a DAG each."""

    records: dict[ScheduleName, Cron] = Field(min_length=1, description="for pull, check and the check of outputs")
    evals: dict[ScheduleName, Cron] = Field(min_length=1, description="for eval suites")
    report: dict[ScheduleName, Cron] = Field(min_length=1, description="for outcome messages")


class FleetFile(Keys):
    """``_fleet.yaml``."""

    schedules: Schedules = Field(description="named schedules")
    channel: Channel = Field(description="where messages go that have no better place")
    operators: list[Person] = Field(min_length=1, description="who is on call")
    prices: list[PriceEntry] = Field([], description="own prices")
    spend: FleetSpend | None = Field(None, description="caps over several workflows, and bills")
    alerts: FleetAlerts | None = Field(None, description="who is told of what, where and when")
    retention: FleetRetention | None = Field(None, description="how long each class of data is kept")
    ledger: FleetLedger | None = Field(None, description="where the ledger's heads are published")
    base_url: BaseUrl | None = Field(None, description="where people reach Airflow, for links in messages")
