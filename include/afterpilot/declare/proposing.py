"""Writes a first declaration of a workflow from what its table looks like: every line with its reason.

What nobody can see in a table (who answers for it, what it is for, what it may cost) is asked for, never made up.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from afterpilot.domain.counting import plural
from afterpilot.domain.profile import ColumnProfile, TableProfile
from afterpilot.domain.workflow import Person

FEWEST_ROWS = 50  # below, nothing is said about shares and categories
_HALF = 0.5
_NEARLY_ALL = 0.98
_RARE = 0.01  # of the filled rows
_LONG_TEXT = 60  # characters on which a text is no code but a document
_ROOM = Decimal("0.5")  # of the span that was seen, beyond either end
_WEEKS_FOR_VOLUME = 4
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "~"})
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
    yield f"purpose: {_text(asked.purpose)}"
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
    yield from _checks(_outputs(table, asked, kept))
    yield "spot_check: 5%                   # of what passes, a person looks at all the same"
    yield ""
    yield "quality:                         # all records of a window together"
    yield from _checks(_quality(table, kept))
    yield ""
    yield "spend: {cap: 100 USD/month, at_cap: tell}    # what may it cost?"
    named = ", ".join(f"{kind}: {name}" for kind, name in asked.schedules.items() if kind != "evals")
    yield f"schedule: {{{named}}}"
    yield "governance:"
    yield f"  data: [{_text(f'rows of {table.table}')}]    # what the model sees, in words"
    yield f"  models_allowed: [{_models(table)}]"
    yield "  retention: 400d"
    yield "rollout: {now: 0%, fallback: People do it by hand}"


def _source(table: TableProfile, asked: Asked, kept: Sequence[ColumnProfile]) -> Iterator[str]:
    yield "source:"
    yield f"  connection: {_text(asked.connection)}"
    yield f"  table: {_text(table.table)}"
    yield f"  key: {_text(table.key)}"
    yield f"  time: {_text(table.time)}"
    yield "  late_by: 2h                    # how late a row may still arrive"
    yield "  history: 28d                   # how far back the first pull reaches"
    yield "  fields:                        # only these are kept"
    for column in kept:
        yield f"    {_text(column.name)}: {column.kind}{_seen(column)}"
    if personal := [column for column in kept if column.personal]:
        why = ", ".join(f"{column.name}: {column.personal}" for column in personal)
        yield f"  personal: [{', '.join(_text(column.name) for column in personal)}]    # redacted when written ({why})"
    if usage := _usage(table):
        yield f"  usage: {{{', '.join(f'{what}: {_text(name)}' for what, name in usage.items())}}}"
    else:
        yield "  # usage: {model: …, input_tokens: …, output_tokens: …}    # no such columns were found: the cost will be UNKNOWN"


def _kept(table: TableProfile) -> list[ColumnProfile]:
    """What is worth keeping: not key, time and usage, which are read anyway, and nothing that is always empty."""
    apart = {table.key, table.time, *_usage(table).values()}
    return [column for column in table.columns if column.name not in apart and column.filled]


def _seen(column: ColumnProfile) -> str:
    parts = []
    if column.complete < 1:
        parts.append(f"{_percent(column.complete)} filled")
    if column.values and not column.personal:
        mostly = "" if len(column.values) == column.distinct else "mostly "
        parts.append(f"{mostly}{plural(len(column.values), 'value')}")
    elif column.low is not None and column.high is not None:
        parts.append(f"{_plain(column.low)} to {_plain(column.high)}")
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


_Proposal = tuple[dict[str, object], str]


def _outputs(table: TableProfile, asked: Asked, kept: Sequence[ColumnProfile]) -> Iterator[_Proposal]:
    """Checks of each output by itself, on the columns that the model has written."""
    written = [column for column in kept if column.name in asked.outputs and not column.personal]
    for column in written:
        yield {"expect": "column_values_to_not_be_null", "column": column.name}, "an output without it cannot be used"
        if (bounds := _bounds(column)) and table.rows >= FEWEST_ROWS:
            yield {"expect": "column_values_to_be_between", "column": column.name, **bounds[0]}, bounds[1]
        elif _is_category(column):
            yield _category(column)
        elif column.shape and not column.json:
            yield (
                {"expect": "column_values_to_match_regex", "column": column.name, "regex": column.shape},
                _shaped(column),
            )
    if not written:
        column = next((one for one in kept if one.kind == "text" and not one.personal), (kept or table.columns)[0])
        yield (
            {"expect": "column_values_to_not_be_null", "column": column.name},
            "name the columns that the model writes, and check them here",
        )


def _quality(table: TableProfile, kept: Sequence[ColumnProfile]) -> Iterator[_Proposal]:
    yield from _when(table)
    for column in kept:
        if table.rows < FEWEST_ROWS:
            continue
        yield from _filled(column)
        if column.personal:
            continue
        if column.unique and column.kind == "text" and not column.json and (column.longest or 0) < _LONG_TEXT:
            yield (
                {"expect": "column_values_to_be_unique", "column": column.name, "severity": "warning"},
                "every row has its own",
            )
        if _is_category(column):
            check, reason = _category(column)
            share = (
                sum(count for value, count in column.values.items() if value in set(check["value_set"])) / column.filled
            )
            some = {} if share == 1 else {"mostly": _mostly(share, column.filled)}
            yield {**check, **some, "severity": "warning"}, reason
        elif bounds := _bounds(column):
            yield (
                {
                    "expect": "column_values_to_be_between",
                    "column": column.name,
                    **bounds[0],
                    "mostly": 0.99,
                    "severity": "warning",
                },
                bounds[1],
            )
        elif column.shape and not column.json:
            yield (
                {
                    "expect": "column_values_to_match_regex",
                    "column": column.name,
                    "regex": column.shape,
                    "mostly": _mostly(column.shaped, column.filled),
                    "severity": "warning",
                },
                _shaped(column),
            )
        elif column.longest is not None and column.longest >= _LONG_TEXT and not column.json:
            yield (
                {
                    "expect": "column_value_lengths_to_be_between",
                    "column": column.name,
                    "min_value": max(1, (column.shortest or 1) // 2),
                    "max_value": column.longest * 2,
                    "mostly": 0.99,
                    "severity": "warning",
                },
                f"{column.shortest} to {column.longest} characters so far",
            )


def _when(table: TableProfile) -> Iterator[_Proposal]:
    """Freshness from the longest silence that was seen, volume from the days that were."""
    if table.longest_gap is not None:
        age = max(timedelta(hours=1), 2 * table.longest_gap)
        yield (
            {"expect": "fresh_within", "column": table.time, "max_age": _duration(age), "severity": "critical"},
            f"the longest silence so far was {_duration(table.longest_gap)}",
        )
    if len({day.isocalendar()[:2] for day in table.days}) > _WEEKS_FOR_VOLUME:
        yield (
            {
                "expect": "volume_between",
                "like_weekdays": {"weeks": 8, "at_least": "50%", "at_most": "200%"},
                "severity": "warning",
            },
            f"{min(table.days.values()):,} to {max(table.days.values()):,} rows on a day",
        )
    else:
        most = max(table.days.values(), default=table.rows)
        yield (
            {"expect": "volume_between", "min_value": 1, "max_value": max(10, most * 3), "severity": "warning"},
            f"{most:,} rows on the fullest day so far",
        )


def _filled(column: ColumnProfile) -> Iterator[_Proposal]:
    check: dict[str, object] = {"expect": "column_values_to_not_be_null", "column": column.name}
    if column.complete == 1:
        yield {**check, "severity": "warning"}, "never NULL so far"
    elif column.complete >= _HALF:
        yield (
            {**check, "mostly": _mostly(column.complete, column.rows), "severity": "warning"},
            f"{_percent(column.complete)} filled so far",
        )


def _bounds(column: ColumnProfile) -> tuple[dict[str, object], str] | None:
    """Room for half of what is usual beyond either end; what was never negative stays so."""
    if column.low is None or column.high is None or column.usual is None or column.usual[0] == column.usual[1]:
        return None
    least, most = column.usual
    room = (most - least) * _ROOM
    low = Decimal(0) if column.low >= 0 and least - room < 0 else _rounded(least - room, ROUND_FLOOR)
    high = _rounded(most + room, ROUND_CEILING)
    reason = f"99 of 100 lie between {_plain(least)} and {_plain(most)}"
    if column.low < low or column.high > high:
        reason += f"; {_plain(column.low)} to {_plain(column.high)} was seen: is that right?"
    return {"min_value": low, "max_value": high}, reason


def _rounded(value: Decimal, how: str) -> Decimal:
    """To two significant digits, away from what was seen."""
    if not value:
        return Decimal(0)
    step = Decimal(1).scaleb(value.adjusted() - 1)
    return (value / step).to_integral_value(how) * step


def _is_category(column: ColumnProfile) -> bool:
    """Few values, each of them often enough to be one on purpose."""
    known = bool(column.values) and column.kind == "text" and not column.json
    return known and column.filled >= max(FEWEST_ROWS, 10 * len(column.values))


def _category(column: ColumnProfile) -> tuple[dict[str, Any], str]:
    """The values that are not rare; the rare ones are named, as they may be the errors that the check is for."""
    rare = {value: count for value, count in column.values.items() if count < _RARE * column.filled}
    usual = [value for value in column.values if value not in rare]
    check: dict[str, Any] = {"expect": "column_values_to_be_in_set", "column": column.name, "value_set": usual}
    reason = f"{plural(len(usual), 'value')} in {plural(column.filled, 'row')}"
    told = [f"{json.dumps(value)} ({count})" for value, count in rare.items()]
    if others := column.filled - sum(column.values.values()):
        told.append(f"{plural(others, 'row')} with other values")
    return check, f"{reason}; left out as rare: {', '.join(told)}" if told else reason


def _mostly(share: float, rows: int) -> float:
    """The share that was seen, less three standard errors, in whole hundredths below it."""
    spread = math.sqrt(share * (1 - share) / rows)
    return max(0.01, math.floor((min(share, 1 - 1 / rows) - 3 * spread) * 100) / 100)


def _shaped(column: ColumnProfile) -> str:
    return f"{_percent(column.shaped)} of what was read look so"


def _models(table: TableProfile) -> str:
    usage = _usage(table)
    column = table.column(usage["model"]) if usage else None
    return ", ".join(_text(value) for value in column.values) if column and column.values else "name-of-the-model"


def _a_week(table: TableProfile) -> int:
    """Rows of a week, on average over those that were seen."""
    weeks = {day.isocalendar()[:2] for day in table.days}
    return round(sum(table.days.values()) / len(weeks)) if weeks else table.rows


def _checks(proposals: Iterator[_Proposal]) -> Iterator[str]:
    for check, reason in proposals:
        yield f"  - {_flow(check)}    # {reason}"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(part) for part in value) + "]"
    if isinstance(value, Decimal):
        return _plain(value)
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    """A text that YAML reads as this text."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?(%|[mhdw])", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _person(person: Person) -> str:
    return f"name: {_text(person.name)}, slack: {_text(person.slack)}"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _percent(share: float) -> str:
    if _NEARLY_ALL < share < 1:
        return f"{math.floor(share * 1000) / 10:g} %"
    return f"{share:.0%}".replace("%", " %")


def _duration(length: timedelta) -> str:
    """In whole minutes, hours or days, rounded up."""
    minutes = math.ceil(length.total_seconds() / 60)
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes}m"
    hours = math.ceil(minutes / 60)
    return f"{hours}h" if hours < 72 else f"{math.ceil(hours / 24)}d"  # noqa: PLR2004 - three days


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
