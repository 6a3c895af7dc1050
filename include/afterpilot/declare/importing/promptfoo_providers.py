"""Providers of a promptfoo configuration whose API has one of the shapes that are spoken here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from afterpilot.declare.asked_files import tools_of
from afterpilot.declare.importing.carried import folder_name
from afterpilot.declare.importing.promptfoo_files import PREFIX, Config
from afterpilot.declare.json_files import NotJson, json_schema
from afterpilot.declare.problems import dotted

# Whose own API, or a part of it, is OpenAI-compatible chat completions.
_COMPATIBLE = frozenset(
    [
        "openrouter",
        "mistral",
        "deepseek",
        "groq",
        "together",
        "togetherai",
        "fireworks",
        "xai",
        "cerebras",
        "perplexity",
        "litellm",
        "localai",
        "ollama",
        "vllm",
        "nvidia",
        "sambanova",
        "hyperbolic",
        "lmstudio",
        "llamacpp",
        "portkey",
    ]
)
_OPENAI_KINDS = {"chat": "chat", "responses": "responses"}
_NOT_SPOKEN = "only OpenAI-compatible chat completions and responses, and Anthropic messages, are spoken here"
_ADDRESS = ("apiHost", "apiBaseUrl", "baseUrl", "apiBaseURL")
_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxTokens")
_SECRETS = frozenset({"apiKey", "apiKeyEnvar", "headers", "organization", "apiToken"})
_DEFAULT_TOKENS = 1024  # promptfoo's own
_MOST_TOKENS = 200_000


@dataclass(frozen=True, slots=True)
class Provider:
    """A model as it is asked: the keys of ``model`` in a suite, the files that they name, and what people call it."""

    label: str
    id: str
    keys: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()  # labels of those that it is asked; all of them where there is none
    about: str = ""

    @property
    def fields(self) -> frozenset[str] | None:
        """The fields of the answer, where its schema says which there are."""
        schema = json.loads(self.files.get("answer.schema.json", "{}"))
        properties = schema.get("properties")
        return frozenset(properties) if isinstance(properties, dict) else None


def providers(config: Config, found: Any) -> list[Provider]:  # noqa: ANN401 - YAML holds anything
    """All providers that can be asked; the others are noted."""
    made = []
    for index, item in enumerate(found if isinstance(found, list) else [found]):
        place = f"providers[{index}]"
        for one in _loaded(config, item, place):
            provider = read_provider(config, one, place)
            if provider is not None:
                made.append(provider)
    return made


def _loaded(config: Config, item: Any, place: str) -> list[Any]:  # noqa: ANN401 - YAML holds anything
    if isinstance(item, str) and item.startswith(PREFIX):
        content = config.content(item, place)
        if content is None:
            return []
        return content if isinstance(content, list) else [content]
    return [item]


def read_provider(config: Config, item: Any, place: str) -> Provider | None:  # noqa: ANN401 - YAML holds anything
    """A provider as ``openai:chat:gpt-4o``, ``{id: …, config: …}`` or ``{openai:chat:gpt-4o: {…}}``; None where it cannot be asked."""
    if isinstance(item, dict) and "id" not in item and len(item) == 1:
        ((name, rest),) = item.items()
        item = {
            **(rest if isinstance(rest, dict) else {}),
            "id": (rest or {}).get("id", name) if isinstance(rest, dict) else name,
        }
    whole = item if isinstance(item, dict) else {"id": item}
    name = whole.get("id")
    spoken = _spoken(name) if isinstance(name, str) else None
    if spoken is None or not isinstance(name, str):
        config.notes.leave(place, str(name or "a provider"), _NOT_SPOKEN)
        return None
    connection, api, model = spoken
    for key in whole:
        if key not in {"id", "label", "config", "prompts"}:
            config.notes.leave(f"{place}.{key}", key, "a provider has no such part here")
    given = whole.get("config")
    settings = given if isinstance(given, dict) else {}
    files: dict[str, str] = {}
    keys: dict[str, Any] = {"connection": connection, "name": model, "prompt": "prompt.md"}
    keys |= ({"api": api} if api != "chat" else {}) | _settings(config, settings, files, f"{place}.config")
    about = _address(config, settings, connection, f"{place}.config")
    label = whole.get("label")
    prompts = whole.get("prompts")
    return Provider(
        label=label if isinstance(label, str) and label else model,
        id=name,
        keys=keys,
        files=files,
        prompts=tuple(str(one) for one in prompts) if isinstance(prompts, list) else (),
        about=about,
    )


def _spoken(name: str) -> tuple[str, str, str] | None:
    """Connection, API and model of a provider's id; None where its API is not spoken here."""
    maker, _, rest = name.partition(":")
    kind, _, model = rest.partition(":")
    if maker == "openai" and rest:
        if kind in _OPENAI_KINDS and model:
            return "openai", _OPENAI_KINDS[kind], model
        return ("openai", "chat", rest) if not model else None
    if maker == "anthropic" and rest:
        if kind == "messages" and model:
            return "anthropic", "messages", model
        return ("anthropic", "messages", rest) if not model else None
    if maker in _COMPATIBLE and rest:
        return maker, "chat", model if kind == "chat" and model else rest
    return None


