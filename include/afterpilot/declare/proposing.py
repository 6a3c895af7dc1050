"""Writes a first declaration of a workflow from what its table looks like: every line with its reason.

What nobody can see in a table (who answers for it, what it is for, what it may cost) is asked for, never made up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from afterpilot.declare.proposed_checks import Proposal, column_checks, output_checks
from afterpilot.declare.proposed_rhythm import rhythm_checks
from afterpilot.declare.proposed_text import flow, percent, plain, text
from afterpilot.domain.counting import plural
from afterpilot.domain.profile import ColumnProfile, TableProfile
from afterpilot.domain.workflow import Person

_USAGE = {
    "model": ("model", "model_name", "llm_model"),
    "input_tokens": ("input_tokens", "prompt_tokens", "tokens_in", "tok_in"),
    "output_tokens": ("output_tokens", "completion_tokens", "tokens_out", "tok_out"),
    "cached_tokens": ("cached_tokens", "cache_read_tokens", "tokens_cached", "tok_cached"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What only people know."""

    slug: str
    purpose: str
    connection: str
    owner: Person
    deputy: Person
    channel: str
    schedules: dict[str, str]  # records, evals, report → a name in _fleet.yaml
    outputs: tuple[str, ...] = ()  # columns that the model has written


def propose(table: TableProfile, asked: Asked) -> dict[str, str]:
    """The files of the folder by name: workflow.yaml, kpi.sql, runbook.md."""
    return {
        "workflow.yaml": "\n".join(_workflow(table, asked)) + "\n",
        "kpi.sql": _kpi(table),
        "runbook.md": _RUNBOOK.format(
            title=asked.slug.replace("_", " "), owner=asked.owner.name, deputy=asked.deputy.name
        ),
    }


def _workflow(table: TableProfile, asked: Asked) -> Iterator[str]:
    kept = _kept(table)
    yield f"# Proposed from {plural(table.rows, 'row')} of {table.table}. Read each line, keep what is true. Keys: docs/reference/declaration.md"
    yield f"workflow: {asked.slug}"
    yield f"purpose: {text(asked.purpose)}"
    yield "stage: experiment                # then shadow, limited, live"
    yield f"owner: {{{_person(asked.owner)}, deputy: {{{_person(asked.deputy)}}}}}"
    yield f"channel: {json.dumps(asked.channel)}"
    yield ""
    yield "# The one figure that the business judges it by. Nobody can see it in a table: replace kpi.sql, baseline and target."
    average = _a_week(table)
    yield (
        f"kpi: {{name: outputs_per_week, kind: speed, baseline: {average}, target: {average + max(1, average // 10)}, better: higher, "
        "unit: outputs, sql: kpi.sql}"
    )
    yield ""
    yield from _source(table, asked, kept)
    yield ""
    yield "outputs:                         # each output, before it is used; one that fails goes to a person"
    yield from _checks(output_checks(table, asked.outputs, kept))
    yield "spot_check: 5%                   # of what passes, a person looks at all the same"
    yield ""
    yield "quality:                         # all records of a window together"
    yield from _checks(chain(rhythm_checks(table), column_checks(table, kept)))
    yield ""
    yield "spend: {cap: 100 USD/month, at_cap: tell}    # what may it cost?"
    named = ", ".join(f"{kind}: {name}" for kind, name in asked.schedules.items() if kind != "evals")
    yield f"schedule: {{{named}}}"
    yield "governance:"
    yield f"  data: [{text(f'rows of {table.table}')}]    # what the model sees, in words"
    yield f"  models_allowed: [{_models(table)}]"
    yield "  retention: 400d"
    yield "rollout: {now: 0%, fallback: People do it by hand}"


