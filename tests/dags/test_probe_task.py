"""The task that probes a batch: a workflow that cannot be probed holds up no other."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from afterpilot import pipeline
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.run import Run, Trigger
from afterpilot.orchestration import batches, context, tasks

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]


def test_what_changed_is_evaluated_although_another_workflow_of_the_batch_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the last try: the broken ones are named, one by its folder and one by its probe, and the changed one goes on."""

    def workflow(slug: str) -> Any:
        if slug == "folder":
            raise DeclarationError("no such folder")
        return SimpleNamespace(slug=slug)

    def probe(_services: Any, found: Any, **_: Any) -> pipeline.Probing:
        if found.slug == "breaks":
            raise ValueError("boom")
        return pipeline.Probing(starts=found.slug == "changed")

    crashed: list[str] = []

    def crash(_services: Any, found: Any, *_: Any, **__: Any) -> Run:
        crashed.append(found.slug)
        return SimpleNamespace(verdict="unknown", summary="")  # type: ignore[return-value]

    wired = SimpleNamespace(workflow=workflow, services=None, telling=contextlib.nullcontext)
    monkeypatch.setattr(context, "wired", lambda: wired)
    monkeypatch.setattr(context, "trigger", lambda: Trigger("airflow", "r", "probe"))
    monkeypatch.setattr(context, "is_last_try", lambda: True)
    monkeypatch.setattr(context, "label", lambda _text: None)
    monkeypatch.setattr(pipeline, "probe", probe)
    monkeypatch.setattr(batches, "crashed", crash)
    found = tasks.probe.function({"label": "all", "workflows": ["folder", "breaks", "changed", "same"]})
    assert found == {"label": "all", "workflows": ["changed"], "broken": ["folder", "breaks"]}
    assert crashed == ["breaks"]
