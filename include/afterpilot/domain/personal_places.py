"""Every place of the ops database where somebody's name or words may stand, and what an erasure does there.

A column that is in neither list fails a test: whoever adds one says here what it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Holds = Literal["name", "text", "json"]


@dataclass(frozen=True, slots=True)
class Place:
    """A column. ``name``: all of it is a name; ``text``: names may stand within it; ``json``: within its strings."""

    table: str
    column: str
    holds: Holds

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.table}.{self.column}"


def _places(table: str, *, name: str = "", text: str = "", json: str = "") -> tuple[Place, ...]:
    given: tuple[tuple[Holds, str], ...] = (("name", name), ("text", text), ("json", json))
    return tuple(Place(table, column, holds) for holds, columns in given for column in columns.split())


# People who act: their names are replaced, wherever they stand.
PLACES: tuple[Place, ...] = (
    *_places("allowances", text="reason", json="said"),
    *_places("baselines", name="approved_by", text="note"),
    *_places("cap_raises", name="asked_by second_by", text="reason"),
    *_places("case_offers", name="decided_by", text="note", json="case"),
    *_places("holds", name="set_by ended_by", text="reason ended_reason"),
    *_places("human_decisions", name="decided_by", text="note", json="corrected"),
    *_places("incident_events", name="actor", text="note"),
    *_places("incidents", name="acknowledged_by waived_by", text="title detail waived_reason"),
    *_places("judgements", text="reason error"),
    *_places("lanes", name="channel"),  # of a mail to an owner: the address
    *_places("outbox", name="channel", text="dedupe_key why error", json="message"),
    *_places("releases", text="error"),
    *_places("reports", json="figures"),
    *_places("review_items", name="assigned_to reserved_by decided_by", json="discrepancies"),
    *_places("silences", name="by ended_by", text="reason"),
    *_places("stop_orders", text="error", json="said"),
    *_places("task_failures", text="label error"),
    *_places("write_backs", text="error"),
)

# What an erasure leaves, and why. All of it goes when its retention is over, where it has one.
LEFT: Mapping[str, str] = MappingProxyType(
    {
        "declarations": "who is owner, deputy or reviewer stands in the declaration, in your repository too; name somebody else there",
        "runs": "append-only and proven: names in a run's summary and evidence go with the run",
        "findings": "append-only: they go with their run",
        "ledger": "names are pseudonyms there, and personal values cannot be opened any more",
        "records": "data of outputs: `afterpilot erase output`",
        "samples": "questions and answers of your cases: take them out of the cases too; they go with their retention",
        "prices": "prices, with the note of your _fleet.yaml",
    }
)

# Where texts of a workflow may quote an output: what it said gives way there when it is erased.
QUOTING: tuple[Place, ...] = (
    *_places("incident_events", text="note"),
    *_places("incidents", text="title detail"),
    *_places("outbox", text="error why", json="message"),
    *_places("releases", text="error"),
    *_places("reports", json="figures"),
    *_places("write_backs", text="error"),
)
# Where they may and nobody can change it.
STAYING: tuple[Place, ...] = (
    *_places("findings", text="title detail", json="evidence"),
    *_places("ledger", json="payload"),
    *_places("runs", text="summary", json="evidence reasons"),
)

# What the erasure of an output leaves.
LEFT_OF_OUTPUT: Mapping[str, str] = MappingProxyType(
    {
        "the key": "stays everywhere, with what was decided on it",
        "incidents, messages, reports": "what is looked for gives way there; a value that other outputs hold too, a plain word, a time, a "
        "short number, and what is worded otherwise is not recognised, and goes with retention.messages",
        "runs, findings": "may quote a value of it, and are proven; they go with retention.runs",
        "ledger": "an incident's entries have its titles; they go with retention.ledger, where that is set",
        "Slack, mail": "what was sent stays there as it was sent",
        "the source": "gives it again unless it is erased there too",
    }
)

# Columns that hold no name: keys, kinds, hashes, numbers. The keys of outputs stay, as the decisions on them do.
NO_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "allowances": "workflow",
        "baselines": "workflow runs terms",
        "beats": "name detail",
        "bill_days": "account",
        "bill_lines": "account project model item currency",
        "cap_raises": "workflow cap currency state",
        "case_offers": "workflow key digest state",
        "current_declarations": "workflow sha256 usable_sha256",
        "eval_results": ("workflow origin suite outcomes verdicts rounds slices scorers fingerprint currency alarm"),
        "eval_suites": "workflow suite scorers digests",
        "fingerprints": "workflow fingerprint error",
        "gate_decisions": "workflow key reason data_md5 earlier",
        "holds": "workflow",
        "human_decisions": "workflow key decision origin",
        "incident_events": "what",
        "incidents": "fingerprint workflow stage kind severity state hangs_on",
        "judgements": "workflow judge subject fingerprint",
        "lanes": "target why to_mend",
        "ledger_heads": "root workflows_root statement key_id signature cluster",
        "ledger_keys": "key_id public_key endorsed_by endorsement",
        "ledger_leaves": "workflow leaf_hash",
        "ledger_nodes": "hash",
        "ledger_publications": "place reference",
        "outbox": "workflow kind target state transport posted_channel posted_ts",
        "pull_counts": "counts",
        "releases": "workflow key data_md5 effect reason state",
        "removals": "how data_class table_name workflow subject actor",
        "reopened_windows": "workflow",
        "reports": "workflow chart",
        "repricings": "workflow model",
        "review_items": "workflow key reason",
        "seen_columns": "workflow columns",
        "seen_values": "workflow key repeats",
        "silences": "workflow kind",
        "source_states": "workflow columns lost days",
        "spot_check_rates": "workflow stratum",
        "stop_orders": "workflow action target state",
        "subjects": "kind name digest key",
        "taken_requests": "signature",
        "task_failures": "dag_id task_id run_id workflows",
        "usage": "workflow kind ref model details",
        "usage_changes": "workflow",
        "usage_days": "workflow kind model",
        "usage_sums": "workflow kind model",
        "usage_zones": "workflow zone",
        "watermarks": "workflow",
        "write_backs": "workflow key state",
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """What of some names is on record: values by place, pseudonyms by name, and spellings that nobody has asked for.

    ``held`` says which holds cover any of it. Of outputs, ``staying`` counts what quotes them and cannot be changed, and
    ``not_sought`` their values that no text was searched for, by the reason.
    """

    pseudonyms: Mapping[str, str]
    counts: Mapping[str, int]
    others: Mapping[str, int]
    held: tuple[str, ...] = ()
    staying: Mapping[str, int] = field(default_factory=dict)
    not_sought: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many values."""
        return sum(self.counts.values())


def label_of(pseudonym: str) -> str:
    """What stands in a name's place."""
    kind, _, identity = pseudonym.partition(":")
    return f"erased {kind} {identity[:8]}"
