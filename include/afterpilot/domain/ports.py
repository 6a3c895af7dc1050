"""What the path needs from the outside world: one small protocol each, with a double that ships.

The verbs implement them, :mod:`afterpilot.wiring` chooses, :mod:`afterpilot.pipeline` calls.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

from afterpilot.domain.charging import Linear
from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Case, Estimate, Sample, ScorerSpec, Typical
from afterpilot.domain.judging import Judgement
from afterpilot.domain.message import Message
from afterpilot.domain.prices import PLAIN, CallDetails, Price
from afterpilot.domain.record import Discrepancy, HumanDecision, PricedUsage, Record, Usage
from afterpilot.domain.record_lines import RecordLines
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Evals, Workflow


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model or service listens, and the secret it wants, with the login that goes with it where there is one.

    ``signing_secret`` is what our messages to it are signed with. Never shown with a secret.
    """

    url: str
    secret: str
    login: str = ""
    signing_secret: str = ""

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r})"


class Connections(Protocol):
    """Named connections, from Airflow or from the environment."""

    def database_url(self, name: str) -> str:
        """A SQLAlchemy URL. Raises ConfigurationError where there is no such connection."""
        ...

    def endpoint(self, name: str) -> Endpoint:
        """An HTTP service. Raises ConfigurationError where there is no such connection."""
        ...


class SourceConnections(Connections, Protocol):
    """Named connections of all that production records are pulled from: object stores too."""

    def filesystem(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - an fsspec filesystem, which the domain does not know
        """The fsspec filesystem of an object store (``s3``, ``gs``, ``abfs``); no name: as the machine itself reaches it.

        Raises ConfigurationError where there is no such connection, or nothing that reads such a store is installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in (SMTP), and ``sender``, the address that it comes from. The password never shows.

    ``tls``: from the first byte (``tls``), after a plain greeting (``starttls``), or not at all (``none``).
    """

    host: str
    port: int
    sender: str
    login: str = ""
    password: str = field(default="", repr=False)
    tls: Literal["starttls", "tls", "none"] = "starttls"


class AlertConnections(Connections, Protocol):
    """Named connections of all that alerts are sent to: mail servers too."""

    def mail_server(self, name: str) -> MailServer:
        """A mail server. Raises ConfigurationError where there is no such connection, or it names none."""
        ...


class InstalledConnections(SourceConnections, AlertConnections, Protocol):
    """Named connections of the whole path."""


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


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands now: the transport's channel id and time stamp (Slack's ``ts``). ``answer`` is what the other side
    said to it in words of its own, where it says any.
    """

    channel: str
    ts: str
    answer: str = field(default="", compare=False)


class Transport(Protocol):
    """Puts messages in front of people.

    Every method raises ConfigurationError where the installation must be mended first (a revoked token, a missing right):
    that is no fault of the message.
    ``pace`` is how many seconds lie between two posts to one place. ``threads``: a post takes replies, and details go there.
    """

    name: str
    pace: float
    threads: bool

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Post it; in a thread, of a message with details, those. ``reference`` is an opaque id that :meth:`find` can find
        again. Raises DeliveryError.
        """
        ...

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Replace a message that stands. Raises DeliveryError; DeliveryGone where it does not stand any more, DeliveryNeedless where
        the place knows no edits and this one is not worth a message of its own.
        """
        ...

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """Look whether a message with that reference was posted already, in the channel or in a thread.

        Raises DeliveryError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """One message in the outbox that this process holds the lease of.

    ``target`` names the declared target that it goes to (``slack``: the workspace), ``channel`` the place there. ``stands`` is set
    where the incident's message stands already: then that one is edited (``message`` replaces it), and ``thread_text``, if any,
    is posted in its thread. ``posted`` is set where this letter's own message stands already, and its details in the thread
    are all that is missing. ``attempted`` says that an earlier attempt may have got through. ``unreadable`` says why its message
    cannot be read, if it cannot; ``message`` then says so in its place.
    """

    id: uuid.UUID
    lease: uuid.UUID
    kind: str
    channel: str
    message: Message
    created_at: datetime
    attempts: int
    attempted: bool
    target: str = "slack"
    incident_id: uuid.UUID | None = None
    stands: Posted | None = None
    posted: Posted | None = None
    thread_text: str = ""
    picture: bytes | None = None
    unreadable: str = ""


class Outbox(Protocol):
    """The queue of messages, in the ops database. Each place (a channel of a target) is a lane that one sender at a time is on."""

    def tidy(self) -> None:
        """Open lanes to places that are new, and drop older edits that newer ones of the same incident make needless."""
        ...

    def claim(self, limit: int) -> Sequence[Letter]:
        """Lease up to ``limit`` letters that are due, gravest and oldest first, each with a free lane, which it takes."""
        ...

    def due_in(self) -> float | None:
        """In how many seconds the next letter is due and its lane free; 0 or less: now. None where no letter waits."""
        ...

    def to_mend(self) -> str:
        """What somebody must mend before the letters of some target can go out; empty where nothing is known."""
        ...

    def blocked(self, letter: Letter, *, seconds: float, error: str) -> None:
        """Give it back unsent: nothing goes to its target until somebody has mended this. One is tried again after so long."""
        ...

    def begin(self, letter: Letter) -> bool:
        """Note that a post begins, and renew the lease; False where the lease was lost, or everything of the target has
        to wait meanwhile, and then nothing may be sent.
        """
        ...

    def put_back(self, letter: Letter) -> None:
        """Nothing was done about it; a lease that was lost stays with who has it."""
        ...

    def part(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """Note where its message stands; its details are due when the place has rested for ``pace`` seconds."""
        ...

    def sent(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """Note where it stands now. The place rests for ``pace`` seconds."""
        ...

    def asked_to_wait(self, letter: Letter, *, seconds: float, everywhere: bool, error: str) -> None:
        """Give it back unsent: its place, or everything of its target, takes nothing for so long."""
        ...

    def failed(self, letter: Letter, *, error: str, unsent: bool) -> None:
        """Give it back, to be tried again after a while, longer each time. Where several fail in a row, all of the target wait."""
        ...

    def needless(self, letter: Letter, *, why: str) -> None:
        """It need not be sent there: keep it as superseded, and why."""
        ...

    def dead(self, letter: Letter, *, error: str) -> None:
        """It cannot be delivered there: keep it as dead."""
        ...
