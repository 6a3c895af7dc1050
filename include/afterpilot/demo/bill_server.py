"""A provider's account in the demo: OpenAI's costs and usage APIs over what the demo's own calls came to.

Its bill agrees with the meter but for one thing that it is there to show: somebody tries something out in a project of its own,
which no workflow names. ``python -m afterpilot.demo.bill_server --port N`` serves it; the ops database is that of
AFTERPILOT_DATABASE_URL, the admin key that of AFTERPILOT_BILL_KEY.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import sqlalchemy as sa

from afterpilot.record.ops import connect

KEY = "AFTERPILOT_BILL_KEY"
PROJECTS = {"invoice_matching": "proj_accounts_payable", "email_triage": "proj_customer_mail"}
UNOWNED = "proj_triage_pilot"
_PILOT_DAYS = 6  # for so long somebody has been trying something out
_PILOT_COST = Decimal("0.40")  # dollars a day
_PILOT_TOKENS = (1_200_000, 300_000)
_DAY = timedelta(days=1)
_A_PAGE = 7  # buckets, where nobody asks for more
_COSTS, _USAGE = "/v1/organization/costs", "/v1/organization/usage/completions"
_LISTED = "/v1/organization/projects"
_SUMS = sa.text(
    "SELECT CAST(sums.at AT TIME ZONE 'UTC' AS date) AS day, workflow, sums.model, sum(calls) AS calls, "
    "  sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens, "
    "  sum(cost) AS cost "
    "FROM usage_sums AS sums JOIN prices ON prices.id = price_id "
    "WHERE sums.at >= :start AND sums.at < :end AND workflow = ANY(:workflows) AND cost IS NOT NULL AND currency = 'USD' "
    "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)


class BillServer:
    """The account on a port of this machine (0: any that is free); a context in which it answers."""

    def __init__(self, url: str, *, key: str, projects: Mapping[str, str] | None = None, port: int = 0) -> None:
        self._engine = connect(url)
        self._key, self._projects = key, dict(PROJECTS if projects is None else projects)
        handler = type("Handler", (_Handler,), {"account": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)

    @property
    def address(self) -> str:
        """Its address, with ``/v1`` as a connection names it."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._engine.dispose()

    def allows(self, authorization: str) -> bool:
        """Whether a request bears the admin key."""
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._key}".encode())

    def page(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        """A page of day buckets, or all projects. Raises KeyError for a path or query that there is none for, ValueError for one that is no number."""
        if path == _LISTED:
            return {
                "object": "list",
                "data": [_project(one) for one in (*self._projects.values(), UNOWNED)],
                "has_more": False,
            }
        results = {_COSTS: _cost, _USAGE: _usage}[path]
        today = datetime.now(UTC).date()
        start = _day(int(query["start_time"][0]))
        end = min(_day(int(query["end_time"][0])) if "end_time" in query else today + _DAY, today + _DAY)
        first = start + int(query.get("page", ["0"])[0]) * _DAY
        until = min(first + int(query.get("limit", [str(_A_PAGE)])[0]) * _DAY, end)
        found: dict[date, list[dict[str, Any]]] = {first + n * _DAY: [] for n in range((until - first).days)}
        for row in (*self._own(first, until), *_pilot(found, today)):
            found[row["day"]] += results(row)
        more = until < end
        return {
            "object": "page",
            "data": [_bucket(day, lines) for day, lines in found.items()],
            "has_more": more,
            "next_page": str((until - start).days) if more else None,
        }

    def _own(self, first: date, until: date) -> Iterator[dict[str, Any]]:
        """What the demo's workflows called, by day and model."""
        span = {"start": _midnight(first), "end": _midnight(until), "workflows": list(self._projects)}
        with self._engine.connect() as connection:
            for row in connection.execute(_SUMS, span).mappings():
                yield {**row, "project": self._projects[row["workflow"]]}


class _Handler(BaseHTTPRequestHandler):
    account: BillServer

    def do_GET(self) -> None:
        """Answer with a page, or say why not."""
        parts = urlsplit(self.path)
        if not self.account.allows(self.headers.get("Authorization", "")):
            self._reply(401, {"error": {"message": "an admin key is needed"}})
            return
        try:
            self._reply(200, self.account.page(parts.path, parse_qs(parts.query)))
        except KeyError:
            self._reply(404, {"error": {"message": "there is no such page"}})
        except (ValueError, OverflowError, OSError):
            self._reply(400, {"error": {"message": "this cannot be asked so"}})

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""

    def _reply(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _project(project: str) -> dict[str, Any]:
    """``proj_triage_pilot`` is called Triage pilot."""
    return {
        "id": project,
        "object": "organization.project",
        "name": project.removeprefix("proj_").replace("_", " ").capitalize(),
    }


def _pilot(days: Mapping[date, object], today: date) -> Iterator[dict[str, Any]]:
    """What the project that nobody names called."""
    given, output = _PILOT_TOKENS
    for day in days:
        if today - _PILOT_DAYS * _DAY <= day < today:
            counts = {"calls": 900, "input_tokens": given, "output_tokens": output, "cached_tokens": 0}
            yield {"day": day, "project": UNOWNED, "model": "gpt-4o-mini-2024-07-18", "cost": _PILOT_COST, **counts}


def _bucket(day: date, results: list[dict[str, Any]]) -> dict[str, Any]:
    start, end = (int(_midnight(one).timestamp()) for one in (day, day + _DAY))
    return {"object": "bucket", "start_time": start, "end_time": end, "results": results}


def _cost(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line for all of a model's tokens."""
    return [
        {
            "object": "organization.costs.result",
            "amount": {"value": float(row["cost"]), "currency": "usd"},  # a number of JSON, as the provider gives it
            "line_item": f"{row['model']}, tokens",
            "project_id": row["project"],
            "quantity": None,
        }
    ]


def _usage(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "object": "organization.usage.completions.result",
            "input_tokens": int(row["input_tokens"]),
            "output_tokens": int(row["output_tokens"]),
            "input_cached_tokens": int(row["cached_tokens"]),
            "num_model_requests": int(row["calls"]),
            "project_id": row["project"],
            "user_id": None,
            "api_key_id": None,
            "model": row["model"],
            "batch": False,
        }
    ]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(unix: int) -> date:
    return datetime.fromtimestamp(unix, UTC).date()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A provider's account over the demo's own calls.")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    BillServer(os.environ["AFTERPILOT_DATABASE_URL"], key=os.environ[KEY], port=port).server.serve_forever()


if __name__ == "__main__":
    main()
