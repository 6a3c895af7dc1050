"""From the checked keys of an eval suite to the domain's words."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from afterpilot.declare import eval_schema as schema
from afterpilot.declare.scorers import name_of
from afterpilot.domain.evals import Waiver
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.workflow import (
    AlarmTerms,
    Corrections,
    Evals,
    JsonTarget,
    ModelTarget,
    Reads,
    ScriptedTarget,
    Target,
)

if TYPE_CHECKING:
    from afterpilot.declare.convert import Named

SCRIPTED = "scripted"  # the name of a target that asks nobody

# What has a hash or a place of its own, and what cannot change an answer or its score.
_APART: dict[str, Any] = {
    "name": True,
    "model": {"name", "prompt"},
    "endpoint": {"name", "request", "most_cost"},
    **dict.fromkeys(("scripted", "cases", "scorers", "max_cost", "cap", "concurrency"), True),
    **dict.fromkeys(("alarm", "waivers", "reads", "corrections"), True),
}


def evals_of(evals: schema.Evals, named: Named) -> Evals:
    """The suite of a declaration without problems."""
    alarm, corrections = evals.alarm, evals.corrections
    return Evals(
        target=_target(evals, named),
        cases=named.cases,
        scorers=named.scorers,
        epochs=evals.epochs,
        max_cost=evals.max_cost,
        concurrency=evals.concurrency,
        pass_rate=evals.pass_rate,
        sha256=named.cases_sha256,
        reducer=evals.reducer,
        pass_score=evals.pass_score,
        alarm=AlarmTerms(alarm.false_alarms_per_year, alarm.smallest_drop) if alarm else AlarmTerms(),
        waivers=tuple(Waiver(one.until, one.by, one.why, one.case or "", one.tag or "") for one in evals.waivers),
        reads=tuple(Reads(one.connection, sql) for one, sql in zip(evals.reads, named.reads, strict=True)),
        corrections=_corrections(corrections) if corrections else None,
        cap=evals.cap,
        declaration=declaration_sha256(evals, named),
    )


def declaration_sha256(evals: schema.Evals, named: Named) -> str:
    """Hex digest of everything in the suite that can change a score and is told by no other hash.

    Prompt, request, cases and the model's name are left out, and so are judges, which have
    :func:`afterpilot.domain.judging.judge_sha256`; schemas, tools, answers and Python functions are in it by content.
    """
    keys = evals.model_dump(exclude=_APART, warnings=False)
    scorers = [_scorer(scorer) for scorer in evals.scorers]
    files = {
        f"{kind}/{name}": hashlib.sha256(
            (content if isinstance(content, str) else _canonical(content)).encode()
        ).hexdigest()
        for (kind, name), content in named.loaded.items()
        if kind != "rubric" and name in named.suite_files
    }
    text = _canonical([keys, scorers, files, named.tools, sorted(named.answers.items())])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _scorer(scorer: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    if name_of(scorer) != "judge":
        return scorer
    return {key: value for key, value in scorer.items() if key not in {"judge", "model", "threshold", "floor"}}


def _canonical(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def _corrections(corrections: schema.Corrections) -> Corrections:
    expected = corrections.expected
    return Corrections(
        dict(corrections.vars),
        {"": expected} if isinstance(expected, str) else dict(expected),
        corrections.answer or "",
    )


def _target(evals: schema.Evals, named: Named) -> Target:
    if evals.model is not None:
        return _model(evals.model, named)
    if evals.endpoint is not None:
        return _endpoint(evals.endpoint, named)
    return ScriptedTarget(SCRIPTED, named.answers)


def _model(model: schema.Model, named: Named) -> ModelTarget:
    return ModelTarget(
        connection=model.connection,
        name=model.name,
        prompt=Prompt(named.prompt),
        response_schema=named.loaded["schema", model.response_schema] if model.response_schema else None,
        temperature=model.temperature,
        max_tokens=model.max_tokens,
        api=model.api,
        tools=named.tools,
    )


def _endpoint(endpoint: schema.Endpoint, named: Named) -> JsonTarget:
    return JsonTarget(
        connection=endpoint.connection,
        name=endpoint.name,
        path=endpoint.path,
        request=named.request,
        answer=endpoint.answer,
        model=endpoint.model or "",
        input_tokens=endpoint.input_tokens or "",
        output_tokens=endpoint.output_tokens or "",
        cost=endpoint.cost or "",
        currency=endpoint.currency or "",
        sources=endpoint.sources or "",
        tool_calls=endpoint.tool_calls or "",
        most_cost=endpoint.most_cost,
    )
