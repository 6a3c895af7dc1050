"""Rules that tie several keys of an eval suite together; they read the raw document, as :mod:`afterpilot.declare.rules` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from afterpilot.declare.problems import Flaw, Path, choices, describe, show_text
from afterpilot.declare.rules import dig, items, texts
from afterpilot.declare.scorers import models_of, scorer_flaws
from afterpilot.domain.corrections import fields_in
from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.workflow import ModelTarget

Data = Mapping[str, Any]

TARGETS = ("model", "endpoint", "scripted")


def suite_flaws(section: Data, at: Path) -> Iterator[Flaw]:
    """Everything in a suite that does not fit together; ``at`` is the path of its keys in the declaration."""
    yield from _target(section, at)
    yield from _currencies(section, at)
    yield from _epochs(section, at)
    for index, waiver in items(section.get("waivers")):
        if isinstance(waiver, dict) and ("case" in waiver) == ("tag" in waiver):
            yield Flaw((*at, "waivers", index), "must name either a case or a tag", "such as {case: late-1, until: …}")
    for index, scorer in items(section.get("scorers")):
        yield from scorer_flaws(scorer, (*at, "scorers", index))


def model_names(section: Data, at: Path) -> Iterator[tuple[Path, str]]:
    """Every model that the suite's own keys name, with its place: under test, behind an endpoint, of judges, of embeddings."""
    for key in ("model", "endpoint"):
        if isinstance(name := dig(section, key, "name"), str):
            yield (*at, key, "name"), name
    for index, scorer in items(section.get("scorers")):
        for path, name in models_of(scorer):
            yield (*at, "scorers", index, *path), name


def model_flaws(data: Data, cases: Sequence[Case]) -> Iterator[Flaw]:
    """Models that the workflow's governance does not allow; those of judges that cases bring along too."""
    allowed = [name for _, name in texts(dig(data, "governance", "models_allowed"))]
    if not allowed:
        return
    section = data["evals"]
    own = {name for case in cases for scorer in case.scorers for name in _asked(scorer)}
    found = [*model_names(section, ("evals",)), *((("evals", "cases"), name) for name in sorted(own))]
    for path, name in found:
        if name.strip() not in allowed:
            text = f"'{show_text(name)}' is not one of governance.models_allowed"
            yield Flaw(path, text, choices(name, allowed))


def _asked(scorer: ScorerSpec) -> Iterator[str]:
    target, embedding = scorer.params.get("target"), scorer.params.get("embedding")
    if isinstance(target, ModelTarget):
        yield target.name
    if isinstance(embedding, Mapping):
        yield str(embedding["model"])


def correction_flaws(section: Data, at: Path, *, variables: frozenset[str], source: object) -> Iterator[Flaw]:
    """Corrections that name what the prompt, the source or its decisions do not have."""
    corrections = section.get("corrections")
    if not isinstance(corrections, dict):
        return
    path: Path = (*at, "corrections")
    asked, expected = corrections.get("vars", {}), corrections.get("expected", {})
    if not expected and "answer" not in corrections:
        yield Flaw((*path, "expected"), "is missing", "what the right answer is; or `answer`, to measure judges only")
    if isinstance(asked, dict) and variables:
        for name in asked:
            if name not in variables:
                text = f"'{show_text(name)}' is not a variable of the prompt"
                yield Flaw((*path, "vars", name), text, choices(name, sorted(variables)))
        fields = dig(source, "fields")
        for name in sorted(variables - asked.keys()):
            if not (isinstance(fields, dict) and name in fields):
                yield Flaw((*path, "vars", name), "is missing, but the prompt needs it")
    yield from _kept(asked, corrections.get("answer"), source, path)
    yield from _corrected(expected, source, path)


def _kept(asked: object, answer: object, source: object, path: Path) -> Iterator[Flaw]:
    """Fields of the record that are not there, or of which nothing is left."""
    fields = dig(source, "fields")
    if not isinstance(fields, dict):
        return
    personal = {name for _, name in texts(dig(source, "personal"))}
    named = [((*path, "vars", name), field) for name, field in asked.items()] if isinstance(asked, dict) else []
    for place, field in (*named, ((*path, "answer"), answer)):
        if not isinstance(field, str):
            continue
        if field not in fields:
            yield Flaw(place, f"'{show_text(field)}' is not one of source.fields", choices(field, list(fields)))
        elif field in personal:
            yield Flaw(place, f"'{field}' is redacted when written, so that no case can be made of it")


def _corrected(expected: object, source: object, path: Path) -> Iterator[Flaw]:
    """Right values of fields that nobody corrects, or of which nothing is left."""
    if not isinstance(dig(source, "fields"), dict):
        return
    corrected = dig(source, "decisions", "corrected_fields")
    known = list(corrected) if isinstance(corrected, dict) else []
    personal = {name for _, name in texts(dig(source, "personal"))}
    places = [((*path, "expected"), expected)]
    if isinstance(expected, dict):
        places = [((*path, "expected", name), template) for name, template in expected.items()]
    for place, template in places:
        for field in fields_in(template) if isinstance(template, str) else ():
            if field not in known:
                text = f"'{show_text(field)}' is not one of source.decisions.corrected_fields"
                yield Flaw(place, text, choices(field, known))
            elif field in personal:
                yield Flaw(place, f"'{field}' is redacted when written, so that no case can be made of it")


def _target(section: Data, at: Path) -> Iterator[Flaw]:
    given = [key for key in TARGETS if key in section]
    if not given:
        yield Flaw((*at, "model"), "is missing", "what is asked: a `model`, an `endpoint`, or `scripted` answers")
    for key in given[1:]:
        yield Flaw((*at, key), f"stands beside {given[0]}", "keep exactly one of model, endpoint and scripted")


def _currencies(section: Data, at: Path) -> Iterator[Flaw]:
    most = _currency(section.get("max_cost"))
    for path in (("cap",), ("endpoint", "most_cost")):
        other = _currency(dig(section, *path))
        if most and other and most != other:
            yield Flaw((*at, *path), "has another currency than max_cost", "use the same for both")
    endpoint = section.get("endpoint")
    if isinstance(endpoint, dict) and ("cost" in endpoint) != ("currency" in endpoint):
        lacking = "currency" if "cost" in endpoint else "cost"
        yield Flaw((*at, "endpoint", lacking), "is missing", "a cost needs its currency, and the other way round")


def _currency(money: object) -> str:
    return money.split("/")[0].split()[-1] if isinstance(money, str) and money.split("/")[0].split() else ""


def _epochs(section: Data, at: Path) -> Iterator[Flaw]:
    reducer, epochs = section.get("reducer"), section.get("epochs", 1)
    if not isinstance(reducer, dict) or isinstance(epochs, bool) or not isinstance(epochs, int):
        return
    for name in ("at_least", "pass_at"):
        wanted = reducer.get(name)
        if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > epochs:
            text = f"{name} needs {describe(wanted).removeprefix('the number ')} epochs, but there are {epochs}"
            yield Flaw((*at, "reducer"), text, "raise `epochs`")
