"""Scorers that compare texts and JSON values: exact, one_of, contains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from afterpilot.evaluate.answers import as_text, short
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError, verdict


def exact(question: Question) -> Result:
    """Equal as JSON, or as texts without blanks around them. What is expected as no text is read from an answer of JSON."""
    wanted = question.wanted()
    found = question.found(as_json=not isinstance(wanted, str))
    fold = bool(question.param("ignore_case"))
    return verdict("" if same(_plain(found, fold=fold), _plain(wanted, fold=fold)) else instead(found, wanted))


def one_of(question: Question) -> Result:
    """One of the listed values, compared as texts; and the case's expected one where it has one for the field."""
    choices = [as_text(choice) for choice in question.param("values", ())]
    if not choices:
        raise ScorerError("the scorer one_of has no values to choose from")
    fold = bool(question.param("ignore_case"))
    found = question.found()
    said = _plain(as_text(found), fold=fold)
    if said not in [_plain(choice, fold=fold) for choice in choices]:
        return verdict(f"{short(found)} is none of {', '.join(choices)}")
    if question.spec.field not in question.case.expected:
        return verdict("")
    wanted = question.case.expected[question.spec.field]
    return verdict("" if said == _plain(as_text(wanted), fold=fold) else instead(found, wanted))


def contains(question: Question) -> Result:
    """The text, each of ``all`` and one of ``any``, as far as they are given; else the expected text."""
    params = question.spec.params
    every = [as_text(text) for text in params.get("all", ())]
    some = [as_text(text) for text in params.get("any", ())]
    if "text" in params or not (every or some):
        every.append(as_text(question.wanted("text")))
    if "" in every or "" in some:
        raise ScorerError("there is no text to look for, and every answer contains that")
    fold = bool(question.param("ignore_case"))
    found = question.found()
    text = _folded(as_text(found), fold=fold)
    for wanted in every:
        if _folded(wanted, fold=fold) not in text:
            return verdict(f"{short(found)} does not contain {short(wanted)}")
    if some and not any(_folded(wanted, fold=fold) in text for wanted in some):
        return verdict(f"{short(found)} contains none of {', '.join(map(short, some))}")
    return verdict("")


def instead(found: Any, wanted: Any) -> str:  # noqa: ANN401 - any JSON value
    """What was found and what was wanted, in one sentence."""
    return f"{short(found)} instead of {short(wanted)}"


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Equal as JSON: 453 is 453.0, but neither true nor "453"."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _plain(value: Any, *, fold: bool) -> Any:  # noqa: ANN401 - any JSON value
    return _folded(value.strip(), fold=fold) if isinstance(value, str) else value


def _folded(text: str, *, fold: bool) -> str:
    return text.casefold() if fold else text
