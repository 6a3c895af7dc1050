"""Settings of a connection to PostgreSQL, beside those that its URL has already."""

from __future__ import annotations

import sqlalchemy as sa


def options(url: str, *more: str) -> str:
    """The URL's own ``options``, such as a search path, and these (``name=value``), as libpq takes them."""
    given = sa.make_url(url).query.get("options", "")
    return " ".join([str(given), *(f"-c {setting}" for setting in more)]).strip()
