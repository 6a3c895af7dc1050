"""Commands that are imported when they are called: a whole command line starts in a fraction of what its heaviest command takes."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info, get_group
from typer.models import CommandInfo

MARKUP: Literal["rich"] = "rich"  # of every help text
_WRAPPED = re.compile(r"(?<!\n)\n(?!\n|\s|Example)")  # within a paragraph; examples keep lines of their own


class Later(NamedTuple):
    """Where a command or a group is (``module:attribute``), and the first paragraph of its help."""

    place: str
    help: str


class LazyGroup(TyperGroup):
    """A group whose commands stand in a table; help lists them without importing any."""

    later: ClassVar[Mapping[str, Later]] = {}

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - typer passes what it likes
        super().__init__(**options)
        for name, where in self.later.items():
            self.add_command(LazyCommand(name, where))


class LazyCommand(TyperCommand):
    """Stands for a command until it is called."""

    def __init__(self, name: str, where: Later) -> None:
        super().__init__(name, help=where.help, rich_markup_mode=MARKUP)
        self._name = name
        self._place = where.place

    def loaded(self) -> TyperCommand | TyperGroup:
        """The command itself."""
        module, _, attribute = self._place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            _reflow(group)
            return group
        info = CommandInfo(self._name, callback=found)
        command = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=MARKUP)
        if not isinstance(command, TyperCommand):
            raise TypeError(f"{self._place} is no command")
        _reflow(command)
        return command

    def make_context(self, *arguments: Any, **options: Any) -> typer.Context:  # noqa: ANN401 - as above
        """The context of the command itself: everything from here on is its own."""
        return self.loaded().make_context(*arguments, **options)  # type: ignore[return-value] # typer's own is narrower


def _reflow(command: TyperCommand | TyperGroup) -> None:
    """Let a help text break where the terminal does and not where the docstring in its source did."""
    command.help = _WRAPPED.sub(" ", inspect.cleandoc(command.help or ""))
    for inner in command.commands.values() if isinstance(command, TyperGroup) else ():
        inner.help = _WRAPPED.sub(" ", inspect.cleandoc(inner.help or ""))
