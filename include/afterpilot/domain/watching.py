"""What must keep happening: verdicts by their schedules, passes of the DAGs, delivery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from afterpilot.domain.run import Stage

WATCH = "watch"  # the stage of what the watchdog finds; it has no runs
OVERDUE, OUTBOX, SCHEDULER = f"{WATCH}.overdue", f"{WATCH}.outbox", f"{WATCH}.scheduler"
TASK_FAILED, DAG_BROKEN = f"{WATCH}.task_failed", f"{WATCH}.dag_broken"
LEDGER_BROKEN, LEDGER_BEHIND = f"{WATCH}.ledger_broken", f"{WATCH}.ledger_behind"
LEDGER_UNSIGNED, LEDGER_KEY_REPLACED = f"{WATCH}.ledger_unsigned", f"{WATCH}.ledger_key_replaced"
LEDGER_UNPUBLISHED = f"{WATCH}.ledger_unpublished"
OF_LEDGER = (LEDGER_BROKEN, LEDGER_BEHIND, LEDGER_UNSIGNED, LEDGER_KEY_REPLACED, LEDGER_UNPUBLISHED)

# The DAGs with a rhythm of their own, cron expressions in UTC; those of a named schedule are called after it.
DAGS: Mapping[str, str] = {
    "declarations": "*/5 * * * *",
    "deliver": "* * * * *",
    "gate": "*/2 * * * *",
    "probe": "*/10 * * * *",
    "retention": "40 3 * * *",
    "seal": "* * * * *",
    "spend": "*/10 * * * *",
    "spot_checks": "20 5 * * *",
    "provider_bills": "20 6 * * *",
    "watchdog": "*/5 * * * *",
}
WATCHDOG, DELIVER = "watchdog", "deliver"
_DAG_OF: Mapping[str, str] = {"records": "records", "evals": "evals", "report": "weekly_outcomes"}

# The stages that each schedule of a declaration brings verdicts of, in their order.
STAGES: Mapping[str, tuple[Stage, ...]] = {
    "records": (Stage.PULL, Stage.CHECK, Stage.GATE),
    "evals": (Stage.EVALUATE,),
    "report": (Stage.REPORT,),
}

# Names of beats.
DELIVERY, DEAD_MAN, LEDGER = "delivery", "dead_man", "ledger"
_LEAST_GRACE = timedelta(minutes=15)
STUCK_AFTER = timedelta(minutes=15)  # for which a letter is due
UNSEALED_AFTER = timedelta(minutes=15)  # for which an entry of the ledger waits


def dag_of(schedule: str) -> str:
    """The DAG of a named schedule of the fleet: ``weekly_outcomes.monday`` for ``report.monday``."""
    kind, _, name = schedule.partition(".")
    return f"{_DAG_OF.get(kind, kind)}.{name}"


def beat_of(dag_id: str) -> str:
    """The name of the beat that a pass of this DAG leaves."""
    return f"dag:{dag_id}"


def import_beat(file: str) -> str:
    """The name of the beat that each vain attempt to load this DAG file leaves."""
    return f"import:{file}"


@dataclass(frozen=True, slots=True)
class Tick:
    """When something was due last, and how long after the time before."""

    due: datetime
    period: timedelta

    @property
    def late_at(self) -> datetime:
        """From when on it is late: a quarter of the period after it was due, at least fifteen minutes."""
        return self.due + max(_LEAST_GRACE, self.period / 4)


@dataclass(frozen=True, slots=True)
class Expected:
    """A verdict that a workflow's declaration promises: of this stage, by this schedule of the fleet (``records.hourly``)."""

    workflow: str
    stage: Stage
    schedule: str
    tick: Tick


@dataclass(frozen=True, slots=True)
class Seen:
    """What is on record of an expected verdict: when the newest run ended, and whether it was promised already when it was due.

    ``since`` is from when on runs were looked for, where there may be older ones.
    """

    expected: Expected
    last: datetime | None
    promised: bool
    since: datetime | None = None

    @property
    def never(self) -> bool:
        """Whether it is known that no run of it ever ended."""
        return self.last is None and self.since is None


@dataclass(frozen=True, slots=True)
class Beat:
    """The last pass of something that must keep passing, and what it left to know."""

    name: str
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


