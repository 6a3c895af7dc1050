"""Messages of the watchdog, and of what many workflows hang on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from afterpilot.decide.overdue import pass_overdue, verdict_overdue
from afterpilot.decide.sealed import ledger_findings
from afterpilot.decide.sharing import shared
from afterpilot.decide.watching import dag_broken, outbox_stuck, scheduler_dead, tasks_failed
from afterpilot.domain.incident import Hanging, Incident
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.watching import Expected, LedgerState, OutboxState, Pass, PassState, Seen, TaskFailure, Tick
from afterpilot.pipeline.gallery.office import AT, HOUR, SLUG
from afterpilot.pipeline.gallery.records import unreadable
from afterpilot.pipeline.gallery.story import Specimen, Step, incident_of, later, over, told

_PLACES = ("at", "be", "ch", "de", "dk", "es", "fr", "it", "nl", "pl")
_FORTY = tuple(f"{what}_{where}" for what in ("claims", "invoices", "mails", "orders") for where in _PLACES)
_TICK = Tick(AT - timedelta(hours=2, minutes=5), HOUR)
_OF_THINGS = {
    "model openai_prod": ("evaluate", "evals.target_out_of_reach", "The model did not answer 3 probes in a row"),
    "column erp.purchase_orders.status": ("pull", "pull.column_lost", "purchase_orders has no column status"),
    "price gpt-6-nano": ("spend", "spend.unknown", "The cost of 4.1 % of the calls of this month is not known"),
    "dag records.hourly": ("watch", "watch.overdue", "No verdict of the stage check since 2026-11-20 11:05 UTC"),
    "task records.hourly.check": ("watch", "watch.task_failed", "The task check of records.hourly failed"),
    "gateway litellm_prod": (
        "spend",
        "spend.order_not_carried_out",
        "The order to stop is not carried out by litellm_prod",
    ),
}


def watchdog() -> Iterator[Specimen]:
    """What should have happened and did not."""
    late = Seen(Expected(SLUG, Stage.CHECK, "records.hourly", _TICK), AT - 3 * HOUR, promised=True)
    overdue = verdict_overdue(late, "5 * * * *", paused=False)
    yield told("verdict-overdue", "A check that should have run by now has not.", overdue)
    dag = Pass("deliver", "* * * * *", AT - HOUR, AT - timedelta(minutes=20), PassState.OVERDUE, paused=True)
    yield told("dag-overdue", "One of Afterpilot's own DAGs does not run.", pass_overdue(dag, FLEET))
    yield told("outbox-stuck", "Messages do not get through; this one goes to every declared target.", stuck())
    yield told(
        "scheduler-dead", "Airflow starts nothing any more; goes to every declared target.", scheduler_dead(AT - HOUR)
    )
    failure = TaskFailure(
        "records.hourly",
        "records.check",
        "scheduled__2026-11-20T14:05",
        3,
        AT,
        error="The worker was killed: out of memory.",
        workflows=(SLUG,),
    )
    failed = tasks_failed([failure], set())[SLUG][0]
    yield told("task-failed", "An Airflow task failed for good, and hides what it would have said.", failed)
    error = "_fleet.yaml:14: schedules.hourly: '5 * * *' is no cron expression"
    yield told(
        "ledger-broken",
        "The ledger is not as it was sealed or published; sealing stops.",
        _of_ledger(broken="the tree of 48,210 entries is not that of its head"),
    )
    held = "an open transaction of process 4711, role reports, database warehouse"
    yield told(
        "ledger-behind",
        "Entries of the ledger wait to be sealed.",
        _of_ledger(oldest=AT - HOUR, waiting=612, held_by=held),
    )
    yield told("ledger-unsigned", "The heads of the ledger are not signed.", _of_ledger(unsigned=True))
    yield told(
        "ledger-key-replaced",
        "The ledger is signed with another key, and no earlier one has endorsed it.",
        _of_ledger(replaced="5b0c7e9a41d2f386"),
    )
    away = {"s3://evidence/heads": "s3://evidence/heads: a head cannot be written (PermissionError)"}
    yield told("ledger-unpublished", "A head of the ledger could not be published.", _of_ledger(unpublished=away))
    yield told("dag-broken", "Airflow cannot load one of our DAG files.", dag_broken("records.py", error))


def _of_ledger(**state: Any) -> Finding:  # noqa: ANN401 - the fields of a state
    return ledger_findings(LedgerState(**state), now=AT)[0]


def together() -> Iterator[Specimen]:
    """Forty workflows that hang on the same are one message."""
    first, all_of_them = _of_source(_FORTY[:3]), _of_source(_FORTY)
    yield told(
        "rolled-up",
        "Three or more workflows suffer from the same: one message, which counts those that join. Their own are not sent.",
        first,
        Step(
            "changed",
            {"title": all_of_them.title, "detail": all_of_them.detail, **later(0.2, occurrences=2)},
            silent=True,
            finding=all_of_them,
        ),
    )
    yield told("rolled-up-over", "None of them suffers any more.", all_of_them, over(1.6))
    for key, (stage, kind, title) in _OF_THINGS.items():
        what = key.partition(" ")[0]
        hanging = [replace(_one(slug), stage=stage, kind=kind, title=title, hangs_on=key) for slug in _FORTY[:4]]
        when = f"Several workflows hang on the same {_NAMES.get(what, what)}."
        yield told(f"shared-{what}", when, shared(key, Hanging.of(hanging), ever=4))


_NAMES = {"dag": "DAG"}


def stuck() -> Finding:
    """Letters that are due and do not go out."""
    found = outbox_stuck(OutboxState(timedelta(minutes=23), 17, blocked="Slack says token_revoked"))
    if found is None:
        raise LookupError("letters that are due for long are a finding")
    return found


def _of_source(slugs: tuple[str, ...]) -> Finding:
    return shared("source erp", Hanging.of([incident_of(unreadable(slug)) for slug in slugs]), ever=len(slugs))


def _one(slug: str) -> Incident:
    return replace(incident_of(unreadable(slug)), severity=Severity.UNKNOWN)
