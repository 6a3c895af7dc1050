"""Doubles of what providers answer about their bills: pages of day buckets, and LiteLLM's daily activity, in the documented shape.

Each is an ``answer`` for :class:`doubles.api.ApiDouble`. ``days`` are what the account has; a day that is not there has no bucket
at all, as where the provider has not closed it yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from doubles.api import Asked, Reply

DAY = timedelta(days=1)
Results = dict[date, list[dict[str, Any]]]


def cost(value: Any, item: str, project: str | None = "proj_a", currency: str | None = "usd") -> dict[str, Any]:
    """A line of OpenAI's costs."""
    return {
        "object": "organization.costs.result",
        "amount": {"value": value, "currency": currency},
        "line_item": item,
        "project_id": project,
        "quantity": None,
    }


def used(
    model: str, given: int, output: int, *, cached: int = 0, project: str = "proj_a", **more: Any
) -> dict[str, Any]:
    """A line of OpenAI's usage of completions."""
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": given,
        "output_tokens": output,
        "input_cached_tokens": cached,
        "num_model_requests": 5,
        "project_id": project,
        "user_id": None,
        "api_key_id": None,
        "model": model,
        "batch": False,
        **more,
    }


@dataclass
class OpenAi:
    """An organization. ``a_page`` is how many buckets a page has."""

    costs: Results
    usage: Results = field(default_factory=dict)
    a_page: int = 2
    projects: dict[str, str | None] = field(default_factory=dict)
    may_list: bool = True

    def __call__(self, asked: Asked) -> Any:
        """A page of the costs, of the usage or of the projects."""
        if asked.path == "/v1/organization/projects":
            return (
                self._projects(asked) if self.may_list else Reply({"error": {"message": "no permission"}}, status=403)
            )
        days = {"/v1/organization/costs": self.costs, "/v1/organization/usage/completions": self.usage}.get(asked.path)
        if days is None:
            return Reply({"error": {"message": "not found"}}, status=404)
        first, end = (_day(asked.query[name]) for name in ("start_time", "end_time"))
        inside = sorted(day for day in (days if days is self.costs else self.costs) if first <= day < end)
        found = [
            {"object": "bucket", "start_time": _unix(day), "end_time": _unix(day + DAY), "results": days.get(day, [])}
            for day in inside
        ]
        return {"object": "page", **_paged(found, asked, self.a_page)}

    def _projects(self, asked: Asked) -> Any:
        ids = sorted(self.projects)
        first = ids.index(asked.query["after"]) + 1 if "after" in asked.query else 0
        page = ids[first : first + self.a_page]
        found = [{"id": one, "object": "organization.project", "name": self.projects[one]} for one in page]
        ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
        return {"object": "list", "data": found, **ends, "has_more": first + self.a_page < len(ids)}


def charged(
    cents: Any, description: str, model: str | None, workspace: str | None = "wrkspc_1", **more: Any
) -> dict[str, Any]:
    """A line of Anthropic's cost report."""
    return {
        "amount": cents,
        "currency": "USD",
        "cost_type": "tokens",
        "description": description,
        "model": model,
        "service_tier": "standard",
        "workspace_id": workspace,
        **more,
    }


def messages(model: str, uncached: int, output: int, *, read: int = 0, written: int = 0, **more: Any) -> dict[str, Any]:
    """A line of Anthropic's usage report of messages."""
    return {
        "uncached_input_tokens": uncached,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": 0},
        "model": model,
        "workspace_id": "wrkspc_1",
        "service_tier": "standard",
        **more,
    }


@dataclass
class Anthropic:
    """An organization."""

    costs: Results
    usage: Results = field(default_factory=dict)
    a_page: int = 2

    def __call__(self, asked: Asked) -> Any:
        """A page of the cost report or of the usage report."""
        paths = {
            "/v1/organizations/cost_report": self.costs,
            "/v1/organizations/usage_report/messages": self.usage,
        }
        if (days := paths.get(asked.path)) is None:
            return Reply({"type": "error"}, status=404)
        if asked.headers.get("anthropic-version") != "2023-06-01" or not asked.headers.get("x-api-key"):
            return Reply({"type": "error"}, status=401)
        first, end = (date.fromisoformat(asked.query[name][:10]) for name in ("starting_at", "ending_at"))
        inside = sorted(day for day in self.costs if first <= day < end)
        found = [
            {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + DAY}T00:00:00Z", "results": days.get(day, [])}
            for day in inside
        ]
        return _paged(found, asked, self.a_page)


def metrics(spend: Any, given: int = 0, output: int = 0, *, cached: int = 0, calls: int = 1) -> dict[str, Any]:
    """LiteLLM's SpendMetrics."""
    return {
        "spend": spend,
        "prompt_tokens": given,
        "completion_tokens": output,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
        "total_tokens": given + output,
        "successful_requests": calls,
        "failed_requests": 0,
        "api_requests": calls,
    }


def activity(day: date, models: dict[str, dict[str | None, dict[str, Any]]]) -> dict[str, Any]:
    """A day of LiteLLM's daily activity: model → team → metrics, one key for each team."""

    def together(parts: list[dict[str, Any]]) -> dict[str, Any]:
        return {name: sum(part[name] for part in parts) for name in metrics(0)}

    breakdown = {
        model: {
            "metrics": together(list(teams.values())),
            "metadata": {},
            "api_key_breakdown": {
                f"key of {team}": {"metrics": told, "metadata": {"key_alias": None, "team_id": team}}
                for team, told in teams.items()
            },
        }
        for model, teams in models.items()
    }
    whole = together([one["metrics"] for one in breakdown.values()])
    return {"date": str(day), "metrics": whole, "breakdown": {"models": breakdown, "entities": {}, "api_keys": {}}}


@dataclass
class LiteLlm:
    """A proxy: each page has some days, or parts of them."""

    pages: list[list[dict[str, Any]]]

    def __call__(self, asked: Asked) -> Any:
        """A page."""
        if asked.path != "/user/daily/activity":
            return Reply({"detail": "Not Found"}, status=404)
        page = int(asked.query["page"])
        first, last = asked.query["start_date"], asked.query["end_date"]
        results = [one for one in self.pages[page - 1] if first <= one["date"] <= last]
        told = {"total_spend": 0.0, "page": page, "total_pages": len(self.pages), "has_more": page < len(self.pages)}
        return {"results": results, "metadata": told}


def _paged(buckets: list[dict[str, Any]], asked: Asked, a_page: int) -> dict[str, Any]:
    first = int(asked.query.get("page", "page_0").removeprefix("page_"))
    more = first + a_page < len(buckets)
    return {
        "data": buckets[first : first + a_page],
        "has_more": more,
        "next_page": f"page_{first + a_page}" if more else None,
    }


def _unix(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _day(unix: str) -> date:
    return datetime.fromtimestamp(int(unix), UTC).date()
