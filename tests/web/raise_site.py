"""A workflow at its cap, and the browsers of the people who may answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient
from review_site import INVOICES, NOW, SAME_SITE, Clock, fill, mounted

from afterpilot.decide.allowing import allowance
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.run import FLEET, Stage, Trigger
from afterpilot.domain.spend import AtCap, CapRule, CapState
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.window import Window
from afterpilot.record import tables
from afterpilot.record.ops import Ops

PAGE = f"/afterpilot/spend/{INVOICES}/raise"
FLEET_PAGE = f"/afterpilot/spend/{FLEET}/raise"
MONTH = Window(NOW.replace(day=1, hour=0, minute=0), NOW.replace(month=12, day=1, hour=0, minute=0))


class Desk:
    """Browsers of people, over one ops database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        fill(engine, many=1, spend={"cap": "400 USD/month", "at_cap": "ask_owner", "second_person_above": "800 USD"})

    def judged(self, spent: str, at_cap: AtCap = "ask_owner") -> None:
        """The month was looked at."""
        rule, fleet = CapRule(Cap.parse("400 USD/month"), (), at_cap), CapRule(Cap.parse("5000 USD/month"), (), "tell")
        states = [
            CapState(rule, MONTH, rule.cap.limit, Money(Decimal(spent))),
            CapState(fleet, MONTH, fleet.cap.limit, Money(Decimal(900)), fleet=True),
        ]
        with Ops(self.engine).begin() as unit:
            unit.allowances.put(allowance(INVOICES, states, now=NOW))

    def operators(self, *names: str, second_above: str) -> None:
        """What ``_fleet.yaml`` says of them, and above which amount one of its caps takes two."""
        told = {"operators": list(names), "channel": "#ops", "second_person_above": second_above}
        with Ops(self.engine).begin() as unit:
            unit.runs.add(
                StageResult(workflow=FLEET, stage=Stage.DECLARE, summary="", evidence=told, checked=1),
                window=Window(NOW, NOW),
                trigger=Trigger(origin="cli", run_id="declared"),
                versions={},
                started_at=NOW,
                finished_at=NOW,
            )

    def person(self, name: str) -> TestClient:
        """A browser in which that person is logged in, after a look at the page."""
        client = TestClient(
            mounted(self.engine, Clock()), follow_redirects=False, headers={**SAME_SITE, "x-user": name}
        )
        client.get(PAGE)
        return client

    def answers(self) -> list[tuple[Any, ...]]:
        """What is kept: state, limit, who asked, who was second."""
        columns = tables.cap_raises.c
        rows = sa.select(columns.state, columns.amount, columns.asked_by, columns.second_by).order_by(columns.asked_at)
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(rows)]
