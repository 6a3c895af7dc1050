"""Reads what providers bill, by UTC day: OpenAI, Anthropic, LiteLLM."""

from __future__ import annotations

from afterpilot.domain.bills import BillReader
from afterpilot.domain.connections import Connections
from afterpilot.domain.spend import BillAccount


def reader_of(account: BillAccount, connections: Connections) -> BillReader:
    """What reads the bill of an account.

    Raises:
        ConfigurationError: there is no such connection.
    """
    endpoint = connections.endpoint(account.connection)
    match account.kind:
        case "openai":
            from afterpilot.pull.bills.openai import OpenAiBill

            return OpenAiBill(endpoint)
        case "anthropic":
            from afterpilot.pull.bills.anthropic import AnthropicBill

            return AnthropicBill(endpoint)
        case "litellm":
            from afterpilot.pull.bills.litellm import LiteLlmBill

            return LiteLlmBill(endpoint)
