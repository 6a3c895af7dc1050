"""Removes what is older than its class is kept: whole months where a table has them, older rows in batches where it has none."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from afterpilot.declare.retention_schema import kept_days
from afterpilot.declare.values import Wrong
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.retention import CLASSES, FOR_GOOD, DataClass, Removal, Retention, Stays, goes_at
from afterpilot.pipeline.services import Services
from afterpilot.record import months
from afterpilot.record.ops import Ops
from afterpilot.record.retention import expiring
from afterpilot.record.retention.removals import Removals, kept_since
from afterpilot.record.retention.rules import declared

log = logging.getLogger(__name__)
_ONE = sa.text("SELECT pg_try_advisory_lock(hashtext('afterpilot retention'))")
_DONE = sa.text("SELECT pg_advisory_unlock(hashtext('afterpilot retention'))")


@dataclass(frozen=True, slots=True)
class Rules:
    """For how many days what is kept: ``fleet`` by class, ``own`` the records of each workflow that was ever declared."""

    fleet: Retention
    own: Mapping[str, int] = field(default_factory=dict)

    def of(self, workflow: str) -> int:
        """Of the records of a workflow."""
        return self.own.get(workflow, self.fleet.of("records") or 0)


@dataclass(frozen=True, slots=True)
class Passed:
    """What one pass removed, or would; which months are old enough and stay; ``busy``: another pass was under way."""

    removed: tuple[Removal, ...] = ()
    stays: tuple[Stays, ...] = ()
    busy: bool = False

    @property
    def summary(self) -> str:
        """In words."""
        if self.busy:
            return "another pass is under way"
        gone, rows = sum(1 for one in self.removed if one.month), sum(one.rows for one in self.removed if not one.month)
        went = f"{plural(gone, 'month')} of a table and {plural(rows, 'older row')} removed"
        return f"{went}; {plural(len(self.stays), 'month')} old enough and needed"


def rules_of(connection: sa.Connection, fleet: Retention) -> Rules:
    """What is declared. What cannot be read is kept for good."""
    own = {}
    for workflow, said in declared(connection).items():
        try:
            own[workflow] = kept_days(said)
        except Wrong:
            own[workflow] = FOR_GOOD
    return Rules(fleet, own)


def retain(services: Services, *, actor: str, dry_run: bool = False) -> Passed:
    """One pass over all classes. Each month and each batch is a transaction of its own with its entry in the ledger: a pass that is
    killed has lost nothing, and the next one goes on.

    Raises:
        ConfigurationError: ``retention`` of ``_fleet.yaml`` cannot be read as a whole: what it would have kept may not be removed.
    """
    fleet = services.fleet.retention
    if not fleet.whole:
        raise ConfigurationError(
            "_fleet.yaml cannot be read as a whole, so nothing is removed: `afterpilot validate` says why"
        )
    with services.ops.begin() as unit:
        rules = rules_of(unit.connection, fleet)
    with _alone(services.ops) as mine:
        if not mine:
            return Passed(busy=True)
        return _Pass(services.ops, rules, services.now(), actor, dry_run=dry_run).all()


@contextlib.contextmanager
def _alone(ops: Ops) -> Iterator[bool]:
    with ops.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        mine = bool(connection.scalar(_ONE))
        try:
            yield mine
        finally:
            if mine:
                connection.execute(_DONE)


class _Pass:
    def __init__(self, ops: Ops, rules: Rules, now: datetime, actor: str, *, dry_run: bool) -> None:
        self._ops, self._rules, self._now, self._actor, self._dry = ops, rules, now, actor, dry_run
        self._removed: list[Removal] = []
        self._stays: list[Stays] = []

    def all(self) -> Passed:
        for one in CLASSES.values():
            days = self._rules.fleet.of(one.name)
            for month in self._old_months(one, days):
                self._month(one, month)
            if days is None:
                continue
            if one.name == "records":
                self._records()
                continue
            if one.name == "usage":
                self._days_of_usage()
            for table in expiring.TABLES:
                if table in one.rows:
                    self._rows(one, table, self._now - timedelta(days=days))
        return Passed(tuple(self._removed), tuple(self._stays))

    def _old_months(self, one: DataClass, days: int | None) -> Sequence[date]:
        if days is None:
            return ()
        # Of records the shortest rule counts: whose rule is longer is asked for each month.
        least = min([days, *self._rules.own.values()]) if one.name == "records" else days
        with self._ops.begin() as unit:
            found = {month.month for table in one.partitions for month in months.months(unit.connection, table)}
        return sorted(month for month in found if goes_at(month, least) <= self._now)

    def _month(self, one: DataClass, month: date) -> None:
        with self._ops.begin() as unit:
            why = self._wanted(unit.connection, month) if one.name == "records" else ""
            if why and goes_at(month, self._rules.fleet.of(one.name) or 0) > self._now:
                return  # it is old enough for somebody who keeps theirs for shorter alone: their rows go
            why = why or months.needed_by(unit.connection, one, month)
            removed: Sequence[Removal] = ()
            if not why and self._dry:
                sizes = [size for table in one.partitions for size in months.months(unit.connection, table)]
                removed = [Removal(one.name, s.table, s.rows, month, size=s.size) for s in sizes if s.month == month]
            elif not why:
                removed, why = months.drop(unit.connection, one, month)
                for each in removed:
                    Removals(unit.connection).note(each, actor=self._actor, at=self._now)
        if why:
            self._stays.append(Stays(one.name, month, why))
            log.info("%s of %s stays: %s", one.name, f"{month:%Y-%m}", why)
        self._removed += removed

    def _wanted(self, connection: sa.Connection, month: date) -> str:
        """Which workflow's own rule keeps its records of this month; empty: none does."""
        for workflow in months.workflows_in(connection, "records", month):
            if goes_at(month, self._rules.of(workflow)) > self._now:
                return f"{workflow} keeps its records for {self._rules.of(workflow)} days"
        return ""

    def _records(self) -> None:
        """Records of workflows that keep theirs for shorter than the fleet; then what records have said that are gone."""
        one, usual = CLASSES["records"], self._rules.fleet.of("records") or 0
        for workflow, days in self._rules.own.items():
            if days < usual:
                self._rows(one, "records", self._now - timedelta(days=days), workflow=workflow)
        if self._dry:
            return
        with self._ops.begin() as unit:
            gone = {each.workflow for each in self._removed if each.table == "records"}
            whole = any(each.month for each in self._removed if each.table == "records")
        for workflow in sorted(self._rules.own if whole else gone):
            with self._ops.begin() as unit:
                if rows := expiring.forget_seen(unit.connection, workflow):
                    self._note(unit.connection, Removal("records", "seen_values", rows, workflow=workflow))

    def _days_of_usage(self) -> None:
        """The daily sums go with the calls that they are made of."""
        if self._dry:
            return
        with self._ops.begin() as unit:
            if (since := kept_since(unit.connection, "usage_sums")) is not None:
                for workflow, rows in expiring.forget_days(unit.connection, before=since).items():
                    self._note(unit.connection, Removal("usage", "usage_days", rows, before=since, workflow=workflow))

    def _rows(self, one: DataClass, table: str, before: datetime, *, workflow: str = "") -> None:
        if self._dry:
            with self._ops.begin() as unit:
                if rows := expiring.expired(unit.connection, table, before=before, workflow=workflow):
                    self._removed.append(Removal(one.name, table, rows, before=before, workflow=workflow))
            return
        more = True
        while more:
            with self._ops.begin() as unit:
                gone = expiring.expire(unit.connection, table, before=before, workflow=workflow)
                for whose, rows in gone.items():
                    self._note(unit.connection, Removal(one.name, table, rows, before=before, workflow=whose))
            more = sum(gone.values()) >= expiring.BATCH or (table == "incidents" and bool(gone))

    def _note(self, connection: sa.Connection, one: Removal) -> None:
        Removals(connection).note(one, actor=self._actor, at=self._now)
        self._removed.append(one)
