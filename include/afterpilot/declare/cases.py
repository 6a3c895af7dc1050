"""Cases: one JSON object a line, ``{"id": ..., "vars": {...}, "expected": {...}, "tags": [...]}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from afterpilot.declare.json_files import NotJson, parse_json
from afterpilot.declare.problems import Flaw, choices, describe, nearest, show_text
from afterpilot.declare.secrecy import HINT, looks_secret, may_hold_secret
from afterpilot.domain.evals import Case, Image, ScorerSpec
from afterpilot.domain.prompt import Message
from afterpilot.domain.scorers import expected_key

KEYS = ("id", "vars", "expected", "tags", "messages", "images", "scorers", "origin")
ROLES = ("system", "user", "assistant")
MAX_CASES = 20_000
ID_CHARACTERS = 100
_ORIGIN_CHARACTERS = 500


@dataclass(slots=True)
class Line:
    """One line of the file, from 1, as data; ``scorers`` and ``images`` are its own, once they are read."""

    number: int
    data: dict[str, Any]
    scorers: tuple[ScorerSpec, ...] = ()
    images: tuple[Image, ...] = field(default=(), repr=False)


def read_lines(text: str) -> tuple[list[Line], list[Flaw]]:
    """The objects in the file, and what is wrong with its lines. Empty lines are skipped."""
    lines: list[Line] = []
    flaws: list[Flaw] = []
    doubtful = may_hold_secret(text)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if doubtful and looks_secret(line):
            flaws.append(Flaw((), "holds what looks like a secret", HINT, line=number))
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
    yield from repeated_ids(lines)
    for line in lines:
        yield from _shape(line)
        yield from _messages(line)


def repeated_ids(lines: Sequence[Line]) -> Iterator[Flaw]:
    """Ids that stand in more than one line."""
    first: dict[str, int] = {}
    for line in lines:
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
    yield from _values(line)
    if not isinstance(data.get("expected", {}), (dict, str)):
        yield Flaw(("expected",), "must be an object, or a text for the whole answer", line=at)
    origin = data.get("origin", "")
    if not (isinstance(origin, str) and len(origin) <= _ORIGIN_CHARACTERS):
        yield Flaw(("origin",), f"must be a text of at most {_ORIGIN_CHARACTERS} characters", line=at)
    yield from _lists(line)


def _values(line: Line) -> Iterator[Flaw]:
    values, at = line.data.get("vars", {}), line.number
    if not isinstance(values, dict):
        text = f"must be an object, but is {describe(values)}"
        yield Flaw(("vars",), text, "the values of the prompt's variables", line=at)
        return
    for key, value in values.items():
        if not isinstance(value, str):
            yield Flaw(("vars", key), f"must be text, but is {describe(value)}", line=at)


def _lists(line: Line) -> Iterator[Flaw]:
    data, at = line.data, line.number
    for key in ("tags", "images"):
        texts = data.get(key, [])
        if not (isinstance(texts, list) and all(isinstance(text, str) and text.strip() for text in texts)):
            yield Flaw((key,), "must be a list of texts", line=at)
    if not isinstance(data.get("scorers", []), list):
        yield Flaw(("scorers",), f"must be a list, but is {describe(data['scorers'])}", line=at)


def _messages(line: Line) -> Iterator[Flaw]:
    """Turns after the prompt's: an assistant turn without content is answered by the model, so it has to be asked first."""
    turns, at = line.data.get("messages", []), line.number
    if not isinstance(turns, list):
        yield Flaw(("messages",), f"must be a list of turns, but is {describe(turns)}", line=at)
        return
    for index, turn in enumerate(turns):
        yield from _turn(turn, ("messages", index), at)
    if turns and isinstance(turns[-1], dict) and turns[-1].get("role") == "assistant" and "content" not in turns[-1]:
        hint = "leave the turn out: the last answer is asked for anyway"
        yield Flaw(("messages", len(turns) - 1), "the last turn is an answer without content", hint, line=at)


