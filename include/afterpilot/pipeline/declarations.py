"""The stage before all: the declarations."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.decide.declaring import judge_declaration
from afterpilot.domain.run import Run, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Declarations, Loaded
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.services import Services


def declare(services: Services, declarations: Declarations, *, trigger: Trigger) -> Sequence[Run]:
    """Keep every folder as it was loaded, and tell of the broken ones; the good ones go on as if nothing had happened."""
    at = services.now()
    with services.ops.begin() as unit:
        for loaded in declarations.folders:
            unit.declarations.keep(loaded, at=at)
        unit.declarations.mark_absent([loaded.slug for loaded in declarations.folders])
    fleet = Loaded(
        slug="_fleet",
        path="_fleet.yaml",
        workflow=None,
        problems=declarations.fleet_problems,
        sha256="",
        document={},
    )
    return [
        concluded(services, judge_declaration(loaded), loaded.workflow, Window(at, at), trigger, at)
        for loaded in (*declarations.folders, fleet)
    ]
