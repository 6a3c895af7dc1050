"""OpenAI's organization costs and usage, with an admin key.

Costs have no model: it stands in the name of the line ("gpt-4o-2024-08-06, input"). Amounts are in whole units of the currency.
Of usage, that of completions is read: input tokens have the cached ones among them. Lines name projects by their ids; what they are called
is asked apart, and a key that may not know it costs no bill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

from afterpilot.domain.bills import USAGE, Bill, BillLine, ProjectNames
from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import SourceError
from afterpilot.pull.bills.amounts import amount, count, currency, mapping, name
from afterpilot.pull.bills.buckets import day_buckets
from afterpilot.pull.bills.lines import added
from afterpilot.pull.bills.projects import project_names
from afterpilot.pull.http.client import Client

_COSTS, _USAGE = "/organization/costs", "/organization/usage/completions"
_PROJECTS = "/organization/projects"
_ENDS = ("start_time", "end_time")
_UNNAMED = "unnamed"


class OpenAiBill:
    """The bill of an organization. ``pause`` sleeps, in seconds."""

    def __init__(self, endpoint: Endpoint, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._endpoint, self._pause = endpoint, pause
        self._names: ProjectNames | None = None
        self._root = "" if endpoint.url.rstrip("/").endswith("/v1") else "/v1"

    def read(self, first: date, end: date) -> Bill:
        """The bill of these UTC days. Raises SourceError."""
        query = [("start_time", _unix(first)), ("end_time", _unix(end)), ("bucket_width", "1d")]
        with closing(Client(self._endpoint, pause=self._pause)) as client:
            by = [("group_by[]", "project_id"), ("group_by[]", "line_item")]
            costs = day_buckets(client, self._root + _COSTS, [*query, *by], first=first, end=end, ends=_ENDS)
            by = [("group_by[]", "project_id"), ("group_by[]", "model"), ("group_by[]", "batch")]
            usage = day_buckets(client, self._root + _USAGE, [*query, *by], first=first, end=end, ends=_ENDS)
            if self._names is None:
                self._names = self._projects(client)
        models = {name(one.get("model")) for results in usage.values() for one in results}
        lines = [_cost(day, one, models) for day, results in costs.items() for one in results]
        lines += [line for day in costs for line in _used(day, usage.get(day, []))]
        return Bill(added(lines), frozenset(costs), self._names)

    def _projects(self, client: Client) -> ProjectNames:
        try:
            return ProjectNames(project_names(client, self._root + _PROJECTS))
        except SourceError as error:
            return ProjectNames(trouble=str(error))


def _cost(day: date, one: Mapping[str, Any], models: set[str]) -> BillLine:
    where = f"{_COSTS}, {day}"
    told = mapping(one.get("amount") or {}, where)
    item = name(one.get("line_item"), none=_UNNAMED)
    return BillLine(
        day=day,
        project=name(one.get("project_id")),
        model=_model(item, models),
        item=item,
        amount=amount(told.get("value"), where),
        currency=currency(told.get("currency")),
    )


def _model(item: str, models: set[str]) -> str:
    """The model that the name of a line begins with: the part before the comma, or all of it where usage knows such a model."""
    head, comma, _ = item.rpartition(",")
    found = (head if comma else item).rpartition("|")[2].strip()
    return found if comma or found in models else ""


def _used(day: date, results: list[Mapping[str, Any]]) -> Iterator[BillLine]:
    where = f"{_USAGE}, {day}"
    for one in results:
        yield BillLine(
            day=day,
            project=name(one.get("project_id")),
            model=name(one.get("model")),
            item=f"{USAGE}, batch" if one.get("batch") is True else USAGE,
            input_tokens=count(one.get("input_tokens"), where),
            output_tokens=count(one.get("output_tokens"), where),
            cached_tokens=count(one.get("input_cached_tokens"), where),
            calls=count(one.get("num_model_requests"), where),
        )


def _unix(day: date) -> str:
    return str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))