def _turn(turn: Any, place: tuple[str | int, ...], at: int) -> Iterator[Flaw]:  # noqa: ANN401 - JSON holds anything
    if not isinstance(turn, dict):
        yield Flaw(place, f"must be an object with role and content, but is {describe(turn)}", line=at)
        return
    for key in turn:
        if key not in {"role", "content"}:
            yield Flaw((*place, key), "is not a known key", choices(key, ["role", "content"]), line=at)
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        yield Flaw((*place, "role"), "must be one of the accepted words", choices(str(role), ROLES), line=at)
    elif content is None and role != "assistant":
        yield Flaw((*place, "content"), "is missing", "only a turn of the assistant may leave it out", line=at)
    elif content is not None and not (isinstance(content, str) and content):
        yield Flaw((*place, "content"), f"must be text, but is {describe(content)}", line=at)


def variable_flaws(lines: Sequence[Line], variables: frozenset[str]) -> Iterator[Flaw]:
    """Variables of the prompt that have no value in a case."""
    for line in lines:
        values = line.data.get("vars", {})
        if not isinstance(values, dict):
            continue
        for name in sorted(variables - values.keys()):
            meant = nearest(name, [key for key in values if key not in variables])
            hint = f"did you mean '{name}' where it says '{show_text(meant)}'?" if meant else ""
            yield Flaw(("vars", name), "is missing, but the prompt needs it", hint, line=line.number)


def expected_flaws(lines: Sequence[Line], scorers: Sequence[ScorerSpec], *, complete: bool) -> Iterator[Flaw]:
    """Scorers that compare with what a case does not say, and cases that nothing scores.

    ``complete`` is False where some scorers have flaws of their own: then nobody can say which case lacks one.
    """
    for line in lines:
        tags = {tag for tag in line.data.get("tags", ()) if isinstance(tag, str)} if _is_list(line, "tags") else set()
        used = [one for one in (*scorers, *line.scorers) if not one.tags or tags.intersection(one.tags)]
        expected = _expected(line.data)
        for scorer in used:
            yield from _unexpected(scorer, expected, line.number)
        if not used and complete:
            text = "no scorer looks at this case"
            yield Flaw(("scorers",), text, "give it its own, or one of the suite's without tags", line=line.number)


def _is_list(line: Line, key: str) -> bool:
    return isinstance(line.data.get(key, []), list)


def _unexpected(scorer: ScorerSpec, expected: Mapping[str, Any], at: int) -> Iterator[Flaw]:
    key = expected_key(scorer)
    if key is None:
        return
    if expected.get(key) is None:
        what = f"'{show_text(key)}'" if key else "the whole answer"
        meant = nearest(key, [name for name in expected if name not in {"", key}])
        hint = f"did you mean it where it says '{show_text(meant)}'?" if meant else ""
        text = f"has no value for {what}, which the scorer {scorer.name} compares with"
        yield Flaw(("expected",), text, hint, line=at)
    elif scorer.name == "contains" and not expected[key] and isinstance(expected[key], str):
        yield Flaw(("expected", key) if key else ("expected",), "is empty, and every answer contains that", line=at)
    elif scorer.name == "numeric" and not _is_number(expected[key]):
        yield Flaw(("expected", key), f"must be a number, but is {describe(expected[key])}", line=at)


def _expected(data: Mapping[str, Any]) -> Mapping[str, Any]:
    expected = data.get("expected", {})
    return {"": expected} if isinstance(expected, str) else expected if isinstance(expected, dict) else {}


def _is_number(value: Any) -> bool:  # noqa: ANN401 - JSON holds anything
    if isinstance(value, str):  # a text may hold one: "453.60 GBP"
        return any(character.isdigit() for character in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def cases_of(lines: Sequence[Line]) -> tuple[Case, ...]:
    """The cases of a file without flaws."""
    return tuple(
        Case(
            line.data["id"],
            line.data.get("vars", {}),
            _expected(line.data),
            tuple(line.data.get("tags", ())),
            tuple(Message(turn["role"], turn.get("content", "")) for turn in line.data.get("messages", ())),
            line.images,
            line.scorers,
            line.data.get("origin", ""),
        )
        for line in lines
    )
