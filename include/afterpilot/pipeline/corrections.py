"""People's corrections become cases: offered as they are pulled, and added to the folder by whoever accepts them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from afterpilot.declare.writing import append_case, case_line
from afterpilot.domain.corrections import question_of, right_answer, variables_of
from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Case
from afterpilot.domain.record import HumanDecision, Record
from afterpilot.domain.workflow import Corrections, Evals, Workflow
from afterpilot.pipeline.services import Services
from afterpilot.pull.redact import REDACTED, redact
from afterpilot.record.evals.offers import Offer, State
from afterpilot.record.ops import Unit

MOST_OPEN = 100  # offers of one workflow that wait at once: more are made when some are answered
_LOOKED_AT = 1000  # of the newest corrections, so that no pull grows with all there ever were
TAG = "correction"
OPEN: tuple[State, ...] = ("offered",)
_LONGEST_KEY = 60  # characters of a record's key in a case's id
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of new corrections: those that were offered, duplicates, those of which no case can be made, and those that wait
    for others to be answered first.
    """

    offered: int = 0
    duplicates: int = 0
    unusable: int = 0
    waiting: int = 0


def offer_cases(services: Services, workflow: Workflow) -> Offered:
    """Offer each correction with right values as a new case, newest first; at most 100 offers wait at once.

    One whose question equals that of a case of the suite, or of another offer, is kept as its duplicate.
    """
    terms = workflow.evals.corrections if workflow.evals else None
    if workflow.evals is None or terms is None or not terms.expected:
        return Offered()
    with services.ops.begin() as unit:
        unit.offers.lock(workflow.slug)
        given = unit.offers.corrections(workflow.slug, limit=_LOOKED_AT)
        if not given:
            return Offered()
        made, found = _offers(unit, workflow, workflow.evals, terms, given)
        unit.offers.add(workflow.slug, made, at=services.now())
    log.info("%s: %s", workflow.slug, found)
    return found


def offers(services: Services, workflow: Workflow, *, states: Collection[State] = ()) -> Sequence[Offer]:
    """The offers of a workflow in these states, or in any."""
    with services.ops.begin() as unit:
        return unit.offers.all(workflow.slug, states=states)


def accept_offers(
    services: Services, workflow: Workflow, keys: Sequence[str], *, by: str, note: str = ""
) -> Sequence[Offer]:
    """Add the offered cases of these records (of all that wait, without keys) to the workflow's folder, one after the other.

    The folder is the truth: the change goes through the team's review like any other. A case that stands there already, from
    an attempt that was cut off, is not added again; an offer that was accepted before stays as it is. Returns what was accepted.

    Raises:
        CheckError: a record has no offer, or one that was declined or is a duplicate.
        DeclarationError: the folder cannot be written to.
    """
    known = {case.id: case for case in workflow.evals.cases} if workflow.evals else {}
    with services.ops.begin() as unit:
        unit.offers.lock(workflow.slug)
        waiting = unit.offers.all(workflow.slug, states=OPEN)
        chosen = _named(unit, workflow, keys, "accepted") if keys else waiting
    done = []
    for offer in chosen:
        case = _case(offer.case)
        if case.id not in known:
            append_case(Path(workflow.path), case)
        elif case_line(known[case.id]) != case_line(case):
            raise CheckError(f"{workflow.slug} holds another case {case.id!r}: rename that one first")
        with services.ops.begin() as unit:
            unit.offers.answer(workflow.slug, offer.key, "accepted", by=by, note=note, at=services.now())
        done.append(offer)
    return done


def decline_offer(services: Services, workflow: Workflow, key: str, *, by: str, note: str) -> Sequence[Offer]:
    """Keep on record that an offer was declined, and why; it is not offered again. Returns what was declined.

    Raises:
        CheckError: the record has no offer, or one that was accepted or is a duplicate.
    """
    with services.ops.begin() as unit:
        unit.offers.lock(workflow.slug)
        chosen = _named(unit, workflow, [key], "declined")
        for offer in chosen:
            unit.offers.answer(workflow.slug, offer.key, "declined", by=by, note=note, at=services.now())
    return chosen


