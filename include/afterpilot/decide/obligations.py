"""Which records laws and standards ask for, and which of ours answer. A table; no legal advice, and no text of the sources themselves.

Every wording is a paraphrase, from secondary sources or, where none was at hand, by the topic alone; each says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.domain.counting import plural

SIX_MONTHS = timedelta(days=183)
SECONDARY = "paraphrase of secondary sources"
UNVERIFIED = "paraphrase, not verified against the text"
TOPIC = "by topic only: no text of the criteria was at hand"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is on record in the period: how many, when the newest came, and whether there are more than were counted."""

    count: int
    newest: datetime | None = None
    more: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """One record that is asked for. ``record`` names ours, empty where Afterpilot has none; ``close`` says what would close a gap."""

    words: str
    record: str
    close: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """One line of a source: its number there, what it asks in our words, on which basis, and the records that answer it."""

    number: str
    text: str
    basis: str
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A law or a standard, what has to be known of it, and its lines."""

    key: str
    name: str
    note: str
    obligations: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A record that is there."""

    ask: Ask
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Gap:
    """A record that is asked for, and of which the period has none."""

    ask: Ask
    why: str


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """Something that Afterpilot does not record: others have to show it."""

    ask: Ask


Line = Found | Gap | NotMeasured

_RUN = "Let its DAGs run: nothing ran in this period."
_RUNS = Ask("what was looked at, when, on which evidence, with which verdict", "runs", _RUN)
_VERSIONS = Ask(
    "which declaration, model, prompt and cases stood behind it",
    "versions",
    "Let the evals run: no run of the period names its model and prompt.",
)
_DECISIONS = Ask(
    "which outputs were released, and which went to a person",
    "gate",
    "Declare outputs and let the records DAG run: nothing was decided in this period.",
)
_PEOPLE = Ask(
    "what people decided, who, when and why",
    "people",
    "Decide in the review queue, or declare where decisions are read back from.",
)
_INCIDENTS = Ask(
    "what went wrong, since when, and until when",
    "incidents",
    "None was opened in this period. That is no proof that none happened: see coverage.",
)
_ANSWERS = Ask(
    "who took troubles up, or let them wait",
    "answers",
    "Nobody answered an incident in this period: acknowledge it on its page or in Slack.",
)
_TOLD = Ask(
    "who was told, and when",
    "messages",
    "No message was sent in this period: connect Slack, or see Messages for what waits.",
)
_KEPT = Ask(
    "records of more than six months ago are there",
    "kept",
    "Keep runs at least 183 days: see the retention of the fleet.",
)
_SEALED = Ask(
    "proof that nothing was changed since: signed heads of the ledger", "heads", "Let the DAG seal run, with a key."
)
_COVERED = Ask(
    "that nothing fell out: every verdict that was due came", "coverage", "See Coverage for what did not run, and why."
)
_DECLARED = Ask(
    "versions of the declaration: owner, purpose, limits",
    "declarations",
    "Declare the workflow; no version of it was in force.",
)
_CHANGES = Ask(
    "changes of the declaration, as they were loaded",
    "changes",
    "Nothing was changed in this period, so nothing shows how changes are handled.",
)
_EVALS = Ask(
    "tests with known answers against the live model", "evals", "Declare evals and a schedule; none ran in this period."
)
_APPROVED = Ask(
    "who approved what the model is compared with",
    "baselines",
    "Approve an eval run as the baseline: nobody did in this period.",
)
_RAISES = Ask("who raised a limit of spend, and who agreed", "raises", "No raise was asked for in this period.")
_REPORTS = Ask("outcomes by week", "reports", "Declare a schedule of reports; none was made in this period.")
_VIEWS = Ask(
    "who looked at evidence",
    "views",
    "Nobody looked at evidence of this workflow in this period, or views are not recorded.",
)
_SPEND = Ask("what was spent against the cap", "spend", "Let the DAG spend run: nothing was judged in this period.")

