"""The task that reads the bills: what breaks is tried again, and on the last try is an UNKNOWN run."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from afterpilot import pipeline
from afterpilot.domain.run import Trigger
from afterpilot.orchestration import context, tasks

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was kept of stages that broke; the task runs as its DAG would."""
    kept: list[str] = []
    wired = SimpleNamespace(services=None, declarations=SimpleNamespace(workflows=()), telling=contextlib.nullcontext)
    monkeypatch.setattr(context, "wired", lambda: wired)
    monkeypatch.setattr(context, "trigger", lambda: Trigger("airflow", "r", "provider_bills"))
    monkeypatch.setattr(pipeline, "bills_crashed", lambda _services, error, **_: kept.append(str(error)))
    return kept


def breaks(*_: Any, **__: Any) -> None:
    """A stage that cannot run."""
    raise ValueError("boom")


@pytest.mark.parametrize(("last", "kept"), [(False, []), (True, ["boom"])])
def test_a_stage_that_breaks_is_red(
    told: list[str], monkeypatch: pytest.MonkeyPatch, *, last: bool, kept: list[str]
) -> None:
    """Each time; it is on record once Airflow tries no more."""
    monkeypatch.setattr(context, "is_last_try", lambda: last)
    monkeypatch.setattr(pipeline, "bills", breaks)
    with pytest.raises(ValueError, match="boom"):
        tasks.provider_bills.function()
    assert told == kept


def test_without_accounts_the_task_is_green_and_does_nothing(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A team that has no account of its own is not bothered."""
    monkeypatch.setattr(pipeline, "bills", lambda *_, **__: None)
    assert tasks.provider_bills.function() == {}
    assert told == []


def test_the_verdict_is_what_the_task_returns(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An UNKNOWN bill turns nothing red: it has an incident."""
    run = SimpleNamespace(workflow="_fleet", verdict="UNKNOWN", summary="no day was read")
    monkeypatch.setattr(pipeline, "bills", lambda *_, **__: SimpleNamespace(run=run))
    assert tasks.provider_bills.function() == {"_fleet": "UNKNOWN"}
    assert told == []
