"""A whole workflow for tests that are about one part of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from afterpilot.domain.money import Cap
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.source import Source
from afterpilot.domain.spend import CapRule, Spend
from afterpilot.domain.workflow import Kpi, Person, Workflow


def plain_source(**keys: Any) -> Source:
    """A table as a source, with plain values for what is not given."""
    plain: dict[str, Any] = {
        "connection": "erp",
        "table": "runs",
        "key": "run_id",
        "time": "finished_at",
        "late_by": timedelta(),
        "history": timedelta(days=1),
        "fields": {"output": "text"},
    }
    return Source(**(plain | keys))


def plain_workflow(source: Source, **parts: Any) -> Workflow:
    """A workflow with that source that declares nothing else than what is given."""
    plain: dict[str, Any] = {
        "slug": "invoice_matching",
        "purpose": "",
        "stage": "live",
        "owner": Person("Dana Ruiz", "U02AB3CD4"),
        "deputy": Person("Lee Okafor", "U05EF6GH7"),
        "channel": "#ap",
        "kpi": Kpi("minutes", "speed", Decimal(6), Decimal(1), "lower", "min", ""),
        "outputs": (),
        "spot_check": SpotCheck(Decimal(0)),
        "quality": (),
        "evals": None,
        "spend": Spend((CapRule(Cap.parse("400 USD/month"), (), "tell"),)),
        "schedules": {},
        "governance": {},
        "rollout": {},
        "sha256": "",
        "path": "",
    }
    return Workflow(source=source, **(plain | parts))
