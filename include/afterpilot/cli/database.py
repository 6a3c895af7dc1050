"""``afterpilot db``: migrations of the ops database."""

from __future__ import annotations

import typer

from afterpilot.cli.output import console
from afterpilot.record import migrate
from afterpilot.settings import Settings

app = typer.Typer(help="Migrations of the ops database.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Bring the ops database to the newest version; nothing happens where it is there already."""
    url = Settings.from_environment().database_url
    before = migrate.current(url)
    migrate.upgrade(url)
    console.print(f"The ops database is at {migrate.current(url)} (was {before or 'empty'}).", highlight=False)


@app.command()
def check() -> None:
    """Say whether the ops database is what this version needs: exit status 0 yes, 1 no."""
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
