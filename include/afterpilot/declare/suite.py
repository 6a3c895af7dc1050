"""Loads a suite of its own: a folder with a ``suite.yaml``, or such a file under another name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afterpilot.declare.eval_convert import evals_of
from afterpilot.declare.eval_files import read_suite
from afterpilot.declare.eval_rules import correction_flaws, suite_flaws
from afterpilot.declare.eval_schema import SuiteFile
from afterpilot.declare.files import Folder, Unreadable
from afterpilot.declare.named_files import Reading
from afterpilot.declare.placing import placed, secret_flaws
from afterpilot.declare.problems import dotted
from afterpilot.declare.schema_flaws import validate
from afterpilot.declare.yaml_lines import Document, read
from afterpilot.domain.workflow import Evals, Problem

SUITE = "suite.yaml"
_OF = "the suite's folder"


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as loaded: what it says, or the problems that keep it from being used; never both."""

    name: str
    evals: Evals | None
    problems: tuple[Problem, ...]


def load_suite(path: Path) -> Suite:
    """The suite of a folder, or of a file; what is wrong with it stands in the problems, with file and line."""
    file = SUITE if path.is_dir() else path.name
    folder = Folder(path if path.is_dir() else path.parent, what=_OF)
    name = folder.path.resolve().name if file == SUITE else Path(file).stem
    try:
        document = read(folder.read(file))
    except Unreadable as error:
        return Suite(name, None, (Problem(file, 0, "", str(error), error.hint),))
    if not isinstance(document.data, dict):
        flaws = [] if document.flaws else validate(SuiteFile, document.data)[1]
        return Suite(name, None, placed(file, document, flaws))
    return _checked(folder, file, document, document.data, name)


def _checked(folder: Folder, file: str, document: Document, data: Mapping[str, Any], name: str) -> Suite:
    reading = Reading(folder)
    model, flaws = validate(SuiteFile, data)
    flaws += [*secret_flaws(data, ()), *suite_flaws(data, ())]
    read_suite(reading, data, ())
    flaws += reading.flaws
    flaws += correction_flaws(data, (), variables=reading.named.variables, source=None)
    problems = [*placed(file, document, flaws)]
    problems += [
        Problem(where, flaw.line, dotted(flaw.path), flaw.text, flaw.hint)
        for where, flaw in dict.fromkeys(reading.elsewhere)
    ]
    if model is None or problems:
        return Suite(name, None, tuple(problems))
    return Suite(model.name or name, evals_of(model, reading.named), ())
