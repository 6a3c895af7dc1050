"""The run history inside Airflow: mounted behind Airflow's own login, shown in its navigation."""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends

from afterpilot.record.ops import connect
from afterpilot.settings import Settings, workflows_folder
from afterpilot.web.app import create_app

PREFIX = "/afterpilot"


@functools.cache
def _engine() -> sa.Engine:
    return connect(Settings.from_environment().database_url)


def _login(next_url: str) -> str:
    return str(get_auth_manager().get_url_login(next_url=next_url))


class AfterpilotPlugin(AirflowPlugin):  # type: ignore[misc]
    """Mounts the pages. Reading runs in Airflow is what it takes to read them."""

    name = "afterpilot"
    fastapi_apps: list[dict[str, Any]] = [  # noqa: RUF012 - Airflow's interface
        {
            "app": create_app(
                _engine,
                gate=[Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.RUN))],
                login=_login,
                prefix=PREFIX,
                workflows=workflows_folder(),
            ),
            "url_prefix": PREFIX,
            "name": "Afterpilot",
        }
    ]
    external_views: list[dict[str, Any]] = [  # noqa: RUF012 - Airflow's interface
        {"name": "Afterpilot", "href": f"{PREFIX}/", "url_route": "afterpilot", "destination": "nav"}
    ]
