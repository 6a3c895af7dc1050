"""``afterpilot db``: migrations of the ops database."""

from __future__ import annotations

import sqlalchemy as sa
import typer

from afterpilot.cli.output import console
from afterpilot.domain.errors import ConfigurationError
from afterpilot.record import migrate
from afterpilot.record.connecting import within
from afterpilot.record.standing import standing
from afterpilot.settings import Settings

app = typer.Typer(help="Migrations of the ops database.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Bring the ops database to the newest version, and give the application's role what it needs and no more.

    AFTERPILOT_OWNER_URL is the role that owns the tables, AFTERPILOT_DATABASE_URL the application's; without the first, the second does both.
    """
    settings = Settings.from_environment()
    url, role = settings.owner_url or settings.database_url, ""
    if settings.owner_url:
        role = sa.make_url(settings.database_url).username or ""
        if not role:
            raise ConfigurationError("AFTERPILOT_DATABASE_URL names no user: say which role the application has")
    before = migrate.current(url)
    migrate.upgrade(url, application=role)
    console.print(f"The ops database is at {migrate.current(url)} (was {before or 'empty'}).", highlight=False)
    _stands(url, role)


@app.command()
def check() -> None:
    """Say whether the ops database is what this version needs, as the application sees it: exit status 0 yes, 1 no.

    Where the application owns its tables, no grant keeps it from changing history: that is said, and no error.
    """
    url = Settings.from_environment().database_url
    current, head = migrate.current(url), migrate.head()
    if current != head:
        console.print(
            f"The ops database is at {current or 'empty'}, this version needs {head}: run `afterpilot db upgrade`."
        )
        raise typer.Exit(1)
    left = migrate.differences(url)
    for difference in left:
        console.print(str(difference), markup=False)
    if left:
        raise typer.Exit(1)
    console.print(f"The ops database is at {head}, as this version needs it.", highlight=False)
    if not _stands(url):
        raise typer.Exit(1)


def _stands(url: str, role: str = "") -> bool:
    """Say what is wrong with the role's grants; whether that is nothing, or how the database was set up."""
    engine = sa.create_engine(url, connect_args=within(url))
    try:
        with engine.connect() as connection:
            found = standing(connection, role)
    finally:
        engine.dispose()
    if found.words:
        console.print(found.words, markup=False, highlight=False)
    return found.sound
