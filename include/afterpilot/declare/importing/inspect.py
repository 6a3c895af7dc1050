"""Datasets of JSON lines as Inspect reads them: ``input``, ``target``, ``id``, ``metadata``, ``choices``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afterpilot.declare.cases import Line, read_lines
from afterpilot.declare.importing.carried import (
    MAX_COST,
    Imported,
    Names,
    Notes,
    as_text,
    folder_name,
    id_of,
    read_text,
    tags_of,
)
from afterpilot.declare.writing import NewSuite
from afterpilot.domain.errors import DeclarationError

_KEYS = ("input", "target", "id", "metadata", "choices")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SYSTEM = "{{ system }}"
_INPUT = "{{ input }}"


@dataclass(frozen=True, slots=True)
class _Sample:
    """A sample as a case. ``system`` is whether its conversation begins with a turn of the system, ``choice`` whether it offers choices."""

    system: bool
    choice: bool
    case: dict[str, Any]


def read(path: Path) -> Imported:
    """The suites of a dataset: one, or one for each kind of sample where some have a system turn or choices and others have not.

    A target that is a list means that each of its items is right. Raises DeclarationError where the file is no dataset.
    """
    lines, flaws = read_lines(read_text(path))
    if flaws:
        flaw = flaws[0]
        raise DeclarationError(f"{path}:{flaw.line}: {flaw.text}")
    if not any("input" in line.data for line in lines):
        raise DeclarationError(f"{path}:1: has no `input`: it is no dataset of Inspect")
    notes, names = Notes(path.name), Names()
    samples = [sample for line in lines if (sample := _sample(line, notes, names)) is not None]
    kinds = sorted({(sample.system, sample.choice) for sample in samples})
    suites = tuple(
        _suite(path, kind, [one.case for one in samples if (one.system, one.choice) == kind], kinds) for kind in kinds
    )
    notes.leave(
        "",
        "the model, solvers and scorers",
        "a dataset names none: fill in `model` of suite.yaml and look at its scorers",
    )
    return Imported(suites, notes.all)


def _suite(
    path: Path, kind: tuple[bool, bool], cases: Sequence[Mapping[str, Any]], kinds: Sequence[object]
) -> NewSuite:
    system, choice = kind
    some_of_several = len(kinds) > 1
    name = folder_name(
        path.stem, "system" if some_of_several and system else "", "choices" if some_of_several and choice else ""
    )
    asked = (
        f"{_INPUT}\n\n{{{{ choices }}}}\n\nReply with the letter of the right choice, and nothing else."
        if choice
        else _INPUT
    )
    prompt = f"## system\n{_SYSTEM}\n\n## user\n{asked}\n" if system else f"{asked}\n"
    return NewSuite(
        name=name,
        keys={
            "model": {"connection": "model", "name": "name-of-the-model", "prompt": "prompt.md", "temperature": 0},
            "max_cost": MAX_COST,
            "pass_rate": "100%",
        },
        cases=cases,
        files={"prompt.md": prompt},
        about=f"From {path.name}, a dataset of Inspect. It names no model: say which in `model`.",
    )


def _sample(line: Line, notes: Notes, names: Names) -> _Sample | None:
    data, place = line.data, f"line {line.number}"
    for key in data:
        if key not in _KEYS:
            notes.leave(place, key, "samples have no such part here")
    turns = _turns(data.get("input"), place, notes)
    scorers, right = _target(data.get("target"), data.get("choices"), place, notes)
    if turns is None or scorers is None:
        return None
    system = turns[0]["role"] == "system"
    first, rest = (turns[1], turns[2:]) if system else (turns[0], turns[1:])
    values = ({"system": turns[0]["content"]} if system else {}) | {"input": first["content"]}
    choices = data.get("choices")
    if choices:
        values["choices"] = "\n".join(
            f"{letter}) {as_text(one)}" for letter, one in zip(_LETTERS, choices, strict=False)
        )
    metadata = data.get("metadata")
    tags = tags_of(metadata) if isinstance(metadata, dict) else []
    case: dict[str, Any] = {"id": names.unique(id_of(data.get("id")) or f"line-{line.number}"), "vars": values}
    case |= ({"expected": right} if right is not None else {}) | ({"tags": tags} if tags else {})
    return _Sample(system, bool(choices), case | ({"messages": rest} if rest else {}) | {"scorers": scorers})


def _turns(given: Any, place: str, notes: Notes) -> list[dict[str, str]] | None:  # noqa: ANN401 - JSON holds anything
    """The turns of the input: the first is the user's, or the system's with the user's behind it."""
    if isinstance(given, str) and given.strip():
        return [{"role": "user", "content": given}]
    turns = list(_messages(given)) if isinstance(given, list) and given else []
    if not turns or None in turns:
        notes.leave(place, "the sample", "its input is neither text nor a conversation of plain turns")
        return None
    found = [turn for turn in turns if turn is not None]
    roles = [turn["role"] for turn in found]
    if roles[0] != "user" and roles[:2] != ["system", "user"]:
        notes.leave(
            place, "the sample", "its conversation does not begin with the user, or the system and then the user"
        )
        return None
    if roles[-1] != "user":
        notes.leave(
            place,
            "the sample",
            "its conversation does not end with a turn of the user, so that nothing is left to answer",
        )
        return None
    return found


def _messages(given: Iterable[Any]) -> Iterator[dict[str, str] | None]:
    for turn in given:
        role = turn.get("role") if isinstance(turn, dict) else None
        content = turn.get("content") if isinstance(turn, dict) else None
        if isinstance(content, list):  # parts, of which texts alone are carried over
            parts = [part.get("text") if isinstance(part, dict) else None for part in content]
            content = "\n".join(str(part) for part in parts) if all(isinstance(part, str) for part in parts) else None
        plain = role in {"system", "user", "assistant"} and isinstance(content, str) and content
        extra = isinstance(turn, dict) and turn.get("tool_calls")
        yield {"role": str(role), "content": str(content)} if plain and not extra else None


def _target(target: Any, choices: Any, place: str, notes: Notes) -> tuple[list[Any] | None, str | None]:  # noqa: ANN401 - JSON holds anything
    """The case's scorers, and its expected text where it has one."""
    rights = target if isinstance(target, list) else [target]
    found = [as_text(one) for one in rights if one is not None and as_text(one).strip()]
    if not found:
        notes.leave(place, "the sample", "it has no target, so that it cannot be scored")
        return None, None
    if choices is not None and not (isinstance(choices, list) and 0 < len(choices) <= len(_LETTERS)):
        notes.leave(place, "the sample", f"its choices are no list of 1 to {len(_LETTERS)}")
        return None, None
    if choices and len(found) > 1:
        notes.leave(place, "the sample", "several of its choices are right at once")
        return None, None
    if choices:
        return [{"exact": "", "ignore_case": True}], found[0]
    # as Inspect's own `includes` compares
    if len(found) > 1:
        return [{"contains": "", "any": found, "ignore_case": True}], None
    return [{"contains": "", "ignore_case": True}], found[0]
