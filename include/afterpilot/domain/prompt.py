"""A prompt template as a file keeps it: sections ``## system``, ``## user``, ``## assistant``, variables ``{{ name }}``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

_SECTION = re.compile(r"^## (system|user|assistant)[ \t]*$", re.MULTILINE)
VARIABLE = re.compile(r"\{\{ *([a-zA-Z_][a-zA-Z0-9_]*) *\}\}")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; ``role`` is system, user or assistant."""

    role: str
    content: str

    @property
    def is_gap(self) -> bool:
        """Whether the model itself has to speak here: a turn of the assistant without content."""
        return self.role == "assistant" and not self.content.strip()

    def as_dict(self) -> dict[str, str]:
        """The turn in the shape of a chat-completions request."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template of turns. A text without any section is one user turn."""

    text: str

    @property
    def sha256(self) -> str:
        """Hex digest of the file's text: the prompt's part of a fingerprint."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def turns(self) -> tuple[Message, ...]:
        """The turns in order, variables still in place."""
        parts = _SECTION.split(self.text)[1:]
        if not parts:
            return (Message("user", self.text.strip()),)
        return tuple(Message(role, body.strip()) for role, body in zip(parts[::2], parts[1::2], strict=True))

    @property
    def variables(self) -> frozenset[str]:
        """Names that the template expects."""
        return frozenset(VARIABLE.findall(self.text))

    def render(self, values: Mapping[str, object]) -> tuple[Message, ...]:
        """The turns with ``values`` filled in, each inserted as it is and never read as a template again.

        Raises:
            KeyError: a variable of the template has no value; the error names all that lack one.
        """
        missing = sorted(self.variables - values.keys())
        if missing:
            raise KeyError(", ".join(missing))
        return tuple(
            Message(turn.role, VARIABLE.sub(lambda m: str(values[m.group(1)]), turn.content)) for turn in self.turns
        )
