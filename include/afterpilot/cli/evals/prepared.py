"""Suites as the options of ``afterpilot evals run`` have them, before anything is asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from afterpilot.cli.evals import suites
from afterpilot.cli.evals.possible import require_connections, require_price
from afterpilot.declare.fleet import read_fleet
from afterpilot.domain.connections import Connections
from afterpilot.domain.errors import CheckError, DeclarationError
from afterpilot.domain.evals import Estimate, Sample
from afterpilot.domain.judging import is_judge
from afterpilot.domain.money import Money
from afterpilot.domain.ports import EvalRunner
from afterpilot.domain.workflow import Evals
from afterpilot.evaluate.results import Asked, Results
from afterpilot.settings import EnvConnections, workflows_folder
from afterpilot.spend.prices import Prices
from afterpilot.wiring import suite_runner


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of a run; empty or None leaves things as they are declared."""

    base_url: str
    key_env: str
    price: str
    model: str
    concurrency: int | None
    epochs: int | None
    max_cost: str
    cases: tuple[str, ...]
    tags: tuple[str, ...]
    trust_judges: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A suite as the options have it, with what an earlier attempt has done of it (``done``)."""

    named: suites.Named
    evals: Evals
    connections: Connections
    advisory: Sequence[str]
    asked: Asked
    done: dict[tuple[str, int], Sample]
    runner: EvalRunner

    @property
    def left(self) -> bool:
        """Whether anything is still to be asked."""
        return any((case.id, epoch) not in self.done for case in self.evals.cases for epoch in range(self.evals.epochs))

    @property
    def estimate(self) -> Estimate:
        """What the whole suite will take."""
        return self.runner.estimate(self.evals)

    def require(self) -> None:
        """Raises CheckError where there is something left to be asked and it cannot be."""
        if self.left:
            require_price(self.estimate, self.evals)
            require_connections(self.evals, self.connections, self.advisory)


def prepare(named: suites.Named, options: Options, results: Results, output: Path | None) -> Prepared:
    """The suite with what ``results`` hold of it already.

    Raises:
        DeclarationError: an option does not fit the suite.
        CheckError: the results are of another version of it.
    """
    evals = _narrowed(named.evals, options)
    connections = suites.connections(evals, options.base_url, os.environ.get(options.key_env, ""), EnvConnections())
    advisory = () if options.trust_judges else _judges(evals)
    asked = Asked.of(named.name, evals, where=options.base_url, advisory=advisory)
    runner = _runner(evals, connections, options.price)
    return Prepared(named, evals, connections, advisory, asked, _done(results, asked, output), runner)


def _narrowed(evals: Evals, options: Options) -> Evals:
    """The suite as the options have it."""
    changes: dict[str, Any] = {}
    if options.concurrency:
        changes["concurrency"] = options.concurrency
    if options.epochs:
        changes["epochs"] = options.epochs
    if options.max_cost:
        try:
            changes["max_cost"] = Money.parse(options.max_cost)
        except ValueError as error:
            raise DeclarationError(f"--max-cost: {error}") from error
    if options.cases or options.tags:
        kept = tuple(one for one in evals.cases if one.id in options.cases or set(one.tags) & set(options.tags))
        if not kept:
            raise DeclarationError("no case of the suite has such an id or tag")
        if unknown := set(options.cases) - {one.id for one in evals.cases}:
            raise DeclarationError(f"there is no case {', '.join(sorted(unknown))} in the suite")
        changes["cases"] = kept
    return replace(suites.renamed(evals, options.model), **changes)


def _runner(evals: Evals, connections: Connections, price: str) -> EvalRunner:
    own = suites.price_of(price, evals.target.name, evals.max_cost.currency) if price else None
    folder = workflows_folder()
    fleet = read_fleet(folder)[0] if folder.is_dir() else None
    return suite_runner(connections, Prices(suites.priced(own, fleet.prices if fleet is not None else ())))


def _done(results: Results, asked: Asked, output: Path | None) -> dict[tuple[str, int], Sample]:
    """What an earlier attempt has scored; an error is asked again."""
    if asked.name in results.asked and results.asked[asked.name] != asked:
        raise CheckError(
            f"{output} holds results of {asked.name} as it was before (other cases, prompt, scorers, judges or model): "
            "name another file, or begin anew with --anew"
        )
    return {key: sample for key, sample in results.samples.get(asked.name, {}).items() if not sample.error}


def _judges(evals: Evals) -> tuple[str, ...]:
    own = [spec for case in evals.cases for spec in case.scorers]
    return tuple({spec.label: None for spec in [*evals.scorers, *own] if is_judge(spec)})
