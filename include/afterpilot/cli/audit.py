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
            "Write an evidence bundle: a workflow's history of a period, with all that proves it.",
        ),
        "verify": Later(
            "afterpilot.cli.audit_verify:verify",
            "Verify an evidence bundle, without a server; or, without one, the whole ledger in the database.",
        ),
        "head": Later(
            "afterpilot.cli.audit_heads:head", "Print the newest head: what to keep, and to compare with later."
        ),
        "log": Later("afterpilot.cli.audit_log:log", "List entries of the ledger, the newest first."),
        "seal": Later(
            "afterpilot.cli.audit_heads:seal",
            "Seal what is new, and publish the head where that is due, as the DAG `seal` does.",
        ),
        "keygen": Later("afterpilot.cli.audit_keys:keygen", "Make a key that signs the ledger's heads."),
        "rotate": Later("afterpilot.cli.audit_keys:rotate", "Let the key of today endorse a new one."),
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
