"""Loads the workflows folder: every declaration, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from afterpilot.declare import schema
from afterpilot.declare.alert_rules import alert_flaws
from afterpilot.declare.convert import workflow_of
from afterpilot.declare.eval_files import read_suite
from afterpilot.declare.eval_rules import correction_flaws, model_flaws, suite_flaws
from afterpilot.declare.expectations import GATE, QUALITY, check_flaws
from afterpilot.declare.files import Folder, Unreadable
from afterpilot.declare.fleet import folders, read_fleet
from afterpilot.declare.named_files import Reading, read_named, read_runbook
from afterpilot.declare.placing import placed, secret_flaws, without_secrets
from afterpilot.declare.problems import Flaw, dotted
from afterpilot.declare.release_schema import release_flaws
from afterpilot.declare.review_schema import review_flaws
from afterpilot.declare.rules import Shared, rule_flaws
from afterpilot.declare.schema_flaws import validate
from afterpilot.declare.spend_rules import spend_flaws
from afterpilot.declare.spot_check_schema import spot_check_flaws
from afterpilot.declare.yaml_lines import Document, read
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.workflow import Declarations, Loaded, Problem

DECLARATION = "workflow.yaml"
MOST_PROBLEMS = 100


def load(folder: Path, *, only: str = "") -> Declarations:
    """Read ``_fleet.yaml`` and the folder of every workflow (names that begin with ``_`` or ``.`` are left alone), or of one.

    One broken folder never hides another; what is wrong stands in the problems, with file and line.

    Raises:
        DeclarationError: the folder itself does not exist or cannot be listed.
    """
    try:
        names = folders(folder)
    except OSError as error:
        raise DeclarationError(f"the folder {folder} cannot be listed: {error.strerror or error}") from error
    fleet, fleet_problems, shared = read_fleet(folder)
    found = [_isolated(folder / name, shared=shared) for name in names if only in {"", name}]
    return Declarations(fleet, fleet_problems, tuple(_no_shared_names(found)))


def _isolated(path: Path, *, shared: Shared) -> Loaded:
    try:
        return _workflow(path, shared=shared)
    except Exception as error:  # noqa: BLE001 - a fault of this loader must not hide the other folders either
        text = f"could not be read: {type(error).__name__}, a fault of the loader; please report it"
        return _broken(Folder(path), {}, [Problem(f"{path.name}/{DECLARATION}", 0, "", text)])


def _workflow(path: Path, *, shared: Shared) -> Loaded:
    folder = Folder(path)
    slug, where = path.name, f"{path.name}/{DECLARATION}"
    if not path.resolve().is_relative_to(path.parent.resolve()):
        return _broken(folder, {}, [Problem(slug, 0, "", "the folder leads outside the workflows folder")])
    try:
        document = read(folder.read(DECLARATION))
    except Unreadable as error:
        return _broken(folder, {}, [Problem(where, 0, "", str(error), error.hint)])
    if not isinstance(document.data, dict):
        flaws = [] if document.flaws else validate(schema.file_for(document.data), document.data)[1]
        return _broken(folder, {}, placed(where, document, flaws))
    return _checked(folder, document, shared=shared)


def _checked(folder: Folder, document: Document, *, shared: Shared) -> Loaded:
    data, slug = document.data, folder.path.name
    model, flaws = validate(schema.file_for(data), data)
    flaws += [*_list_flaws(data), *secret_flaws(data, ())]
    flaws += rule_flaws(data, folder=slug, schedules=shared.schedules)
    flaws += spend_flaws(data, shared)
    flaws += alert_flaws(data, shared)
    flaws += release_flaws(data)
    flaws += review_flaws(data)
    flaws += spot_check_flaws(data)
    reading = _read(data, folder)
    flaws += reading.flaws
    problems = [*placed(f"{slug}/{DECLARATION}", document, flaws)]
    problems += [
        Problem(f"{slug}/{name}", flaw.line, dotted(flaw.path), flaw.text, flaw.hint)
        for name, flaw in dict.fromkeys(reading.elsewhere)
    ]
    if model is None or problems:
        return _broken(folder, data, problems)
    sha256, path = folder.sha256(), str(folder.path)
    workflow = workflow_of(model, reading.named, sha256=sha256, path=path, shared=shared)
    return Loaded(slug, path, workflow, (), sha256, data)


def _read(data: Mapping[str, Any], folder: Folder) -> Reading:
    """Every file that the declaration names, and what does not fit to what they hold."""
    reading = read_named(data, folder)
    evals = data.get("evals")
    if isinstance(evals, dict):
        read_suite(reading, evals, ("evals",))
        variables = reading.named.variables
        reading.flaws += correction_flaws(evals, ("evals",), variables=variables, source=data.get("source"))
        reading.flaws += model_flaws(data, reading.named.cases)
    read_runbook(reading, data)
    return reading


def _list_flaws(data: Mapping[str, Any]) -> Iterator[Flaw]:
    for section, table in (("outputs", GATE), ("quality", QUALITY)):
        checks = data.get(section)
        for index, check in enumerate(checks if isinstance(checks, list) else []):
            yield from check_flaws(check, (section, index), table)
    evals = data.get("evals")
    if isinstance(evals, dict):
        yield from suite_flaws(evals, ("evals",))


def _broken(folder: Folder, data: Mapping[str, Any], problems: Iterable[Problem]) -> Loaded:
    """A folder that cannot be used. Its hash covers the problems too: other files may cause or mend them."""
    told = tuple(problems)
    if len(told) > MOST_PROBLEMS:
        rest = Problem(told[-1].file, 0, "", f"{len(told) - MOST_PROBLEMS:,} more problems are not shown")
        told = (*told[:MOST_PROBLEMS], rest)
    sha256 = folder.sha256(*(str(problem) for problem in told))
    return Loaded(folder.path.name, str(folder.path), None, told, sha256, without_secrets(data))


def _no_shared_names(folders: list[Loaded]) -> Iterator[Loaded]:
    """A folder whose declaration bears another folder's name is broken already; say who else bears it."""
    declared: dict[str, list[str]] = {}
    for one in folders:
        name = one.document.get("workflow")
        if isinstance(name, str):
            declared.setdefault(name, []).append(one.slug)
    for one in folders:
        others = [slug for slug in declared.get(str(one.document.get("workflow")), []) if slug != one.slug]
        yield replace(one, problems=tuple(_shared(problem, others) for problem in one.problems)) if others else one


def _shared(problem: Problem, others: list[str]) -> Problem:
    if problem.key != "workflow" or not problem.file.endswith(f"/{DECLARATION}"):
        return problem
    return replace(problem, text=f"{problem.text}; the folder {', '.join(others[:3])} bears that name too")