def _named(unit: Unit, workflow: Workflow, keys: Sequence[str], state: State) -> Sequence[Offer]:
    """The waiting offers of these records; those that are in the wanted state already are left out."""
    known = {offer.key: offer for offer in unit.offers.all(workflow.slug)}
    for key in keys:
        offer = known.get(key)
        if offer is None:
            raise CheckError(f"{workflow.slug} has no offer of the record {key!r}")
        if offer.state not in {"offered", state}:
            who = f" by {offer.decided_by}" if offer.decided_by else ""
            said = f" ({offer.note})" if offer.note else ""
            raise CheckError(f"the offer of {key!r} is {offer.state}{who}{said}: it cannot be {state}")
    return [known[key] for key in dict.fromkeys(keys) if known[key].state == "offered"]


def _offers(
    unit: Unit,
    workflow: Workflow,
    evals: Evals,
    terms: Corrections,
    given: Sequence[tuple[Record, HumanDecision]],
) -> tuple[list[Offer], Offered]:
    names = frozenset({*variables_of(evals), *terms.vars})
    others = {offer.digest: f"the offer of {offer.key}" for offer in unit.offers.all(workflow.slug)}
    others |= {
        _digest(case.vars, names): f"case {case.id}" for case in evals.cases if not (case.messages or case.images)
    }
    own = {offer.key: offer.digest for offer in unit.offers.all(workflow.slug, states=OPEN)}
    ids = {case.id for case in evals.cases}
    waiting = len(own)
    made: list[Offer] = []
    counts = {"offered": 0, "duplicates": 0, "unusable": 0, "waiting": 0}
    for record, decision in given:
        case = _corrected(workflow, terms, names, record, decision, ids)
        if case is None:
            counts["unusable"] += 1
            continue
        digest = _digest(case.vars, names)
        offer = Offer(record.key, decision.decided_at, case_line(case), digest)
        if digest in others and own.get(record.key) != digest:
            made.append(replace(offer, state="duplicate", note=f"it asks the same as {others[digest]}"))
            counts["duplicates"] += 1
        elif waiting >= MOST_OPEN and record.key not in own:
            counts["waiting"] += 1
        else:
            waiting += record.key not in own
            others[digest] = f"the offer of {record.key}"
            made.append(offer)
            counts["offered"] += 1
    return made, Offered(**counts)


def _corrected(
    workflow: Workflow,
    terms: Corrections,
    names: Collection[str],
    record: Record,
    decision: HumanDecision,
    ids: Collection[str],
) -> Case | None:
    """The case that a correction makes; None where a variable or a right value is missing, or is one that is never kept."""
    data = {name: value for name, value in redact(record, workflow.source).data.items() if value != REDACTED}
    right = {name: value for name, value in decision.corrected.items() if value != REDACTED}
    right = {name: value for name, value in right.items() if name not in workflow.source.personal}
    values, lacking = question_of(terms, names, data)
    expected, unknown = right_answer(terms, data, right)
    if lacking or unknown or not expected:
        return None
    return Case(
        _id(record.key, ids),
        values,
        expected,
        tags=(TAG,),
        origin=f"correction of record {record.key}, decided {decision.decided_at:%Y-%m-%d}",
    )


def _id(key: str, taken: Collection[str]) -> str:
    """A case's id from a record's key, shortened by its hash where it is long or taken."""
    short = " ".join("".join(letter if letter.isprintable() else " " for letter in key).split())
    mark = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:8]
    wanted = f"correction-{short}"
    if short != key or len(short) > _LONGEST_KEY or wanted in taken:
        wanted = f"correction-{short[:_LONGEST_KEY]}-{mark}"
    return wanted


def _digest(values: Mapping[str, Any], names: Collection[str]) -> str:
    """What makes two questions equal: the same values of the prompt's variables, blanks apart."""
    asked = {name: " ".join(str(values.get(name, "")).split()) for name in names}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _case(line: Mapping[str, Any]) -> Case:
    """A case from its line."""
    expected = line.get("expected", {})
    return Case(
        line["id"],
        dict(line["vars"]),
        {"": expected} if isinstance(expected, str) else dict(expected),
        tags=tuple(line.get("tags", ())),
        origin=line.get("origin", ""),
    )
