"""``afterpilot audit``: the ledger, its heads and keys, and evidence that proves itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from afterpilot.cli.lazy import MARKUP, Later, LazyGroup


class _Audit(LazyGroup):
    later: ClassVar[Mapping[str, Later]] = {
        "export": Later(
            "afterpilot.cli.audit_bundle:export",
            "Write an evidence bundle of a workflow: all entries recorded in a period, from its first day up to, not including, its last.",
        ),
        "verify": Later(
            "afterpilot.cli.audit_verify:verify",
            "Verify an evidence bundle: it needs no server, no settings and no network. Without a bundle, the whole ledger.",
        ),
        "head": Later(
            "afterpilot.cli.audit_heads:head",
            "Print the newest head of the ledger: keep the hash where nobody of this installation can change it.",
        ),
        "log": Later(
            "afterpilot.cli.audit_log:log",
            "List entries of the ledger, the newest first. Of a pattern, the newest 100,000 entries are looked at.",
        ),
        "seal": Later(
            "afterpilot.cli.audit_heads:seal",
            "Seal what is new in the ledger, sign the head, and publish it where that is due.",
        ),
        "keygen": Later(
            "afterpilot.cli.audit_keys:keygen",
            "Make an Ed25519 key in a new file that only its owner can read. Keep a copy where the database's backups are not.",
        ),
        "rotate": Later(
            "afterpilot.cli.audit_keys:rotate",
            "Put a new key on record, endorsed by the key of today: whoever trusts that one can trust the new one.",
        ),
    }


app = typer.Typer(
    cls=_Audit,
    help="The ledger: who did what, when, on which evidence, and the proof that nothing was altered.",
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
)


@app.callback()
def _root() -> None:
    """The ledger: who did what, when, on which evidence, and the proof that nothing was altered."""
