"""Pages of lists: a cursor that is none is the reader's mistake, not ours."""

from __future__ import annotations

from collections.abc import Callable

from starlette.exceptions import HTTPException

from afterpilot.record.history.paging import Page
from afterpilot.web.filters import Asked


def listed(asked: Asked, ask: Callable[[], Page]) -> Page:
    """The page that a query gives; an empty one where the filter could not be understood.

    Raises:
        HTTPException: 400 for a cursor that leads nowhere.
    """
    if asked.problems:
        return Page(())
    try:
        return ask()
    except ValueError as error:
        raise HTTPException(
            400, "This address names a place in the list that there is not. Start again from the top."
        ) from error
