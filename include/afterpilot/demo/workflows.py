"""The declarations that the demo runs: those of this checkout, a copy that fits this machine, or somebody's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from afterpilot.demo.model_server import MODEL_NAME
from afterpilot.demo.state import ROOT, Model, State

MAILS, INVOICES = "email_triage", "invoice_matching"


def prepared_workflows(state: State, model: Model, *, mails: bool) -> Path:
    """The folder of the declarations; a copy where the model is your own, which they must name, or the ``mails`` are missing."""
    chosen = state.environ.get("AFTERPILOT_WORKFLOWS")
    ours, copy = ROOT / "include" / "workflows", state.folder / "workflows"
    if chosen in {str(ours), str(copy)}:
        chosen = None  # of a shell that has sourced the demo's own file
    source = Path(chosen) if chosen else ours
    if chosen or (model.local and mails):
        return source
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    if not mails:
        shutil.rmtree(copy / MAILS)
    for path in copy.glob("*/workflow.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace(MODEL_NAME, model.name), encoding="utf-8")
    return copy
