"""Reads the files that an eval suite names: what is asked, cases with their images, and what scorers need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from afterpilot.declare.asked_files import answers_of, tools_of
from afterpilot.declare.cases import (
    Line,
    case_flaws,
    cases_of,
    expected_flaws,
    read_lines,
    variable_flaws,
)
from afterpilot.declare.files import MAX_CASES_BYTES, Unreadable
from afterpilot.declare.images import MAX_IMAGE_BYTES, MAX_IMAGES_BYTES, media_type
from afterpilot.declare.named_files import Reading, function_flaw
from afterpilot.declare.problems import Flaw, Path, choices, describe, show_text
from afterpilot.declare.rules import dig, items
from afterpilot.declare.scorers import file_of, name_of, same_label_flaws, scorer_flaws, scorer_of
from afterpilot.domain.evals import Image, ScorerSpec
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.scorers import SCORERS

_FUNCTION = "score"  # of a python scorer that names none


def read_suite(reading: Reading, section: Mapping[str, Any], at: Path) -> None:
    """Read every file that the suite names; ``at`` is the path of its keys in the declaration."""
    _Suite(reading, section, at).read()


@dataclass(slots=True)
class _Suite:
    reading: Reading
    section: Mapping[str, Any]
    at: Path
    properties: list[str] | None = None  # fields of the answer's schema, where it says which there are
    known: dict[str, tuple[ScorerSpec | None, tuple[Flaw, ...]]] = field(default_factory=dict)

    def read(self) -> None:
        self._asked()
        scorers = self._scorers()
        for index, one in items(self.section.get("reads")):
            if isinstance(one, dict):
                path = (*self.at, "reads", index, "sql")
                self.reading.named.reads.append(self.reading.select(one.get("sql"), path))
        lines = self._cases(scorers)
        self._answers(lines)
        self._waived(lines)

    def _asked(self) -> None:
        """The prompt or the request, and what goes with it."""
        reading, named = self.reading, self.reading.named
        model: Path = (*self.at, "model")
        named.prompt = reading.take(dig(self.section, "model", "prompt"), (*model, "prompt"), reading.plain) or ""
        schema = dig(self.section, "model", "response_schema")
        reading.load("schema", schema, (*model, "response_schema"))
        named.suite_files.add(str(schema).strip())
        properties = dig(named.loaded.get(("schema", str(schema).strip())), "properties")
        self.properties = list(properties) if isinstance(properties, dict) else None
        tools = reading.take(dig(self.section, "model", "tools"), (*model, "tools"), reading.json)
        if tools is not None:
            file = str(dig(self.section, "model", "tools")).strip()
            named.tools, flaws = tools_of(tools)
            reading.elsewhere += [(file, flaw) for flaw in flaws]
        request = reading.take(
            dig(self.section, "endpoint", "request"), (*self.at, "endpoint", "request"), reading.json
        )
        named.request = request
        named.variables = Prompt(named.prompt or ("" if request is None else json.dumps(request))).variables

    def _scorers(self) -> list[ScorerSpec]:
        """The suite's scorers, as far as they have no flaw; flaws of their keys are told by the rules."""
        found, places = [], []
        for index, scorer in items(self.section.get("scorers")):
            path: Path = (*self.at, "scorers", index)
            if any(True for _ in scorer_flaws(scorer, path)):
                continue
            spec = self._files(scorer, path)
            if spec is not None:
                found.append(spec)
                places.append(path)
                self.reading.flaws += self._unknown_field(spec, path)
        self.reading.flaws += same_label_flaws((), list(zip(places, found, strict=True)))
        self.reading.named.scorers = tuple(found)
        return found

    def _files(self, scorer: Any, path: Path, *, of: str = "", line: int = 0) -> ScorerSpec | None:  # noqa: ANN401 - YAML holds anything
        """The scorer with what its file holds; None where that cannot be used."""
        file, loaded = file_of(scorer), self.reading.named.loaded
        if file is not None:
            place = (*path, str(name_of(scorer)))
            self.reading.load(file[0], file[1], place, of=of, line=line)
            self.reading.named.suite_files.add(file[1])
            if file not in loaded:
                return None
            function = scorer.get("function", _FUNCTION)
            wrong = function_flaw(loaded[file], function, (*path, "function")) if file[0] == "source" else None
            if wrong is not None:
                wrong = replace(wrong, line=line)
                if of:
                    self.reading.elsewhere.append((of, wrong))
                else:
                    self.reading.flaws.append(wrong)
                return None
        return scorer_of(scorer, loaded)

    def _unknown_field(self, spec: ScorerSpec, path: Path) -> Iterator[Flaw]:
        if not spec.field or self.properties is None or SCORERS[spec.name].bare == "key":
            return
        if spec.field not in self.properties:
            text = f"'{show_text(spec.field)}' is not a field of the response_schema"
            yield Flaw(path, text, choices(spec.field, self.properties))

    def _cases(self, scorers: list[ScorerSpec]) -> list[Line]:
        reading, name = self.reading, self.section.get("cases")
        text = reading.take(name, (*self.at, "cases"), lambda file: reading.folder.text(file, limit=MAX_CASES_BYTES))
        if text is None or not isinstance(name, str):
            self._constant_prompt([])
            return []
        file = name.strip()
        lines, flaws = read_lines(text)
        before = len(reading.elsewhere)
        for line in lines:
            flaws += self._own_scorers(line, file, scorers)
        flaws += self._images(lines)
        flaws += [*case_flaws(lines), *variable_flaws(lines, reading.named.variables)]
        complete = len(scorers) == len(list(items(self.section.get("scorers")))) and len(reading.elsewhere) == before
        flaws += expected_flaws(lines, scorers, complete=complete and not flaws)
        reading.elsewhere += [(file, flaw) for flaw in sorted(flaws, key=lambda flaw: flaw.line)]
        self._constant_prompt(lines)
        if not flaws:
            reading.named.cases = cases_of(lines)
        reading.named.cases_sha256 = _cases_sha256(reading.folder.contents[file], lines)
        return lines

    def _constant_prompt(self, lines: list[Line]) -> None:
        """The same question for each case is no suite; turns or images of a case's own make it another one."""
        model = isinstance(self.section.get("model"), dict)
        asked = self.reading.named.prompt if model else self.reading.named.request
        if not asked or self.reading.named.variables:
            return
        if len(lines) == 1 or (lines and all(line.data.get("messages") or line.data.get("images") for line in lines)):
            return
        what, key = ("prompt", ("model", "prompt")) if model else ("request", ("endpoint", "request"))
        hint = "write {{ name }} where a case's value belongs"
        self.reading.flaws.append(Flaw((*self.at, *key), f"the {what} has no variable", hint))

    def _own_scorers(self, line: Line, file: str, suite: Sequence[ScorerSpec]) -> Iterator[Flaw]:
        found: list[tuple[Path, ScorerSpec]] = []
        for index, scorer in items(line.data.get("scorers")):
            key = json.dumps(scorer, sort_keys=True)
            if key not in self.known:
                flaws = tuple(scorer_flaws(scorer, ()))
                spec = None if flaws else self._files(scorer, ("scorers", index), of=file, line=line.number)
                self.known[key] = (spec, flaws)
            spec, flaws = self.known[key]
            for flaw in flaws:
                yield replace(flaw, path=("scorers", index, *flaw.path), line=line.number)
            if spec is not None:
                again = any(spec is other for _, other in found)  # what stands twice is two, each with its own score
                found.append((("scorers", index), replace(spec) if again else spec))
                for flaw in self._unknown_field(spec, ("scorers", index)):
                    yield replace(flaw, line=line.number)
        yield from same_label_flaws(suite, found, line=line.number)
        line.scorers = tuple(spec for _, spec in found)

    def _images(self, lines: list[Line]) -> Iterator[Flaw]:
        """The images of all cases, each read once."""
        read: dict[str, Image | Flaw] = {}
        size = 0
        for line in lines:
            found = []
            for index, name in items(line.data.get("images")):
                if not isinstance(name, str) or not name.strip():
                    continue
                if name not in read:
                    read[name] = self._image(name)
                    size += len(one.data) if isinstance(one := read[name], Image) else 0
                    if size > MAX_IMAGES_BYTES:
                        text = (
                            f"the images of a suite must not be larger than {MAX_IMAGES_BYTES // 1_000_000} MB together"
                        )
                        yield Flaw(("images", index), text, line=line.number)
                        return
                image = read[name]
                if isinstance(image, Flaw):
                    yield replace(image, path=("images", index), line=line.number)
                else:
                    found.append(image)
            line.images = tuple(found)

    def _image(self, name: str) -> Image | Flaw:
        try:
            data = self.reading.folder.read(name.strip(), limit=MAX_IMAGE_BYTES)
        except Unreadable as error:
            return Flaw((), str(error), error.hint)
        kind = media_type(data)
        return (
            Image(name.strip(), kind, data)
            if kind
            else Flaw((), f"{describe(name)} is no PNG, JPEG, GIF or WebP image")
        )

    def _answers(self, lines: list[Line]) -> None:
        """The answers of a scripted target: one for each case, and none for no case."""
        reading, name = self.reading, self.section.get("scripted")
        text = reading.take(name, (*self.at, "scripted"), lambda file: reading.folder.text(file, limit=MAX_CASES_BYTES))
        if text is None or not isinstance(name, str):
            return
        lines_of_answers, flaws = read_lines(text)
        answers, wrong = answers_of(lines_of_answers, _ids(lines))
        reading.elsewhere += [(name.strip(), flaw) for flaw in (*flaws, *wrong)]
        reading.named.answers = answers

    def _waived(self, lines: list[Line]) -> None:
        """Waivers of cases and tags that are not there waive nothing: a typing error, or a case that is gone."""
        tags = [tag for line in lines for _, tag in items(line.data.get("tags")) if isinstance(tag, str)]
        there = {"case": _ids(lines), "tag": list(dict.fromkeys(tags))}
        for index, waiver in items(self.section.get("waivers") if lines else None):
            for key, options in there.items():
                name = dig(waiver, key)
                if isinstance(name, str) and name.strip() not in options:
                    text = f"no case has the {'id' if key == 'case' else 'tag'} {describe(name)}"
                    hint = choices(name, options[:1_000])
                    self.reading.flaws.append(Flaw((*self.at, "waivers", index, key), text, hint))


def _ids(lines: list[Line]) -> list[str]:
    return [line.data["id"] for line in lines if isinstance(line.data.get("id"), str)]


def _cases_sha256(raw: bytes, lines: list[Line]) -> str:
    """Hex digest of the cases' file and of the images in it, by name."""
    digest = hashlib.sha256(raw)
    for image in {image.name: image for line in lines for image in line.images}.values():
        digest.update(f"\0{image.name}\0{hashlib.sha256(image.data).hexdigest()}".encode())
    return digest.hexdigest()
