"""The examples of docs/spend.md do what they say: a gateway that asks over HTTP, and what it does when nobody answers."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI, HTTPException
from serving import served

from afterpilot.decide.allowing import allowance
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import CapRule, CapState, OnUnknown
from afterpilot.domain.window import Window
from afterpilot.record.ops import Ops
from afterpilot.web.api.tokens import GatewayTokens, hash_of
from afterpilot.web.app import create_app

pytestmark = pytest.mark.integration
PAPER = Path(__file__).parents[2] / "docs" / "spend.md"
TOKEN = "apg_example"


def example(mark: str) -> str:
    """The Python of the paper that holds this text."""
    (found,) = [code for code in re.findall(r"```python\n(.*?)```", PAPER.read_text(), re.DOTALL) if mark in code]
    return str(found)


def judged(engine: sa.Engine, spent: str, *, on_unknown: OnUnknown = "allow", model: str = "") -> None:
    """The spend of this month was looked at just now."""
    now = datetime.now(UTC)
    rule = CapRule(Cap.parse("400 USD/month"), (), "stop", model=model)
    month = Window(now - timedelta(days=1), now + timedelta(days=1))
    state = CapState(rule, month, rule.cap.limit, Money(Decimal(spent)))
    with Ops(engine).begin() as unit:
        unit.allowances.put(replace(allowance("w", [state], now=now, on_unknown=on_unknown), since=now))


@pytest.fixture
def asks(ops: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes gateways of the paper's own, which ask a real server."""
    tokens = GatewayTokens.parse(hash_of(TOKEN))
    outer = FastAPI()
    outer.mount("/afterpilot", create_app(lambda: ops, gate=[], gateway_tokens=lambda: tokens, allowances_kept=0.0))
    monkeypatch.setenv("AFTERPILOT_TOKEN", TOKEN)
    module = types.ModuleType("afterpilot_allowance")
    exec(example("class Allowance"), module.__dict__)  # noqa: S102 - it is ours
    monkeypatch.setitem(sys.modules, "afterpilot_allowance", module)
    with served(outer) as address:
        monkeypatch.setenv("AFTERPILOT_URL", address.removesuffix("/afterpilot"))
        yield module.Allowance


def old(gateway: Any) -> Any:
    """The same gateway when its answer has grown old."""
    gateway.good_until = time.monotonic()
    return gateway


def away(gateway: Any) -> Any:
    """The same gateway when its answer has grown old and nobody answers any more."""
    gateway.request.full_url = "http://127.0.0.1:9/"
    return old(gateway)


def test_it_hears_of_a_stop_when_its_answer_has_grown_old(ops: sa.Engine, asks: Callable[..., Any]) -> None:
    """Until then it goes by what it has."""
    judged(ops, "1")
    gateway = asks("w")
    assert gateway.allows("gpt-5") is True
    judged(ops, "400")
    assert gateway.allows("gpt-5") is True
    assert old(gateway).allows("gpt-5") is False
    judged(ops, "400", model="gpt-5")
    assert [old(gateway).allows(model) for model in ("gpt-5", "gpt-5-mini")] == [False, True]


@pytest.mark.parametrize(("on_unknown", "open_"), [("allow", True), ("refuse", False)])
def test_what_it_does_when_afterpilot_is_away(
    ops: sa.Engine,
    asks: Callable[..., Any],
    on_unknown: OnUnknown,
    open_: bool,  # noqa: FBT001 - a table
) -> None:
    """A stop holds until its end; else the declaration decides, as it was heard last, and at first the gateway's own word."""
    assert away(asks("w", on_unknown=on_unknown)).allows() is open_
    judged(ops, "1", on_unknown=on_unknown)
    gateway = asks("w")
    assert gateway.allows() is True
    assert away(gateway).allows() is open_
    judged(ops, "400", on_unknown=on_unknown)
    stopped = asks("w")
    assert stopped.allows() is False
    assert away(stopped).allows() is False


@pytest.mark.usefixtures("asks")
def test_litellm_s_callback_refuses_calls_of_a_workflow_that_is_stopped(
    ops: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the workflow that a key's metadata names, with the reason; keys that name none are left alone."""
    base = types.ModuleType("litellm.integrations.custom_logger")
    base.__dict__["CustomLogger"] = type("CustomLogger", (), {})
    monkeypatch.setitem(sys.modules, "litellm.integrations.custom_logger", base)
    callback: dict[str, Any] = {}
    exec(example("class Caps"), callback)  # noqa: S102 - it is ours

    def call(**metadata: str) -> Any:
        key = types.SimpleNamespace(metadata=metadata)
        return asyncio.run(callback["caps"].async_pre_call_hook(key, None, {"model": "gpt-5"}, "completion"))

    judged(ops, "400")
    assert call() == {"model": "gpt-5"}
    with pytest.raises(HTTPException) as refused:
        call(workflow="w")
    assert refused.value.status_code == 429
    assert "400.00 USD spent" in str(refused.value.detail)
