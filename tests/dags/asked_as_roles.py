"""Asks a real Airflow, with its real auth manager, as a user of each role; prints who got which status as JSON.

Run as a process of its own, with Airflow's environment: ``asked_as_roles.py fab|simple``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

HISTORY, ACTION = "/afterpilot/", "/afterpilot/silences"
LOG = "/api/v2/dags/spend/dagRuns/one/taskInstances/look/logs/1"
PAGES = {
    "history": HISTORY,
    "plugins": "/api/v2/plugins",
    "dag runs": "/api/v2/dags/~/dagRuns",
    "audit log": "/api/v2/eventLogs",
    "task log": LOG,
    "xcoms": "/api/v2/dags/spend/dagRuns/one/taskInstances/look/xcomEntries",
    "connections": "/api/v2/connections",
    "variables": "/api/v2/variables",
    "pools": "/api/v2/pools",
    "code": "/api/v2/dagSources/spend",
    "tasks": "/api/v2/dags/~/dagRuns/~/taskInstances",
}
FAB_ROLES = ("Admin", "Op", "User", "Viewer", "Auditor", "Public")
SIMPLE_ROLES = ("admin", "op", "user", "viewer")


@contextlib.contextmanager
def fab_users() -> Iterator[dict[str, Any]]:
    """A user of each role, as the command line makes them."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        builder.sm.sync_roles()
        yield {
            role: builder.sm.add_user(
                role.lower(), "First", "Last", f"{role.lower()}@example.com", builder.sm.find_role(role), "pass word"
            )
            for role in FAB_ROLES
        }


@contextlib.contextmanager
def simple_users() -> Iterator[dict[str, Any]]:
    """A user of each role of Airflow's simple auth manager."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    yield {role: SimpleAuthManagerUser(username=role, role=role) for role in SIMPLE_ROLES}


def main(manager: str) -> None:
    """Ask every page as everybody."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from fastapi.testclient import TestClient

    app = create_app(apps="core")
    from afterpilot.orchestration.plugin import role_of

    found: dict[str, Any] = {}
    with fab_users() if manager == "fab" else simple_users() as users:
        for role, user in users.items():
            token = get_auth_manager().generate_jwt(user)
            client = TestClient(app, headers={"Authorization": f"Bearer {token}"}, follow_redirects=False)
            answers = {name: client.get(url).status_code for name, url in PAGES.items()}
            answers["begin a silence"] = client.post(ACTION, headers={"Sec-Fetch-Site": "same-origin"}).status_code
            found[role] = {"role": str(role_of(user)), **answers}
        nobody = TestClient(app, follow_redirects=False)
        found["nobody"] = {name: nobody.get(url).status_code for name, url in PAGES.items()}
        found["nobody"]["begin a silence"] = nobody.post(ACTION).status_code
    print("FOUND " + json.dumps(found))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(sys.argv[1])
