"""The recorder goes on where it stopped, saves what it has, and never mixes prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from afterpilot.demo.ai_app import Answer, Recording, read_recording, write_recording
from afterpilot.demo.office import Office
from afterpilot.demo.record_answers import Question, invoice_questions, record, share_right, start_or_resume
from afterpilot.domain.prompt import Prompt

PROMPT = Prompt("Say {{ word }}")
QUESTIONS = [Question(key, {"word": key}, key) for key in ("ape", "bee", "cat")]


class Parrot:
    """A model that repeats the word, and fails on those that it was told to fail on."""

    model = "parrot"

    def __init__(self, *failing: str) -> None:
        self.asked: list[str] = []
        self._failing = failing

    def answer(self, key: str, values: dict[str, str]) -> Answer:
        """The word itself."""
        self.asked.append(key)
        if key in self._failing:
            raise requests.ConnectionError("gone")
        return Answer(key, values["word"], 10, 0, 1, 5)


def fresh() -> Recording:
    """A recording without answers."""
    return Recording("parrot", "w", PROMPT.sha256, {})


def test_only_what_is_missing_is_asked() -> None:
    """An answer that was recorded already is kept as it is."""
    recording, parrot = fresh(), Parrot()
    recording.answers["bee"] = Answer("bee", "old", 1, 0, 1, 1)
    assert record(parrot, QUESTIONS, recording, save=lambda _: None) == []
    assert sorted(parrot.asked) == ["ape", "cat"]
    assert recording.answers["bee"].text == "old"


def test_a_failure_is_reported_and_the_rest_is_recorded() -> None:
    """The failed one has no answer, so that the next start asks it again."""
    recording, saved = fresh(), []
    failures = record(Parrot("bee"), QUESTIONS, recording, save=lambda known: saved.append(set(known.answers)))
    assert failures == ["bee: ConnectionError"]
    assert saved[-1] == {"ape", "cat"}


def test_an_interruption_saves_what_there_is() -> None:
    """Nothing that was answered before is lost."""
    recording, saved = fresh(), []

    def stop(answer: Answer | None, error: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(Parrot(), QUESTIONS, recording, save=lambda known: saved.append(len(known.answers)), slots=1, step=stop)
    assert saved == [1]


@pytest.mark.parametrize(
    ("prompt", "model", "weights", "kept"),
    [
        (PROMPT, "parrot", "w", 1),
        (Prompt("Sing {{ word }}"), "parrot", "w", 0),
        (PROMPT, "crow", "w", 0),
        (PROMPT, "parrot", "v", 0),
    ],
)
def test_answers_to_another_prompt_or_of_other_weights_are_dropped(
    tmp_path: Path, prompt: Prompt, model: str, weights: str, kept: int
) -> None:
    """What is resumed belongs to this very prompt and model."""
    recording = fresh()
    recording.answers["ape"] = Answer("ape", "ape", 1, 0, 1, 1)
    write_recording(tmp_path / "file.jsonl", recording)
    found = start_or_resume(tmp_path / "file.jsonl", prompt, model=model, weights_sha256=weights)
    assert len(found.answers) == kept
    assert found.prompt_sha256 == prompt.sha256


def test_a_recording_survives_being_written_and_read(tmp_path: Path) -> None:
    """Line breaks and odd characters in an answer come back as they were."""
    recording = fresh()
    recording.answers["ape"] = Answer("ape", 'a\n\u2028"b"\x00', 1, 0, 1, 1)
    write_recording(tmp_path / "file.jsonl", recording)
    assert read_recording(tmp_path / "file.jsonl") == recording
    assert [path.name for path in tmp_path.iterdir()] == ["file.jsonl"]


def test_an_invoice_answer_is_right_only_in_every_field() -> None:
    """Field order does not matter; one wrong field, broken JSON or an invented order number does."""
    question = invoice_questions(Office(), weeks=1)[0]
    assert isinstance(question.expected, dict)
    assert question.right(json.dumps(dict(reversed(question.expected.items()))))
    assert not question.right(json.dumps({**question.expected, "po_number": "PO-50418"}))
    assert not question.right("{")


def test_the_share_counts_recorded_answers_only() -> None:
    """What was never asked is neither right nor wrong."""
    recording = fresh()
    recording.answers["ape"] = Answer("ape", "ape", 1, 0, 1, 1)
    recording.answers["bee"] = Answer("bee", "wasp", 1, 0, 1, 1)
    assert share_right(recording, QUESTIONS) == (1, 2)
