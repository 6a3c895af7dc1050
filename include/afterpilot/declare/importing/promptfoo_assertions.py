"""Assertions of promptfoo as scorers, and the files that those need."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from afterpilot.declare.importing import generated
from afterpilot.declare.importing.promptfoo_files import PREFIX, Config, all_texts, is_plain, rendered
from afterpilot.declare.importing.promptfoo_makers import MAKERS, NOT, Asked, NotCarried
from afterpilot.declare.scorers import label_of, scorer_flaws

Item = Any

_NOT_OF_THE_ANSWER = frozenset({"latency", "cost", "is-valid-openai-tools-call", "tool-call-f1"})
_KEYS = frozenset({"type", "value", "threshold", "weight", "metric", "provider", "transform"})
_OF_A_SET = frozenset({"type", "assert", "threshold"})
_WHY: Mapping[str, str] = {
    "javascript": "JavaScript is not run here: write it as a Python function, {python: scorers.py, function: …}",
    "python": "it needs a look: put it into a file as f(answer, case, reply), {python: scorers.py, function: …}",
    "assert-set": "groups with a threshold of their own, or of weight 0, do not exist here",
    "webhook": "no address is asked about answers",
    "select-best": "answers are judged one by one, never against each other",
    "max-score": "answers are judged one by one, never against each other",
}


@dataclass(slots=True)
class Assertions:
    """Turns assertions into scorers, and gathers the files that those need.

    ``model`` is the one under test, which judges where no other one is named.
    """

    config: Config
    model: Mapping[str, Any]
    tools: str = ""
    fields: frozenset[str] | None = None  # of the answer, where its schema says which there are
    files: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)

    def scorers(self, found: Any, place: str, values: Mapping[str, str], options: Mapping[str, Any]) -> list[Item]:  # noqa: ANN401 - YAML holds anything
        """The scorers of a list of assertions, with a case's variables filled in; the others are noted."""
        items = enumerate(found if isinstance(found, list) else [])
        return [one for index, item in items for one in self.of(item, f"{place}[{index}]", values, options)]

    def of(self, item: Any, place: str, values: Mapping[str, str], options: Mapping[str, Any]) -> list[Item]:  # noqa: ANN401 - YAML holds anything
        """The scorers of one assertion: several for a set, none where it is noted instead."""
        one = self._referred(item)
        kind = one.get("type") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(kind, str):
            self.config.notes.leave(place, "an assertion", "it has no type")
            return []
        if kind == "assert-set" and one.get("threshold") is None and one.get("weight") != 0:
            for key in sorted(one.keys() - _OF_A_SET, key=str):
                why = "groups do not exist here: its assertions stand alone"
                self.config.notes.leave(f"{place}.{key}", str(key), why)
            return self.scorers(one.get("assert"), f"{place}.assert", values, options)
        scorer = self._scorer(one, place, values, options)
        return [scorer] if scorer is not None else []

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
                None
                if kind.removeprefix(NOT) in _NOT_OF_THE_ANSWER
                else item.get("transform", options.get("transform"))
            )
            looked_at = _field(transformed, self.fields)
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
        kind = item["type"].removeprefix(NOT)
        if kind not in MAKERS:
            raise NotCarried(_WHY.get(kind, "there is no scorer of that meaning"))
        value = item.get("value")
        if isinstance(value, str) and value.startswith(PREFIX):
            value = self.config.content(value, place)
            if value is None:
                raise NotCarried("its file cannot be used")
        if any(not is_plain(text) for text in all_texts(value)):
            raise NotCarried("its template holds more than plain {{ variables }}")
        asked = Asked(self, kind, rendered(value, values), item, options, place)
        return MAKERS[kind](asked)

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


_LAST_FIELD = re.compile(r"(?:JSON\.parse\(output\)|output)(?:\.([A-Za-z_]\w*)|\[['\"]([^'\"]{1,100})['\"]\])")


def _field(transform: Any, fields: frozenset[str] | None) -> str:  # noqa: ANN401 - YAML holds anything
    """The field of the answer that a transform takes; empty where it changes nothing that counts here.

    ``fields`` are those that there are, where that is known.

    Raises:
        NotCarried: it needs JavaScript or Python, or there is no such field.
    """
    if transform is None or (isinstance(transform, str) and transform.strip() in {"output", "output.trim()"}):
        return ""
    match = _LAST_FIELD.fullmatch(transform.strip()) if isinstance(transform, str) else None
    if match is None:
        raise NotCarried("its answer is transformed by a program")
    name = str(match.group(1) or match.group(2))
    if fields is not None and name not in fields:
        raise NotCarried(f"the answer's schema has no field {name}")
    return name


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
    extra |= {"negate": True} if str(item["type"]).startswith(NOT) and name != "refusal" else {}
    return scorer | extra


def titled(cases: Sequence[list[Item]]) -> list[list[Item]]:
    """The scorers of each case, every judge under a title of its own where one is called like another scorer of its case.

    The same judge keeps its title over all cases. A metric may stand over several assertions of promptfoo.
    """
    if not any(any(True for _ in _clashes(case)) for case in cases):
        return list(cases)
    taken = {label_of(scorer) for case in cases for scorer in case if not _judges(scorer)}
    titles: dict[tuple[str, int], str] = {}
    named = []
    for case in cases:
        seen: Counter[str] = Counter()
        items = []
        for scorer in case:
            key = (json.dumps(scorer, sort_keys=True), seen[json.dumps(scorer, sort_keys=True)])
            seen[key[0]] += 1
            if _judges(scorer) and key not in titles:
                titles[key] = _free(label_of(scorer), taken)
                taken.add(titles[key])
            items.append({**scorer, "title": titles[key]} if _judges(scorer) else scorer)
        named.append(items)
    return named


def _clashes(case: Sequence[Item]) -> Iterator[str]:
    """Labels of judges that another scorer of the case has too."""
    labels = Counter(map(label_of, case))
    yield from (label_of(scorer) for scorer in case if _judges(scorer) and labels[label_of(scorer)] > 1)


def _judges(scorer: Item) -> bool:
    return isinstance(scorer, dict) and "judge" in scorer


def _free(label: str, taken: Collection[str]) -> str:
    numbers = (f"{label} ({number})" for number in itertools.count(2))
    return label if label not in taken else next(name for name in numbers if name not in taken)


def of_cell(text: str) -> Iterator[dict[str, Any]]:
    """The assertion of an ``__expected`` cell: ``contains: Paris``, ``similar(0.8): Hello``; a bare text is what must come out."""
    match = re.fullmatch(r"\s*([a-z][a-z0-9-]*)(?:\(([0-9.]+)\))?\s*:\s*(.*)", text, re.DOTALL)
    known = match is not None and (
        match.group(1).removeprefix(NOT) in MAKERS or match.group(1).removeprefix(NOT) in _WHY
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
