"""Any HTTP endpoint that takes and gives JSON: a team's own workflow, asked with a template and read with JSONPaths."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathError

from afterpilot.domain.evals import Case, ToolCall
from afterpilot.domain.prompt import Message
from afterpilot.domain.workflow import JsonTarget
from afterpilot.evaluate.exchange import Exchange, Refused, count, counted
from afterpilot.evaluate.targets.shape import Said, Talk, bearer, tool_call
from afterpilot.evaluate.targets.template import Template

_PATHS = JSONPathEnvironment()
_MOST_COST = Decimal(10) ** 9  # of one call; what is more is no cost, and no database could hold it
_MESSAGES, _IMAGES = (
    "messages",
    "images",
)  # ``{{ messages }}`` and ``{{ images }}`` alone in a text stand for all of them
_Fill = Callable[[Mapping[str, Any]], Any]


class EndpointShape:
    """One endpoint.

    Raises:
        Refused: a path is no JSONPath, or the request is no JSON object.
    """

    def __init__(self, target: JsonTarget) -> None:
        self.name = target.name
        self.path = target.path
        if not _is_json_object(target.request):
            raise Refused("the target's request is no JSON object", Exchange())
        self._used: set[str] = set()
        self._fill = self._compiled(target.request)
        self._answer = _path("answer", target.answer)
        self._model = _path("model", target.model)
        self._input, self._output = (
            _path("input_tokens", target.input_tokens),
            _path("output_tokens", target.output_tokens),
        )
        self._cost = _path("cost", target.cost)
        self._sources = _path("sources", target.sources)
        self._calls = _path("tool_calls", target.tool_calls)
        self._flaw = f"the reply holds nothing at {target.answer}"

    def headers(self, key: str) -> Mapping[str, str]:
        """A bearer token."""
        return bearer(key)

    def turns(self, case: Case) -> Sequence[Message]:
        """The case's own."""
        return case.messages

    def request(self, talk: Talk, *, seed: int) -> dict[str, Any]:  # noqa: ARG002 - the template decides what is sent
        """The template with the case's variables in it, as values and never as a template again."""
        case = talk.case
        values: dict[str, Any] = dict(case.vars)
        if talk.turns:
            values.setdefault(_MESSAGES, [turn.as_dict() for turn in talk.turns])
        if talk.pictures:
            values.setdefault(_IMAGES, [picture.url for picture in talk.pictures])
        missing = sorted(self._used - values.keys())
        if missing:
            raise Refused(f"case {case.id} has no value for {', '.join(missing)}", Exchange())
        for needed, there in ((_MESSAGES, talk.turns), (_IMAGES, talk.pictures)):
            if there and needed not in self._used:
                raise Refused(f"case {case.id} has {needed}, and the request has no {{{{ {needed} }}}}", Exchange())
        filled: dict[str, Any] = self._fill(values)
        return filled

    def read(self, body: Mapping[str, Any]) -> Said:
        """What the paths lead to; without an answer there is none."""
        model = str(_first(self._model, body) or self.name)
        answer = _first(self._answer, body)
        return Said(
            None if answer is None else answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False),
            model,
            counted(model, count(_first(self._input, body)), count(_first(self._output, body)), 0),
            tool_calls=tuple(_call(one) for one in _all(self._calls, body) if isinstance(one, dict)),
            sources=tuple(
                one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
                for one in _all(self._sources, body)
            ),
            cost=_money(_first(self._cost, body)),
            flaw=self._flaw,
        )

    def _compiled(self, value: Any) -> _Fill:  # noqa: ANN401 - any JSON value
        """How to fill this part of the template in; what holds no variable is the same for all requests."""
        if isinstance(value, str):
            template = Template(value)
            self._used.update(template.variables)
            if template.only:
                return lambda values, name=template.only: values[name]  # type: ignore[misc]
            if template.variables:
                return template.fill
        elif isinstance(value, list):
            items = [self._compiled(item) for item in value]
            return lambda values: [fill(values) for fill in items]
        elif isinstance(value, dict):
            parts = {str(key): self._compiled(item) for key, item in value.items()}
            return lambda values: {key: fill(values) for key, fill in parts.items()}
        return lambda _values: value


def _is_json_object(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _path(key: str, text: str) -> Any:  # noqa: ANN401 - the package's compiled path
    if not text:
        return None
    try:
        return _PATHS.compile(text)
    except (JSONPathError, RecursionError) as error:
        raise Refused(f"the target's {key} is no JSONPath: {text}", Exchange()) from error


def _all(path: Any, body: Mapping[str, Any]) -> list[Any]:  # noqa: ANN401
    """What a path leads to; a single list stands for its items."""
    if path is None:
        return []
    try:
        found: list[Any] = path.findall(body)
    except (JSONPathError, RecursionError):
        return []
    return found[0] if len(found) == 1 and isinstance(found[0], list) else found


def _first(path: Any, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if path is None:
        return None
    try:
        found = path.findall(body)
    except (JSONPathError, RecursionError):
        return None
    return found[0] if found else None


def _money(value: object) -> Decimal | None:
    """A cost; None, which is unknown and never 0, for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        cost = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        return None
    return cost if cost.is_finite() and 0 <= cost <= _MOST_COST else None


def _call(value: Mapping[str, Any]) -> ToolCall:
    """A call as OpenAI words it, or a name with its arguments."""
    function = value.get("function")
    said = function if isinstance(function, dict) else value
    return tool_call(said.get("name"), said.get("arguments", said.get("input")))
