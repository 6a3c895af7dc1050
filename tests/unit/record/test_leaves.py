"""What is sealed is canonical JSON (RFC 8785), byte for byte."""

from __future__ import annotations

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.record.ledger.leaves import Sealable, leaf_bytes, workflow_bytes

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # as PostgreSQL holds it, and more
_NUMBER = st.integers(0, 2**53 - 1)


@given(
    st.tuples(_NUMBER, _TEXT, _TEXT, _TEXT, _TEXT),
    st.tuples(_NUMBER, _NUMBER),
)
def test_a_leaf_is_what_rfc_8785_says(given_: tuple[int, str, str, str, str], place: tuple[int, int]) -> None:
    id_, action, actor, subject, workflow = given_
    index, number = place
    moment, later, digest = "2026-11-22T03:51:12.123456Z", "2026-11-22T03:51:12.123457Z", "9f" * 32
    entry = Sealable(id_, action, actor, moment, digest, later, subject, workflow)
    said = {
        **entry._asdict(),
        "index": index,
        "number": number,
    }
    assert leaf_bytes(entry, index=index, number=number) == rfc8785.dumps(said)


@given(_TEXT, _NUMBER)
def test_the_leaf_of_a_workflow_is_what_rfc_8785_says(workflow: str, entries: int) -> None:
    assert workflow_bytes(workflow, entries) == rfc8785.dumps({"entries": entries, "workflow": workflow})
