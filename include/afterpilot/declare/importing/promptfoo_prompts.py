"""Prompts of a promptfoo configuration, as the templates that suites have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afterpilot.declare.importing.carried import read_text
from afterpilot.declare.importing.promptfoo_files import CODE, DATA, PREFIX, Config, is_plain, normalised
from afterpilot.declare.json_files import NotJson, parse_json
from afterpilot.domain.errors import DeclarationError

_BETWEEN = re.compile(r"^---[ \t]*$", re.MULTILINE)
_SECTION = re.compile(r"^## (system|user|assistant)[ \t]*$", re.MULTILINE)
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class NewPrompt:
    """A prompt as a suite's ``prompt.md`` has it, and what people call it."""

    label: str
    text: str


def prompts(config: Config, found: Any) -> list[NewPrompt]:  # noqa: ANN401 - YAML holds anything
    """All prompts that are plain templates; the others are noted."""
    made: list[NewPrompt] = []
    for index, item in enumerate(found if isinstance(found, list) else [found]):
        place = f"prompts[{index}]"
        label = item.get("label", "") if isinstance(item, dict) else ""
        source = item.get("raw", item.get("id")) if isinstance(item, dict) else item
        if not isinstance(source, str):
            config.notes.leave(place, "a prompt", "it is neither a text nor a file")
            continue
        for name, content in _contents(config, source, place):
            prompt = _prompt(config, content, str(label or name or f"prompt-{len(made) + 1}"), place)
            if prompt is not None:
                made.append(prompt)
    return made


def _contents(config: Config, source: str, place: str) -> Iterator[tuple[str, Any]]:
    """What the prompts hold, each with its file's name: a text file may hold several, with lines of ``---`` between."""
    path = Path(source.removeprefix(PREFIX).split(":", 1)[0])
    named = source.startswith(PREFIX) or (
        "\n" not in source and " " not in source and path.suffix in {".txt", ".md", ".j2", *DATA, *CODE}
    )
    if not named:
        yield "", source
        return
    if path.suffix in CODE:
        config.notes.leave(place, source, "a program makes the prompt, and programs are not run by an import")
        return
    for file in config.files(source, place):
        try:
            if file.suffix in DATA:
                yield file.stem, config.data(file)
                continue
            parts = [part.strip() for part in _BETWEEN.split(read_text(file)) if part.strip()]
        except DeclarationError as error:
            config.notes.leave(place, source, str(error))
            continue
        for number, part in enumerate(parts, 1):
            yield (file.stem if len(parts) == 1 else f"{file.stem}-{number}"), part


def _prompt(config: Config, content: Any, label: str, place: str) -> NewPrompt | None:  # noqa: ANN401 - YAML holds anything
    """A text, or turns of a chat as a list or as the text of one."""
    turns = content if isinstance(content, list) else None
    if isinstance(content, str) and content.lstrip().startswith("["):
        try:
            turns = parse_json(content)
        except NotJson:
            turns = None
    if isinstance(turns, list) and turns and all(isinstance(turn, dict) for turn in turns):
        return _chat(config, turns, label, place)
    if not isinstance(content, str) or not content.strip():
        config.notes.leave(place, label, "it is neither a text nor the turns of a chat")
        return None
    if not _usable(config, content, label, place):
        return None
    return NewPrompt(label, normalised(content.strip()) + "\n")


def _chat(config: Config, turns: list[Any], label: str, place: str) -> NewPrompt | None:
    parts = []
    for turn in turns:
        role, content = _ROLES.get(str(turn.get("role"))), turn.get("content")
        if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
            content = "\n".join(str(part.get("text", "")) for part in content)
        if role is None or not isinstance(content, str):
            config.notes.leave(place, label, "a turn of it is not plain text: put images into the cases by hand")
            return None
        if not _usable(config, content, label, place):
            return None
        parts.append(f"## {role}\n{normalised(content.strip())}\n")
    return NewPrompt(label, "\n".join(parts))


def _usable(config: Config, text: str, label: str, place: str) -> bool:
    if not is_plain(text):
        config.notes.leave(
            place, label, "its template holds more than plain {{ variables }}: filters, conditions or loops"
        )
        return False
    if _SECTION.search(text):
        config.notes.leave(
            place, label, "a line of it reads '## system', '## user' or '## assistant', which divides prompts here"
        )
        return False
    return True
