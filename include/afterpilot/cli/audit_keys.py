"""``afterpilot audit keygen`` and ``rotate``: the key that signs the ledger's heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterpilot.cli.output import console
from afterpilot.domain.errors import ConfigurationError
from afterpilot.settings import Settings

_DEFAULT = Path("ledger.pem")


def keygen(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The new file; one that is there is never overwritten.", dir_okay=False),
    ] = _DEFAULT,
) -> None:
    """Make an Ed25519 key in a new file that only its owner can read. Keep a copy where the database's backups are not.

    Example: afterpilot audit keygen -o /etc/afterpilot/ledger.pem
    """
    from afterpilot.record.ledger.signing_keys import FILE_VARIABLE, make_key

    key = make_key(output)
    _say(f"{output} holds the new key {key.id}. Its public half, to tell auditors: {key.public.hex()}")
    _say(f"Set {FILE_VARIABLE}={output.resolve()} where the DAG seal runs; it goes on record with the next head.")


def rotate(
    to: Annotated[
        Path, typer.Option("--to", help="The file of the new key; made where there is none.", dir_okay=False)
    ],
) -> None:
    """Put a new key on record, endorsed by the key of today: whoever trusts that one can trust the new one.

    Example: afterpilot audit rotate --to /etc/afterpilot/ledger-2027.pem
    """
    from afterpilot.record.ledger.sealing import introduce, one_sealer
    from afterpilot.record.ledger.signing_keys import FILE_VARIABLE, key_in, make_key, read_key
    from afterpilot.record.ops import connect

    settings = Settings.from_environment()
    now = read_key(settings.ledger_key, settings.ledger_key_file)
    if now is None:
        raise ConfigurationError(f"there is no key to endorse the new one with: set {FILE_VARIABLE} to that of today")
    new = key_in(to) if to.exists() else make_key(to)
    if new.id == now.id:
        raise ConfigurationError(f"{to} holds the key of today; name another file")
    with connect(settings.database_url).begin() as connection:
        one_sealer(connection)
        introduce(connection, now)
        if not introduce(connection, new, by=now):
            raise ConfigurationError(f"the key {new.id} is on record already")
    _say(f"The key {now.id} has endorsed {new.id}. The public half of the new one: {new.public.hex()}")
    _say(
        f"Now set {FILE_VARIABLE}={to.resolve()} where the DAG seal runs. Keep the old key out of reach: it could endorse others."
    )


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False)
