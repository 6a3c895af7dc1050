"""Carries out orders to stop, as the workflow declares whom to tell."""

from __future__ import annotations

from afterpilot.domain.connections import Connections
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.stop_orders import Carried, StopOrder
from afterpilot.spend.stopping import budget, call_back, litellm


class GatewayStopper:
    """Signed call-backs, and LiteLLM's proxy with its budgets, over named connections."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def perform(self, order: StopOrder) -> Carried:
        """One attempt; a connection that is not there is somebody's to mend."""
        try:
            endpoint = self._connections.endpoint(order.target.connection)
        except ConfigurationError as error:
            return Carried(order, "refused", str(error))
        if order.target.budget:
            return budget.perform(endpoint, order)
        if order.target.kind == "litellm":
            return litellm.perform(endpoint, order)
        return call_back.perform(endpoint, order)
