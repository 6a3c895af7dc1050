"""Scorers in their short form: ``{numeric: total_due, tolerance: 0.01}``, or the bare name for the whole answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from afterpilot.declare.parameters import flaws_of
from afterpilot.declare.problems import Flaw, Path, choices, describe
from afterpilot.domain.evals import ScorerSpec

# What stands behind the scorer's name (a field of the answer, a file, a list of values), and its other parameters.
SCORERS: dict[str, tuple[str, str]] = {
    "exact": ("field", ""),
    "contains": ("field", "text?"),
    "regex": ("field", "pattern"),
    "numeric": ("field", "tolerance?"),
    "json_schema": ("file", "field?"),
    "one_of": ("scalar list", "field?"),
}
MEANINGS: dict[str, str] = {
    "exact": "the field is the case's expected value, to the letter",
    "contains": "the field contains `text`, or the case's expected text",
    "regex": "the field matches the pattern",
    "numeric": "the field is a number within `tolerance` (0 unless given) of the expected one",
    "json_schema": "the answer (or a field of it) follows the schema in the file",
    "one_of": "the answer (or a field of it) is one of the listed values",
}
# Those that compare with what a case expects, unless told otherwise by `text`.
_COMPARING = frozenset({"exact", "contains", "numeric"})

_KINDS = {"tolerance": "not negative", "pattern": "regex", "text": "text"}
_OTHERS = {"field", *_KINDS}
_FIELD_CHARACTERS = 100


def needs_expected(scorer: ScorerSpec) -> bool:
    """Whether the scorer compares with what a case expects."""
    return scorer.name in _COMPARING and "text" not in scorer.params


def scorer_flaws(scorer: Any, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    """Everything that is wrong with one scorer."""
    if isinstance(scorer, str):
        scorer = {scorer: ""}
    if not isinstance(scorer, dict) or not scorer:
        yield Flaw(path, f"must name a scorer, but is {describe(scorer)}", "such as {exact: po_number}")
        return
    names = [name for name in scorer if name in SCORERS]
    if not names:
        first = next((name for name in scorer if name not in _OTHERS), next(iter(scorer)))
        yield Flaw((*path, first), f"{describe(first)} is not a known scorer", choices(first, list(SCORERS)))
        return
    if len(names) > 1:
        yield Flaw((*path, names[1]), f"is a second scorer in one item, after {names[0]}", "write each as its own item")
        return
    yield from _parameter_flaws(scorer, names[0], path)


def _parameter_flaws(scorer: dict[str, Any], name: str, path: Path) -> Iterator[Flaw]:
    kind, others = SCORERS[name]
    place = (*path, name)
    yield from _field_flaws(scorer[name], place) if kind == "field" else flaws_of(scorer[name], place, kind)
    known = [other.removesuffix("?") for other in others.split()]
    for other in others.split():
        if not other.endswith("?") and other not in scorer:
            yield Flaw((*path, other), f"is missing: {name} needs it")
    for other, value in scorer.items():
        if other == name:
            continue
        if other not in known:
            yield Flaw((*path, other), f"is not a parameter of {name}", choices(other, known))
        elif other == "field":
            yield from _field_flaws(value, (*path, other))
        else:
            yield from flaws_of(value, (*path, other), _KINDS[other])


def _field_flaws(value: Any, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    if not isinstance(value, str) or len(value) > _FIELD_CHARACTERS:
        hint = 'leave it out, or write "", for the whole answer'
        yield Flaw(path, f"must name a field of the answer, but is {describe(value)}", hint)


def scorer_of(scorer: Any, files: Mapping[str, Any]) -> ScorerSpec:  # noqa: ANN401 - YAML holds anything
    """The scorer of a declaration without flaws; ``files`` holds the loaded JSON schemas by name.

    Parameters: ``pattern`` (regex), ``text`` (contains), ``tolerance`` (numeric), ``file`` and ``schema`` (json_schema), ``values`` (one_of).
    """
    if isinstance(scorer, str):
        return ScorerSpec(scorer, "")
    name = next(name for name in scorer if name in SCORERS)
    params = {key: value for key, value in scorer.items() if key not in {name, "field"}}
    if SCORERS[name][0] == "field":
        return ScorerSpec(name, scorer[name], params)
    field = scorer.get("field", "")
    if name == "json_schema":
        return ScorerSpec(name, field, {"file": scorer[name], "schema": files[scorer[name]]})
    return ScorerSpec(name, field, {"values": tuple(scorer[name])})
