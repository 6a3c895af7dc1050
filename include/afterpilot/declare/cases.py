"""Cases: one JSON object a line, ``{"id": ..., "vars": {...}, "expected": {...}, "tags": [...]}``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from afterpilot.declare.json_files import NotJson, parse_json
from afterpilot.declare.problems import Flaw, choices, describe, nearest, show_text
from afterpilot.declare.scorers import needs_expected
from afterpilot.domain.evals import Case, ScorerSpec

KEYS = ("id", "vars", "expected", "tags")
MAX_CASES = 20_000
ID_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file, from 1, as data."""

    number: int
    data: dict[str, Any]


def read_lines(text: str) -> tuple[list[Line], list[Flaw]]:
    """The objects in the file, and what is wrong with its lines. Empty lines are skipped."""
    lines: list[Line] = []
    flaws: list[Flaw] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            data = parse_json(line)
        except NotJson as error:
            flaws.append(Flaw((), str(error), "each line is one whole JSON object", line=number))
            continue
        if isinstance(data, dict):
            lines.append(Line(number, data))
        else:
            flaws.append(Flaw((), f"must be a JSON object, but is {describe(data)}", line=number))
    if not lines and not flaws:
        flaws.append(Flaw((), "holds no case", line=1))
    if len(lines) > MAX_CASES:
        flaws.append(Flaw((), f"holds more than {MAX_CASES:,} cases", line=lines[MAX_CASES].number))
    return lines, flaws


def case_flaws(lines: Sequence[Line]) -> Iterator[Flaw]:
    """What is wrong with the cases themselves."""
    first: dict[str, int] = {}
    for line in lines:
        yield from _shape(line)
        name = line.data.get("id")
        if not isinstance(name, str):
            continue
        if name in first:
            text = f"the id '{show_text(name)}' stands twice, first in line {first[name]}"
            yield Flaw(("id",), text, "give each case its own", line=line.number)
        else:
            first[name] = line.number


def _shape(line: Line) -> Iterator[Flaw]:
    data, at = line.data, line.number
    for key in data:
        if key not in KEYS:
            yield Flaw((key,), "is not a known key", choices(key, KEYS), line=at)
    name = data.get("id")
    if not (isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= ID_CHARACTERS):
        text = "is missing" if name is None else f"must be a text of 1 to {ID_CHARACTERS} characters"
        yield Flaw(("id",), text, line=at)
    values = data.get("vars")
    if not isinstance(values, dict):
        text = "is missing" if values is None else f"must be an object, but is {describe(values)}"
        yield Flaw(("vars",), text, "the values of the prompt's variables", line=at)
    else:
        for key, value in values.items():
            if not isinstance(value, str):
                yield Flaw(("vars", key), f"must be text, but is {describe(value)}", line=at)
    if not isinstance(data.get("expected", {}), (dict, str)):
        yield Flaw(("expected",), "must be an object, or a text for the whole answer", line=at)
    tags = data.get("tags", [])
    if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        yield Flaw(("tags",), "must be a list of texts", line=at)


def variable_flaws(lines: Sequence[Line], variables: frozenset[str]) -> Iterator[Flaw]:
    """Variables of the prompt that have no value in a case."""
    for line in lines:
        values = line.data.get("vars")
        if not isinstance(values, dict):
            continue
        for name in sorted(variables - values.keys()):
            meant = nearest(name, [key for key in values if key not in variables])
            hint = f"did you mean '{name}' where it says '{show_text(meant)}'?" if meant else ""
            yield Flaw(("vars", name), "is missing, but the prompt needs it", hint, line=line.number)


def expected_flaws(lines: Sequence[Line], scorers: Sequence[ScorerSpec]) -> Iterator[Flaw]:
    """Scorers that compare with what a case does not say."""
    needs = [scorer for scorer in scorers if needs_expected(scorer)]
    for line in lines:
        expected = _expected(line.data)
        for scorer in needs:
            if expected.get(scorer.field) is None:
                what = f"'{show_text(scorer.field)}'" if scorer.field else "the whole answer"
                meant = nearest(scorer.field, [key for key in expected if key not in {"", scorer.field}])
                hint = f"did you mean it where it says '{show_text(meant)}'?" if meant else ""
                text = f"has no value for {what}, which the scorer {scorer.name} compares with"
                yield Flaw(("expected",), text, hint, line=line.number)
            elif scorer.name == "numeric" and not _is_number(expected[scorer.field]):
                text = f"must be a number, but is {describe(expected[scorer.field])}"
                yield Flaw(("expected", scorer.field), text, line=line.number)


def _expected(data: dict[str, Any]) -> dict[str, Any]:
    expected = data.get("expected", {})
    return {"": expected} if isinstance(expected, str) else expected if isinstance(expected, dict) else {}


def _is_number(value: Any) -> bool:  # noqa: ANN401 - JSON holds anything
    if isinstance(value, str):  # a text may hold one: "453.60 GBP"
        return any(character.isdigit() for character in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def cases_of(lines: Sequence[Line]) -> tuple[Case, ...]:
    """The cases of a file without flaws."""
    return tuple(
        Case(line.data["id"], line.data["vars"], _expected(line.data), tuple(line.data.get("tags", ())))
        for line in lines
    )
