"""Scorers in their short form: ``{numeric: total_due, tolerance: 0.01}``, or the bare name for the whole answer.

Which scorers there are and what each may be told stands in :data:`afterpilot.domain.scorers.SCORERS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from afterpilot.declare.problems import Flaw, Path, choices, describe, show_text
from afterpilot.declare.scorer_kinds import JudgeModel, number_of_share, value_flaws
from afterpilot.domain.evals import ScorerSpec
from afterpilot.domain.judging import is_judge
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.scorers import SCORERS, SHARED, Parameter, Scorer
from afterpilot.domain.workflow import ModelTarget

# What files hold, by what they are read as (schema, rubric, source) and their names.
Loaded = Mapping[tuple[str, str], Any]

_FIELD_KINDS = frozenset({"field", "key"})


def scorer_flaws(scorer: Any, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    """Everything that is wrong with one scorer, its files apart."""
    name = name_of(scorer)
    if isinstance(scorer, str):
        if name is None:
            yield Flaw(path, f"{describe(scorer)} is not a known scorer", choices(scorer, list(SCORERS)))
        elif SCORERS[name].bare not in _FIELD_KINDS:
            yield Flaw(path, f"{name} needs a value: {SCORERS[name].bare}", f"such as {{{name}: …}}")
        else:
            yield from _missing(scorer={name: ""}, name=name, path=path)
        return
    if not isinstance(scorer, dict) or not scorer:
        yield Flaw(path, f"must name a scorer, but is {describe(scorer)}", "such as {exact: po_number}")
        return
    if name is None:
        known = {*SHARED, "field", *(key for one in SCORERS.values() for key in one.parameters)}
        first = next((key for key in scorer if key not in known), next(iter(scorer)))
        yield Flaw((*path, first), f"{describe(first)} is not a known scorer", choices(str(first), list(SCORERS)))
        return
    second = next((key for key in scorer if key in SCORERS and key != name), None)
    if second is not None:
        yield Flaw((*path, second), f"is a second scorer in one item, after {name}", "write each as its own item")
        return
    yield from _parameter_flaws(scorer, name, path)


def name_of(scorer: Any) -> str | None:  # noqa: ANN401 - YAML holds anything
    """The scorer that an item names; None where it names none."""
    if isinstance(scorer, str):
        return scorer if scorer in SCORERS else None
    return next((key for key in scorer if key in SCORERS), None) if isinstance(scorer, dict) else None


def file_of(scorer: Any) -> tuple[str, str] | None:  # noqa: ANN401 - YAML holds anything
    """What a scorer reads from a file: as what (schema, rubric, source), and the file's name as declared."""
    name = name_of(scorer)
    if name is None or not isinstance(scorer, dict) or not SCORERS[name].loaded:
        return None
    file = scorer[name]
    return (SCORERS[name].loaded, file.strip()) if isinstance(file, str) and file.strip() else None


def label_of(scorer: Any) -> str:  # noqa: ANN401 - YAML holds anything
    """How a scorer without flaws is called in results."""
    name = name_of(scorer)
    if name is None or isinstance(scorer, str):
        return name or ""
    field = scorer[name] if SCORERS[name].bare in _FIELD_KINDS else scorer.get("field", "")
    return ScorerSpec(name, field, title=scorer.get("title", "")).label


def same_label_flaws(
    others: Sequence[ScorerSpec], placed: Sequence[tuple[Path, ScorerSpec]], *, line: int = 0
) -> Iterator[Flaw]:
    """Scorers that are called like one before them where one of both is a judge.

    What may decide is known by its label: a judge on probation would take the other one's trust away.
    """
    judges: dict[str, bool] = {}
    for path, spec in (*(((), other) for other in others), *placed):
        judge = is_judge(spec)
        if path and spec.label in judges and (judge or judges[spec.label]):
            text = f"is called '{show_text(spec.label)}' like another scorer, and one of them is a judge"
            yield Flaw(path, text, "give it a `title` of its own", line=line)
        judges[spec.label] = judge or judges.get(spec.label, False)


def models_of(scorer: Any) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - YAML holds anything
    """The models that a scorer asks, each with the path of its name inside the item."""
    for path in (("model", "name"), ("embedding", "model")):
        part = scorer.get(path[0]) if isinstance(scorer, dict) else None
        if isinstance(part, dict) and isinstance(part.get(path[1]), str):
            yield path, part[path[1]]


def parameters_of(table: Scorer) -> Mapping[str, Parameter]:
    """Everything that may stand beside the scorer's own name."""
    return {**table.parameters, **table.shared}


def _parameter_flaws(scorer: dict[str, Any], name: str, path: Path) -> Iterator[Flaw]:
    table = SCORERS[name]
    known = parameters_of(table)
    yield from value_flaws(scorer[name], (*path, name), Parameter(table.bare, ""))
    yield from _missing(scorer=scorer, name=name, path=path)
    for other, value in scorer.items():
        if other == name:
            continue
        if other not in known:
            yield Flaw((*path, other), f"is not a parameter of {name}", choices(str(other), list(known)))
        else:
            yield from value_flaws(value, (*path, other), known[other])
    if "threshold" in scorer and not table.graded:
        text = f"{name} gives right or wrong, so that a threshold changes nothing"
        yield Flaw((*path, "threshold"), text, "leave it out")


def _missing(*, scorer: dict[str, Any], name: str, path: Path) -> Iterator[Flaw]:
    for other, parameter in SCORERS[name].parameters.items():
        if parameter.required and other not in scorer:
            yield Flaw((*path, other), f"is missing: {name} needs it")


def scorer_of(scorer: Any, loaded: Loaded) -> ScorerSpec:  # noqa: ANN401 - YAML holds anything
    """The scorer of a declaration without flaws. What a judge's ``model`` says becomes its ``target``."""
    if isinstance(scorer, str):
        return ScorerSpec(scorer, "")
    name = next(key for key in scorer if key in SCORERS)
    table, shared = SCORERS[name], {*SHARED, "field"} - {"negate"}
    params = {key: _kept(value) for key, value in scorer.items() if key not in {name, *shared}}
    named_field = table.bare in _FIELD_KINDS
    if not named_field:
        params[table.bare_as] = _kept(scorer[name])
    if table.loaded:
        params[table.loaded] = loaded[table.loaded, scorer[name].strip()]
    if table.loaded == "rubric":
        params["target"] = _judge(params.pop("model"), params["rubric"])
    if "floor" in params:
        params["floor"] = number_of_share(params["floor"])
    return ScorerSpec(
        name,
        scorer[name] if named_field else scorer.get("field", ""),
        params,
        weight=float(scorer.get("weight", 1)),
        threshold=number_of_share(scorer.get("threshold", 1)),
        tags=tuple(scorer.get("tags", ())),
        title=scorer.get("title", ""),
    )


def _kept(value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, str):
        return value
    return tuple(value) if isinstance(value, list) else value


def _judge(model: Mapping[str, Any], rubric: str) -> ModelTarget:
    declared = JudgeModel.model_validate(model)
    return ModelTarget(
        connection=declared.connection,
        name=declared.name,
        prompt=Prompt(rubric),
        temperature=declared.temperature,
        max_tokens=declared.max_tokens,
        api=declared.api,
    )
