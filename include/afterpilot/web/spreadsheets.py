"""Cells of files for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from afterpilot.web.text import visible

# A cell that begins so is calculated by spreadsheets, some of which skip blanks and take wide signs: whoever named it may not be us.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: object) -> str:
    """The value as a cell that no spreadsheet takes for a formula; hidden characters are made visible."""
    shown = visible(str(value))
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def line(cells: Iterable[str]) -> str:
    """One row of CSV (RFC 4180) with its end."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerow(cells)
    return file.getvalue()