def _source(table: TableProfile, asked: Asked, kept: Sequence[ColumnProfile]) -> Iterator[str]:
    yield "source:"
    yield f"  connection: {text(asked.connection)}"
    yield f"  table: {text(table.table)}"
    yield f"  key: {text(table.key)}"
    yield f"  time: {text(table.time)}"
    yield "  late_by: 2h                    # how late a row may still arrive"
    yield "  history: 28d                   # how far back the first pull reaches"
    yield "  fields:                        # only these are kept"
    for column in kept:
        yield f"    {text(column.name)}: {column.kind}{_seen(column)}"
    if personal := [column for column in kept if column.personal]:
        why = ", ".join(f"{column.name}: {column.personal}" for column in personal)
        yield f"  personal: [{', '.join(text(column.name) for column in personal)}]    # redacted when written ({why})"
    if usage := _usage(table):
        yield f"  usage: {{{', '.join(f'{what}: {text(name)}' for what, name in usage.items())}}}"
    else:
        yield "  # usage: {model: …, input_tokens: …, output_tokens: …}    # no such columns were found: the cost will be UNKNOWN"


def _kept(table: TableProfile) -> list[ColumnProfile]:
    """What is worth keeping: not key, time and usage, which are read anyway, and nothing that is always empty."""
    apart = {table.key, table.time, *_usage(table).values()}
    return [column for column in table.columns if column.name not in apart and column.filled]


def _seen(column: ColumnProfile) -> str:
    parts = []
    if column.complete < 1:
        parts.append(f"{percent(column.complete)} filled")
    if column.values and not column.personal:
        mostly = "" if len(column.values) == column.distinct else "mostly "
        parts.append(f"{mostly}{plural(len(column.values), 'value')}")
    elif column.low is not None and column.high is not None:
        parts.append(f"{plain(column.low)} to {plain(column.high)}")
    elif column.json:
        parts.append("JSON")
    elif column.longest is not None:
        same = column.shortest == column.longest
        parts.append(f"{column.longest} characters" if same else f"{column.shortest} to {column.longest} characters")
    return f"    # {', '.join(parts)}" if parts else ""


def _usage(table: TableProfile) -> dict[str, str]:
    names = {column.name.lower(): column.name for column in table.columns}
    found = {what: names[word] for what, words in _USAGE.items() for word in words[::-1] if word in names}
    return found if {"model", "input_tokens", "output_tokens"} <= found.keys() else {}


def _models(table: TableProfile) -> str:
    usage = _usage(table)
    column = table.column(usage["model"]) if usage else None
    return ", ".join(text(value) for value in column.values) if column and column.values else "name-of-the-model"


def _a_week(table: TableProfile) -> int:
    """Rows of a week, on average over those that were seen."""
    weeks = {day.isocalendar()[:2] for day in table.days}
    return round(sum(table.days.values()) / len(weeks)) if weeks else table.rows


def _checks(proposals: Iterator[Proposal]) -> Iterator[str]:
    for check, reason in proposals:
        yield f"  - {flow(check)}    # {reason}"


def _person(person: Person) -> str:
    return f"name: {text(person.name)}, slack: {text(person.slack)}"


def _kpi(table: TableProfile) -> str:
    day = f"date_trunc('week', \"{table.time}\")"
    schema, _, name = table.table.rpartition(".")
    place = f'"{schema}"."{name}"' if schema else f'"{name}"'
    return (
        "-- One row for each week: its Monday, and the figure that the business judges the workflow by.\n"
        "-- This one counts outputs. PostgreSQL's date_trunc; other databases name it otherwise.\n"
        f"SELECT CAST({day} AS date) AS week_start, count(*) AS value\n"
        f"FROM {place}\n"
        f'WHERE "{table.time}" >= :since\n'
        "GROUP BY 1\nORDER BY 1\n"
    )


_RUNBOOK = """# {title}

What to do at 2 am when this workflow is wrong. Owner: {owner}; deputy: {deputy}.

## Stop it
How is it switched off, and how is the work done meanwhile?

## Look
Where are its logs, its inputs, its latest change?

## Mend
Who can change the prompt, the model, the data?
"""
