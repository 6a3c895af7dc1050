"""Four weeks of the example's eval nights, so that its eval page has a past.

The answers are the live model's own, recorded: five takes of the suite under the prompt in production, and two under a shorter
one, which somebody tried for two nights to save tokens. Everything else is real: each night runs through the stage as it would
have run then, with its samples, its prices, the alarm, and the messages.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from afterpilot import pipeline
from afterpilot.demo.steps import Steps
from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.incident import IncidentState
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.run import Stage, Trigger
from afterpilot.domain.workflow import Evals, ModelTarget, Target, Workflow
from afterpilot.evaluate.asking import Embedded
from afterpilot.evaluate.exchange import Exchange, Unanswered
from afterpilot.evaluate.runner import Runner
from afterpilot.pipeline import Services

NIGHTS = 28
APPROVED_AFTER = 14  # nights; these are the baseline
SHORTENED = range(18, 20)  # the nights of the shorter prompt
_HOUR = 2  # UTC, as the schedule ``nightly`` has it
_MORNING = timedelta(hours=6, minutes=20)  # after the night's run
_NOTE = "the shorter prompt is taken back today"
PROMPT_DIGITS = 12  # of a prompt's hash, by which the recording names it


@dataclass(frozen=True, slots=True)
class Nights:
    """The recording: the model, the shorter prompt, and the answers by prompt hash, take and case."""

    model: str
    weights_sha256: str
    prompt_sha256: str
    shorter: Prompt
    answers: Mapping[tuple[str, int, str], Mapping[str, Any]]

    def takes(self, prompt_sha256: str) -> int:
        """How often the suite was recorded under a prompt."""
        return 1 + max(
            (take for prompt, take, _ in self.answers if prompt == prompt_sha256[:PROMPT_DIGITS]), default=-1
        )


def read_nights(path: Path) -> Nights:
    """Read the recording."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    told = json.loads(head)
    texts: dict[str, str] = told["prompts"]
    answers = [json.loads(line) for line in lines]
    return Nights(
        model=told["model"],
        weights_sha256=told["weights_sha256"],
        prompt_sha256=next(digest for digest, text in texts.items() if not text),
        shorter=Prompt(next(text for text in texts.values() if text)),
        answers={(one["prompt"], one["take"], one["case"]): one for one in answers},
    )


def replay(services: Services, workflow: Workflow, nights: Nights, *, now: datetime, steps: Steps) -> int:
    """Run the nights where the workflow has no past, oldest first, and approve the baseline on the way; how many were run.

    Nothing is replayed, and it is said why, where the workflow's prompt, model or cases are not those of the recording: their
    answers would be somebody else's.
    """
    with services.ops.begin() as unit:
        if unit.runs.latest(workflow.slug, Stage.EVALUATE) is not None:
            return 0  # its past is written: what came later must not be followed by what came before
    if others := _others(workflow.evals, nights):
        steps.note(f"The eval page begins without a past: the recorded nights are of {' and '.join(others)}.")
        return 0
    last = now.astimezone(UTC).replace(hour=_HOUR, minute=0, second=0, microsecond=0)
    last -= timedelta(days=1)
    with steps.counted("Replaying four weeks of eval nights, as recorded", NIGHTS) as step:
        for night in range(NIGHTS):
            at = last - timedelta(days=NIGHTS - 1 - night)
            _night(services, workflow, nights, night=night, at=at)
            if night in SHORTENED:
                _taken_up(_at(services, at + _MORNING), workflow)
            if night + 1 == APPROVED_AFTER:
                note = "the first two weeks, which nobody changed"
                pipeline.approve(_at(services, at), workflow, by="make demo", note=note)
            step()
    return NIGHTS


def _night(services: Services, workflow: Workflow, nights: Nights, *, night: int, at: datetime) -> None:
    tried = _with_prompt(workflow, nights.shorter) if night in SHORTENED else workflow
    recorded = _Recorded(nights, night)

    @asynccontextmanager
    async def opened(_concurrency: int) -> AsyncIterator[_Recorded]:
        yield recorded

    then = _at(services, at)
    then = replace(then, runner=lambda _workflow: Runner(opened, services.prices, now=lambda: at))
    pipeline.evaluate(then, tried, trigger=Trigger(origin="recorded", run_id=f"{at:%Y-%m-%d}"))


def _taken_up(services: Services, workflow: Workflow) -> None:
    """What the owner does in the morning: says once, and to all, who has the trouble of the night."""
    with services.ops.begin() as unit:
        found = [
            one
            for one in unit.incidents.unresolved(workflow.slug)
            if one.state is IncidentState.OPEN and one.cause_id is None
        ]
    for incident in found:
        pipeline.acknowledge(
            services, str(incident.id), by=workflow.owner.name, note=_NOTE, known={workflow.slug: workflow}
        )


def _at(services: Services, at: datetime) -> Services:
    return replace(services, now=lambda: at)


def _with_prompt(workflow: Workflow, prompt: Prompt) -> Workflow:
    evals = workflow.evals
    if evals is None or not isinstance(evals.target, ModelTarget):
        raise TypeError("the example's suite asks a model")
    return replace(workflow, evals=replace(evals, target=replace(evals.target, prompt=prompt)))


def _others(evals: Evals | None, nights: Nights) -> list[str]:
    """What the recording has otherwise than the suite, in words; empty where it is the suite's own."""
    if evals is None or not isinstance(evals.target, ModelTarget):
        return ["a suite that asks a model, which is not declared"]
    others = []
    if evals.target.name != nights.model:
        others.append(f"another model ({nights.model}, not {evals.target.name})")
    if evals.target.prompt.sha256 != nights.prompt_sha256:
        others.append("another prompt")
    if missing := len({case.id for case in evals.cases} - {case for _, _, case in nights.answers}):
        others.append(f"other cases (without {missing} of today's {len(evals.cases)})")
    return others


class _Recorded:
    """Answers as the model did: the take goes by night and epoch."""

    def __init__(self, nights: Nights, night: int) -> None:
        self._nights = nights
        self._night = night

    async def answer(self, target: Target, case: Case, *, seed: int) -> Reply:
        """The recorded answer to the case."""
        if not isinstance(target, ModelTarget):
            raise TypeError("the example's suite asks a model")
        prompt = target.prompt.sha256
        take = (self._night + seed - 1) % max(1, self._nights.takes(prompt))
        said = self._nights.answers.get((prompt[:PROMPT_DIGITS], take, case.id))
        if said is None:
            raise Unanswered(f"no answer was recorded for {case.id}", Exchange())
        return Reply(
            text=said["text"],
            usage=Usage(target.name, said["input_tokens"], said["output_tokens"], said["cached_tokens"]),
            model=target.name,
            latency_ms=said["latency_ms"],
            attempts=1,
            request={"recorded": True, "messages": [turn.as_dict() for turn in target.prompt.render(case.vars)]},
            response={"recorded": True, "model": target.name},
            fingerprint={"model": target.name},
        )

    async def ask(self, target: ModelTarget, turns: Sequence[Message], *, schema: object, seed: int) -> Reply:  # noqa: ARG002 - the protocol's
        """No judge was recorded."""
        raise Unanswered("no judge was recorded", Exchange())

    async def embed(self, connection: str, name: str, texts: Sequence[str]) -> Embedded:  # noqa: ARG002 - as above
        """No embedding was recorded."""
        raise Unanswered("no embedding was recorded", Exchange())
