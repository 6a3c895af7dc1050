"""A text with ``{{ variables }}``, compiled once and filled in many times."""

from __future__ import annotations

from collections.abc import Mapping

from afterpilot.domain.prompt import VARIABLE


class Template:
    """Values are inserted as they are, and never read as a template again."""

    def __init__(self, text: str) -> None:
        self._parts = VARIABLE.split(text)  # text and name in turn
        self.variables = tuple(self._parts[1::2])
        self._only = "" if len(self._parts) != 3 or self._parts[0] or self._parts[2] else self._parts[1]  # noqa: PLR2004

    @property
    def only(self) -> str:
        """The variable's name where the text is a variable and nothing else."""
        return self._only

    def fill(self, values: Mapping[str, object]) -> str:
        """The text. Raises KeyError where a variable has no value."""
        parts = self._parts
        if len(parts) == 1:
            return parts[0]
        filled = list(parts)
        filled[1::2] = [str(values[name]) for name in self.variables]
        return "".join(filled)
