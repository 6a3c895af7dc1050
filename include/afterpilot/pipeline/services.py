"""What the stages need from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from afterpilot.domain.bills import BillReader
from afterpilot.domain.ports import DecisionSink, EvalRunner, OutputGate, PriceBook, QualityChecker, RecordSource
from afterpilot.domain.releasing import Releaser
from afterpilot.domain.spend import BillAccount
from afterpilot.domain.stop_orders import Stopper
from afterpilot.domain.workflow import Fleet, Reads, Workflow
from afterpilot.notify.messages import Messages
from afterpilot.record.ops import Ops


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the stages need from outside; :mod:`afterpilot.wiring` builds it."""

    ops: Ops
    fleet: Fleet
    messages: Messages
    source: Callable[[Workflow], RecordSource]
    bills: Callable[[BillAccount], BillReader]  # raises ConfigurationError where there is no such connection
    checker: QualityChecker
    gate: OutputGate
    releaser: Releaser
    stopper: Stopper
    write_back: Callable[[Workflow], DecisionSink]  # raises ConfigurationError where there is no such connection
    runner: Callable[[Workflow], EvalRunner]
    reads: Callable[[Reads], str]  # a hash of what the query returns; raises SourceError or ConfigurationError
    prices: PriceBook
    code_version: str
    now: Callable[[], datetime]
