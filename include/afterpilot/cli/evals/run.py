"""``afterpilot evals run``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live as Screen
from rich.text import Text

from afterpilot.cli.evals import suites
from afterpilot.cli.evals.screen import Live, estimate_text
from afterpilot.cli.evals.summary import as_data, print_summary
from afterpilot.cli.output import AsJson, as_json, exit_status
from afterpilot.decide.suites import SuiteOutcome, judge_suite
from afterpilot.declare.fleet import read_fleet
from afterpilot.domain.errors import CheckError, DeclarationError
from afterpilot.domain.evals import Sample
from afterpilot.domain.judging import is_judge
from afterpilot.domain.money import Money
from afterpilot.domain.ports import EvalRunner
from afterpilot.domain.workflow import Evals, ModelPrice
from afterpilot.evaluate.results import Asked, Results, ResultsFile, read
from afterpilot.settings import EnvConnections, workflows_folder
from afterpilot.spend.prices import Prices
from afterpilot.wiring import suite_runner

err = Console(stderr=True, soft_wrap=True)
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="Write a JSON line for each sample here. Where the file holds a part of the same run already, it goes on there.",
    ),
]


def run(
    suite: Annotated[str, typer.Argument(help="A workflow's name, a suite.yaml or its folder, or a promptfoo file.")],
    *,
    base_url: Annotated[str, typer.Option(help="Ask here instead of at the declared connection, such as http://127.0.0.1:8080/v1.")] = "",
    model: Annotated[str, typer.Option(help="Ask this model instead of the declared one.")] = "",
    key_env: Annotated[str, typer.Option(help="With --base-url: the variable that holds the key.")] = "OPENAI_API_KEY",
    price: Annotated[str, typer.Option(help="IN/OUT for a million tokens where no list knows the model; 0/0 costs nothing.")] = "",
    concurrency: Annotated[int | None, typer.Option(min=1, max=512, help="Requests at the same time.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, max=100, help="How often each case is asked.")] = None,
    max_cost: Annotated[str, typer.Option(help="The most that the run may cost, such as '2 USD'.")] = "",
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be given several times.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only cases with this tag; may be given several times.")] = None,
    trust_judges: Annotated[bool, typer.Option("--trust-judges", help="Let judges decide, on your word: nothing here knows how well they agree with people.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will take and stop.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Write the output file anew, whatever it holds.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML for CI here.")] = None,
    output: Output = None,
    json: AsJson = False,
) -> None:  # fmt: skip
    """Run an eval suite here and now: the very suite that production runs. Nothing is stored but the files you ask for.

    Examples:
        afterpilot evals run invoice_matching -o before.jsonl

        afterpilot evals run promptfooconfig.yaml --base-url http://127.0.0.1:8080/v1 --model smollm2 --price 0/0

    Exit status: 0 the bar is reached, 1 it is not, 2 it could not be judged (under 95 % of the cases scored, or none at all).
    """
    found = suites.suites(suite)
    results = _earlier(output, anew=anew)
    outcomes: list[tuple[suites.Named, SuiteOutcome]] = []
    everything: list[Sample] = []
    with ExitStack() as stack:
        file: ResultsFile | None = None
        for named in found:
            evals = _narrowed(named.evals, model, concurrency, epochs, max_cost, case, tag)
            advisory = () if trust_judges else _judges(evals)
            asked = Asked.of(named.name, evals, where=base_url, advisory=advisory)
            done = _done(results, asked, output)
            failed = results.failed.get(asked.name, ())
            runner = _runner(evals, base_url, os.environ.get(key_env, ""), price)
            estimate = runner.estimate(evals)
            if not json:
                _say_before(named, evals, estimate_text(estimate, evals.max_cost), advisory, len(done))
            if dry_run:
                continue
            if file is None and output is not None:
                file = stack.enter_context(ResultsFile(output, found=None if anew else results))
            samples = _run(runner, evals, asked, done=done, failed=failed, file=file, advisory=advisory, quiet=json)
            outcome = judge_suite(evals, samples, today=datetime.now(UTC).date())
            outcomes.append((named, outcome))
            everything += samples
            if not json:
                print_summary(named.name, evals, samples, outcome)
    if dry_run:
        raise typer.Exit(0)
    if junit is not None:
        from afterpilot.evaluate.junit import junit_xml

        _write(junit, junit_xml(suite, everything))
    if json:
        as_json([as_data(named.name, outcome, left_out=named.left_out) for named, outcome in outcomes])
    elif output is not None:
        err.print(f"Results: {output} ({len(everything)} samples)", highlight=False, markup=False)
    raise typer.Exit(exit_status([outcome.verdict for _, outcome in outcomes]))


def _run(
    runner: EvalRunner,
    evals: Evals,
    asked: Asked,
    *,
    done: dict[tuple[str, int], Sample],
    failed: Sequence[Sample],
    file: ResultsFile | None,
    advisory: Sequence[str],
    quiet: bool,
) -> Sequence[Sample]:
    live: Live | None = None
    if err.is_terminal and not quiet:
        total, currency = len(evals.cases) * evals.epochs, evals.max_cost.currency
        live = Live(asked.name, total=total, already=list(done.values()), currency=currency)

    def keep(batch: Sequence[Sample]) -> None:
        if file is not None:
            file.add(batch, asked)
        if live is not None:
            live.add(batch)

    if live is None:
        return runner.run(evals, keep=keep, done=done, failed=failed, advisory=advisory)
    with Screen(live, console=err, refresh_per_second=8, transient=True):
        return runner.run(evals, keep=keep, done=done, failed=failed, advisory=advisory)


def _narrowed(
    evals: Evals,
    model: str,
    concurrency: int | None,
    epochs: int | None,
    max_cost: str,
    cases: list[str] | None,
    tags: list[str] | None,
) -> Evals:
    """The suite as the options have it."""
    changes: dict[str, Any] = {}
    if concurrency:
        changes["concurrency"] = concurrency
    if epochs:
        changes["epochs"] = epochs
    if max_cost:
        try:
            changes["max_cost"] = Money.parse(max_cost)
        except ValueError as error:
            raise DeclarationError(f"--max-cost: {error}") from error
    if cases or tags:
        kept = tuple(one for one in evals.cases if one.id in (cases or ()) or set(one.tags) & set(tags or ()))
        if not kept:
            raise DeclarationError("no case of the suite has such an id or tag")
        if unknown := set(cases or ()) - {one.id for one in evals.cases}:
            raise DeclarationError(f"there is no case {', '.join(sorted(unknown))} in the suite")
        changes["cases"] = kept
    return replace(suites.renamed(evals, model), **changes)


def _runner(evals: Evals, base_url: str, key: str, price: str) -> EvalRunner:
    prices: list[ModelPrice] = []
    if price:
        prices.append(suites.price_of(price, evals.target.name, evals.max_cost.currency))
    folder = workflows_folder()
    if folder.is_dir() and (fleet := read_fleet(folder)[0]) is not None:
        prices += fleet.prices
    connections = suites.connections(evals, base_url, key, EnvConnections())
    return suite_runner(connections, Prices(prices))


def _earlier(output: Path | None, *, anew: bool) -> Results:
    if (
        output is None or anew or not output.is_file()
    ):  # there is no end to what some devices hold, and a pipe waits for it
        return Results()
    return read(output)


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


def _say_before(named: suites.Named, evals: Evals, estimate: str, advisory: Sequence[str], done: int) -> None:
    for line in named.left_out:
        err.print(Text.assemble(("not carried over: ", "yellow"), line))
    where = Text.assemble((named.name, "bold"), f": {len(evals.cases)} cases to {evals.target.name}; {estimate}")
    err.print(where)
    if advisory:
        text = f"{', '.join(advisory)}: shown, but decides nothing until its agreement with people is known (--trust-judges)"
        err.print(Text.assemble(("on probation: ", "yellow"), text))
    if done:
        err.print(f"{done} samples are there already and are not asked again", highlight=False)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CheckError(f"{path} cannot be written: {error.strerror or error}") from error
