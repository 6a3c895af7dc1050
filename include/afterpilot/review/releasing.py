"""Tells production of the gate's and people's decisions, as the workflow declares it."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.domain.connections import Connections
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.releasing import Effect, Performed, reaches_production
from afterpilot.domain.workflow import Workflow
from afterpilot.review import call_back, status_column


class ProductionReleaser:
    """Status columns and call-backs, over named connections."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def batch(self, workflow: Workflow) -> int:
        """How many effects it is given at once."""
        release = workflow.release
        return call_back.BATCH if release is not None and release.call_back is not None else status_column.BATCH

    def perform(self, workflow: Workflow, effects: Sequence[Effect]) -> Sequence[Performed]:
        """One outcome for each effect."""
        release = workflow.release
        if release is not None and (idle := [one for one in effects if not _told(workflow, one)]):
            # It was queued when the declaration still had a word for what is held.
            rest = self.perform(workflow, told) if (told := [one for one in effects if _told(workflow, one)]) else []
            return [*(Performed(one, "done", "nothing is declared for what is held") for one in idle), *rest]
        try:
            if release is not None and release.column is not None:
                name = release.connection or workflow.source.connection
                return status_column.perform(self._connections.database_url(name), release.column, name, effects)
            if release is not None and release.call_back is not None:
                endpoint = self._connections.endpoint(release.call_back.connection)
                return call_back.perform(endpoint, release.call_back, effects)
        except ConfigurationError as error:
            return [Performed(one, "refused", str(error)) for one in effects]
        why = "the declaration does not say any more how outputs are released"
        return [Performed(one, "refused", why) for one in effects]


def _told(workflow: Workflow, effect: Effect) -> bool:
    return reaches_production(workflow.release, released=effect.released)
