"""All runs that a filter lets through as a file, CSV or JSON lines: made while it is sent, of a bounded size, with an end that says
whether it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from afterpilot.record.history.paging import Page, Row
from afterpilot.web.spreadsheets import cell, line

MOST = 100_000  # runs in a file
STEP = 1_000  # runs that are in memory at once
_MOST_LOOKS = 1_000  # pages that are looked through for one file
_PLAIN = ("id", "finished_at", "workflow", "stage", "verdict", "summary", "reasons", "window_start", "window_end")
_MORE = ("started_at", "actor", "corrects", "corrected")
_TRIGGER = ("origin", "dag_id", "task_id", "run_id", "map_index", "try_number")
COLUMNS = (*_PLAIN, *_MORE, "versions", *(f"trigger_{name}" for name in _TRIGGER), "link")

Ask = Callable[[str], Page]  # the page after a cursor


@dataclass(frozen=True, slots=True)
class End:
    """How a file ended: ``after`` is where another one goes on, empty where this one is whole."""

    runs: int
    after: str = ""
    down_to: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.after


def rows(first: Page, ask: Ask, *, most: int = MOST) -> Iterator[Row | End]:
    """The runs page by page, then how it ended. The pages hold :data:`STEP` runs or divide ``most``."""
    page, count, looks = first, 0, 1
    while True:
        yield from page.rows
        count += len(page.rows)
        if not page.after:
            yield End(count)
            return
        if count >= most or looks >= _MOST_LOOKS:
            down_to = page.looked_to or page.rows[-1]["finished_at"]
            yield End(count, page.after, down_to.isoformat())
            return
        page, looks = ask(page.after), looks + 1


def as_csv(found: Iterator[Row | End], *, link: str, onward: Callable[[str], str]) -> Iterator[str]:
    """Lines of CSV: a header, the runs, and a last row that begins with ``#``. ``link`` is what a run's id is added to, ``onward``
    makes the address of the next file.
    """
    yield line(COLUMNS)
    for one in found:
        yield line([_end_in_words(one, onward)]) if isinstance(one, End) else line(_cells(one, link))


def as_json_lines(found: Iterator[Row | End], *, link: str, onward: Callable[[str], str]) -> Iterator[str]:
    """Lines of JSON: the runs, and a last one ``{"end": …}``."""
    for one in found:
        if isinstance(one, End):
            end = {"whole": one.whole, "runs": one.runs}
            more = {} if one.whole else {"down_to": one.down_to, "go_on": onward(one.after)}
            yield _json({"end": end | more})
        else:
            yield _json({**one, "link": f"{link}{one['id']}"})


def _end_in_words(end: End, onward: Callable[[str], str]) -> str:
    if end.whole:
        return f"# whole: {end.runs} runs"
    return f"# not whole: {end.runs} runs, down to {end.down_to}; go on with {onward(end.after)}"


def _cells(run: Row, link: str) -> Iterator[str]:
    for name in (*_PLAIN, *_MORE):
        value = run[name]
        yield cell("; ".join(map(str, value)) if isinstance(value, list) else _text(value))
    yield cell("; ".join(f"{name}={value}" for name, value in run["versions"].items()))
    trigger: Mapping[str, Any] = run["trigger"]
    for name in _TRIGGER:
        yield cell(_text(trigger.get(name)))
    yield f"{link}{run['id']}"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, default=_text, ensure_ascii=False, separators=(",", ":")) + "\n"
