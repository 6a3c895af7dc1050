"""``afterpilot evals run``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live as Screen
from rich.text import Text

from afterpilot.cli.evals import suites
from afterpilot.cli.evals.prepared import Options, Prepared, prepare
from afterpilot.cli.evals.screen import Live, estimate_text
from afterpilot.cli.evals.summary import as_data, print_summary
from afterpilot.cli.output import AsJson, as_json, exit_status
from afterpilot.decide.suites import SuiteOutcome, judge_suite
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Sample
from afterpilot.evaluate.results import Results, ResultsFile, read

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
    suite: Annotated[str, typer.Argument(help="A workflow's name, a suite.yaml, its folder or a folder of such, or a promptfoo file.")],
    *,
    base_url: Annotated[str, typer.Option(help="Ask here instead of at the declared connection, such as http://127.0.0.1:8080/v1.")] = "",
    model: Annotated[str, typer.Option(help="Ask this model instead of the declared one.")] = "",
    key_env: Annotated[str, typer.Option(help="With --base-url: the variable that holds the key.")] = "OPENAI_API_KEY",
    price: Annotated[str, typer.Option(help="The model's price, IN/OUT for a million tokens, whatever a list says; 0/0 costs nothing.")] = "",
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
    results = _earlier(output, anew=anew)
    options = Options(
        base_url,
        key_env,
        price,
        model,
        concurrency,
        epochs,
        max_cost,
        tuple(case or ()),
        tuple(tag or ()),
        trust_judges,
    )
    prepared = [prepare(named, options, results, output) for named in suites.suites(suite)]
    if not json:
        _say_left_out(prepared)
    if dry_run:
        for one in () if json else prepared:
            _say_before(one)
        raise typer.Exit(0)
    for one in prepared:
        one.require()
    outcomes: list[SuiteOutcome] = []
    by_suite: dict[str, Sequence[Sample]] = {}
    with ExitStack() as stack:
        file: ResultsFile | None = None
        if output is not None:
            file = stack.enter_context(ResultsFile(output, found=None if anew else results))
        for one in prepared:
            failed = results.failed.get(one.asked.name, ())
            outcome, by_suite[one.named.name] = _judged(one, failed=failed, file=file, quiet=json)
            outcomes.append(outcome)
    if junit is not None:
        from afterpilot.evaluate.junit import junit_xml

        _write(junit, junit_xml(suite, by_suite))
    if json:
        told = zip(prepared, outcomes, strict=True)
        as_json([as_data(one.named.name, outcome, left_out=one.named.left_out) for one, outcome in told])
    elif output is not None:
        count = plural(sum(map(len, by_suite.values())), "sample")
        err.print(f"Results: {output} ({count})", highlight=False, markup=False)
    raise typer.Exit(exit_status([outcome.verdict for outcome in outcomes]))


def _judged(
    one: Prepared, *, failed: Sequence[Sample], file: ResultsFile | None, quiet: bool
) -> tuple[SuiteOutcome, Sequence[Sample]]:
    """Run one suite, and tell of it unless ``quiet``."""
    if not quiet:
        _say_before(one)
    samples = _run(one, failed=failed, file=file, quiet=quiet)
    outcome = judge_suite(one.evals, samples, today=datetime.now(UTC).date())
    if not quiet:
        print_summary(one.named.name, one.evals, samples, outcome)
    return outcome, samples


def _run(one: Prepared, *, failed: Sequence[Sample], file: ResultsFile | None, quiet: bool) -> Sequence[Sample]:
    live: Live | None = None
    evals, asked, done, advisory, runner = one.evals, one.asked, one.done, one.advisory, one.runner
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


def _earlier(output: Path | None, *, anew: bool) -> Results:
    if (
        output is None or anew or not output.is_file()
    ):  # there is no end to what some devices hold, and a pipe waits for it
        return Results()
    return read(output)


def _say_left_out(prepared: Sequence[Prepared]) -> None:
    """Each thing once: all suites of a file have the same."""
    for line in dict.fromkeys(line for one in prepared for line in one.named.left_out):
        err.print(Text.assemble(("not carried over: ", "yellow"), line))


def _say_before(one: Prepared) -> None:
    evals, count = one.evals, plural(len(one.evals.cases), "case")
    estimate = estimate_text(one.estimate, evals.max_cost)
    err.print(Text.assemble((one.named.name, "bold"), f": {count} to {evals.target.name}; {estimate}"))
    if one.advisory:
        text = f"{', '.join(one.advisory)}: shown, but decides nothing until its agreement with people is known (--trust-judges)"
        err.print(Text.assemble(("on probation: ", "yellow"), text))
    if done := len(one.done):
        there = "is there already and is" if done == 1 else "are there already and are"
        err.print(f"{plural(done, 'sample')} {there} not asked again", highlight=False)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CheckError(f"{path} cannot be written: {error.strerror or error}") from error
