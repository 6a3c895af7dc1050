"""What the runner and the scorers need from models: one answer, or the vectors of some texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget, Target


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector for each text, in their order, and what the call used."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None


class Asking(Protocol):
    """Asks targets, judges and embedding models; connections are kept for as long as a run lasts."""

    async def answer(self, target: Target, case: Case, *, seed: int) -> Reply:
        """The target's answer to a case, all its turns played. Raises Unanswered or Refused, with what was sent and received."""
        ...

    async def ask(
        self, target: ModelTarget, turns: Sequence[Message], *, schema: Mapping[str, Any] | None, seed: int
    ) -> Reply:
        """A model's answer to these turns, in the shape of the schema where there is one. Raises as :meth:`answer` does."""
        ...

    async def embed(self, connection: str, name: str, texts: Sequence[str]) -> Embedded:
        """The texts as vectors, from an OpenAI-compatible ``/embeddings``. Raises as :meth:`answer` does."""
        ...
