"""All that a list holds for a filter as a file, CSV or JSON lines: made while it is sent, of a bounded size, with an end that says
whether it is whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from afterpilot.domain.counting import plural
from afterpilot.domain.run import FLEET
from afterpilot.record.history.paging import Page, Row
from afterpilot.web.access import Sight, sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame, address
from afterpilot.web.paging import listed
from afterpilot.web.spreadsheets import cell, line
from afterpilot.web.viewing import DOWNLOADED, evidence, shows
from afterpilot.web.withholding import withheld

MOST = 100_000  # rows in a file
_MOST_LOOKS = 1_000  # pages that are looked through for one file
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

Ask = Callable[[str], Page]  # the page after a cursor
Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as a file. ``document`` makes of a row what JSON lines hold, ``cells`` of that what the columns of CSV hold by name;
    ``path`` is the address of the row's page and ``at`` names how far down the list a row stands. ``step`` rows are in memory at
    once.
    """

    name: str
    noun: str
    columns: Sequence[str]
    path: Callable[[Row], tuple[tuple[object, ...], Mapping[str, object]]]
    document: Callable[[Row], Document] = dict
    cells: Callable[[Document], Document] = dict
    at: str = "at"
    step: int = 1_000


@dataclass(frozen=True, slots=True)
class End:
    """How a file ended: ``after`` is where another one goes on, empty where this one is whole."""

    rows: int
    after: str = ""
    down_to: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.after


def add_files(routes: APIRouter, listing: Listing, file: Callable[[Request, str], Response]) -> None:
    """The addresses of a list's files, ``/<name>.csv`` and ``/<name>.jsonl``; ``file`` answers in the form that it is given. Each is
    evidence: it leaves only after it is on record who has taken it.
    """

    @routes.get(f"/{listing.name}.csv")
    @evidence(DOWNLOADED)
    def csv_file(request: Request) -> Response:
        return file(request, "csv")

    @routes.get(f"/{listing.name}.jsonl")
    @evidence(DOWNLOADED)
    def json_lines(request: Request) -> Response:
        return file(request, "jsonl")


def as_file(
    request: Request, frame: Frame, form: str, listing: Listing, asked: Asked, ask: Ask, query: Row
) -> Response:
    """The file: everything that the filter lets through, from a cursor on, on record as what was taken.

    Raises:
        HTTPException: 400 for a filter or a cursor that is none.
    """
    if asked.problems:
        raise HTTPException(400, "The filter cannot be used as it stands: " + "; ".join(asked.problems))
    who, workflow = sight(request), str(query.get("workflow") or "")
    # Of a workflow that is not seen nothing is taken: its own ledger says nothing of it.
    shows(request, f"{listing.name}:{form}", workflow if workflow and who.sees(workflow) else FLEET)
    ask = _withholding(ask, who)
    first = listed(asked, lambda: ask(asked.after))  # before anything is sent: what is wrong gets an answer of its own
    here = f"{request.url.scheme}://{request.url.netloc}{frame.base(request)}"
    media_type, lines = _FORMS[form]

    def link(row: Row) -> str:
        parts, more = listing.path(row)
        return address(here, *parts, **more)

    body = lines(
        rows(first, ask, at=listing.at),
        listing,
        link=link,
        onward=lambda after: address(here, f"{listing.name}.{form}", **{**query, "after": after}),
    )
    name = "-".join([listing.name, *(_UNSAFE.sub("_", str(value)) for value in query.values() if value)])[:120]
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingResponse(body, media_type=media_type, headers=headers)


def _withholding(ask: Ask, who: Sight) -> Ask:
    """The same pages, for auditors without what names a field that became personal after it had been kept."""
    if who.sees_personal:
        return ask

    def asked(after: str) -> Page:
        page = ask(after)
        return replace(page, rows=withheld(page.rows, who.late))

    return asked


def rows(first: Page, ask: Ask, *, at: str, most: int = MOST) -> Iterator[Row | End]:
    """The rows page by page, then how it ended. The pages divide ``most``."""
    page, count, looks = first, 0, 1
    while True:
        yield from page.rows
        count += len(page.rows)
        if not page.after:
            yield End(count)
            return
        if count >= most or looks >= _MOST_LOOKS:
            yield End(count, page.after, _text(page.looked_to or page.rows[-1][at]))
            return
        page, looks = ask(page.after), looks + 1


def as_csv(
    found: Iterator[Row | End], listing: Listing, *, link: Callable[[Row], str], onward: Callable[[str], str]
) -> Iterator[str]:
    """Lines of CSV: a header, the rows, and a last one that begins with ``#``. ``link`` makes the address of a row's page, ``onward``
    that of the next file.
    """
    yield line((*listing.columns, "link"))
    for one in found:
        if isinstance(one, End):
            yield line([_end_in_words(one, listing.noun, onward)])
        else:
            cells = listing.cells(listing.document(one))
            yield line((*(cell(_flat(cells[name])) for name in listing.columns), link(one)))


def as_json_lines(
    found: Iterator[Row | End], listing: Listing, *, link: Callable[[Row], str], onward: Callable[[str], str]
) -> Iterator[str]:
    """Lines of JSON: the rows, and a last one ``{"end": …}``."""
    for one in found:
        if isinstance(one, End):
            end = {"whole": one.whole, _several(listing.noun): one.rows}
            more = {} if one.whole else {"down_to": one.down_to, "go_on": onward(one.after)}
            yield _json({"end": end | more})
        else:
            yield _json({**listing.document(one), "link": link(one)})


_FORMS = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "jsonl": ("application/x-ndjson; charset=utf-8", as_json_lines),
}


def _end_in_words(end: End, noun: str, onward: Callable[[str], str]) -> str:
    count = plural(end.rows, noun).replace(",", "")
    if end.whole:
        return f"# whole: {count}"
    return f"# not whole: {count}, down to {end.down_to}; go on with {onward(end.after)}"


def _several(noun: str) -> str:
    return plural(2, noun).removeprefix("2 ")


def _flat(value: object) -> str:
    """A value in one cell: a list of texts by semicolons, by name where they have names; what is deeper as JSON."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}={_flat(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        deep = any(isinstance(one, (Mapping, list)) for one in value)
        return _json(value).rstrip() if deep else "; ".join(map(_text, value))
    return _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _json(value: object) -> str:
    return json.dumps(value, default=_text, ensure_ascii=False, separators=(",", ":")) + "\n"
