"""What a run depended on, so that a change can be named as a cause."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from afterpilot.decide.causes import UNKNOWN, different
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.evals import Sample
from afterpilot.domain.judging import judge_sha256
from afterpilot.domain.run import Stage
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.evals.judges import judges_of
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit

_MOST_VALUES = 20  # of one thing that replies say, such as the fingerprints of a provider's servers
_LATELY = 5  # changes back to which a server's fingerprint is known
_PROBATION = " on probation"
_CHECKS = "data checks"
_DAILY = timedelta(
    hours=20
)  # a table that is loaded once a day starts a suite a day; one that always changes starts none


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


def looked_at(services: Services, evals: Evals) -> dict[str, Any]:
    """What a probe sees without a word to the model: what is declared, the data that is read, and the judges."""
    return {**declared(evals), "data": _reads(services, evals), "judges": _named_judges(evals)}


def seen_by_run(marks: Mapping[str, Any], evals: Evals) -> dict[str, Any]:
    """The part of a run's fingerprint that a probe would see too."""
    data = {name: value for name, value in marks["data"].items() if name != _CHECKS}
    return {**declared(evals), "answered": marks["answered"], "data": data, "judges": _named_judges(evals)}


def note(unit: Unit, workflow: str, seen: Mapping[str, Any], *, at: datetime, probing: bool = False) -> tuple[str, ...]:
    """Keep what was seen where it is new; returns how it differs from what was seen before.

    What is seen for the first time beside what is known already is learned, and no change. To a probe, other data alone is a
    change once a day at most: a suite is not run all day long for a table that always changes.
    """
    unit.fingerprints.lock(workflow)
    known = unit.fingerprints.latest(workflow, limit=_LATELY)
    said = seen.get("answered", {})
    if not known:
        unit.fingerprints.add(workflow, seen, at=at)
        return ()
    newest = known[-1]
    found = different(seen, [one.fingerprint for one in known])
    if probing and found.changed == ("data",) and at - newest.first_seen_at < _DAILY:
        seen = {**seen, "data": newest.fingerprint["data"]}
        found = different(seen, [one.fingerprint for one in known])
    if found.lines:
        whole = _merged(newest.fingerprint, seen, {**newest.fingerprint.get("answered", {}), **said})
        unit.fingerprints.add(
            workflow, whole, at=at, failures=0 if said else newest.failures, error="" if said else newest.error
        )
        return found.lines
    whole = _merged(newest.fingerprint, seen, {**said, **newest.fingerprint.get("answered", {})})
    if whole != newest.fingerprint:
        unit.fingerprints.learned(newest, whole)
    if said:
        unit.fingerprints.again(newest, at=at)
    return ()


def _merged(before: Mapping[str, Any], seen: Mapping[str, Any], answered: Mapping[str, Any]) -> dict[str, Any]:
    """What was seen; of data that could not be read, what is known from before."""
    then = before.get("data", {})
    data = {
        name: then.get(name, value) if value.startswith(UNKNOWN) else value
        for name, value in seen.get("data", {}).items()
    }
    return {**before, **seen, "answered": dict(answered), **({"data": data} if "data" in seen else {})}


def _reads(services: Services, evals: Evals) -> dict[str, str]:
    """A hash of what each declared query returns, or why it is not known."""
    found: dict[str, str] = {}
    for number, reads in enumerate(evals.reads, 1):
        try:
            found[f"{reads.connection} query {number}"] = services.reads(reads)
        except (SourceError, ConfigurationError) as error:
            found[f"{reads.connection} query {number}"] = f"{UNKNOWN}: {error}"
    return found


def _data(services: Services, workflow: Workflow, evals: Evals) -> dict[str, str]:
    """A hash for each declared query, and what the newest data check said."""
    found = _reads(services, evals)
    with services.ops.begin() as unit:
        check = unit.runs.latest_ran(workflow.slug, Stage.CHECK)
        failing = unit.runs.kinds_found(check.id) if check else ()
    if check:
        found[_CHECKS] = f"{check.verdict}{': ' if failing else ''}{', '.join(failing)}"
    return found


def _judges(evals: Evals, samples: Iterable[Sample], advisory: Collection[str]) -> dict[str, str]:
    found = {
        label: f"{sha256}{_PROBATION if label in advisory else ''}" for label, sha256 in _named_judges(evals).items()
    }
    calls = [call for sample in samples for call in sample.calls if call.purpose == "judge"]
    models = {call.usage.model for call in calls if call.usage and call.usage.model}
    return found | ({"models that judged": ", ".join(sorted(models))} if models else {})


def deciding_judges(marks: Mapping[str, Any]) -> frozenset[str]:
    """The labels of the judges that decided in the run of this fingerprint."""
    return frozenset(label for label, said in marks.get("judges", {}).items() if not said.endswith(_PROBATION))


def _named_judges(evals: Evals) -> dict[str, str]:
    """Each judge by its label: what it is told, and by which model it judges, as the start of a hash."""
    return {spec.label: judge_sha256(spec)[:12] for spec in judges_of(evals)}
