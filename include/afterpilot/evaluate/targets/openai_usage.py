"""What OpenAI's replies say of the sorts of tokens and of tools, in chat completions and in responses."""

from __future__ import annotations

from collections import Counter
from typing import Any

from afterpilot.evaluate.exchange import count

# Items of a response's output that are billed by the call. Pages that a search opens are no searches.
_TOOLS = {
    "web_search_call": "web_searches",
    "file_search_call": "storage_searches",
    "code_interpreter_call": "code_executions",
}


def cached_of(given: object) -> int | None:
    """Tokens of the request that a cache gave."""
    return count(given.get("cached_tokens")) if isinstance(given, dict) else None


def of_parts(given: object, answered: object) -> dict[str, Any]:
    """The sorts of tokens in the details of a request and an answer, by our names."""
    asked = given if isinstance(given, dict) else {}
    out = answered if isinstance(answered, dict) else {}
    return {
        "cache_write_tokens": asked.get("cache_write_tokens"),
        "input_audio_tokens": asked.get("audio_tokens"),
        "input_image_tokens": asked.get("image_tokens"),
        "output_audio_tokens": out.get("audio_tokens"),
        "output_image_tokens": out.get("image_tokens"),
    }


def tool_uses(output: object) -> dict[str, int]:
    """How often each tool was used, by our names."""
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    used = Counter(_TOOLS[str(item.get("type"))] for item in items if item.get("type") in _TOOLS and _is_use(item))
    return dict(used)


def _is_use(item: dict[str, Any]) -> bool:
    action = item.get("action")
    return item.get("type") != "web_search_call" or not isinstance(action, dict) or action.get("type") == "search"
