"""Tables: a header, then a case in each row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afterpilot.declare.importing.carried import (
    MAX_COST,
    MOST_CASES,
    Imported,
    Names,
    Notes,
    folder_name,
    id_of,
    read_text,
)
from afterpilot.declare.writing import NewSuite
from afterpilot.domain.errors import DeclarationError

EXPECTED = "expected"
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_SEPARATORS = ",;\t|"
_MOST_CHARACTERS = 1_000_000  # of one cell


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: dict[str, str]


def read(path: Path) -> Imported:
    """The suite of a table: ``id``, a column for each variable, ``expected`` or ``expected.<field>``, ``tags``.

    The separator is a comma, semicolon, tab or bar, whichever the header has most of. Cells are texts and stay as they are: one that
    begins with ``=`` is no formula here. Tags are separated by commas or semicolons.

    Raises:
        DeclarationError: it is no such table; the message has the line.
    """
    header, rows = _table(path)
    notes = Notes(path.name)
    variables = _variables(path, header)
    fields = [name for name in header if name == EXPECTED or name.startswith(f"{EXPECTED}.")]
    cases = list(_cases(path, rows, variables, fields, notes))
    if not fields:
        raise DeclarationError(
            f"{path}:1: has no column {EXPECTED} or {EXPECTED}.<field>, so that nothing can be scored"
        )
    suite = NewSuite(
        name=folder_name(path.stem),
        keys={
            "model": {"connection": "model", "name": "name-of-the-model", "prompt": "prompt.md", "temperature": 0},
            "scorers": [_scorer(field, rows) for field in fields],
            "max_cost": MAX_COST,
            "pass_rate": "100%",
        },
        cases=cases,
        files={"prompt.md": "\n".join(f"{{{{ {name} }}}}" for name in variables) + "\n"},
        about=f"From {path.name}. The table names no model and no prompt: say which in `model`, and write prompt.md.",
    )
    notes.leave("", "the model and its prompt", "a table names none: fill in `model` of suite.yaml and prompt.md")
    return Imported((suite,), notes.all)


def _table(path: Path) -> tuple[list[str], list[_Row]]:
    text = read_text(path)
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = csv.field_size_limit(_MOST_CHARACTERS)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            raise DeclarationError(f"{path}:1: has no header")
        _named_once(path, header)
        rows = list(_rows(path, reader, header))
    except csv.Error as error:
        raise DeclarationError(f"{path}:{reader.line_num}: is not CSV: {error}") from error
    finally:
        csv.field_size_limit(before)
    if not rows:
        raise DeclarationError(f"{path}: holds no case below its header")
    return header, rows


def _rows(path: Path, reader: Any, header: Sequence[str]) -> Iterator[_Row]:  # noqa: ANN401 - csv's own type has no name
    number = reader.line_num
    for count, cells in enumerate(reader):
        line, number = number + 1, reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if count >= MOST_CASES:
            raise DeclarationError(f"{path}:{line}: holds more than {MOST_CASES:,} cases")
        if len(cells) > len(header):
            raise DeclarationError(f"{path}:{line}: has {len(cells)} cells, but the header has {len(header)}")
        yield _Row(line, dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True)))


def _named_once(path: Path, header: Sequence[str]) -> None:
    for index, name in enumerate(header):
        if not name:
            raise DeclarationError(f"{path}:1: column {index + 1} has no name")
        if name in header[:index]:
            raise DeclarationError(f"{path}:1: the column {name!r} stands twice")


def _variables(path: Path, header: Sequence[str]) -> list[str]:
    names = [name for name in header if name not in {"id", "tags", EXPECTED} and not name.startswith(f"{EXPECTED}.")]
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise DeclarationError(f"{path}:1: the column {name!r} cannot be a variable: use letters, digits and _")
    if not names:
        raise DeclarationError(f"{path}:1: has no column for a variable of the prompt")
    return names


def _cases(
    path: Path, rows: Sequence[_Row], variables: Sequence[str], fields: Sequence[str], notes: Notes
) -> Iterator[dict[str, Any]]:
    first: dict[str, int] = {}
    names = Names()
    for row in rows:
        name = id_of(row.cells.get("id", "")) or names.unique(f"line-{row.line}")
        if name in first:
            raise DeclarationError(f"{path}:{row.line}: the id {name!r} stands twice, first in line {first[name]}")
        first[name] = row.line
        empty = [field for field in fields if not row.cells[field].strip()]
        if empty:
            notes.leave(f"line {row.line}", f"the case {name}", f"its {empty[0]} is empty, so that it cannot be scored")
            continue
        case: dict[str, Any] = {"id": name, "vars": {key: row.cells[key] for key in variables}}
        if list(fields) == [EXPECTED]:
            case[EXPECTED] = row.cells[EXPECTED]
        else:
            case[EXPECTED] = {field.removeprefix(EXPECTED).removeprefix("."): row.cells[field] for field in fields}
        tags = [tag.strip() for tag in re.split(r"[,;]", row.cells.get("tags", "")) if tag.strip()]
        yield case | ({"tags": tags} if tags else {})


def _scorer(field: str, rows: Sequence[_Row]) -> Any:  # noqa: ANN401 - YAML holds anything
    """Exactly the expected text; a number where each row has a plain one."""
    name = field.removeprefix(EXPECTED).removeprefix(".")
    plain = all(re.fullmatch(r"-?\d+(\.\d+)?", row.cells[field].strip()) for row in rows)
    return {"numeric" if plain and name else "exact": name}
