"""The example's two AI workflows as their teams would have built them: a prompt, a call, an answer.

Afterpilot does not run this; it watches what comes out of it. Answers are taken from the live model; a large backlog may
be answered from ``recorded/``, which holds what the same model said to the same prompt earlier (at temperature 0 it
repeats itself to the letter). A recording names the prompt and the weights that it belongs to; a test refuses it when either
has changed since.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from afterpilot.demo.spans import SpanFile
from afterpilot.domain.prompt import Prompt

RECORDED = Path(__file__).parent / "recorded"
ANSWER_TOKENS = 90
READ_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to one input, and what it used. ``cached_tokens`` are part of ``prompt_tokens``."""

    key: str
    text: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    latency_ms: int


@dataclass(frozen=True, slots=True)
class Recording:
    """Answers recorded earlier, with the model and the prompt that they belong to."""

    model: str
    weights_sha256: str
    prompt_sha256: str
    answers: dict[str, Answer]


class AiApp:
    """One AI workflow in production: renders its prompt, asks the model, returns the answer; ``spans`` gets a line for each call."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        model: str,
        prompt: Prompt,
        schema: dict[str, Any] | None = None,
        choices: tuple[str, ...] = (),
        spans: SpanFile | None = None,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._prompt = prompt
        self._format = _response_format(schema, choices)
        self._spans = spans
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {api_key}"

    @property
    def model(self) -> str:
        """The name of the model that is asked."""
        return self._model

    def answer(self, key: str, values: dict[str, str]) -> Answer:
        """The live model's answer to one input.

        Raises:
            requests.RequestException: the model cannot be reached or refuses.
        """
        began = time.time()
        try:
            response = self._ask(values)
        except requests.RequestException as error:
            if self._spans:
                self._spans.write(self._model, began=began, ended=time.time(), error=type(error).__name__)
            raise
        body = response.json()
        if self._spans:
            self._spans.write(self._model, began=began, ended=time.time(), answer=body)
        usage = body["usage"]
        return Answer(
            key=key,
            text=body["choices"][0]["message"]["content"],
            prompt_tokens=usage["prompt_tokens"],
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
            completion_tokens=usage["completion_tokens"],
            latency_ms=round(response.elapsed.total_seconds() * 1000),
        )

    def _ask(self, values: dict[str, str]) -> requests.Response:
        response = self._session.post(
            self._url,
            json={
                "model": self._model,
                "messages": [turn.as_dict() for turn in self._prompt.render(values)],
                "temperature": 0,
                "max_tokens": ANSWER_TOKENS,
                **self._format,
            },
            timeout=(5, READ_TIMEOUT_SECONDS),
        )
        response.raise_for_status()
        return response


def _response_format(schema: dict[str, Any] | None, choices: tuple[str, ...]) -> dict[str, Any]:
    if choices:
        schema = {"type": "string", "enum": list(choices)}
    if schema is None:
        return {}
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        }
    }


def write_recording(path: Path, recording: Recording) -> None:
    """Write a recording as JSON lines: a head with model and prompt, then one answer a line, sorted by key."""
    head = {
        "model": recording.model,
        "weights_sha256": recording.weights_sha256,
        "prompt_sha256": recording.prompt_sha256,
    }
    lines = [json.dumps(head), *(json.dumps(asdict(recording.answers[key])) for key in sorted(recording.answers))]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)  # whole or not at all, however the process ends


def read_recording(path: Path) -> Recording:
    """Read what :func:`write_recording` wrote."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    answers = [Answer(**json.loads(line)) for line in lines]
    return Recording(**json.loads(head), answers={answer.key: answer for answer in answers})
