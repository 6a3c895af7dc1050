"""All models of a workflow's month as a file for spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.web.spend.one import Part
from afterpilot.web.spreadsheets import cell, line

_COLUMNS = ("model", "currency", "cost", "calls", "calls_without_a_price", "tokens")


def models_csv(models: Sequence[Part]) -> str:
    """A row for each model and currency, the dearest first; one whose cost nobody knows has an empty cost, never 0.

    Calls and tokens stand in a model's first row alone, so that columns may be summed.
    """
    lines = [line(_COLUMNS)]
    for part in models:
        counts = [str(part.calls), str(part.unpriced), f"{part.tokens:f}"]
        known = [(currency, f"{cost:f}") for currency, cost in sorted(part.costs.items())]
        for currency, cost in known or [("", "")]:
            lines.append(line([cell(part.name), currency, cost, *counts]))
            counts = ["", "", ""]
    return "".join(lines)
