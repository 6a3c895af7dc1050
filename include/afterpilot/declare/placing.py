"""From flaws to problems with file and line; and what looks secret in a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from afterpilot.declare.problems import EMPTY, Flaw, Path, dotted
from afterpilot.declare.secrecy import HIDDEN, HINT, looks_secret
from afterpilot.declare.yaml_lines import Document
from afterpilot.domain.workflow import Problem

REFUSED = "looks like a secret, which is never kept in a declaration"


def secret_flaws(value: Any, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    """Keys and values that look like secrets."""
    if isinstance(value, str):
        if looks_secret(value):
            yield Flaw(path, REFUSED, HINT)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from secret_flaws(part, (*path, key))
            if looks_secret(key):
                yield Flaw((*path, key), "a key looks like a secret", HINT)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from secret_flaws(part, (*path, index))


def without_secrets(value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    """The document as it may be kept."""
    if isinstance(value, str):
        return HIDDEN if looks_secret(value) else value
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(part) for key, part in value.items()}
    return [without_secrets(part) for part in value] if isinstance(value, list) else value


def placed(file: str, document: Document, flaws: Iterable[Flaw]) -> tuple[Problem, ...]:
    """Flaws with their lines, and those of reading the file, in its order; the gravest of a place hides the others."""
    unread = {flaw.path for flaw in document.flaws if flaw.path}
    told = [*document.flaws, *(flaw for flaw in flaws if flaw.path not in unread)]
    secret = {flaw.path for flaw in told if flaw.text == REFUSED}
    better = {flaw.path for flaw in told if flaw.text != EMPTY}
    found = {
        Problem(file, flaw.line or document.line(flaw.path), dotted(flaw.path), flaw.text, flaw.hint)
        for flaw in told
        if (flaw.path not in secret or flaw.text == REFUSED) and (flaw.path not in better or flaw.text != EMPTY)
    }
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.key, problem.text)))
