"""What a LiteLLM proxy has counted: its daily activity, by model and by the team of the key. Dollars, and no bill of anybody's.

``/user/daily/activity`` is the one summary of the proxy's that needs neither a licence nor a request for each team. Its pages cut
through days, so that a day's parts are added up.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.domain.bills import Bill, BillLine
from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import SourceError
from afterpilot.pull.bills.amounts import amount, count, mapping, name
from afterpilot.pull.bills.lines import added
from afterpilot.pull.http.client import Client

_PATH = "/user/daily/activity"
_A_PAGE = 1_000  # rows of the proxy's table: the most that it gives
_MOST_PAGES = 10_000
_SPEND = "spend"
_NOISE = Decimal("1e-9")  # the proxy adds up floats
_COUNTS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cached_tokens": "cache_read_input_tokens",
    "calls": "api_requests",
}


class LiteLlmBill:
    """The spend of a proxy, with the key of an admin. ``pause`` sleeps, in seconds."""

    def __init__(self, endpoint: Endpoint, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._endpoint = replace(
            endpoint, url=endpoint.url.rstrip("/").removesuffix("/v1")
        )  # as models are asked there
        self._pause = pause

    def read(self, first: date, end: date) -> Bill:
        """The spend of these UTC days. A day that the proxy does not tell of had no call. Raises SourceError."""
        last = end - timedelta(days=1)
        query = [("start_date", str(first)), ("end_date", str(last)), ("page_size", str(_A_PAGE))]
        with closing(Client(self._endpoint, pause=self._pause)) as client:
            lines = [line for page in _pages(client, query) for line in _lines(page)]
        days = frozenset(first + timedelta(days=n) for n in range((end - first).days))
        return Bill(added(line for line in lines if line.day in days), days)


def _pages(client: Client, query: list[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
    """All pages. One that promises another and brings nothing new is where reading would go on for ever."""
    seen: set[bytes] = set()
    for number in range(1, _MOST_PAGES + 1):
        page = mapping(client.get(_PATH, [*query, ("page", str(number))]).body, _PATH)
        told = mapping(page.get("metadata"), _PATH)
        if told.get("page") != number:
            raise SourceError(
                f"{_PATH} answers with page {name(str(told.get('page')))} where page {number} was asked for"
            )
        yield page
        if not told.get("has_more"):
            return
        last, rows = told.get("total_pages"), repr(page.get("results")).encode()
        if isinstance(last, int) and number >= last:
            raise SourceError(f"{_PATH}: page {number} of {last} promises another one")
        if not page.get("results"):
            raise SourceError(f"{_PATH}: page {number} has no results, and promises more")
        if (digest := hashlib.sha256(rows).digest()) in seen:
            raise SourceError(f"{_PATH}: page {number} repeats an earlier one, and promises more")
        seen.add(digest)
    raise SourceError(f"{_PATH} gives more than {_MOST_PAGES:,} pages")


def _lines(page: Mapping[str, Any]) -> Iterator[BillLine]:
    results = page.get("results")
    if not isinstance(results, list):
        raise SourceError(f"{_PATH}: a page has no results")
    for found in results:
        told = mapping(found, _PATH)
        try:
            day = date.fromisoformat(str(told.get("date")))
        except ValueError:
            raise SourceError(f"{_PATH}: a result does not say which day it is") from None
        where = f"{_PATH}, {day}"
        models = mapping(mapping(told.get("breakdown") or {}, where).get("models") or {}, where)
        parts = [line for model, one in models.items() for line in _of_model(day, model, mapping(one, where))]
        yield from parts
        yield from _rest(_line(day, "", "", told, where), parts)


def _of_model(day: date, model: str, one: Mapping[str, Any]) -> Iterator[BillLine]:
    """The spend of a model by the team of each key; what no key is told of stands under no team."""
    where = f"{_PATH}, {day}, {name(model)}"
    keys = mapping(one.get("api_key_breakdown") or {}, where)
    parts = []
    for key in (mapping(found, where) for found in keys.values()):
        team = name(mapping(key.get("metadata") or {}, where).get("team_id"))
        parts.append(_line(day, team, name(model), key, where))
    yield from parts
    yield from _rest(_line(day, "", name(model), one, where), parts)


def _line(day: date, team: str, model: str, one: Mapping[str, Any], where: str) -> BillLine:
    told = mapping(one.get("metrics"), where)
    counts = {ours: count(told.get(theirs), where) for ours, theirs in _COUNTS.items()}
    return BillLine(day, team, model, _SPEND, amount(told.get("spend"), where), "USD", **counts)


def _rest(whole: BillLine, parts: list[BillLine]) -> Iterator[BillLine]:
    """What the whole has beyond its parts."""
    if whole.amount is None:
        yield BillLine(whole.day, whole.project, whole.model, whole.item, None, whole.currency)
        return
    left = whole.amount - sum((part.amount for part in parts if part.amount is not None), Decimal(0))
    if not parts:
        yield whole
    elif abs(left) > _NOISE and all(part.amount is not None for part in parts):
        yield BillLine(whole.day, whole.project, whole.model, whole.item, left, whole.currency)