def embedding_of(config: Config, item: Any, place: str) -> dict[str, str] | None:  # noqa: ANN401 - YAML holds anything
    """The embedding model of ``openai:embedding:name``; None where it is another kind of provider."""
    name = item.get("id") if isinstance(item, dict) else item
    parts = name.split(":", 2) if isinstance(name, str) else []
    if len(parts) == 3 and parts[0] in {"openai", *_COMPATIBLE} and parts[1] in {"embedding", "embeddings"}:  # noqa: PLR2004 - maker, kind, model
        return {"connection": parts[0], "model": parts[2]}
    config.notes.leave(place, str(name), "only OpenAI-compatible embeddings are spoken here")
    return None


def _settings(config: Config, settings: Mapping[str, Any], files: dict[str, str], place: str) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, value in settings.items():
        where = f"{place}.{key}"
        if key == "temperature" and isinstance(value, (int, float)) and 0 <= value <= 2:  # noqa: PLR2004 - what the APIs accept
            keys["temperature"] = value
        elif key in _TOKENS and isinstance(value, int) and 1 <= value <= _MOST_TOKENS:
            keys["max_tokens"] = value
        elif key == "response_format":
            keys |= _format(config, value, files, where)
        elif key == "tools":
            keys |= _tools(config, value, files, where)
        elif key in _SECRETS:
            config.notes.leave(where, key, "keys and headers belong in the connection")
        elif key not in _ADDRESS:
            config.notes.leave(where, key, "there is no such setting here")
    return {"temperature": 0, "max_tokens": _DEFAULT_TOKENS, **keys}


def _address(config: Config, settings: Mapping[str, Any], connection: str, place: str) -> str:
    for key in _ADDRESS:
        if key in settings:
            config.notes.leave(
                f"{place}.{key}", str(settings[key]), f"addresses belong in the connection {connection!r}"
            )
            return f"The connection {connection} has to lead to the address that the configuration names."
    return ""


def _format(config: Config, value: Any, files: dict[str, str], place: str) -> dict[str, Any]:  # noqa: ANN401 - YAML holds anything
    whole = config.content(value, place)
    inner = whole.get("json_schema") if isinstance(whole, dict) else None
    schema = (
        inner.get("schema", inner)
        if isinstance(inner, dict)
        else whole.get("schema")
        if isinstance(whole, dict)
        else None
    )
    if not isinstance(schema, dict):
        config.notes.leave(place, "response_format", "only a JSON schema is carried over")
        return {}
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    try:
        json_schema(text)
    except NotJson as error:
        config.notes.leave(place, "response_format", f"its schema {error}")
        return {}
    files["answer.schema.json"] = text
    return {"response_schema": "answer.schema.json"}


def _tools(config: Config, value: Any, files: dict[str, str], place: str) -> dict[str, Any]:  # noqa: ANN401 - YAML holds anything
    found = config.content(value, place)
    tools = [
        tool["function"] if isinstance(tool, dict) and isinstance(tool.get("function"), dict) else tool
        for tool in (found if isinstance(found, list) else [])
    ]
    made: list[Mapping[str, Any]] = []
    for tool in tools:
        schema = tool.get("parameters", tool.get("input_schema")) if isinstance(tool, dict) else None
        one = {**tool, "parameters": schema or {"type": "object", "properties": {}}} if isinstance(tool, dict) else tool
        read, flaws = tools_of([one])
        for flaw in flaws[:1]:
            config.notes.leave(place, "a tool", f"{dotted(flaw.path[1:])} {flaw.text}".strip())
        made += read if not flaws else []
    if not made:
        config.notes.leave(place, "tools", "there is no list of tools")
        return {}
    files["tools.json"] = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    return {"tools": "tools.json"}


def suite_name(stem: str, provider: Provider, prompt: str) -> str:
    """What the suite of a provider and a prompt is called; ``prompt`` is empty where there is only one."""
    return folder_name(stem, provider.label, prompt)
