"""What was recorded before an eval run, as far as the run can be compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.evals.suites import Suite
from afterpilot.pipeline.services import Services
from afterpilot.record.evals.baselines import Baseline
from afterpilot.record.evals.results import EvalResult

_EARLIER = 60  # runs before this one, from which it is seen which cases waver


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was recorded before the run: the approval, its runs, the valid runs since, and those before this one."""

    baseline: Baseline | None
    approved: tuple[EvalResult, ...] = ()
    since: tuple[EvalResult, ...] = ()
    earlier: tuple[EvalResult, ...] = ()
    suites: Mapping[str, tuple[str, Mapping[str, str]]]

    def comparable(self, result: EvalResult, suite: Suite) -> frozenset[str]:
        """The cases of a run that are the same in this suite, scored by the same scorers."""
        scorers, digests = self.suites.get(result.suite, ("", {}))
        if scorers != suite.scorers:
            return frozenset()
        return frozenset(case for case, digest in digests.items() if suite.digests.get(case) == digest)


def known(services: Services, workflow: Workflow, *, began: datetime) -> Known:
    """Read what was recorded before a run that began then."""
    with services.ops.begin() as unit:
        baseline = unit.baselines.newest(workflow.slug)
        approved = unit.eval_results.of_runs(baseline.runs) if baseline else ()
        since = unit.eval_results.since(workflow.slug, baseline.approved_at) if baseline else ()
        earlier = unit.eval_results.before(workflow.slug, began, limit=_EARLIER)
        names = {result.suite for result in (*approved, *since, *earlier)}
        suites = unit.eval_results.suites(workflow.slug, names)
    return Known(
        baseline=baseline,
        approved=tuple(approved),
        since=tuple(result for result in since if result.at < began),
        earlier=tuple(earlier),
        suites=suites,
    )
