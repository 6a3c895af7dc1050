"""Day buckets, page after page, as the usage and cost APIs of OpenAI and Anthropic give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from afterpilot.domain.errors import SourceError
from afterpilot.pull.bills.amounts import mapping
from afterpilot.pull.http.client import Client

MOST_PAGES = 1_000
A_PAGE = 31  # buckets: the most that each of these APIs gives
_DAY = timedelta(days=1)

Buckets = dict[date, list[Mapping[str, Any]]]


def day_buckets(
    client: Client, path: str, query: Sequence[tuple[str, str]], *, first: date, end: date, ends: tuple[str, str]
) -> Buckets:
    """The results of each day from ``first`` to before ``end`` that the service answers for. ``ends`` names the fields in which
    a bucket says when it begins and ends.

    Raises:
        SourceError: it cannot be read, a bucket is no UTC day or comes twice, or the pages do not hang together.
    """
    found: Buckets = {}
    for bucket in _buckets(client, path, [*query, ("limit", str(A_PAGE))]):
        begins, over = (_moment(bucket.get(name), path) for name in ends)
        if over - begins != _DAY or begins.time() != datetime.min.time():
            raise SourceError(f"{path}: the bucket of {begins:%Y-%m-%d %H:%M} is not one day in UTC")
        day = begins.date()
        if day in found:
            raise SourceError(f"{path} gives {day} twice")
        results = bucket.get("results")
        if not isinstance(results, list):
            raise SourceError(f"{path}: the bucket of {day} has no results")
        found[day] = [mapping(one, f"{path}, {day}") for one in results]
    return {day: results for day, results in found.items() if first <= day < end}


def _buckets(client: Client, path: str, query: list[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
    """All buckets. A page that promises another one without saying where it is would be a part of the bill lost."""
    seen: set[str] = set()
    asked = query
    for _ in range(MOST_PAGES):
        page = mapping(client.get(path, asked).body, path)
        buckets = page.get("data")
        if not isinstance(buckets, list):
            raise SourceError(f"{path}: a page has no data")
        yield from (mapping(one, path) for one in buckets)
        if not page.get("has_more"):
            return
        place = page.get("next_page")
        if not isinstance(place, str) or not place or place in seen:
            raise SourceError(f"{path}: a page promises more, and does not say where it is")
        seen.add(place)
        asked = [*query, ("page", place)]
    raise SourceError(f"{path} gives more than {MOST_PAGES:,} pages")


def _moment(value: object, path: str) -> datetime:
    """A time as unix seconds or RFC 3339, in UTC."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise SourceError(f"{path}: a bucket does not say which day it is")
