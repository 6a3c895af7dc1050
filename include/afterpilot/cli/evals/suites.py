"""What SUITE on the command line may be, and of whom it is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from afterpilot.declare import load, load_suite
from afterpilot.domain.connections import Connections, Endpoint
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.workflow import Evals, ModelPrice, ScriptedTarget
from afterpilot.evaluate.client import Elsewhere
from afterpilot.evaluate.exchange import same_model
from afterpilot.settings import workflows_folder

_SUITE = "suite.yaml"
_CONFIGS = {".yaml", ".yml", ".json"}


@dataclass(frozen=True, slots=True)
class Named:
    """A suite with its name; ``left_out`` says what of another tool's file could not be carried over."""

    name: str
    evals: Evals
    left_out: tuple[str, ...] = ()


def suites(text: str) -> Sequence[Named]:
    """The suites that a word on the command line means: one, those of a folder, or for promptfoo one for each provider and prompt.

    Raises:
        DeclarationError: there is no such suite, or it is broken; all its problems are named.
    """
    path = Path(text)
    if path.is_dir() and (path / _SUITE).is_file():
        return [_native(path / _SUITE)]
    if path.is_dir() and (inside := sorted(path.glob(f"*/{_SUITE}"))):
        return [_native(one) for one in inside]
    if path.is_file():
        return [_native(path)] if path.name == _SUITE else _file(path)
    return [_workflow(text)]


def _file(path: Path) -> Sequence[Named]:
    if path.suffix.lower() not in _CONFIGS:
        raise DeclarationError(
            f"{path} is neither a {_SUITE} nor a promptfoo configuration; "
            "CSV and JSON lines become a suite by `afterpilot evals import`"
        )
    from afterpilot.declare.importing import promptfoo

    if promptfoo.looks_like(path):
        return _promptfoo(path)
    return [_native(path)]


def _native(path: Path) -> Named:
    suite = load_suite(path)
    if suite.evals is None:
        raise DeclarationError("\n".join(map(str, suite.problems)))
    return Named(suite.name, suite.evals)


def _promptfoo(path: Path) -> Sequence[Named]:
    from afterpilot.declare.importing import promptfoo
    from afterpilot.declare.writing import write_suite

    imported = promptfoo.read(path)
    left_out = tuple(map(str, imported.left_out))
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for suite in imported.suites:
            here = Path(folder) / suite.name
            write_suite(here, suite)
            found.append(replace(_native(here / _SUITE), name=suite.name, left_out=left_out))
    if not found:
        raise DeclarationError("\n".join([f"nothing of {path} can be run", *left_out]))
    return found


def _workflow(slug: str) -> Named:
    folder = workflows_folder()
    declared = load(folder)
    for one in declared.folders:
        if one.slug == slug:
            if one.workflow is None:
                raise DeclarationError("\n".join(map(str, one.problems)))
            if one.workflow.evals is None:
                raise DeclarationError(f"{slug} declares no evals")
            return Named(slug, one.workflow.evals)
    known = ", ".join(one.slug for one in declared.folders) or "none"
    raise DeclarationError(
        f"{slug!r} is neither a file, a folder with a {_SUITE} or of such folders, nor a workflow of {folder} (known: {known})"
    )


def connections(evals: Evals, base_url: str, key: str, otherwise: Connections) -> Connections:
    """Where models are asked: the one under test at ``base_url`` if there is one, judges as declared."""
    if not base_url:
        return otherwise
    if isinstance(evals.target, ScriptedTarget):
        raise DeclarationError("the suite's answers are scripted: nobody is asked at --base-url")
    return Elsewhere(otherwise, evals.target.connection, Endpoint(base_url.rstrip("/"), key))


def renamed(evals: Evals, model: str) -> Evals:
    """The same suite, asked of another model."""
    if not model:
        return evals
    if isinstance(evals.target, ScriptedTarget):
        raise DeclarationError("the suite's answers are scripted: there is no model to name")
    return replace(evals, target=replace(evals.target, name=model))


def priced(own: ModelPrice | None, fleet: Sequence[ModelPrice]) -> Sequence[ModelPrice]:
    """The fleet's prices with the one of the command line in place of all that the fleet has for that model and its dated versions."""
    if own is None:
        return fleet
    return [*(price for price in fleet if price.model != own.model and not same_model(own.model, price.model)), own]


def price_of(text: str, model: str, currency: str) -> ModelPrice:
    """``IN/OUT``, for a million tokens each, such as ``0.25/2``; ``0/0`` for a model that costs nothing.

    Raises:
        DeclarationError: it is no such price.
    """
    try:
        given, output = (Decimal(part.strip()) for part in text.split("/"))
    except (ValueError, InvalidOperation):
        given = output = Decimal(-1)
    if not (given.is_finite() and output.is_finite() and given >= 0 and output >= 0):
        raise DeclarationError(f"--price {text!r} is not IN/OUT for a million tokens, such as 0.25/2")
    return ModelPrice.per_million(model, given, output, given, currency, "said on the command line")
