"""A model as judge: what it says of an answer, and whether it may decide."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from afterpilot.domain.evals import Call, ScorerSpec
from afterpilot.domain.workflow import ModelTarget

INSTRUCTIONS = 1  # the edition of what every judge is told besides its rubric; a test holds it to the words themselves
LEAST_LABELS = 50  # people's labels that a judge must have been measured on before it may decide
FLOOR = 0.6  # Cohen's kappa, of which the interval's lower end must not be below; Landis and Koch (1977) call 0.61 substantial


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's word on one answer, outside of a suite's run.

    ``subject`` is ``record:<key>`` for an output of production that a person has decided on, or ``frozen:<run>/<case>/<epoch>``
    for a kept answer. ``passed`` is None where the judge gave no usable word (``error`` says why): that counts neither for nor
    against it. ``label`` is the person's own word: True for accepted, False for corrected or rejected.
    """

    judge: str
    subject: str
    passed: bool | None
    value: float | None = None
    reason: str = ""
    error: str = ""
    label: bool | None = None
    call: Call | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a judge stands: agreement with people as a share and as Cohen's kappa, each with its 95 % interval.

    None where there is too little to say. ``trusted`` is whether it may decide; ``why`` is one plain sentence either way.
    """

    judge: str
    scorer: str
    labels: int
    trusted: bool
    why: str
    agreement: float | None = None
    agreement_interval: tuple[float, float] | None = None
    kappa: float | None = None
    kappa_interval: tuple[float, float] | None = None
    floor: float = FLOOR


def is_judge(spec: ScorerSpec) -> bool:
    """Whether a scorer is a model with a rubric."""
    return spec.name == "judge"


def judge_sha256(spec: ScorerSpec) -> str:
    """What makes a judge the same one: its model, rubric and threshold, whether it is turned round, and our instructions.

    A change of any puts it back on probation.
    """
    target = spec.params.get("target")
    who = (
        [target.connection, target.name, target.api, target.temperature, target.max_tokens]
        if isinstance(target, ModelTarget)
        else []
    )
    parts = [INSTRUCTIONS, who, spec.field, str(spec.params.get("rubric", "")), spec.threshold]
    parts += ["negate"] if spec.params.get("negate") else []
    parts += ["word and score"] if spec.threshold < 1 else []  # how the two are read makes another judge too
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
