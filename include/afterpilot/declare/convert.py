"""From the checked document to the domain's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from afterpilot.declare import schema
from afterpilot.declare.alert_schema import FleetAlerts, alerting_of, fleet_alerting_of
from afterpilot.declare.eval_convert import evals_of
from afterpilot.declare.keys import Keys
from afterpilot.declare.ledger_schema import FleetLedger, publishing_of
from afterpilot.declare.price_schema import PriceEntry, own_price_of
from afterpilot.declare.release_schema import release_of
from afterpilot.declare.retention_schema import FleetRetention, retention_of
from afterpilot.declare.review_schema import review_of
from afterpilot.declare.rules import Shared
from afterpilot.declare.source_convert import source_of
from afterpilot.declare.spend_schema import FleetSpend, fleet_spend_of, spend_of
from afterpilot.declare.spot_check_schema import spot_check_of
from afterpilot.declare.values import BaseUrl, Channel, Cron, ScheduleName
from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.review import Review
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check, Fleet, Kpi, Person, Workflow


class UsableFleet(Keys):
    """What is left of a `_fleet.yaml` without its parts that cannot be used: the same keys, all of them optional."""

    schedules: dict[str, dict[ScheduleName, Cron]] = Field({})
    channel: Channel = ""
    operators: list[schema.Person] = Field([])
    prices: list[PriceEntry] = Field([])
    spend: FleetSpend = Field(FleetSpend.model_construct())
    alerts: FleetAlerts = Field(FleetAlerts.model_construct())
    retention: FleetRetention | None = None
    ledger: FleetLedger | None = None
    base_url: BaseUrl | None = None


@dataclass(slots=True)
class Named:
    """What the files that a declaration names hold."""

    prompt: str = ""
    sql: str = ""
    request: Any = None
    tools: tuple[Mapping[str, Any], ...] = ()
    variables: frozenset[str] = frozenset()  # of the prompt, or of the request
    cases: tuple[Case, ...] = ()
    cases_sha256: str = ""
    scorers: tuple[ScorerSpec, ...] = ()
    reads: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    loaded: dict[tuple[str, str], Any] = field(
        default_factory=dict
    )  # by what it is read as (schema, rubric, source) and name
    suite_files: set[str] = field(default_factory=set)  # names of those that the eval suite uses


def workflow_of(document: schema.WorkflowFile, named: Named, *, sha256: str, path: str, shared: Shared) -> Workflow:
    """The workflow of a declaration without problems."""
    kpi, governance = document.kpi, document.governance
    return Workflow(
        slug=document.workflow,
        purpose=document.purpose,
        stage=document.stage,
        owner=_person(document.owner),
        deputy=_person(document.owner.deputy),
        channel=document.channel,
        kpi=Kpi(kpi.name, kpi.kind, kpi.baseline, kpi.target, kpi.better, kpi.unit, named.sql, kpi.connection or ""),
        source=source_of(document.source),
        outputs=tuple(_check(check, named) for check in document.outputs),
        spot_check=spot_check_of(document.spot_check),
        release=release_of(
            document.release, table=source_of(document.source).table, key=source_of(document.source).key
        ),
        review=_review(document),
        quality=tuple(_check(check, named) for check in document.quality),
        evals=evals_of(document.evals, named) if document.evals else None,
        spend=spend_of(document.spend, team=document.team or "", zone=shared.zone),
        schedules=document.schedule.model_dump(exclude_none=True),
        governance={
            "data": governance.data,
            "models_allowed": governance.models_allowed,
            "retention_days": governance.retention,
            "accountable": governance.accountable or document.owner.name,
        },
        rollout=_rollout(document.rollout),
        alerts=alerting_of(document.alerts, zone=shared.alert_zone) if document.alerts else None,
        sha256=sha256,
        path=path,
    )


def fleet_of(document: UsableFleet) -> Fleet:
    """The fleet of a `_fleet.yaml`, as far as it can be used; ``channel`` is empty where it cannot. Its schedules are named as their DAGs are: ``records.hourly``."""
    return Fleet(
        schedules={
            f"{kind}.{name}": cron for kind, named in document.schedules.items() for name, cron in named.items()
        },
        channel=document.channel,
        operators=tuple(_person(person) for person in document.operators),
        prices=tuple(own_price_of(price) for price in document.prices),
        base_url=document.base_url or "",
        spend=fleet_spend_of(document.spend),
        alerts=fleet_alerting_of(document.alerts),
        retention=retention_of(document.retention, whole=True),
        publishing=publishing_of(document.ledger),
    )


def _person(person: schema.Person) -> Person:
    return Person(person.name, person.slack, person.email or "")


def _review(document: schema.WorkflowFile) -> Review:
    source = document.source
    return review_of(
        document.review,
        fields=source_of(source).fields,
        outputs=document.outputs,
        personal=source.personal,
        decisions=source.decisions.model_dump() if source.decisions else None,
    )


def _check(check: dict[str, Any], named: Named) -> Check:
    """A check with its parameters as declared, all JSON-serialisable; the loaded ``schema`` joins ``file``."""
    params = {key: value for key, value in check.items() if key not in {"expect", "severity"}}
    if "file" in params:
        params["schema"] = named.loaded["schema", params["file"].strip()]
    return Check(check["expect"], Severity(check.get("severity", "critical")), params)


def _rollout(rollout: schema.Rollout) -> dict[str, Any]:
    """The roll-out as JSON-serialisable data; ``now`` is a share from 0 to 1 as text."""
    return {
        "now": str(rollout.now),
        "promote_when": rollout.promote_when.model_dump() if rollout.promote_when else {},
        "fallback": rollout.fallback,
    }
