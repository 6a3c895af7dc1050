"""What an organization calls its projects: https://platform.openai.com/docs/api-reference/projects/list."""

from __future__ import annotations

from afterpilot.domain.errors import SourceError
from afterpilot.pull.bills.amounts import mapping, name
from afterpilot.pull.http.client import Client

_A_PAGE = 100  # projects: the most that it gives
_MOST_PAGES = 1_000


def project_names(client: Client, path: str) -> dict[str, str]:
    """Project → name, archived ones too, for they may stand on a bill; those without a name are left out.

    Raises:
        SourceError: the key may not list them, or the pages do not hang together.
    """
    found: dict[str, str] = {}
    query = [("limit", str(_A_PAGE)), ("include_archived", "true")]
    seen: set[str] = set()
    asked = query
    for _ in range(_MOST_PAGES):
        page = mapping(client.get(path, asked).body, path)
        projects = page.get("data")
        if not isinstance(projects, list):
            raise SourceError(f"{path}: a page has no data")
        for one in (mapping(project, path) for project in projects):
            if (project := name(one.get("id"))) and (called := name(one.get("name"))):
                found[project] = called
        if not page.get("has_more"):
            return found
        last = name(page.get("last_id"))
        if not last or last in seen:
            raise SourceError(f"{path}: a page promises more, and does not say where it is")
        seen.add(last)
        asked = [*query, ("after", last)]
    raise SourceError(f"{path} gives more than {_MOST_PAGES:,} pages")
