"""One module for each way to ask: requests and replies as plain JSON, without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from afterpilot.domain.workflow import JsonTarget, ModelTarget
from afterpilot.evaluate.targets.chat import ChatShape
from afterpilot.evaluate.targets.messages import MessagesShape
from afterpilot.evaluate.targets.responses import ResponsesShape
from afterpilot.evaluate.targets.shape import Shape

_APIS: Mapping[str, Callable[[ModelTarget], Shape]] = {
    "chat": ChatShape,
    "responses": ResponsesShape,
    "messages": MessagesShape,
}


def shape_of(target: ModelTarget | JsonTarget) -> Shape:
    """The target's way to ask and to answer. Raises Refused where it cannot be asked as it is declared."""
    if isinstance(target, JsonTarget):
        from afterpilot.evaluate.targets.endpoint import EndpointShape  # JSONPaths take thirty milliseconds to import

        return EndpointShape(target)
    return _APIS[target.api](target)
