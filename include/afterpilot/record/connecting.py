"""Settings of a connection to PostgreSQL, beside those that its URL has already."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from afterpilot.domain.connect_limit import connect_limit


def options(url: str, *more: str) -> str:
    """The URL's own ``options``, such as a search path, and these (``name=value``), as libpq takes them."""
    given = sa.make_url(url).query.get("options", "")
    return " ".join([str(given), *(f"-c {setting}" for setting in more)]).strip()


def within(url: str) -> dict[str, Any]:
    """Gives up on a server that does not answer, unless the URL says after how long."""
    given = sa.make_url(url)
    return connect_limit(given.get_driver_name(), given.query)
