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
from afterpilot.record.ops import connect
from afterpilot.settings import EnvConnections, Settings, gateway_tokens, slack_signing_secret, workflows_folder
from afterpilot.web.api.slack import FromSlack
from afterpilot.web.api.tokens import GatewayTokens
from afterpilot.web.app import create_app
from afterpilot.web.review.people import Reviewer, Reviewers

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

    return interactions(Settings.from_environment(), EnvConnections())


def _answering(workflow: str) -> Wired:
    from afterpilot.wiring import wire  # only where an answer comes in

    wired = wire(Settings.from_environment(), EnvConnections(), only=workflow, engine=_engine())
    wired.deliver_at_once()
    return wired


def _login(next_url: str) -> str:
    return str(get_auth_manager().get_url_login(next_url=next_url))


def _who(user: GetUserDep) -> Reviewer:
    """Who is logged in. Whoever may change runs may decide in the review queue."""
    may = get_auth_manager().is_authorized_dag(method="PUT", access_entity=DagAccessEntity.RUN, user=user)
    return Reviewer(str(user.get_name()), also=_other_names(user), may_decide=bool(may))


def _other_names(user: object) -> tuple[str, ...]:
    """Full name and e-mail address, where the auth manager keeps them (FAB does)."""
    first, last = (str(getattr(user, part, "") or "") for part in ("first_name", "last_name"))
    return tuple(name for name in (f"{first} {last}".strip(), str(getattr(user, "email", "") or "")) if name)


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
    """Mounts the pages. Reading runs in Airflow is what it takes to read them, changing runs what it takes to decide."""

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
                reviewers=Reviewers(
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
