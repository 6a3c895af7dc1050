"""Writes docs/reference/declaration.md from the schema: ``python -m afterpilot.declare.reference`` prints it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from afterpilot.declare import expectations
from afterpilot.declare.cases import KEYS, MAX_CASES
from afterpilot.declare.files import MAX_BYTES, MAX_CASES_BYTES
from afterpilot.declare.fleet import FLEET
from afterpilot.declare.gx_table import GX_EXPECTATIONS
from afterpilot.declare.images import MAX_IMAGE_BYTES, MAX_IMAGES_BYTES
from afterpilot.declare.keys import keys_of
from afterpilot.declare.loader import DECLARATION
from afterpilot.declare.named_files import NEEDS_RUNBOOK, RUNBOOK
from afterpilot.declare.schema import FleetFile, WorkflowFile
from afterpilot.declare.source_schema import SOURCES
from afterpilot.declare.spot_check_schema import SpotCheckTerms
from afterpilot.declare.values import Words
from afterpilot.declare.yaml_lines import MAX_DEPTH
from afterpilot.domain.calls import CALL_FIELDS
from afterpilot.domain.scorers import FIELD, KINDS, SCORERS, SHARED

_MEGABYTE = 1_000_000


def page() -> str:
    """The reference as Markdown."""
    sections = [
        _INTRODUCTION,
        f"## {DECLARATION}\n\n{_table(WorkflowFile)}",
        f"{_SPOT_CHECKS.strip()}\n\n{_table(SpotCheckTerms, 'spot_check.')}",
        _sources(),
        _checks("Checks of outputs", _OUTPUTS, expectations.GATE),
        _checks("Quality: our own", _QUALITY, expectations.OWN_QUALITY),
        _library(),
        _scorers(),
        _CASES,
        f"## {FLEET}\n\n{_table(FleetFile)}",
        _ALERTS,
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


_INTRODUCTION = f"""
# Declarations

<!-- Written by `python -m afterpilot.declare.reference`; do not edit by hand. -->

A workflow is a folder in `include/workflows/` with a `{DECLARATION}`; `{FLEET}` holds what all share.
`afterpilot validate` says what is wrong, with file and line. One broken folder never hides the others.

