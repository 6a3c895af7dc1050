"""What every target's module gives: a request's JSON for a conversation, and what a reply's JSON says. No network."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from afterpilot.domain.evals import Case, Image, ToolCall
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.answers import read_json
from afterpilot.evaluate.exchange import Exchange, Refused
from afterpilot.evaluate.targets.template import Template

MAX_TOKENS, REFUSAL = "max_tokens", "refusal"  # why an answer ended, in one word for all APIs
_LIMITS = ("max_tokens", "max_completion_tokens")  # newer models know the second name only
_DROPPABLE = ("temperature", "seed")  # models that reason know neither
_UNSUPPORTED = ("unsupported", "not support", "deprecated")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it goes out; for the record ``base64`` is its name and hash instead."""

    media_type: str
    base64: str

    @property
    def url(self) -> str:
        """As a data URL."""
        return f"data:{self.media_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation so far: its turns, and the pictures that go with the turn at ``pictured``."""

    case: Case
    turns: Sequence[Message]
    pictures: tuple[Picture, ...] = ()
    pictured: int = -1


@dataclass(frozen=True, slots=True)
class Said:
    """What a reply says. ``text`` is None where it holds no message, and then ``flaw`` says what is wrong with it."""

    text: str | None
    model: str
    usage: Usage | None
    tool_calls: tuple[ToolCall, ...] = ()
    sources: tuple[str, ...] = ()
    cost: Decimal | None = None
    stopped: str = ""
    system: str = ""  # fingerprint of the system that answered
    flaw: str = "the reply holds no message"


@dataclass(slots=True)
class Habits:
    """What a model has refused, and how it is asked from then on."""

    limit: str = _LIMITS[0]
    dropped: tuple[str, ...] = ()

    def learn(self, request: Mapping[str, Any], content: bytes) -> bool:
        """Whether a bad request is only worded in a way that this model does not know; others may have learned it meanwhile."""
        if _LIMITS[0] in request and _LIMITS[1].encode() in content:
            self.limit = _LIMITS[1]
            return True
        unwanted = _unwanted(content)
        if unwanted not in _DROPPABLE or unwanted not in request:
            return False
        if unwanted not in self.dropped:
            self.dropped += (unwanted,)
        return True

    def apply(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request as the model wants it."""
        if self.limit not in request and _LIMITS[0] in request:
            request[self.limit] = request.pop(_LIMITS[0])
        for name in self.dropped:
            request.pop(name, None)
        return request


class Shape(Protocol):
    """One API's way to ask and to answer, for one target."""

    name: str
    path: str

    def headers(self, key: str) -> Mapping[str, str]:
        """What authorises a request."""
        ...

    def turns(self, case: Case) -> Sequence[Message]:
        """The turns of a case, those that the model is to answer left empty. Raises Refused where the case lacks a variable."""
        ...

    def request(self, talk: Talk, *, seed: int) -> dict[str, Any]:
        """The request's JSON. Raises Refused where the case does not fit the target."""
        ...

    def read(self, body: Mapping[str, Any]) -> Said:
        """What the reply says."""
        ...


class ModelTurns:
    """The turns of a model's prompt, compiled once."""

    def __init__(self, target: ModelTarget) -> None:
        self._turns = tuple((turn.role, Template(turn.content)) for turn in target.prompt.turns)

    def of(self, case: Case) -> Sequence[Message]:
        """The prompt with the case's variables, and the case's own turns."""
        try:
            turns = [Message(role, text.fill(case.vars)) for role, text in self._turns]
        except KeyError as error:
            missing = {name for _, text in self._turns for name in text.variables if name not in case.vars}
            raise Refused(f"case {case.id} has no value for {', '.join(sorted(missing))}", Exchange()) from error
        turns.extend(case.messages)
        return turns


def bearer(key: str) -> dict[str, str]:
    """The header that most APIs want."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def pictures(images: Iterable[Image]) -> tuple[Picture, ...]:
    """As they are sent."""
    return tuple(Picture(image.media_type, base64.b64encode(image.data).decode()) for image in images)


def named(images: Iterable[Image]) -> tuple[Picture, ...]:
    """As they are kept."""
    return tuple(
        Picture(image.media_type, f"[{image.name} sha256 {hashlib.sha256(image.data).hexdigest()}]") for image in images
    )


def tool_call(name: object, arguments: object) -> ToolCall:
    """A call as a model words it; arguments are JSON in a text, or JSON already.

    What is no JSON to rely on is kept as the text that it is: NaN, for one, which no database takes.
    """
    if isinstance(arguments, str):
        document = read_json(arguments)
        arguments = arguments if document.flaw else document.value
    return ToolCall(str(name or ""), arguments)


def with_schema(target: ModelTarget, schema: Mapping[str, Any] | None) -> ModelTarget:
    """The same model, asked for this shape of answer."""
    return dataclasses.replace(target, response_schema=schema)


def _unwanted(content: bytes) -> str:
    """The parameter that a refusal calls unsupported, in the words of OpenAI or Anthropic."""
    try:
        error = json.loads(content)["error"]
        said, parameter = str(error["message"]).lower(), str(error.get("param") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    if not any(word in said for word in _UNSUPPORTED):
        return ""
    return parameter or next((name for name in _DROPPABLE if f"`{name}`" in said), "")
