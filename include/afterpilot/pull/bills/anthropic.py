"""Anthropic's cost report and usage report of messages, with an admin key.

Amounts are decimal texts in cents. Spend of the default workspace has no workspace's id: it is called ``default`` here. Tokens come
in three sorts that do not overlap (uncached, read from the cache, written to it); all are input. What the priority tier
costs is in no cost report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date
from typing import Any

from afterpilot.domain.bills import USAGE, Bill, BillLine
from afterpilot.domain.connections import Endpoint
from afterpilot.pull.bills.amounts import amount, count, currency, mapping, name, total
from afterpilot.pull.bills.buckets import day_buckets
from afterpilot.pull.bills.lines import added
from afterpilot.pull.http.client import Client

_COSTS, _USAGE = "/organizations/cost_report", "/organizations/usage_report/messages"
_ENDS = ("starting_at", "ending_at")
_VERSION = {"anthropic-version": "2023-06-01"}
_DEFAULT = "default"
_STANDARD = {"", "standard"}


class AnthropicBill:
    """The bill of an organization. ``pause`` sleeps, in seconds."""

    def __init__(self, endpoint: Endpoint, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._endpoint, self._pause = endpoint, pause
        self._root = "" if endpoint.url.rstrip("/").endswith("/v1") else "/v1"

    def read(self, first: date, end: date) -> Bill:
        """The bill of these UTC days. Raises SourceError."""
        query = [("starting_at", f"{first}T00:00:00Z"), ("ending_at", f"{end}T00:00:00Z"), ("bucket_width", "1d")]
        client = Client(self._endpoint, auth="header x-api-key", headers=_VERSION, pause=self._pause)
        with closing(client):
            by = [("group_by[]", "workspace_id"), ("group_by[]", "description")]
            costs = day_buckets(client, self._root + _COSTS, [*query, *by], first=first, end=end, ends=_ENDS)
            by = [("group_by[]", "workspace_id"), ("group_by[]", "model"), ("group_by[]", "service_tier")]
            usage = day_buckets(client, self._root + _USAGE, [*query, *by], first=first, end=end, ends=_ENDS)
        lines = [_cost(day, one) for day, results in costs.items() for one in results]
        lines += [line for day in costs for line in _used(day, usage.get(day, []))]
        return Bill(added(lines), frozenset(costs))


def _cost(day: date, one: Mapping[str, Any]) -> BillLine:
    cents = amount(one.get("amount"), f"{_COSTS}, {day}")
    item = name(one.get("description")) or name(one.get("token_type")) or name(one.get("cost_type"), none="unnamed")
    return BillLine(
        day=day,
        project=name(one.get("workspace_id"), none=_DEFAULT),
        model=name(one.get("model")),
        item=_with_tier(item, one),
        amount=None if cents is None else cents.scaleb(-2),
        currency=currency(one.get("currency")),
    )


def _used(day: date, results: list[Mapping[str, Any]]) -> Iterator[BillLine]:
    where = f"{_USAGE}, {day}"
    for one in results:
        written = mapping(one.get("cache_creation") or {}, where)
        cached = count(one.get("cache_read_input_tokens"), where)
        parts = [count(one.get("uncached_input_tokens"), where), cached]
        parts += [count(value, where) for value in written.values()]
        yield BillLine(
            day=day,
            project=name(one.get("workspace_id"), none=_DEFAULT),
            model=name(one.get("model")),
            item=_with_tier(USAGE, one),
            input_tokens=total(*parts),
            output_tokens=count(one.get("output_tokens"), where),
            cached_tokens=cached,
        )


def _with_tier(item: str, one: Mapping[str, Any]) -> str:
    tier = name(one.get("service_tier"))
    return item if tier in _STANDARD or tier in item.lower() else f"{item}, {tier}"
