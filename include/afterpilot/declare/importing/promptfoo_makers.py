"""One scorer for each type of promptfoo's assertions; what a type means is taken from promptfoo's documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afterpilot.declare.importing import generated
from afterpilot.declare.importing.carried import as_text
from afterpilot.declare.importing.promptfoo_providers import embedding_of, read_provider
from afterpilot.declare.json_files import NotJson, json_schema
from afterpilot.declare.yaml_lines import read

if TYPE_CHECKING:
    from afterpilot.declare.importing.promptfoo_assertions import Assertions

NOT = "not-"
_LEVENSHTEIN = 5  # promptfoo's own threshold
_SIMILAR = 0.75


class NotCarried(Exception):
    """An assertion has no scorer of the same meaning; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One assertion, its value read and filled in."""

    suite: Assertions
    kind: str
    value: Any
    item: Mapping[str, Any]
    options: Mapping[str, Any]
    place: str

    @property
    def negated(self) -> bool:
        """Whether its type begins with ``not-``."""
        return str(self.item["type"]).startswith(NOT)

    @property
    def text(self) -> str:
        """The value as a text."""
        if self.value is None or isinstance(self.value, (dict, list)) or not as_text(self.value):
            raise NotCarried("its value is no text")
        return as_text(self.value)

    @property
    def texts(self) -> list[str]:
        """The value as a list of texts; in a table's cell they are separated by commas."""
        found = self.value.split(",") if isinstance(self.value, str) else self.value
        if not isinstance(found, list) or not found or any(isinstance(one, (dict, list)) for one in found):
            raise NotCarried("its value is no list of texts")
        return [as_text(one).strip() if isinstance(self.value, str) else as_text(one) for one in found]

    def threshold(self, otherwise: float | None = None) -> float:
        """The assertion's own threshold."""
        found = self.item.get("threshold", otherwise)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise NotCarried("it has no threshold")
        return found

    @property
    def schema(self) -> str:
        """The value as the text of a JSON schema; empty where there is none."""
        value = read(self.value.encode()).data if isinstance(self.value, str) else self.value
        if value is None or value == "":
            return ""
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        try:
            json_schema(text)
        except NotJson as error:
            raise NotCarried(f"its schema {error}") from error
        return text

    @property
    def folded(self) -> dict[str, Any]:
        """What a type that takes capital letters for small ones adds."""
        return {"ignore_case": True} if self.kind.startswith("icontains") else {}


def _equals(asked: Asked) -> dict[str, Any]:
    return {"exact": "", "value": asked.text if not isinstance(asked.value, (dict, list)) else asked.value}


def _contains(asked: Asked) -> dict[str, Any]:
    return {"contains": "", "text": asked.text, **asked.folded}


def _contains_all(asked: Asked) -> dict[str, Any]:
    return {"contains": "", "all": asked.texts, **asked.folded}


def _contains_any(asked: Asked) -> dict[str, Any]:
    return {"contains": "", "any": asked.texts, **asked.folded}


def _regex(asked: Asked) -> dict[str, Any]:
    pattern = re.sub(
        r"\(\?<(?![=!])", "(?P<", asked.text
    )  # the one way of writing in which JavaScript and Python differ often
    return {"regex": "", "pattern": pattern}


def _starts_with(asked: Asked) -> dict[str, Any]:
    return {"regex": "", "pattern": r"\A" + re.escape(asked.text.lstrip())}


def _is_json(asked: Asked) -> dict[str, Any]:
    schema = asked.schema
    scorer = {"json_schema": asked.suite.file("schema", ".json", schema)} if schema else {"is_json": ""}
    return {**scorer, "fence": False}  # promptfoo reads the answer as it comes


def _contains_json(asked: Asked) -> dict[str, Any]:
    schema = asked.schema
    return asked.suite.function("contains_json", lambda name: generated.contains_json(name, schema))


def _latency(asked: Asked) -> dict[str, Any]:
    return {"latency": asked.threshold()}


def _cost(asked: Asked) -> dict[str, Any]:
    return {"cost": asked.threshold()}


def _levenshtein(asked: Asked) -> dict[str, Any]:
    text, most = asked.text, asked.threshold(_LEVENSHTEIN)
    return asked.suite.function("within_edits", lambda name: generated.within_edits(name, text, most))


def _similar(asked: Asked) -> dict[str, Any]:
    provider = asked.item.get("provider", asked.options.get("provider"))
    if isinstance(provider, dict) and "embedding" in provider:
        provider = provider["embedding"]
    if provider is None:
        raise NotCarried('it names no embedding model: write {similarity: "", embedding: {connection: …, model: …}}')
    embedding = embedding_of(asked.suite.config, provider, asked.place)
    if embedding is None:
        raise NotCarried("its embedding model cannot be asked")
    share = asked.threshold(_SIMILAR)
    return {
        "similarity": "",
        "value": asked.text,
        "embedding": embedding,
        "threshold": round(1 - share, 6) if asked.negated else share,
    }


def _rubric(asked: Asked) -> dict[str, Any]:
    provider = asked.item.get("provider", asked.options.get("provider"))
    if isinstance(provider, dict) and isinstance(provider.get("text"), (str, dict)):
        provider = provider["text"]
    named = read_provider(asked.suite.config, provider, f"{asked.place}.provider") if provider is not None else None
    if provider is not None and named is None:
        raise NotCarried("its grader cannot be asked")
    if named is None:
        why = "the suite's own model judges in its place: name a better one"
        asked.suite.config.notes.leave("", "promptfoo's own grader, where an llm-rubric names none", why)
    keys = named.keys if named is not None else asked.suite.model
    model = {key: keys[key] for key in ("connection", "name", "api", "max_tokens") if key in keys}
    text = (
        asked.text
        if not isinstance(asked.value, (dict, list))
        else json.dumps(asked.value, indent=2, ensure_ascii=False)
    )
    share = asked.item.get("threshold")
    graded = {"threshold": share} if isinstance(share, (int, float)) and 0 < share < 1 and not asked.negated else {}
    return {"judge": asked.suite.file("rubric", ".md", text.strip() + "\n"), "model": model, **graded}


def _refusal(asked: Asked) -> dict[str, Any]:
    return {"refusal": not asked.negated}


def _tools_call(asked: Asked) -> dict[str, Any]:
    if not asked.suite.tools:
        raise NotCarried("the provider has no tools whose schema could be held against the calls")
    return asked.suite.function("valid_tool_calls", lambda name: generated.valid_tool_calls(name, asked.suite.tools))


def _tool_f1(asked: Asked) -> dict[str, Any]:
    names = sorted({name.strip() for name in asked.texts} - {""})
    if not names:
        raise NotCarried("it names no tool")
    if asked.negated:
        raise NotCarried("turned round, its threshold would mean something else")
    scorer = asked.suite.function("tools_called", lambda name: generated.tools_called(name, names))
    return {**scorer, "threshold": asked.threshold(1.0)}


MAKERS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {
    "equals": _equals,
    "contains": _contains,
    "icontains": _contains,
    "contains-all": _contains_all,
    "icontains-all": _contains_all,
    "contains-any": _contains_any,
    "icontains-any": _contains_any,
    "regex": _regex,
    "starts-with": _starts_with,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "latency": _latency,
    "cost": _cost,
    "levenshtein": _levenshtein,
    "similar": _similar,
    "llm-rubric": _rubric,
    "is-refusal": _refusal,
    "is-valid-openai-tools-call": _tools_call,
    "tool-call-f1": _tool_f1,
}
