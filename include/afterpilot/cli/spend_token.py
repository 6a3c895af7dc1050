"""``afterpilot spend token``: a token with which a gateway asks for allowances."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.cli.workflow_names import unknown
from afterpilot.declare import load
from afterpilot.settings import workflows_folder
from afterpilot.web.api.tokens import hash_of, new_token


def token(
    workflow: Annotated[str, typer.Argument(help="The only workflow that it may ask about; all unless said.")] = "",
    *,
    json: AsJson = False,
) -> None:
    """Make a token for a gateway. It is shown this once and kept nowhere; Afterpilot is given its hash.

    Example: afterpilot spend token invoice_matching
    """
    known = [one.slug for one in load(workflows_folder(os.environ)).folders]
    if workflow and workflow not in known:
        raise unknown(workflow, known)
    made = new_token()
    entry = f"{workflow}:{hash_of(made)}" if workflow else hash_of(made)
    if json:
        as_json({"token": made, "entry": entry})
        return
    console.print("Token, for the gateway (not shown again):", highlight=False)
    typer.echo(made)
    console.print("\nIts hash, to be added to AFTERPILOT_GATEWAY_TOKENS of Airflow's API server:", highlight=False)
    typer.echo(entry)