class PassState(StrEnum):
    """How a DAG stands against its schedule. ``waiting``: it has not passed yet, and does not have to have."""

    GOOD = "good"
    WAITING = "waiting"
    PAUSED = "paused"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Pass:
    """One DAG against its schedule. ``due`` is the last time by which it must have passed."""

    dag_id: str
    cron: str
    last: datetime | None
    due: datetime | None
    state: PassState
    paused: bool = False


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How the outbox stands: for how long the oldest letter is due, how many are, and what died of late; ``blocked`` is what must be
    mended before anything can be sent. ``unmade`` counts letters that our own code could not make or send, which are tried again
    ever more rarely, and ``unmade_what`` is the oldest of them.
    """

    oldest: timedelta | None = None
    waiting: int = 0
    dead: int = 0
    dead_why: str = ""
    dead_where: str = ""
    blocked: str = ""
    unmade: int = 0
    unmade_what: str = ""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How the ledger stands: since when the oldest entry waits to be sealed, how many do, and what may hold them up.

    ``broken`` says what does not fit what was sealed or published, ``key`` why the key cannot be used; ``unsigned``: there is none.
    ``replaced`` is a new key that no earlier one has endorsed. ``unpublished`` has why, by the place where no head could be written.
    """

    entries: int = 0
    head: str = ""
    sealed_at: datetime | None = None
    oldest: datetime | None = None
    waiting: int = 0
    held_by: str = ""
    broken: str = ""
    key: str = ""
    unsigned: bool = False
    replaced: str = ""
    unpublished: Mapping[str, str] = field(default_factory=dict)

    def behind(self, now: datetime) -> bool:
        """Whether an entry has waited for too long."""
        return self.oldest is not None and now - self.oldest > UNSEALED_AFTER

    def good(self, now: datetime) -> bool:
        """Whether all of it is sealed, signed and published."""
        wrong = self.broken or self.key or self.unsigned or self.replaced or self.unpublished
        return not wrong and not self.behind(now)


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """A task of ours that failed for good. ``workflows`` are those that it hides; empty: it is of all."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    at: datetime
    label: str = ""
    error: str = ""
    workflows: tuple[str, ...] = ()

    @property
    def stage(self) -> Stage | None:
        """The stage that this task is; None for one that only plans or loads."""
        return _STAGE_OF.get(self.task_id.rpartition(".")[2])


_STAGE_OF: Mapping[str, Stage] = {
    "pull": Stage.PULL,
    "check": Stage.CHECK,
    "route": Stage.GATE,
    "gate": Stage.GATE,
    "evaluate": Stage.EVALUATE,
    "probe": Stage.EVALUATE,
    "spend": Stage.SPEND,
    "provider_bills": Stage.BILLS,
    "judge_review": Stage.REVIEW,
    "report": Stage.REPORT,
}


@dataclass(frozen=True, slots=True)
class Looked:
    """All that one look has found. ``dead_since`` is set where Airflow's scheduler starts nothing any more; while it is
    ``catching_up`` after an outage, nothing is called overdue, and nothing that was is called over.
    """

    at: datetime
    passes: tuple[Pass, ...]
    overdue: tuple[Seen, ...]
    judged: int
    outbox: OutboxState
    failures: tuple[TaskFailure, ...] = ()
    broken_dags: Mapping[str, str] = field(default_factory=dict)
    dead_since: datetime | None = None
    catching_up: bool = False
    paused: frozenset[str] = frozenset()
    crons: Mapping[str, str] = field(default_factory=dict)
    beats: Mapping[str, Beat] = field(default_factory=dict)
    ledger: LedgerState = field(default_factory=LedgerState)

    @property
    def late_passes(self) -> tuple[Pass, ...]:
        """The DAGs that should have passed and did not."""
        return tuple(one for one in self.passes if one.state is PassState.OVERDUE)

    @property
    def can_tell(self) -> bool:
        """Whether whatever is wrong reaches somebody: the scheduler starts what is due, and letters go out."""
        stuck = (
            self.outbox.blocked
            or self.outbox.dead
            or self.outbox.unmade
            or (self.outbox.oldest or timedelta(0)) > STUCK_AFTER
        )
        return self.dead_since is None and not stuck

    @property
    def good(self) -> bool:
        """Whether nothing is overdue, broken or stuck."""
        wrong = self.late_passes or self.overdue or self.failures or self.broken_dags
        return self.can_tell and not wrong and self.ledger.good(self.at)
