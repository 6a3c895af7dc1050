"""What the path needs from the outside world: one small protocol each, with a double that ships.

The verbs implement them, :mod:`afterpilot.wiring` chooses, :mod:`afterpilot.pipeline` calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from afterpilot.domain.charging import Linear
from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Case, Estimate, Sample, ScorerSpec, Typical
from afterpilot.domain.judging import Judgement
from afterpilot.domain.prices import PLAIN, CallDetails, Price
from afterpilot.domain.record import Discrepancy, HumanDecision, PricedUsage, Record, Usage
from afterpilot.domain.record_lines import RecordLines
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Evals, Workflow


class RecordSource(Protocol):
    """Reads production records of one workflow.

    While its iterators are read, ``skipped`` counts rows that could not be taken, by reason, and ``noted`` what was met and is
    no error.
    """

    @property
    def skipped(self) -> Mapping[str, int]:
        """Rows that could not be taken, by reason."""
        ...

    @property
    def noted(self) -> Mapping[str, int]:
        """What was met and is no error, by kind."""
        ...

    def records(self, window: Window) -> Iterator[Record]:
        """Stream the rows whose time lies in the window. Raises SourceError."""
        ...

    def decisions(self, window: Window) -> Iterator[HumanDecision]:
        """Stream what people decided in the window. Raises SourceError."""
        ...

    def kpi(self, since: datetime) -> Sequence[tuple[datetime, Decimal]]:
        """The KPI's weekly values (start of week, value) since then. Raises SourceError."""
        ...


@runtime_checkable
class LineSource(Protocol):
    """A source that can give its records as lines, many at once."""

    def lines(self, window: Window, *, rows: int) -> Generator[RecordLines] | None:
        """The records of the window as they may be kept, so many in a batch; None where they must be read one by one.

        Raises SourceError, now or while they are read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation judged over a window.

    ``success`` is None where the check could not run, and then ``error`` says why. ``observed`` is a short text for people;
    ``failing_keys`` names failing records (``failing_total`` says how many there are, keys may be fewer). ``result`` is the
    result as Great Expectations gives it, JSON-serialisable.
    """

    check: Check
    success: bool | None
    observed: str
    elements: int
    failing_total: int
    failing_keys: tuple[str, ...]
    result: Mapping[str, Any]
    error: str = ""


class QualityChecker(Protocol):
    """Judges the quality expectations of workflows over the records of their windows."""

    def judge(self, windows: Sequence[tuple[Workflow, Window]]) -> Mapping[str, Sequence[Judged] | CheckError]:
        """For each workflow, by its slug, one result for each expectation, in the order of the declaration; or the error that
        kept it from being judged. Never raises for a single bad one. No workflow may be named twice.
        """
        ...


class DecisionSink(Protocol):
    """Takes decisions of the review queue back to the production system of one workflow."""

    def write(self, decision: HumanDecision, data: Mapping[str, Any]) -> bool:
        """Write it there, once however often it is given; False where it stood there already. ``data`` is the record's.

        Raises SourceError or ConfigurationError; then it does not stand there, or the next attempt will find it.
        """
        ...


class ReferenceTables(Protocol):
    """Looks rows up in other databases: purchase orders, suppliers."""

    def rows(
        self, connection: str, table: str, key: str, values: Sequence[Any], columns: Sequence[str]
    ) -> Mapping[Any, Mapping[str, Any]]:
        """Rows of ``table`` by the value of their key column, for the given values. Raises SourceError."""
        ...


class OutputGate(Protocol):
    """Judges outputs one by one before they are used."""

    def judge(self, workflow: Workflow, records: Sequence[Record]) -> Sequence[tuple[Record, tuple[Discrepancy, ...]]]:
        """The discrepancies of each record, in order; none means that it passed. Raises CheckError when it cannot say."""
        ...


@dataclass(frozen=True, slots=True)
class Probed:
    """What a target answered to the shortest question: its fingerprint, or the error that kept it from answering."""

    fingerprint: Mapping[str, str]
    usage: Usage | None = None
    cost: Decimal | None = None
    error: str = ""


class EvalRunner(Protocol):
    """Runs a suite, and asks its judges."""

    def run(
        self,
        evals: Evals,
        *,
        keep: Callable[[Sequence[Sample]], None],
        done: Mapping[tuple[str, int], Sample],
        failed: Sequence[Sample] = (),
        epochs: range | None = None,
        advisory: Collection[str] = (),
    ) -> Sequence[Sample]:
        """All samples in the order of cases and epochs.

        ``keep`` gets new samples a few at a time, one call after the other, as soon as they are there; a case counts as done,
        and its place is given to the next one, when ``keep`` has returned. Those in ``done`` are not asked again. ``failed``
        are samples of an earlier attempt that cost something and brought nothing: they are asked again, and what they cost
        counts. ``epochs`` are the numbers of the epochs, 0 to ``evals.epochs`` unless said: a re-run goes on counting.
        ``advisory`` names the labels of scorers that decide nothing.
        """
        ...

    def estimate(
        self, evals: Evals, *, epochs: range | None = None, typical: Mapping[str, Typical] | None = None
    ) -> Estimate:
        """What a run will take, before it starts; ``typical`` is what cases have taken before, by id."""
        ...

    def probe(self, evals: Evals) -> Probed:
        """Ask the first case for the shortest answer, to see what answers; never raises for the target's own failure."""
        ...

    def rejudge(
        self,
        evals: Evals,
        judge: ScorerSpec,
        answers: Sequence[tuple[str, Case, str]],
        *,
        keep: Callable[[Judgement], None],
    ) -> Sequence[Judgement]:
        """Ask a judge about answers that exist (subject, case, answer), within ``evals.max_cost``; what it cannot reach is left out."""
        ...


class PriceList(Protocol):
    """Prices calls."""

    def price(self, usage: Usage | None, at: datetime) -> PricedUsage:
        """The cost at that time; an unknown model or missing usage gives no cost and the reason."""
        ...


class PriceBook(PriceList, Protocol):
    """Knows the prices themselves: those that hold, for many calls at once, and those that would hold now."""

    def linear(self, model: str, at: datetime, *, given: int = 0, how: CallDetails = PLAIN) -> Linear:
        """The price that holds for calls of the model at that time with ``given`` input tokens, made ready for plain calls.

        Of ``how`` the tier, region and provider count. Where nobody knows the price it is one with a reason, and no call has a
        cost at it. Keep it for calls from ``since`` to ``until`` with up to ``most_input`` input tokens.
        """
        ...

    def replacements(self, price: Price, at: datetime) -> Sequence[Price]:
        """What the book says now for calls that were priced by ``price`` at that time: the prices by size of the request, that
        of the smallest first (``from_input_tokens``); nothing but ``price`` itself where all of these calls cost the same
        as they did, or have no cost for the same reason.
        """
        ...
