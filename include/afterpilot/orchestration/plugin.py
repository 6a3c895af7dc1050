"""The run history inside Airflow: mounted behind Airflow's own login, shown in its navigation."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends

from afterpilot.orchestration import listener
from afterpilot.orchestration.connections import AirflowConnections
from afterpilot.record.ops import connect
from afterpilot.settings import Settings, gateway_tokens, slack_signing_secret, workflows_folder
from afterpilot.web.access import Access, Role, Sight
from afterpilot.web.api.slack import FromSlack
from afterpilot.web.api.tokens import GatewayTokens
from afterpilot.web.app import create_app

if TYPE_CHECKING:
    from afterpilot.notify.interactions import Interactions
    from afterpilot.wiring import Wired

PREFIX = "/afterpilot"
_COMPONENTS = {
    "scheduler": "latest_scheduler_heartbeat",
    "dag_processor": "latest_dag_processor_heartbeat",
}


@functools.cache
def _engine() -> sa.Engine:
    return connect(Settings.from_environment().database_url)


@functools.cache
def _gateway_tokens() -> GatewayTokens:
    return GatewayTokens.parse(gateway_tokens())


@functools.cache
def _interactions() -> Interactions:
    from afterpilot.wiring import interactions  # only where an answer comes in

    return interactions(Settings.from_environment(), AirflowConnections())


def _answering(workflow: str) -> Wired:
    from afterpilot.wiring import wire  # only where an answer comes in

    wired = wire(Settings.from_environment(), AirflowConnections(), only=workflow, engine=_engine())
    wired.deliver_at_once()
    return wired


def _login(next_url: str) -> str:
    return str(get_auth_manager().get_url_login(next_url=next_url))


def role_of(user: Any) -> Role:  # noqa: ANN401 - of whichever auth manager there is
    """The role of a user who may read DAG runs, from what Airflow's auth manager lets them do."""
    manager = get_auth_manager()
    if manager.is_authorized_connection(method="GET", user=user):
        return Role.ENGINEER
    changes = manager.is_authorized_dag(method="PUT", access_entity=DagAccessEntity.RUN, user=user)
    return Role.OWNER if changes else Role.AUDITOR


def _who(user: GetUserDep) -> Sight:
    """Who is logged in. First and last name say nothing: Airflow lets everybody change their own."""
    email = str(getattr(user, "email", "") or "")  # FAB has one
    return Sight(str(user.get_name()), also=(email,) if email else (), role=role_of(user))


def _heartbeats() -> Mapping[str, datetime | None]:
    """When each of Airflow's own components was alive last, where they run as they should; None where one does not."""
    from airflow.api.common.airflow_health import get_airflow_health

    found = get_airflow_health()
    return {
        name: datetime.fromisoformat(beat)
        if found[name]["status"] == "healthy" and (beat := found[name].get(key))
        else None
        for name, key in _COMPONENTS.items()
    }


class AfterpilotPlugin(AirflowPlugin):  # type: ignore[misc]
    """Mounts the pages. Reading runs in Airflow is what it takes to read them, changing runs what it takes to do anything there."""

    name = "afterpilot"
    fastapi_apps: list[dict[str, Any]] = [  # noqa: RUF012 - Airflow's interface
        {
            "app": create_app(
                _engine,
                gate=[Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.RUN))],
                login=_login,
                prefix=PREFIX,
                workflows=workflows_folder(),
                gateway_tokens=_gateway_tokens,
                heartbeats=_heartbeats,
                answering=_answering,
                slack=FromSlack(slack_signing_secret, _interactions),
                access=Access(
                    _who, gate=[Depends(requires_access_dag(method="PUT", access_entity=DagAccessEntity.RUN))]
                ),
            ),
            "url_prefix": PREFIX,
            "name": "Afterpilot",
        }
    ]
    listeners: list[Any] = [listener]  # noqa: RUF012 - Airflow's interface
    external_views: list[dict[str, Any]] = [  # noqa: RUF012 - Airflow's interface
        {"name": "Afterpilot", "href": f"{PREFIX}/", "url_route": "afterpilot", "destination": "nav"}
    ]
