"""Workflows in batches: which ones a DAG run covers is decided when it runs, and one that fails never hides the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.run import Run, Stage
from afterpilot.domain.workflow import Workflow
from afterpilot.orchestration import context
from afterpilot.pipeline import crashed
from afterpilot.wiring import Wired

MOST_BATCHES = 40  # mapped instances: thousands in one DAG run choke the scheduler
_LABEL_NAMES = 3

Batch = dict[str, Any]
log = logging.getLogger(__name__)


def plan(kind: str, schedule: str) -> list[Batch]:
    """The batches of workflows whose declaration names this schedule for ``records``, ``evals`` or ``report``.

    On a new installation Airflow starts at once what fell due shortly before. Records and evals then begin at once; nothing is known of
    the week of a workflow that was declared after its report fell due, so that one is left out, unless somebody asks for the report.

    Raises:
        AirflowSkipException: no declaration is synced yet, as on the first start: there is nothing to plan before the DAG
            ``declarations`` has passed.
    """
    due = context.fell_due() if kind == "report" else None
    return _planned(
        f"{kind} on schedule {schedule}",
        lambda said: said.get("schedule", {}).get(kind) == schedule,
        declared_by=due,
    )


def plan_probes() -> list[Batch]:
    """The batches of all workflows with an eval suite, whatever their schedule. Raises as :func:`plan` does."""
    return _planned("probe", lambda said: bool(said.get("evals")))


def plan_gates() -> list[Batch]:
    """The batches of all workflows that say how outputs are released, whatever their schedule. Raises as :func:`plan` does."""
    return _planned("gate", lambda said: bool(said.get("release")))


def nonempty(batches: Sequence[Batch | None]) -> list[Batch]:
    """The batches that hold a workflow, labelled anew; those of tasks that failed are None."""
    return [
        {"label": name(batch["workflows"]), "workflows": batch["workflows"]}
        for batch in batches
        if batch and batch["workflows"]
    ]


def _planned(
    what: str, wanted: Callable[[Mapping[str, Any]], bool], *, declared_by: datetime | None = None
) -> list[Batch]:
    with context.wired().services.ops.begin() as unit:
        current = unit.declarations.current()
        began = unit.declarations.first_usable_each() if declared_by else {}
    if not current:
        text = f"{what}: no declaration is synced yet, so nothing is planned before the DAG `declarations` has passed"
        raise AirflowSkipException(text)
    slugs = [
        row["workflow"]
        for row in current
        if row["usable"] and row["document"].get("stage") != "retired" and wanted(row["document"])
    ]
    if declared_by:
        late = {slug for slug in slugs if began[slug] > declared_by}
        log.info("%s: declared after it fell due, and left out: %s", what, name(sorted(late)) or "none")
        slugs = [slug for slug in slugs if slug not in late]
    log.info("%s: %d workflows", what, len(slugs))
    return [{"label": name(part), "workflows": part} for part in split(slugs)]


def split(slugs: Sequence[str]) -> list[list[str]]:
    """At most :data:`MOST_BATCHES` parts of nearly the same size, in order."""
    parts = min(MOST_BATCHES, len(slugs))
    return [list(slugs[len(slugs) * i // parts : len(slugs) * (i + 1) // parts]) for i in range(parts)]


def name(slugs: Sequence[str]) -> str:
    """What a batch holds, short enough for a label."""
    shown = ", ".join(slugs[:_LABEL_NAMES])
    return shown if len(slugs) <= _LABEL_NAMES else f"{shown} and {len(slugs) - _LABEL_NAMES} more"


def each(
    batch: Mapping[str, Any], stage: Stage, work: Callable[[Wired, Workflow], Run | None], *, others_wait: bool = False
) -> dict[str, Run]:
    """Do the work for each workflow of a batch; one that breaks never stops the others. None is work that made no run.

    While Airflow will try again, nothing is stored for it, so that the next try works on it once more. On the last try it
    becomes an UNKNOWN run with an incident. Where a later task waits for this one (``others_wait``), the last try then ends
    well: the other workflows of the batch go on, and :func:`broken` names the ones that did not.

    What each workflow has to tell is delivered as soon as it is stored, beside the work on the next one.

    Raises:
        AirflowException: the stage broke for some workflow; everything else is stored by then.
    """
    context.label(batch["label"])
    wired, last = context.wired(), context.is_last_try()
    with wired.telling():
        return _each(wired, batch, stage, work, others_wait=others_wait, last=last)


def _each(
    wired: Wired,
    batch: Mapping[str, Any],
    stage: Stage,
    work: Callable[[Wired, Workflow], Run | None],
    *,
    others_wait: bool,
    last: bool,
) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    troubled: list[str] = []
    for slug in batch["workflows"]:
        try:
            workflow = wired.workflow(slug)
        except DeclarationError:
            log.exception("%s: broken since the plan was made; `declarations` reports it", slug)
            troubled.append(slug)
            continue
        try:
            if (run := work(wired, workflow)) is None:
                continue
            runs[slug] = run
        except Exception as error:  # whatever it is, it concerns this workflow alone
            log.exception("%s: the stage %s broke", slug, stage)
            troubled.append(slug)
            if not last:
                continue
            try:
                runs[slug] = crashed(wired.services, workflow, stage, error, trigger=context.trigger())
            except Exception:  # as a rule the ops database is away; the path ends red and names it
                log.exception("%s: that the stage %s broke could not be stored", slug, stage)
                continue
        log.info("%s: %s %s: %s", slug, stage, runs[slug].verdict, runs[slug].summary)
    if troubled and not (last and others_wait):
        what = "see the log above and the run history" if last else "it is tried again"
        raise AirflowException(f"the stage {stage} broke for {', '.join(troubled)}; {what}")
    return runs


def broken(batch: Mapping[str, Any], runs: Mapping[str, Run]) -> list[str]:
    """The workflows of a batch for which this stage or one before it broke."""
    now = [slug for slug in batch["workflows"] if slug not in runs or "crashed" in runs[slug].evidence]
    return [*batch.get("broken", ()), *now]
