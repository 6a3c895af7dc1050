"""What makes two runs comparable: the same cases, scored by the same scorers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.judging import is_judge, judge_sha256
from afterpilot.domain.workflow import Evals


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite by its hashes: of everything (``name``), of what decides, and of each case."""

    name: str
    scorers: str
    digests: Mapping[str, str]


def suite_of(evals: Evals, advisory: Collection[str]) -> Suite:
    """The suite as it is run now; a judge that may decide makes another suite than the same one on probation."""
    specs = [_spec(spec) for spec in evals.scorers]
    scorers = _hash([specs, str(evals.pass_score), sorted(advisory)])
    digests = {case.id: _hash(_case(case))[:12] for case in evals.cases}
    return Suite(_hash([scorers, digests])[:32], scorers[:32], digests)


def _case(case: Case) -> list[Any]:
    images = [hashlib.sha256(image.data).hexdigest() for image in case.images]
    turns = [turn.as_dict() for turn in case.messages]
    return [dict(case.vars), dict(case.expected), sorted(case.tags), turns, images, [_spec(s) for s in case.scorers]]


def _spec(spec: ScorerSpec) -> list[Any]:
    params = judge_sha256(spec) if is_judge(spec) else dict(spec.params)
    return [spec.name, spec.field, params, spec.weight, spec.threshold, sorted(spec.tags), spec.title]


def _hash(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a scorer was given
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return getattr(value, "__qualname__", None) or str(value)
