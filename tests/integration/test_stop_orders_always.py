"""Whatever happens in whatever order: in the end the receiver has heard last what holds."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.declare import load
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import CapRule, CapState, Stop
from afterpilot.domain.stop_orders import Carried, StopOrder
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.allowing import settle_allowances
from afterpilot.record.ops import Ops
from afterpilot.record.tables import stop_orders

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
RECEIVERS = {name: Stop("call_back", name, path="/ai/stop") for name in ("desk", "kiosk")}
LOADED = load(Path(__file__).parents[2] / "include" / "workflows").workflows[0]

# What happens: the month is judged at this sum with this receiver declared (or none); or an attempt is made and ends so.
JUDGED = st.tuples(st.just("judged"), st.sampled_from(["10", "400"]), st.sampled_from(["desk", "kiosk", ""]))
TRIED = st.tuples(st.just("tried"), st.sampled_from(["done", "failed", "lost", "dead"]), st.just(""))


@dataclass
class World:
    """One workflow, and what each receiver has heard last."""

    ops: Ops
    workflow: Workflow
    heard: dict[str, str]

    def judged(self, spent: str, receiver: str) -> None:
        """The spend was looked at."""
        stop = RECEIVERS.get(receiver)
        declared = replace(self.workflow, spend=replace(self.workflow.spend, stop=stop))
        rule = CapRule(Cap.parse("400 USD/month"), (), "stop")
        with self.ops.begin() as unit:
            state = CapState(rule, MONTH, rule.cap.limit, Money(Decimal(spent)))
            settle_allowances(unit, declared, [state], NOW)

    def tried(self, ends: str) -> int:
        """One attempt at all that is due: done; failed; done with its reply lost; or the process died before it said anything."""
        with self.ops.begin() as unit:
            own = stop_orders.c.workflow == self.workflow.slug
            unit.connection.execute(sa.update(stop_orders).where(own).values(not_before=sa.func.now()))
            claimed = [one for one in unit.stop_orders.claim(100) if one.workflow == self.workflow.slug]
        for order in claimed:
            self._attempt(order, ends)
        return len(claimed)

    def _attempt(self, order: StopOrder, ends: str) -> None:
        if ends in {"done", "lost"}:
            self.heard[order.target.connection] = order.action
        with self.ops.begin() as unit:
            if ends == "dead":  # its lease runs out
                mine = stop_orders.c.id == order.id
                unit.connection.execute(sa.update(stop_orders).where(mine).values(leased_until=sa.func.now()))
                return
            unit.stop_orders.settle(
                Carried(order, "done" if ends == "done" else "later", "" if ends == "done" else "x")
            )


@given(st.lists(st.one_of(JUDGED, TRIED), min_size=2, max_size=14))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_the_end_everybody_has_heard_what_holds(ops: sa.Engine, events: list[tuple[str, str, str]]) -> None:
    """After any history of changes, faults and lost replies: the declared receiver of a stopped workflow was told to stop, every
    other one that was ever told to was let go, and who need not be told anything was not.
    """
    slug = f"w{uuid.uuid4().hex}"
    world = World(Ops(ops), replace(LOADED, slug=slug), {})
    last: tuple[str, str] = ("10", "")
    for what, first, receiver in events:
        if what == "judged":
            world.judged(first, receiver)
            last = (first, receiver)
        else:
            world.tried(first)
    for _ in range(20):
        if not world.tried("done"):
            break
    stopped = last[1] if last[0] == "400" else ""
    expected: Mapping[str, Any] = {name: "stop" if name == stopped else "resume" for name in world.heard}
    assert world.heard == expected
    assert not stopped or stopped in world.heard
    assert world.tried("done") == 0


def test_two_looks_at_once_give_one_order(ops: sa.Engine) -> None:
    """Eight checks that find the cap reached at the same moment: one order to stop."""
    world = World(Ops(ops), replace(LOADED, slug="at_once"), {})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: world.judged("400", "desk"), range(8)))
    with ops.begin() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(stop_orders)).scalar_one() == 1
