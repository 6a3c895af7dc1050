"""How long each class of data is kept, what holds it longer, and what became of what was removed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

# Logs are kept for at least six months: EU AI Act (Regulation (EU) 2024/1689), articles 19(1) and 26(6). Six months in a row have
# 184 days at most; 183 is half a year. A month's partition is older than that on each of its days when it goes.
LEGAL_MINIMUM = 183  # days
SEALED_LATE = timedelta(days=31)  # for which sealing may have been held up before anybody takes it for something else
OF_CAPS = 400  # days for which calls are kept at least: a cap may reach over 366, and a month goes as a whole
FOR_GOOD = 36_600  # days, a hundred years: of records whose workflow says what cannot be read
UNSAID = 400  # days for which records of a workflow are kept whose declaration could never be used


@dataclass(frozen=True, slots=True)
class DataClass:
    """Data that is kept under one rule. ``days`` is the rule unless ``_fleet.yaml`` says another; None: it is never removed.

    ``partitions`` go month by month as a whole, those of one class together; ``rows`` in batches.
    """

    name: str
    holds: str
    days: int | None
    minimum: int  # days
    partitions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables of the class."""
        return (*self.partitions, *self.rows)


_ALL = (
    DataClass(
        "records",
        "outputs as they were pulled from production, and what they have said before",
        UNSAID,
        0,
        ("records",),
        ("seen_values",),
    ),
    DataClass(
        "usage",
        "what each call used and cost, its sums, what providers billed",
        800,
        OF_CAPS,
        ("usage", "usage_sums"),
        ("usage_days", "repricings", "stop_orders", "bill_lines", "bill_days"),
    ),
    DataClass(
        "samples",
        "what models answered in evals, and what judges said of it",
        400,
        LEGAL_MINIMUM,
        ("samples",),
        ("judgements",),
    ),
    DataClass(
        "runs",
        "the log: every run with its verdict, evidence and findings, and results of evals",
        800,
        LEGAL_MINIMUM,
        ("runs", "findings"),
        ("eval_results", "reopened_windows", "fingerprints"),
    ),
    DataClass(
        "messages",
        "incidents with all that happened to them, messages, weekly reports, silences",
        800,
        LEGAL_MINIMUM,
        (),
        ("outbox", "reports", "incidents", "silences", "task_failures"),
    ),
    DataClass(
        "reviews",
        "what the gate and people decided, and what production was told of it",
        800,
        LEGAL_MINIMUM,
        (),
        (
            "write_backs",
            "releases",
            "case_offers",
            "human_decisions",
            "review_items",
            "gate_decisions",
            "spot_check_rates",
            "cap_raises",
        ),
    ),
    DataClass("ledger", "the entries of the ledger; their proofs stay for good", None, LEGAL_MINIMUM, ("ledger",)),
)
CLASSES: Mapping[str, DataClass] = MappingProxyType({one.name: one for one in _ALL})

# Tables that nothing is removed from, each with the reason.
STAYS: Mapping[str, str] = MappingProxyType(
    {
        "allowances": "one row for each workflow: how it stands",
        "baselines": "approvals of eval runs, one row each",
        "beats": "one row for each thing that must keep happening",
        "current_declarations": "one row for each workflow",
        "declarations": "which rules were in force when; in your repository, too",
        "eval_suites": "digests of cases, without their texts",
        "holds": "who kept what from being removed, and why",
        "incident_events": "go with their incident",
        "lanes": "one row for each place of delivery",
        "ledger_heads": "proofs",
        "ledger_identity": "proofs",
        "ledger_keys": "proofs",
        "ledger_leaves": "proofs",
        "ledger_nodes": "proofs",
        "ledger_publications": "proofs",
        "prices": "each price that a call ever had",
        "pull_counts": "go when their pull ends",
        "removals": "what was removed, and when",
        "run_ids": "ids and times of runs, without content: no run is written twice",
        "seen_columns": "names of columns",
        "source_states": "one row for each workflow: how its source looked last",
        "subjects": "keys of the ledger's personal values, until they are erased",
        "taken_requests": "go within a day",
        "usage_changes": "go when they are summed",
        "usage_zones": "one row for each workflow",
        "watermarks": "one row for each workflow",
    }
)


@dataclass(frozen=True, slots=True)
class Retention:
    """What ``_fleet.yaml`` says: days by class. Where ``whole`` is False some of it cannot be read, and nothing may be removed."""

    days: Mapping[str, int] = field(default_factory=dict)
    whole: bool = True

    def of(self, name: str) -> int | None:
        """For how many days a class is kept; None: for good."""
        return self.days.get(name, CLASSES[name].days)


def month_end(month: date) -> datetime:
    """The first moment (UTC) after a month, given by its first day."""
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def goes_at(month: date, days: int) -> datetime:
    """From when on a month may be removed: each of its moments is older than so many days then."""
    return month_end(month) + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody's order to keep what concerns a workflow (empty: all) from ``start`` to before ``end``; None: without an end."""

    id: uuid.UUID
    workflow: str
    start: datetime | None
    end: datetime | None
    reason: str
    set_by: str
    set_at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_reason: str = ""

    @property
    def covered(self) -> str:
        """What it covers, in words."""
        whose = self.workflow or "all workflows"
        since = f" from {self.start:%Y-%m-%d}" if self.start else ""
        return f"{whose}{since}{f' to {self.end:%Y-%m-%d}' if self.end else ''}"


@dataclass(frozen=True, slots=True)
class Gone:
    """The entries of the ledger that retention has removed so far: how many, and spans of their ids, both ends included.

    ``at`` is when it last removed any.
    """

    entries: int = 0
    ids: tuple[tuple[int, int], ...] = ()
    at: datetime | None = None

    def has(self, entry_id: int) -> bool:
        """Whether an entry of this id may be among them."""
        return any(low <= entry_id <= high for low, high in self.ids)

    def too_young(self, sealed_at: datetime) -> bool:
        """Whether what was sealed at that moment was younger than anything that retention removes."""
        return self.at is not None and sealed_at > self.at - timedelta(days=LEGAL_MINIMUM) + SEALED_LATE


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that was removed, or would be: a month of a table, or older rows of one."""

    data_class: str
    table: str
    rows: int  # of a month: PostgreSQL's estimate
    month: date | None = None
    before: datetime | None = None
    workflow: str = ""
    size: int | None = None  # bytes
    gone: Gone | None = None  # of a month of the ledger: its entries with all that went before

    @property
    def what(self) -> str:
        """In words."""
        if self.month:
            return f"{self.table} of {self.month:%Y-%m}"
        whose = f" of {self.workflow}" if self.workflow else ""
        return f"{self.table}{whose}{f' before {self.before:%Y-%m-%d}' if self.before else ''}"


@dataclass(frozen=True, slots=True)
class Stays:
    """A month that is old enough and stays all the same, and why."""

    data_class: str
    month: date
    why: str
