"""The key ``review``: what it says, what holds unless it is said, and what does not fit is named with its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from afterpilot.declare import load
from afterpilot.declare.review_schema import stored_review
from afterpilot.domain.review import Review

GOOD = Path(__file__).parents[2] / "golden" / "declare" / "good"
WHOLE = """review:
  source_field: answer
  fields: [amount, currency]
  due_within: 4h
  write_back:
    table: refund_decisions
    columns: {run_id: key, outcome: decision, right_amount: corrected.amount, final: final.currency}
"""


def folder_with(tmp_path: Path, review: str) -> Path:
    """The good folder, with that in its declaration."""
    folder = tmp_path / "workflows"
    for path in GOOD.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(GOOD)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    file = folder / "refunds" / "workflow.yaml"
    file.write_text(file.read_text() + review)
    return folder


def review_of(folder: Path) -> Review:
    (loaded,) = load(folder).folders
    assert loaded.workflow is not None, loaded.problems
    assert stored_review(loaded.document) == loaded.workflow.review  # what the page reads back from the record
    return loaded.workflow.review


def test_what_holds_unless_it_is_said(tmp_path: Path) -> None:
    """The columns that are checked, a day, a quarter of an hour, nothing written back, all three decisions."""
    review = review_of(folder_with(tmp_path, ""))
    assert review.fields == ("answer", "amount", "order_no", "currency")
    assert (review.due_within, review.reservation) == (timedelta(hours=24), timedelta(minutes=15))
    assert (review.source_field, review.write_back, review.reading_speed) == ("", None, 600)
    assert review.decisions == ("accepted", "corrected", "rejected")


def test_decisions_go_back_in_the_words_that_are_read_there(tmp_path: Path) -> None:
    """Into the table of source.decisions without a word said: by its first words."""
    review = review_of(folder_with(tmp_path, WHOLE))
    assert review.source_field == "answer"
    assert review.fields == ("amount", "currency")
    assert review.due_within == timedelta(hours=4)
    assert review.write_back is not None
    assert review.write_back.words == {"accepted": "paid", "corrected": "changed", "rejected": "refused"}
    assert review.write_back.columns["right_amount"] == "corrected.amount"


def test_a_decision_without_a_word_is_not_offered(tmp_path: Path) -> None:
    """A source that knows no rejection is never told of one."""
    words = "    words: {accepted: paid, corrected: changed}\n"
    assert review_of(folder_with(tmp_path, WHOLE + words)).decisions == ("accepted", "corrected")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "source_field: answer",
            "source_field: anser",
            "review.source_field: 'anser' is not one of source.fields (did you mean",
        ),
        ("[amount,", "[customer,", "review.fields[0]: 'customer' is redacted when written, so nobody can review it"),
        (
            "corrected.amount",
            "corrected.amont",
            "review.write_back.columns.right_amount: 'amont' is not one of source.fields",
        ),
        (
            "corrected.amount",
            "amount",
            "review.write_back.columns.right_amount: 'amount' is not something that can be written",
        ),
        ("run_id: key, ", "", "review.write_back.columns: no column gets the key (such as run_id: key)"),
        ("due_within: 4h", "due_within: 0m", "review.due_within: "),
        (
            "due_within: 4h",
            "due: 4h",
            "review.due: is not a known key (accepted: source_field, fields, reviewers, due_within",
        ),
        ("due_within: 4h", "reading_speed: 5", "review.reading_speed: must be at least 50, but is the number 5"),
        (
            "    columns:",
            "    words: {accepted: ok}\n    columns:",
            "'ok' is no word of source.decisions, so it could not be read again",
        ),
        ("    columns:", "    words: {taken: paid}\n    columns:", "review.write_back.words.taken"),
        ("refund_decisions", "'; drop table x'", "review.write_back.table: "),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """By key, with what would be right."""
    assert old in WHOLE
    (loaded,) = load(folder_with(tmp_path, WHOLE.replace(old, new))).folders
    told = [str(problem) for problem in loaded.problems]
    assert len(told) == 1, told
    assert said in told[0]
    assert told[0].startswith("refunds/workflow.yaml:")


def test_a_document_of_another_version_is_read_as_far_as_it_goes() -> None:
    """Keys that this version does not know leave what holds unless it is said; the page still opens."""
    assert stored_review({"review": {"colour": "red"}, "source": {"fields": {"a": {"type": "text"}}}}) == Review()
    assert stored_review({}) == Review()
