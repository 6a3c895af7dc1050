"""A person decides on an item of the review queue: on which terms, what of it is kept, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.declare.release_schema import stored_release
from afterpilot.declare.review_schema import stored_review
from afterpilot.declare.rules import dig, texts
from afterpilot.domain.record import HumanDecision
from afterpilot.domain.review import Release, Review
from afterpilot.domain.source import FieldType, Source
from afterpilot.domain.storable import storable
from afterpilot.pull.patterns import masked
from afterpilot.pull.redact import redacted
from afterpilot.pull.values import decimal, kept, moment
from afterpilot.record.history import declarations
from afterpilot.record.ops import unit_of

_MOST_DIGITS = 400  # of a corrected number
_BOOLEANS = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the queue has to know of a workflow: how it is reviewed, its fields' types, and the declaration's own words."""

    review: Review
    types: Mapping[str, FieldType]
    personal: tuple[str, ...]
    purpose: str = ""
    owner: str = ""
    deputy: str = ""
    release: Release | None = None


def terms_of(connection: sa.Connection, workflow: str) -> Terms:
    """The terms of a workflow as its last usable declaration has them; those that hold unless said where there is none."""
    current = declarations.current(connection, workflow)
    version = current and current["usable_sha256"]
    stored = declarations.one_version(connection, workflow, version) if version else None
    document: Mapping[str, Any] = stored["document"] if stored else {}
    fields = dig(document, "source", "fields")
    return Terms(
        review=stored_review(document),
        types={name: _type(kind) for name, kind in fields.items()} if isinstance(fields, dict) else {},
        personal=tuple(name for _, name in texts(dig(document, "source", "personal"))),
        purpose=str(document.get("purpose") or ""),
        owner=str(dig(document, "owner", "name") or ""),
        deputy=str(dig(document, "owner", "deputy", "name") or ""),
        release=stored_release(document),
    )


def decide(connection: sa.Connection, terms: Terms, decision: HumanDecision) -> bool:
    """Keep a reviewer's decision with its note and corrections as they may be kept, that it has to flow back, and that what
    the gate had held may be used now.

    False, and nothing is kept, where somebody was first or holds the item.
    """
    source = Source(
        connection="",
        table="",
        key="",
        time="",
        late_by=timedelta(0),
        history=timedelta(0),
        fields=terms.types,
        personal=terms.personal,
    )
    corrected = {name: redacted(name, value, source) for name, value in decision.corrected.items()}
    decision = replace(decision, origin="review", note=masked(decision.note), corrected=corrected)
    unit = unit_of(connection)
    if not unit.review.decide(decision, write_back=terms.review.write_back is not None):
        return False
    unit.releases.after_decision(decision, terms.release)
    return True


def _type(kind: object) -> FieldType:
    told = kind.get("type") if isinstance(kind, dict) else kind
    return told if told in {"text", "number", "time", "boolean"} else "text"


def corrected_value(kind: FieldType, typed: str) -> Any:  # noqa: ANN401 - any JSON value
    """What a reviewer typed as it is kept for a field of that type; an empty number, time or boolean is none.

    Raises:
        ValueError: it is not of that type; the text says what is needed.
    """
    text = storable(typed).strip()
    if kind == "text":
        return text
    if not text:
        return None
    if kind == "number":
        # 1e999999999 is eleven characters, and a gigabyte once it is written out.
        if (number := decimal(text)) is None or abs(number.adjusted()) > _MOST_DIGITS or len(text) > _MOST_DIGITS:
            raise ValueError("needs a number, such as 453.60")
        return kept(number, "number")
    if kind == "time":
        if moment(text) is None:
            raise ValueError("needs a time, such as 2026-11-20 14:30")
        return kept(text, "time")
    word = text.casefold()
    if word not in _BOOLEANS:
        raise ValueError("needs yes or no")
    return _BOOLEANS[word]
