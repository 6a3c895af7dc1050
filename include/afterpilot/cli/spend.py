"""``afterpilot spend``: how every cap stands, and what people do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import typer

from afterpilot.cli.lazy import MARKUP, Later, LazyGroup

_SHOW = "show"


class _Spend(LazyGroup):
    """``afterpilot spend`` and ``afterpilot spend WORKFLOW`` show the caps; other words are commands of their own."""

    later: ClassVar[Mapping[str, Later]] = {
        _SHOW: Later(
            "afterpilot.cli.spend_show:show",
            "Show how every cap stood when it was looked at last; the same as no command.",
        ),
        "check": Later(
            "afterpilot.cli.spend_show:check", "Sum what is new and hold it against the caps, here and now."
        ),
        "raise": Later(
            "afterpilot.cli.spend_raise:raise_cap",
            "Raise a cap until its period ends; above spend.second_person_above a second person has to approve it.",
        ),
        "approve": Later(
            "afterpilot.cli.spend_raise:approve", "Approve, as the second person, what somebody has asked for."
        ),
        "refuse": Later(
            "afterpilot.cli.spend_raise:refuse",
            "Say no: to what somebody has asked for, or to a cap that asks the owner; then the workflow stops at it.",
        ),
        "token": Later(
            "afterpilot.cli.spend_token:token",
            "Make a token for a gateway. It is shown this once and kept nowhere; Afterpilot is given its hash.",
        ),
        "export": Later(
            "afterpilot.cli.spend_export:export",
            "Write a month's metered spend as rows of FOCUS 1.2, the FinOps Open Cost and Usage Specification.",
        ),
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's own types are typer's to choose
        """Without a command, and with a workflow in its place, it is shown how the caps stand."""
        word = args[0] if args else ""
        if word not in self.commands and word not in {"--help", "-h"}:
            args = [_SHOW, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Spend,
    help="How every cap stands, and what people do about it.\n\n"
    "`afterpilot spend` shows all caps as they were judged last, `afterpilot spend WORKFLOW` one workflow's. A cap is declared "
    "under `spend` in workflow.yaml, one over several workflows in _fleet.yaml. What is not known is never counted as 0: the "
    "share that is *priced* is that of calls whose cost is known.",
    rich_markup_mode=MARKUP,
)


@app.callback(invoke_without_command=True)  # never without one: see parse_args
def _root() -> None:
    """Hold the commands together."""
