"""What a run depended on, so that a change can be named as a cause."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from afterpilot.decide.causes import UNKNOWN, different
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.evals import Sample
from afterpilot.domain.judging import is_judge, judge_sha256
from afterpilot.domain.run import Stage
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit

_MOST_VALUES = 20  # of one thing that replies say, such as the fingerprints of a provider's servers


def declared(evals: Evals) -> dict[str, str]:
    """The part that stands in the workflow's folder."""
    return {
        "prompt": evals.prompt_sha256,
        "cases": evals.sha256,
        "declaration": evals.declaration,
        "model": evals.target.name,
    }


def fingerprint(
    services: Services, workflow: Workflow, evals: Evals, samples: Iterable[Sample], *, advisory: Collection[str]
) -> dict[str, Any]:
    """The whole of it, after the answers have come."""
    found = list(samples)
    return {
        **declared(evals),
        "answered": answered(found),
        "data": _data(services, workflow, evals),
        "judges": _judges(evals, found, advisory),
        "harness": services.code_version,
    }


def answered(samples: Iterable[Sample]) -> dict[str, list[str]]:
    """What answered: each thing that replies say of it, with its values."""
    values: dict[str, set[str]] = {}
    for sample in samples:
        if sample.error or not sample.attempts:
            continue
        said = sample.fingerprint or ({"model": sample.usage.model} if sample.usage and sample.usage.model else {})
        for what, value in said.items():
            values.setdefault(what, set()).add(str(value))
    return {what: sorted(seen)[:_MOST_VALUES] for what, seen in sorted(values.items())}


def note(unit: Unit, workflow: str, seen: Mapping[str, Any], *, at: datetime) -> tuple[str, ...]:
    """Keep what was seen (``declared`` and ``answered``) where it is new; returns how it differs from what was seen before."""
    unit.fingerprints.lock(workflow)
    newest = unit.fingerprints.newest(workflow)
    said = seen.get("answered", {})
    if newest is None:
        unit.fingerprints.add(workflow, seen, at=at)
        return ()
    lines = different(seen, newest.fingerprint)
    if lines:
        whole = {**seen, "answered": {**newest.fingerprint.get("answered", {}), **said}}
        unit.fingerprints.add(
            workflow, whole, at=at, failures=0 if said else newest.failures, error="" if said else newest.error
        )
    elif said:
        unit.fingerprints.again(newest, at=at)
    return lines


def _data(services: Services, workflow: Workflow, evals: Evals) -> dict[str, str]:
    """A hash for each declared query, and what the newest data check said."""
    found: dict[str, str] = {}
    for number, reads in enumerate(evals.reads, 1):
        try:
            found[f"{reads.connection} query {number}"] = services.reads(reads)
        except (SourceError, ConfigurationError) as error:
            found[f"{reads.connection} query {number}"] = f"{UNKNOWN}: {error}"
    with services.ops.begin() as unit:
        check = unit.runs.latest_ran(workflow.slug, Stage.CHECK)
        failing = unit.runs.kinds_found(check.id) if check else ()
    if check:
        found["data checks"] = f"{check.verdict}{': ' if failing else ''}{', '.join(failing)}"
    return found


def _judges(evals: Evals, samples: Iterable[Sample], advisory: Collection[str]) -> dict[str, str]:
    specs = (*evals.scorers, *(spec for case in evals.cases for spec in case.scorers))
    found = {
        spec.label: f"{judge_sha256(spec)[:12]}{' on probation' if spec.label in advisory else ''}"
        for spec in specs
        if is_judge(spec)
    }
    calls = [call for sample in samples for call in sample.calls if call.purpose == "judge"]
    models = {call.usage.model for call in calls if call.usage and call.usage.model}
    return found | ({"models that judged": ", ".join(sorted(models))} if models else {})