SOURCES: tuple[Source, ...] = (
    Source(
        "eu-ai-act",
        "EU AI Act",
        "The duties of high-risk systems of Annex III, with articles 12, 19 and 26 on logs, apply from 2 December 2027 (Regulation (EU) 2026/1744; secondary sources). Whether a workflow is high-risk is not for Afterpilot to say.",
        (
            Obligation("12 (1) and (2)", "Events are recorded automatically over the lifetime of the system, so that what happened can be traced.", SECONDARY, (_RUNS, _VERSIONS, _DECISIONS, _INCIDENTS, _COVERED)),
            Obligation("19", "The provider keeps the logs that the system makes, for at least six months.", SECONDARY, (_KEPT, _SEALED)),
            Obligation("26 (6)", "The deployer keeps the logs under its control, for at least six months.", SECONDARY, (_KEPT, _PEOPLE, _VIEWS)),
        ),
    ),
    Source(
        "iso-42001",
        "ISO/IEC 42001",
        "Numbers of Annex A as secondary sources give them; the standard's own text was not at hand.",
        (
            Obligation("A.6.2.6", "The system's operation is monitored.", SECONDARY, (_COVERED, _RUNS, _EVALS, _SPEND, _REPORTS, _ANSWERS)),
            Obligation("A.6.2.8", "Logs of events are kept.", UNVERIFIED, (_RUNS, _KEPT, _SEALED)),
        ),
    ),
    Source(
        "nist-ai-rmf",
        "NIST AI RMF",
        "MANAGE 4.1, monitoring after deployment; its parts as secondary sources name them.",
        (
            Obligation("MANAGE 4.1", "Feedback is captured.", SECONDARY, (_PEOPLE, Ask("input of those whom the system affects", "", "Collect it where they meet the system."))),
            Obligation("MANAGE 4.1", "Outputs can be appealed and overridden.", SECONDARY, (Ask("overrides: decisions that corrected or refused an output", "overrides", "None was made in this period."), Ask("appeals of those affected", "", "Keep them where they are made."))),
            Obligation("MANAGE 4.1", "Incidents are answered.", SECONDARY, (_INCIDENTS, _TOLD, _ANSWERS)),
            Obligation("MANAGE 4.1", "There is a way to recover.", SECONDARY, (Ask("a fallback, as declared", "fallback", "Name rollout.fallback in the declaration."), Ask("incidents that are over", "resolved", "None ended in this period."))),
            Obligation("MANAGE 4.1", "Changes are managed.", SECONDARY, (_CHANGES, _APPROVED)),
            Obligation("MANAGE 4.1", "Systems are decommissioned.", SECONDARY, (Ask("that it was retired", "retired", "There is nothing to show until it is retired."),)),
        ),
    ),
    Source(
        "soc-2",
        "SOC 2",
        "By the topics that an auditor of service organisations usually asks for. Which criteria apply, and their words, is for the auditor.",
        (
            Obligation("change management", "Changes are recorded and agreed to.", TOPIC, (_CHANGES, _APPROVED, _RAISES)),
            Obligation("monitoring", "Controls are seen to work.", TOPIC, (_COVERED, _RUNS)),
            Obligation("incident response", "Incidents are found, told and ended.", TOPIC, (_INCIDENTS, _TOLD, _ANSWERS)),
            Obligation("access", "It is known who looked at what.", TOPIC, (_VIEWS, Ask("who may log in, and how accounts end", "", "Show it in Airflow's login and in your identity provider."))),
            Obligation("integrity of records", "Records cannot be changed unseen.", TOPIC, (_SEALED, Ask("heads that were told outside of the database", "published", "Declare where heads are published."))),
        ),
    ),
)  # fmt: skip


def answer(ask: Ask, evidence: Mapping[str, Evidence]) -> Line:
    """What the period has of a record: found where there is at least one, otherwise a gap."""
    if not ask.record:
        return NotMeasured(ask)
    found = evidence.get(ask.record)
    if found is None:
        return Gap(ask, "It was not looked up, so nothing is known of it.")
    if found.count <= 0:
        return Gap(ask, found.note or "Nothing is on record in this period.")
    return Found(ask, found)


def answers(source: Source, evidence: Mapping[str, Evidence]) -> Sequence[tuple[Obligation, Sequence[Line]]]:
    """Each line of a source, with what the period has of it."""
    return [(one, [answer(ask, evidence) for ask in one.asks]) for one in source.obligations]


def counted(lines: Sequence[Line]) -> tuple[int, int, int]:
    """How many records were found, are missing, and are not Afterpilot's to show."""
    return tuple(sum(isinstance(line, kind) for line in lines) for kind in (Found, Gap, NotMeasured))  # type: ignore[return-value]


def kept(oldest: datetime | None, declared: datetime | None, now: datetime) -> Evidence:
    """Whether records go back six months, or to the workflow's first day where that is later."""
    if oldest is None or declared is None:
        return Evidence(0, note="No run is kept.")
    if oldest <= now - SIX_MONTHS:
        return Evidence(1, oldest, note=f"the oldest run that is kept ended on {oldest:%Y-%m-%d}")
    if declared <= now - SIX_MONTHS and oldest - declared > timedelta(days=2):
        return Evidence(
            0, note=f"It was declared on {declared:%Y-%m-%d}, but the oldest run that is kept is of {oldest:%Y-%m-%d}."
        )
    return Evidence(1, oldest, note=f"all since {oldest:%Y-%m-%d}: six months are not over yet")


def coverage(expected: int, ran: int, unknown: int, since: str = "", *, unclear: str = "") -> Evidence:
    """Coverage as a record: a gap where anything did not run or was UNKNOWN, or where nothing was due.

    ``unclear`` says why nobody knows all that was due or ran: then it is a gap too.
    """
    if unclear:
        return Evidence(0, note=unclear)
    if not expected:
        return Evidence(0, note="Nothing was due in this period.")
    if ran < expected or unknown:
        missing = [
            f"{expected - ran} did not run" if ran < expected else "",
            f"{unknown} ran UNKNOWN" if unknown else "",
        ]
        return Evidence(
            0,
            note=f"Of {plural(expected, 'verdict')} that {'was' if expected == 1 else 'were'} due{since}, {' and '.join(filter(None, missing))}.",
        )
    came = "the one verdict that was" if expected == 1 else f"all {expected} verdicts that were"
    return Evidence(expected, note=f"{came} due{since} came")
