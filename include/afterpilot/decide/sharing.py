"""One trouble of many workflows: the incident of the fleet about what they all hang on."""

from __future__ import annotations

from collections.abc import Mapping

from afterpilot.domain.counting import plural
from afterpilot.domain.incident import Hanging
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.watching import WATCH

MANY = 3  # workflows
SHARED = (
    "shared."  # how the kind of such an incident begins; what is shared follows: ``shared.source`` for ``source erp``
)
# The stage, always the same for one thing, as it is part of the fingerprint; what is told; what to do.
_WORDS: Mapping[str, tuple[str, str, str]] = {
    "source": (
        Stage.PULL,
        "The source {name} cannot be read",
        "See whether the system behind the connection {name} is up, and whether its login still holds.",
    ),
    "model": (
        Stage.EVALUATE,
        "The model behind {name} does not answer",
        "See whether the endpoint of the connection {name} answers, and whether its key still holds.",
    ),
    "column": (
        Stage.PULL,
        "The column {name} is gone",
        "Ask who changed the table; bring the column back, or declare its new name.",
    ),
    "price": (Stage.SPEND, "The price of {name} is not known", "Name the price of {name} under prices in _fleet.yaml."),
    "dag": (
        WATCH,
        "The DAG {name} brings no verdicts",
        "See in Airflow whether {name} is switched on, queued or red, and whether the scheduler runs.",
    ),
    "task": (WATCH, "The task {name} failed", "See its log in Airflow."),
    "gateway": (
        Stage.SPEND,
        "{name} takes no orders",
        "See whether {name} is up, and stop what is over its cap by hand meanwhile.",
    ),
}
_OTHER = (WATCH, "{key}", "See the incidents of these workflows: what do they have in common?")


def shared(key: str, hanging: Hanging, *, ever: int) -> Finding:
    """What is told of ``key``: how many workflows have hung on it since it began (``ever``), and who still does.

    It is as grave as the gravest of theirs.
    """
    what, _, name = key.partition(" ")
    stage, said, to_do = _WORDS.get(what, _OTHER)
    more = f" and {rest} more" if (rest := hanging.workflows - len(hanging.named)) else ""
    severity = Severity.WARNING
    for one in hanging.severities:
        severity = one if one.graver_than(severity) else severity
    count = max(ever, hanging.workflows)
    return Finding(
        workflow=FLEET,
        stage=stage,
        kind=f"{SHARED}{what}",
        severity=severity,
        title=f"{said.format(name=name, key=key)}: {plural(count, 'workflow')} {'hangs' if count == 1 else 'hang'} on it",
        about=key,
        detail=f"{'Still ' if hanging.workflows < count else ''}{', '.join(hanging.named)}{more}.",
        evidence={
            "workflows": list(hanging.named),
            "certainty": "certain: each of these workflows has found it by itself",
            "cost": f"what goes wrong in {plural(count, 'workflow')} meanwhile is not seen"
            if severity is Severity.UNKNOWN
            else "see the incidents of these workflows",
            "to_do": f"{to_do.format(name=name)} Their own incidents end by themselves.",
            "examples": list(hanging.examples),
        },
        hangs_on=key,
    )
