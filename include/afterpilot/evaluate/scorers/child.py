"""The process in which patterns, schemas, long texts and a team's functions run, a line of JSON in and a line of JSON out.

Run as a file of its own, it imports of the package only what schemas need, when it needs it. See
:mod:`afterpilot.evaluate.scorers.process` for the other end.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_PACKAGES = str(Path(__file__).parents[3])  # where this package is: an isolated process may not know
_MEMORY = 2 * 1024**3  # bytes of address space
_MOST_TEXT = 1_000  # characters of what is answered in words
_MOST_DETAILS = 20_000


def search(*, pattern: str, text: str, whole: bool) -> bool:
    """Whether the pattern is found in the text, or matches the whole of it."""
    compiled = re.compile(pattern)
    return (compiled.fullmatch(text) if whole else compiled.search(text)) is not None


def validate(*, schema: str, value: Any) -> list[Any] | None:  # noqa: ANN401 - any JSON value
    """Where and how the value breaks the schema first: its path and a sentence; None where it keeps to it."""
    error = next(validator(schema).iter_errors(value), None)
    return None if error is None else [[str(part)[:100] for part in error.absolute_path], error.message[:_MOST_TEXT]]


@functools.lru_cache(maxsize=64)
def validator(schema: str) -> Any:  # noqa: ANN401 - jsonschema's
    """A compiled validator: building one costs fifty times what using it does. It never fetches what ``$ref`` names."""
    jsonschema, referencing = importlib.import_module("jsonschema"), importlib.import_module("referencing")
    document = json.loads(schema)
    kind = jsonschema.validators.validator_for(document, default=jsonschema.Draft202012Validator)
    kind.check_schema(document)
    own = importlib.import_module("afterpilot.domain.schema_patterns").keywords
    strict = jsonschema.validators.extend(kind, own(kind.VALIDATORS, _found, jsonschema.ValidationError))
    return strict(document, registry=referencing.Registry())


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _found(pattern: str, text: str) -> bool:
    return _compiled(pattern).search(text) is not None


def alike(*, one: str, other: str, method: str) -> float:
    """0 to 1, how alike two texts are; see :func:`afterpilot.evaluate.scorers.similarity.likeness`."""
    if not one or not other:
        return 1.0 if one == other else 0.0
    if method == "levenshtein":
        return float(importlib.import_module("rapidfuzz.distance").Levenshtein.normalized_similarity(one, other))
    return float(importlib.import_module("rapidfuzz.fuzz").token_sort_ratio(one, other)) / 100


def call(*, source: str, file: str, function: str, arguments: list[Any]) -> Any:  # noqa: ANN401 - what the function says
    """What a team's function says of an answer, in JSON."""
    found = _namespace(source, file).get(function)
    if not callable(found):
        raise TypeError(f"{file} has no function {function}")
    said = found(*arguments)
    if isinstance(said, tuple | list) and len(said) == 2:  # noqa: PLR2004 - a pair
        said = {"score": said[0], "reason": said[1]}
    if isinstance(said, dict):
        said = {str(name): part for name, part in said.items() if name in {"score", "passed", "reason", "details"}}
        said["reason"] = str(said.get("reason") or "")[:_MOST_TEXT]
        if len(json.dumps(said.get("details"), allow_nan=False)) > _MOST_DETAILS:
            raise ValueError("the details are too long")
    elif not isinstance(said, bool | int | float):
        said = _number(said)
    json.dumps(said, allow_nan=False)
    return said


def _number(said: Any) -> float:  # noqa: ANN401 - numpy's numbers, for one
    try:
        return float(said)
    except (TypeError, ValueError):
        raise TypeError(f"it gave {type(said).__name__}, not true, false or a number") from None


@functools.lru_cache(maxsize=8)
def _namespace(source: str, file: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "scorer"}
    exec(compile(source, file, "exec"), namespace)  # noqa: S102 - a team's own file, which is what this process is for
    return namespace


WORK: dict[str, Callable[..., Any]] = {"search": search, "validate": validate, "alike": alike, "call": call}


def main() -> None:
    """Do what each line says. An alarm ends the process where the other end cannot any more, since it is gone.

    An answer bears the mark of what was asked, and a process that a function has forked answers nothing: an answer too many would
    be taken for the next one's.
    """
    sys.path.append(_PACKAGES)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a function prints is no answer
    itself = os.getpid()
    for line in sys.stdin:
        asked = json.loads(line)
        mark = asked.pop("mark")
        signal.setitimer(signal.ITIMER_REAL, asked.pop("seconds") + 1)
        try:
            answer = {"said": WORK[asked.pop("do")](**asked)}
        except Exception as error:  # noqa: BLE001 - all that goes wrong is told
            last = str(error).strip().splitlines()[-1:] or [""]
            answer = {"error": f"{type(error).__name__}: {last[0][:_MOST_TEXT]}"}
        if os.getpid() != itself:
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps({"mark": mark, **answer}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
