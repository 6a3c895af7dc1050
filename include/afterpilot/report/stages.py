"""The stages of the week in words."""

from __future__ import annotations

from collections.abc import Iterator

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Workflow
from afterpilot.report.facts import StageWeek, WeekFacts
from afterpilot.report.numbers import day

NAMES = {
    Stage.DECLARE: "declaration",
    Stage.PULL: "records",
    Stage.CHECK: "data checks",
    Stage.GATE: "output checks",
    Stage.REVIEW: "reviews",
    Stage.EVALUATE: "evals",
    Stage.SPEND: "spend",
    Stage.BILLS: "bills",
}
_EVERY_WEEK = (Stage.PULL, Stage.CHECK, Stage.GATE, Stage.REVIEW, Stage.EVALUATE, Stage.SPEND)


def name(stage: str) -> str:
    """How a stage is called in a report."""
    return next((words for known, words in NAMES.items() if known == stage), stage)


def not_run(workflow: Workflow, facts: WeekFacts) -> tuple[str, ...]:
    """The stages that should have run in the week and did not."""
    ran = {stage.stage for stage in facts.stages}
    return tuple(stage for stage in _EVERY_WEEK if stage not in ran and _expected(workflow, stage))


def verdicts(workflow: Workflow, facts: WeekFacts) -> Iterator[Verdict]:
    """The latest verdict of each stage; UNKNOWN for one that did not run."""
    yield from (stage.latest for stage in facts.stages)
    yield from (Verdict.UNKNOWN for _ in not_run(workflow, facts))


def words(workflow: Workflow, facts: WeekFacts) -> str:
    """All stages with their latest verdict, gravest first: ``evals FAIL since 17 November; data checks, spend PASS``."""
    missing = not_run(workflow, facts)
    parts: list[str] = []
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN):
        parts += [f"{name(s.stage)} {verdict} since {day(s.since)}" for s in facts.stages if s.latest is verdict]
        if verdict is Verdict.UNKNOWN and missing:
            parts.append(f"{_list(missing)} {verdict}: not run this week")
    if passed := [stage.stage for stage in facts.stages if stage.latest is Verdict.PASS]:
        parts.append(f"{_list(passed)} {Verdict.PASS}")
    return "; ".join(parts)


def _list(stages: tuple[str, ...] | list[str]) -> str:
    return ", ".join(name(stage) for stage in stages)


def _expected(workflow: Workflow, stage: Stage) -> bool:
    """Whether the declaration gives the stage anything to do."""
    if stage is Stage.EVALUATE:
        return workflow.evals is not None
    if stage in {Stage.GATE, Stage.REVIEW}:
        return bool(workflow.outputs)
    return bool(workflow.quality) if stage is Stage.CHECK else True


def standing(facts: WeekFacts, verdict: Verdict) -> tuple[StageWeek, ...]:
    """The stages whose latest verdict is that one."""
    return tuple(stage for stage in facts.stages if stage.latest is verdict)
