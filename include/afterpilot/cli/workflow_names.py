"""A workflow named on the command line: one that there never was is an error that names the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from afterpilot.domain.errors import AnswerRefused

if TYPE_CHECKING:
    import sqlalchemy as sa

_NAMED = 20


def must_be_known(connection: sa.Connection, workflow: str, *, also: Sequence[str] = ()) -> None:
    """Raises AnswerRefused where no workflow of this name was ever declared and it is none of ``also``."""
    from afterpilot.record.history.status import slugs

    known = [*slugs(connection), *also]
    if workflow not in known:
        raise unknown(workflow, known)


def unknown(workflow: str, known: Sequence[str]) -> AnswerRefused:
    """The error: the nearest name, and all of them where they are few."""
    from afterpilot.declare.problems import nearest

    meant = nearest(workflow, known)
    near = f"did you mean {meant}? " if meant else ""
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    listed = f"{', '.join(known[:_NAMED])}{more}" if known else "none"
    return AnswerRefused(f"there is no workflow {workflow!r} ({near}known: {listed})")
