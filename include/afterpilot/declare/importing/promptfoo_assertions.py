"""Assertions of promptfoo as scorers. What each type means is taken from promptfoo's documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from afterpilot.declare.importing import generated
from afterpilot.declare.importing.carried import as_text
from afterpilot.declare.importing.promptfoo_files import PREFIX, Config, all_texts, is_plain, rendered
from afterpilot.declare.importing.promptfoo_providers import embedding_of, read_provider
from afterpilot.declare.json_files import NotJson, json_schema
from afterpilot.declare.scorers import scorer_flaws
from afterpilot.declare.yaml_lines import read

Item = Any

_NOT = "not-"
_LEVENSHTEIN = 5  # promptfoo's own threshold
_SIMILAR = 0.75
_OF_NO_ANSWER = frozenset({"latency", "cost", "is-valid-openai-tools-call", "tool-call-f1"})
_KEYS = frozenset({"type", "value", "threshold", "weight", "metric", "provider", "transform"})
_WHY: Mapping[str, str] = {
    "javascript": "JavaScript is not run here: write it as a Python function, {python: scorers.py, function: …}",
    "python": "it needs a look: put it into a file as f(answer, case, reply), {python: scorers.py, function: …}",
    "assert-set": "groups with a threshold of their own do not exist here",
    "webhook": "no address is asked about answers",
    "select-best": "answers are judged one by one, never against each other",
    "max-score": "answers are judged one by one, never against each other",
}


class NotCarried(Exception):
    """An assertion has no scorer of the same meaning; the text says why."""


@dataclass(slots=True)
class Assertions:
    """Turns assertions into scorers, and gathers the files that those need.

    ``model`` is the one under test, which judges where no other one is named.
    """

    config: Config
    model: Mapping[str, Any]
    tools: str = ""
    files: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)

    def scorers(self, found: Any, place: str, values: Mapping[str, str], options: Mapping[str, Any]) -> list[Item]:  # noqa: ANN401 - YAML holds anything
        """The scorers of a list of assertions, with a case's variables filled in; the others are noted."""
        made: list[Item] = []
        for index, item in enumerate(found if isinstance(found, list) else []):
            where = f"{place}[{index}]"
            one = self._referred(item)
            kind = one.get("type") if isinstance(one, dict) else None
            if not isinstance(one, dict) or not isinstance(kind, str):
                self.config.notes.leave(where, "an assertion", "it has no type")
            elif kind == "assert-set" and "threshold" not in one:
                made += self.scorers(one.get("assert"), f"{where}.assert", values, options)
            else:
                scorer = self._scorer(one, where, values, options)
                made += [scorer] if scorer is not None else []
        return made

    def _referred(self, item: Any) -> Any:  # noqa: ANN401 - YAML holds anything
        """What ``$ref: '#/assertionTemplates/name'`` means."""
        reference = item.get("$ref") if isinstance(item, dict) else None
        if not isinstance(reference, str):
            return item
        templates = self.config.data(self.config.path).get("assertionTemplates")
        found = templates.get(reference.rsplit("/", 1)[-1]) if isinstance(templates, dict) else None
        return found if found is not None else item

    def _scorer(
        self, item: dict[str, Any], place: str, values: Mapping[str, str], options: Mapping[str, Any]
    ) -> Item | None:
        kind = item["type"]
        try:
            self._keys(item, place)
            transformed = (
                None if kind.removeprefix(_NOT) in _OF_NO_ANSWER else item.get("transform", options.get("transform"))
            )
            looked_at = _field(transformed)
            scorer = self._made(item, values, options, place) | ({"field": looked_at} if looked_at else {})
            scorer = _settled(scorer, item)
        except NotCarried as error:
            self.config.notes.leave(place, kind, str(error))
            return None
        for flaw in scorer_flaws(scorer, ()):
            self.config.notes.leave(place, kind, f"as a scorer, {'.'.join(map(str, flaw.path))} {flaw.text}")
            return None
        return scorer

    def _keys(self, item: Mapping[str, Any], place: str) -> None:
        for key in item:
            if key not in _KEYS:
                self.config.notes.leave(f"{place}.{key}", key, "assertions have no such part here")

    def _made(
        self, item: Mapping[str, Any], values: Mapping[str, str], options: Mapping[str, Any], place: str
    ) -> dict[str, Any]:
        kind = item["type"].removeprefix(_NOT)
        if kind not in _MAKERS:
            raise NotCarried(_WHY.get(kind, "there is no scorer of that meaning"))
        value = item.get("value")
        if isinstance(value, str) and value.startswith(PREFIX):
            value = self.config.content(value, place)
            if value is None:
                raise NotCarried("its file cannot be used")
        if any(not is_plain(text) for text in all_texts(value)):
            raise NotCarried("its template holds more than plain {{ variables }}")
        asked = _Asked(self, kind, rendered(value, values), item, options, place)
        return _MAKERS[kind](asked)

    def file(self, stem: str, ending: str, text: str) -> str:
        """The name of a file with this text; the same text is written once."""
        for name, there in self.files.items():
            if there == text and name.startswith(stem) and name.endswith(ending):
                return name
        number = sum(name.startswith(stem) for name in self.files) + 1
        name = f"{stem}-{number}{ending}"
        self.files[name] = text
        return name

    def function(self, stem: str, source: Callable[[str], str]) -> dict[str, Any]:
        """A scorer that is a function written for this suite."""
        body = source("NAME")
        for name, there in self.functions.items():
            if there == body:
                return {"python": generated.FILE, "function": name}
        name = f"{stem}_{sum(name.startswith(stem) for name in self.functions) + 1}"
        self.functions[name] = body
        return {"python": generated.FILE, "function": name}

    def all_files(self) -> dict[str, str]:
        """Every file that the scorers name."""
        if not self.functions:
            return dict(self.files)
        return self.files | {generated.FILE: generated.source(self.functions)}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One assertion, its value read and filled in."""

    suite: Assertions
    kind: str
    value: Any
    item: Mapping[str, Any]
    options: Mapping[str, Any]
    place: str

    @property
    def negated(self) -> bool:
        return str(self.item["type"]).startswith(_NOT)

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
        return {"ignore_case": True} if self.kind.startswith("icontains") else {}


def _equals(asked: _Asked) -> dict[str, Any]:
    return {"exact": "", "value": asked.text if not isinstance(asked.value, (dict, list)) else asked.value}


def _contains(asked: _Asked) -> dict[str, Any]:
    return {"contains": "", "text": asked.text, **asked.folded}


def _contains_all(asked: _Asked) -> dict[str, Any]:
    return {"contains": "", "all": asked.texts, **asked.folded}


def _contains_any(asked: _Asked) -> dict[str, Any]:
    return {"contains": "", "any": asked.texts, **asked.folded}


def _regex(asked: _Asked) -> dict[str, Any]:
    pattern = re.sub(
        r"\(\?<(?![=!])", "(?P<", asked.text
    )  # the one way of writing in which JavaScript and Python differ often
    return {"regex": "", "pattern": pattern}


def _starts_with(asked: _Asked) -> dict[str, Any]:
    return {"regex": "", "pattern": r"\A" + re.escape(asked.text.lstrip())}


def _is_json(asked: _Asked) -> dict[str, Any]:
    schema = asked.schema
    return {"json_schema": asked.suite.file("schema", ".json", schema)} if schema else {"is_json": ""}


def _contains_json(asked: _Asked) -> dict[str, Any]:
    schema = asked.schema
    return asked.suite.function("contains_json", lambda name: generated.contains_json(name, schema))


def _latency(asked: _Asked) -> dict[str, Any]:
    return {"latency": asked.threshold()}


def _cost(asked: _Asked) -> dict[str, Any]:
    return {"cost": asked.threshold()}


def _levenshtein(asked: _Asked) -> dict[str, Any]:
    text, most = asked.text, asked.threshold(_LEVENSHTEIN)
    return asked.suite.function("within_edits", lambda name: generated.within_edits(name, text, most))


def _similar(asked: _Asked) -> dict[str, Any]:
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


def _rubric(asked: _Asked) -> dict[str, Any]:
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


def _refusal(asked: _Asked) -> dict[str, Any]:
    return {"refusal": not asked.negated}


def _tools_call(asked: _Asked) -> dict[str, Any]:
    if not asked.suite.tools:
        raise NotCarried("the provider has no tools whose schema could be held against the calls")
    return asked.suite.function("valid_tool_calls", lambda name: generated.valid_tool_calls(name, asked.suite.tools))


def _tool_f1(asked: _Asked) -> dict[str, Any]:
    calls = [{"name": name.strip()} for name in asked.texts]
    return {"tool_call": "", "calls": calls, "arguments": "ignore", "threshold": asked.threshold(1.0)}


_MAKERS: Mapping[str, Callable[[_Asked], dict[str, Any]]] = {
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

_LAST_FIELD = re.compile(r"(?:JSON\.parse\(output\)|output)(?:\.([A-Za-z_]\w*)|\[['\"]([^'\"]{1,100})['\"]\])")


def _field(transform: Any) -> str:  # noqa: ANN401 - YAML holds anything
    """The field of the answer that a transform takes; empty where it changes nothing that counts here.

    Raises:
        NotCarried: it needs JavaScript or Python.
    """
    if transform is None or (isinstance(transform, str) and transform.strip() in {"output", "output.trim()"}):
        return ""
    match = _LAST_FIELD.fullmatch(transform.strip()) if isinstance(transform, str) else None
    if match is None:
        raise NotCarried("its answer is transformed by a program")
    return str(match.group(1) or match.group(2))


def _settled(scorer: dict[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """The scorer with the field in its place, and what any assertion may say: its weight, its metric, its being turned round."""
    name = next(iter(scorer))
    looked_at = scorer.pop("field", "")
    if looked_at and scorer[name] == "":
        scorer[name] = looked_at
    elif looked_at:
        scorer["field"] = looked_at
    weight, metric = item.get("weight", 1), item.get("metric")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight <= 0:
        raise NotCarried("its weight is 0, so that it decides nothing")
    extra: dict[str, Any] = {"weight": weight} if weight != 1 else {}
    extra |= {"title": metric} if isinstance(metric, str) and metric else {}
    extra |= {"negate": True} if str(item["type"]).startswith(_NOT) and name != "refusal" else {}
    return scorer | extra


def of_cell(text: str) -> Iterator[dict[str, Any]]:
    """The assertion of an ``__expected`` cell: ``contains: Paris``, ``similar(0.8): Hello``; a bare text is what must come out."""
    match = re.fullmatch(r"\s*([a-z][a-z0-9-]*)(?:\(([0-9.]+)\))?\s*:\s*(.*)", text, re.DOTALL)
    known = match is not None and (
        match.group(1).removeprefix(_NOT) in _MAKERS or match.group(1).removeprefix(_NOT) in _WHY
    )
    if match is not None and match.group(1) in {"fn", "eval", "file"}:
        yield {"type": "javascript", "value": text}
    elif match is not None and match.group(1) == "grade":
        yield {"type": "llm-rubric", "value": match.group(3)}
    elif match is not None and known:
        threshold = {"threshold": float(match.group(2))} if match.group(2) else {}
        yield {"type": match.group(1), "value": match.group(3), **threshold}
    elif text.strip() in {"is-json", "contains-json", "is-refusal", "not-is-refusal"}:
        yield {"type": text.strip()}
    elif text.strip():
        yield {"type": "equals", "value": text}