- Files that a declaration names lie in its own folder: at most {MAX_BYTES // _MEGABYTE} MB each, \
{MAX_CASES_BYTES // _MEGABYTE} MB for cases. No links or paths that lead outside.
- A workflow of stage {" or ".join(sorted(NEEDS_RUNBOOK))} needs a `{RUNBOOK}`.
- Words are read as YAML 1.2 reads them: only `true` and `false` are booleans, `NO` is a text, dates are texts. Anchors with
  aliases, tags, repeated keys, `.inf` and `.nan`, and more than {MAX_DEPTH} levels are refused.
- What looks like a secret is refused: name a connection instead.
- A key left empty is refused: fill it in, or remove it.
"""

_SPOT_CHECKS = """
## Spot checks

`spot_check: 5%` is a share of what passes. A mapping instead asks for a precision: as many outputs as it takes go to people.
"""

_OUTPUTS = """
Each output is checked before it is used. One that passes all of `outputs` is released; one that fails any goes to a person,
with the discrepancy in words. A check that could not run releases nothing.
"""

_QUALITY = """
`quality` is checked over each window of records. `severity` is `info`, `warning` or `critical` (unless said: `critical`); it
decides whether the verdict is PASS, WARN or FAIL. A window without records is UNKNOWN for a check; where that is as it should
be, it says `no_rows_are_fine: true`.
"""

_SOURCES = """
## Other sources

`kind` says where the records lie; [sources](../sources.md) has a declaration of each to copy. Without it, `source` is a table of
a database, as above. `history`, `personal` and `decisions` are the same for all.
"""

_CALLS = """
Gateways and tracers name the same things differently; these are the names to declare under `source.fields` and `source.where`.
What was not reported is missing, never 0.
"""

_SCORERS = """
## Scorers

The bare name (`- exact`) or an empty field (`{exact: ""}`) means the whole answer. `threshold` is for scorers that may give a
value between 0 and 1: 0.9, or 90%. Files (`{json_schema: …}`, `{judge: …}`, `{python: …}`) lie in the same folder. Any scorer
may have besides:
"""

_CASES = f"""
## Cases

One JSON object a line, at most {MAX_CASES:,} of them, with the keys {", ".join(f"`{key}`" for key in KEYS)}:

```json
{{"id": "late-1", "vars": {{"letter": "It came late."}}, "expected": {{"reason": "late"}}, "tags": ["short"]}}
```

Each `id` stands once. The rest may be left out:

- `vars`: a text for every variable of the prompt (or of the request).
- `expected`: the right answer by field, or a text where the whole answer counts; needed where a scorer compares with it.
- `tags`: slices of the suite, for scorers and waivers.
- `messages`: turns after the prompt's, `{{"role": "user", "content": "And the next one?"}}`. A turn of the assistant without content is
  answered by the model before the next one is sent; the last answer is scored.
- `images`: PNG, JPEG, GIF or WebP files of the folder, at most {MAX_IMAGE_BYTES // _MEGABYTE} MB each and {MAX_IMAGES_BYTES // _MEGABYTE} MB a suite. They go with the last turn of
  the user before the first answer.
- `scorers`: the case's own, written as in the suite, on top of the suite's.
- `origin`: where the case comes from, such as a person's correction.

## suite.yaml

A suite outside of a workflow: a folder with a `suite.yaml`, which holds the keys of `evals` at its top, and may have a `name`.
"""

_ALERTS = """
## Where an alert goes

The first of these that fits decides; `afterpilot routes explain WORKFLOW` prints them for a workflow, a kind and a moment.

1. A silence: a person has said that it is to be kept for a time. It is kept, on record with the reason, and told at the end if it
   is still wrong.
2. Maintenance, the workflow's own or the fleet's: the same, declared.
3. `alerts.routes` of the workflow, from the first on. One with `continue: true` does not end the search.
4. `alerts.routes` of the fleet, likewise.
5. The workflow's channel.

What is critical or could not be checked (UNKNOWN) is kept by 1 and 2 alone: a route to `[]` or to `digest` brings it to the channel
at once. A place that is not known leads nowhere; where no other is left, the channel is told. Later news of an incident goes where
it was told, and nowhere else: what is called at night hears by day that it is over.

A `kind` that there is not, or a pattern that fits none, is refused with the nearest name; [Alerts](../alerts.md#where-it-goes) leads to their table. So is
a `workflow` without a folder. A pattern of workflows that fits none yet is a warning of `afterpilot validate`: one may still come.

`escalate` counts from when an incident is told, is graver or is back. When nobody has taken it up in time, the deputy is called in its thread,
and as long after that the channel. Nobody is called for one that is acknowledged, waived, silenced, explained by another one, or
waits for a digest. Where more than three are due in one channel at once, one message calls about all of them.
"""


def _table(model: type[BaseModel], before: str = "") -> str:
    rows = ["| key | type | unless given | meaning |", "|---|---|---|---|"]
    return "\n".join([*rows, *_rows(model, before)])


def _sources() -> str:
    """The kinds of sources besides the table, which stands in the declaration's own list."""
    parts = [
        f"### kind: {kind}\n\n{(model.__doc__ or '').strip()}\n\n{_differing(model)}"
        for kind, model in SOURCES.items()
        if model is not WorkflowFile.model_fields["source"].annotation
    ]
    names = "\n".join(f"| `{name}` | {one.type} | {_cell(one.meaning)} |" for name, one in CALL_FIELDS.items())
    known = f"### What is known of a call\n\n{_CALLS.strip()}\n\n| name | type | meaning |\n|---|---|---|\n{names}"
    return "\n\n".join([_SOURCES.strip(), *parts, known])


def _differing(model: type[BaseModel]) -> str:
    """A source's keys, without those that every source has."""
    same = ("| `source.kind`", "| `source.history`", "| `source.personal`", "| `source.decisions")
    lines = _table(model, "source.").splitlines()
    return "\n".join(line for line in lines if not line.startswith(same))


def _rows(model: type[BaseModel], before: str) -> Iterator[str]:
    for name, field in keys_of(model).items():
        key = f"{before}{name}"
        inner, holder = _model_of(field.annotation)
        words = _HOLDERS[holder] if inner else _words(field.annotation, field)
        yield f"| `{key}` | {_cell(words)} | {_default(field)} | {_cell(field.description or '')} |"
        if inner is not None:
            yield from _rows(inner, f"{key}{_INSIDE[holder]}")


_HOLDERS = {"": "mapping", "list": "list of mappings", "dict": "mapping: name → mapping"}
_INSIDE = {"": ".", "list": "[].", "dict": ".NAME."}


def _model_of(annotation: Any) -> tuple[type[BaseModel] | None, str]:  # noqa: ANN401 - annotations have no common type
    """The mapping with known keys that a value is or holds, and in what: nothing, a list or a dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            origin = get_origin(annotation)
            return part, origin.__name__ if origin in {list, dict} else ""
    return None, ""


def _words(annotation: Any, field: FieldInfo | None = None) -> str:  # noqa: ANN401 - see _model_of
    told = [part.text for part in (field.metadata if field else ()) if isinstance(part, Words)]
    told += [part.text for part in get_args(annotation) if isinstance(part, Words)]
    if told:
        return told[0]
    if annotation is bool:
        return "`true`, `false`"
    origin, parts = get_origin(annotation), [part for part in get_args(annotation) if part is not types.NoneType]
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return f"mapping: {_words(parts[0])} → {_words(parts[1])}"
    if origin is list:
        return f"list: {_words(parts[0])}"
    if origin in {Union, types.UnionType}:
        return _words(parts[0])
    raise TypeError(f"no words for {annotation}")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.default
    if default is None:
        return ""
    if isinstance(default, list):
        return f"`[{', '.join(default)}]`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _parameters(expect: str, table: dict[str, str]) -> str:
    names = sorted(expectations.parameters(expect, table), key=lambda name: name.endswith("?"))
    return ", ".join(f"`{name}`" for name in names)


def _checks(title: str, text: str, table: dict[str, str]) -> str:
    rows = [
        f"| `{name}` | {_parameters(name, table)} | {_cell(expectations.MEANINGS[name])} |" for name in sorted(table)
    ]
    head = "| `expect` | parameters (`?`: may be left out) | holds when |\n|---|---|---|\n"
    return f"## {title}\n\n{text.strip()}\n\n{head}" + "\n".join(rows)


def _library() -> str:
    rows = [f"| `{name}` | {_parameters(name, GX_EXPECTATIONS)} |" for name in sorted(GX_EXPECTATIONS)]
    text = (
        "Those of Great Expectations 1.24, without the leading `expect_`; their meaning is Great Expectations' own. "
        "`mostly` is a share from 0 to 1."
    )
    head = "| `expect` | parameters (`?`: may be left out) |\n|---|---|\n"
    return f"## Quality: Great Expectations\n\n{text}\n\n{head}" + "\n".join(rows)


def _scorers() -> str:
    rows = []
    for name, table in SCORERS.items():
        value = {"field": "field", "key": "key", "scalar list": "[a, b]", "boolean": "true"}.get(table.bare, table.bare)
        more = "".join(f", {other}: …" for other, one in table.parameters.items() if one.required)
        rows.append(f"| `{{{name}: {value}{more}}}` | {_cell(table.meaning)} |")
        rows += [
            f"| `{name}` … `{other}:` {one.kind} | {_cell(one.meaning)}{_one_of(one.words)} |"
            for other, one in table.parameters.items()
        ]
    shared = [f"- `{name}`: {one.meaning} ({one.kind})" for name, one in {**SHARED, "field": FIELD}.items()]
    kinds = [f"- {kind}: {meaning}" for kind, meaning in KINDS.items()]
    head = "| scorer | passes when |\n|---|---|\n" + "\n".join(rows)
    return f"{_SCORERS.strip()}\n\n" + "\n".join(shared) + f"\n\n{head}\n\nThe kinds of values:\n\n" + "\n".join(kinds)


def _one_of(words: tuple[str, ...]) -> str:
    return f" ({', '.join(f'`{word}`' for word in words)})" if words else ""


if __name__ == "__main__":
    sys.stdout.write(page())
