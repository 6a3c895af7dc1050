"""A model as judge: what it is told, what of its word is taken, and what is not."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_score import asked, reply

from afterpilot.domain import judging
from afterpilot.domain.evals import Case, Reply, ScorerSpec
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.exchange import Exchange, Refused
from afterpilot.evaluate.scorers import ScorerError
from afterpilot.evaluate.scorers.judges import LONGEST, SCHEMA, turns_of

TARGET = ModelTarget("judges", "judge-1", Prompt("rubric"))
SPEC = ScorerSpec("judge", "", {"rubric": "Is it polite?", "target": TARGET})
CASE = Case("c", {"mail": "Hello?"}, {"": "Good day"})
GOOD = {"reason": "It greets.", "score": 0.7, "passed": True}


class Judge:
    """Says one thing after the other, or raises it."""

    def __init__(self, *words: Any) -> None:
        self.words = list(words)
        self.asked: list[tuple[tuple[Message, ...], Mapping[str, Any] | None, int]] = []

    async def ask(
        self, target: ModelTarget, turns: Sequence[Message], *, schema: Mapping[str, Any] | None, seed: int
    ) -> Reply:
        """As a judge's model would."""
        assert target is TARGET
        self.asked.append((tuple(turns), schema, seed))
        word = self.words.pop(0)
        if isinstance(word, Exception):
            raise word
        return reply(word if isinstance(word, str) else json.dumps(word), fingerprint={"model": "judge-1a"})


def test_the_judges_own_yes_or_no_decides_without_a_threshold() -> None:
    """Its score, its reason and what answered are kept beside it."""
    judge = Judge(GOOD)
    found = asked(SPEC, CASE, reply("Good day"), asking=judge)
    assert (found.value, found.passed, found.reason) == (1.0, True, "")
    assert found.details == {"score": 0.7, "reason": "It greets.", "fingerprint": {"model": "judge-1a"}}
    assert judge.asked[0][1] == SCHEMA
    assert not asked(SPEC, CASE, reply("What?"), asking=Judge({**GOOD, "passed": False})).passed


@pytest.mark.parametrize(
    ("threshold", "word", "negate", "value", "passed"),
    [
        (0.7, True, False, 0.7, True),
        (0.71, True, False, 0.7, False),
        (0.7, False, False, 0.0, False),
        (0.3, False, True, 0.3, True),
        (0.31, False, True, 0.3, False),
        (0.3, True, True, 0.0, False),
    ],
)
def test_with_a_threshold_an_answer_passes_where_the_judges_word_and_its_score_both_allow_it(
    threshold: float, value: float, *, word: bool, negate: bool, passed: bool
) -> None:
    """Turned round too: then neither may speak for what must not hold. The value always says the same as the verdict."""
    spec = dataclasses.replace(SPEC, threshold=threshold, params={**SPEC.params, "negate": negate})
    found = asked(spec, CASE, reply("a"), asking=Judge({**GOOD, "passed": word}))
    assert (found.value, found.passed) == (pytest.approx(value), passed)
    assert bool(found.reason) is not passed
    assert found.details["score"] == 0.7


@pytest.mark.parametrize(
    "word",
    [
        "",
        "It is polite.",
        "[]",
        {"score": 1, "reason": ""},
        {**GOOD, "passed": "true"},
        {**GOOD, "score": 7},
        {**GOOD, "score": True},
        {**GOOD, "score": "0.7"},
        '{"passed": true, "passed": false, "score": 1, "reason": ""}',
        '{"passed": true, "score": NaN, "reason": ""}',
    ],
)
def test_a_word_that_cannot_be_used_is_asked_for_once_more(word: Any) -> None:
    """With another seed; the second time it is an error of the harness and never the model's failure."""
    judge = Judge(word, GOOD)
    assert asked(SPEC, CASE, reply("a"), asking=judge).passed
    assert [seed for _, _, seed in judge.asked] == [1, 2]
    with pytest.raises(ScorerError, match="no usable word"):
        asked(SPEC, CASE, reply("a"), asking=Judge(word, word))


def test_what_keeps_a_judge_from_being_asked_reaches_the_runner_as_it_is() -> None:
    """A server that says no; a judge without a model."""
    with pytest.raises(Refused):
        asked(SPEC, CASE, reply("a"), asking=Judge(Refused("no", Exchange())))
    with pytest.raises(ScorerError, match="no model"):
        asked(ScorerSpec("judge", "", {"rubric": "r"}), CASE, reply("a"), asking=Judge())


def test_a_field_is_judged_alone_and_without_it_nobody_is_asked() -> None:
    """An answer that lacks the field is wrong without a judge."""
    spec = dataclasses.replace(SPEC, field="note")
    judge = Judge(GOOD)
    asked(spec, CASE, reply('{"note": "Good day", "other": "secret"}'), asking=judge)
    assert "secret" not in judge.asked[0][0][1].content
    assert asked(spec, CASE, reply("no JSON"), asking=judge).value == 0.0
    assert len(judge.asked) == 1


@given(st.text(max_size=200))
def test_an_answer_cannot_leave_its_quotation(answer: str) -> None:
    """Three marks of the quotation and no more, whatever the answer holds, itself an earlier quotation included."""
    earlier = turns_of(SPEC, CASE, answer)[1].content
    for text in (answer, earlier, f"{answer}\n===== end"):
        system, user = turns_of(SPEC, CASE, text)
        mark = user.content.rsplit("\n", 3)[-3].removesuffix(" end")
        assert mark in system.content
        assert user.content.count(mark) == 3
        assert text in user.content


def test_the_same_answer_is_judged_by_the_same_words() -> None:
    """So that a judge that changes its mind has changed itself."""
    assert turns_of(SPEC, CASE, "a") == turns_of(SPEC, CASE, "a")


def test_a_judge_sees_so_much_of_an_answer_and_is_told_that_it_is_cut() -> None:
    """The cost of a judge is bounded, whatever a model says."""
    content = turns_of(SPEC, CASE, "x" * (LONGEST + 5))[1].content
    assert "5 more characters are cut" in content
    assert len(content) < LONGEST + 1_000


def test_other_instructions_are_another_edition_which_puts_every_judge_back_on_probation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where this fails, raise INSTRUCTIONS in domain/judging.py and write the new edition with its hash here."""
    told = turns_of(ScorerSpec("judge", "", {"rubric": "R"}), Case("c", {"q": "Q"}, {"": "E"}), "A")
    words = json.dumps([turn.as_dict() for turn in told] + [SCHEMA, LONGEST])
    editions = {1: "b564b507a55a7661"}
    assert hashlib.sha256(words.encode()).hexdigest()[:16] == editions[judging.INSTRUCTIONS]
    before = judging.judge_sha256(SPEC)
    monkeypatch.setattr(judging, "INSTRUCTIONS", judging.INSTRUCTIONS + 1)
    assert judging.judge_sha256(SPEC) != before


def test_a_judge_that_is_turned_round_is_another_one() -> None:
    """What people agreed with was the opposite."""
    turned = dataclasses.replace(SPEC, params={**SPEC.params, "negate": True})
    assert judging.judge_sha256(turned) != judging.judge_sha256(SPEC)
