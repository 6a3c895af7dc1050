"""A site with a suite of forty words: the model says the word it is asked for, but those in ``wrong``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.run import Run, Trigger
from afterpilot.domain.workflow import ModelTarget, Workflow
from afterpilot.wiring import Wired
from doubles.model import Act

WORDS = 40
DAY = timedelta(days=1)


@dataclass
class Speaker:
    """The model: it answers as ``model``, waits for ``latency`` seconds, and refuses with ``status`` where that is not 200."""

    wrong: set[int] = field(default_factory=set)
    wrong_at: dict[int, int] = field(default_factory=dict)  # case → the only time at which it is wrong, from 0
    model: str | None = None
    latency: float = 0.0
    status: int = 200
    silent: bool = False  # about what its answers used

    def __call__(self, request: Mapping[str, Any], times: int) -> Act:
        """Answer one request."""
        if self.status != 200:
            return Act(status=self.status, headers={"Retry-After": "0"}, body=b"away")
        number = int(re.findall(r"w-(\d+)", request["messages"][-1]["content"])[-1])
        bad = number in self.wrong or self.wrong_at.get(number) == times
        said = Act(text="nonsense" if bad else f"w-{number:02d}", model=self.model, latency=self.latency)
        return replace(said, usage=None) if self.silent else said


def suite(wired: Wired, *, prompt: str = "Say {{ word }}.", words: int = WORDS, **changed: Any) -> Workflow:
    """The workflow with the suite of words; ``changed`` replaces parts of its evals."""
    workflow = wired.workflow(SLUG)
    assert workflow.evals is not None
    assert isinstance(workflow.evals.target, ModelTarget)
    cases = tuple(
        Case(f"w-{n:02d}", {"word": f"w-{n:02d}"}, {"": f"w-{n:02d}"}, ("even" if n % 2 == 0 else "odd",))
        for n in range(words)
    )
    target = replace(workflow.evals.target, prompt=Prompt(prompt), response_schema=None)
    evals = replace(workflow.evals, target=target, cases=cases, scorers=(ScorerSpec("exact", ""),), concurrency=8)
    return replace(workflow, evals=replace(evals, **changed))


def ran(site: Site, *, started_by: Trigger | None = None, **changed: Any) -> Run:
    """Run the suite of words."""
    with _once(site) as wired:
        return pipeline.evaluate(wired.services, suite(wired, **changed), trigger=started_by or trigger())


def approved(site: Site, *, days: int = 6, **changed: Any) -> pipeline.Approval:
    """Run the suite on so many days, and approve the last run with those before it; then it is the next day."""
    for _ in range(days):
        assert ran(site, **changed).evidence["pass_rate"] == 1.0
        site.now += DAY
    site.now -= DAY / 2
    with _once(site) as wired:
        done = pipeline.approve(wired.services, suite(wired, **changed), by="Dana Ruiz", note="the first")
    site.now += DAY / 2
    return done


def probed(site: Site, *, started_by: Trigger | None = None, **changed: Any) -> pipeline.Probing:
    """Probe."""
    with _once(site) as wired:
        return pipeline.probe(wired.services, suite(wired, **changed), trigger=started_by or trigger())


@contextlib.contextmanager
def _once(site: Site) -> Iterator[Wired]:
    """One process for one thing that is done; it leaves no connection behind."""
    wired = site.wired()
    try:
        yield wired
    finally:
        wired.engine.dispose()
