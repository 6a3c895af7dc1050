"""``afterpilot spend export``: a month's metered spend for finance, as FOCUS rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from afterpilot.cli.workflow_names import unknown
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AfterpilotError
from afterpilot.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from afterpilot.domain.prices import Price
    from afterpilot.report.focus import Owned
    from afterpilot.report.focus_columns import Row
    from afterpilot.report.focus_files import Format
    from afterpilot.report.meters import DayUse

_NAMED = 20
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_notice = Console(stderr=True, soft_wrap=True)


@dataclass(slots=True)
class _Told:
    """What the file cannot say: calls without a price by workflow and reason, and what the rows add up to by currency."""

    unpriced: Counter[tuple[str, str]] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=dict)


def export(
    month: Annotated[str, typer.Option("--month", help="Which month, as 2026-11, by each workflow's own calendar.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", dir_okay=False)],
    *,
    workflow: Annotated[str, typer.Option("--workflow", help="Only this workflow.")] = "",
    form: Annotated[str, typer.Option("--format", help="csv or parquet; else as the file is named.")] = "",
) -> None:
    """Write a month's metered spend as rows of FOCUS 1.2, the FinOps Open Cost and Usage Specification.

    Calls whose cost is not known are in no row, for 0 would be wrong: they are told on standard error, and the exit status is 1; so it is for a
    month of which nothing was metered.

    Example: afterpilot spend export --month 2026-11 -o november.csv
    """
    from afterpilot.record.ops import connect
    from afterpilot.record.retention.removals import no_calls_before
    from afterpilot.report.focus_files import as_text, write

    first = _month(month)
    kind = _format(form, output)
    told = _Told()
    with connect(Settings.from_environment().database_url).connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        if (since := no_calls_before(connection)) and first < since:
            raise AfterpilotError(f"what was spent before {since:%Y-%m-%d} is no longer kept: its retention is over")
        owned = _owned(connection, workflow)
        _must_be_known(connection, workflow, owned)
        notices = list(_unfinished(connection, first, workflow))
        if workflow and workflow not in owned:
            notices.append(f"No call of a workflow {workflow!r} was ever metered.")
        try:
            count = write(_rows(connection, first, workflow, owned, told), output, kind)
        except (OSError, ValueError) as error:
            raise AfterpilotError(f"{output} cannot be written: {error}") from error
    if not count and not told.unpriced and not notices:
        notices.append(
            f"Nothing{f' of {workflow}' if workflow else ''} was metered in {first:%Y-%m}: no row is in the file."
        )
    sums = ", ".join(f"{as_text(amount)} {currency}" for currency, amount in sorted(told.sums.items()))
    _say(f"{output}: {plural(count, 'row')}{f', {sums}' if sums else ''}")
    notices += _unpriced(told)
    for text in notices:
        _say(text)
    raise typer.Exit(1 if notices else 0)


def _must_be_known(connection: sa.Connection, workflow: str, owned: Mapping[str, Owned]) -> None:
    """Raises AnswerRefused where the workflow is neither declared nor was ever metered; it tells the nearest name."""
    if not workflow or workflow in owned:
        return
    from afterpilot.record.history import spend

    known = sorted({*owned, *(row["workflow"] for row in spend.declared(connection))})
    if workflow not in known:
        raise unknown(workflow, known)


def _rows(
    connection: sa.Connection, first: date, workflow: str, owned: Mapping[str, Owned], told: _Told
) -> Iterator[Row]:
    from afterpilot.report.focus import rows
    from afterpilot.report.meters import EXACT

    for row in rows(_uses(connection, first, workflow, told), owned, month=first):
        currency, cost = str(row["BillingCurrency"]), row["BilledCost"]
        if isinstance(cost, Decimal):
            told.sums[currency] = EXACT.add(told.sums.get(currency, Decimal(0)), cost)
        yield row


def _uses(connection: sa.Connection, first: date, workflow: str, told: _Told) -> Iterator[DayUse]:
    from afterpilot.record.history import spend
    from afterpilot.record.spend import prices
    from afterpilot.report.meters import DayUse
    from afterpilot.spend.providers import provider_name

    known: dict[int, Price] = {}
    last = _next(first) - timedelta(days=1)
    with connection.engine.connect() as beside:  # a price that is new to us, while the rows still come
        for row in spend.exported(connection, first, last, workflow):
            if row.price_id not in known:
                known |= prices.read(beside, [row.price_id])
            price = known.get(row.price_id)
            if row.cost is None:
                told.unpriced[row.workflow, price.reason if price else spend.NOT_LOOKED_AT] += int(row.calls)
            yield DayUse(
                workflow=row.workflow,
                day=row.day,
                kind=row.kind,
                model=row.model,
                price_id=row.price_id,
                price=price,
                calls=int(row.calls),
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
                cached_tokens=row.cached_tokens,
                cost=row.cost,
                provider=provider_name(row.model, price.provider if price else ""),
            )


def _owned(connection: sa.Connection, workflow: str) -> Mapping[str, Owned]:
    """By workflow: its calendar, and what is declared of it."""
    from afterpilot.record.history import spend
    from afterpilot.report.focus import Owned

    said = {row["workflow"]: row for row in spend.declared(connection, workflow)}
    return {slug: _own(zone, said.get(slug, {}), Owned) for slug, zone in spend.zones(connection).items()}


def _own(zone: str, said: Mapping[str, Any], owned: type[Owned]) -> Owned:
    billed = (said.get("spend") or {}).get("billed") or []
    accounts = {str(one.get("account")) for one in billed}
    return owned(
        zone=zone,
        team=said.get("team") or "",
        owner=said.get("owner") or "",
        account=accounts.pop() if len(accounts) == 1 else "",
    )


def _unfinished(connection: sa.Connection, first: date, workflow: str) -> Iterator[str]:
    """What may still change the month's sums."""
    from afterpilot.record.history import spend

    start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, _next(first)))
    if end > datetime.now(UTC):
        yield f"{first:%Y-%m} is not over: the file holds what was metered so far."
    margin = timedelta(days=1)  # a month of another time zone begins up to 14 hours earlier or later
    if waiting := spend.unsettled(connection, start - margin, end + margin, workflow):
        yield (
            f"{plural(waiting, 'quarter')} of an hour with new calls or prices: not summed yet, and not in the file as they "
            "stand now. The stage of spend sums them."
        )


def _unpriced(told: _Told) -> Iterator[str]:
    for (workflow, reason), calls in sorted(told.unpriced.items(), key=lambda one: -one[1])[:_NAMED]:
        yield f"Not in the file: {plural(calls, 'call')} of {workflow} without a known cost ({reason})."
    if (more := len(told.unpriced) - _NAMED) > 0:
        yield f"Not in the file: calls without a known cost for {plural(more, 'more reason')}."


def _month(text: str) -> date:
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        month = date.min
    if not _FIRST_YEAR <= month.year <= _LAST_YEAR:
        raise AfterpilotError(f"--month: {text!r} is not a month such as 2026-11")
    return month


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _format(said: str, output: Path) -> Format:
    word = said or output.suffix.removeprefix(".")
    if word == "csv":
        return "csv"
    if word == "parquet":
        return "parquet"
    raise AfterpilotError("--format is csv or parquet")


def _say(text: str) -> None:
    _notice.print(text, markup=False, highlight=False)
