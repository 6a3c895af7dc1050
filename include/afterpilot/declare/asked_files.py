"""What else is read of what is asked: the tools that a model may call, and answers that exist already."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from afterpilot.declare.cases import Line, repeated_ids
from afterpilot.declare.json_files import NotJson, json_schema
from afterpilot.declare.problems import Flaw, describe, nearest, show_text
from afterpilot.declare.rules import dig

_TOOL = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def answers_of(answers: Sequence[Line], ids: Sequence[str]) -> tuple[dict[str, str], list[Flaw]]:
    """The answers by case, and what is wrong with them: one for each case, and none for no case.

    ``ids`` are those of the cases, none where these cannot be read.
    """
    flaws = [*repeated_ids(answers), *_answer_flaws(answers)]
    if flaws:
        return {}, flaws
    found = {line.data["id"]: line.data["output"] for line in answers}
    known = set(ids)
    for line in answers if ids else ():
        name = line.data["id"]
        if name not in known:
            meant = nearest(name, ids[:1_000])
            hint = f"did you mean '{show_text(meant)}'?" if meant else ""
            flaws.append(Flaw(("id",), f"no case has the id {describe(name)}", hint, line=line.number))
    flaws += [Flaw((), f"has no answer to the case {describe(one)}", line=1) for one in ids if one not in found]
    return found, flaws


def _answer_flaws(answers: Sequence[Line]) -> Iterator[Flaw]:
    """Keys besides these are left alone, so that the results of a run serve as answers."""
    for line in answers:
        for key in ("id", "output"):
            if not isinstance(line.data.get(key), str):
                found = line.data.get(key)
                text = "is missing" if found is None else f"must be text, but is {describe(found)}"
                yield Flaw((key,), text, line=line.number)


def tools_of(found: Any) -> tuple[tuple[Mapping[str, Any], ...], list[Flaw]]:  # noqa: ANN401 - JSON holds anything
    """The tools, each as ``{"name", "description", "parameters"}``; OpenAI's wrapping of them is taken off."""
    flaws: list[Flaw] = []
    tools: list[Mapping[str, Any]] = []
    if not isinstance(found, list) or not found:
        return (), [Flaw((), f"must be a list of tools, but is {describe(found)}", line=1)]
    for index, item in enumerate(found):
        tool = dig(item, "function") if dig(item, "type") == "function" and dig(item, "function") else item
        if not isinstance(tool, dict):
            flaws.append(Flaw((index,), f"must be a tool, but is {describe(tool)}", line=1))
            continue
        if not (isinstance(tool.get("name"), str) and _TOOL.fullmatch(tool["name"])):
            text = f"must be 1 to 64 letters, digits, _ and -, but is {describe(tool.get('name'))}"
            flaws.append(Flaw((index, "name"), text, line=1))
        try:
            json_schema(json.dumps(tool.get("parameters", {"type": "object"})))
        except NotJson as error:
            flaws.append(Flaw((index, "parameters"), str(error), line=1))
        tools.append(
            {
                "name": tool.get("name"),
                "description": str(tool.get("description", "")),
                "parameters": tool.get("parameters", {"type": "object", "properties": {}}),
            }
        )
    return tuple(tools), flaws
